//! `cargo xtask exactness`: the long run of what `tests/tests/engine_exactness.rs` does in short, over the engine in the profile that this
//! program itself was built in. Knows how to start it; what exact means is said there.

use std::time::Duration;

use picket_tests::dynamodb::DynamoDb;
use picket_tests::engine::Kept;
use picket_tests::exactness;

use crate::{engine, setup};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many signals to send
    #[arg(long, default_value_t = 1_000_000)]
    signals: u64,
    /// How often to kill the engine meanwhile
    #[arg(long, default_value_t = 20)]
    kills: u64,
    /// Over DynamoDB Local in place of a SQLite file
    #[arg(long)]
    dynamodb: bool,
}

/// Runs it and says what came of it.
///
/// # Errors
/// When counts in the store are not those that were sent.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let folder = engine::fresh("exactness")?;
    let server = if options.dynamodb {
        setup::only("dynamodb")?;
        Some(DynamoDb::start()?)
    } else {
        None
    };
    let kept = match &server {
        Some(server) => Kept::Table { name: "picket".to_owned(), endpoint: server.url() },
        None => Kept::Folder(folder),
    };
    let outcome = exactness::run(kept, options.signals, options.kills)?;
    println!("exactness: {outcome}");
    let seconds = Duration::from_millis(u64::try_from(outcome.millis).unwrap_or(u64::MAX)).as_secs_f64();
    println!("exactness: {:.0} batches per second", outcome.batches as f64 / seconds.max(0.001));
    if outcome.is_exact() { Ok(()) } else { Err(format!("not exact: {outcome:?}")) }
}

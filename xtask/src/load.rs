//! `cargo run --release -p picket-xtask -- load`: how many batches the engine takes, in the profile that this program itself was built in.
//! Knows how to start it; what is measured is said in `tests/src/load.rs`.

use picket_tests::engine::Kept;
use picket_tests::load;

use crate::engine;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Senders at once
    #[arg(long, default_value_t = 16)]
    senders: u64,
    /// Seconds to send for
    #[arg(long, default_value_t = 600)]
    seconds: u64,
}

/// Measures and says what was measured.
///
/// # Errors
/// When the engine refuses an honest batch.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let folder = engine::fresh("load")?;
    let done = load::run(Kept::Folder(folder), options.senders, options.seconds)?;
    println!("load: {done}");
    Ok(())
}

//! `cargo run --release -p picket-xtask -- load`: how many batches the engine takes, in the profile that this program itself was built in.
//! Knows how to start it; what is measured is said in `tests/src/load.rs`.

use picket_tests::engine::Kept;
use picket_tests::{layout, load};

use crate::command;

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
    let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    command::show(
        command::cargo()
            .args(["build", "--package", "picket-cloud-engine", "--bins"])
            .args(profile)
            .current_dir(layout::repository()),
    )?;
    let folder = layout::target().join("load");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    }
    let done = load::run(Kept::Folder(folder), options.senders, options.seconds)?;
    println!("load: {done}");
    Ok(())
}

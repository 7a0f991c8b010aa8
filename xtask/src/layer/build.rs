//! Compiling what ships: for two processors, for an older C library than this machine's, with no path of this machine inside. Knows
//! compilers and linkers; not what the binaries must be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use picket_tests::layout;

use crate::{command, setup};

/// The C library that the agent is linked against: Amazon Linux 2 has it.
const GLIBC: &str = "2.26";

/// A processor that Lambda offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Architecture {
    #[value(name = "x86_64")]
    X86_64,
    #[value(name = "arm64")]
    Arm64,
}

/// What goes into one layer.
pub(super) struct Binaries {
    pub(super) agent: Vec<u8>,
    pub(super) wrapper: Vec<u8>,
}

/// Why there are no binaries.
#[derive(Debug)]
pub(crate) enum Failure {
    /// This machine cannot build for that architecture.
    NoToolchain(String),
    /// It can, and it went wrong.
    Broken(String),
}

impl Failure {
    /// The reason alone, where it does not matter which of the two it is.
    pub(crate) fn into_words(self) -> String {
        match self {
            Self::NoToolchain(why) | Self::Broken(why) => why,
        }
    }
}

impl Architecture {
    pub(crate) const ALL: [Self; 2] = [Self::X86_64, Self::Arm64];

    /// As Lambda names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// As Rust names it.
    pub(super) fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    pub(super) fn is_this_machine(self) -> bool {
        self.triple().starts_with(std::env::consts::ARCH)
    }
}

/// Compiles both binaries.
///
/// # Errors
/// That there is no toolchain, or that compiling failed.
pub(super) fn binaries(
    architecture: Architecture,
    target: &Path,
    install: bool,
) -> Result<Binaries, Failure> {
    if install && !architecture.is_this_machine() {
        setup::install_cross();
    }
    let compiler = compiler(architecture, install)?;
    let triple = architecture.triple();
    let agent =
        for_older_glibc(architecture, "picket-extension", "picket-agent", target, compiler.as_deref())?;

    // The wrapper is static: it must start in images that have no C library, or another one. It holds no data of anybody's and is replaced by the
    // function's own program at once, so it does without the tables by which it could lie anywhere in memory.
    let mut wrapper = cargo_for(
        Path::new("cargo"),
        "build",
        target,
        compiler.as_deref(),
        &["-Ctarget-feature=+crt-static", "-Crelocation-model=static"],
    )?;
    wrapper.args(["--package", "picket-wrapper", "--target", triple]);
    if !architecture.is_this_machine() {
        let variable = format!("CARGO_TARGET_{}_LINKER", triple.replace('-', "_").to_uppercase());
        wrapper.env(variable, foreign_linker(architecture)?);
    }
    command::show(&mut wrapper).map_err(Failure::Broken)?;

    Ok(Binaries { agent, wrapper: built(architecture, "picket-wrapper", target)? })
}

/// Compiles the engine.
///
/// # Errors
/// That there is no toolchain, or that compiling failed.
pub(crate) fn engine(architecture: Architecture, target: &Path, install: bool) -> Result<Vec<u8>, Failure> {
    if install && !architecture.is_this_machine() {
        setup::install_cross();
    }
    let compiler = compiler(architecture, install)?;
    for_older_glibc(architecture, "picket-cloud-engine", "picket-engine", target, compiler.as_deref())
}

/// A program that is linked against the oldest C library that Lambda has.
fn for_older_glibc(
    architecture: Architecture,
    package: &str,
    program: &str,
    target: &Path,
    compiler: Option<&Path>,
) -> Result<Vec<u8>, Failure> {
    let zig = setup::only("zig").map_err(Failure::NoToolchain)?;
    let mut build = cargo_for(&zig.join("bin/cargo-zigbuild"), "zigbuild", target, compiler, &[])?;
    build
        .args(["--package", package, "--bin", program])
        .args(["--target", &format!("{}.{GLIBC}", architecture.triple())])
        .env("PYTHONPATH", &zig)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command::show(&mut build).map_err(Failure::Broken)?;
    built(architecture, program, target)
}

fn built(architecture: Architecture, program: &str, target: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(target.join(architecture.triple()).join("layer").join(program))
        .map_err(|error| Failure::Broken(format!("{program} was not built: {error}")))
}

fn cargo_for(
    program: &Path,
    verb: &str,
    target: &Path,
    compiler: Option<&Path>,
    flags: &[&str],
) -> Result<Command, Failure> {
    let mut all_flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    // No path of this machine may show in what ships: neither its user's name, nor bytes that differ from the next machine's.
    for (from, to) in [(layout::repository().to_path_buf(), "picket"), (cargo_home()?, "cargo")] {
        all_flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    }
    let mut command = Command::new(program);
    command
        .args([verb, "--profile", "layer", "--locked", "--target-dir"])
        .arg(target)
        .current_dir(layout::repository())
        .env("CARGO_ENCODED_RUSTFLAGS", all_flags.join("\u{1f}"))
        .env("CARGO_INCREMENTAL", "0");
    if let Some(compiler) = compiler {
        command.env("RUSTC", compiler);
    }
    Ok(command)
}

/// The compiler to use where it is not the one that cargo finds by itself.
fn compiler(architecture: Architecture, install: bool) -> Result<Option<PathBuf>, Failure> {
    let sysroot =
        command::output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(layout::repository()))
            .map_err(Failure::NoToolchain)?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(architecture.triple()).join("lib").is_dir() {
        return Ok(None);
    }
    if architecture.is_this_machine() {
        return Err(Failure::NoToolchain(format!(
            "this toolchain has no standard library for {}",
            architecture.triple()
        )));
    }
    if install {
        return setup::only("rust-arm64")
            .map(|folder| Some(folder.join("rustc")))
            .map_err(Failure::NoToolchain);
    }
    layout::tool("rust-arm64").map(|folder| Some(folder.join("rustc"))).map_err(|_absent| {
        Failure::NoToolchain(format!(
            "there is no standard library for it; `rustup target add {}` brings one, or `cargo xtask layer --install` on Debian",
            architecture.triple()
        ))
    })
}

fn foreign_linker(architecture: Architecture) -> Result<&'static str, Failure> {
    let linker = match architecture {
        Architecture::X86_64 => "x86_64-linux-gnu-gcc",
        Architecture::Arm64 => "aarch64-linux-gnu-gcc",
    };
    if command::exists(linker) {
        Ok(linker)
    } else {
        Err(Failure::NoToolchain(format!("{linker} is not installed, which links the static wrapper")))
    }
}

/// Where cargo keeps the sources of dependencies.
fn cargo_home() -> Result<PathBuf, Failure> {
    #[expect(
        clippy::disallowed_methods,
        reason = "xtask is a program of its own, and cargo's home is the user's choice"
    )]
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    home.ok_or_else(|| Failure::Broken("neither CARGO_HOME nor HOME is set".to_owned()))
}

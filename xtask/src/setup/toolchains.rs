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

/// Debian's own compiler, whose packages carry a standard library for arm64, and what that compiler is linked with. The packages are
/// unpacked into a folder and not installed: the compiler runs on its own C library, whatever this machine has.
const DEBIAN: &str = "trixie";
const DEBIAN_PACKAGES: &[&str] = &[
    "rustc-web",
    "libstd-rust-web-1.96",
    "libstd-rust-web-dev",
    "libstd-rust-web-dev:arm64",
    "libllvm22",
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "zlib1g",
    "libffi8",
    "libxml2",
    "libzstd1",
    "libedit2",
    "libtinfo6",
    "libbsd0",
    "libmd0",
    "liblzma5",
];

pub(super) fn rust_arm64_stamp() -> Result<String, String> {
    Ok(format!("Debian {DEBIAN}: {}", DEBIAN_PACKAGES.join(" ")))
}

pub(super) fn rust_arm64(folder: &Path) -> Result<(), String> {
    for need in ["apt-get", "dpkg"] {
        if !command::exists(need) {
            return Err(format!("{need} is not installed"));
        }
    }
    super::cached(&format!("rust-arm64-{DEBIAN}"), folder, |folder| {
        println!("setup: fetching Debian {DEBIAN}'s compiler for arm64, about 130 MB, once for this user");
        let lists = folder.join("apt");
        write_apt_configuration(&lists).map_err(|error| format!("{}: {error}", lists.display()))?;
        let apt = |arguments: &[&str]| {
            command::output(
                Command::new("apt-get")
                    .args(arguments)
                    .env("APT_CONFIG", lists.join("apt.conf"))
                    .current_dir(lists.join("debs")),
            )
        };
        apt(&["-qq", "update"])?;
        let mut download = vec!["-qq", "download"];
        download.extend_from_slice(DEBIAN_PACKAGES);
        apt(&download)?;
        for package in fs::read_dir(lists.join("debs")).map_err(|error| error.to_string())?.flatten() {
            command::output(Command::new("dpkg").arg("-x").arg(package.path()).arg(folder.join("root")))?;
        }
        super::remove(&lists)
    })?;
    // Written anew for each place: it names the folder that it stands in.
    let rustc = folder.join("rustc");
    fs::write(&rustc, RUSTC)
        .and_then(|()| fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("{}: {error}", rustc.display()))?;
    command::output(Command::new(&rustc).arg("-vV")).map(|_printed| ())
}

/// Starts the unpacked compiler with the loader and the libraries that were unpacked beside it.
const RUSTC: &str = r#"#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/root
exec "$root/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" \
    --library-path "$root/usr/lib/x86_64-linux-gnu" "$root/usr/bin/rustc" --sysroot "$root/usr" "$@"
"#;

/// A configuration of apt that knows one release and touches nothing of this machine's own.
fn write_apt_configuration(folder: &Path) -> std::io::Result<()> {
    for part in ["state/lists/partial", "cache/archives/partial", "debs"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let place = folder.display();
    fs::write(
        folder.join("sources.list"),
        format!(
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {DEBIAN} main\n"
        ),
    )?;
    fs::write(folder.join("status"), "")?;
    fs::write(
        folder.join("apt.conf"),
        format!(
            "Dir::Etc::sourcelist \"{place}/sources.list\";\nDir::Etc::sourceparts \"-\";\nDir::State \"{place}/state\";\n\
             Dir::State::status \"{place}/status\";\nDir::Cache \"{place}/cache\";\nAPT::Architecture \"amd64\";\n\
             APT::Architectures {{ \"amd64\"; \"arm64\"; }};\nAPT::Sandbox::User \"root\";\n"
        ),
    )
}

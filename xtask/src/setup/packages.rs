//! System packages, for machines where installing them is wanted (`--install`). Knows Debian's names; not what the tools are for.

use std::path::Path;
use std::process::Command;

use crate::command;

/// A program that must be on the path, or a file that must be there, and the Debian package that brings it.
const PACKAGES: &[(&str, &str)] = &[
    ("unshare", "util-linux"),
    ("python3", "python3"),
    ("pip3", "python3-pip"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("autoconf", "autoconf"),
    ("automake", "automake"),
    ("libtoolize", "libtool"),
    ("cmake", "cmake"),
    ("g++", "g++"),
    ("make", "make"),
    ("javac", "default-jdk-headless"),
    ("mvn", "maven"),
    ("go", "golang-go"),
];

/// What the other architecture's layer is linked and tried out with.
const CROSS_PACKAGES: &[(&str, &str)] = &[
    ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
    ("/usr/aarch64-linux-gnu/lib/libc.a", "libc6-dev-arm64-cross"),
    ("qemu-aarch64-static", "qemu-user-static"),
];

/// Installs what the tests need.
pub(super) fn install() {
    install_missing(PACKAGES);
}

/// What checking the templates needs.
const PYTHON_PACKAGES: &[(&str, &str)] = &[("python3", "python3"), ("pip3", "python3-pip")];

/// Installs Python's package manager.
pub(crate) fn install_python() {
    install_missing(PYTHON_PACKAGES);
}

/// Installs what building for arm64 needs.
pub(crate) fn install_cross() {
    install_missing(CROSS_PACKAGES);
}

/// Installs what is missing. What cannot be installed shows up as a missing tool later, with its own reason.
fn install_missing(packages: &[(&str, &'static str)]) {
    let missing: Vec<&str> =
        packages.iter().filter(|(need, _)| !is_there(need)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return;
    }
    if !command::exists("apt-get") {
        println!("setup: cannot install {}: this machine has no apt-get", missing.join(", "));
        return;
    }
    println!("setup: installing {}", missing.join(", "));
    let refreshed = command::output(apt().arg("update"));
    let installed =
        command::output(apt().args(["install", "--yes", "--no-install-recommends"]).args(&missing));
    for failed in [refreshed, installed].into_iter().filter_map(Result::err) {
        println!("setup: {failed}");
    }
}

fn is_there(need: &str) -> bool {
    if need.starts_with('/') { Path::new(need).exists() } else { command::exists(need) }
}

fn apt() -> Command {
    let mut command = if command::exists("sudo") && !is_root() {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    } else {
        Command::new("apt-get")
    };
    command.arg("-qq").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> bool {
    command::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

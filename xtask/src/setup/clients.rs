//! AWS's runtime clients and the example functions that are built on them. Knows registries and compilers; not the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use picket_tests::layout;

use crate::command;

const PYTHON: &str = "awslambdaric==4.2.2";
const NODEJS: &str = "aws-lambda-ric@4.0.2";

/// What the native part of the Node.js client is built with.
const NODEJS_NEEDS: &[&str] = &["autoconf", "automake", "libtoolize", "cmake", "g++", "make"];

fn sources(name: &str) -> PathBuf {
    layout::repository().join("tests/functions").join(name)
}

/// A program's own version, which native modules and class files depend on.
fn version(program: &str, flag: &str) -> Result<String, String> {
    let printed = command::output(Command::new(program).arg(flag))?;
    Ok(printed.lines().next().unwrap_or_default().trim().to_owned())
}

/// The content of source files, so that a changed source is built anew.
fn contents(name: &str, files: &[&str]) -> Result<String, String> {
    let mut text = String::new();
    for file in files {
        let path = sources(name).join(file);
        text.push_str(&fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?);
    }
    Ok(text)
}

pub(super) fn python_stamp() -> Result<String, String> {
    Ok(format!("{PYTHON} on {}", version("python3", "--version")?))
}

pub(super) fn python(folder: &Path) -> Result<(), String> {
    command::output(
        Command::new("python3")
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--only-binary=:all:",
                "--root-user-action=ignore",
                "--target",
            ])
            .arg(folder)
            .arg(PYTHON),
    )
    .map(|_printed| ())
}

pub(super) fn nodejs_stamp() -> Result<String, String> {
    Ok(format!("{NODEJS} on {}", version("node", "--version")?))
}

pub(super) fn nodejs(folder: &Path) -> Result<(), String> {
    let key =
        format!("{}-{}-{}", NODEJS.replace('@', "-"), version("node", "--version")?, std::env::consts::ARCH);
    super::cached(&key, folder, |folder| {
        let missing: Vec<&str> = NODEJS_NEEDS.iter().copied().filter(|need| !command::exists(need)).collect();
        if !missing.is_empty() {
            return Err(format!(
                "the native part of {NODEJS} is built with {}, which this machine lacks",
                missing.join(", ")
            ));
        }
        println!("setup: building {NODEJS}, about 90 seconds, once for this user");
        command::output(
            Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--prefix"])
                .arg(folder)
                .arg(NODEJS)
                .current_dir(folder),
        )
        .map(|_printed| ())
    })
}

pub(super) fn java_stamp() -> Result<String, String> {
    let client = "aws-lambda-java-runtime-interface-client";
    Ok(format!(
        "{client} on {}\n{}",
        version("javac", "-version")?,
        contents("java", &["pom.xml", "App.java"])?
    ))
}

pub(super) fn java(folder: &Path) -> Result<(), String> {
    let (jars, function) = (folder.join("jars"), folder.join("function"));
    command::output(
        Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(sources("java").join("pom.xml"))
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", jars.display())),
    )?;
    command::output(
        Command::new("javac")
            .arg("-cp")
            .arg(format!("{}/*", jars.display()))
            .arg("-d")
            .arg(&function)
            .arg(sources("java").join("App.java")),
    )
    .map(|_printed| ())
}

pub(super) fn go_stamp() -> Result<String, String> {
    Ok(format!(
        "aws-lambda-go on {}\n{}",
        version("go", "version")?,
        contents("go", &["go.mod", "go.sum", "main.go"])?
    ))
}

pub(super) fn go(folder: &Path) -> Result<(), String> {
    command::output(
        Command::new("go")
            .args(["build", "-trimpath", "-ldflags=-s -w", "-o"])
            .arg(folder.join("function/app"))
            .arg(".")
            .env("CGO_ENABLED", "0")
            .current_dir(sources("go")),
    )
    .map(|_printed| ())
}

pub(super) fn rust_stamp() -> Result<String, String> {
    let built = rust_binary()?;
    let bytes = fs::read(&built).map_err(|error| format!("{}: {error}", built.display()))?;
    Ok(format!("lambda_runtime\n{}", picket_tests::clients::events::sha256(&bytes)))
}

pub(super) fn rust(folder: &Path) -> Result<(), String> {
    let built = rust_binary()?;
    let function = folder.join("function");
    fs::create_dir_all(&function)
        .and_then(|()| fs::copy(built, function.join("app")))
        .map(|_bytes| ())
        .map_err(|error| format!("{}: {error}", function.display()))
}

/// The example function in Rust is a member of this workspace, so cargo itself knows whether it must be built.
fn rust_binary() -> Result<PathBuf, String> {
    command::output(
        command::cargo()
            .args(["build", "--quiet", "--package", "picket-example-function"])
            .current_dir(layout::repository()),
    )?;
    Ok(layout::target().join("debug/picket-example-function"))
}

//! AWS's DynamoDB Local from Maven Central. Knows the package; not how it is run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use picket_tests::layout;

use crate::command;

fn pom() -> PathBuf {
    layout::repository().join("tests/dynamodb/pom.xml")
}

pub(super) fn stamp() -> Result<String, String> {
    if std::env::consts::ARCH != "x86_64" {
        return Err(format!("its native part is not built for Linux on {}", std::env::consts::ARCH));
    }
    for program in ["java", "mvn"] {
        if !command::exists(program) {
            return Err(format!("{program} is not installed"));
        }
    }
    fs::read_to_string(pom()).map(|pom| format!("DynamoDBLocal\n{pom}")).map_err(|error| error.to_string())
}

pub(super) fn build(folder: &Path) -> Result<(), String> {
    super::cached("dynamodb-local-3.0.0", folder, |folder| {
        command::output(
            Command::new("mvn")
                .args(["-q", "-B", "-f"])
                .arg(pom())
                .arg("dependency:copy-dependencies")
                .arg(format!("-DoutputDirectory={}", folder.join("jars").display())),
        )
        .map(|_printed| ())
    })
}

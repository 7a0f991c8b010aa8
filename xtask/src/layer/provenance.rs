//! What says where a layer comes from: the list of digests, and a statement in the form of in-toto with SLSA's predicate. Knows git
//! and the compiler; not what is in a layer.
//!
//! The statement is not signed here: who publishes signs it, with the key of the place where it was built (docs/layers.md).

use std::process::Command;

use picket_tests::clients::events::sha256;
use picket_tests::layout;
use serde_json::{Value, json};

use super::Architecture;
use crate::command;

/// The meaning of the parameters below is described in docs/layers.md.
const BUILD_TYPE: &str = "urn:picket:layer-build:v1";

/// The statement for one zip.
///
/// # Errors
/// When git or the compiler does not answer.
pub(super) fn of(
    architecture: Architecture,
    name: &str,
    zip: &[u8],
    lock: &[u8],
    files: &[(&str, &[u8])],
) -> Result<String, String> {
    let told = |program: &str, arguments: &[&str]| {
        command::output(Command::new(program).args(arguments).current_dir(layout::repository()))
            .map(|printed| printed.trim().to_owned())
    };
    // A tree that was changed after its commit is not what the commit names.
    let revision = told("git", &["rev-parse", "HEAD"])?;
    let changed = !told("git", &["status", "--porcelain"])?.is_empty();
    let source = Source { revision, changed, compiler: told("rustc", &["--version"])? };
    let text = serde_json::to_string_pretty(&statement(architecture, name, zip, lock, files, &source))
        .map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

struct Source {
    revision: String,
    changed: bool,
    compiler: String,
}

fn statement(
    architecture: Architecture,
    name: &str,
    zip: &[u8],
    lock: &[u8],
    files: &[(&str, &[u8])],
    source: &Source,
) -> Value {
    let inside: Vec<Value> = files
        .iter()
        .map(|(name, bytes)| json!({ "name": name, "digest": { "sha256": sha256(bytes) } }))
        .collect();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": name, "digest": { "sha256": sha256(zip) } }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "command": format!("cargo xtask layer --only {}", architecture.name()),
                    "target": architecture.triple(),
                    "profile": "layer",
                },
                "internalParameters": { "compiler": source.compiler, "uncommittedChanges": source.changed },
                "resolvedDependencies": [
                    { "name": "source", "digest": { "gitCommit": source.revision } },
                    { "name": "Cargo.lock", "digest": { "sha256": sha256(lock) } },
                ],
            },
            "runDetails": {
                "builder": { "id": format!("picket-xtask/{}", env!("CARGO_PKG_VERSION")) },
                "byproducts": inside,
            },
        },
    })
}

/// The list of digests, in the form that `sha256sum --check` reads.
pub(super) fn sums(files: &[(String, Vec<u8>)]) -> String {
    let mut lines: Vec<String> =
        files.iter().map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes))).collect();
    lines.sort_by(|one, other| one.get(66..).cmp(&other.get(66..)));
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_names_the_zip_by_its_digest_and_the_source_by_its_commit() {
        let source = Source { revision: "c0ffee".to_owned(), changed: false, compiler: "rustc 1".to_owned() };
        let statement =
            statement(Architecture::Arm64, "picket-arm64.zip", b"zip", b"lock", &[("a", b"b")], &source);
        assert_eq!(statement["subject"][0]["digest"]["sha256"], sha256(b"zip"));
        let definition = &statement["predicate"]["buildDefinition"];
        assert_eq!(definition["resolvedDependencies"][0]["digest"]["gitCommit"], "c0ffee");
        assert_eq!(definition["externalParameters"]["target"], "aarch64-unknown-linux-gnu");
        assert_eq!(statement["predicate"]["runDetails"]["byproducts"][0]["digest"]["sha256"], sha256(b"b"));
    }

    #[test]
    fn digests_are_listed_by_name_as_sha256sum_reads_them() {
        let files = [("b.zip".to_owned(), b"2".to_vec()), ("a.zip".to_owned(), b"1".to_vec())];
        let text = sums(&files);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines, [format!("{}  a.zip", sha256(b"1")), format!("{}  b.zip", sha256(b"2"))]);
    }
}

//! The bill of materials of a layer, in CycloneDX's form: every crate that is compiled into what ships, with licence and digest.
//! Knows cargo's description of the workspace and its lock file; not how a layer is built.
//!
//! It names no time and no random number, so that the same sources give the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use picket_tests::clients::events::sha256;
use picket_tests::layout;
use serde_json::{Value, json};

use super::Architecture;
use crate::command;

/// What ships in the layer.
const SHIPPED: [&str; 2] = ["picket-extension", "picket-wrapper"];

/// The bill for one architecture.
///
/// # Errors
/// When cargo cannot describe the workspace.
pub(super) fn of(architecture: Architecture) -> Result<String, String> {
    let told = command::output(
        command::cargo()
            .args([
                "metadata",
                "--format-version",
                "1",
                "--locked",
                "--filter-platform",
                architecture.triple(),
            ])
            .current_dir(layout::repository()),
    )?;
    let told: Value = serde_json::from_str(&told).map_err(|error| format!("cargo metadata: {error}"))?;
    let lock = layout::repository().join("Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    bill(&told, &checksums(&lock), architecture.name())
}

/// The digests that the lock file holds, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let quoted = |line: &str, key: &str| {
        line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"').map(str::to_owned)
    };
    let mut sums = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let find = |key: &str| package.lines().find_map(|line| quoted(line, key));
        if let (Some(name), Some(version), Some(sum)) = (find("name"), find("version"), find("checksum")) {
            sums.insert((name, version), sum);
        }
    }
    sums
}

fn bill(
    told: &Value,
    sums: &BTreeMap<(String, String), String>,
    architecture: &str,
) -> Result<String, String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages: BTreeMap<String, Value> =
        list(&told["packages"]).into_iter().map(|package| (text(&package["id"]), package)).collect();
    let nodes: BTreeMap<String, Value> =
        list(&told["resolve"]["nodes"]).into_iter().map(|node| (text(&node["id"]), node)).collect();
    let mut waiting: Vec<String> = packages
        .iter()
        .filter(|(_, package)| SHIPPED.iter().any(|name| package["name"] == *name))
        .map(|(id, _)| id.clone())
        .collect();
    if waiting.len() != SHIPPED.len() {
        return Err("layer: cargo names no crates that ship".to_owned());
    }
    let mut reached = BTreeSet::new();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while let Some(id) = waiting.pop() {
        if !reached.insert(id.clone()) {
            continue;
        }
        let Some(node) = nodes.get(&id) else { continue };
        for needed in list(&node["deps"]) {
            // A crate that only builds or tests another is not in what ships; neither is a macro's own code.
            let normal = list(&needed["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            let to = text(&needed["pkg"]);
            if normal && !packages.get(&to).is_some_and(is_macro) {
                edges.entry(id.clone()).or_default().insert(to.clone());
                waiting.push(to);
            }
        }
    }
    let reference = |id: &str| packages.get(id).map(purl).unwrap_or_default();
    let mut components: Vec<Value> =
        reached.iter().filter_map(|id| packages.get(id)).map(|package| component(package, sums)).collect();
    components.sort_by_key(|component| text(&component["bom-ref"]));
    let mut dependencies: Vec<Value> = reached
        .iter()
        .map(|id| {
            let mut on: Vec<String> = edges.get(id).into_iter().flatten().map(|to| reference(to)).collect();
            on.sort();
            json!({ "ref": reference(id), "dependsOn": on })
        })
        .collect();
    dependencies.sort_by_key(|entry| text(&entry["ref"]));
    let version = packages
        .values()
        .find(|package| package["name"] == SHIPPED[0])
        .map(|package| text(&package["version"]))
        .unwrap_or_default();
    let mut bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": {
            "type": "application",
            "bom-ref": format!("picket-{architecture}"),
            "name": format!("picket-{architecture}"),
            "version": version,
            "licenses": [{ "license": { "id": "Apache-2.0" } }],
        }},
        "components": components,
        "dependencies": dependencies,
    });
    // The format asks for a number that belongs to this bill alone; its own digest is one.
    let digest = sha256(bill.to_string().as_bytes());
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default().to_owned();
    bill["serialNumber"] = json!(format!(
        "urn:uuid:{}-{}-5{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    ));
    serde_json::to_string_pretty(&bill).map(|text| text + "\n").map_err(|error| error.to_string())
}

fn is_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().cloned().unwrap_or_default();
    targets
        .iter()
        .any(|target| target["kind"].as_array().is_some_and(|kinds| kinds.contains(&json!("proc-macro"))))
}

fn purl(package: &Value) -> String {
    format!(
        "pkg:cargo/{}@{}",
        package["name"].as_str().unwrap_or_default(),
        package["version"].as_str().unwrap_or_default()
    )
}

fn component(package: &Value, sums: &BTreeMap<(String, String), String>) -> Value {
    let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(package),
        "name": text("name"),
        "version": text("version"),
        "purl": purl(package),
        "scope": "required",
    });
    if let Some(licence) = package["license"].as_str() {
        // Cargo's older separator is no expression of SPDX.
        component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    if let Some(sum) = sums.get(&(text("name"), text("version"))) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill_of_this() -> Value {
        serde_json::from_str(&of(Architecture::X86_64).unwrap()).unwrap()
    }

    #[test]
    fn what_ships_is_named_with_licence_and_digest_and_nothing_else_is() {
        let bill = bill_of_this();
        let components = bill["components"].as_array().unwrap();
        let names: Vec<&str> = components.iter().filter_map(|one| one["name"].as_str()).collect();
        for shipped in ["picket-extension", "picket-wrapper", "picket-detection", "hyper", "tokio"] {
            assert!(names.contains(&shipped), "{shipped} is missing");
        }
        for absent in
            ["picket-cloud-engine", "picket-tests", "picket-xtask", "jsonschema", "proptest", "clap"]
        {
            assert!(!names.contains(&absent), "{absent} does not ship");
        }
        for component in components {
            let ours = component["name"].as_str().is_some_and(|name| name.starts_with("picket-"));
            assert!(component["licenses"].is_array(), "no licence: {component}");
            assert!(ours || component["hashes"][0]["content"].as_str().is_some_and(|sum| sum.len() == 64));
        }
        let known: BTreeSet<&str> = components.iter().filter_map(|one| one["bom-ref"].as_str()).collect();
        assert_eq!(known.len(), components.len(), "no component twice");
        for entry in bill["dependencies"].as_array().unwrap() {
            for on in entry["dependsOn"].as_array().unwrap() {
                assert!(known.contains(on.as_str().unwrap()), "{on} is no component");
            }
        }
    }

    #[test]
    fn the_same_sources_give_the_same_bill() {
        assert_eq!(of(Architecture::Arm64).unwrap(), of(Architecture::Arm64).unwrap());
        let number = bill_of_this()["serialNumber"].as_str().unwrap().to_owned();
        assert_eq!(number.len(), "urn:uuid:00000000-0000-0000-0000-000000000000".len(), "{number}");
    }

    #[test]
    fn digests_are_read_from_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"00ff\"\n\n\
                    [[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n";
        let sums = checksums(lock);
        assert_eq!(sums.len(), 1);
        assert_eq!(sums[&("a".to_owned(), "1.0.0".to_owned())], "00ff");
    }
}

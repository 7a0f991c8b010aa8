//! The pages about the policy file are those that the types give, and name every key.
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path};

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_generated_pages_are_fresh() {
    for (name, generated) in [
        ("policy.schema.json", picket_cli::policy_docs::schema()),
        ("policy-keys.md", picket_cli::policy_docs::keys()),
    ] {
        assert!(page(name) == generated, "docs/{name} is stale: run `cargo xtask docs`");
    }
}

#[test]
fn every_example_is_named_and_every_key_is_described() {
    let about = page("policy.md");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policy");
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(about.contains(&format!("policy/{name}")), "docs/policy.md does not name {name}");
    }
    for line in picket_cli::policy_docs::keys().lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        assert!(cells.iter().skip(1).any(|cell| cell.len() > 6), "a key without a description: {line}");
    }
}

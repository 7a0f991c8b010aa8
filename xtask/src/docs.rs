//! Writes the pages of docs/ that are generated from the code. It may not know what is in them: each comes from an example of the crate that
//! it documents, and a test of that crate says when it is stale.

use std::fs;

use picket_tests::layout;

use crate::command;

const PAGES: &[(&str, &str, &str)] = &[
    ("picket-extension", "settings_page", "docs/settings.md"),
    ("picket-detection", "signals_page", "docs/signals.md"),
    ("picket-cli", "policy_schema", "docs/policy.schema.json"),
    ("picket-cli", "policy_keys", "docs/policy-keys.md"),
];

/// Writes every generated page.
///
/// # Errors
/// What could not be run or written.
pub(crate) fn run() -> Result<(), String> {
    for (package, example, path) in PAGES {
        let page = command::output(command::cargo().args([
            "run",
            "--quiet",
            "--package",
            package,
            "--example",
            example,
        ]))?;
        let path = layout::repository().join(path);
        fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

//! Every file under broken/ is a policy with a mistake in it. What is said about it is kept beside it, as people reviewed it, and says how to
//! mend the mistake.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path};

use picket_cli::policy_file::{Diagnostic, PolicyFile, Severity};

/// The messages about a text, as they are printed.
fn rendered(name: &str, text: &str, found: &[Diagnostic]) -> String {
    let all: Vec<String> = found.iter().map(|diagnostic| diagnostic.render(name, text, false)).collect();
    all.join("\n\n")
}

fn files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn hold(folder: &str, name: &str, rendered: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, rendered));
}

#[test]
fn a_broken_policy_gets_a_message_that_says_how_to_mend_it() {
    let files = files("broken");
    assert!(files.len() >= 30, "{}", files.len());
    for (name, text) in &files {
        let Err(found) = PolicyFile::read(text) else { panic!("{name} is not broken") };
        assert!(!found.is_empty(), "{name}");
        for diagnostic in &found {
            assert_eq!(diagnostic.severity, Severity::Error, "{name}");
            assert!(!diagnostic.help.is_empty(), "{name} says how to mend it: {}", diagnostic.message);
        }
        hold("broken", name, &rendered("picket.yaml", text, &found));
    }
}

#[test]
fn what_is_probably_not_meant_gets_a_warning() {
    // 2026-11-25, so that what expires before it is over.
    const NOW: u64 = 1_795_600_000;
    for (name, text) in &files("doubtful") {
        let file = PolicyFile::read(text).unwrap_or_else(|found| panic!("{}", rendered(name, text, &found)));
        let found = file.lint(NOW);
        assert!(!found.is_empty(), "{name}");
        hold("doubtful", name, &rendered("picket.yaml", text, &found));
    }
    let clean = "picket: 1\nname: shop\nversion: 1\nrules:\n  - id: a\n    when: { field: path, like: /admin/* }\n    then: block\n";
    let found = PolicyFile::read(clean).unwrap_or_else(|_| panic!("it is whole")).lint(NOW);
    assert_eq!(found, [], "nothing is said of a clean policy");
}

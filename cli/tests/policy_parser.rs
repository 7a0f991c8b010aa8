//! Properties of the parser: no text makes it panic, and its messages point into the text.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path};

use picket_cli::policy_file::PolicyFile;
use proptest::prelude::*;

/// Reads a text in every way that the command line does.
fn survives(text: &str) {
    match PolicyFile::read(text) {
        Ok(file) => {
            let found = file.lint(1_800_000_000);
            assert!(found.iter().all(|diagnostic| text.get(diagnostic.span.clone()).is_some()), "{text}");
            file.compile(&|_| Err("no file".to_owned())).ok();
        }
        Err(found) => {
            assert!(!found.is_empty(), "{text}");
            for diagnostic in found {
                assert!(text.get(diagnostic.span.clone()).is_some(), "{text}");
                assert!(!diagnostic.render("picket.yaml", text, true).is_empty());
            }
        }
    }
}

fn seeds() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["tests/broken", "tests/doubtful", "../docs/policy"]
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        survives(&text);
    }

    /// Whole policies of which a piece was cut out, doubled, or replaced by a piece of another.
    #[test]
    fn no_mangled_policy_makes_it_panic(
        which in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        (from, to, at) in any::<(prop::sample::Index, prop::sample::Index, prop::sample::Index)>(),
    ) {
        let seeds = seeds();
        let lines: Vec<&str> = which.get(&seeds).lines().collect();
        let others: Vec<&str> = other.get(&seeds).lines().collect();
        prop_assume!(!lines.is_empty() && !others.is_empty());
        let (from, to) = (from.index(lines.len()), to.index(lines.len()));
        let (from, to) = (from.min(to), from.max(to));
        let at = at.index(others.len());
        let mangled = [&lines[..from], &others[at..(at + 3).min(others.len())], &lines[to..]].concat().join("\n");
        survives(&mangled);
        survives(mangled.get(..mangled.floor_char_boundary(mangled.len() / 2)).unwrap_or_default());
        let doubled = [&lines[..to], &lines[from..]].concat().join("\n");
        survives(&doubled);
    }
}

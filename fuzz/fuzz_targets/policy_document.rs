//! Any text as a policy file: reading it never panics, every message points into the text, and what is read can be linted and compiled.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picket_cli::policy_file::PolicyFile;

fuzz_target!(|text: &str| {
    match PolicyFile::read(text) {
        Ok(file) => {
            for diagnostic in file.lint(1_800_000_000) {
                assert!(text.get(diagnostic.span.clone()).is_some());
            }
            // Refusing is fine; what it names is not there.
            file.compile(&|_| Err("no file".to_owned())).ok();
        }
        Err(found) => {
            assert!(!found.is_empty());
            for diagnostic in found {
                assert!(text.get(diagnostic.span.clone()).is_some());
                diagnostic.render("fuzz.yaml", text, false);
            }
        }
    }
});

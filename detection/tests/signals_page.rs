//! The catalogue page in docs/ is complete and fresh.

#[path = "../examples/signals_page.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod signals_page;

use picket_detection::Catalogue;

/// The sections that every detector's file opens with.
const SECTIONS: &[&str] = &[
    "What it detects",
    "Why it matters",
    "Example",
    "Known false positives",
    "Evasions covered",
    "References",
];

#[test]
fn every_detector_says_what_it_detects_and_what_it_gets_wrong() {
    let mut missing = Vec::new();
    for detector in Catalogue::built_in().iter() {
        let head = signals_page::head(detector.name);
        for section in SECTIONS {
            let heading = format!("# {section}");
            let said =
                head.lines().skip_while(|line| **line != heading).skip(1).any(|line| !line.trim().is_empty());
            if !said {
                missing.push(format!("{}: {section}", detector.name));
            }
        }
    }
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn the_catalogue_page_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/signals.md");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == signals_page::page(), "docs/signals.md is stale: run `cargo xtask docs`");
}

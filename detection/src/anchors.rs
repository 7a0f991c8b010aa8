//! The one pass over a view: classes of bytes, the longest run of word bytes, and which detectors' literal anchors occur.
//!
//! The automaton is built by `build.rs` from the `*.anchors` files of the detectors; there is nothing to do at start. It
//! may not know what the anchors mean.

use crate::{Classes, scan::CLASS_OF};

include!(concat!(env!("OUT_DIR"), "/anchors.rs"));

static NEXT: &[u8; STATES << (SHIFT + 1)] = include_bytes!(concat!(env!("OUT_DIR"), "/anchors.next"));
static BYTE_CLASS: &[u8; 256] = include_bytes!(concat!(env!("OUT_DIR"), "/anchors.classes"));

/// What one pass over a view saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Which classes of bytes occur.
    pub(crate) classes: Classes,
    /// Which anchors files have a literal in it: bit `i` for `NAMES[i]`.
    pub(crate) anchors: u128,
    /// Length of the longest run of bytes of the base64 and base64url alphabets.
    pub(crate) run: u32,
}

const RUN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'/');
        byte += 1;
    }
    table
};

/// Takes the pass.
pub(crate) fn scan(bytes: &[u8]) -> Seen {
    let (mut classes, mut anchors) = (0_u32, 0_u128);
    let (mut run, mut longest) = (0_u32, 0_u32);
    let mut state = 0_usize;
    for (at, &byte) in bytes.iter().enumerate() {
        classes |= CLASS_OF[byte as usize];
        run = if RUN[byte as usize] { run + 1 } else { 0 };
        longest = longest.max(run);
        let entry = (state << SHIFT | BYTE_CLASS[byte as usize] as usize) << 1;
        state = match NEXT.get(entry..entry + 2) {
            Some(&[low, high]) => u16::from_le_bytes([low, high]) as usize,
            _ => 0,
        };
        if state >= FIRST_MATCH {
            anchors |= matched(state, bytes, at);
        }
    }
    Seen { classes: Classes::from_bits(classes), anchors, run: longest }
}

#[cold]
fn matched(state: usize, bytes: &[u8], at: usize) -> u128 {
    let (start, end) = MATCHES.get(state - FIRST_MATCH).copied().unwrap_or_default();
    let word = |index: Option<usize>| {
        index.and_then(|i| bytes.get(i)).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
    };
    let mut mask = 0;
    for &(bit, length, boundaries) in ENTRIES.get(start as usize..end as usize).unwrap_or_default() {
        let before = boundaries & 1 != 0 && word(at.checked_sub(length as usize));
        let after = boundaries & 2 != 0 && word(Some(at + 1));
        if !before && !after {
            mask |= 1 << bit;
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn files(folder: &Path, out: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, out);
            } else if path.extension().is_some_and(|ext| ext == "anchors") {
                let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
                out.push((stem, fs::read_to_string(&path).unwrap()));
            }
        }
    }

    /// Every literal without escapes, in either case and inside other text, sets its detector's bit.
    #[test]
    fn every_anchor_is_found() {
        let mut all = Vec::new();
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/detectors"), &mut all);
        assert_eq!(all.len(), NAMES.len());
        for (stem, text) in all {
            let bit = NAMES.iter().position(|name| *name == stem).unwrap();
            for line in text.lines().map(str::trim) {
                let literal = line.trim_start_matches("\\b").trim_end_matches("\\b");
                if literal.is_empty() || literal.starts_with('#') || literal.contains('\\') {
                    continue;
                }
                for literal in [literal.to_uppercase(), literal.to_lowercase()] {
                    let seen = scan(format!("un {literal} sel").as_bytes());
                    assert!(seen.anchors & 1 << bit != 0, "{stem}: {literal}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        assert_eq!(scan(b"").anchors, 0);
        assert_eq!(scan(b"\x00\xff\x80").anchors, 0);
        assert_eq!(scan(b"ab/cd==ef").run, 5);
    }

    #[test]
    fn the_pass_sees_the_classes_that_are_there() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(scan(&all).classes, Classes::of(&all));
    }
}

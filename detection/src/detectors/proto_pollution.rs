//! Prototype pollution.
//!
//! # What it detects
//! Keys that reach the prototype of every object: `__proto__`, or `constructor` followed by `prototype`, as a path in brackets or
//! dots, as a JSON key, or in a text of such keys.
//!
//! # Why it matters
//! Code that merges parameters into objects then changes all objects of the process: it passes checks, or runs code.
//!
//! # Example
//! `?__proto__[isAdmin]=true`
//!
//! # Known false positives
//! Posts about JavaScript's prototypes on one line outside code blocks.
//!
//! # Evasions covered
//! Brackets, dots, quotes, white space around the names, nested JSON, and names that a filter puts together by removing
//! the inner copy.
//!
//! # References
//! Olivier Arteau, "Prototype pollution attacks in NodeJS applications" (2018); CWE-1321.

use crate::{Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink, doubt};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::ProtoPollution, name: "proto_pollution", version: 1, gate: Gate::Any(gate), run };

static KEY: Fact = Fact::new("a key that reaches the prototype", FactKind::Effect, 110);
static PATH: Fact = Fact::new("a path through the prototype", FactKind::Structure, 105);
static REBUILT: Fact = Fact::new("a name that becomes the prototype's when its inner copy is removed", FactKind::Effect, 100);
static NAMED: Fact = Fact::new("names the prototype", FactKind::Lexical, 60);

fn gate(input: &Input<'_>) -> bool {
    input.place.is_key() && input.bytes == b"prototype"
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    if input.place.is_key() && bytes == b"prototype" {
        // The nearest key of a nested key is the one it stands under.
        if input.name == b"constructor" {
            sink.report(0..bytes.len(), &[&KEY]);
        }
        return;
    }
    if memchr::memmem::find(bytes, b"__pro__proto__to__").is_some() {
        sink.report(0..bytes.len(), &[&REBUILT]);
    }
    for at in memchr::memmem::find_iter(bytes, b"__proto__") {
        let end = at + 9;
        let before = last(bytes, at);
        let after = first(bytes, end);
        let word = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'));
        if word(bytes.get(at.wrapping_sub(1)).copied()) || word(bytes.get(end).copied()) {
            continue;
        }
        let path = matches!(after, Some(b'.' | b'[' | b']')) || matches!(before, Some(b'.' | b'['))
            || matches!((before, after), (Some(b'"' | b'\'' | b'{' | b','), Some(b'"' | b'\'' | b':')))
            || before == Some(b':') && matches!(after, Some(b':' | b'"'));
        if input.place.is_key() {
            sink.report(at..end, &[&KEY]);
        } else if path {
            doubt::unless_shown(input, sink, at..end, &[&PATH]);
        } else {
            doubt::report(input, sink, at..end, &[&NAMED]);
        }
    }
    for at in memchr::memmem::find_iter(bytes, b"constructor") {
        let rest = bytes.get(at + 11..).unwrap_or_default();
        let gap = rest
            .iter()
            .take(16)
            .take_while(|b| b.is_ascii_whitespace() || matches!(b, b'[' | b']' | b'.' | b'"' | b'\'' | b':' | b'{'))
            .count();
        if gap > 0 && rest.get(gap..).is_some_and(|rest| rest.starts_with(b"prototype")) {
            let span = at..at + 11 + gap + 9;
            if input.place.is_key() {
                sink.report(span, &[&KEY]);
            } else if is_told(input, span.start) {
                doubt::report(input, sink, span, &[&NAMED]);
            } else {
                doubt::unless_shown(input, sink, span, &[&PATH]);
            }
        }
    }
}

/// Whether a path through the prototype is a word of a sentence: blanks on both sides, and no value behind it.
fn is_told(input: &Input<'_>, at: usize) -> bool {
    let before = input.bytes.get(..at).unwrap_or_default();
    let rest = input.bytes.get(at..).unwrap_or_default();
    let word = rest.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    input.shape().is_prose()
        && before.last().is_none_or(u8::is_ascii_whitespace)
        && word.iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'.' | b','))
        && word.len() < rest.len()
}

fn last(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at.saturating_sub(8)..at)?.iter().rev().copied().find(|b| !b.is_ascii_whitespace())
}

fn first(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at..)?.iter().take(8).copied().find(|b| !b.is_ascii_whitespace())
}

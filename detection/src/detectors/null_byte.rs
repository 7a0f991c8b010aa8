//! # What it detects
//!
//! A NUL in a value that is text.
//!
//! # Why it matters
//!
//! What C code reads ends there, and what the language above it checked does not.
//!
//! # Example
//!
//! `?file=report.pdf%00.png`
//!
//! # Known false positives
//!
//! Binary data in a text field. It is an anomaly and never counts.
//!
//! # Evasions covered
//!
//! Percent encoding (repeated), escapes in JSON and JavaScript, through the decoders.
//!
//! # References
//!
//! CWE-158, CAPEC-52.

use picket_request::{Anomaly, Place};

use crate::{Class, Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Anomaly(Anomaly::NullByte), name: "null_byte", version: 1, gate: Gate::With(&[Class::Control], gate), run };

static NUL: Fact = Fact::new("a NUL in a text", FactKind::Lexical, 40);

/// Share of control bytes from which a value is data rather than text: one in so many.
const DATA: usize = 8;

fn gate(input: &Input<'_>) -> bool {
    input.classes.has(Class::Control) && !matches!(input.place, Place::FileContent | Place::Body)
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    if !gate(input) {
        return;
    }
    let Some(at) = memchr::memchr(0, input.bytes) else { return };
    let controls = input.bytes.iter().filter(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace()).count();
    if controls == 1 || controls * DATA <= input.bytes.len() {
        sink.report(at..at + 1, &[&NUL]);
    }
}

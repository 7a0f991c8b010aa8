//! # What it detects
//!
//! An attack tool by the product token of its user agent, and user agents that only tools send.
//!
//! # Why it matters
//!
//! Nobody browses with a vulnerability scanner. Tools that do not hide are the cheapest to stop.
//!
//! # Example
//!
//! `User-Agent: sqlmap/1.8#stable (https://sqlmap.org)`
//!
//! # Known false positives
//!
//! The owner's own scans. HTTP libraries and command-line clients are no attack tools and are not reported.
//!
//! # Evasions covered
//!
//! Letter case, tokens inside a browser's frame, versions and comments after the token. A tool that hides its name is found by
//! what it sends.
//!
//! # References
//!
//! RFC 9110 section 10.1.5; MITRE ATT&CK T1595.

use picket_request::Place;

use crate::{Detector, Evidence, Fact, FactKind, Gate, Input, Scratch, Signal, Sink, agents};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::UserAgent, name: "user_agent", version: 1, gate: Gate::Any(gate), run };

static TOOL: Fact = Fact::new("the product token of an attack tool", FactKind::Lexical, 100);
static BROKEN: Fact = Fact::new("a browser's token, misspelled", FactKind::Lexical, 100);

fn gate(input: &Input<'_>) -> bool {
    input.place == Place::Header && agents::names_a_client(input.name)
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    if !gate(input) || input.bytes.len() > 2048 {
        return;
    }
    let mut facts = Evidence::default();
    if let Some(span) = agents::TOOLS.find(input.bytes) {
        facts.add(&TOOL);
        facts.with(|facts| sink.report(span, facts));
        return;
    }
    if agents::misspelled(input.bytes) {
        facts.add(&BROKEN);
        facts.with(|facts| sink.report(0..input.bytes.len().min(12), facts));
    }
}

//! # What it detects
//!
//! A service that scans the whole internet, by the product token of its user agent.
//!
//! # Why it matters
//!
//! What such a service finds open is in everybody's search results an hour later.
//!
//! # Example
//!
//! `User-Agent: Mozilla/5.0 zgrab/0.x`
//!
//! # Known false positives
//!
//! A service that the owner has asked to watch the site; exclude it by its address.
//!
//! # Evasions covered
//!
//! Letter case, tokens inside a browser's frame, versions and comments after the token.
//!
//! # References
//!
//! RFC 9110 section 10.1.5; MITRE ATT&CK T1595.001.

use crate::{Detector, Evidence, Fact, FactKind, Gate, Input, Scratch, Signal, Sink, agents};
use picket_request::Place;

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Scanner, name: "scanner", version: 1, gate: Gate::Any(gate), run };

static SERVICE: Fact = Fact::new("the product token of a scanning service", FactKind::Lexical, 100);

fn gate(input: &Input<'_>) -> bool {
    input.place == Place::Header && agents::names_a_client(input.name)
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    if !gate(input) || input.bytes.len() > 2048 {
        return;
    }
    if let Some(span) = agents::SERVICES.find(input.bytes) {
        let mut facts = Evidence::default();
        facts.add(&SERVICE);
        facts.with(|facts| sink.report(span, facts));
    }
}

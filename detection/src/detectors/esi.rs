//! Edge-side includes.
//!
//! # What it detects
//! Elements of the ESI language that caches (Varnish, Squid, Fastly, Akamai) run in the pages that they serve.
//!
//! # Why it matters
//! A cache that finds them in reflected text fetches internal addresses, hands out cookies that scripts may not read, or
//! includes foreign markup.
//!
//! # Example
//! `<esi:include src="http://169.254.169.254/" />`
//!
//! # Known false positives
//! Documentation of ESI outside code blocks.
//!
//! # Evasions covered
//! Case, the comment form `<!--esi`, missing ends.
//!
//! # References
//! W3C Note "ESI Language Specification 1.0" (2001); CWE-97.

use crate::{
    Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    bytes::{find_ignore_case, starts_ignore_case},
    doubt,
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Esi, name: "esi", version: 1, gate: Gate::Never, run };

static ELEMENT: Fact = Fact::new("an edge-side include element", FactKind::Structure, 105);
static COMMENT: Fact = Fact::new("an edge-side include comment", FactKind::Structure, 100);
static FETCHES: Fact = Fact::new("it fetches a document or shows variables", FactKind::Effect, 45);

const ELEMENTS: &[(&[u8], bool)] = &[
    (b"include", true),
    (b"inline", true),
    (b"vars", true),
    (b"eval", true),
    (b"debug", true),
    (b"assign", false),
    (b"remove", false),
    (b"comment", false),
    (b"choose", false),
    (b"when", false),
    (b"otherwise", false),
    (b"try", false),
    (b"attempt", false),
    (b"except", false),
    (b"text", false),
    (b"foreach", false),
];

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    let mut at = 0;
    while let Some(found) = find_ignore_case(bytes.get(at..).unwrap_or_default(), b"<esi:") {
        let start = at + found;
        at = start + 5;
        let rest = bytes.get(at..).unwrap_or_default();
        if let Some(&(_, acts)) = ELEMENTS.iter().find(|(name, _)| starts_ignore_case(rest, name)) {
            let facts = [&ELEMENT, &FETCHES];
            doubt::unless_shown(input, sink, start..bytes.len().min(start + 80), if acts { &facts } else { &facts[..1] });
        }
    }
    if let Some(start) = find_ignore_case(bytes, b"<!--esi")
        && bytes.get(start + 7).is_none_or(|b| !b.is_ascii_alphanumeric())
    {
        doubt::unless_shown(input, sink, start..bytes.len().min(start + 80), &[&COMMENT]);
    }
}

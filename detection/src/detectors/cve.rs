//! # What it detects
//!
//! Requests that exploit one published vulnerability: a virtual patch. Each is an entry of a table: where it stands, what must
//! occur together, and how sure that makes it.
//!
//! # Why it matters
//!
//! Between the day of an advisory and the day of the update, the request is known and the program is not yet mended.
//!
//! # Example
//!
//! `?class.module.classLoader.resources.context.parent.pipeline.first.suffix=.jsp` (CVE-2022-22965)
//!
//! # Known false positives
//!
//! Texts that quote an exploit: entries ask for several parts of it, and most of them for a place that texts do not stand in.
//!
//! # Evasions covered
//!
//! Letter case; every encoding that the decoders undo. What varies freely in an exploit is not part of an entry.
//!
//! # References
//!
//! The CVE list (cve.org) and CISA's Known Exploited Vulnerabilities catalogue, by the id of each entry.

use crate::{
    Detector, Evidence, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    patches::{self, Patch, Weight},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Cve("CVE"), name: "cve", version: 1, gate: Gate::Never, run };

static EXPLOIT: Fact = Fact::new("the parts of a published exploit", FactKind::Lexical, 100);
static PROBE: Fact = Fact::new("a part of a published exploit", FactKind::Lexical, 60);

/// Every entry has an anchor, so nothing is looked at for its classes alone.
fn run(input: &Input<'_>, scratch: &mut Scratch, sink: &mut Sink<'_>) {
    let lower = &mut scratch.lower;
    lower.clear();
    lower.extend(input.bytes.iter().map(u8::to_ascii_lowercase));
    for patch in patches::ALL {
        if let Some(span) = matches(patch, input, lower) {
            let mut facts = Evidence::default();
            facts.add(match patch.weight {
                Weight::Exploit => &EXPLOIT,
                Weight::Probe => &PROBE,
            });
            facts.with(|facts| sink.report_as(Signal::Cve(patch.id), span, facts));
        }
    }
}

/// Where the first part stands, if all parts occur in this order of the table and the place fits.
fn matches(patch: &Patch, input: &Input<'_>, lower: &[u8]) -> Option<std::ops::Range<usize>> {
    if !patch.places.is_empty() && !patch.places.contains(&input.place) {
        return None;
    }
    let first = patch.parts.first()?;
    let at = memchr::memmem::find(lower, first)?;
    let rest = patch.parts.get(1..)?.iter().all(|part| memchr::memmem::find(lower, part).is_some());
    rest.then_some(at..at + first.len())
}

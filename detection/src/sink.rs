//! Where detectors put their evidence.

use std::ops::Range;

use picket_request::LocationId;

use crate::{Chain, Decoder, Detector, Fact, FactKind, Finding, Outcome, Tier, limits};

/// Collects the findings of one view of one value.
#[derive(Debug)]
pub struct Sink<'a> {
    pub(crate) outcome: &'a mut Outcome,
    pub(crate) detector: &'static Detector,
    pub(crate) value: u32,
    pub(crate) location: LocationId,
    pub(crate) chain: Chain,
    /// Bytes of the view, which no span may leave.
    pub(crate) length: usize,
    /// Whether the view is code that was shown as such and does not begin by leaving a context.
    pub(crate) shown: bool,
}

impl Sink<'_> {
    /// Reports facts about the bytes at `span` of the view. The tier follows from their sum; a sum below
    /// [`Tier::POSSIBLE_FROM`] reports nothing. Of several reports for one value the surest stays.
    pub fn report(&mut self, span: Range<usize>, facts: &[&'static Fact]) {
        self.report_as(self.detector.signal, span, facts);
    }

    /// The same under another signal than the detector's own.
    pub fn report_as(&mut self, signal: crate::Signal, span: Range<usize>, facts: &[&'static Fact]) {
        let Some(tier) = Tier::of(Fact::sum(facts)) else { return };
        let mut tier = tier.min(cap(self.chain, facts));
        if self.shown && !facts.iter().any(|fact| fact.kind == FactKind::Breakout) {
            tier = Tier::Possible;
        }
        let span = span.start.min(self.length)..span.end.min(self.length);
        let same = |finding: &&mut Finding| finding.value == self.value && finding.signal == signal;
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        let finding = || Finding {
            signal,
            tier,
            detector: self.detector.name,
            version: self.detector.version,
            value: self.value,
            location: self.location,
            chain: self.chain,
            span: narrow(span.start)..narrow(span.end),
            facts: facts.iter().copied().take(limits::FACTS).collect(),
        };
        if let Some(earlier) = self.outcome.findings.iter_mut().rev().find(same) {
            if earlier.tier < tier {
                *earlier = finding();
            }
        } else if self.outcome.findings.len() < limits::FINDINGS {
            self.outcome.findings.push(finding());
        } else {
            self.outcome.dropped += 1;
        }
    }
}

/// How sure a finding in a view can be. Base64, hexadecimal digits and whole-text encodings are undone on suspicion: by
/// chance, or in telemetry, they decode to words that attacks use. There words alone are no evidence; structure is.
fn cap(chain: Chain, facts: &[&'static Fact]) -> Tier {
    let suspicion = [Decoder::Base64, Decoder::Hex, Decoder::Charset];
    if suspicion.iter().any(|&decoder| chain.contains(decoder))
        && facts.iter().all(|fact| matches!(fact.kind, FactKind::Lexical | FactKind::Doubt))
    {
        Tier::Possible
    } else {
        Tier::Certain
    }
}

//! Findings in words and as JSON: where, through which decoders, which bytes, and the facts that decided.

use std::{fmt::Write, ops::Range};

use picket_detection::{Finding, Outcome};
use picket_request::Request;
use serde::Serialize;

/// A fact and its weight.
#[derive(Serialize)]
pub(crate) struct ExplainedFact {
    name: &'static str,
    kind: String,
    weight: i32,
}

/// A finding with all that explains it.
#[derive(Serialize)]
pub(crate) struct Explained {
    pub(crate) id: &'static str,
    pub(crate) location: String,
    pub(crate) tier: &'static str,
    detector: String,
    chain: Vec<&'static str>,
    span: Range<u32>,
    /// The value as it was found, escaped.
    value: String,
    facts: Vec<ExplainedFact>,
}

const SHOWN: usize = 300;

impl Explained {
    pub(crate) fn new(request: &Request, finding: &Finding) -> Self {
        let value =
            request.values().get(finding.value as usize).map_or(&[][..], |value| request.bytes(value.text));
        let facts = finding.facts.iter().map(|fact| ExplainedFact {
            name: fact.name,
            kind: format!("{:?}", fact.kind).to_lowercase(),
            weight: fact.weight,
        });
        Self {
            id: finding.signal.id(),
            location: request.render(finding.location),
            tier: finding.tier.name(),
            detector: format!("{}/{}", finding.detector, finding.version),
            chain: finding.chain.iter().map(picket_detection::Decoder::id).collect(),
            span: finding.span.clone(),
            value: escaped(value, &finding.span, finding.chain.is_empty()),
            facts: facts.collect(),
        }
    }

    /// Several lines for people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} ({}) at {}, by {}\n", self.id, self.tier, self.location, self.detector);
        if !self.chain.is_empty() {
            _ = writeln!(text, "  decoded: {}", self.chain.join(" > "));
        }
        _ = writeln!(text, "  bytes {}..{} of: {}", self.span.start, self.span.end, self.value);
        for fact in &self.facts {
            let sign = if fact.kind == "doubt" { '-' } else { '+' };
            _ = writeln!(text, "  {sign}{:<4} {} ({})", fact.weight, fact.name, fact.kind);
        }
        text
    }
}

/// Printable text of the bytes around a span of a value; from its start where the span is one of a decoded view.
fn escaped(bytes: &[u8], span: &Range<u32>, plain: bool) -> String {
    let start = if plain { (span.start as usize).saturating_sub(SHOWN / 4).min(bytes.len()) } else { 0 };
    let shown = bytes.get(start..).unwrap_or_default();
    let mut text = String::new();
    if start > 0 {
        text.push('…');
    }
    for chunk in shown.get(..SHOWN).unwrap_or(shown).utf8_chunks() {
        text.extend(chunk.valid().chars().flat_map(|c| match c {
            '\'' | '"' => c.to_string().chars().collect::<Vec<_>>(),
            c => c.escape_debug().collect(),
        }));
        for byte in chunk.invalid() {
            _ = write!(text, "\\x{byte:02x}");
        }
    }
    if shown.len() > SHOWN {
        text.push('…');
    }
    text
}

/// All findings, the surest first.
pub(crate) fn explain(request: &Request, outcome: &Outcome) -> Vec<Explained> {
    let mut findings: Vec<&Finding> = outcome.findings.iter().collect();
    findings.sort_by_key(|finding| {
        (std::cmp::Reverse(finding.signal.is_attack()), std::cmp::Reverse(finding.tier))
    });
    findings.into_iter().map(|finding| Explained::new(request, finding)).collect()
}

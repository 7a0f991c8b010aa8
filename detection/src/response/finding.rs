//! What was found in an answer, with what explains it.

use std::ops::Range;

use super::{Impact, ResponseSignal, Watcher};
use crate::{Fact, Tier, limits};

/// One finding. It holds offsets, never bytes of the answer.
#[derive(Clone, Debug)]
pub struct ResponseFinding {
    /// What was seen.
    pub signal: ResponseSignal,
    /// How sure it is.
    pub tier: Tier,
    /// The watcher that saw it.
    pub watcher: &'static str,
    /// The version of that watcher.
    pub version: u16,
    /// Where it stands in [`super::Answer::text`]; empty where it stands nowhere.
    pub span: Range<u32>,
    /// The facts that decided.
    pub facts: Vec<&'static Fact>,
}

/// All that was found in one answer.
#[derive(Clone, Debug, Default)]
pub struct Found {
    findings: Vec<ResponseFinding>,
    impact: Option<Impact>,
    name: &'static str,
    version: u16,
}

impl Found {
    /// The findings, each signal at most once.
    #[must_use]
    pub fn findings(&self) -> &[ResponseFinding] {
        &self.findings
    }

    /// How far the attack came; `None` where there was none.
    #[must_use]
    pub const fn impact(&self) -> Option<Impact> {
        self.impact
    }

    /// Whether a signal is among them.
    #[must_use]
    pub fn has(&self, signal: ResponseSignal) -> bool {
        self.findings.iter().any(|finding| finding.signal == signal)
    }

    /// Whether one of the findings rests on this fact.
    pub(super) fn rests_on(&self, fact: &'static Fact) -> bool {
        self.findings.iter().any(|finding| finding.facts.contains(&fact))
    }

    pub(super) const fn by(&mut self, watcher: &'static Watcher) {
        (self.name, self.version) = (watcher.name, watcher.version);
    }

    /// Reports facts about the bytes at `span` of the text; the tier follows from their sum, and of several reports of one signal the
    /// surest stays.
    pub(super) fn report(&mut self, signal: ResponseSignal, span: Range<usize>, facts: &[&'static Fact]) {
        let Some(tier) = Tier::of(Fact::sum(facts)) else { return };
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        let finding = ResponseFinding {
            signal,
            tier,
            watcher: self.name,
            version: self.version,
            span: narrow(span.start)..narrow(span.end),
            facts: facts.iter().copied().take(limits::FACTS).collect(),
        };
        match self.findings.iter_mut().find(|known| known.signal == signal) {
            Some(known) if known.tier >= tier => {}
            Some(known) => *known = finding,
            None => self.findings.push(finding),
        }
    }

    /// Notes how far the attack came; the farthest stays.
    pub(super) fn came(&mut self, impact: Impact) {
        self.impact = self.impact.max(Some(impact));
    }
}

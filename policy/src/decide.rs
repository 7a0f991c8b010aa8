//! The decision.

use std::sync::Arc;

use picket_detection::Outcome;
use picket_request::LocationId;

use crate::{
    Action, BlockLine, BlockResponse, Checks, Exclusion, Mode, OnFailure, Reason, Verdict,
    canonical::{Canonical, ClientRule, FORMAT, GeoFiles, Redaction},
    evaluate::{stricter, stricter_line},
    rules::{Rules, error::Broken, set::answer_of},
};

/// What the owner wants.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// How far Picket goes.
    pub mode: Mode,
    /// The least certain finding that is blocked on first sight.
    pub block_on: BlockLine,
    /// How a block is answered.
    pub response: BlockResponse,
    /// What happens to requests that could not be inspected because of a fault of ours.
    pub on_failure: OnFailure,
    /// Findings that the owner knows to be harmless.
    pub exclusions: Vec<Exclusion>,
    /// Whether requests of which something suspicious was left unexamined pass in mode `block`.
    pub allow_unexamined: bool,
    /// What the policy is called, and its own version; empty and 0 for the built-in one.
    pub name: String,
    /// The policy's own version.
    pub version: u64,
    /// Percent of requests on which blocking is real; all of them where it is absent.
    pub ramp: Option<u8>,
    /// Whether the mode was set from outside, so that overrides do not change it.
    pub mode_is_final: bool,
    /// The least strict mode, by the floor.
    pub floor_mode: Option<Mode>,
    /// The least strict line, by the floor.
    pub floor_block_on: Option<BlockLine>,
    /// Whether this is the kill switch.
    pub kill_switch: bool,
    /// Whether the handler gets tags.
    pub tag_handler: bool,
    /// Where the client's address is read.
    pub client: ClientRule,
    /// MaxMind files.
    pub geo: GeoFiles,
    /// Fields that are never shown, besides those that Picket knows.
    pub redactions: Vec<Redaction>,
    /// Its rules; only [`Policy::load`] makes other than none.
    pub rules: RuleBook,
    /// What it checks besides its rules.
    pub checks: Arc<Checks>,
}

/// The rules of a policy, checked and laid out; a copy shares them.
#[derive(Clone, Debug, Default)]
pub struct RuleBook(pub(crate) Arc<Rules>);

impl Policy {
    /// Adds another policy's floor. What is stricter holds; the rules of a floor come with the policy that has them.
    pub fn tighten(&mut self, floor_mode: Option<Mode>, floor_block_on: Option<BlockLine>) {
        self.floor_mode = match (self.floor_mode, floor_mode) {
            (Some(own), Some(other)) => Some(stricter(own, other)),
            (own, other) => own.or(other),
        };
        self.floor_block_on = match (self.floor_block_on, floor_block_on) {
            (Some(own), Some(other)) => Some(stricter_line(own, other)),
            (own, other) => own.or(other),
        };
    }

    /// Loads a canonical policy: checks everything that it says and lays out its rules.
    ///
    /// # Errors
    /// Says which part of it cannot be used, and why.
    pub fn load(canonical: &Canonical) -> Result<Self, Broken> {
        if canonical.picket != FORMAT {
            return Err(Broken::Format { found: canonical.picket, known: FORMAT });
        }
        let ramps = [canonical.ramp].into_iter().chain(canonical.overrides.iter().map(|change| change.ramp));
        if ramps.flatten().any(|ramp| ramp > 100) {
            return Err(Broken::wrong("ramp", "it is more than 100 percent"));
        }
        let usual = BlockResponse::default();
        let answer =
            canonical.answer.as_ref().map(|answer| answer_of(answer, &usual, "answer")).transpose()?;
        let response = answer.flatten().unwrap_or(usual);
        let floor = canonical.floor.as_ref();
        Ok(Self {
            mode: canonical.mode,
            block_on: canonical.block_on,
            on_failure: canonical.on_failure,
            exclusions: Vec::new(),
            allow_unexamined: canonical.allow_unexamined,
            name: canonical.name.escape_debug().take(128).collect(),
            version: canonical.version,
            ramp: canonical.ramp,
            mode_is_final: false,
            kill_switch: canonical.kill_switch,
            tag_handler: canonical.tag_handler,
            client: canonical.client.clone().unwrap_or_default(),
            geo: canonical.geo.clone().unwrap_or_default(),
            redactions: canonical.redactions.clone(),
            floor_mode: floor.and_then(|floor| floor.mode),
            floor_block_on: floor.and_then(|floor| floor.block_on),
            rules: RuleBook(Arc::new(Rules::load(canonical, &response)?)),
            checks: Arc::new(Checks::load(canonical)?),
            response,
        })
    }

    /// Reads and loads the bytes of a canonical policy.
    ///
    /// # Errors
    /// Says why they cannot be used.
    pub fn read(bytes: &[u8]) -> Result<Self, Broken> {
        Self::load(&Canonical::read(bytes)?)
    }
}

/// What is known besides the outcome.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Whether the event source has a tested block answer.
    pub can_block: bool,
    /// Whether the client is flagged at this moment.
    pub client_is_flagged: bool,
}

/// Takes the findings out of an outcome that an exclusion names, and says how many those were. `render` writes the
/// location of a finding; it is not called where there is no exclusion.
pub fn exclude(policy: &Policy, outcome: &mut Outcome, render: impl Fn(LocationId) -> String) -> usize {
    if policy.exclusions.is_empty() || outcome.findings.is_empty() {
        return 0;
    }
    let before = outcome.findings.len();
    outcome.findings.retain(|finding| {
        let location = render(finding.location);
        !policy.exclusions.iter().any(|exclusion| exclusion.covers(finding.signal, &location))
    });
    before - outcome.findings.len()
}

/// Decides about one request by its findings alone. `outcome` is `None` where a fault of ours kept it from being
/// inspected.
#[must_use]
pub fn decide(policy: &Policy, outcome: Option<&Outcome>, facts: Facts) -> Verdict {
    let reason = policy.reason(policy.block_on, outcome, facts.client_is_flagged);
    let action = match (policy.mode, reason) {
        (_, Reason::Clean) | (Mode::Off, _) => Action::Allow,
        (Mode::Block, _) if facts.can_block => Action::Block,
        (Mode::Block | Mode::Log, _) => Action::WouldBlock,
    };
    let log_only_source = policy.mode == Mode::Block && action == Action::WouldBlock;
    Verdict { action, reason, log_only_source, mode: policy.mode, stored: true, ..Verdict::default() }
}

impl Policy {
    /// The surest attack finding that crosses the line, or what was left unexamined, or a fault that counts.
    pub(crate) fn reason(
        &self,
        line: BlockLine,
        outcome: Option<&Outcome>,
        client_is_flagged: bool,
    ) -> Reason {
        let Some(outcome) = outcome else {
            return if self.on_failure == OnFailure::Closed { Reason::Fault } else { Reason::Clean };
        };
        let surest = outcome
            .findings
            .iter()
            .enumerate()
            .filter(|(_, finding)| finding.signal.is_attack() && line.blocks(finding.tier, client_is_flagged))
            // The first of the surest: `max_by_key` would give the last.
            .min_by_key(|(_, finding)| std::cmp::Reverse(finding.tier));
        match surest {
            Some((index, _)) => Reason::Finding(index),
            None if outcome.unexamined > 0 && !self.allow_unexamined => Reason::Unexamined,
            None => Reason::Clean,
        }
    }
}

#[cfg(test)]
mod tests {
    use picket_detection::{Chain, Finding, Signal, Tier};
    use picket_request::Anomaly;

    use super::*;

    fn finding(signal: Signal, tier: Tier) -> Finding {
        Finding {
            signal,
            tier,
            detector: "test",
            version: 1,
            value: 0,
            location: LocationId::ROOT,
            chain: Chain::default(),
            span: 0..0,
            facts: Vec::new(),
        }
    }

    fn outcome(findings: Vec<Finding>) -> Outcome {
        Outcome { findings, ..Outcome::default() }
    }

    const HTTP: Facts = Facts { can_block: true, client_is_flagged: false };

    #[test]
    fn the_mode_decides_what_becomes_of_a_certain_finding() {
        let outcome =
            outcome(vec![finding(Signal::Xss, Tier::Possible), finding(Signal::Sqli, Tier::Certain)]);
        let table =
            [(Mode::Block, Action::Block), (Mode::Log, Action::WouldBlock), (Mode::Off, Action::Allow)];
        for (mode, action) in table {
            let verdict = decide(&Policy { mode, ..Policy::default() }, Some(&outcome), HTTP);
            assert_eq!((verdict.action, verdict.reason), (action, Reason::Finding(1)), "{mode}");
            assert!(!verdict.log_only_source);
        }
    }

    #[test]
    fn a_source_without_a_block_answer_is_only_logged() {
        let outcome = outcome(vec![finding(Signal::Sqli, Tier::Certain)]);
        let policy = Policy { mode: Mode::Block, ..Policy::default() };
        let verdict = decide(&policy, Some(&outcome), Facts::default());
        assert_eq!(verdict.action, Action::WouldBlock);
        assert!(verdict.log_only_source);
    }

    #[test]
    fn anomalies_never_block() {
        let outcome = outcome(vec![finding(Signal::Anomaly(Anomaly::NullByte), Tier::Certain)]);
        let policy = Policy { mode: Mode::Block, block_on: BlockLine::Likely, ..Policy::default() };
        assert_eq!(decide(&policy, Some(&outcome), HTTP).action, Action::Allow);
    }

    #[test]
    fn what_was_left_unexamined_blocks_unless_the_owner_allows_it() {
        let outcome = Outcome { unexamined: 1, ..Outcome::default() };
        let mut policy = Policy { mode: Mode::Block, ..Policy::default() };
        let verdict = decide(&policy, Some(&outcome), HTTP);
        assert_eq!((verdict.action, verdict.reason), (Action::Block, Reason::Unexamined));
        policy.allow_unexamined = true;
        assert_eq!(decide(&policy, Some(&outcome), HTTP).action, Action::Allow);
    }

    #[test]
    fn an_excluded_finding_decides_nothing_and_another_still_does() {
        let policy = Policy {
            mode: Mode::Block,
            exclusions: vec!["SQLI@query.id".parse().unwrap()],
            ..Policy::default()
        };
        let mut found = outcome(vec![finding(Signal::Sqli, Tier::Certain)]);
        assert_eq!(exclude(&policy, &mut found, |_| "query.id".to_owned()), 1);
        assert_eq!(decide(&policy, Some(&found), HTTP).action, Action::Allow);
        let mut found =
            outcome(vec![finding(Signal::Sqli, Tier::Certain), finding(Signal::Xss, Tier::Certain)]);
        assert_eq!(exclude(&policy, &mut found, |_| "query.id".to_owned()), 1);
        assert_eq!(decide(&policy, Some(&found), HTTP).action, Action::Block);
    }

    #[test]
    fn a_fault_passes_unless_the_owner_chose_fail_closed() {
        let mut policy = Policy { mode: Mode::Block, ..Policy::default() };
        assert_eq!(decide(&policy, None, HTTP).action, Action::Allow);
        policy.on_failure = OnFailure::Closed;
        let verdict = decide(&policy, None, HTTP);
        assert_eq!((verdict.action, verdict.reason), (Action::Block, Reason::Fault));
    }

    #[test]
    fn a_flag_makes_likely_findings_block() {
        let outcome = outcome(vec![finding(Signal::Cmdexe, Tier::Likely)]);
        let policy = Policy { mode: Mode::Block, ..Policy::default() };
        assert_eq!(decide(&policy, Some(&outcome), HTTP).action, Action::Allow);
        let flagged = Facts { client_is_flagged: true, ..HTTP };
        assert_eq!(decide(&policy, Some(&outcome), flagged).action, Action::Block);
    }
}

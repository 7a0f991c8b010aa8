//! From a request, its findings and a policy to a verdict. The order of precedence is written down in
//! docs/policy-precedence.md, and this file is it.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use picket_detection::{Outcome, Signal};

use crate::{
    Action, BlockLine, BlockResponse, Mode, Policy, Reason, RuleSignal, Subject, Verdict, WouldHave,
    draw::draw,
    rates::{ClientKey, Limit, Rates},
    rules::{
        Change,
        facts::{self, Facts, Workspace},
        gates,
        set::{Effect, Rule, Set},
    },
};

/// What holds for one request: the policy's settings, as overrides and floor have them.
#[derive(Clone, Debug)]
struct Settings {
    mode: Mode,
    block_on: BlockLine,
    ramp: Option<u8>,
    answer: Option<Arc<BlockResponse>>,
}

impl Policy {
    /// Decides about a request before the handler sees it, and takes the findings out of the outcome that the policy
    /// excludes. `outcome` is `None` where a fault of ours kept the request from being inspected.
    #[must_use]
    pub fn evaluate(
        &self,
        subject: &Subject<'_>,
        outcome: Option<&mut Outcome>,
        rates: &Rates,
        workspace: &mut Workspace,
    ) -> Verdict {
        facts::lay_out(workspace, subject, self.rules.0.needs);
        let settings = self.settings(subject, &workspace.path);
        let mut judge = Judge::new(subject);
        let Some(outcome) = outcome else {
            let fault = self.reason(settings.block_on, None, subject.client_is_flagged);
            return self.conclude(judge, settings, subject, fault);
        };
        if settings.mode == Mode::Off {
            return Verdict { mode: Mode::Off, stored: true, ..Verdict::default() };
        }
        judge.run(&self.rules.0.excluding, outcome, workspace);
        judge.exclude(self, outcome, &workspace.path);
        judge.run(&self.rules.0.request, outcome, workspace);
        if judge.allowed.is_none() {
            judge.count(&self.rules.0.limits, outcome, workspace, rates);
        }
        let found = self.reason(settings.block_on, Some(outcome), subject.client_is_flagged);
        self.conclude(judge, settings, subject, found)
    }

    /// Decides about the handler's answer: [`Action::Block`] means that it is replaced. `before` is what was decided
    /// about the request.
    #[must_use]
    pub fn respond(
        &self,
        subject: &Subject<'_>,
        outcome: &Outcome,
        before: &Verdict,
        workspace: &mut Workspace,
    ) -> Verdict {
        if self.rules.0.response.rules.is_empty() {
            return Verdict { mode: before.mode, stored: before.stored, ..Verdict::default() };
        }
        facts::lay_out(workspace, subject, self.rules.0.needs);
        let settings = self.settings(subject, &workspace.path);
        if settings.mode == Mode::Off {
            return Verdict { mode: Mode::Off, stored: true, ..Verdict::default() };
        }
        let mut judge = Judge::new(subject);
        judge.given.borrow_mut().extend(before.signals.iter().map(|given| Arc::clone(&given.signal)));
        judge.run(&self.rules.0.response, outcome, workspace);
        self.conclude(judge, settings, subject, Reason::Clean)
    }

    /// Whether a rule looks at answers at all.
    #[must_use]
    pub fn looks_at_answers(&self) -> bool {
        !self.rules.0.response.rules.is_empty()
    }

    /// Whether a rule may replace an answer, which is then held until it was judged.
    #[must_use]
    pub fn replaces_answers(&self) -> bool {
        let blocks =
            |rule: &Rule| !rule.dry_run && rule.effects.iter().any(|e| matches!(e, Effect::Block(_)));
        self.rules.0.response.rules.iter().any(blocks)
    }

    /// Whether requests of some function or path may be judged in another mode than `off`.
    #[must_use]
    pub fn may_inspect(&self) -> bool {
        let floored = |mode| self.floor_mode.map_or(mode, |floor| stricter(mode, floor));
        floored(self.mode) != Mode::Off
            || !self.mode_is_final
                && self.rules.0.changes.iter().filter_map(|change| change.mode).any(|mode| mode != Mode::Off)
    }

    /// The mode of a function, whatever the path: that of an event which could not be read.
    #[must_use]
    pub fn mode_of(&self, function: &str) -> Mode {
        let change = self.rules.0.changes.iter().find(|change| change.concerns_all_of(function));
        let changed = change.and_then(|change| change.mode).filter(|_| !self.mode_is_final);
        let mode = changed.unwrap_or(self.mode);
        self.floor_mode.map_or(mode, |floor| stricter(mode, floor))
    }

    /// The override that holds: the first one that fits.
    fn change(&self, subject: &Subject<'_>, path: &[u8]) -> Option<&Change> {
        self.rules.0.changes.iter().find(|change| change.concerns(subject.place.function, path))
    }

    fn settings(&self, subject: &Subject<'_>, path: &[u8]) -> Settings {
        let mut settings =
            Settings { mode: self.mode, block_on: self.block_on, ramp: self.ramp, answer: None };
        if let Some(change) = self.change(subject, path) {
            if !self.mode_is_final {
                settings.mode = change.mode.unwrap_or(settings.mode);
            }
            settings.block_on = change.block_on.unwrap_or(settings.block_on);
            settings.ramp = change.ramp.or(settings.ramp);
            settings.answer.clone_from(&change.answer);
        }
        if let Some(floor) = self.floor_mode {
            settings.mode = stricter(settings.mode, floor);
            if floor == Mode::Block {
                settings.ramp = None;
            }
        }
        if let Some(floor) = self.floor_block_on {
            settings.block_on = stricter_line(settings.block_on, floor);
        }
        settings
    }

    /// Puts everything together: the floor's blocks, then allow, then blocks of rules, then rate limits, then findings.
    fn conclude(
        &self,
        judge: Judge<'_>,
        settings: Settings,
        subject: &Subject<'_>,
        found: Reason,
    ) -> Verdict {
        let finished = judge.steps.get() > 0;
        let Judge { floor_block, allowed, block, limited, .. } = &judge;
        let unfinished_blocks = !finished && !self.allow_unexamined && found == Reason::Clean;
        let (reason, rule, answer) = if let Some(block) = floor_block {
            (Reason::Rule, Some(&block.rule), block.answer.clone())
        } else if let Some(rule) = allowed {
            (Reason::Rule, Some(rule), None)
        } else if let Some(block) = block {
            (Reason::Rule, Some(&block.rule), block.answer.clone())
        } else if let Some((block, _)) = limited {
            (Reason::RateLimit, Some(&block.rule), block.answer.clone())
        } else if unfinished_blocks {
            (Reason::Unexamined, None, None)
        } else {
            (found, None, None)
        };
        let passes = floor_block.is_none() && allowed.is_some() || reason == Reason::Clean;
        let can_block = subject.request.event.can_block || subject.response.is_some();
        let outside_ramp = !passes
            && settings.mode == Mode::Block
            && settings.ramp.is_some_and(|ramp| draw(subject.request_id, "") >= ramp);
        let action = match settings.mode {
            _ if passes => Action::Allow,
            Mode::Off => Action::Allow,
            Mode::Block if can_block && !outside_ramp => Action::Block,
            Mode::Block | Mode::Log => Action::WouldBlock,
        };
        let retry_after = match reason {
            Reason::RateLimit => limited.as_ref().map(|(_, seconds)| *seconds),
            _ => None,
        };
        Verdict {
            action,
            reason,
            log_only_source: settings.mode == Mode::Block && action == Action::WouldBlock && !can_block,
            outside_ramp,
            mode: settings.mode,
            rule: rule.cloned(),
            answer: if action == Action::Block { answer.or(settings.answer) } else { None },
            retry_after,
            stored: judge.sampled.unwrap_or(true),
            rules_unfinished: !finished,
            signals: judge.signals,
            tags: judge.tags,
            would_have: judge.would_have,
            logged_by: judge.logged_by,
            excluded: judge.excluded,
        }
    }
}

/// The stricter of two modes.
pub(crate) const fn stricter(one: Mode, other: Mode) -> Mode {
    match (one, other) {
        (Mode::Block, _) | (_, Mode::Block) => Mode::Block,
        (Mode::Log, _) | (_, Mode::Log) => Mode::Log,
        (Mode::Off, Mode::Off) => Mode::Off,
    }
}

/// The stricter of two lines.
pub(crate) const fn stricter_line(one: BlockLine, other: BlockLine) -> BlockLine {
    match (one, other) {
        (BlockLine::Likely, _) | (_, BlockLine::Likely) => BlockLine::Likely,
        (BlockLine::Certain, _) | (_, BlockLine::Certain) => BlockLine::Certain,
        (BlockLine::Flagged, BlockLine::Flagged) => BlockLine::Flagged,
    }
}

/// A block that some rule wants.
#[derive(Debug)]
struct Block {
    rule: Arc<str>,
    answer: Option<Arc<BlockResponse>>,
    position: usize,
}

/// What was gathered about one request so far.
struct Judge<'a> {
    subject: &'a Subject<'a>,
    steps: Cell<u64>,
    given: RefCell<Vec<Arc<str>>>,
    /// Signals that rules exclude, with the rule.
    excludes: Vec<(Arc<str>, Option<crate::Exclusion>)>,
    excluded_anomalies: u64,
    floor_block: Option<Block>,
    allowed: Option<Arc<str>>,
    allowed_at: usize,
    block: Option<Block>,
    limited: Option<(Block, u32)>,
    signals: Vec<RuleSignal>,
    tags: Vec<Arc<str>>,
    would_have: Vec<WouldHave>,
    logged_by: Option<Arc<str>>,
    /// Whether the request was drawn by a rule that samples; `None` where no such rule applied.
    sampled: Option<bool>,
    excluded: usize,
}

impl<'a> Judge<'a> {
    fn new(subject: &'a Subject<'a>) -> Self {
        Self {
            subject,
            steps: facts::steps(),
            given: RefCell::default(),
            excludes: Vec::new(),
            excluded_anomalies: 0,
            floor_block: None,
            allowed: None,
            allowed_at: usize::MAX,
            block: None,
            limited: None,
            signals: Vec::new(),
            tags: Vec::new(),
            would_have: Vec::new(),
            logged_by: None,
            sampled: None,
            excluded: 0,
        }
    }

    fn is_over(&self, expires: Option<u64>) -> bool {
        expires.is_some_and(|expires| self.subject.now >= expires)
    }

    /// Judges the rules of a set that could apply.
    fn run(&mut self, set: &Set, outcome: &Outcome, workspace: &mut Workspace) {
        if set.rules.is_empty() {
            return;
        }
        let mut candidates = std::mem::take(&mut workspace.candidates);
        let given = std::mem::take(&mut self.given);
        let steps = Cell::new(self.steps.get());
        let facts = Facts::new(self.subject, outcome, workspace, &given, &steps, self.excluded_anomalies);
        set.gates.find(&facts, &mut candidates);
        let mut at = 0;
        while let Some(number) = gates::next(&candidates, at) {
            at = number + 1;
            let Some(rule) = set.rules.get(number) else { break };
            if self.is_over(rule.expires) || !rule.condition.holds(&facts) {
                continue;
            }
            let first = self.signals.len();
            self.apply(rule);
            for signal in self.signals.get(first..).unwrap_or_default() {
                set.gates.given(&signal.signal, &mut candidates);
                given.borrow_mut().push(Arc::clone(&signal.signal));
            }
        }
        self.steps.set(steps.get());
        self.given = given;
        workspace.candidates = candidates;
    }

    fn apply(&mut self, rule: &Rule) {
        let drawn = rule.sample.map(|percent| draw(self.subject.request_id, &rule.id) < percent);
        if !rule.dry_run {
            self.sampled = match (self.sampled, drawn) {
                (Some(before), Some(now)) => Some(before || now),
                (before, now) => before.or(now),
            };
        }
        for effect in &rule.effects {
            if rule.dry_run {
                self.would_have.push(WouldHave { rule: Arc::clone(&rule.id), effect: effect.word() });
                continue;
            }
            match effect {
                Effect::Allow if rule.position < self.allowed_at => {
                    self.allowed = Some(Arc::clone(&rule.id));
                    self.allowed_at = rule.position;
                }
                Effect::Block(answer) => {
                    let slot = if rule.floor { &mut self.floor_block } else { &mut self.block };
                    if slot.as_ref().is_none_or(|before| rule.position < before.position) {
                        let (rule, position) = (Arc::clone(&rule.id), rule.position);
                        *slot = Some(Block { rule, answer: answer.clone(), position });
                    }
                }
                Effect::Signal(signal) => self.give(signal, &rule.id),
                Effect::Exclude { signal, at } => self.excludes.push((Arc::clone(signal), at.clone())),
                Effect::Log if drawn.unwrap_or(true) => {
                    self.logged_by.get_or_insert_with(|| Arc::clone(&rule.id));
                }
                Effect::Tag(tag) => self.tag(tag),
                Effect::Allow | Effect::Log => {}
            }
        }
    }

    fn give(&mut self, signal: &Arc<str>, rule: &Arc<str>) {
        if !self.signals.iter().any(|given| given.signal == *signal) {
            self.signals.push(RuleSignal { signal: Arc::clone(signal), rule: Arc::clone(rule) });
        }
    }

    fn tag(&mut self, tag: &Arc<str>) {
        if !self.tags.contains(tag) {
            self.tags.push(Arc::clone(tag));
        }
    }

    /// Takes out the findings and anomalies that exclusions and rules exclude.
    fn exclude(&mut self, policy: &Policy, outcome: &mut Outcome, path: &[u8]) {
        let rules = &policy.rules.0.exclusions;
        if policy.exclusions.is_empty() && rules.is_empty() && self.excludes.is_empty() {
            return;
        }
        let request = self.subject.request;
        let covered = |signal: Signal, location| {
            let id = signal.id();
            if self.excludes.iter().any(|(excluded, at)| at.is_none() && **excluded == *id) {
                return true;
            }
            let timed: Vec<_> = rules.iter().filter(|one| one.concerns(id, path, self.subject.now)).collect();
            let places = self.excludes.iter().filter_map(|(_, at)| at.as_ref());
            let mut fixed =
                policy.exclusions.iter().chain(places).filter(|one| one.signal() == id).peekable();
            // The place is written only where some exclusion is about this signal.
            (!timed.is_empty() || fixed.peek().is_some()) && {
                let place = request.render(location);
                timed.iter().any(|one| one.covers(signal, &place))
                    || fixed.any(|one| one.covers(signal, &place))
            }
        };
        let before = outcome.findings.len();
        let mut anomalies = 0;
        for (anomaly, location) in request.anomalies.iter() {
            if covered(Signal::Anomaly(anomaly), location) {
                anomalies |= 1 << anomaly as u64;
            }
        }
        outcome.findings.retain(|finding| !covered(finding.signal, finding.location));
        self.excluded += before - outcome.findings.len();
        self.excluded_anomalies |= anomalies;
    }

    /// Counts the request under the rate limits that it falls under.
    fn count(&mut self, limits: &[Limit], outcome: &Outcome, workspace: &Workspace, rates: &Rates) {
        for limit in limits {
            if self.is_over(limit.expires) {
                continue;
            }
            let client = {
                let facts = Facts::new(
                    self.subject,
                    outcome,
                    workspace,
                    &self.given,
                    &self.steps,
                    self.excluded_anomalies,
                );
                if !limit.condition.holds(&facts) {
                    continue;
                }
                rates.under_secret(|secret| ClientKey::from_parts(&limit.key, &facts, secret))
            };
            let Some(client) = client else { continue };
            let standing =
                rates.hit((&limit.id, limit.limit, limit.window, limit.hold), client, self.subject.now);
            if standing.limited {
                self.limit(limit, standing.retry_after);
            }
        }
    }

    fn limit(&mut self, limit: &Limit, retry_after: u32) {
        for effect in &limit.effects {
            if limit.dry_run {
                self.would_have.push(WouldHave { rule: Arc::clone(&limit.id), effect: effect.word() });
                continue;
            }
            match effect {
                Effect::Block(answer) if self.limited.is_none() => {
                    let block = Block { rule: Arc::clone(&limit.id), answer: answer.clone(), position: 0 };
                    self.limited = Some((block, retry_after));
                }
                Effect::Signal(signal) => self.give(signal, &limit.id),
                Effect::Log => {
                    self.logged_by.get_or_insert_with(|| Arc::clone(&limit.id));
                }
                Effect::Tag(tag) => self.tag(tag),
                Effect::Block(_) | Effect::Allow | Effect::Exclude { .. } => {}
            }
        }
    }
}

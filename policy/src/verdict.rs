//! What was decided about one request, and why.

use std::sync::Arc;

use crate::{BlockResponse, Mode};

/// What happens to the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// It passes.
    #[default]
    Allow,
    /// It passes; in mode `block` it would not have.
    WouldBlock,
    /// It is answered instead of the handler.
    Block,
}

impl Action {
    /// The stable word, as it stands in logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::WouldBlock => "would_block",
            Self::Block => "block",
        }
    }
}

/// Why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// Nothing crossed the line.
    #[default]
    Clean,
    /// A finding crossed the line; its index in the outcome.
    Finding(usize),
    /// A rule said so; [`Verdict::rule`] names it.
    Rule,
    /// A rate limit was exceeded; [`Verdict::rule`] names it.
    RateLimit,
    /// Something suspicious was left unexamined because a bound was reached.
    Unexamined,
    /// A fault inside Picket kept the request from being inspected.
    Fault,
}

impl Reason {
    /// The stable word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Finding(_) => "finding",
            Self::Rule => "rule",
            Self::RateLimit => "rate-limit",
            Self::Unexamined => "unexamined",
            Self::Fault => "fault",
        }
    }
}

/// A signal that a rule gave a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSignal {
    /// The signal, for instance `site.AdminProbe`.
    pub signal: Arc<str>,
    /// The rule.
    pub rule: Arc<str>,
}

/// What a rule would have done, had it not been a dry run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WouldHave {
    /// The rule.
    pub rule: Arc<str>,
    /// `allow`, `block`, `signal`, `excludeSignal`, `log` or `tag`.
    pub effect: &'static str,
}

/// A decision with its reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What happens.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// Whether it would be blocked but the event source has no tested block answer, and so is only logged.
    pub log_only_source: bool,
    /// Whether it would be blocked but the request lies outside the ramp.
    pub outside_ramp: bool,
    /// The mode that held for this request.
    pub mode: Mode,
    /// The rule or rate limit that decided, also where it decided that the request passes.
    pub rule: Option<Arc<str>>,
    /// How a blocked client is answered, where that is not the policy's answer.
    pub answer: Option<Arc<BlockResponse>>,
    /// Seconds after which a limited client may come again.
    pub retry_after: Option<u32>,
    /// Signals that rules gave it.
    pub signals: Vec<RuleSignal>,
    /// Words that rules gave it, for the handler.
    pub tags: Vec<Arc<str>>,
    /// What dry runs would have done.
    pub would_have: Vec<WouldHave>,
    /// The rule that wants this request logged whatever its verdict.
    pub logged_by: Option<Arc<str>>,
    /// Whether this request was drawn to be stored; false where a rule of its own samples and it was not drawn.
    pub stored: bool,
    /// Findings that exclusions and rules took out.
    pub excluded: usize,
    /// Whether the rules cost more than one request may cost, so that some were not judged.
    pub rules_unfinished: bool,
}

impl Verdict {
    /// Whether a rule gave the request this signal.
    #[must_use]
    pub fn has_signal(&self, signal: &str) -> bool {
        self.signals.iter().any(|given| &*given.signal == signal)
    }
}

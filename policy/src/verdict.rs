//! What was decided about one request, and why.

/// What happens to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It passes.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing crossed the line.
    Clean,
    /// A finding crossed the line; its index in the outcome.
    Finding(usize),
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
            Self::Unexamined => "unexamined",
            Self::Fault => "fault",
        }
    }
}

/// A decision with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What happens.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// Whether it would be blocked but the event source has no tested block answer, and so is only logged.
    pub log_only_source: bool,
}

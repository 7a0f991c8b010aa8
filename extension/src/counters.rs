//! What the agent counted since it began. The counts of the proxy stand beside them in the closing line.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Running counts; they only grow.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $($(#[doc = $doc])+ pub(crate) $name: AtomicU64,)+ }

        impl Counters {
            /// Names and values, in the order of declaration.
            pub(crate) fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed)),)+]
            }
        }
    };
}

counters! {
    /// Events that were inspected to the end.
    inspected,
    /// Events that were answered instead of the handler.
    blocked,
    /// Events that mode `block` would have blocked.
    would_block,
    /// Events that carried a likely or certain finding.
    attacks,
    /// Events whose client was flagged.
    flagged,
    /// Events that a rate limit limited.
    rate_limited,
    /// Events for which the rules cost more than one event may cost, so that some were not judged.
    rules_unfinished,
    /// Findings that an exclusion took out.
    excluded,
    /// Events that no source recognised.
    unknown_events,
    /// Events of which something suspicious was left unexamined.
    unexamined,
    /// Inspections that a fault of ours ended, after which the original went through.
    fail_open,
    /// The same, where the owner chose to block instead.
    fail_closed,
    /// Uses of the Runtime API that no runtime makes.
    abuses,
    /// Reports to the engine that were given up.
    dropped,
    /// Answers of the handler that were looked at.
    answers,
    /// Answers of the handler that a rule replaced.
    replaced,
    /// Answers that leak keys or errors.
    leaks,
    /// Attacks that reached their target, by what the answer shows.
    reached,
    /// Attacks that had their effect, by what the answer shows.
    confirmed,
    /// Verdict lines that were not written because of the cap.
    lines_suppressed,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

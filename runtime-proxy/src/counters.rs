//! What the proxy counted since it began. It may not know who asks.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Running counts; they only grow.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub(crate) $name: AtomicU64,)*
        }

        /// The counts of one moment.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct CountersSnapshot {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Reads all counts. They are read one after another, so two of them may be an event apart.
            pub fn snapshot(&self) -> CountersSnapshot {
                CountersSnapshot { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl CountersSnapshot {
            /// Names and values, in the order in which they are declared.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Connections that were accepted.
    connections,
    /// Calls for the next event that were passed on.
    next_calls,
    /// Events that the platform handed out.
    events,
    /// Events on which the inspector decided.
    inspected,
    /// Events that were replaced by the inspector's bytes.
    replaced,
    /// Events that were answered in the handler's place.
    answered,
    /// Answers of the handler that were held and judged.
    answers_judged,
    /// Answers of the handler that were replaced.
    answers_replaced,
    /// Answers of the handler that were too long to be held, and went on as they came.
    answers_oversized,
    /// Answers of ours that the platform refused.
    answers_refused,
    /// Inspections that returned an error.
    inspections_failed,
    /// Inspections, observations and other calls of the inspector that panicked.
    inspector_panics,
    /// Inspections that were abandoned because their time was over.
    inspections_overran,
    /// Events that found no free thread to be inspected on.
    inspections_saturated,
    /// Events larger than what is held.
    events_oversized,
    /// Events that broke off on their way from the platform.
    events_truncated,
    /// Events without a usable request id, which nobody can answer.
    events_unidentified,
    /// Events that could not be written to the runtime.
    events_undelivered,
    /// Calls that were answered 403, and events that were handed out twice.
    abuses,
    /// Calls for the next event that were held.
    holds,
    /// Holds that were cut off by their limit.
    holds_cut,
    /// Restores from a snapshot.
    restores,
    /// Calls to the platform that failed, and that the runtime therefore saw fail.
    upstream_failures,
    /// Calls to the platform that were repeated on a fresh connection, since the old one had died unused.
    upstream_reconnects,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

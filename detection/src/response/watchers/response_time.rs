//! # What it detects
//!
//! An answer that took longer than the threshold (1 s unless the policy says otherwise).
//!
//! # Why it matters
//!
//! Delays are how blind injections speak (`SLEEP`, `pg_sleep`), and how expressions that backtrack show.
//!
//! # Example
//!
//! 5.02 s for a lookup that takes 0.02 s.
//!
//! # Known false positives
//!
//! Slow neighbours and first invocations. It is a tag.
//!
//! # Evasions covered
//!
//! The time is Picket's own, not the handler's.
//!
//! # References
//!
//! CWE-208, CWE-1333.

use super::Watcher;
use crate::{
    Fact, FactKind,
    response::{Answer, Found, ResponseSignal},
};

pub(super) static WATCHER: Watcher = Watcher { name: "response_time", version: 1, look };

static SLOW: Fact = Fact::new("longer than the threshold", FactKind::Lexical, 30);

fn look(answer: &Answer<'_>, found: &mut Found) {
    if answer.time > answer.thresholds.time {
        found.report(ResponseSignal::ResponseTime, 0..0, &[&SLOW]);
    }
}

//! # What it detects
//!
//! An answer larger than the threshold (512 KiB unless the policy says otherwise).
//!
//! # Why it matters
//!
//! Tables that are read out at once, and files that should not have been found, are large.
//!
//! # Example
//!
//! An export of 2 MiB from a route that answers with a page of rows.
//!
//! # Known false positives
//!
//! Downloads. It is a tag; rules name the paths where it matters.
//!
//! # Evasions covered
//!
//! The bytes that went through are counted, whatever the headers say.
//!
//! # References
//!
//! CWE-200.

use super::Watcher;
use crate::{
    Fact, FactKind,
    response::{Answer, Found, ResponseSignal},
};

pub(super) static WATCHER: Watcher = Watcher { name: "response_size", version: 1, look };

static LARGE: Fact = Fact::new("larger than the threshold", FactKind::Lexical, 30);

fn look(answer: &Answer<'_>, found: &mut Found) {
    if answer.bytes > answer.thresholds.bytes {
        found.report(ResponseSignal::ResponseSize, 0..0, &[&LARGE]);
    }
}

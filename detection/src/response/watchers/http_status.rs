//! # What it detects
//!
//! The status that the handler gave, where it is 400 or more: one signal for each answer.
//!
//! # Why it matters
//!
//! A client that collects refusals is looking for something; a function that collects errors is broken, or being broken.
//!
//! # Example
//!
//! `{"statusCode": 404}`
//!
//! # Known false positives
//!
//! None: it is a tag that says what it says.
//!
//! # Evasions covered
//!
//! None are possible: the handler's own word is read.
//!
//! # References
//!
//! RFC 9110 section 15.

use super::Watcher;
use crate::{
    Fact, FactKind,
    response::{Answer, Found, ResponseSignal},
};

pub(super) static WATCHER: Watcher = Watcher { name: "http_status", version: 1, look };

static STATUS: Fact = Fact::new("the status", FactKind::Lexical, 30);

fn look(answer: &Answer<'_>, found: &mut Found) {
    let signal = match answer.status {
        Some(403) => ResponseSignal::Http403,
        Some(404) => ResponseSignal::Http404,
        Some(429) => ResponseSignal::Http429,
        Some(400..=499) => ResponseSignal::Http4xx,
        Some(500) => ResponseSignal::Http500,
        Some(503) => ResponseSignal::Http503,
        Some(501..=599) => ResponseSignal::Http5xx,
        _ => return,
    };
    found.report(signal, 0..0, &[&STATUS]);
}

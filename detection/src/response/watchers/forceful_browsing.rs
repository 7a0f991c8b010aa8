//! # What it detects
//!
//! A request for an administrative or private path that was refused or led nowhere.
//!
//! # Why it matters
//!
//! Whoever asks for `/wp-admin` or `/.git/config` where there is none is going through a list.
//!
//! # Example
//!
//! `GET /actuator/env` and status 404.
//!
//! # Known false positives
//!
//! Links that died. It is a tag; a rule that counts it tells a scan from a stray visit.
//!
//! # Evasions covered
//!
//! Letter case, and the path's place in the event.
//!
//! # References
//!
//! CWE-425; OWASP Web Security Testing Guide, forced browsing.

use super::Watcher;
use crate::{
    Fact, FactKind,
    response::{Answer, Found, ResponseSignal},
};

pub(super) static WATCHER: Watcher = Watcher { name: "forceful_browsing", version: 1, look };

static REFUSED: Fact = Fact::new("an administrative or private path, refused", FactKind::Lexical, 40);

fn look(answer: &Answer<'_>, found: &mut Found) {
    let refused = matches!(answer.status, Some(400 | 401 | 403 | 404 | 405 | 410));
    if refused && answer.asked.browses() {
        found.report(ResponseSignal::ForcefulBrowsing, 0..0, &[&REFUSED]);
    }
}

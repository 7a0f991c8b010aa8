//! # What it detects
//!
//! A foreign URL in a parameter that by its name says where to go next.
//!
//! # Why it matters
//!
//! A link to the owner's host that ends somewhere else is what phishing mails are made of.
//!
//! # Example
//!
//! `?returnTo=//login.example.net`
//!
//! # Known false positives
//!
//! Login providers and shops redirect to registered hosts all the time. It is an anomaly and never counts.
//!
//! # Evasions covered
//!
//! Scheme-relative URLs, backslashes for slashes, user parts, blanks before the scheme.
//!
//! # References
//!
//! CWE-601, CAPEC-194; RFC 9700 section 4.11.

use picket_request::{Anomaly, Place};

use crate::{
    Class, Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    urls::{Url, is},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Anomaly(Anomaly::OpenRedirect), name: "open_redirect", version: 1, gate: Gate::With(&[Class::Slash, Class::Backslash], gate), run };

static FOREIGN: Fact = Fact::new("a URL in a parameter that says where to go", FactKind::Lexical, 40);

fn gate(input: &Input<'_>) -> bool {
    matches!(input.place, Place::Query | Place::Form)
        && input.classes.any(&[Class::Slash, Class::Backslash])
        && input.bytes.len() >= 6
        && leads(input.name)
}

/// Names that say where to go next.
fn leads(name: &[u8]) -> bool {
    let mut plain = [0_u8; 24];
    let mut used = 0;
    for byte in name.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        let Some(slot) = plain.get_mut(used) else { return false };
        *slot = byte.to_ascii_lowercase();
        used += 1;
    }
    is(
        plain.get(..used).unwrap_or_default(),
        &[
            b"redirect", b"redirecturl", b"redirecturi", b"redir", b"return", b"returnurl", b"returnto", b"returnuri", b"next", b"nexturl", b"goto", b"continue", b"continueto",
            b"dest", b"destination", b"target", b"forward", b"forwardurl", b"back", b"backurl", b"callback", b"callbackurl", b"successurl", b"failureurl", b"logouturl", b"rurl",
            b"url", b"to", b"out", b"service", b"relaystate",
        ],
    )
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    if !gate(input) {
        return;
    }
    let url = Url::relative(input.bytes).or_else(|| Url::find(input.bytes, 0).filter(|url| url.start < 2));
    if let Some(url) = url.filter(|url| url.authority.contains(&b'.')) {
        sink.report(url.start..url.end.min(input.bytes.len()), &[&FOREIGN]);
    }
}

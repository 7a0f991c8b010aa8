//! # What it detects
//!
//! A host of a service for out-of-band interaction: a callback there tells an attacker that a payload ran.
//!
//! # Why it matters
//!
//! Blind injections are proved this way. The host says that somebody is testing, whatever the payload around it.
//!
//! # Example
//!
//! `?url=http://c1.oast.fun/`
//!
//! # Known false positives
//!
//! Texts about security testing. It is an anomaly and never counts.
//!
//! # Evasions covered
//!
//! Letter case, any subdomain. Hosts of the attacker's own are not known.
//!
//! # References
//!
//! CAPEC-664; OWASP Web Security Testing Guide, out-of-band testing.

use picket_request::Anomaly;

use crate::{Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Anomaly(Anomaly::OobDomain), name: "oob_domain", version: 1, gate: Gate::Never, run };

static SERVICE: Fact = Fact::new("a host for out-of-band interaction", FactKind::Lexical, 50);

/// Every domain is an anchor.
fn run(input: &Input<'_>, scratch: &mut Scratch, sink: &mut Sink<'_>) {
    let lower = &mut scratch.lower;
    lower.clear();
    lower.extend(input.bytes.iter().map(u8::to_ascii_lowercase));
    for domain in DOMAINS {
        for at in memchr::memmem::find_iter(lower, domain).take(8) {
            let before = at.checked_sub(1).and_then(|at| lower.get(at)).copied().unwrap_or(b'.');
            let after = lower.get(at + domain.len()).copied().unwrap_or(b'/');
            let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if !inside(before) && !inside(after) && after != b'_' {
                sink.report(at..at + domain.len(), &[&SERVICE]);
            }
        }
    }
}

/// Domains of the services.
static DOMAINS: &[&[u8]] = &[
    b"interact.sh", b"oast.pro", b"oast.live", b"oast.site", b"oast.online", b"oast.fun", b"oast.me", b"oastify.com", b"burpcollaborator.net", b"dnslog.cn", b"ceye.io",
    b"requestbin.net", b"pipedream.net", b"webhook.site", b"bxss.me", b"xss.ht", b"ezxss.com", b"canarytokens.com", b"dnslog.link", b"eyes.sh", b"tu4.org", b"dig.pm", b"r87.me",
    b"vii.one", b"odiss.eu", b"nessus.org/oob", b"appspidered.rapid7.com", b"qualysperiscope.com", b"acunetix-reverse", b"ssrf.localdomain.pw",
];

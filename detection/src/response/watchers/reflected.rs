//! # What it detects
//!
//! A hostile span of the request that comes back as it was sent: markup in a page, an injected header, a foreign address as the target of a
//! redirection.
//!
//! # Why it matters
//!
//! It tells an attempt from an attack that reached where it acts: a page that escapes what it shows is not hurt by it.
//!
//! # Example
//!
//! `?q=<script>alert(1)</script>` and a page with `Results for <script>alert(1)</script>`.
//!
//! # Known false positives
//!
//! Editors that hand back what their own users wrote. Where the answer is no page, a browser does not run it, and it is only a tag.
//!
//! # Evasions covered
//!
//! The span is compared after the decoders that found it, and the answer after its transport encodings. A span that the handler changes
//! (other letter case, cut short) is not found.
//!
//! # References
//!
//! CWE-79, CWE-113, CWE-601.

use memchr::memmem;

use super::Watcher;
use crate::{
    Fact, FactKind,
    response::{Answer, Found, ResponseSignal, asked::NeedleKind},
};

pub(super) static WATCHER: Watcher = Watcher { name: "reflected", version: 1, look };

static IN_A_PAGE: Fact = Fact::new("markup of the request stands in a page", FactKind::Breakout, 100);
static IN_SOMETHING: Fact = Fact::new("markup of the request stands in an answer without a type", FactKind::Breakout, 70);
static IN_DATA: Fact = Fact::new("markup of the request stands in data", FactKind::Lexical, 30);
static AS_HEADER: Fact = Fact::new("a header that the request carried in a value", FactKind::Breakout, 100);
static AS_TARGET: Fact = Fact::new("a redirection to an address of the request", FactKind::Breakout, 70);

fn look(answer: &Answer<'_>, found: &mut Found) {
    let text = answer.text();
    for needle in answer.asked.needles() {
        match needle.kind {
            NeedleKind::Page => {
                let Some(at) = memmem::find(text, &needle.bytes) else { continue };
                let fact = match answer.is_page() {
                    Some(true) => &IN_A_PAGE,
                    None => &IN_SOMETHING,
                    Some(false) => &IN_DATA,
                };
                found.report(ResponseSignal::Reflected, at..at + needle.bytes.len(), &[fact]);
            }
            NeedleKind::Header => {
                let Some(colon) = memchr::memchr(b':', &needle.bytes) else { continue };
                let (name, value) = needle.bytes.split_at(colon);
                let value = value.get(1..).unwrap_or_default();
                let set = answer.headers.iter().any(|(known, text)| {
                    known.eq_ignore_ascii_case(name) && text.trim_ascii().starts_with(value)
                });
                if set {
                    found.report(ResponseSignal::Reflected, 0..0, &[&AS_HEADER]);
                }
            }
            NeedleKind::Location => {
                let leads = matches!(answer.status, Some(300..=399))
                    && answer.header("location").is_some_and(|target| target.starts_with(&needle.bytes));
                if leads {
                    found.report(ResponseSignal::Reflected, 0..0, &[&AS_TARGET]);
                }
            }
        }
    }
}

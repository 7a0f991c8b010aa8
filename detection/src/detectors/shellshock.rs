//! # What it detects
//!
//! The definition of a bash function as a value (`() { …; };`), which old versions of bash import from the environment
//! and go on to run what follows.
//!
//! # Why it matters
//!
//! Everything that reaches a program's environment through CGI or a shell call ran as code (CVE-2014-6271 and its kin).
//!
//! # Example
//!
//! `User-Agent: () { :; }; /usr/bin/id`
//!
//! # Known false positives
//!
//! JavaScript functions have a name or a keyword before the parentheses, or an arrow after them, and are not reported.
//!
//! # Evasions covered
//!
//! Blanks, bodies other than `:;`, the definition after an assignment or a quote, percent encoding through the decoders.
//!
//! # References
//!
//! CWE-78; CVE-2014-6271, CVE-2014-6278, CVE-2014-7169; bash patch 4.3-025.

use crate::{Class, Detector, Evidence, Fact, FactKind, Gate, Input, Scratch, Signal, Sink};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Shellshock, name: "shellshock", version: 1, gate: Gate::With(&[Class::Brace], gate), run };

static OPENS: Fact = Fact::new("starts the definition of a function without a name", FactKind::Structure, 50);
static CLOSES: Fact = Fact::new("ends it, and goes on", FactKind::Breakout, 50);
static NULL_COMMAND: Fact = Fact::new("a body that does nothing", FactKind::Structure, 50);
static UNFINISHED: Fact = Fact::new("and never ends it, which the next variable does", FactKind::Structure, 30);
static START: Fact = Fact::new("as the start of the value", FactKind::Structure, 20);

fn gate(input: &Input<'_>) -> bool {
    input.classes.has(Class::Brace) && input.classes.has(Class::Paren)
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    for at in memchr::memmem::find_iter(bytes, b"()").take(64) {
        let before = bytes.get(..at).unwrap_or_default().trim_ascii_end();
        let opens = before.last().is_none_or(|byte| matches!(byte, b'=' | b'"' | b'\'' | b';' | b'|' | b'&'));
        let tail = bytes.get(at + 2..).unwrap_or_default();
        let body = tail.trim_ascii_start();
        if !opens || body.first() != Some(&b'{') {
            continue;
        }
        let body = body.get(1..).unwrap_or_default();
        let start = before.is_empty();
        let close = body.iter().take(256).position(|byte| *byte == b'}');
        let after = close.and_then(|close| body.get(close + 1..)).unwrap_or_default().trim_ascii_start();
        let inside = body.get(..close.unwrap_or(0)).unwrap_or_default().trim_ascii();
        let mut facts = Evidence::default();
        facts.add(&OPENS);
        facts.add_if(start, &START);
        facts.add_if(start && body.is_empty() && bytes.len() < 16, &UNFINISHED);
        facts.add_if(close.is_some() && after.first() == Some(&b';') && (start || inside.len() < 24), &CLOSES);
        facts.add_if(matches!(inside, b":;" | b":" | b": ;" | b"_;" | b"0;" | b"a;"), &NULL_COMMAND);
        let end = bytes.len() - body.len() + close.map_or(0, |close| close + 1);
        facts.with(|facts| sink.report(at..end, facts));
    }
}

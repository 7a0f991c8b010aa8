//! What speaks against an attack in the text around it: sentences, many lines, code blocks. Doubts lower structure and
//! words, never a breakout or an effect, so that wrapping an attack in harmless text does not hide it.

use std::ops::Range;

use crate::{Fact, FactKind, Input, Sink, html::shown::CodeSpans};

static PROSE: Fact = Fact::new("stands in prose", FactKind::Doubt, 50);
static DOCUMENT: Fact = Fact::new("stands in a text of many lines", FactKind::Doubt, 50);
static CODE: Fact = Fact::new("code that would run elsewhere", FactKind::Structure, 100);
static SHOWN: Fact = Fact::new("stands in a code block", FactKind::Doubt, 60);

/// Lines from which a value is a document rather than a parameter.
pub(crate) const DOCUMENT_LINES: u32 = 6;
/// Facts that one report carries besides doubts.
const FACTS: usize = 6;

/// Reports facts with what speaks against them.
pub(crate) fn report(input: &Input<'_>, sink: &mut Sink<'_>, span: Range<usize>, found: &[&'static Fact]) {
    let mut facts = [&PROSE; FACTS + 3];
    let mut count = 0;
    let mut add = |fact: &'static Fact| {
        if let Some(slot) = facts.get_mut(count) {
            *slot = fact;
            count += 1;
        }
    };
    found.iter().take(FACTS).for_each(|fact| add(fact));
    let shape = input.shape();
    if shape.is_prose() {
        add(&PROSE);
    }
    if shape.lines >= DOCUMENT_LINES {
        add(&DOCUMENT);
    }
    if is_shown(input, span.start) {
        add(&SHOWN);
    }
    sink.report(span, facts.get(..count).unwrap_or_default());
}

/// Reports facts that sentences around them do not lower; shown as code they are worth a tag.
pub(crate) fn unless_shown(
    input: &Input<'_>,
    sink: &mut Sink<'_>,
    span: Range<usize>,
    found: &[&'static Fact],
) {
    if is_shown(input, span.start) {
        sink.report(span, &[&CODE, &SHOWN]);
    } else {
        sink.report(span, found);
    }
}

/// How a patch begins.
const HEADS: [&[u8]; 3] = [b"@@ -", b"diff --git ", b"--- a/"];
/// Bytes of a patch's first line that are read.
const LONGEST_HEAD: usize = 1024;

/// Whether a value is a patch, as tools for reviews send it: a hunk's head on its first line, or the head of a file.
pub(crate) fn is_patch(bytes: &[u8]) -> bool {
    if !HEADS.iter().any(|head| bytes.starts_with(head)) {
        return false;
    }
    let head = bytes.get(..bytes.len().min(LONGEST_HEAD)).unwrap_or_default();
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let hunk = line.strip_prefix(b"@@ -").is_some_and(|rest| {
        rest.first().is_some_and(u8::is_ascii_digit) && memchr::memmem::find(rest, b" @@").is_some()
    });
    line.len() < bytes.len() && (hunk || !line.starts_with(b"@@"))
}

/// What of a value is shown as code, for those who ask about several places.
#[derive(Debug)]
pub(crate) enum Shown {
    /// All of it.
    All,
    /// Nothing.
    Nothing,
    /// Some of it.
    Spans(CodeSpans),
}

impl Shown {
    /// What a value shows: code blocks and, in a text of sentences or several lines, inline code.
    pub(crate) fn of(input: &Input<'_>) -> Self {
        let shape = input.shape();
        if is_patch(input.bytes) {
            Self::All
        } else if (shape.is_prose() || shape.lines > 3) && memchr::memchr(b'`', input.bytes).is_some() {
            Self::Spans(CodeSpans::of(input.bytes, true))
        } else {
            Self::Nothing
        }
    }

    /// Whether an offset stands in what is shown.
    pub(crate) fn has(&self, bytes: &[u8], at: usize) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Spans(spans) => spans.shows(bytes, at),
        }
    }
}

/// Whether an offset stands in a code block or, in a text of sentences or several lines, in inline code.
pub(crate) fn is_shown(input: &Input<'_>, at: usize) -> bool {
    Shown::of(input).has(input.bytes, at)
}

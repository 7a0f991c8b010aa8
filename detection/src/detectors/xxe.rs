//! XML external entities.
//!
//! # What it detects
//! Document type declarations that reach outside the document: external general and parameter entities, external
//! subsets beyond the known public ones, entities that expand without bound, XInclude, and style sheets that read documents.
//!
//! # Why it matters
//! A parser that follows them reads files of the function, calls internal addresses, or runs out of memory.
//!
//! # Example
//! `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///proc/self/environ">]><r>&x;</r>`
//!
//! # Known false positives
//! Drawings of old programs that declare entities for their namespaces are tags only; documents of private formats that
//! name their own DTD by a full address.
//!
//! # Evasions covered
//! Case, missing ends, parameter entities, `PUBLIC` with any identifier, single quotes, white space.
//!
//! # References
//! W3C XML 1.0 section 4.2.2; W3C XInclude 1.0; CWE-611; CWE-776.

use picket_request::Place;

use crate::{
    Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    bytes::{contains_ignore_case, find_ignore_case, starts_ignore_case},
    doubt,
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Xxe, name: "xxe", version: 1, gate: Gate::Any(gate), run };

static EXTERNAL: Fact = Fact::new("an external entity", FactKind::Effect, 110);
static PARAMETER: Fact = Fact::new("a parameter entity", FactKind::Structure, 100);
static EXPANDS: Fact = Fact::new("an entity made of entities", FactKind::Effect, 100);
static INTERNAL: Fact = Fact::new("a document declares an entity of its own", FactKind::Structure, 100);
static NAMESPACE: Fact = Fact::new("an entity that abbreviates an address", FactKind::Structure, 30);
static SUBSET: Fact = Fact::new("a document type at a foreign address", FactKind::Effect, 100);
static NEAR_SUBSET: Fact = Fact::new("a document type in a file", FactKind::Structure, 60);
static PUBLIC_SUBSET: Fact = Fact::new("a document type with a public identifier", FactKind::Structure, 20);
static INCLUDE: Fact = Fact::new("an XInclude element", FactKind::Effect, 100);
static LONE_SCHEMA: Fact = Fact::new("a schema at a foreign address without its namespace", FactKind::Effect, 100);
static DOCUMENT: Fact = Fact::new("a style sheet that reads a document or calls a function", FactKind::Effect, 100);

/// An attribute's value comes without its name, in which it has no anchor.
const fn gate(input: &Input<'_>) -> bool {
    matches!(input.place, Place::Xml) && input.name.eq_ignore_ascii_case(b"xsi:schemalocation")
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    for at in memchr::memmem::find_iter(bytes, b"<!") {
        let rest = bytes.get(at + 2..).unwrap_or_default();
        let found = if starts_ignore_case(rest, b"entity") {
            entity(rest.get(6..).unwrap_or_default())
        } else if starts_ignore_case(rest, b"doctype") {
            doctype(rest.get(7..).unwrap_or_default())
        } else {
            continue;
        };
        if let Some(fact) = found {
            doubt::report(input, sink, at..bytes.len().min(at + 120), &[fact]);
        }
    }
    if let Some(at) = find_ignore_case(bytes, b"include")
        && (contains_ignore_case(bytes, b"/xinclude\"") || contains_ignore_case(bytes, b"/xinclude'"))
        && contains_ignore_case(bytes, b"href")
    {
        sink.report(at..at + 7, &[&INCLUDE]);
    } else if let Some(at) = find_ignore_case(bytes, b"<xi:include") {
        sink.report(at..at + 11, &[&INCLUDE]);
    }
    if let Some(at) = find_ignore_case(bytes, b"document('").or_else(|| find_ignore_case(bytes, b"document(\""))
        && (contains_ignore_case(bytes, b"xsl:") || matches!(input.place, Place::Xml | Place::XmlMarkup))
    {
        sink.report(at..at + 10, &[&DOCUMENT]);
    }
    if gate(input) && is_lone_address(bytes) {
        sink.report(0..bytes.len(), &[&LONE_SCHEMA]);
    }
    if let Some(at) = lone_schema(bytes) {
        doubt::report(input, sink, at..bytes.len().min(at + 120), &[&LONE_SCHEMA]);
    }
    if let Some(at) = find_ignore_case(bytes, b"php:function") {
        sink.report(at..at + 12, &[&DOCUMENT]);
    }
}

/// `xsi:schemaLocation` lists pairs of a namespace and an address. An address alone names no namespace: no program writes
/// that, and a parser that loads schemas still fetches it.
fn lone_schema(bytes: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"xsi:schemalocation";
    let at = find_ignore_case(bytes, NAME)?;
    let rest = bytes.get(at + NAME.len()..)?.trim_ascii_start().strip_prefix(b"=")?;
    let (list, _) = literal(rest)?;
    is_lone_address(list).then_some(at)
}

/// Whether a list of words is one address and nothing else.
fn is_lone_address(list: &[u8]) -> bool {
    let list = list.trim_ascii();
    memchr::memmem::find(list, b"://").is_some() && !list.iter().any(u8::is_ascii_whitespace)
}

fn after_blank(text: &[u8]) -> Option<&[u8]> {
    let rest = text.trim_ascii_start();
    (rest.len() < text.len()).then_some(rest)
}

/// The text up to white space, a quote or a bracket, and what follows it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let length = text
        .iter()
        .position(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'[' | b'>'))
        .unwrap_or(text.len());
    text.split_at(length)
}

/// A quoted literal, however often its quote was doubled, and what follows it.
fn literal(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start();
    let quote = *text.first().filter(|b| matches!(b, b'"' | b'\''))?;
    let doubled = text.iter().take_while(|&&b| b == quote).count();
    let inner = text.get(if doubled > 2 { 1 } else { doubled }..).unwrap_or_default();
    let end = memchr::memchr(quote, inner).unwrap_or(inner.len());
    Some((inner.get(..end).unwrap_or_default(), inner.get(end + 1..).unwrap_or_default()))
}

fn entity(text: &[u8]) -> Option<&'static Fact> {
    let mut rest = after_blank(text)?;
    let parameter = rest.first() == Some(&b'%');
    if parameter {
        rest = rest.get(1..)?.trim_ascii_start();
    }
    let (_, rest) = word(rest);
    let rest = rest.trim_ascii_start();
    let (keyword, _) = word(rest);
    if keyword.eq_ignore_ascii_case(b"system") || keyword.eq_ignore_ascii_case(b"public") {
        return Some(&EXTERNAL);
    }
    let (value, _) = literal(rest)?;
    if parameter {
        return Some(&PARAMETER);
    }
    let references = memchr::memchr_iter(b'&', value)
        .filter(|&at| value.get(at + 1).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_'))
        .take(2)
        .count();
    Some(if references == 2 {
        &EXPANDS
    } else if is_address(value) {
        &NAMESPACE
    } else {
        &INTERNAL
    })
}

fn is_address(value: &[u8]) -> bool {
    [&b"http://"[..], b"https://", b"urn:", b"&ns_"].iter().any(|prefix| starts_ignore_case(value, prefix))
}

fn doctype(text: &[u8]) -> Option<&'static Fact> {
    let (_, rest) = word(after_blank(text)?);
    let rest = rest.trim_ascii_start();
    let (keyword, rest) = word(rest);
    if keyword.eq_ignore_ascii_case(b"public") {
        let Some((identifier, rest)) = literal(rest) else { return Some(&PUBLIC_SUBSET) };
        let formal = contains_ignore_case(identifier, b"//dtd ") || contains_ignore_case(identifier, b"//entities");
        let known = formal && [&b"-//"[..], b"+//", b"ISO"].iter().any(|start| identifier.starts_with(start));
        if known {
            return Some(&PUBLIC_SUBSET);
        }
        return Some(literal(rest).map_or(&PUBLIC_SUBSET, |(address, _)| subset(address)));
    }
    if keyword.eq_ignore_ascii_case(b"system") {
        return literal(rest).map(|(address, _)| subset(address));
    }
    None
}

fn subset(address: &[u8]) -> &'static Fact {
    let lower = address.to_ascii_lowercase();
    if lower.starts_with(b"about:") {
        return &PUBLIC_SUBSET;
    }
    let host = lower.splitn(4, |&b| b == b'/').nth(2).filter(|_| lower.starts_with(b"http")).unwrap_or_default();
    const KNOWN: &[&[u8]] =
        &[b"www.w3.org", b"java.sun.com", b"www.apple.com", b"hibernate.org", b"www.hibernate.org", b"struts.apache.org", b"mybatis.org", b"xml.apache.org"];
    if KNOWN.contains(&host) {
        &PUBLIC_SUBSET
    } else if memchr::memmem::find(&lower, b"://").is_some() || lower.starts_with(b"//") || memchr::memchr(b'/', &lower).is_none() && lower.iter().filter(|&&b| b == b'.').count() >= 2 {
        &SUBSET
    } else {
        &NEAR_SUBSET
    }
}

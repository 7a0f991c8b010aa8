//! LDAP filter injection.
//!
//! # What it detects
//!
//! Values that close the assertion of an LDAP search filter and go on with their own (`*)(uid=*`), whole composite filters
//! where a value was meant, extensible matches by object identifier, and values made of nothing but filter signs.
//!
//! # Why it matters
//!
//! The directory answers another question than the application asked: anybody is found, or attributes are guessed letter
//! by letter.
//!
//! # Example
//!
//! `*)(|(objectClass=*` ends the host's assertion and adds one that always holds.
//!
//! # Known false positives
//!
//! Administration pages in which a whole filter is typed on purpose.
//!
//! # Evasions covered
//!
//! White space between the parts, nested operators, NUL to cut the host's filter, and the encodings that the decoders
//! undo.
//!
//! # References
//!
//! CWE-90; RFC 4515, string representation of search filters; OWASP Testing Guide WSTG-INPV-06.

use crate::{Class, Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink, bytes::skip_space};

/// The detector.
pub(crate) static DETECTOR: Detector =
    Detector { signal: Signal::Ldapi, name: "ldapi", version: 1, gate: Gate::With(&[Class::Paren], gate), run };

use FactKind::{Breakout, Effect, Structure};

static CLOSES: Fact = Fact::new("closes the host's assertion and opens another", Breakout, 60);
static OPERATOR: Fact = Fact::new("an operator joins it", Effect, 40);
static WILDCARD: Fact = Fact::new("anything matches it", Effect, 40);
static ATTRIBUTE: Fact = Fact::new("an attribute of directories", Effect, 40);
static FILTER: Fact = Fact::new("the value is a composite filter", Structure, 100);
static WITHIN: Fact = Fact::new("holds a composite filter", Structure, 60);
static MATCHING_RULE: Fact = Fact::new("a match by object identifier", Effect, 100);
static SIGNS: Fact = Fact::new("nothing but signs of a filter", Structure, 60);
static MANY_SIGNS: Fact = Fact::new("many kinds of them", Structure, 40);

/// Attributes that are asked for in directories.
const ATTRIBUTES: &[&str] = &[
    "uid", "cn", "sn", "ou", "dc", "mail", "objectclass", "userpassword", "samaccountname", "userprincipalname", "memberof",
    "givenname", "displayname", "admincount", "distinguishedname", "objectcategory", "useraccountcontrol", "password",
    "login", "user", "username", "description", "department", "homedirectory", "gidnumber", "uidnumber",
];

fn gate(input: &Input<'_>) -> bool {
    input.classes.has(Class::Paren) && input.classes.any(&[Class::Equals, Class::Star, Class::Ampersand, Class::Pipe])
}

fn run(input: &Input<'_>, _scratch: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    presence(bytes, sink);
    signs(bytes, sink);
    matching_rule(bytes, sink);
    breakout(bytes, sink);
    whole(bytes, sink);
}

/// `(objectClass=*)` and nothing else: every entry that has the attribute.
fn presence(bytes: &[u8], sink: &mut Sink<'_>) {
    let inner = bytes.trim_ascii().strip_prefix(b"(").and_then(|text| text.strip_suffix(b"=*)"));
    if inner.is_some_and(|name| ATTRIBUTES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))) {
        sink.report(0..bytes.len(), &[&FILTER]);
    }
}

/// A value of nothing but `*`, parentheses and operators.
fn signs(bytes: &[u8], sink: &mut Sink<'_>) {
    let text = bytes.trim_ascii();
    if text.len() < 2 || text.len() > 16 || !text.contains(&b'*') {
        return;
    }
    let kinds = b"*()|&!\0".iter().filter(|sign| text.contains(sign)).count();
    if text.iter().all(|byte| b"*()|&!'\0".contains(byte)) && kinds >= 2 {
        let facts: &[&'static Fact] = if kinds >= 3 { &[&SIGNS, &MANY_SIGNS] } else { &[&SIGNS] };
        sink.report(0..bytes.len(), facts);
    }
}

/// `attribute:2.5.13.18:=value`.
fn matching_rule(bytes: &[u8], sink: &mut Sink<'_>) {
    let Some(at) = memchr::memmem::find(bytes, b":=") else { return };
    let head = bytes.get(..at).unwrap_or_default();
    let rule = head.iter().rev().take(64).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let rule_text = head.get(at - rule..).unwrap_or_default();
    let before = head.get(..at - rule).unwrap_or_default();
    let dots = rule_text.iter().filter(|byte| **byte == b'.').count();
    let named = before.strip_suffix(b":").is_some_and(|name| name.last().is_some_and(u8::is_ascii_alphanumeric));
    if dots >= 3 && named {
        sink.report(at - rule..at + 2, &[&MATCHING_RULE]);
    }
}

/// One assertion or operator at `at`: `(uid=…`, `(&(…`, `(!(&(…`.
struct Opened {
    end: usize,
    operators: usize,
    wildcard: bool,
    known: bool,
}

fn opened(bytes: &[u8], at: usize) -> Option<Opened> {
    const NESTING: usize = 8;
    let (begin, mut at, mut operators) = (at, at, 0);
    for _ in 0..NESTING {
        if bytes.get(at) != Some(&b'(') {
            break;
        }
        at = skip_space(bytes, at + 1);
        if bytes.get(at).is_some_and(|byte| b"&|!".contains(byte)) {
            operators += 1;
            at = skip_space(bytes, at + 1);
            // `(&)` is the filter that always holds.
            if matches!(bytes.get(at), None | Some(b')' | 0)) {
                return Some(Opened { end: at, operators, wildcard: true, known: false });
            }
        }
    }
    let name = bytes
        .iter()
        .skip(at)
        .take(64)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"-_.;:".contains(byte))
        .count();
    let attribute = bytes.get(at..at + name)?;
    let sign = skip_space(bytes, at + name);
    let sign = sign + usize::from(bytes.get(sign).is_some_and(|byte| b"~<>".contains(byte)));
    if at == begin || name == 0 || bytes.get(sign) != Some(&b'=') || bytes.get(sign + 1) == Some(&b'=') {
        return None;
    }
    let value = bytes.get(sign + 1..).unwrap_or_default();
    let value = value.split(|byte| matches!(byte, b')' | b'(')).next().unwrap_or_default();
    let known = ATTRIBUTES.iter().any(|known| attribute.eq_ignore_ascii_case(known.as_bytes()));
    Some(Opened { end: sign + 1 + value.len(), operators, wildcard: value.contains(&b'*'), known })
}

/// Assertions behind the first that are read.
const FOLLOWING: usize = 4;

/// A parenthesis that nothing in the value opened, and another assertion behind it.
fn breakout(bytes: &[u8], sink: &mut Sink<'_>) {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b')' => {
                let mut next = skip_space(bytes, at + 1);
                while bytes.get(next) == Some(&b')') {
                    next = skip_space(bytes, next + 1);
                }
                if let Some(mut opened) = opened(bytes, next) {
                    // What follows the first assertion may be what joins it: `x)(a=b)(|(c=*`.
                    for _ in 0..FOLLOWING {
                        let mut after = opened.end;
                        while bytes.get(after) == Some(&b')') {
                            after = skip_space(bytes, after + 1);
                        }
                        let Some(more) = self::opened(bytes, after) else { break };
                        opened = Opened {
                            end: more.end,
                            operators: opened.operators + more.operators,
                            wildcard: opened.wildcard || more.wildcard,
                            known: opened.known || more.known,
                        };
                    }
                    let mut facts: [&'static Fact; 4] = [&CLOSES; 4];
                    let mut used = 1;
                    let wildcard = opened.wildcard || bytes.get(..at).is_some_and(|head| head.ends_with(b"*"));
                    for (holds, fact) in
                        [(opened.operators > 0, &OPERATOR), (wildcard, &WILDCARD), (opened.known, &ATTRIBUTE)]
                    {
                        if holds {
                            facts[used] = fact;
                            used += 1;
                        }
                    }
                    sink.report(at..opened.end, facts.get(..used).unwrap_or_default());
                    return;
                }
            }
            _ => {}
        }
    }
}

/// `(&(uid=…)(…))`: an operator over assertions, where a value was meant.
fn whole(bytes: &[u8], sink: &mut Sink<'_>) {
    const MANY: usize = 32;
    for at in memchr::memchr_iter(b'(', bytes).take(MANY) {
        let sign = skip_space(bytes, at + 1);
        if !bytes.get(sign).is_some_and(|byte| b"&|!".contains(byte)) {
            continue;
        }
        let Some(first) = opened(bytes, at) else { continue };
        // `*(|(mail=*))`: the wildcard stands for the host's value, the filter for nothing that could be typed.
        if first.operators > 0 && bytes.get(..at).is_some_and(|head| head.trim_ascii() == b"*") {
            sink.report(at..first.end, &[&FILTER]);
            return;
        }
        // `(|(cn=*))`: one assertion under an operator is a filter as well where it is all that the value is.
        let rest = bytes.get(first.end..).unwrap_or_default();
        let all = bytes.get(..at).is_some_and(|head| head.trim_ascii().is_empty())
            && !rest.is_empty()
            && rest.iter().all(|byte| *byte == b')' || byte.is_ascii_whitespace());
        if first.operators > 0 && all && first.wildcard && first.known {
            sink.report(at..first.end, &[&FILTER]);
            return;
        }
        // A second assertion follows the first.
        let mut next = first.end;
        while bytes.get(next) == Some(&b')') {
            next = skip_space(bytes, next + 1);
        }
        if let Some(second) = opened(bytes, next) {
            let telling = first.known || second.known || first.wildcard || second.wildcard;
            // A filter in the middle of a sentence is a question about it.
            let head = bytes.get(..at).unwrap_or_default().trim_ascii();
            let short = bytes.len() <= 512 && telling && (head.is_empty() || head.ends_with(b"="));
            sink.report(at..second.end, &[if short { &FILTER } else { &WITHIN }]);
            return;
        }
    }
}

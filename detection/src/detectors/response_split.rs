//! # What it detects
//!
//! A line break, and after it something that a header parser would take for a header field, a status line or a request;
//! and a content type whose boundary is a content type itself, which one parser reads so and the next one otherwise.
//!
//! # Why it matters
//!
//! A value that is copied into a response header ends that header and writes its own: cookies, redirects, whole pages.
//!
//! # Example
//!
//! `?lang=de%0d%0aSet-Cookie:%20sid=1`
//!
//! # Known false positives
//!
//! Texts of several lines with `Name: value` in them (forwarded mail, YAML, stack traces): names of response headers decide there, and
//! only in short values.
//!
//! # Evasions covered
//!
//! CR or LF alone, several of them, blanks after them, U+560A and U+560D, percent and backslash escapes through the decoders.
//!
//! # References
//!
//! CWE-113, CWE-93, CAPEC-34; RFC 9110 section 5.5; RFC 9112 section 11.1.

use picket_request::Place;

use crate::{
    Class, Detector, Evidence, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    lines::{Line, field, has_break, is_mail_head, lines},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::ResponseSplit, name: "response_split", version: 1, gate: Gate::With(&[Class::Newline, Class::Backslash, Class::Slash, Class::High, Class::Equals], gate), run };

static TARGET: Fact = Fact::new("a line break in the request's path", FactKind::Breakout, 100);
static BREAK: Fact = Fact::new("a line break, and a field after it", FactKind::Breakout, 35);
static RESPONSE_FIELD: Fact = Fact::new("a field of responses", FactKind::Effect, 65);
static OTHER_FIELD: Fact = Fact::new("a field", FactKind::Structure, 15);
static HYPHENATED: Fact = Fact::new("named as header fields are", FactKind::Structure, 50);
static DISGUISED: Fact = Fact::new("the break is narrowed from other characters", FactKind::Effect, 40);
static MESSAGE: Fact = Fact::new("the first line of a message", FactKind::Effect, 100);
static NAME: Fact = Fact::new("a line break in the name of a parameter", FactKind::Breakout, 100);
static ONLY_BREAKS: Fact = Fact::new("line breaks of headers, and nothing else", FactKind::Breakout, 100);
static FIRST: Fact = Fact::new("a request's first line as the whole value", FactKind::Effect, 100);
static IN_HEADER: Fact = Fact::new("in a header, which has no lines", FactKind::Structure, 50);
static TWO_TYPES: Fact = Fact::new("a content type in the place of a boundary", FactKind::Breakout, 100);
static DOCUMENT: Fact = Fact::new("a text of many lines", FactKind::Doubt, 70);
static TEXT_FIELD: Fact = Fact::new("a field of responses in a text", FactKind::Structure, 50);

/// Values beyond this length are texts.
const SHORT: usize = 1024;

fn gate(input: &Input<'_>) -> bool {
    two_types(input).is_some()
        || (matches!(input.place, Place::Query | Place::QueryKey) && input.classes.has(Class::Newline))
        || (matches!(input.place, Place::Query | Place::Form | Place::Cookie) && first_line(input.bytes))
        || (input.place == Place::Path && input.classes.any(&[Class::Newline, Class::Backslash]))
        || (input.classes.has(Class::Newline) && (input.classes.has(Class::Colon) || input.classes.has(Class::Slash)))
        || (input.classes.has(Class::High) && input.classes.has(Class::Colon) && has_break(input.bytes))
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    if matches!(input.place, Place::FileContent | Place::Body | Place::Graphql | Place::Xml | Place::XmlMarkup) && input.bytes.len() > SHORT {
        return;
    }
    if input.place == Place::Path {
        if let Some(line) = lines(input.bytes).next() {
            sink.report(line.at..line.start, &[&TARGET]);
        } else if let Some(at) = memchr::memmem::find(input.bytes, b"\\r\\n") {
            sink.report(at..at + 4, &[&TARGET]);
        }
        return;
    }
    if let Some(at) = two_types(input) {
        sink.report(at..input.bytes.len(), &[&TWO_TYPES]);
        return;
    }
    if first_line(input.bytes) {
        sink.report(0..input.bytes.len(), &[&FIRST]);
        return;
    }
    if matches!(input.place, Place::Query | Place::QueryKey) {
        breaks(input, sink);
    }
    // A text of many lines has its own fields; what matters stands in the first few of a short value.
    let many = input.bytes.len() > SHORT || lines(input.bytes).take(9).count() > 8;
    let single = matches!(input.place, Place::Query | Place::QueryKey | Place::Cookie | Place::CookieName | Place::Header | Place::FormKey | Place::Form);
    for line in lines(input.bytes).take(64) {
        if let Some(length) = message(line.text) {
            sink.report(line.at..line.start + length, &[&BREAK, &MESSAGE]);
        }
        judge_field(input, &line, single, many, sink);
    }
}

/// Breaks where a browser's form would not put them: in a name, or with nothing else around them.
fn breaks(input: &Input<'_>, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    let Some(at) = memchr::memmem::find(bytes, b"\r\n").or_else(|| memchr::memmem::find(bytes, b"\n\r")) else { return };
    let name = input.place == Place::QueryKey && bytes.len() < 128 && bytes.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if name {
        sink.report(at..at + 2, &[&NAME]);
    } else if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) || memchr::memmem::find(bytes, b"%0\r\n").is_some() {
        sink.report(at..at + 2, &[&ONLY_BREAKS]);
    }
}

/// `application/x-www-form-urlencoded; boundary="text/xml"`: where the second type stands. Only multipart types have
/// boundaries, and those are no types.
fn two_types(input: &Input<'_>) -> Option<usize> {
    if input.place != Place::Header || input.bytes.len() > 512 || !input.name.eq_ignore_ascii_case(b"content-type") {
        return None;
    }
    let at = memchr::memmem::find(input.bytes, b"boundary=")? + 9;
    let value = input.bytes.get(at..)?;
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    [b"application/".as_slice(), b"text/", b"multipart/"].iter().any(|known| value.starts_with(known)).then_some(at)
}

/// `GET http://192.0.2.1/ HTTP/1.0` and nothing else.
fn first_line(bytes: &[u8]) -> bool {
    if bytes.len() >= 512 {
        return false;
    }
    let mut words = bytes.trim_ascii().split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next()) else { return false };
    method.len() >= 3
        && method.iter().all(u8::is_ascii_uppercase)
        && (target.starts_with(b"/") || memchr::memmem::find(target, b"://").is_some())
        && matches!(version, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', ..] if version.len() <= 8)
}

fn judge_field(input: &Input<'_>, line: &Line<'_>, single: bool, many: bool, sink: &mut Sink<'_>) {
    let Some((name, value)) = field(line.text) else { return };
    let mut facts = Evidence::default();
    facts.add(&BREAK);
    if is_response_field(name) {
        facts.add(if many || is_mail_head(input.bytes) { &TEXT_FIELD } else { &RESPONSE_FIELD });
    } else {
        facts.add(&OTHER_FIELD);
        let own = name.get(..2).is_some_and(|head| head.eq_ignore_ascii_case(b"x-"));
        let hyphenated = name.contains(&b'-') && (own || name.iter().filter(|byte| byte.is_ascii_alphabetic()).count() > 4);
        facts.add_if(!hyphenated && is_plain_header(input) && !value.is_empty() && name.len() > 3, &IN_HEADER);
        // A line that begins with a blank goes on with the field before it (RFC 9112, section 5.2), as the lines of YAML do.
        let folded = line.start.checked_sub(1).and_then(|at| input.bytes.get(at)).is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        facts.add_if(hyphenated && !folded && single && !value.is_empty() && (input.bytes.len() < 256 || line.at == 0), &HYPHENATED);
    }
    facts.add_if(line.disguised, &DISGUISED);
    // No text begins with a break and a field.
    facts.add_if(many && line.at > 0, &DOCUMENT);
    facts.with(|facts| sink.report(line.at..line.start + line.text.len(), facts));
}

/// A header other than those that carry URLs or free text.
fn is_plain_header(input: &Input<'_>) -> bool {
    const FREE: &[&[u8]] = &[b"referer", b"referrer", b"user-agent", b"cookie", b"traceparent", b"tracestate", b"baggage"];
    input.place == Place::Header && input.bytes.len() < 256 && !FREE.iter().any(|known| known.eq_ignore_ascii_case(input.name))
}

/// `HTTP/1.1 200`, `GET /x HTTP/1.1`: how long.
fn message(line: &[u8]) -> Option<usize> {
    const METHODS: &[&[u8]] = &[b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"TRACE "];
    let version = |at: usize| line.get(at..at + 6).is_some_and(|text| text.eq_ignore_ascii_case(b"HTTP/1") || text.eq_ignore_ascii_case(b"HTTP/2") || text.eq_ignore_ascii_case(b"HTTP/0"));
    if version(0) && line.get(8) == Some(&b' ') {
        return Some(8);
    }
    let request = METHODS.iter().any(|method| line.starts_with(method));
    let at = memchr::memmem::find(line, b" HTTP/")? + 1;
    (request && version(at)).then_some(at + 6)
}

/// Names of fields that a response carries and that change what a browser or a cache does.
fn is_response_field(name: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"set-cookie", b"set-cookie2", b"location", b"content-type", b"content-length", b"content-encoding", b"content-disposition", b"refresh", b"transfer-encoding",
        b"x-xss-protection", b"content-security-policy", b"link", b"last-modified", b"etag", b"cache-control", b"x-frame-options", b"contenttype",
        b"access-control-allow-origin", b"access-control-allow-credentials", b"strict-transport-security", b"www-authenticate", b"x-forwarded-host", b"remote-addr",
        b"x-accel-redirect", b"x-sendfile", b"status", b"clear-site-data", b"set-cookie3",
    ];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name)) && !name.eq_ignore_ascii_case(b"status")
}

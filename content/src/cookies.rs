//! Cookies (RFC 6265, 5.4, as servers read them): pairs between semicolons, values with or without quotes, percent-encoded
//! or not.
//!
//! It may not know which header or list they came in.

use picket_request::{LocationId, Place, Segment, Span};

use crate::reader::Reader;

/// Reads one `Cookie` header, or one cookie of a list.
pub(crate) fn read(reader: &mut Reader<'_>, raw: Span, location: LocationId) {
    let mut at = 0;
    let mut stray = false;
    loop {
        let bytes = reader.request.bytes(raw);
        let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else { break };
        if reader.is_full() {
            reader.push_rest(raw.slice(at..raw.len()), Place::Cookie, location);
            return;
        }
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let piece = rest.get(..end).unwrap_or_default();
        let blanks = piece.len() - piece.trim_ascii_start().len();
        let len = piece.trim_ascii_end().len();
        let equals = memchr::memchr(b'=', piece);
        let start = at;
        at += end + 1;
        if len <= blanks {
            continue;
        }
        let Some(equals) = equals else {
            stray = true;
            let span = raw.slice(start + blanks..start + len);
            let location = reader.request.locations.add(location, Segment::Key(span));
            reader.push(span, span, Place::CookieName, span, location);
            continue;
        };
        let name = raw.slice(start + blanks.min(equals)..start + equals);
        let value = raw.slice(start + equals + 1..start + len.max(equals + 1));
        let text = piece.get(equals + 1..len).unwrap_or_default();
        // A quoted value is one also behind a blank, and Python looks for a name, an equals sign and a quote, whatever stands
        // before them.
        let blanks = text.len() - text.trim_ascii_start().len();
        let inner = memchr::memmem::rfind(text, b"=\"").map_or(0, |at| at + 1);
        cookie(reader, name, value.slice(blanks..value.len()), location);
        quoted_beyond(reader, raw, value.slice(inner..value.len()), inner == 0, name, location);
    }
    if stray {
        // A value with a semicolon of its own was cut; some readers take the header as a whole.
        reader.push(raw, raw, Place::Cookie, Span::EMPTY, location);
    }
}

fn cookie(reader: &mut Reader<'_>, name: Span, value: Span, location: LocationId) {
    let location = reader.request.locations.add(location, Segment::Key(name));
    reader.push(name, name, Place::CookieName, name, location);
    if value.is_empty() {
        return;
    }
    let bytes = reader.request.bytes(value);
    let quoted = bytes.len() >= 2 && bytes.first() == Some(&b'"') && bytes.last() == Some(&b'"');
    let escaped = quoted && memchr::memchr(b'\\', bytes).is_some();
    let inner = if quoted { value.slice(1..value.len() - 1) } else { value };
    let text = reader.percent_decoded(inner, false, location);
    reader.push(text, value, Place::Cookie, name, location);
    if escaped {
        let location = reader.unwrapped(location, "quoted");
        let text = reader.request.derive(inner, unquote);
        reader.push(text, value, Place::Cookie, name, location);
    }
}

/// A quoted value with semicolons in it or something behind it, as Python reads it. Whatever opens the next one closes this one, so no choice
/// of quotes is walked more than twice.
fn quoted_beyond(
    reader: &mut Reader<'_>,
    raw: Span,
    value: Span,
    is_whole: bool,
    name: Span,
    location: LocationId,
) {
    let start = (value.start - raw.start) as usize;
    let rest = reader.request.bytes(raw).get(start..).unwrap_or_default();
    let blanks = rest.len() - rest.trim_ascii_start().len();
    let (start, rest) = (start + blanks, rest.trim_ascii_start());
    let Some(inner) = rest.strip_prefix(b"\"") else { return };
    let mut at = 0;
    let length = loop {
        match memchr::memchr2(b'"', b'\\', inner.get(at..).unwrap_or_default()) {
            Some(found) if inner.get(at + found) == Some(&b'"') => break at + found,
            Some(found) => at += found + 2,
            None => return,
        }
    };
    // Where it is all of the value, it was read already; where something stands behind it, Python leaves that out.
    if is_whole && blanks + length + 2 == value.len() {
        return;
    }
    let inner = raw.slice(start + 1..start + 1 + length);
    let location = reader.request.locations.add(location, Segment::Key(name));
    let location = reader.unwrapped(location, "quoted");
    let text = reader.request.derive(inner, unquote);
    reader.push(text, raw.slice(start..start + length + 2), Place::Cookie, name, location);
}

/// Undoes backslashes as Python's `http.cookies` does: three octal digits, or the next character.
fn unquote(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match text.get(at..) {
            Some([a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                at += 3;
            }
            Some([next, ..]) => {
                out.push(*next);
                at += 1;
            }
            _ => out.push(b'\\'),
        }
    }
}

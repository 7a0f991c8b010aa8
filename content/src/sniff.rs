//! What a text looks like, whatever it claims to be.
//!
//! It may not parse: every answer comes from a bounded look at both ends, or one pass without memory.

use std::ops::Range;

/// What a body looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Json,
    Xml,
    Multipart,
    Form,
    Other,
}

/// Looks at a text.
pub(crate) fn look(text: &[u8]) -> Look {
    let text = text.trim_ascii();
    match text.first() {
        Some(b'{' | b'[') => Look::Json,
        Some(b'<') if is_xml(text) => Look::Xml,
        Some(b'-') if boundary(text).is_some() => Look::Multipart,
        Some(_) if is_form(text) => Look::Form,
        _ if boundary(text).is_some() => Look::Multipart,
        _ => Look::Other,
    }
}

/// Whether a text opens as an XML document does: a declaration, a document type other than HTML's, or an element whose
/// end tag closes the text.
pub(crate) fn is_xml(text: &[u8]) -> bool {
    if text.starts_with(b"<?xml") {
        return true;
    }
    if starts_with_ignore_case(text, b"<!doctype") {
        let rest = text.get(9..).unwrap_or_default().trim_ascii_start();
        return !starts_with_ignore_case(rest, b"html>");
    }
    let name = text.get(1..).unwrap_or_default();
    let len = name
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-' | b'.'))
        .count();
    let name = name.get(..len).unwrap_or_default();
    if name.is_empty() {
        return false;
    }
    let trimmed = text.trim_ascii_end();
    let Some(inner) = trimmed.strip_suffix(b">") else { return false };
    let tail = inner.trim_ascii_end();
    tail.strip_suffix(name).is_some_and(|rest| rest.ends_with(b"</")) || tail.ends_with(b"/")
}

/// Whether a text is made like a form: a short name without blanks, then `=`.
pub(crate) fn is_form(text: &[u8]) -> bool {
    const NAME: usize = 128;
    let head = text.get(..NAME.min(text.len())).unwrap_or_default();
    let Some(equals) = memchr::memchr(b'=', head) else { return false };
    let plain = |b: &u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'[' | b']' | b'%' | b'+' | b'$')
    };
    let name = head.get(..equals).unwrap_or_default();
    // `a==` is padding of base64.
    !name.is_empty()
        && name.iter().all(plain)
        && !text.get(equals..).unwrap_or_default().iter().all(|&b| b == b'=')
}

/// The boundary that a text opens with, if it looks like a multipart body: a line of two hyphens and more, soon followed
/// by part headers.
pub(crate) fn boundary(text: &[u8]) -> Option<Range<usize>> {
    const HEAD: usize = 4096;
    let head = text.get(..HEAD.min(text.len()))?;
    let start = if head.starts_with(b"--") {
        0
    } else {
        memchr::memmem::find_iter(head, b"\n--").map(|at| at + 1).find(|&at| headers_follow(head, at))?
    };
    let line = head.get(start + 2..)?;
    let end = memchr::memchr2(b'\r', b'\n', line)?;
    let name = line.get(..end)?.trim_ascii_end();
    let range = start + 2..start + 2 + name.len();
    (!name.is_empty() && name.len() <= 256 && headers_follow(head, start)).then_some(range)
}

fn headers_follow(head: &[u8], start: usize) -> bool {
    let rest = head.get(start..).unwrap_or_default();
    let Some(line) = memchr::memchr(b'\n', rest) else { return false };
    starts_with_ignore_case(rest.get(line + 1..).unwrap_or_default(), b"content-")
}

pub(crate) fn starts_with_ignore_case(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// Whether bytes are a text: valid UTF-8 without control characters that texts do not have, or marked as UTF-16.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    const HEAD: usize = 4096;
    if matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        return true;
    }
    let head = bytes.get(..HEAD.min(bytes.len())).unwrap_or_default();
    let odd = head.iter().any(|&b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b));
    // A character may be cut at the end of the head.
    !odd && std::str::from_utf8(head).map_or_else(|e| e.error_len().is_none(), |_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart() {
        for (text, expected) in [
            (" {\"a\":1}", Look::Json),
            ("<?xml version='1.0'?><a/>", Look::Xml),
            ("<order><id>1</id></order>\n", Look::Xml),
            ("<!DOCTYPE foo [<!ENTITY a SYSTEM 'file:///x'>]><foo/>", Look::Xml),
            ("<!DOCTYPE html><p>x", Look::Other),
            ("<p>one<p>two", Look::Other),
            ("a=b&c=d", Look::Form),
            ("user%5Bname%5D=x", Look::Form),
            ("dGVzdA==", Look::Other),
            ("a note with x=1", Look::Other),
            ("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--", Look::Multipart),
            ("preamble\r\n--b\r\ncontent-type: text/plain\r\n\r\n1", Look::Multipart),
            ("-- a comment\nselect 1", Look::Other),
            ("", Look::Other),
        ] {
            assert_eq!(look(text.as_bytes()), expected, "{text}");
        }
        assert!(is_text("grüße\n".as_bytes()));
        assert!(!is_text(b"\x89PNG\r\n\x1a\n\0"));
    }
}

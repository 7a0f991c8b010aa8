//! JSON in a decoded text: each string in it, with its escapes undone (RFC 8259). JSON that stands in a request as it is was
//! taken apart when the request was read; this is for what base64 and percent decoding bring to light.

use super::{Decoding, Pieces, View, hex_number, push_char};
use crate::{Class, Decoder};

pub(super) static DECODING: Decoding = Decoding { decoder: Decoder::Nested, wants, run };

fn wants(view: &View<'_>) -> bool {
    !view.chain.is_empty()
        && view.seen.classes.has(Class::DoubleQuote)
        && view.seen.classes.any(&[Class::Brace, Class::Bracket])
}

fn run(view: &View<'_>, pieces: &mut Pieces) {
    let trimmed = view.bytes.trim_ascii_start();
    if !matches!(trimmed.first(), Some(b'{' | b'[')) {
        return;
    }
    let mut rest = trimmed;
    while let Some(at) = memchr::memchr(b'"', rest) {
        let text = rest.get(at + 1..).unwrap_or_default();
        let Some(end) = string_end(text) else { return };
        let string = text.get(..end).unwrap_or_default();
        rest = text.get(end + 1..).unwrap_or_default();
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b' ' | b':' | b'/');
        if !string.iter().all(plain) {
            pieces.piece(|out| {
                unescape(string, out);
                true
            });
        }
    }
}

/// Where a string that has begun ends.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

fn unescape(string: &[u8], out: &mut Vec<u8>) {
    let mut rest = string;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (before, tail) = rest.split_at(at);
        out.extend_from_slice(before);
        let tail = tail.get(1..).unwrap_or_default();
        let Some((&kind, after)) = tail.split_first() else { return };
        rest = after;
        match kind {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'b' | b'f' => out.push(b' '),
            b'u' => {
                if let Some(code) = hex_number(after, 4) {
                    push_char(out, code);
                    rest = after.get(4..).unwrap_or_default();
                }
            }
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
}

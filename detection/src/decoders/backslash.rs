//! `\u0041`, `\u{41}`, `\x41`, `\101` and the one-letter escapes beside them, as JSON, JavaScript and C have them.
//!
//! A text with one-letter escapes alone is left as it is: Windows paths and regular expressions are full of them. Only `\r\n`
//! in a short text is undone.

use super::{Decoding, Pieces, View, hex_number, push_char};
use crate::{Class, Decoder};

pub(super) static DECODING: Decoding =
    Decoding { decoder: Decoder::Backslash, wants: |view| view.seen.classes.has(Class::Backslash), run };

/// A text from this length on may show how lines end.
const SHORT: usize = 256;

/// The code of a numeric escape after its backslash, and how many bytes it takes.
fn numeric(rest: &[u8]) -> Option<(u32, usize)> {
    let (&kind, tail) = rest.split_first()?;
    match kind {
        b'u' | b'U' => {
            if let Some(braced) = tail.strip_prefix(b"{") {
                let digits = braced.iter().take(7).position(|&b| b == b'}')?;
                return Some((hex_number(braced, digits).filter(|_| digits > 0)?, digits + 3));
            }
            Some((hex_number(tail, 4)?, 5))
        }
        b'x' | b'X' => {
            let code = hex_number(tail, 2)?;
            Some((code, 3))
        }
        b'0'..=b'3' => {
            let digits = rest.get(..3)?;
            digits.iter().all(|b| (b'0'..=b'7').contains(b)).then(|| {
                let code = digits.iter().fold(0, |sum, &b| sum << 3 | u32::from(b - b'0'));
                (code, 3)
            })
        }
        _ => None,
    }
}

fn run(view: &View<'_>, pieces: &mut Pieces) {
    pieces.piece(|out| {
        // A carriage return and a line feed side by side are the break of a protocol, not a path or a pattern.
        let mut changed = view.bytes.len() < SHORT && memchr::memmem::find(view.bytes, b"\\r\\n").is_some();
        let mut rest = view.bytes;
        while let Some(at) = memchr::memchr(b'\\', rest) {
            let (before, tail) = rest.split_at(at);
            out.extend_from_slice(before);
            let tail = tail.get(1..).unwrap_or_default();
            if let Some((code, length)) = numeric(tail) {
                // `\xNN` and `\NNN` stand for bytes; UTF-8 spelled in them must come out as UTF-8.
                match u8::try_from(code) {
                    Ok(byte) if length == 3 => out.push(byte),
                    _ => push_char(out, code),
                }
                rest = tail.get(length..).unwrap_or_default();
                changed = true;
                continue;
            }
            let (plain, length) = match tail.first() {
                Some(b'n') => (b'\n', 1),
                Some(b'r') => (b'\r', 1),
                Some(b't') => (b'\t', 1),
                Some(&byte @ (b'"' | b'\'' | b'/' | b'\\' | b'`')) => (byte, 1),
                _ => (b'\\', 0),
            };
            out.push(plain);
            rest = tail.get(length..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
        changed
    });
}

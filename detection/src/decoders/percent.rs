//! `%41`, once more where a value was decoded already, and where the place is not decoded by rule (headers, JSON).
//!
//! WHATWG URL, "percent-decode"; what is no escape stays as it is.

use super::{Decoding, Pieces, View, hex_number};
use crate::{Class, Decoder};

pub(super) static DECODING: Decoding =
    Decoding { decoder: Decoder::Percent, wants: |view| view.seen.classes.has(Class::Percent), run };

fn run(view: &View<'_>, pieces: &mut Pieces) {
    pieces.piece(|out| decode(view.bytes, false, out));
}

/// Appends the decoded bytes; answers whether anything was decoded.
pub(super) fn decode(bytes: &[u8], plus: bool, out: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut rest = bytes;
    loop {
        let found = if plus { memchr::memchr2(b'%', b'+', rest) } else { memchr::memchr(b'%', rest) };
        let Some(at) = found else { break };
        let (before, tail) = rest.split_at(at);
        out.extend_from_slice(before);
        let Some((&byte, tail)) = tail.split_first() else { break };
        rest = tail;
        if byte == b'+' {
            out.push(b' ');
            changed = true;
        } else if let Some(code) = hex_number(tail, 2).and_then(|code| u8::try_from(code).ok()) {
            out.push(code);
            rest = tail.get(2..).unwrap_or_default();
            changed = true;
        } else {
            out.push(byte);
        }
    }
    out.extend_from_slice(rest);
    changed
}

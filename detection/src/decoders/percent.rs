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
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => match hex_number(tail, 2).and_then(|code| u8::try_from(code).ok()) {
                Some(code) => {
                    out.push(code);
                    rest = tail.get(2..).unwrap_or_default();
                    changed = true;
                }
                None => out.push(byte),
            },
            b'+' if plus => {
                out.push(b' ');
                changed = true;
            }
            _ => out.push(byte),
        }
    }
    changed
}

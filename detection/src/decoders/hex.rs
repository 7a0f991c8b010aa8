//! Hexadecimal text: `0x3c7363…` and long runs of hexadecimal digits, where they decode to text.

use super::{Decoding, Pieces, View, hex_digit, hex_number, is_text};
use crate::Decoder;

pub(super) static DECODING: Decoding =
    Decoding { decoder: Decoder::Hex, wants: |view| view.seen.run as usize >= SHORTEST, run };

/// Digits of the shortest run after `0x` that is looked at.
const SHORTEST: usize = 12;
/// Digits of the shortest run without a prefix: shorter ones are colours, ids and counters.
const BARE: usize = 20;

fn run(view: &View<'_>, pieces: &mut Pieces) {
    let mut rest = view.bytes;
    while !rest.is_empty() {
        let skip = rest.iter().take_while(|&&byte| hex_digit(byte).is_none()).count();
        rest = rest.get(skip..).unwrap_or_default();
        let count = rest.iter().take_while(|&&byte| hex_digit(byte).is_some()).count();
        let (mut digits, mut tail) = rest.split_at(count);
        let mut shortest = BARE;
        // The run before `x` is the zero of a prefix.
        if digits.last() == Some(&b'0') && matches!(tail.first(), Some(b'x' | b'X')) {
            let after = tail.get(1..).unwrap_or_default();
            let count = after.iter().take_while(|&&byte| hex_digit(byte).is_some()).count();
            (digits, tail) = after.split_at(count);
            shortest = SHORTEST;
        }
        rest = tail;
        if digits.len() >= shortest && digits.len() % 2 == 0 {
            pieces.piece(|out| decode(digits, out));
        }
    }
}

fn decode(digits: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    for pair in digits.chunks_exact(2) {
        let Some(byte) = hex_number(pair, 2).and_then(|code| u8::try_from(code).ok()) else { return false };
        if byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') || byte == 0x7f {
            return false;
        }
        out.push(byte);
    }
    let text = out.get(start..).unwrap_or_default();
    // Decimal digits alone are numbers, whatever they would spell.
    is_text(text) && !digits.iter().all(u8::is_ascii_digit)
}

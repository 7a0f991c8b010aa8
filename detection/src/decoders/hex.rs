//! Hexadecimal text: `0x3c7363…` and long runs of hexadecimal digits, where they decode to text.

use super::{Decoding, Pieces, View, hex_digit, hex_number, is_text, runs};
use crate::Decoder;

pub(super) static DECODING: Decoding =
    Decoding { decoder: Decoder::Hex, wants: |view| view.seen.run as usize >= SHORTEST, run };

/// Digits of the shortest run after `0x` that is looked at.
const SHORTEST: usize = 12;
/// Digits of the shortest run without a prefix: shorter ones are colours, ids and counters.
const BARE: usize = 20;

static DIGITS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = hex_digit(byte as u8).is_some();
        byte += 1;
    }
    table
};

fn run(view: &View<'_>, pieces: &mut Pieces) {
    for at in memchr::memchr2_iter(b'x', b'X', view.bytes) {
        let digits = view.bytes.get(at + 1..).unwrap_or_default();
        if at == 0 || view.bytes.get(at - 1) != Some(&b'0') || !digits.first().is_some_and(u8::is_ascii_hexdigit) {
            continue;
        }
        let count = digits.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        // A longer run is found below as well.
        if (SHORTEST..BARE).contains(&count) {
            add(digits.get(..count).unwrap_or_default(), pieces);
        }
    }
    for range in runs(view.bytes, BARE, &DIGITS) {
        add(view.bytes.get(range).unwrap_or_default(), pieces);
    }
}

fn add(digits: &[u8], pieces: &mut Pieces) {
    if digits.len().is_multiple_of(2) {
        pieces.piece(|out| decode(digits, out));
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

//! Whole texts in another encoding: UTF-16 in either order, and UTF-7 (RFC 2152).

use super::{Decoding, Pieces, View, base64::sextet, is_text, push_char};
use crate::{Class, Decoder};

pub(super) static DECODING: Decoding = Decoding {
    decoder: Decoder::Charset,
    wants: |view| view.seen.classes.any(&[Class::Plus, Class::Control]),
    run,
};

fn run(view: &View<'_>, pieces: &mut Pieces) {
    if view.seen.classes.has(Class::Control) {
        utf16(view.bytes, pieces);
    }
    if view.seen.classes.has(Class::Plus) && memchr::memmem::find(view.bytes, b"+A").is_some() {
        pieces.piece(|out| utf7(view.bytes, out));
    }
}

/// A text of which every other byte is NUL, as ASCII in UTF-16 is.
fn utf16(bytes: &[u8], pieces: &mut Pieces) {
    let bytes = bytes.strip_prefix(b"\xff\xfe").or_else(|| bytes.strip_prefix(b"\xfe\xff")).unwrap_or(bytes);
    let pairs = bytes.len() / 2;
    if pairs < 4 {
        return;
    }
    for high in [1, 0] {
        let zeros = bytes.chunks_exact(2).filter(|pair| pair[high] == 0 && pair[1 - high] != 0).count();
        if zeros * 10 >= pairs * 9 {
            pieces.piece(|out| {
                for pair in bytes.chunks_exact(2) {
                    push_char(out, u32::from(pair[high]) << 8 | u32::from(pair[1 - high]));
                }
                true
            });
            return;
        }
    }
}

/// `+ADw-` is `<`. Only runs that decode to ASCII count, because a plus stands in front of many harmless words.
fn utf7(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'+', rest) {
        let (before, tail) = rest.split_at(at);
        out.extend_from_slice(before);
        let tail = tail.get(1..).unwrap_or_default();
        let count = tail.iter().take_while(|&&b| sextet(b).is_some() && b != b'-' && b != b'_').count();
        let run = tail.get(..count).unwrap_or_default();
        let start = out.len();
        // Three sixteen-bit units take eight digits; an ASCII unit begins with nine zero bits.
        if count >= 3 && run.first() == Some(&b'A') && units(run, out) && is_text(out.get(start..).unwrap_or_default()) {
            changed = true;
            let dash = usize::from(tail.get(count) == Some(&b'-'));
            rest = tail.get(count + dash..).unwrap_or_default();
        } else {
            out.truncate(start);
            out.push(b'+');
            rest = tail;
        }
    }
    out.extend_from_slice(rest);
    changed
}

fn units(run: &[u8], out: &mut Vec<u8>) -> bool {
    let (mut bits, mut count) = (0_u32, 0_u32);
    for &digit in run {
        bits = bits << 6 | u32::from(sextet(digit).unwrap_or(0));
        count += 6;
        if count >= 16 {
            count -= 16;
            let unit = bits >> count & 0xffff;
            if unit >= 0x80 {
                return false;
            }
            push_char(out, unit);
        }
        bits &= 0xffff;
    }
    bits & ((1 << count) - 1) == 0
}

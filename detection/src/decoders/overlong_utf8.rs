//! UTF-8 in overlong form, and with broken continuation bytes, as lenient decoders read it (`%c0%af` is `/`).
//!
//! RFC 3629, section 10; the two-byte forms are read as old versions of IIS and Java read them, taking the low six bits of
//! whatever follows.

use super::{Decoding, Pieces, View};
use crate::{Class, Decoder};

pub(super) static DECODING: Decoding =
    Decoding { decoder: Decoder::OverlongUtf8, wants: |view| view.seen.classes.has(Class::High), run };

/// The ASCII byte that an overlong form stands for, and its length.
fn overlong(rest: &[u8]) -> Option<(u8, usize)> {
    let low = |byte: u8| byte & 0x3f;
    let follows = |byte: u8| byte & 0xc0 == 0x80;
    match *rest {
        [first @ (0xc0 | 0xc1), second, ..] => Some(((first & 1) << 6 | low(second), 2)),
        [0xe0, second @ (0x80 | 0x81), third, ..] if follows(third) => Some(((second & 1) << 6 | low(third), 3)),
        [0xf0, 0x80, third @ (0x80 | 0x81), fourth, ..] if follows(fourth) => {
            Some(((third & 1) << 6 | low(fourth), 4))
        }
        _ => None,
    }
}

fn run(view: &View<'_>, pieces: &mut Pieces) {
    if memchr::memchr3(0xc0, 0xc1, 0xe0, view.bytes).is_none() && memchr::memchr(0xf0, view.bytes).is_none() {
        return;
    }
    pieces.piece(|out| {
        let mut changed = false;
        let mut rest = view.bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            if let Some((plain, length)) = overlong(rest) {
                out.push(plain);
                rest = rest.get(length..).unwrap_or_default();
                changed = true;
            } else {
                out.push(byte);
                rest = tail;
            }
        }
        changed
    });
}

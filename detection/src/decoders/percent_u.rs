//! `%u0041`, which IIS and old JavaScript (`escape`) have.

use super::{Decoding, Pieces, View, hex_number, push_char};
use crate::{Class, Decoder};

pub(super) static DECODING: Decoding =
    Decoding { decoder: Decoder::PercentU, wants: |view| view.seen.classes.has(Class::Percent), run };

fn run(view: &View<'_>, pieces: &mut Pieces) {
    if memchr::memmem::find(view.bytes, b"%u").is_none() && memchr::memmem::find(view.bytes, b"%U").is_none() {
        return;
    }
    pieces.piece(|out| {
        let mut changed = false;
        let mut rest = view.bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            let code = match tail.split_first() {
                Some((b'u' | b'U', digits)) if byte == b'%' => hex_number(digits, 4),
                _ => None,
            };
            if let Some(code) = code {
                push_char(out, code);
                rest = tail.get(5..).unwrap_or_default();
                changed = true;
            } else {
                out.push(byte);
            }
        }
        changed
    });
}

//! Characters that targets fold to ASCII: full-width forms, and those that best-fit conversion and case folding map to a
//! character that means something.
//!
//! Unicode block "Halfwidth and Fullwidth Forms"; Microsoft's best-fit tables for code page 1252. Typographic quotes are
//! left alone: text processors write them into every harmless text.

use super::{Decoding, Pieces, View, push_char};
use crate::{Class, Decoder};

pub(super) static DECODING: Decoding =
    Decoding { decoder: Decoder::Width, wants: |view| view.seen.classes.has(Class::High), run };

const fn folded(c: char) -> Option<u32> {
    Some(match c as u32 {
        code @ 0xff01..=0xff5e => code - 0xff01 + 0x21,
        0x3000 | 0x2000..=0x200a | 0x202f | 0x205f | 0x1680 => 0x20,
        0x02b9 | 0x02bc | 0x02c8 | 0x2032 | 0x02bb => 0x27,
        0x02ba | 0x2033 => 0x22,
        0x2215 | 0x2044 | 0x29f8 => 0x2f,
        0xfe68 | 0x2216 | 0x29f5 => 0x5c,
        0xfe64 | 0x2329 | 0x3008 => 0x3c,
        0xfe65 | 0x232a | 0x3009 => 0x3e,
        0x2024 | 0xfe52 => 0x2e,
        0xfe50 => 0x2c,
        0xfe54 | 0x037e => 0x3b,
        0xfe55 | 0x2236 => 0x3a,
        0xfe59 => 0x28,
        0xfe5a => 0x29,
        0xfe5b => 0x7b,
        0xfe5c => 0x7d,
        0xfe60 => 0x26,
        0xfe66 => 0x3d,
        0xfe69 => 0x24,
        0xfe6a => 0x25,
        0x0131 => 0x69,
        0x017f => 0x73,
        0x212a => 0x6b,
        _ => return None,
    })
}

fn run(view: &View<'_>, pieces: &mut Pieces) {
    let Ok(text) = std::str::from_utf8(view.bytes) else {
        return;
    };
    if !text.chars().any(|c| folded(c).is_some()) {
        return;
    }
    pieces.piece(|out| {
        for c in text.chars() {
            push_char(out, folded(c).unwrap_or(c as u32));
        }
        true
    });
}

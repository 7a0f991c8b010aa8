//! NUL, control characters and characters without width left out, as filters and databases leave them out.

use super::{Decoding, Pieces, View};
use crate::{Class, Decoder};

pub(super) static DECODING: Decoding = Decoding {
    decoder: Decoder::Invisible,
    wants: |view| view.seen.classes.any(&[Class::Control, Class::High]),
    run,
};

const fn is_invisible(c: char) -> bool {
    matches!(
        c as u32,
        0..=8 | 0x0e..=0x1f | 0x7f..=0x9f | 0xad | 0x34f | 0x61c | 0x180b..=0x180e | 0x200b..=0x200f
            | 0x202a..=0x202e | 0x2060..=0x2064 | 0xfe00..=0xfe0f | 0xfeff | 0xe0000..=0xe007f
    )
}

/// Bytes that are invisible, or may begin a character that is.
static LEADS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(
            byte as u8,
            0..=8 | 0x0e..=0x1f | 0x7f | 0xc2 | 0xcd | 0xd8 | 0xe1 | 0xe2 | 0xef | 0xf3
        );
        byte += 1;
    }
    table
};

/// Whether some character of a text may be invisible, by its first two bytes.
fn may_have(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(found) = rest.iter().position(|byte| LEADS[*byte as usize]) {
        let next = rest.get(found + 1).copied().unwrap_or(0);
        let invisible = match rest.get(found) {
            Some(0xc2) => next < 0xa0 || next == 0xad,
            Some(0xcd) => next == 0x8f,
            Some(0xd8) => next == 0x9c,
            Some(0xe1) => next == 0xa0,
            Some(0xe2) => matches!(next, 0x80 | 0x81),
            Some(0xef) => matches!(next, 0xb8 | 0xbb),
            _ => true,
        };
        if invisible {
            return true;
        }
        rest = rest.get(found + 1..).unwrap_or_default();
    }
    false
}

fn run(view: &View<'_>, pieces: &mut Pieces) {
    if view.binary {
        pieces.piece(|out| texts(view.bytes, out));
        return;
    }
    if !may_have(view.bytes) {
        return;
    }
    pieces.piece(|out| {
        let mut changed = false;
        for chunk in view.bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                if is_invisible(c) {
                    changed = true;
                } else {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            out.extend_from_slice(chunk.invalid());
        }
        changed
    });
}

/// The runs of printable text in binary data, one a line: what the other decoders could have anything to do with.
fn texts(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    const SHORTEST: usize = 8;
    let printable = |&byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    for run in bytes.split(|byte| !printable(byte)).filter(|run| run.len() >= SHORTEST) {
        out.extend_from_slice(run);
        out.push(b'\n');
    }
    true
}

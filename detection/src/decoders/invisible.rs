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

fn run(view: &View<'_>, pieces: &mut Pieces) {
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

//! The query parameters of a URL that stands in a value: a payload in the query of a `Referer` or of a link.
//!
//! Each parameter is decoded as `application/x-www-form-urlencoded` (WHATWG URL, 5.1) and becomes a piece. Parameters that
//! are plain words are left out.

use super::{Decoding, Pieces, View, percent};
use crate::{Class, Decoder};

pub(super) static DECODING: Decoding = Decoding { decoder: Decoder::Url, wants, run };

fn wants(view: &View<'_>) -> bool {
    let classes = view.seen.classes;
    classes.has(Class::Mark) && classes.has(Class::Equals) && classes.has(Class::Slash)
}

fn run(view: &View<'_>, pieces: &mut Pieces) {
    let absolute = view.bytes.first() == Some(&b'/') || {
        let head = view.bytes.get(..12).unwrap_or(view.bytes);
        memchr::memmem::find(head, b"://").is_some()
    };
    let Some(mark) = memchr::memchr(b'?', view.bytes).filter(|_| absolute) else { return };
    let query = view.bytes.get(mark + 1..).unwrap_or_default();
    for pair in query.split(|&byte| byte == b'&') {
        let Some(equals) = memchr::memchr(b'=', pair) else { continue };
        let value = pair.get(equals + 1..).unwrap_or_default();
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if !value.iter().all(plain) {
            pieces.piece(|out| {
                percent::decode(value, true, out);
                true
            });
        }
    }
}

//! `+` as a space, in places where no rule says so but targets do it all the same (cookies, headers, JSON, paths).

use picket_request::Place;

use super::{Decoding, Pieces, View};
use crate::{Class, Decoder};

pub(super) static DECODING: Decoding = Decoding { decoder: Decoder::Plus, wants, run };

/// A text that has spaces was not written by an encoder that makes them a plus, and without a mark or a word that
/// could mean something to a target the plus does not matter.
fn wants(view: &View<'_>) -> bool {
    const MARKS: &[Class] = &[
        Class::SingleQuote,
        Class::DoubleQuote,
        Class::Angle,
        Class::Paren,
        Class::Semicolon,
        Class::Pipe,
        Class::Backtick,
        Class::Hash,
        Class::Star,
    ];
    view.seen.classes.has(Class::Plus)
        && !view.seen.classes.has(Class::Space)
        && !matches!(view.place, Place::Query | Place::QueryKey | Place::Form | Place::FormKey)
        && (view.seen.anchors != 0 || view.seen.classes.any(MARKS))
}

fn run(view: &View<'_>, pieces: &mut Pieces) {
    pieces.piece(|out| {
        out.extend(view.bytes.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }));
        true
    });
}

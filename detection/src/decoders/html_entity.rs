//! `&lt;`, `&#60;`, `&#x3c;`, with and without the semicolon.
//!
//! A text that has markup of its own is HTML: its character references are text there, and the HTML tokenizer reads those
//! in attributes. So only texts without a tag are decoded, as something that unescapes before it renders would.
//!
//! WHATWG HTML, 13.5 "Named character references".

use super::{Decoding, Pieces, View, push_char};
use crate::{Class, Decoder};

pub(super) static DECODING: Decoding = Decoding { decoder: Decoder::HtmlEntity, wants, run };

/// Names of characters that mean something to a target. Names are matched with their case, as HTML does.
const NAMES: &[(&[u8], u32)] = &[
    (b"lt", 0x3c), (b"LT", 0x3c), (b"gt", 0x3e), (b"GT", 0x3e), (b"amp", 0x26), (b"AMP", 0x26),
    (b"quot", 0x22), (b"QUOT", 0x22), (b"apos", 0x27), (b"nbsp", 0x20), (b"Tab", 0x09),
    (b"NewLine", 0x0a), (b"colon", 0x3a), (b"lpar", 0x28), (b"rpar", 0x29), (b"sol", 0x2f),
    (b"bsol", 0x5c), (b"lsqb", 0x5b), (b"lbrack", 0x5b), (b"rsqb", 0x5d), (b"rbrack", 0x5d),
    (b"lcub", 0x7b), (b"lbrace", 0x7b), (b"rcub", 0x7d), (b"rbrace", 0x7d), (b"semi", 0x3b),
    (b"comma", 0x2c), (b"period", 0x2e), (b"excl", 0x21), (b"num", 0x23), (b"dollar", 0x24),
    (b"percnt", 0x25), (b"equals", 0x3d), (b"quest", 0x3f), (b"commat", 0x40), (b"Hat", 0x5e),
    (b"lowbar", 0x5f), (b"grave", 0x60), (b"verbar", 0x7c), (b"vert", 0x7c), (b"VerticalLine", 0x7c),
    (b"ast", 0x2a), (b"midast", 0x2a), (b"plus", 0x2b),
];

/// Names that HTML knows without a semicolon.
const BARE: &[&[u8]] = &[b"lt", b"LT", b"gt", b"GT", b"amp", b"AMP", b"quot", b"QUOT", b"nbsp"];

/// No name or number of a character takes more bytes than this.
const LONGEST: usize = 16;

fn wants(view: &View<'_>) -> bool {
    view.seen.classes.has(Class::Ampersand) && view.seen.classes.any(&[Class::Hash, Class::Semicolon, Class::Letter])
}

/// Whether something looks like a tag, a comment or a declaration.
fn has_markup(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'<', bytes).any(|at| {
        bytes.get(at + 1).is_some_and(|&next| next.is_ascii_alphabetic() || matches!(next, b'/' | b'!' | b'?'))
    })
}

/// Whether a letter, a digit or a space is written as a reference.
fn hides_letters(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, b"&#").any(|at| {
        let code = bytes.get(at + 1..).and_then(reference).and_then(|(code, _)| u8::try_from(code).ok());
        code.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
    })
}

/// The character after an ampersand, and how many bytes name it.
pub(super) fn reference(rest: &[u8]) -> Option<(u32, usize)> {
    if let Some(number) = rest.strip_prefix(b"#") {
        let (radix, digits, skip) = match number.split_first() {
            Some((b'x' | b'X', digits)) => (16, digits, 2),
            _ => (10, number, 1),
        };
        let count = digits.iter().take(LONGEST).take_while(|&&b| char::from(b).is_digit(radix)).count();
        let code = digits.get(..count).filter(|digits| !digits.is_empty())?.iter().try_fold(0_u32, |sum, &b| {
            sum.checked_mul(radix)?.checked_add(char::from(b).to_digit(radix)?)
        })?;
        let semicolon = usize::from(digits.get(count) == Some(&b';'));
        return Some((code, skip + count + semicolon));
    }
    let count = rest.iter().take(LONGEST).take_while(|b| b.is_ascii_alphabetic()).count();
    let name = rest.get(..count)?;
    if rest.get(count) == Some(&b';') {
        return NAMES.iter().find(|(known, _)| *known == name).map(|(_, code)| (*code, count + 1));
    }
    // As in attributes: without a semicolon, a name that goes on is the name of a parameter.
    if rest.get(count).is_some_and(|b| b.is_ascii_digit() || *b == b'=') {
        return None;
    }
    let bare = BARE.iter().find(|known| name.starts_with(known) && name.len() == known.len())?;
    NAMES.iter().find(|(known, _)| known == bare).map(|(_, code)| (*code, bare.len()))
}

fn run(view: &View<'_>, pieces: &mut Pieces) {
    // What is written with references in a code block is shown for certain, unless they hide letters, which need none.
    if has_markup(view.bytes) || view.chain.contains(Decoder::CodeBlock) && !hides_letters(view.bytes) {
        return;
    }
    pieces.piece(|out| {
        let mut changed = false;
        let mut rest = view.bytes;
        while let Some(at) = memchr::memchr(b'&', rest) {
            let (before, tail) = rest.split_at(at);
            out.extend_from_slice(before);
            let tail = tail.get(1..).unwrap_or_default();
            if let Some((code, length)) = reference(tail) {
                push_char(out, code);
                rest = tail.get(length..).unwrap_or_default();
                changed = true;
            } else {
                out.push(b'&');
                rest = tail;
            }
        }
        out.extend_from_slice(rest);
        changed
    });
}

//! Code in a Markdown fence, or in `<pre>` or `<code>`, that begins by leaving a context (`' or 1=1`, `;id`, `../..`), or that is
//! all of the value.
//!
//! A code block shows code, and code alone is no attack. What closes a quote, a bracket or a command that was never opened
//! in the block is no code of a language either: it is written to be put behind something else, and is read as the value.
//! A block with nothing around it shows nothing to anybody: it is read as well, and only what breaks out counts there (see
//! `Sink`).

use super::{Decoding, Pieces, View};
use crate::{Class, Decoder, bytes::find_ignore_case};

pub(super) static DECODING: Decoding = Decoding { decoder: Decoder::CodeBlock, wants, run };

/// Blocks of one value that are read.
const BLOCKS: usize = 4;
/// Longer code, or more lines, is a listing.
const LONGEST: usize = 1024;
const LINES: usize = 2;
/// As all of the value it may be padded, and behind a quote that nothing opened lines may follow.
const LONGEST_WHOLE: usize = 64 * 1024;
const LINES_BEHIND_QUOTE: usize = 5;

fn wants(view: &View<'_>) -> bool {
    view.seen.classes.any(&[Class::Backtick, Class::Angle]) 
        && !view.chain.contains(Decoder::CodeBlock)
        // Markup that is written with references is shown for certain.
        && !view.chain.contains(Decoder::HtmlEntity)
}

fn run(view: &View<'_>, pieces: &mut Pieces) {
    let bytes = view.bytes;
    let mut at = 0;
    for _ in 0..BLOCKS {
        let Some(found) = memchr::memmem::find(bytes.get(at..).unwrap_or_default(), b"```") else { break };
        let (open, rest) = (at + found, bytes.get(at + found + 3..).unwrap_or_default());
        // What stands behind the marks is the name of a language, unless the block ends in the same line.
        let head = rest.get(..rest.len().min(24)).unwrap_or_default();
        let line = memchr::memchr(b'\n', head).map_or(0, |line| line + 1);
        let code = rest.get(line..).unwrap_or_default();
        let end = memchr::memmem::find(code, b"```").unwrap_or(code.len());
        let close = open + 3 + line + end;
        push(bytes, open, code.get(..end).unwrap_or_default(), close + 3, pieces);
        at = close + 3;
    }
    for (open, close) in [(&b"<pre"[..], &b"</pre"[..]), (b"<code", b"</code")] {
        let Some(found) = find_ignore_case(bytes, open) else { continue };
        let rest = bytes.get(found..).unwrap_or_default();
        let Some(inside) = memchr::memchr(b'>', rest) else { continue };
        let code = rest.get(inside + 1..).unwrap_or_default();
        let end = find_ignore_case(code, close).unwrap_or(code.len());
        push(bytes, found, code.get(..end).unwrap_or_default(), found + inside + 1 + end, pieces);
    }
}

/// Takes the code of a block that begins at `open` and ends at `close`.
fn push(bytes: &[u8], open: usize, code: &[u8], close: usize, pieces: &mut Pieces) {
    let code = code.strip_suffix(b"\n").unwrap_or(code);
    let quoted = matches!(code.trim_ascii_start().first(), Some(b'\'' | b'"'));
    let most = if quoted { LINES_BEHIND_QUOTE } else { LINES };
    if memchr::memchr_iter(b'\n', code.trim_ascii()).take(most).count() >= most {
        return;
    }
    // Markup in a fence is shown for certain, and markup in `<pre>` is read where it stands.
    let whole = || {
        code.len() <= LONGEST_WHOLE
            && memchr::memchr(b'<', code).is_none()
            && is_blank(bytes.get(..open).unwrap_or_default())
            && is_blank(bytes.get(close..).unwrap_or_default())
    };
    if code.len() <= LONGEST && leaves(code) || whole() {
        pieces.piece(|out| {
            out.extend_from_slice(code);
            true
        });
    }
}

/// Whether there is nothing but white space and tags.
fn is_blank(bytes: &[u8]) -> bool {
    const LONGEST: usize = 64;
    let mut rest = bytes.trim_ascii();
    while let Some((b'<', tail)) = rest.split_first() {
        let Some(end) = memchr::memchr(b'>', tail.get(..tail.len().min(LONGEST)).unwrap_or_default()) else { return false };
        rest = tail.get(end + 1..).unwrap_or_default().trim_ascii_start();
    }
    rest.is_empty()
}

/// Whether code begins by closing what it did not open, at once or behind one plain word.
pub(crate) fn leaves(code: &[u8]) -> bool {
    let text = code.trim_ascii_start();
    let word = text.iter().take(32).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')).count();
    let rest = text.get(word..).unwrap_or_default();
    let odd = |quote: u8| memchr::memchr_iter(quote, text).count() % 2 == 1;
    let climbs = text.starts_with(b"../") || text.starts_with(b"..\\") || text.starts_with(b"/..");
    climbs
        || match rest {
            [quote @ (b'\'' | b'"'), ..] => word > 0 || odd(*quote) || rest.get(1).is_some_and(|b| matches!(b, b' ' | b'\n' | b'>' | b')' | b'|' | b';')),
            [b')' | b']' | b'}', ..] | [b'`', b'\'' | b'"', ..] | [b'-', b'-', b'>', ..] | [b'*' | b'<', b'/', ..] => true,
            // `&lt;` is a reference.
            [b'&', next, ..] => matches!(next, b'&' | b' '),
            [b';' | b'|', next, ..] => word == 0 || next.is_ascii_whitespace() || rest[0] == *next || next.is_ascii_alphabetic(),
            _ => false,
        }
}

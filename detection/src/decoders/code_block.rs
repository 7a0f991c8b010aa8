//! Code in a Markdown fence, or in `<pre>` or `<code>`, that begins by leaving a context: `' or 1=1`, `;id`, `../..`.
//!
//! A code block shows code, and code alone is no attack. What closes a quote, a bracket or a command that was never opened
//! in the block is no code of a language either: it is written to be put behind something else, and is read as the value.

use super::{Decoding, Pieces, View};
use crate::{Class, Decoder, bytes::find_ignore_case};

pub(super) static DECODING: Decoding = Decoding { decoder: Decoder::CodeBlock, wants, run };

/// Blocks of one value that are read.
const BLOCKS: usize = 4;
/// Longer code, or more lines, is a listing.
const LONGEST: usize = 1024;
const LINES: usize = 2;

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
        let rest = bytes.get(at + found + 3..).unwrap_or_default();
        // What stands behind the marks is the name of a language.
        let Some(line) = memchr::memchr(b'\n', rest.get(..rest.len().min(24)).unwrap_or_default()) else { break };
        let code = rest.get(line + 1..).unwrap_or_default();
        let end = memchr::memmem::find(code, b"```").unwrap_or(code.len());
        push(code.get(..end).unwrap_or_default(), pieces);
        at += found + 3 + line + 1 + end + 3;
    }
    for (open, close) in [(&b"<pre"[..], &b"</pre"[..]), (b"<code", b"</code")] {
        let Some(found) = find_ignore_case(bytes, open) else { continue };
        let rest = bytes.get(found..).unwrap_or_default();
        let Some(inside) = memchr::memchr(b'>', rest) else { continue };
        let code = rest.get(inside + 1..).unwrap_or_default();
        let end = find_ignore_case(code, close).unwrap_or(code.len());
        push(code.get(..end).unwrap_or_default(), pieces);
    }
}

fn push(code: &[u8], pieces: &mut Pieces) {
    let code = code.strip_suffix(b"\n").unwrap_or(code);
    let lines = memchr::memchr_iter(b'\n', code.trim_ascii()).take(LINES).count();
    if code.len() <= LONGEST && lines < LINES && leaves(code) {
        pieces.piece(|out| {
            out.extend_from_slice(code);
            true
        });
    }
}

/// Whether code begins by closing what it did not open, at once or behind one plain word.
fn leaves(code: &[u8]) -> bool {
    let text = code.trim_ascii_start();
    let word = text.iter().take(32).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')).count();
    let rest = text.get(word..).unwrap_or_default();
    let odd = |quote: u8| memchr::memchr_iter(quote, text).count() % 2 == 1;
    let climbs = text.starts_with(b"../") || text.starts_with(b"..\\") || text.starts_with(b"/..");
    climbs
        || match rest {
            [quote @ (b'\'' | b'"'), ..] => word > 0 || odd(*quote) || rest.get(1).is_some_and(|b| matches!(b, b' ' | b'>' | b')' | b'|' | b';')),
            [b')' | b']' | b'}', ..] | [b'-', b'-', b'>', ..] | [b'*' | b'<', b'/', ..] => true,
            // `&lt;` is a reference.
            [b'&', next, ..] => matches!(next, b'&' | b' '),
            [b';' | b'|', next, ..] => word == 0 || next.is_ascii_whitespace() || rest[0] == *next || next.is_ascii_alphabetic(),
            _ => false,
        }
}

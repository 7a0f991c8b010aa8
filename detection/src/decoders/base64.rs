//! Base64 and base64url, padded or not, whole or inside a text, where it decodes to text (RFC 4648).

use picket_request::Place;

use super::{Decoding, Pieces, View, is_text, runs};
use crate::Decoder;

pub(super) static DECODING: Decoding =
    Decoding { decoder: Decoder::Base64, wants, run };

/// The shortest run that is looked at inside a text: nine bytes of text.
const SHORTEST: usize = 12;
/// The shortest run that is looked at where it is the whole value: eight bytes, as in a mail command between line breaks.
const SHORTEST_WHOLE: usize = 11;
/// Shorter runs must decode to ASCII: by chance a short word decodes to UTF-8 now and then.
const SHORT: usize = 24;

/// A run from this length on may be a short one with padding glued to its front.
const PADDED: usize = 512;
/// Text of which length such a run must end in. By chance one in several thousand does.
const SHORTEST_TAIL: usize = 9;
const LONGEST_TAIL: usize = 4096;

/// The six bits that a digit stands for, in either alphabet.
pub(super) const fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

static DIGITS: [bool; 256] = digits(true);
/// In a path the slash separates segments.
static PATH_DIGITS: [bool; 256] = digits(false);

const fn digits(slash: bool) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = sextet(byte as u8).is_some() && (slash || byte as u8 != b'/');
        byte += 1;
    }
    table
}

/// The slash of a path and the padding may stand beside the run.
fn wants(view: &View<'_>) -> bool {
    let run = view.seen.run as usize;
    run >= SHORTEST || run == SHORTEST_WHOLE && view.bytes.len() <= run + 1
}

fn run(view: &View<'_>, pieces: &mut Pieces) {
    let path = matches!(view.place, Place::Path | Place::PathParameter);
    let whole = view.bytes.len() <= SHORTEST_WHOLE + 1;
    let shortest = if whole { SHORTEST_WHOLE } else { SHORTEST };
    for range in runs(view.bytes, shortest, if path { &PATH_DIGITS } else { &DIGITS }) {
        let run = view.bytes.get(range).unwrap_or_default();
        let mut text = false;
        pieces.piece(|out| {
            text = decode(run, out);
            text
        });
        if !text && run.len() >= PADDED {
            (0..4).for_each(|skip| pieces.piece(|out| tail(run.get(skip..).unwrap_or_default(), out)));
        }
    }
}

/// Appends the text that a run ends in which does not decode to text as a whole, as one does with other digits glued to its
/// front. Only the text and the group before it are decoded.
fn tail(run: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let partial = run.len() % 4;
    if partial == 1 {
        return false;
    }
    let (whole, last) = run.split_at(run.len() - partial);
    let printable = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    for group in std::iter::once(last).chain(whole.rchunks(4)).filter(|group| !group.is_empty()) {
        let bits = group.iter().fold(0_u32, |bits, &b| bits << 6 | u32::from(sextet(b).unwrap_or(0)));
        let bits = bits << (6 * (4 - group.len()));
        let bytes = bits.to_be_bytes();
        let text = bytes.iter().skip(1).take(group.len() - 1).rev();
        let before = out.len();
        out.extend(text.take_while(|byte| printable(**byte)));
        if out.len() - before < group.len() - 1 || out.len() - start > LONGEST_TAIL {
            break;
        }
    }
    out.get_mut(start..).unwrap_or_default().reverse();
    (SHORTEST_TAIL..=LONGEST_TAIL).contains(&(out.len() - start))
}

/// Appends what a run decodes to; answers whether it is text.
fn decode(run: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    // A last digit alone carries no whole byte.
    if run.len() % 4 == 1 {
        return false;
    }
    let (mut wide, mut zeros) = (None, 0);
    // One NUL in a text of ASCII is there to cut or to hide; two are binary data.
    let mut lone = None;
    for group in run.chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, &b| bits << 6 | u32::from(sextet(b).unwrap_or(0)));
        let bits = bits << (6 * (4 - group.len()));
        for byte in bits.to_be_bytes().into_iter().skip(1).take(group.len() - 1) {
            // UTF-16 text, as PowerShell wants it, has a NUL in every other byte.
            if byte == 0 {
                let odd = (out.len() - start) % 2;
                if wide.is_none() && out.len() - start > 3 {
                    if lone.replace(out.len()).is_some() {
                        return false;
                    }
                } else if *wide.get_or_insert(odd) != odd || out.len() - start > 3 + zeros * 4 {
                    return false;
                } else {
                    zeros += 1;
                }
            } else if byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') || byte == 0x7f {
                return false;
            }
            out.push(byte);
        }
    }
    let text = out.get(start..).unwrap_or_default();
    if wide.is_some() {
        return zeros * 3 >= text.len();
    }
    if lone.is_some() {
        return run.len() >= SHORT && text.iter().all(|b| matches!(b, 0 | b'\t' | b'\n' | b'\r' | b' '..=b'~'));
    }
    is_text(text) && (run.len() >= SHORT || text.is_ascii())
}

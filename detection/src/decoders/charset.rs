//! Whole texts in another encoding: UTF-16 in either order, and UTF-7 (RFC 2152).

use super::{Decoding, Pieces, View, base64::sextet, is_text, push_char};
use crate::{Class, Decoder};

pub(super) static DECODING: Decoding = Decoding {
    decoder: Decoder::Charset,
    wants: |view| view.seen.classes.any(&[Class::Plus, Class::Control]),
    run,
};

fn run(view: &View<'_>, pieces: &mut Pieces) {
    if view.seen.classes.has(Class::Control) {
        utf16(view.bytes, pieces);
    }
    if view.seen.classes.has(Class::Plus) && memchr::memmem::find(view.bytes, b"+A").is_some() {
        pieces.piece(|out| utf7(view.bytes, out));
    }
}

/// A text of which every other byte is NUL, as ASCII in UTF-16 is.
fn utf16(bytes: &[u8], pieces: &mut Pieces) {
    let bytes = bytes.strip_prefix(b"\xff\xfe").or_else(|| bytes.strip_prefix(b"\xfe\xff")).unwrap_or(bytes);
    let pairs = bytes.len() / 2;
    if pairs < 4 {
        return;
    }
    for high in [1, 0] {
        let zeros = bytes.chunks_exact(2).filter(|pair| pair[high] == 0 && pair[1 - high] != 0).count();
        if zeros * 10 >= pairs * 9 {
            pieces.piece(|out| {
                for pair in bytes.chunks_exact(2) {
                    push_char(out, u32::from(pair[high]) << 8 | u32::from(pair[1 - high]));
                }
                true
            });
            return;
        }
    }
}

/// `+ADw-` is `<`. Only runs that decode to ASCII count, because a plus stands in front of many harmless words.
///
/// A plus is a digit of such a run, too, so that each one may begin another reading of the same bytes. Two that lie a multiple of eight
/// digits apart read the same units, so what one could not read the other cannot either: every byte is read at most eight times.
fn utf7(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut at = 0;
    let mut unreadable = [0; 8];
    while let Some(plus) = bytes.get(at..).and_then(|rest| memchr::memchr(b'+', rest)) {
        let first = at + plus + 1;
        out.extend_from_slice(bytes.get(at..first - 1).unwrap_or_default());
        let start = out.len();
        let known = &mut unreadable[first % 8];
        at = match bytes.get(first) {
            Some(b'A') if first >= *known => match units(bytes, first, out) {
                Ok(end) if end - first >= 3 && is_text(out.get(start..).unwrap_or_default()) => {
                    changed = true;
                    end + usize::from(bytes.get(end) == Some(&b'-'))
                }
                Ok(end) | Err(end) => {
                    *known = end;
                    first
                }
            },
            _ => first,
        };
        if at == first {
            out.truncate(start);
            out.push(b'+');
        }
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    changed
}

/// Reads sixteen-bit units until the digits end, and gives where that is; an error is where the first unit ends that is no ASCII, or where
/// the digits end in the middle of one.
fn units(bytes: &[u8], first: usize, out: &mut Vec<u8>) -> Result<usize, usize> {
    let (mut bits, mut count) = (0_u32, 0_u32);
    let mut at = first;
    while let Some(&byte) = bytes.get(at)
        && let Some(digit) = sextet(byte).filter(|_| byte != b'-' && byte != b'_')
    {
        at += 1;
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 16 {
            count -= 16;
            let unit = bits >> count & 0xffff;
            if unit >= 0x80 {
                return Err(at);
            }
            push_char(out, unit);
        }
        bits &= 0xffff;
    }
    if bits & ((1 << count) - 1) == 0 { Ok(at) } else { Err(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        utf7(text, &mut out).then_some(out)
    }

    #[test]
    fn a_run_is_found_wherever_a_plus_begins_it() {
        assert_eq!(read(b"+ADw-script+AD4-").unwrap(), b"<script>");
        assert_eq!(read(b"hello+world+ADw-b").unwrap(), b"hello+world<b");
        assert_eq!(read(b"+AAAAAAAA+ADwAPg-").unwrap_or_default().last(), Some(&b'>'));
        assert_eq!(read(b"a+Add+Apple+A"), None);
    }

    #[test]
    fn what_one_plus_could_not_read_is_not_read_again_from_another() {
        // Every eighth digit is a plus that reads the same units, and the digits end in the middle of one.
        let mut text = b"+AD4APgA".repeat(4);
        text.extend_from_slice(b"+AD4AP/\xff");
        assert_eq!(read(&text), None);
        // A run behind it is found all the same.
        text.extend_from_slice(b" +ADw-");
        assert!(read(&text).unwrap().ends_with(b" <"));
    }
}

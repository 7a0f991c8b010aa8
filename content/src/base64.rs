//! Base64 as lenient runtimes undo it (RFC 4648, with both alphabets, line breaks, padding missing or in the middle).
//!
//! It may not know what the text is used for. It exists beside the library because what strict decoders refuse is what an
//! attacker sends: Python and Node.js skip foreign characters and decode the rest.

use crate::charset;

/// What was odd about a base64 text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Odd {
    /// Characters that belong to no alphabet; they were skipped.
    pub(crate) foreign: usize,
    /// A last group that stands for no byte, or padding before the end.
    pub(crate) broken: bool,
}

impl Odd {
    /// Whether a strict decoder that allows missing padding would take the text.
    pub(crate) const fn is_clean(self) -> bool {
        self.foreign == 0 && !self.broken
    }
}

const FOREIGN: u8 = 0xff;
const BLANK: u8 = 0xfe;
const PADDING: u8 = 0xfd;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [FOREIGN; 256];
    let mut at = 0;
    while at < 64 {
        table[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table[b'=' as usize] = PADDING;
    table[b' ' as usize] = BLANK;
    table[b'\t' as usize] = BLANK;
    table[b'\r' as usize] = BLANK;
    table[b'\n' as usize] = BLANK;
    table
}

/// Whether a text has nothing but base64 characters, blanks and padding, and enough of them to mean something.
pub(crate) fn is_plausible(text: &[u8]) -> bool {
    const SHORT: usize = 16;
    text.len() >= SHORT && text.iter().all(|&b| CLASSES[b as usize] != FOREIGN)
}

/// How padding before the end and characters of the other alphabet are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Both alphabets count, and padding ends a text after which another may begin.
    Usual,
    /// Both alphabets count, and padding is skipped (Node.js).
    PaddingSkipped,
    /// What is not of the standard alphabet is skipped, padding included (Python, Java's MIME decoder).
    StandardOnly,
    /// Each UTF-16 unit of the text counts by its low byte, both alphabets and padding skipped (Node.js, once a text has a character
    /// beyond Latin-1): U+0442 is read as `B`.
    LowBytes,
}

/// The readings of a text that give something else than the usual one.
pub(crate) fn other_readings(text: &[u8]) -> impl Iterator<Item = Reading> + use<> {
    let end = text.iter().rposition(|b| !matches!(CLASSES[*b as usize], PADDING | BLANK)).unwrap_or(0);
    let padded = text.get(..end).is_some_and(|text| memchr::memchr(b'=', text).is_some());
    let mixed = memchr::memchr2(b'-', b'_', text).is_some();
    let wide = charset::is_wide(text);
    let padded = padded.then_some(Reading::PaddingSkipped);
    padded.into_iter().chain(mixed.then_some(Reading::StandardOnly)).chain(wide.then_some(Reading::LowBytes))
}

/// Appends what the text stands for to `out`.
pub(crate) fn decode(text: &[u8], out: &mut Vec<u8>) -> Odd {
    decode_as(text, Reading::Usual, out)
}

/// Appends what one reading of the text stands for to `out`.
pub(crate) fn decode_as(text: &[u8], reading: Reading, out: &mut Vec<u8>) -> Odd {
    let mut odd = Odd::default();
    let mut group = 0_u32;
    let mut count = 0_u32;
    let mut padded = false;
    out.reserve(text.len() / 4 * 3 + 3);
    let low_bytes: Vec<u8>;
    let text = if reading == Reading::LowBytes {
        low_bytes = charset::low_bytes(text);
        low_bytes.as_slice()
    } else {
        text
    };
    for &byte in text {
        match CLASSES[byte as usize] {
            BLANK => {}
            FOREIGN => odd.foreign += 1,
            PADDING if reading != Reading::Usual => {}
            _ if reading == Reading::StandardOnly && matches!(byte, b'-' | b'_') => odd.foreign += 1,
            PADDING => {
                odd.broken |= flush(&mut group, &mut count, out);
                padded = true;
            }
            six => {
                // Some decoders stop at padding and some go on; what they go on to is inspected as well.
                odd.broken |= padded;
                group = group << 6 | u32::from(six);
                count += 1;
                if count == 4 {
                    let [_, bytes @ ..] = group.to_be_bytes();
                    out.extend_from_slice(&bytes);
                    group = 0;
                    count = 0;
                }
            }
        }
    }
    odd.broken |= flush(&mut group, &mut count, out);
    odd
}

/// Writes an unfinished group, and says whether it stands for no whole byte.
fn flush(group: &mut u32, count: &mut u32, out: &mut Vec<u8>) -> bool {
    let lone = *count == 1;
    let [_, first, second, _] = (*group << (6 * (4 - *count % 4) % 24)).to_be_bytes();
    if *count >= 2 {
        out.push(first);
    }
    if *count == 3 {
        out.push(second);
    }
    (*group, *count) = (0, 0);
    lone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> (String, Odd) {
        let mut out = Vec::new();
        let odd = decode(text.as_bytes(), &mut out);
        (String::from_utf8_lossy(&out).into_owned(), odd)
    }

    #[test]
    fn lenient_forms_decode() {
        let clean = Odd::default();
        for (text, plain) in
            [("YQ==", "a"), ("YQ", "a"), ("YWI=", "ab"), ("YWI", "ab"), ("YWJj", "abc"), ("YW\r\nJj", "abc")]
        {
            assert_eq!(decoded(text), (plain.into(), clean), "{text}");
        }
        assert_eq!(decoded("Pz8_Pj4-"), ("???>>>".into(), clean));
        assert_eq!(decoded("YQ==Yg=="), ("ab".into(), Odd { broken: true, foreign: 0 }));
        assert_eq!(decoded("Y!W#Jj"), ("abc".into(), Odd { broken: false, foreign: 2 }));
        assert_eq!(decoded("YWJjZ"), ("abc".into(), Odd { broken: true, foreign: 0 }));
        assert_eq!(decoded(""), (String::new(), clean));
    }

    #[test]
    fn runtimes_disagree_on_padding_and_on_the_other_alphabet() {
        let readings = |text: &str| {
            let read = |reading| {
                let mut out = Vec::new();
                decode_as(text.as_bytes(), reading, &mut out);
                String::from_utf8_lossy(&out).into_owned()
            };
            other_readings(text.as_bytes()).map(|reading| (reading, read(reading))).collect::<Vec<_>>()
        };
        assert_eq!(readings("YWJj"), []);
        assert_eq!(readings("YWI=\n"), []);
        assert_eq!(readings("YW=Jj"), [(Reading::PaddingSkipped, "abc".to_owned())]);
        assert_eq!(readings("YW_Jj"), [(Reading::StandardOnly, "abc".to_owned())]);
        // U+0159 ends in the byte of `Y`, U+0142 in that of `B`; é is Latin-1, and nobody's letter.
        assert_eq!(readings("\u{159}\u{157}\u{14a}\u{16a}"), [(Reading::LowBytes, "abc".to_owned())]);
        assert_eq!(readings("YWJj\u{e9}"), []);
        assert_eq!(readings("Y-W=J_j").last(), Some(&(Reading::StandardOnly, "abc".to_owned())));
    }
}

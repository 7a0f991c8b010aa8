//! The decoders: one file each, with a fixture file of the same stem in `fixtures/decoders/`, and one line in the list.
//!
//! A decoder undoes one encoding, as a target or something in front of it might, and appends what it gets to [`Pieces`].
//! It takes linear time, answers nothing where nothing changes, and may not know detectors, fuel or other decoders.

use std::ops::Range;

use picket_request::Place;

use crate::{Chain, Class, Decoder, anchors::Seen};

pub(crate) use code_block::leaves;

/// What a decoder gets to see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) seen: Seen,
    pub(crate) place: Place,
    pub(crate) chain: Chain,
    /// Whether it is binary data rather than text. Of that only the texts in it are decoded further.
    pub(crate) binary: bool,
}

impl<'a> View<'a> {
    pub(crate) fn new(bytes: &'a [u8], seen: Seen, place: Place, chain: Chain) -> Self {
        Self { bytes, seen, place, chain, binary: is_binary(bytes, seen) }
    }

    /// Whether a decoder is worth trying.
    pub(crate) fn asks_for(&self, decoding: &Decoding) -> bool {
        let suits = match decoding.decoder {
            Decoder::Charset | Decoder::Invisible => true,
            // A file is stored as it is: nothing undoes percent signs or references in it.
            Decoder::Base64 => !self.binary,
            _ => !self.binary && self.place != Place::FileContent,
        };
        suits && (decoding.wants)(self)
    }
}

/// Whether an eighth of a text is control characters, or high bytes that are not UTF-8. Samples tell: its start, its
/// middle and its end, because the head of many a picture is text.
fn is_binary(bytes: &[u8], seen: Seen) -> bool {
    const SHORTEST: usize = 256;
    const SAMPLE: usize = 512;
    if bytes.len() < SHORTEST || !seen.classes.any(&[Class::Control, Class::High]) {
        return false;
    }
    let (mut odd, mut looked_at) = (0, 0);
    for start in [0, bytes.len() / 2, bytes.len().saturating_sub(SAMPLE)] {
        let sample = bytes.get(start..).unwrap_or_default();
        let sample = sample.get(..SAMPLE).unwrap_or(sample);
        looked_at += sample.len();
        for chunk in sample.utf8_chunks() {
            let control = |b: &&u8| **b < 0x20 && !matches!(**b, b'\t' | b'\n' | b'\r') || **b == 0x7f;
            odd += chunk.valid().as_bytes().iter().filter(control).count() + chunk.invalid().len();
        }
        if odd * 8 > looked_at {
            // A text that is overlong from end to end is a text; in data, two such bytes meet by chance.
            let overlong = |pair: &&[u8]| matches!(pair, [0xc0 | 0xc1, 0x80..=0xbf]);
            odd = odd.saturating_sub(2 * sample.windows(2).filter(overlong).count());
        }
    }
    odd * 8 > looked_at
}

/// One decoder.
pub(crate) struct Decoding {
    /// What it undoes.
    pub(crate) decoder: Decoder,
    /// Whether the classes of a view ask for it. It must be cheap: it is asked for every value.
    pub(crate) wants: fn(&View<'_>) -> bool,
    /// Undoes it.
    pub(crate) run: fn(&View<'_>, &mut Pieces),
}

/// Decoded texts: most decoders give one, those that cut texts out of a view several.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    buffer: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl Pieces {
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
        self.ranges.clear();
    }

    /// Adds what `write` appends as one piece, unless it answers `false` or appends nothing.
    pub(crate) fn piece(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let start = self.buffer.len();
        if write(&mut self.buffer) && self.buffer.len() > start {
            self.ranges.push(start..self.buffer.len());
        } else {
            self.buffer.truncate(start);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.ranges.iter().map(|range| self.buffer.get(range.clone()).unwrap_or_default())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Gives memory back after a large request.
    pub(crate) fn shrink(&mut self, keep: usize) {
        self.clear();
        if self.buffer.capacity() > keep {
            self.buffer = Vec::new();
            self.ranges = Vec::new();
        }
    }
}

/// The value of a hexadecimal digit.
pub(crate) const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The number that `count` hexadecimal digits at the start of `bytes` stand for.
pub(crate) fn hex_number(bytes: &[u8], count: usize) -> Option<u32> {
    bytes.get(..count)?.iter().try_fold(0_u32, |sum, &byte| Some(sum << 4 | u32::from(hex_digit(byte)?)))
}

/// Appends a character as UTF-8; what is not a character (a lone surrogate) becomes U+FFFD.
pub(crate) fn push_char(out: &mut Vec<u8>, code: u32) {
    let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Whether bytes are text: UTF-8 without control characters other than white space.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') || *byte == 0x7f;
    !bytes.iter().any(control) && std::str::from_utf8(bytes).is_ok()
}

/// Runs of at least `shortest` bytes of an alphabet. Only every `shortest`th byte is looked at where there is none.
pub(crate) fn runs<'b>(
    bytes: &'b [u8],
    shortest: usize,
    alphabet: &'static [bool; 256],
) -> impl Iterator<Item = Range<usize>> + 'b {
    let member = move |at: usize| bytes.get(at).is_some_and(|&byte| alphabet[byte as usize]);
    // No run that was not seen yet begins before `start`.
    let mut start = 0;
    std::iter::from_fn(move || {
        while start + shortest <= bytes.len() {
            let probe = start + shortest - 1;
            let first = (start..=probe).rev().take_while(|&at| member(at)).last();
            if first == Some(start) {
                let end = (probe..bytes.len()).find(|&at| !member(at)).unwrap_or(bytes.len());
                let run = start..end;
                start = end + 1;
                return Some(run);
            }
            start = first.unwrap_or(probe + 1);
        }
        None
    })
}

macro_rules! decoders {
    ($($name:ident,)*) => {
        $(mod $name;)*
        /// Every decoder, in the order in which they are tried.
        pub(crate) static ALL: &[&Decoding] = &[$(&$name::DECODING,)*];
        /// The stems of their files.
        #[cfg(test)]
        pub(crate) static STEMS: &[&str] = &[$(stringify!($name),)*];
    };
}

decoders! {
    percent,
    percent_u,
    html_entity,
    backslash,
    overlong_utf8,
    width,
    invisible,
    charset,
    plus,
    base64,
    hex,
    url,
    nested,
    padding,
    code_block,
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde::Deserialize;

    use super::*;
    use crate::anchors::scan;

    #[derive(Deserialize)]
    struct File {
        case: Vec<Case>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        why: String,
        /// `\xNN` is a byte, everything else stands for itself.
        from: String,
        /// The pieces; none where nothing may be decoded.
        #[serde(default)]
        to: Vec<String>,
        #[serde(default)]
        place: String,
        /// The id of a decoder that was undone before.
        chain: Option<String>,
    }

    fn bytes(text: &str) -> Vec<u8> {
        let (mut out, mut rest) = (Vec::new(), text.as_bytes());
        while let Some((&byte, tail)) = rest.split_first() {
            match rest.strip_prefix(b"\\x").and_then(|digits| hex_number(digits, 2)) {
                Some(code) => {
                    out.push(u8::try_from(code).unwrap());
                    rest = &rest[4..];
                }
                None => {
                    out.push(byte);
                    rest = tail;
                }
            }
        }
        out
    }

    #[test]
    fn every_decoder_does_what_its_fixtures_say() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/decoders");
        let (mut loaded, mut ran) = (0, 0);
        let mut pieces = Pieces::default();
        for (decoding, stem) in ALL.iter().zip(STEMS) {
            let path = folder.join(format!("{stem}.toml"));
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let file: File = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            loaded += file.case.len();
            assert!(
                file.case.iter().any(|case| case.to.is_empty()),
                "{stem}: nothing that must stay as it is"
            );
            assert!(file.case.iter().any(|case| !case.to.is_empty()), "{stem}: nothing is decoded");
            for case in &file.case {
                let from = bytes(&case.from);
                let place = match case.place.as_str() {
                    "" | "header" => Place::Header,
                    "query" => Place::Query,
                    "path" => Place::Path,
                    other => panic!("{stem}: unknown place {other}"),
                };
                let before =
                    case.chain.as_ref().map(|id| Decoder::ALL.iter().find(|d| d.id() == id).unwrap());
                let chain = before.map_or_else(Chain::default, |d| Chain::default().then(*d).unwrap());
                let view = View::new(&from, scan(&from), place, chain);
                pieces.clear();
                if view.asks_for(decoding) {
                    (decoding.run)(&view, &mut pieces);
                }
                let got: Vec<String> = pieces.iter().map(|p| p.escape_ascii().to_string()).collect();
                let expected: Vec<String> =
                    case.to.iter().map(|to| bytes(to).escape_ascii().to_string()).collect();
                assert_eq!(got, expected, "{stem}: {}", case.why);
                ran += 1;
            }
        }
        assert!(ran > 0 && ran == loaded);
        let files = fs::read_dir(&folder).unwrap().count();
        assert_eq!(files, ALL.len(), "a fixture file without a decoder");
    }

    #[test]
    fn runs_are_found_whole() {
        static LETTERS: [bool; 256] = {
            let mut table = [false; 256];
            table[b'a' as usize] = true;
            table
        };
        for length in 0..40_usize {
            for bits in 0..64_u64 {
                let text: Vec<u8> =
                    (0..length)
                        .map(|at| {
                            if (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> at) & 3 == 0 {
                                b'-'
                            } else {
                                b'a'
                            }
                        })
                        .collect();
                let got: Vec<_> = runs(&text, 3, &LETTERS).collect();
                let mut expected = Vec::new();
                let mut at = 0;
                for run in text.split(|&b| b == b'-') {
                    if run.len() >= 3 {
                        expected.push(at..at + run.len());
                    }
                    at += run.len() + 1;
                }
                assert_eq!(got, expected, "{:?}", String::from_utf8_lossy(&text));
            }
        }
    }

    /// Every prefix and every hostile byte at every place: nothing may panic, and no piece may grow beyond its source.
    #[test]
    fn decoders_survive_broken_input() {
        let seeds: [&[u8]; 8] = [
            b"%41%u0041%2525%%%",
            b"&#x3c;&#60;&lt;&am&#;&#x;&",
            b"\\u0041\\x41\\101\\u{41}\\",
            b"PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
            b"0x3c7363726970743e616c657274",
            b"http://a/?b=%27+c&d=%3C&=;",
            b"{\"a\":[\"\\u003cb\",\"\\\"\",\"<c>\"",
            b"+ADw-script+AD4- \xc0\xaf\xe0\x80\xaf\xef\xbc\x9c\xff\xfe<\0",
        ];
        let mut pieces = Pieces::default();
        for seed in seeds {
            for cut in 0..=seed.len() {
                for extra in [&b""[..], b"%", b"\\", b"&", b"\xef", b"\0", b"\"", b"=", b"+"] {
                    let text = [&seed[..cut], extra].concat();
                    let view = View::new(&text, scan(&text), Place::Json, Chain::default());
                    for decoding in ALL {
                        pieces.clear();
                        (decoding.run)(&view, &mut pieces);
                        let total: usize = pieces.iter().map(<[u8]>::len).sum();
                        assert!(total <= text.len() * 3, "{:?} grows {text:?}", decoding.decoder);
                    }
                }
            }
        }
    }
}

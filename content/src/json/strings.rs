//! The inside of JSON strings: finding their end quickly, and undoing their escapes in every way that runtimes do.

use memchr::memchr;

/// How half of a surrogate pair (`\ud800` alone) is read. Runtimes disagree, so each reading may be worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surrogates {
    /// U+FFFD, as Go and most decoders to UTF-8 do.
    Replace,
    /// The three bytes of WTF-8, as Python's `surrogatepass` and anything that keeps UTF-16 does.
    Wtf8,
    /// Nothing, as Python's `encode("utf-8", "ignore")` does.
    Drop,
}

/// Where a string ends, and what it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct StringEnd {
    /// Offset of the closing quote, or the length of the input.
    pub(super) at: usize,
    pub(super) closed: bool,
    pub(super) escaped: bool,
    /// May hold bytes beyond ASCII.
    pub(super) wide: bool,
    /// Holds a raw control character or an escape that RFC 8259 does not know.
    pub(super) broken: bool,
    /// Holds a `\u` escape of the surrogate range.
    pub(super) surrogate: bool,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks at least the first byte of `word` (in memory order) that equals `byte`; later marks may be spurious.
const fn equals(word: u64, byte: u8) -> u64 {
    let x = word ^ (ONES * byte as u64);
    x.wrapping_sub(ONES) & !x & HIGHS
}

/// Finds the first quote, backslash or control character at or after `at`; also whether a byte ≥ 0x80 was passed
/// (which may be said although it stands a few bytes behind the hit).
fn first_special(bytes: &[u8], mut at: usize, wide: &mut bool) -> usize {
    let mut words = 0;
    while let Some(chunk) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let hit = equals(word, b'"') | equals(word, b'\\') | control;
        *wide |= word & HIGHS != 0;
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
        words += 1;
        if words > 3 {
            // A long string: the compiler turns this into vector instructions.
            while let Some(chunk) = bytes.get(at..at + 64) {
                let (mut hit, mut high) = (false, 0);
                for &byte in chunk {
                    hit |= (byte == b'"') | (byte == b'\\') | (byte < 0x20);
                    high |= byte;
                }
                *wide |= high >= 0x80;
                if hit {
                    break;
                }
                at += 64;
            }
        }
    }
    while let Some(&byte) = bytes.get(at) {
        *wide |= byte >= 0x80;
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

/// The end of the string whose content begins at `at`, quoted with `quote`.
pub(super) fn string_end(bytes: &[u8], mut at: usize, quote: u8) -> StringEnd {
    let mut end =
        StringEnd { at, closed: false, escaped: false, wide: false, broken: quote != b'"', surrogate: false };
    loop {
        at = if quote == b'"' {
            first_special(bytes, at, &mut end.wide)
        } else {
            end.wide = true;
            at + memchr::memchr2(quote, b'\\', bytes.get(at..).unwrap_or_default())
                .unwrap_or(bytes.len() - at)
        };
        match bytes.get(at) {
            None => {
                end.broken = true;
                break;
            }
            Some(&byte) if byte == quote => {
                end.closed = true;
                break;
            }
            Some(b'\\') => {
                end.escaped = true;
                match bytes.get(at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                    Some(b'u') => {
                        match bytes.get(at + 2..at + 6).and_then(hex4) {
                            Some(unit) => end.surrogate |= (0xd800..0xe000).contains(&unit),
                            None => end.broken = true,
                        }
                        // Only the two bytes that are certainly of the escape are stepped over: what follows a broken
                        // one may be the closing quote.
                        at += 2;
                    }
                    // A parser that allows unknown escapes takes the next byte as content, a quote included.
                    Some(_) => {
                        end.broken = true;
                        at += 2;
                    }
                    None => {
                        end.broken = true;
                        at += 1;
                    }
                }
            }
            Some(_) => {
                end.broken = true;
                at += 1;
            }
        }
    }
    end.at = at.min(bytes.len());
    end
}

fn hex4(digits: &[u8]) -> Option<u32> {
    if digits.len() != 4 {
        return None;
    }
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

/// One step of undoing escapes: the bytes that stand for the escape at the start of `rest`, and its length there.
enum Step {
    /// A character.
    Char(char),
    /// Half of a surrogate pair.
    Half(u32),
    /// A byte that stands for itself.
    Byte(u8),
    /// Nothing: an escaped line break, as ECMAScript reads it.
    Nothing,
}

/// Reads the escape at the start of `rest`, which begins with a backslash.
fn step(rest: &[u8]) -> (Step, usize) {
    let Some(&letter) = rest.get(1) else { return (Step::Byte(b'\\'), 1) };
    let byte = match letter {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        // What follows is not JSON, but JSON5 and other lenient readers know it.
        b'v' => 0x0b,
        b'0' => 0,
        b'\n' => return (Step::Nothing, 2),
        b'x' => {
            let digits = rest.get(2..4).and_then(|two| hex4(&[b'0', b'0', two[0], two[1]]));
            return match digits.and_then(char::from_u32) {
                Some(character) => (Step::Char(character), 4),
                None => (Step::Byte(b'x'), 2),
            };
        }
        b'u' => {
            let Some(unit) = rest.get(2..6).and_then(hex4) else { return (Step::Byte(b'u'), 2) };
            if let Some(character) = char::from_u32(unit) {
                return (Step::Char(character), 6);
            }
            let low =
                rest.get(6..12).filter(|next| next.starts_with(b"\\u")).and_then(|next| hex4(&next[2..]));
            if let Some(low) = low
                && unit < 0xdc00
                && (0xdc00..0xe000).contains(&low)
                && let Some(character) = char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
            {
                return (Step::Char(character), 12);
            }
            return (Step::Half(unit), 6);
        }
        other => other,
    };
    (Step::Byte(byte), 2)
}

/// Appends the content of a JSON string with its escapes undone; half surrogate pairs become U+FFFD. Escapes that
/// JSON does not know are read as JSON5 does, and never lose a byte that could matter.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    unescape_as(raw, Surrogates::Replace, out);
}

/// As [`unescape`], with a choice of reading for half surrogate pairs.
pub fn unescape_as(mut raw: &[u8], surrogates: Surrogates, out: &mut Vec<u8>) {
    out.reserve(raw.len());
    while let Some(at) = memchr(b'\\', raw) {
        let (plain, rest) = raw.split_at(at);
        out.extend_from_slice(plain);
        raw = match rest {
            // JSON in a JSON string is full of these.
            [b'\\', byte @ (b'"' | b'\\' | b'/'), rest @ ..] => {
                out.push(*byte);
                rest
            }
            _ => {
                let (step, length) = step(rest);
                emit(&step, surrogates, |bytes| out.extend_from_slice(bytes));
                rest.get(length..).unwrap_or_default()
            }
        };
    }
    out.extend_from_slice(raw);
}

fn emit(step: &Step, surrogates: Surrogates, mut write: impl FnMut(&[u8])) {
    match *step {
        Step::Char(character) => write(character.encode_utf8(&mut [0; 4]).as_bytes()),
        Step::Byte(byte) => write(&[byte]),
        Step::Nothing => {}
        Step::Half(unit) => match surrogates {
            Surrogates::Replace => write("\u{fffd}".as_bytes()),
            // Three bytes as UTF-8 would have them, had the unit been a character; `unit` is below 0xe000.
            Surrogates::Wtf8 => {
                let byte = |shift: u32, mask: u32, mark: u8| {
                    mark | u8::try_from((unit >> shift) & mask).unwrap_or(0)
                };
                write(&[byte(12, 0x0f, 0xe0), byte(6, 0x3f, 0x80), byte(0, 0x3f, 0x80)]);
            }
            Surrogates::Drop => {}
        },
    }
}

/// Whether `raw` is `content` once its escapes are undone, without writing it down.
pub(super) fn unescapes_to(mut raw: &[u8], mut content: &[u8]) -> bool {
    while let Some(at) = memchr(b'\\', raw) {
        let Some(rest) = content.strip_prefix(&raw[..at]) else { return false };
        content = rest;
        let (step, length) = step(&raw[at..]);
        let mut same = true;
        emit(&step, Surrogates::Replace, |bytes| match content.strip_prefix(bytes) {
            Some(rest) => content = rest,
            None => same = false,
        });
        if !same {
            return false;
        }
        raw = raw.get(at + length..).unwrap_or_default();
    }
    raw == content
}

/// A hash of the unescaped content, equal for equal keys. Not keyed: whoever crafts a collision earns a
/// DUPLICATE-KEYS anomaly and nothing else.
pub(super) fn content_hash(mut raw: &[u8], escaped: bool) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |bytes: &[u8]| {
        for &byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    while escaped && let Some(at) = memchr(b'\\', raw) {
        mix(&raw[..at]);
        let (step, length) = step(&raw[at..]);
        emit(&step, Surrogates::Replace, &mut mix);
        raw = raw.get(at + length..).unwrap_or_default();
    }
    mix(raw);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str, surrogates: Surrogates) -> Vec<u8> {
        let mut out = Vec::new();
        unescape_as(raw.as_bytes(), surrogates, &mut out);
        out
    }

    #[test]
    fn escapes_are_undone() {
        for (raw, expected) in [
            (r"plain", "plain"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"\u0027 OR \u0031", "' OR 1"),
            (r"\ud83d\ude00!", "😀!"),
            (r"\u0000x", "\0x"),
            (r"\x3cscript\x3E", "<script>"),
            (r"\'\q\x4", "'qx4"),
            (r"\u12", "u12"),
            ("a\\\nb", "ab"),
            ("end\\", "end\\"),
        ] {
            assert_eq!(String::from_utf8(read(raw, Surrogates::Replace)).unwrap(), expected, "{raw}");
        }
    }

    #[test]
    fn half_a_pair_has_three_readings() {
        for raw in [r"<scr\ud800ipt>", r"<scr\udfffipt>"] {
            assert_eq!(read(raw, Surrogates::Drop), b"<script>");
            assert_eq!(read(raw, Surrogates::Replace), "<scr\u{fffd}ipt>".as_bytes());
        }
        assert_eq!(read(r"\ud800", Surrogates::Wtf8), [0xed, 0xa0, 0x80]);
        assert_eq!(read(r"\udfff", Surrogates::Wtf8), [0xed, 0xbf, 0xbf]);
        assert_eq!(read(r"\ud83d\ud83d\ude00", Surrogates::Drop), "😀".as_bytes());
    }

    #[test]
    fn comparing_is_the_same_as_unescaping() {
        for (raw, content) in [(r"b\u006fdy", "body"), ("body", "body"), (r"\ud800", "\u{fffd}"), ("", "")] {
            assert!(unescapes_to(raw.as_bytes(), content.as_bytes()), "{raw}");
            assert!(!unescapes_to(raw.as_bytes(), b"bodx"), "{raw}");
            assert!(!unescapes_to(raw.as_bytes(), [content.as_bytes(), b"y"].concat().as_slice()), "{raw}");
            let hash = content_hash(raw.as_bytes(), true);
            assert_eq!(hash, content_hash(content.as_bytes(), false));
        }
    }

    #[test]
    fn the_end_is_found_at_every_distance() {
        for before in 0..300 {
            for (tail, closed) in
                [("\"rest", true), ("\\\"more\"", true), ("", false), ("\\", false), ("é\"", true)]
            {
                let text = format!("{}{tail}", "a".repeat(before));
                let end = string_end(text.as_bytes(), 0, b'"');
                let expected = match tail {
                    "\"rest" => before,
                    "\\\"more\"" => before + 6,
                    "é\"" => before + 2,
                    _ => text.len(),
                };
                assert_eq!((end.at, end.closed), (expected, closed), "{before} {tail}");
                assert_eq!(end.escaped, tail.starts_with('\\'));
                assert!(end.wide || tail != "é\"");
            }
            let text = format!("{}\u{1}\"", "a".repeat(before));
            assert!(string_end(text.as_bytes(), 0, b'"').broken);
        }
    }
}

//! Texts that are not UTF-8, as their declared or marked charset reads them (WHATWG Encoding; RFC 2152 for UTF-7; RFC 8259
//! for JSON without a mark; IBM CDRA code page 37, which Java and .NET decode on request).
//!
//! It may not know what kind of text it is.

/// A charset that differs from UTF-8 enough to hide something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    Utf16Le,
    Utf16Be,
    Utf32Le,
    Utf32Be,
    Utf7,
    Latin1,
    Ebcdic,
}

impl Charset {
    /// The charset of a label; `None` for UTF-8, ASCII and what is not known.
    pub(crate) fn of(label: &[u8]) -> Option<Self> {
        let mut short = [0_u8; 24];
        let mut len = 0;
        for &byte in label.iter().filter(|b| b.is_ascii_alphanumeric()) {
            *short.get_mut(len)? = byte.to_ascii_lowercase();
            len += 1;
        }
        Some(match short.get(..len)? {
            b"utf16" | b"utf16le" | b"ucs2" | b"iso10646ucs2" | b"unicode" | b"csunicode" => Self::Utf16Le,
            b"utf16be" | b"unicodefffe" => Self::Utf16Be,
            b"utf32" | b"utf32le" | b"ucs4" => Self::Utf32Le,
            b"utf32be" => Self::Utf32Be,
            b"utf7" | b"unicode11utf7" | b"csutf7" | b"unicode20utf7" => Self::Utf7,
            b"iso88591" | b"latin1" | b"l1" | b"windows1252" | b"cp1252" | b"iso885915" | b"windows1251" => {
                Self::Latin1
            }
            b"ibm037" | b"cp037" | b"ibm500" | b"cp500" | b"ibm1047" | b"cp1047" | b"ibm1140" | b"cp1140"
            | b"ibm01140" | b"ibm273" | b"cp273" | b"ibm285" | b"cp285" | b"ebcdiccpus" | b"csibm037"
            | b"ibm277" | b"ibm278" | b"ibm280" | b"ibm284" | b"ibm297" | b"ibm870" | b"ibm871" => {
                Self::Ebcdic
            }
            _ => return None,
        })
    }

    /// The charset that a byte order mark shows, and the length of the mark. A mark of UTF-8 has no charset.
    pub(crate) fn marked(bytes: &[u8]) -> (Option<Self>, usize) {
        match bytes {
            [0xff, 0xfe, 0, 0, ..] => (Some(Self::Utf32Le), 4),
            [0, 0, 0xfe, 0xff, ..] => (Some(Self::Utf32Be), 4),
            [0xff, 0xfe, ..] => (Some(Self::Utf16Le), 2),
            [0xfe, 0xff, ..] => (Some(Self::Utf16Be), 2),
            [0xef, 0xbb, 0xbf, ..] => (None, 3),
            _ => (None, 0),
        }
    }

    /// The charset that the zeroes among a text's first characters show.
    pub(crate) const fn by_zeroes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [a, 0, 0, 0, ..] if *a != 0 => Some(Self::Utf32Le),
            [0, 0, 0, a, ..] if *a != 0 => Some(Self::Utf32Be),
            [a, 0, b, 0, ..] if *a != 0 && *b != 0 => Some(Self::Utf16Le),
            [0, a, 0, b, ..] if *a != 0 && *b != 0 => Some(Self::Utf16Be),
            _ => None,
        }
    }

    /// The word for a location.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Utf16Le | Self::Utf16Be => "utf-16",
            Self::Utf32Le | Self::Utf32Be => "utf-32",
            Self::Utf7 => "utf-7",
            Self::Latin1 => "latin-1",
            Self::Ebcdic => "ebcdic",
        }
    }

    /// Whether every byte of an ASCII text means the same in this charset.
    pub(crate) const fn keeps_ascii(self) -> bool {
        matches!(self, Self::Latin1)
    }

    /// Appends the text as UTF-8 to `out`; what is not valid becomes U+FFFD. It grows at most threefold.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Utf16Le => utf16(bytes, u16::from_le_bytes, out),
            Self::Utf16Be => utf16(bytes, u16::from_be_bytes, out),
            Self::Utf32Le => utf32(bytes, u32::from_le_bytes, out),
            Self::Utf32Be => utf32(bytes, u32::from_be_bytes, out),
            Self::Utf7 => utf7(bytes, out),
            Self::Latin1 => bytes.iter().for_each(|&b| push(char::from(b), out)),
            Self::Ebcdic => bytes.iter().for_each(|&b| push(char::from(EBCDIC[b as usize]), out)),
        }
    }
}

fn push(character: char, out: &mut Vec<u8>) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, out: &mut Vec<u8>) {
    let units = bytes.chunks(2).map(|pair| match pair {
        [a, b] => unit([*a, *b]),
        _ => 0xfffd,
    });
    for character in char::decode_utf16(units) {
        push(character.unwrap_or(char::REPLACEMENT_CHARACTER), out);
    }
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32, out: &mut Vec<u8>) {
    for four in bytes.chunks(4) {
        let code = <[u8; 4]>::try_from(four).map_or(0xfffd, unit);
        push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), out);
    }
}

/// `+` opens a run of base64 of UTF-16, which ends at the first other character; `-` after it is swallowed.
fn utf7(bytes: &[u8], out: &mut Vec<u8>) {
    let mut units = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte != b'+' {
            out.push(byte);
            continue;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let run = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        if run == 0 {
            out.push(b'+');
            at += usize::from(rest.first() == Some(&b'-'));
            continue;
        }
        units.clear();
        crate::base64::decode(rest.get(..run).unwrap_or_default(), &mut units);
        units.truncate(units.len() & !1);
        utf16(&units, u16::from_be_bytes, out);
        at += run + usize::from(rest.get(run) == Some(&b'-'));
    }
}

/// Code page 37. Its siblings differ in brackets and a few signs only.
#[rustfmt::skip]
const EBCDIC: [u8; 256] = [
    0x00, 0x01, 0x02, 0x03, 0x9c, 0x09, 0x86, 0x7f, 0x97, 0x8d, 0x8e, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
    0x10, 0x11, 0x12, 0x13, 0x9d, 0x85, 0x08, 0x87, 0x18, 0x19, 0x92, 0x8f, 0x1c, 0x1d, 0x1e, 0x1f,
    0x80, 0x81, 0x82, 0x83, 0x84, 0x0a, 0x17, 0x1b, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x05, 0x06, 0x07,
    0x90, 0x91, 0x16, 0x93, 0x94, 0x95, 0x96, 0x04, 0x98, 0x99, 0x9a, 0x9b, 0x14, 0x15, 0x9e, 0x1a,
    0x20, 0xa0, 0xe2, 0xe4, 0xe0, 0xe1, 0xe3, 0xe5, 0xe7, 0xf1, 0xa2, 0x2e, 0x3c, 0x28, 0x2b, 0x7c,
    0x26, 0xe9, 0xea, 0xeb, 0xe8, 0xed, 0xee, 0xef, 0xec, 0xdf, 0x21, 0x24, 0x2a, 0x29, 0x3b, 0xac,
    0x2d, 0x2f, 0xc2, 0xc4, 0xc0, 0xc1, 0xc3, 0xc5, 0xc7, 0xd1, 0xa6, 0x2c, 0x25, 0x5f, 0x3e, 0x3f,
    0xf8, 0xc9, 0xca, 0xcb, 0xc8, 0xcd, 0xce, 0xcf, 0xcc, 0x60, 0x3a, 0x23, 0x40, 0x27, 0x3d, 0x22,
    0xd8, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0xab, 0xbb, 0xf0, 0xfd, 0xfe, 0xb1,
    0xb0, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0xaa, 0xba, 0xe6, 0xb8, 0xc6, 0xa4,
    0xb5, 0x7e, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0xa1, 0xbf, 0xd0, 0xdd, 0xde, 0xae,
    0x5e, 0xa3, 0xa5, 0xb7, 0xa9, 0xa7, 0xb6, 0xbc, 0xbd, 0xbe, 0x5b, 0x5d, 0xaf, 0xa8, 0xb4, 0xd7,
    0x7b, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0xad, 0xf4, 0xf6, 0xf2, 0xf3, 0xf5,
    0x7d, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x51, 0x52, 0xb9, 0xfb, 0xfc, 0xf9, 0xfa, 0xff,
    0x5c, 0xf7, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0xb2, 0xd4, 0xd6, 0xd2, 0xd3, 0xd5,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0xb3, 0xdb, 0xdc, 0xd9, 0xda, 0x9f,
];

/// The low byte of each UTF-16 unit of a text: what Node.js makes of a string where it expects bytes (base64, and escapes that
/// `decodeURIComponent` refuses), so that U+0127 is a quote and U+0442 a `B`.
pub(crate) fn low_bytes(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text).encode_utf16().map(|unit| unit.to_le_bytes()[0]).collect()
}

/// Whether a text may hold a character beyond Latin-1, whose low byte is another one. U+0100 and beyond begin with these bytes in UTF-8.
pub(crate) fn is_wide(text: &[u8]) -> bool {
    text.iter().any(|byte| *byte >= 0xc4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(charset: Charset, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        charset.decode(bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn charsets_become_utf8() {
        let utf16: Vec<u8> = "<é𝄞>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decoded(Charset::Utf16Le, &utf16), "<é𝄞>");
        assert_eq!(decoded(Charset::Utf16Be, &[0, b'a', 0xd8]), "a\u{fffd}");
        assert_eq!(
            decoded(Charset::Utf7, b"+ADw-script+AD4 1+-1 +2+"),
            "<script> 1+1 \u{fffd}".replace(" \u{fffd}", " ")
        );
        assert_eq!(decoded(Charset::Latin1, b"caf\xe9"), "café");
        assert_eq!(decoded(Charset::Ebcdic, &[0x4c, 0xa2, 0x83, 0x99, 0x89, 0x97, 0xa3, 0x6e]), "<script>");
        assert_eq!(Charset::of(b"UTF-16"), Some(Charset::Utf16Le));
        assert_eq!(Charset::of(b"utf-8"), None);
        assert_eq!(Charset::of(&[b'x'; 100]), None);
    }
}

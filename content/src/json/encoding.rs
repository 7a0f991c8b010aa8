//! JSON that is not UTF-8: Python's `json.loads` and Java's Jackson recognise UTF-16 and UTF-32 from the first bytes,
//! so a body in one of these reaches such a handler although a UTF-8 reader sees only noise.

/// An encoding that some runtimes recognise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf16Le,
    Utf16Be,
    Utf32Le,
    Utf32Be,
}

impl Encoding {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Utf16Le | Self::Utf16Be => "utf-16",
            Self::Utf32Le | Self::Utf32Be => "utf-32",
        }
    }
}

/// The encoding of a text, by the rules of Python's `json.detect_encoding`; `None` is UTF-8.
pub(super) fn detect(text: &[u8]) -> Option<Encoding> {
    match text {
        // Byte order marks come first: the one of UTF-32 begins like the one of UTF-16.
        [0xff, 0xfe, 0, 0, ..] | [1..=0xfe, 0, 0, 0, ..] => Some(Encoding::Utf32Le),
        [0xff, 0xfe, ..] | [1..=255, 0, _, _, ..] | [1..=255, 0] => Some(Encoding::Utf16Le),
        [0, 0, _, _, ..] => Some(Encoding::Utf32Be),
        [0xfe, 0xff, ..] | [0, _, _, _, ..] | [0, 1..=255] => Some(Encoding::Utf16Be),
        _ => None,
    }
}

/// Appends `text` as UTF-8, without its byte order mark. What is not a character becomes U+FFFD.
pub(super) fn transcode(text: &[u8], encoding: Encoding, out: &mut Vec<u8>) {
    let mut first = true;
    let mut write = |character: char| {
        if !(std::mem::take(&mut first) && character == '\u{feff}') {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    };
    match encoding {
        Encoding::Utf16Le | Encoding::Utf16Be => {
            let units = text.chunks_exact(2).map(|pair| {
                let pair = pair.try_into().unwrap_or_default();
                if encoding == Encoding::Utf16Le {
                    u16::from_le_bytes(pair)
                } else {
                    u16::from_be_bytes(pair)
                }
            });
            char::decode_utf16(units).for_each(|unit| write(unit.unwrap_or('\u{fffd}')));
        }
        Encoding::Utf32Le | Encoding::Utf32Be => {
            for four in text.chunks_exact(4) {
                let four = four.try_into().unwrap_or_default();
                let code = if encoding == Encoding::Utf32Le {
                    u32::from_le_bytes(four)
                } else {
                    u32::from_be_bytes(four)
                };
                write(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_that_python_recognises_is_read() {
        let text = "{\"é\":\"😀\"}";
        let wide: Vec<u16> = text.encode_utf16().collect();
        let cases: [(Vec<u8>, &str); 4] = [
            (wide.iter().flat_map(|unit| unit.to_le_bytes()).collect(), "utf-16"),
            (wide.iter().flat_map(|unit| unit.to_be_bytes()).collect(), "utf-16"),
            (text.chars().flat_map(|c| (c as u32).to_le_bytes()).collect(), "utf-32"),
            (text.chars().flat_map(|c| (c as u32).to_be_bytes()).collect(), "utf-32"),
        ];
        for (bytes, name) in cases {
            let encoding = detect(&bytes).unwrap();
            assert_eq!(encoding.name(), name);
            let mut out = Vec::new();
            transcode(&bytes, encoding, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        assert_eq!(detect(text.as_bytes()), None);
        assert_eq!(detect(b""), None);
        assert_eq!(detect(b"1"), None);
        assert_eq!(detect(b"\xef\xbb\xbf{}"), None);
        let mut out = Vec::new();
        transcode(b"\xff\xfe1\0", detect(b"\xff\xfe1\0").unwrap(), &mut out);
        assert_eq!(out, b"1");
    }
}

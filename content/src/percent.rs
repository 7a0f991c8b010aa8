//! Percent-encoding as a URL parser of a usual runtime undoes it: once, leniently, `%u` left alone (RFC 3986, 2.1; WHATWG
//! URL, 1.3). What it may not know is where a text came from.

/// What a look at a text says before anything is decoded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scan {
    /// There is something to decode.
    pub(crate) escaped: bool,
    /// There is a literal NUL.
    pub(crate) nul: bool,
    /// There are bytes beyond ASCII.
    pub(crate) high: bool,
}

/// Looks at a text.
pub(crate) fn scan(bytes: &[u8], plus: bool) -> Scan {
    let mut seen = Scan::default();
    for &byte in bytes {
        seen.escaped |= byte == b'%' || (plus && byte == b'+');
        seen.nul |= byte == 0;
        seen.high |= byte >= 0x80;
    }
    seen
}

/// What was odd about an encoded text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Odd {
    /// A `%` that is not followed by two hexadecimal digits.
    pub(crate) invalid: bool,
    /// What was decoded holds an escape again.
    pub(crate) doubled: bool,
    /// An encoded NUL.
    pub(crate) nul: bool,
    /// What was decoded is not UTF-8.
    pub(crate) not_utf8: bool,
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The byte that the two characters after a `%` stand for.
pub(crate) fn escape(digits: &[u8]) -> Option<u8> {
    match digits {
        [high, low, ..] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    }
}

/// Appends the decoded text to `out`.
pub(crate) fn decode(bytes: &[u8], plus: bool, out: &mut Vec<u8>) -> Odd {
    let start = out.len();
    let mut odd = Odd::default();
    let mut decoded_percent = false;
    let mut high = false;
    let mut at = 0;
    out.reserve(bytes.len());
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let byte = match byte {
            b'+' if plus => b' ',
            b'%' => match bytes.get(at..).and_then(escape) {
                Some(byte) => {
                    at += 2;
                    odd.nul |= byte == 0;
                    decoded_percent |= byte == b'%';
                    byte
                }
                None => {
                    odd.invalid = true;
                    b'%'
                }
            },
            other => other,
        };
        high |= byte >= 0x80;
        out.push(byte);
    }
    let text = out.get(start..).unwrap_or_default();
    odd.doubled = decoded_percent && holds_escape(text);
    odd.not_utf8 = high && std::str::from_utf8(text).is_err();
    odd
}

/// Whether a text holds a valid percent escape.
pub(crate) fn holds_escape(text: &[u8]) -> bool {
    memchr::memchr_iter(b'%', text).any(|at| text.get(at + 1..).and_then(escape).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str, plus: bool) -> (String, Odd) {
        let mut out = Vec::new();
        let odd = decode(text.as_bytes(), plus, &mut out);
        (String::from_utf8_lossy(&out).into_owned(), odd)
    }

    #[test]
    fn what_is_odd_is_said() {
        let clean = Odd::default();
        assert_eq!(decoded("a%20b+c%2Fd", true), ("a b c/d".into(), clean));
        assert_eq!(decoded("a+b", false), ("a+b".into(), clean));
        assert_eq!(decoded("%", true), ("%".into(), Odd { invalid: true, ..clean }));
        assert_eq!(decoded("%4", true), ("%4".into(), Odd { invalid: true, ..clean }));
        assert_eq!(decoded("%u0041", true), ("%u0041".into(), Odd { invalid: true, ..clean }));
        assert_eq!(decoded("%2541", true), ("%41".into(), Odd { doubled: true, ..clean }));
        assert_eq!(decoded("100%25", true), ("100%".into(), clean));
        assert_eq!(decoded("%00", true), ("\0".into(), Odd { nul: true, ..clean }));
        assert_eq!(decoded("%c3%a9", true), ("é".into(), clean));
        assert!(decoded("%c0%af", true).1.not_utf8);
    }
}

//! Status and headers that a handler gave in its answer, read while the answer streams past. It may not keep the answer.
//!
//! Two shapes carry them: the JSON object of a buffered answer, with its keys in any order and the body among them, and the prelude of a
//! streamed one (the same object without a body, eight NUL bytes, then the payload). Pieces may be cut anywhere. Reading is linear, what
//! is not wanted is skipped by [`memchr`], and depth is a counter. Broken JSON gives what was read until then.

use http::{HeaderMap, HeaderName, HeaderValue, header::SET_COOKIE};
use memchr::memchr2;

use crate::limits;

/// What a handler said about its HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HandlerHead {
    /// `statusCode`, where it is from 100 to 599.
    pub status: Option<u16>,
    /// `headers` and `multiValueHeaders`, and `cookies` as `set-cookie`.
    pub headers: HeaderMap,
    /// Where the payload begins, after a prelude and its eight NUL bytes.
    pub payload_offset: Option<u64>,
    /// True when a header was left out because there were too many, or too long ones.
    pub clipped: bool,
}

/// Reads an answer piece by piece.
#[derive(Debug, Default)]
pub struct HeadScanner {
    state: State,
    head: HandlerHead,
    found: bool,
    /// Bytes that were read.
    offset: u64,
    /// Containers that are open; the answer itself is the first.
    depth: u64,
    /// Whether each of the outermost three is an object.
    objects: [bool; 3],
    /// True where the next string is a key.
    at_key: bool,
    field: Field,
    /// The header that the values belong to.
    name: Option<HeaderName>,
    text: Vec<u8>,
    text_clipped: bool,
    /// The first half of a surrogate pair.
    high_surrogate: Option<u32>,
    head_bytes: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the answer's first byte that is not blank.
    #[default]
    Start,
    /// Between strings and scalars.
    Between,
    /// In a string; `wanted` ones are kept.
    Text { wanted: bool },
    /// After a backslash.
    Escape { wanted: bool },
    /// In `\uXXXX`: the digits so far and their value.
    Unicode { wanted: bool, digits: u8, value: u32 },
    /// In a number or a literal whose text is wanted.
    Scalar,
    /// After the prelude: so many NUL bytes came.
    Nulls(u8),
    /// Nothing more is looked for.
    Done,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Field {
    #[default]
    Other,
    Status,
    Headers,
    MultiValueHeaders,
    Cookies,
}

const PRELUDE_NULLS: u8 = 8;

impl HeadScanner {
    /// Reads the next bytes.
    pub fn feed(&mut self, data: &[u8]) {
        let mut rest = data;
        while !rest.is_empty() && self.state != State::Done {
            let used = self.step(rest).clamp(1, rest.len());
            self.offset += used as u64;
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// Whether the status was read.
    pub fn has_status(&self) -> bool {
        self.head.status.is_some()
    }

    /// What was found: None where the answer does not have the shape of an HTTP answer.
    pub fn finish(self) -> Option<HandlerHead> {
        self.found.then_some(self.head)
    }

    /// Reads on in the present state, and says how many bytes that took.
    fn step(&mut self, rest: &[u8]) -> usize {
        let Some(byte) = rest.first().copied() else { return 0 };
        match self.state {
            State::Start => match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b'{' => {
                    self.state = State::Between;
                    self.open(true);
                }
                _ => self.state = State::Done,
            },
            State::Between if self.depth > 1 && self.field == Field::Other => return self.skip(rest),
            State::Between => self.between(byte),
            State::Text { wanted } => return self.text(rest, wanted),
            State::Escape { wanted } => self.escape(byte, wanted),
            State::Unicode { wanted, digits, value } => self.unicode(byte, wanted, digits, value),
            State::Scalar => {
                if matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n') {
                    self.value();
                    self.state = State::Between;
                    self.between(byte);
                } else {
                    self.keep(&[byte]);
                }
            }
            State::Nulls(seen) => match (byte, seen + 1) {
                (0, PRELUDE_NULLS) => {
                    self.head.payload_offset = Some(self.offset + 1);
                    self.state = State::Done;
                }
                (0, seen) => self.state = State::Nulls(seen),
                _ => self.state = State::Done,
            },
            State::Done => {}
        }
        1
    }

    fn between(&mut self, byte: u8) {
        match byte {
            b'{' => self.open(true),
            b'[' => self.open(false),
            b'}' | b']' => self.close(),
            b',' => self.at_key = self.in_object(),
            b':' => self.at_key = false,
            b'"' => {
                self.text.clear();
                self.text_clipped = false;
                self.high_surrogate = None;
                self.state = State::Text { wanted: self.wants_text() };
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ if self.wants_text() && !self.at_key => {
                self.text.clear();
                self.text_clipped = false;
                self.state = State::Scalar;
                self.keep(&[byte]);
            }
            _ => {}
        }
    }

    /// Passes over what is not wanted, up to the next string or the end of the value.
    fn skip(&mut self, rest: &[u8]) -> usize {
        for (at, byte) in rest.iter().enumerate() {
            match byte {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.close();
                    if self.depth <= 1 {
                        return at + 1;
                    }
                }
                b'"' => {
                    self.state = State::Text { wanted: false };
                    return at + 1;
                }
                _ => {}
            }
        }
        rest.len()
    }

    fn open(&mut self, object: bool) {
        if let Some(kind) = usize::try_from(self.depth).ok().and_then(|depth| self.objects.get_mut(depth)) {
            *kind = object;
        }
        self.depth += 1;
        self.at_key = object;
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.at_key = false;
        match self.depth {
            0 => self.state = State::Nulls(0),
            1 => {
                self.field = Field::Other;
                self.name = None;
            }
            _ => {}
        }
    }

    /// Whether the innermost container is an object, as far as that is followed.
    fn in_object(&self) -> bool {
        usize::try_from(self.depth)
            .ok()
            .and_then(|depth| self.objects.get(depth.checked_sub(1)?))
            .is_some_and(|object| *object)
    }

    /// Whether the string or scalar that begins here is kept.
    fn wants_text(&self) -> bool {
        match (self.depth, self.field) {
            (1, field) => self.at_key || field == Field::Status,
            (2, Field::Headers | Field::MultiValueHeaders | Field::Cookies) => true,
            (3, Field::MultiValueHeaders) => !self.in_object(),
            _ => false,
        }
    }

    fn text(&mut self, rest: &[u8], wanted: bool) -> usize {
        let end = memchr2(b'"', b'\\', rest);
        let run = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if wanted && !run.is_empty() {
            self.high_surrogate = None;
            self.keep(run);
        }
        match end.and_then(|end| rest.get(end)) {
            Some(b'"') => {
                self.state = State::Between;
                if wanted {
                    if self.at_key { self.key() } else { self.value() }
                }
                run.len() + 1
            }
            Some(_) => {
                self.state = State::Escape { wanted };
                run.len() + 1
            }
            None => run.len(),
        }
    }

    fn escape(&mut self, byte: u8, wanted: bool) {
        if byte == b'u' {
            self.state = State::Unicode { wanted, digits: 0, value: 0 };
            return;
        }
        self.state = State::Text { wanted };
        self.high_surrogate = None;
        if wanted {
            self.keep(&[match byte {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' => 8,
                b'f' => 12,
                other => other,
            }]);
        }
    }

    fn unicode(&mut self, byte: u8, wanted: bool, digits: u8, value: u32) {
        let value = value * 16 + char::from(byte).to_digit(16).unwrap_or(0);
        if digits < 3 {
            self.state = State::Unicode { wanted, digits: digits + 1, value };
            return;
        }
        self.state = State::Text { wanted };
        let unit = match (self.high_surrogate.take(), value) {
            (Some(high), 0xDC00..=0xDFFF) => 0x1_0000 + ((high - 0xD800) << 10) + (value - 0xDC00),
            (_, 0xD800..=0xDBFF) => {
                self.high_surrogate = Some(value);
                return;
            }
            (_, value) => value,
        };
        if wanted {
            let character = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
            self.keep(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = limits::HANDLER_TEXT_BYTES.saturating_sub(self.text.len());
        self.text_clipped |= bytes.len() > room;
        self.text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn key(&mut self) {
        if self.depth == 1 {
            self.field = match self.text.as_slice() {
                b"statusCode" => Field::Status,
                b"headers" => Field::Headers,
                b"multiValueHeaders" => Field::MultiValueHeaders,
                b"cookies" => Field::Cookies,
                _ => Field::Other,
            };
            self.found |= self.field != Field::Other;
        } else {
            self.name = HeaderName::from_bytes(&self.text).ok();
        }
    }

    fn value(&mut self) {
        let name = match (self.depth, self.field) {
            (1, Field::Status) => {
                let number = std::str::from_utf8(&self.text).ok().and_then(|text| text.trim().parse().ok());
                self.head.status = number.filter(|status| (100..600).contains(status));
                return;
            }
            (2, Field::Cookies) => Some(SET_COOKIE),
            (2 | 3, Field::Headers | Field::MultiValueHeaders) => self.name.clone(),
            _ => None,
        };
        let (Some(name), Ok(value)) = (name, HeaderValue::from_bytes(&self.text)) else { return };
        self.head_bytes += name.as_str().len() + value.len();
        let full = self.head.headers.len() >= limits::HANDLER_HEADERS
            || self.head_bytes > limits::HANDLER_HEAD_BYTES;
        if full || self.text_clipped || self.head.headers.try_append(name, value).is_err() {
            self.head.clipped = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(pieces: &[&[u8]]) -> Option<HandlerHead> {
        let mut scanner = HeadScanner::default();
        for piece in pieces {
            scanner.feed(piece);
        }
        scanner.finish()
    }

    fn lines(head: &HandlerHead) -> Vec<(String, String)> {
        head.headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect()
    }

    #[test]
    fn every_shape_is_read_however_it_is_cut() {
        // Each with its status, its headers and the payload's offset, and why it is here.
        type Case =
            (&'static [u8], Option<u16>, &'static [(&'static str, &'static str)], Option<u64>, &'static str);
        let cases: &[Case] = &[
            (
                br#"{"statusCode":200,"headers":{"Content-Type":"text/html"},"body":"x"}"#,
                Some(200),
                &[("content-type", "text/html")],
                None,
                "plain",
            ),
            (
                br#"{"body":"\"statusCode\":500,{","headers":{},"statusCode": 418 }"#,
                Some(418),
                &[],
                None,
                "the body first, with the key in it",
            ),
            (
                br#"{"statusCode":"302","headers":{"location":"\u002fa\u00e9\ud83d\ude00"}}"#,
                Some(302),
                &[("location", "/a\u{e9}\u{1f600}")],
                None,
                "escapes",
            ),
            (
                br#"{"statusCode":200,"multiValueHeaders":{"set-cookie":["a=1","b=2"],"x":["y"]}}"#,
                Some(200),
                &[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x", "y")],
                None,
                "multi-value",
            ),
            (
                br#"{"statusCode":200,"cookies":["a=1","b=2"],"headers":{"n":5,"t":true}}"#,
                Some(200),
                &[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("n", "5"), ("t", "true")],
                None,
                "cookies, and values that are no strings",
            ),
            (
                br#"{"headers":{"a":"1"},"cookies":["c=1"],"x":{"statusCode":500,"headers":{"b":"2"}}}"#,
                None,
                &[("a", "1"), ("set-cookie", "c=1")],
                None,
                "keys of inner objects",
            ),
            (
                br#"{"headers":{"a":{"b":["c"]},"d":"e"},"statusCode":201}"#,
                Some(201),
                &[("d", "e")],
                None,
                "a header that is an object",
            ),
            (br#"{"statusCode":200,"statusCode":404}"#, Some(404), &[], None, "duplicate keys"),
            (br#"{"statusCode":99999}"#, None, &[], None, "no status"),
            (
                br#"{"statusCode":200,"headers":{"a b":"1","c":"x\ny"}}"#,
                Some(200),
                &[],
                None,
                "what cannot be a header",
            ),
            (
                b"{\"statusCode\":206,\"headers\":{\"a\":\"1\"}}\0\0\0\0\0\0\0\0{\"statusCode\":500}",
                Some(206),
                &[("a", "1")],
                Some(46),
                "a prelude",
            ),
            (b"{\"statusCode\":206}\0\0\0\0\0\0\0x\0", Some(206), &[], None, "seven NULs"),
            (b" \n{\"statusCode\" : 204\n", Some(204), &[], None, "broken off"),
        ];
        for (answer, status, headers, payload, why) in cases {
            let whole = scan(&[answer]).unwrap_or_else(|| panic!("{why}"));
            let expected: Vec<_> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(
                (whole.status, lines(&whole), whole.payload_offset),
                (*status, expected, *payload),
                "{why}"
            );
            for first in 0..answer.len() {
                let (one, two) = answer.split_at(first);
                assert_eq!(scan(&[one, two]).as_ref(), Some(&whole), "{why}, cut at {first}");
            }
            let bytes: Vec<&[u8]> = answer.chunks(1).collect();
            assert_eq!(scan(&bytes), Some(whole), "{why}, byte by byte");
        }
    }

    #[test]
    fn other_answers_have_no_head() {
        for answer in
            [&b"[1,2]"[..], b"\"statusCode\"", b"null", b"", b"{\"message\":\"hi\"}", b"\x89PNG", b"{"]
        {
            assert_eq!(scan(&[answer]), None, "{}", String::from_utf8_lossy(answer));
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut scanner = HeadScanner::default();
        scanner.feed(b"{\"statusCode\":200,\"headers\":{");
        for number in 0..10_000 {
            scanner.feed(format!("\"h{number}\":\"{}\",", "v".repeat(50)).as_bytes());
        }
        scanner.feed(b"\"long\":\"");
        for _ in 0..1000 {
            scanner.feed(&[b'x'; 1000]);
        }
        assert!(scanner.text.len() <= limits::HANDLER_TEXT_BYTES);
        let head = scanner.finish().unwrap();
        assert_eq!(head.headers.len(), limits::HANDLER_HEADERS);
        assert!(head.clipped);
    }

    #[test]
    fn depth_costs_nothing() {
        let mut scanner = HeadScanner::default();
        scanner.feed(b"{\"a\":");
        for _ in 0..100_000 {
            scanner.feed(b"[{\"statusCode\":");
        }
        assert_eq!(scanner.finish(), None);
    }
}

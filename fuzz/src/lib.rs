//! What every fuzz target of content asserts of a request that was read.
//!
//! It may not know formats.

use bytes::Bytes;
use picket_content::{Options, RawHttp, http_request};
use picket_request::{Request, limits};

/// Reads a request and asserts what holds for all: spans lie in their buffers, counts keep to their limits, and reading
/// again gives the same.
pub fn read(raw: &RawHttp<'_>) -> Request {
    let options = Options { now: Some(1_700_000_000), secure: Some(false), partial_head: false };
    let mut request = Request::new(Bytes::new());
    http_request(&mut request, raw, &options);
    assert!(request.values().len() <= limits::VALUES + limits::RESTS);
    for value in request.values() {
        for span in [value.text, value.raw, value.name] {
            assert_eq!(request.bytes(span).len(), span.len(), "{value:?}");
        }
        request.render(value.location);
    }
    let mut again = Request::new(Bytes::new());
    http_request(&mut again, raw, &options);
    assert_eq!(again.values().len(), request.values().len());
    for (one, other) in request.values().iter().zip(again.values()) {
        assert_eq!(request.bytes(one.text), again.bytes(other.text));
        assert_eq!(one.place, other.place);
    }
    request
}

/// Puts a marker into `body` where `at` says, and asserts that it is part of a value.
pub fn covers(kind: &[u8], body: &[u8], at: usize) {
    const MARKER: &[u8] = b"Zq7marker";
    let (before, after) = body.split_at(at % (body.len() + 1));
    let body = [before, MARKER, after].concat();
    let request = read(&RawHttp { headers: &[(b"content-type", kind)], body: &body, ..RawHttp::default() });
    let finder = memchr::memmem::Finder::new(MARKER);
    let holds = |span| finder.find(request.bytes(span)).is_some();
    assert!(request.values().iter().any(|v| holds(v.text) || holds(v.raw)), "{:?}", String::from_utf8_lossy(&body));
}

/// Cuts the first two bytes off as a number.
pub fn number(data: &[u8]) -> (usize, &[u8]) {
    match data {
        [a, b, rest @ ..] => (usize::from(*a) << 8 | usize::from(*b), rest),
        _ => (0, data),
    }
}

/// Whether a marker can be expected to be found: bytes of another charset, or of a file that is no text, are shown decoded
/// or in part.
pub fn is_plain(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok() && text.iter().all(|&b| b >= 0x20 || matches!(b, b'\t' | b'\n' | b'\r'))
}

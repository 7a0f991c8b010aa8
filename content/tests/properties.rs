//! What holds for every request: spans lie in their buffers, reading is deterministic, and whatever is put anywhere into a
//! body is part of some value.

use bytes::Bytes;
use picket_content::{Options, RawHttp, http_request};
use picket_request::{Place, Request};
use proptest::prelude::*;

const MARKER: &str = "Zq7marker";

fn read(query: &[u8], headers: &[(&[u8], &[u8])], body: &[u8]) -> Request {
    let mut request = Request::new(Bytes::new());
    let raw = RawHttp { method: b"POST", path: b"/", query, headers, body };
    http_request(
        &mut request,
        &raw,
        &Options { now: Some(1_700_000_000), secure: Some(false), partial_head: false },
    );
    request
}

fn sound(request: &Request) {
    for value in request.values() {
        for span in [value.text, value.raw, value.name] {
            assert_eq!(request.bytes(span).len(), span.len(), "{value:?}");
        }
        assert!(!request.render(value.location).is_empty());
    }
}

fn contains(request: &Request, marker: &[u8]) -> bool {
    let holds = |span| memchr::memmem::find(request.bytes(span), marker).is_some();
    request.values().iter().any(|v| holds(v.text) || holds(v.raw))
}

/// Texts made of the pieces that a format's parser cares about.
fn soup(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(pieces), 0..40).prop_map(|pieces| pieces.concat())
}

const FORM: &[&str] =
    &["a", "=", "&", ";", "%27", "%", "+", "%2", "b[]", "{", "}", "\"", " ", "\n", "%00", "é", "%u00", "x=1"];
const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ":",
    ",",
    "a",
    "1",
    "-",
    "true",
    "null",
    " ",
    "\n",
    "\\u00",
    "\\ud800",
    "\"k\":",
    "//",
    "/*",
    "*/",
    "é",
    "{\"a\":\"b\"}",
    "query",
    "{a}",
];
const XML: &[&str] = &[
    "<",
    ">",
    "</",
    "/>",
    "<a>",
    "</a>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<!DOCTYPE",
    "[",
    "]",
    "&lt;",
    "&#x41;",
    "&",
    "\"",
    "'",
    "=",
    " ",
    "a",
    "x:b",
    "\n",
    "<!",
    "on",
    "<?xml version='1.0'?>",
];
const MULTIPART: &[&str] = &[
    "--b",
    "--b\r\n",
    "--b--",
    "\r\n",
    "\n",
    "--",
    "Content-Disposition: form-data; name=\"a\"\r\n",
    "; filename=\"x.png\"",
    "; filename*=utf-8''x%2e",
    ":",
    ";",
    "\"",
    "Content-Type: application/json\r\n",
    "\r\n\r\n",
    "a",
    "=",
    "Content-Transfer-Encoding: base64\r\n",
    " ",
    "\t",
    "{\"a\":1}",
    "Content-Disposition:",
    "form-data",
    "name=a",
    "filename=",
];
const GRAPHQL: &[&str] = &[
    "{", "}", "(", ")", "query", " ", "a", ":", "$", "\"", "\"\"\"", "#", "\n", "...", "@", "!", "[", "]",
    "1", "-", ",", "\\", "fragment", "{ a }",
];

const KINDS: &[(&str, &[&str])] = &[
    ("application/x-www-form-urlencoded", FORM),
    ("application/json", JSON),
    ("application/x-ndjson", JSON),
    ("text/xml", XML),
    ("multipart/form-data; boundary=b", MULTIPART),
    ("application/graphql", GRAPHQL),
    ("text/plain", FORM),
    ("", JSON),
    ("", XML),
    ("", MULTIPART),
];

fn body() -> impl Strategy<Value = (&'static str, String)> {
    prop::sample::select(KINDS).prop_flat_map(|(kind, pieces)| (Just(kind), soup(pieces)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_put_into_a_body_is_part_of_a_value((kind, text) in body(), at in any::<prop::sample::Index>()) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let (before, after) = text.split_at(places[at.index(places.len())]);
        let marked = format!("{before}{MARKER}{after}");
        let request = read(b"", &[(b"content-type", kind.as_bytes())], marked.as_bytes());
        sound(&request);
        // Of a file that is no text, the first bytes are inspected; the soups hold no control characters but NUL.
        prop_assert!(contains(&request, MARKER.as_bytes()), "{kind}: {marked:?}");
    }

    #[test]
    fn reading_twice_gives_the_same((kind, text) in body(), query in soup(FORM), cookie in soup(FORM)) {
        let headers: [(&[u8], &[u8]); 2] = [(b"content-type", kind.as_bytes()), (b"cookie", cookie.as_bytes())];
        let seen = |request: &Request| {
            sound(request);
            let value = |v: &picket_request::Value| (v.place, request.bytes(v.text).to_vec(), request.render(v.location));
            (request.values().iter().map(value).collect::<Vec<(Place, _, _)>>(), request.anomalies.iter().collect::<Vec<_>>())
        };
        let mut first = read(query.as_bytes(), &headers, text.as_bytes());
        let second = read(query.as_bytes(), &headers, text.as_bytes());
        prop_assert_eq!(seen(&first), seen(&second));
        // A request that was used before reads the same.
        let raw = RawHttp { method: b"POST", path: b"/", query: query.as_bytes(), headers: &headers, body: text.as_bytes() };
        http_request(&mut first, &raw, &Options { now: Some(1_700_000_000), secure: Some(false), partial_head: false });
        prop_assert_eq!(seen(&first), seen(&second));
    }

    #[test]
    fn any_bytes_at_all_are_read(body in prop::collection::vec(any::<u8>(), 0..300), kind in prop::sample::select(KINDS),
        coding in prop::sample::select(&["", "gzip", "deflate", "br", "zstd", "gzip, br"][..])) {
        let headers: [(&[u8], &[u8]); 2] = [(b"content-type", kind.0.as_bytes()), (b"content-encoding", coding.as_bytes())];
        sound(&read(&body, &headers, &body));
    }
}

//! Requests that are made to exhaust a parser. Nothing here measures time: a reader that is not linear does not come to an
//! end within the patience of who runs the tests.

use std::io::Write as _;

use bytes::Bytes;
use picket_content::{Options, RawHttp, http_request};
use picket_request::{Anomaly, Request, limits};

const MARKER: &str = "Zq7marker";
const SIX_MB: usize = 6 * 1024 * 1024;

fn read(kind: &str, coding: &str, body: &[u8]) -> Request {
    let mut request = Request::new(Bytes::new());
    let headers: &[(&[u8], &[u8])] =
        &[(b"content-type", kind.as_bytes()), (b"content-encoding", coding.as_bytes())];
    let raw = RawHttp { method: b"POST", path: b"/", query: b"", headers, body };
    http_request(&mut request, &raw, &Options::default());
    assert!(request.values().len() <= limits::VALUES + limits::RESTS);
    for value in request.values() {
        assert_eq!(request.bytes(value.text).len(), value.text.len());
    }
    request
}

fn holds(request: &Request, marker: &str) -> bool {
    let finder = memchr::memmem::Finder::new(marker);
    request
        .values()
        .iter()
        .any(|v| finder.find(request.bytes(v.text)).is_some() || finder.find(request.bytes(v.raw)).is_some())
}

fn filled(open: &str, piece: &str, close: &str, size: usize) -> Vec<u8> {
    let mut text = String::with_capacity(size + 1024);
    text.push_str(open);
    while text.len() + close.len() < size {
        text.push_str(piece);
    }
    text.push_str(close);
    text.into_bytes()
}

#[test]
fn padding_hides_nothing() {
    let part = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n";
    let last = format!("--b\r\nContent-Disposition: form-data; name=z\r\n\r\n{MARKER}\r\n--b--\r\n");
    let cases = [
        ("application/x-www-form-urlencoded", filled("", "a=1&", &format!("z={MARKER}"), SIX_MB)),
        ("application/x-www-form-urlencoded", filled("", "a=1;b&", &format!("z={MARKER}"), SIX_MB / 8)),
        ("application/x-www-form-urlencoded", filled("a=", "x", &format!("&z={MARKER}"), SIX_MB)),
        ("application/json", filled("[", "1,", &format!("\"{MARKER}\"]"), SIX_MB)),
        ("application/json", filled("{\"a\":\"", "x", &format!("\",\"z\":\"{MARKER}\"}}"), SIX_MB)),
        ("application/json", filled("", "[", &format!("\"{MARKER}\""), SIX_MB)),
        ("application/x-ndjson", filled("", "{\"a\":1}\n", &format!("{{\"z\":\"{MARKER}\"}}"), SIX_MB)),
        ("application/xml", filled("<r>", "<a>1</a>", &format!("<z>{MARKER}</z></r>"), SIX_MB)),
        ("application/xml", filled("", "<a>", MARKER, SIX_MB)),
        ("application/xml", filled("<r ", "a='1' ", &format!("z='{MARKER}'/>"), SIX_MB)),
        ("application/xml", filled("<r>", "x<!--", &format!("-->{MARKER}</r>"), SIX_MB)),
        ("application/xml", filled("<r>", "&amp;<!---->", &format!("{MARKER}</r>"), SIX_MB / 4)),
        (
            "application/xml",
            filled("<!DOCTYPE r [", "<!ENTITY a 'b'>", &format!("]><r>{MARKER}</r>"), SIX_MB / 4),
        ),
        ("multipart/form-data; boundary=b", filled("", part, &last, SIX_MB)),
        ("multipart/form-data; boundary=b", filled("", "--b\r\n", &last, SIX_MB)),
        ("multipart/form-data; boundary=b", filled("--b\r\n", "X: y\r\n", &last, SIX_MB / 4)),
        ("text/plain", filled("", "word ", MARKER, SIX_MB)),
        ("application/graphql", filled("{", "a(b:\"x\")", &format!("c(d:\"{MARKER}\")}}"), SIX_MB / 4)),
        ("application/graphql", filled("", "{a", MARKER, SIX_MB / 4)),
    ];
    let mut ran = 0;
    for (kind, body) in &cases {
        let head = String::from_utf8_lossy(&body[..40]).into_owned();
        assert!(holds(&read(kind, "", body), MARKER), "{kind}: {head}");
        ran += 1;
    }
    assert_eq!(ran, cases.len());
}

#[test]
fn ten_thousand_parameters_are_ten_thousand_values() {
    let query = filled("", "a=1&", &format!("z={MARKER}"), 40_000);
    let mut request = Request::new(Bytes::new());
    http_request(&mut request, &RawHttp { query: &query, ..RawHttp::default() }, &Options::default());
    assert!(request.values().iter().any(|v| request.bytes(v.text) == MARKER.as_bytes()));
    assert!(request.values().len() > 19_000);
    assert!(!request.anomalies.contains(Anomaly::Oversize));
}

#[expect(clippy::unwrap_used, reason = "writing to memory cannot fail")]
fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_bomb_is_read_as_far_as_its_limit_and_said() {
    let bomb = gzip(&filled(&format!("a={MARKER}&b="), "\0\0\0\0\0\0\0\0", "", 64 << 20));
    for (coding, bomb) in [
        ("gzip", bomb.clone()),
        ("gzip, gzip", gzip(&bomb)),
        ("gzip,gzip,gzip,gzip", gzip(&gzip(&gzip(&bomb)))),
    ] {
        let request = read("application/x-www-form-urlencoded", coding, &bomb);
        assert!(holds(&request, MARKER), "{coding}");
        assert!(
            request.anomalies.contains(Anomaly::Compressed) && request.anomalies.contains(Anomaly::Oversize),
            "{coding}"
        );
    }
    let too_many = read("text/plain", "gzip,gzip,gzip,gzip,gzip", &bomb);
    assert!(too_many.anomalies.contains(Anomaly::Compressed));
}

#[test]
fn many_small_things_inside_things_come_to_an_end() {
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoieSIifQ.c2ln";
    let cases = [
        ("application/x-www-form-urlencoded", filled("", "q={\"a\":\"b\"}&", "z=1", 1 << 20)),
        ("application/x-www-form-urlencoded", filled("", &format!("q={token}&"), "z=1", 1 << 20)),
        ("application/json", filled("[", "{\"query\":\"{ a }\"},", "1]", 1 << 20)),
        ("application/json", filled("[", "\"<?xml?><a/>\",", "1]", 1 << 20)),
        ("application/json", filled("[\"", "[", "\"]", 1 << 20)),
        (
            "multipart/form-data; boundary=b",
            filled(
                "",
                "--b\nContent-Disposition: form-data; name=a\nContent-Type: application/json\n\n{\"a\":1}\n",
                "--b--",
                1 << 20,
            ),
        ),
        (
            "multipart/form-data; boundary=b",
            filled(
                "",
                "--b\nContent-Disposition: form-data; name=a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n",
                "--b--",
                1 << 20,
            ),
        ),
        (
            "multipart/form-data; boundary=b",
            filled("--b\nContent-Disposition: form-data", "; filename=\"a\\\"b", "\n\nx\n--b--", 1 << 14),
        ),
    ];
    for (kind, body) in &cases {
        read(kind, "", body);
    }
    for depth in [1, 4, 64] {
        let mut text = String::from("x");
        for level in 0..depth {
            text = serde_json::to_string(&[&text]).unwrap();
            if level > 8 {
                // Quoting doubles the backslashes of each level before.
                text = format!("[{text}]");
                break;
            }
        }
        read("application/json", "", text.as_bytes());
    }
}

//! What reading costs: a browser's GET, typical API bodies, and large ones. Memory is counted as well: a GET that reads into
//! a used [`Request`] should allocate nothing.

use bytes::Bytes;
use divan::{AllocProfiler, Bencher, black_box, counter::BytesCount};
use picket_content::{HttpParts, Options, Query, RawHttp, Text, http_request, read_http};
use picket_request::{Request, Span};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const BROWSER: &[(&[u8], &[u8])] = &[
    (b"Host", b"shop.example.org"),
    (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"Accept-Language", b"en-US,en;q=0.5"),
    (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    (b"Referer", b"https://shop.example.org/catalogue/shoes"),
    (b"Connection", b"keep-alive"),
    (b"Cookie", b"session=0b1d7c2e9f; theme=dark"),
    (b"Upgrade-Insecure-Requests", b"1"),
    (b"Sec-Fetch-Mode", b"navigate"),
];

fn main() {
    divan::main();
}

/// As in the agent: the event's bytes are there already, and the request was used before.
#[divan::bench]
fn browser_get(bencher: Bencher<'_, '_>) {
    let mut source = Vec::new();
    let mut lay = |bytes: &[u8]| {
        let start = source.len();
        source.extend_from_slice(bytes);
        Span::source(start, source.len())
    };
    let parts = HttpParts {
        method: lay(b"GET"),
        path: Text { span: lay(b"/catalogue/shoes"), encoded: true },
        query: Query::Raw(lay(b"size=42&q=red%20running+shoes&page=2")),
        headers: BROWSER.iter().map(|(name, value)| (lay(name), lay(value))).collect(),
        ..HttpParts::default()
    };
    let source = Bytes::from(source);
    let mut request = Request::new(source.clone());
    bencher.bench_local(|| {
        request.reset(source.clone());
        read_http(&mut request, black_box(&parts), &Options::default());
        black_box(request.values().len())
    });
}

fn body(bencher: Bencher<'_, '_>, kind: &str, body: &[u8]) {
    let headers: &[(&[u8], &[u8])] = &[(b"content-type", kind.as_bytes()), (b"user-agent", b"x")];
    let raw = RawHttp { method: b"POST", path: b"/api", query: b"", headers, body };
    let mut request = Request::default();
    bencher.counter(BytesCount::new(body.len())).bench_local(|| {
        http_request(&mut request, black_box(&raw), &Options::default());
        black_box(request.values().len())
    });
}

#[divan::bench]
fn form_of_400_bytes(bencher: Bencher<'_, '_>) {
    body(
        bencher,
        "application/x-www-form-urlencoded",
        "name=Ann%20Lee&street=12+Elm+Rd&zip=99999&".repeat(10).as_bytes(),
    );
}

#[divan::bench]
fn json_of_2_kb(bencher: Bencher<'_, '_>) {
    let item = r#"{"id":17,"name":"Red shoes","tags":["a","b"],"note":"size \"42\""},"#.repeat(30);
    body(bencher, "application/json", format!("[{item}1]").as_bytes());
}

#[divan::bench]
fn graphql_of_1_kb(bencher: Bencher<'_, '_>) {
    let fields = "user(id: \\\"17\\\", limit: 10) { name email orders { id total } } ".repeat(14);
    body(bencher, "application/json", format!("{{\"query\":\"query Q {{ {fields} }}\"}}").as_bytes());
}

const SIZES: [usize; 3] = [64 << 10, 1 << 20, 5 << 20];

/// Linear: ten times the bytes should cost ten times the time.
#[divan::bench(args = SIZES, sample_count = 5)]
fn multipart(bencher: Bencher<'_, '_>, size: usize) {
    let part = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello hello\r\n";
    body(bencher, "multipart/form-data; boundary=b", part.repeat(size / part.len()).as_bytes());
}

#[divan::bench(args = SIZES, sample_count = 5)]
fn xml(bencher: Bencher<'_, '_>, size: usize) {
    let item = "<item id=\"17\"><name>Red &amp; blue</name><!-- x --></item>";
    body(bencher, "application/xml", format!("<r>{}</r>", item.repeat(size / item.len())).as_bytes());
}

#[divan::bench(args = SIZES, sample_count = 5)]
fn form(bencher: Bencher<'_, '_>, size: usize) {
    body(bencher, "application/x-www-form-urlencoded", "a=%41&b=x+y;c=d&".repeat(size / 16).as_bytes());
}

#[divan::bench(args = SIZES, sample_count = 5)]
fn brackets(bencher: Bencher<'_, '_>, size: usize) {
    body(bencher, "application/json", "[".repeat(size).as_bytes());
}

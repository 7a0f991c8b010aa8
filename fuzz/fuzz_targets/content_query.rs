//! Query strings: whatever is put anywhere into one is part of some value, with and without the platform's own pairs.
#![no_main]

use picket_content::RawHttp;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (at, query) = picket_fuzz::number(data);
    picket_fuzz::read(&RawHttp { query, path: query, headers: &[(b"cookie", query), (b"referer", query)], ..RawHttp::default() });
    let (before, after) = query.split_at(at % (query.len() + 1));
    let query = [before, b"Zq7marker", after].concat();
    let request = picket_fuzz::read(&RawHttp { query: &query, ..RawHttp::default() });
    let holds = |span| memchr::memmem::find(request.bytes(span), b"Zq7marker").is_some();
    assert!(request.values().iter().any(|v| holds(v.text) || holds(v.raw)));
});

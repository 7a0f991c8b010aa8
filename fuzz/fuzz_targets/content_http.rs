//! Whole requests: lines are the path, the query, headers up to an empty line, then the body.
#![no_main]

use picket_content::RawHttp;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let mut line = || {
        let end = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        line
    };
    let (path, query) = (line(), line());
    let mut headers: Vec<(&[u8], &[u8])> = Vec::new();
    loop {
        let header = line();
        let Some(colon) = header.iter().position(|&b| b == b':') else { break };
        headers.push((&header[..colon], header[colon + 1..].trim_ascii()));
    }
    picket_fuzz::read(&RawHttp { method: b"POST", path, query, headers: &headers, body: rest });
});

//! The JSON scanner: it agrees with serde_json on what is well-formed, stays inside its input, and never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picket_content::json::{Root, Tape, scan, values};
use picket_request::{LocationId, Request, Span};

fuzz_target!(|data: &[u8]| {
    let mut tape = Tape::new();
    let summary = scan(data, &mut tape);
    match serde_json::from_slice::<serde_json::Value>(data) {
        Ok(_) => assert!(summary.well_formed),
        // serde_json refuses depth, range and half surrogate pairs as well, which the grammar allows.
        Err(error) if error.is_eof() => assert!(!summary.well_formed || summary.depth > 100),
        Err(_) => {}
    }
    for root in tape.roots() {
        assert!(tape.range(root).end <= data.len());
    }
    let mut request = Request::new(bytes::Bytes::copy_from_slice(data));
    values(&mut request, &mut tape, Span::source(0, data.len()), &Root::json(LocationId::ROOT));
    for value in request.values().iter().take(64) {
        assert!(!request.render(value.location).is_empty());
    }
});

//! The engine's batch decoder: it never panics, stays within its caps, and what it takes survives the wire and keeps to every cap.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picket_cloud_protocol::{Signature, decode, limits};

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else { return };
    let coding: Option<&[u8]> = match first % 3 {
        0 => None,
        1 => Some(b"gzip"),
        _ => Some(b"br"),
    };
    if let Ok(batch) = decode(coding, rest) {
        assert!(batch.counts.len() <= limits::COUNTS && batch.events.len() <= limits::EVENTS);
        let sum: u64 = batch.counts.iter().map(|count| count.n).sum();
        assert!(sum <= batch.stats.inspected * limits::SIGNALS_PER_REQUEST);
        let text = serde_json::to_vec(&batch).expect("a batch is JSON");
        if text.len() <= limits::BATCH_BYTES {
            assert_eq!(decode(None, &text).as_ref(), Ok(&batch));
        }
    }
    if let Some(signature) = std::str::from_utf8(rest).ok().and_then(Signature::parse) {
        assert_eq!(Signature::parse(&signature.to_header()), Some(signature));
    }
});

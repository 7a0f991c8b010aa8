//! Reading and answering any event: no panic, one source at most, and an answer exactly where one may be given.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use picket_lambda_event::{EventReader, Mode, answer};
use picket_request::{BlockAnswer, Request};

fuzz_target!(|data: &[u8]| {
    let mut reader = EventReader::default();
    assert!(reader.recognised(data).len() <= 1);
    let mut request = Request::default();
    let envelope = reader.read(&Bytes::copy_from_slice(data), &mut request, Some(0));
    let block = BlockAnswer { status: 406, headers: Vec::new(), body: "blocked".to_owned() };
    for mode in [Mode::Buffered, Mode::Streaming] {
        assert_eq!(answer(&envelope, &block, mode).is_some(), request.event.can_block);
    }
    for value in request.values().iter().take(64) {
        assert!(!request.render(value.location).is_empty());
    }
});

//! Bodies of type `application/graphql`: whatever is put anywhere into one is part of some value.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (at, body) = picket_fuzz::number(data);
    if picket_fuzz::is_plain(body) {
        picket_fuzz::covers(b"application/graphql", body, at);
    }
});

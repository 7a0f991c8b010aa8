//! Bodies of type `application/xml`: whatever is put anywhere into one is part of some value.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (at, body) = picket_fuzz::number(data);
    if picket_fuzz::is_plain(body) {
        picket_fuzz::covers(b"application/xml", body, at);
    }
});

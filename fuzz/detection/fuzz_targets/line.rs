//! Line breaks, and what header parsers and mail servers would read after them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for detector in ["response_split", "maili"] {
        picket_fuzz_detection::look(detector, data);
    }
});

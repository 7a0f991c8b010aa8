//! Paths: every spelling of dots and slashes, walked and judged.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for detector in ["traversal", "private_file"] {
        picket_fuzz_detection::look(detector, data);
    }
});

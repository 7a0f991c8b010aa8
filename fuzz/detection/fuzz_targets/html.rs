//! HTML, URLs, styles and scripts: the tokenizers behind XSS.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| picket_fuzz_detection::look("xss", data));

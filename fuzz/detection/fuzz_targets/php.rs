//! PHP: tags, calls, variables, wrappers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| picket_fuzz_detection::look("code_injection", data));

//! SQL: the lexer and the recogniser, from every place where they start.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| picket_fuzz_detection::look("sqli", data));

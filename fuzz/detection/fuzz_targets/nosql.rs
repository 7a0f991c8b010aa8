//! Operators, predicates and commands of document and key-value stores.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| picket_fuzz_detection::look("nosqli", data));

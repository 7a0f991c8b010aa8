//! Command lines: words, separators, batch statements and cmdlets, and function imports.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for detector in ["cmdexe", "shellshock"] {
        picket_fuzz_detection::look(detector, data);
    }
});

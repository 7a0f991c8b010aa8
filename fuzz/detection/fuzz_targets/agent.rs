//! User agents, and the anomalies that a value alone decides.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for detector in ["user_agent", "scanner", "null_byte", "graphql_ide", "prompt_injection", "oob_domain", "cve"] {
        picket_fuzz_detection::look(detector, data);
    }
});

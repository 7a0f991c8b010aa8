//! URLs and the addresses behind their hosts.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for detector in ["ssrf", "aws_ssrf", "rfi", "open_redirect"] {
        picket_fuzz_detection::look(detector, data);
    }
});

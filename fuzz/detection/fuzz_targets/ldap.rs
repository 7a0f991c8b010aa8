//! LDAP filters.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| picket_fuzz_detection::look("ldapi", data));

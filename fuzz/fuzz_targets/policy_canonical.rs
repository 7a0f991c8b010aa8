//! Reading any bytes as a canonical policy: no panic, bounded memory, and what was read is written and read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picket_policy::{Policy, canonical::Canonical};

fuzz_target!(|data: &[u8]| {
    let Ok(canonical) = Canonical::read(data) else {
        assert!(Policy::read(data).is_err());
        return;
    };
    let bytes = canonical.write();
    assert_eq!(Canonical::read(&bytes).as_ref(), Ok(&canonical));
    assert_eq!(Policy::load(&canonical).is_ok(), Policy::read(&bytes).is_ok());
});

//! Whether a text can be a word of a list at all, by its first letter and its length, before it is compared with each.
//!
//! It may not know what the words mean.

/// For each first byte of the names of a list, in lower case, their lengths as bits: most names are in no list, and this
/// says so at once.
pub(crate) struct Lengths([u64; 128]);

impl Lengths {
    /// What to know of a list of names that are written in lower case.
    pub(crate) const fn of(names: &[&[u8]]) -> Self {
        let (mut lengths, mut at) = ([0; 128], 0);
        while at < names.len() {
            lengths[names[at][0] as usize & 127] |= 1 << names[at].len();
            at += 1;
        }
        Self(lengths)
    }

    /// Whether a text, in any case, may be one of the names. Names must be shorter than 64 bytes.
    pub(crate) fn may_have(&self, name: &[u8]) -> bool {
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        let lengths = self.0.get(usize::from(first)).copied().unwrap_or_default();
        name.len() < 64 && lengths >> name.len() & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_may_be_there_and_most_others_are_not() {
        static NAMES: Lengths = Lengths::of(&[b"etc", b".env", b"windows"]);
        for name in [&b"etc"[..], b"ETC", b".env", b"Windows", b"eat"] {
            assert!(NAMES.may_have(name), "{name:?}");
        }
        for name in [&b"et"[..], b"", b"api", b"\xc3\xa9tc", &[b'w'; 70]] {
            assert!(!NAMES.may_have(name), "{name:?}");
        }
    }
}

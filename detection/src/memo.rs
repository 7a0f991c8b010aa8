//! Headers that were inspected before and in which nothing was found and nothing was decoded: clients send the same user
//! agent, languages and media types with every request, and looking again cannot give anything else.
//!
//! What is remembered is compared byte by byte, so nothing can pass for something else. Only clean values are
//! remembered, and a header is inspected without regard to the rest of its request, so an outcome does not depend on what
//! was inspected before.

use crate::{Catalogue, Runtime, limits};

/// What is remembered, as a cache with one place for each hash.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// What the answers depend on besides the header.
    context: Option<(Catalogue, Runtime)>,
    slots: Vec<Slot>,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    /// The name and the value.
    bytes: Vec<u8>,
    name: usize,
    /// Whether some decoder asked for a closer look at it, so that it had a share of the fuel, of which it used nothing.
    shared: bool,
}

/// Where a header would be remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(usize);

impl Memo {
    /// Forgets everything if it was learned under other circumstances.
    pub(crate) fn prepare(&mut self, catalogue: Catalogue, runtime: Runtime) {
        if self.context != Some((catalogue, runtime)) {
            self.forget();
            self.context = Some((catalogue, runtime));
        }
    }

    /// Forgets everything.
    pub(crate) fn forget(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.bytes.clear());
    }

    /// Whether a header was clean before, and then whether it had a share of the fuel; else where to remember that it is clean, or
    /// `None` for those that are not worth it.
    pub(crate) fn find(&self, name: &[u8], value: &[u8]) -> Result<bool, Option<Place>> {
        if value.len() < limits::MEMO_SHORTEST || name.len() + value.len() > limits::MEMO_LONGEST {
            return Err(None);
        }
        let place = usize::try_from((hash(value) ^ hash(name).rotate_left(17)) >> 32).unwrap_or(0)
            % limits::MEMO_SLOTS;
        match self.slots.get(place) {
            Some(slot)
                if slot.name == name.len()
                    && slot.bytes.split_at_checked(slot.name) == Some((name, value)) =>
            {
                Ok(slot.shared)
            }
            _ => Err(Some(Place(place))),
        }
    }

    /// Remembers a clean header.
    pub(crate) fn remember(&mut self, place: Place, name: &[u8], value: &[u8], shared: bool) {
        if self.slots.is_empty() {
            self.slots.resize(limits::MEMO_SLOTS, Slot::default());
        }
        if let Some(slot) = self.slots.get_mut(place.0) {
            slot.bytes.clear();
            slot.bytes.extend_from_slice(name);
            slot.bytes.extend_from_slice(value);
            slot.name = name.len();
            slot.shared = shared;
        }
    }
}

/// A quick hash of eight bytes at a time, after FxHash.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    const SEED: u64 = 0x517c_c1b7_2722_0a95;
    let mut sum = bytes.len() as u64;
    let mut mix = |word: u64| sum = (sum.rotate_left(5) ^ word).wrapping_mul(SEED);
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        mix(u64::from_le_bytes(*chunk));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    mix(u64::from_le_bytes(last));
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_header_is_found_again() {
        let mut memo = Memo::default();
        memo.prepare(Catalogue::built_in(), Runtime::Unknown);
        let Err(Some(place)) = memo.find(b"user-agent", b"Mozilla/5.0") else { panic!("worth remembering") };
        memo.remember(place, b"user-agent", b"Mozilla/5.0", true);
        assert_eq!(memo.find(b"user-agent", b"Mozilla/5.0").ok(), Some(true));
        assert!(memo.find(b"user-agen", b"tMozilla/5.0").is_err(), "the border counts");
        assert!(memo.find(b"user-agent", b"Mozilla/5.1").is_err());
        memo.prepare(Catalogue::built_in(), Runtime::Php);
        assert!(memo.find(b"user-agent", b"Mozilla/5.0").is_err(), "learned for another target");
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        assert!(matches!(Memo::default().find(b"x", &[b'a'; 4096]), Err(None)));
        assert!(matches!(Memo::default().find(b"x", b"a"), Err(None)));
    }
}

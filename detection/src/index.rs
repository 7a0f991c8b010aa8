//! Finding a word in a table that is fixed when the program is built: an index of its words by a hash, also made then.
//!
//! Most words of a text stand in no table, and most of these end at an empty place of the index. It may not know what the
//! words mean.

/// Places of an index: a power of two, some times the number of words.
const PLACES: usize = 4096;

/// Where the words of a table stand, in the order of their hashes.
pub(crate) struct Index([u16; PLACES]);

impl Index {
    /// An index of no word.
    pub(crate) const fn new() -> Self {
        Self([0; PLACES])
    }

    /// The same with a word more, known by a number above 0.
    pub(crate) const fn with(mut self, word: &[u8], number: u16) -> Self {
        let mut place = hash(word);
        while self.0[place] != 0 {
            place = (place + 1) % PLACES;
        }
        self.0[place] = number;
        self
    }

    /// The number of the word for which `is` holds, of those whose hash is that of a text in any case.
    pub(crate) fn find(&self, text: &[u8], is: impl Fn(u16) -> bool) -> Option<u16> {
        let mut place = hash(text);
        // A table never fills its index.
        for _ in 0..PLACES {
            let number = self.0.get(place).copied().unwrap_or(0);
            if number == 0 {
                return None;
            }
            if is(number) {
                return Some(number);
            }
            place = (place + 1) % PLACES;
        }
        None
    }
}

/// FNV-1a over the lower-case letters, folded to a place.
const fn hash(text: &[u8]) -> usize {
    let (mut hash, mut at) = (0x811c_9dc5_u32, 0);
    while at < text.len() {
        hash = (hash ^ text[at].to_ascii_lowercase() as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    ((hash >> 16) ^ hash) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case_and_others_are_not() {
        static WORDS: &[&[u8]] = &[b"union", b"select", b"from"];
        static INDEX: Index = Index::new().with(WORDS[0], 1).with(WORDS[1], 2).with(WORDS[2], 3);
        let find =
            |text: &[u8]| INDEX.find(text, |number| WORDS[number as usize - 1].eq_ignore_ascii_case(text));
        assert_eq!(find(b"SELECT"), Some(2));
        assert_eq!(find(b"from"), Some(3));
        assert_eq!(find(b"unions"), None);
        assert_eq!(find(b""), None);
    }
}

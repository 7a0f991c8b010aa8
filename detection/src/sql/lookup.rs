//! Finds what a word does, in tables that are made when the program is built. It knows no grammar.

use super::words::{
    Call::{Choice, Outside, Server, Text},
    WORDS,
    Word::{
        self, As, Branch, By, Case, Catalogue, Clause, Constant, Delay, End, From, Infix, Join, Limit,
        Niladic, Object, Outfile, Prefix, Quantifier, Set, Shutdown, Suffix, Values, Where,
    },
};
use crate::index::Index;

/// Longest word of the table.
const LONGEST: usize = 32;

/// Where each word stands in [`WORDS`], counted from 1.
static INDEX: Index = {
    let (mut index, mut at) = (Index::new(), 0);
    while at < WORDS.len() {
        index = index.with(WORDS[at].0.as_bytes(), at as u16 + 1);
        at += 1;
    }
    index
};

/// For each first letter, the lengths of the words at which a statement or a part of one can begin, as bits: of prose most words are
/// none of them, and are told from these without being looked up.
static BEGINNINGS: [u64; 26] = {
    let (mut lengths, mut at) = ([0; 26], 0);
    while at < WORDS.len() {
        let (name, word) = (WORDS[at].0.as_bytes(), WORDS[at].1);
        let begins = !matches!(
            word,
            Word::Plain
                | Prefix
                | Constant
                | Niladic
                | Infix
                | Suffix
                | Quantifier
                | From
                | Where
                | By
                | Limit
                | Outfile
                | Join
                | As
                | Case
                | Branch
                | End
                | Set
                | Values
                | Clause
                | Delay
                | Shutdown
                | Object
                | Catalogue
                | Word::Call(Server | Text | Choice)
                | Word::Dual
                | Word::Objects
                | Word::Analyse
        );
        if begins {
            lengths[(name[0] - b'a') as usize] |= 1 << name.len();
        }
        at += 1;
    }
    lengths
};

/// What a word does at which something may begin; a word that begins nothing may be [`Word::Plain`] here.
pub(crate) fn beginning(text: &[u8]) -> Word {
    let Some(first) = text.first() else { return Word::Plain };
    let letter = usize::from(first.to_ascii_lowercase().wrapping_sub(b'a'));
    let lengths = BEGINNINGS.get(letter).copied().unwrap_or(0);
    if text.len() <= LONGEST && lengths >> text.len() & 1 == 1 { word(text) } else { family(text) }
}

/// What a word does. `text` is in any case.
pub(crate) fn word(text: &[u8]) -> Word {
    if text.len() > LONGEST || !text.first().is_some_and(u8::is_ascii_alphabetic) {
        return Word::Plain;
    }
    let named = |number: u16| WORDS.get(usize::from(number) - 1);
    let is = |number| named(number).is_some_and(|(name, _)| name.as_bytes().eq_ignore_ascii_case(text));
    INDEX.find(text, is).and_then(named).map_or_else(|| family(text), |&(_, word)| word)
}

/// Words that are known by how they begin: the packages and procedures that servers come with.
fn family(text: &[u8]) -> Word {
    const FAMILIES: &[(&str, Word)] = &[
        ("xp_", Word::Call(Outside)),
        ("sp_", Word::Call(Server)),
        ("utl_", Word::Call(Outside)),
        ("dbms_", Word::Call(Server)),
        ("ctxsys", Word::Call(Outside)),
    ];
    if !matches!(text.first(), Some(b'x' | b's' | b'u' | b'd' | b'c' | b'X' | b'S' | b'U' | b'D' | b'C')) {
        return Word::Plain;
    }
    let known = |&&(start, _): &&(&str, Word)| {
        text.get(..start.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(start.as_bytes()))
    };
    FAMILIES.iter().find(known).map_or(Word::Plain, |&(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_word_is_found() {
        assert!(WORDS.is_sorted_by(|a, b| a.0 < b.0));
        for (name, known) in WORDS {
            assert!(name.len() <= LONGEST, "{name}");
            assert_eq!(word(name.to_ascii_uppercase().as_bytes()), *known, "{name}");
        }
        assert_eq!(word(b"shakespeare"), Word::Plain);
        assert_eq!(word(b"xp_dirtree"), Word::Call(Outside));
    }
}

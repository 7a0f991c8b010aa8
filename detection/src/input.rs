//! What a detector gets to see: one view of one value, and what surrounds it.

use std::cell::OnceCell;

use picket_request::{Place, Request};

use crate::{Chain, Classes, Profile};

/// One view of one value.
#[derive(Debug)]
pub struct Input<'a> {
    /// The view: the value after the decoders of `chain` were undone.
    pub bytes: &'a [u8],
    /// Which classes of bytes occur in it.
    pub classes: Classes,
    /// What kind of place the value stood in.
    pub place: Place,
    /// The parameter, header, cookie or nearest JSON key; empty where there is none.
    pub name: &'a [u8],
    /// The decoders that were undone.
    pub chain: Chain,
    /// What is known of the target.
    pub profile: &'a Profile,
    /// The request that the value came in, where the value alone does not decide.
    pub request: Option<&'a Request>,
    shape: OnceCell<Shape>,
}

/// What kind of text a view is, as far as that speaks for or against an attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Words of letters.
    pub words: u32,
    /// Words of those that hold sentences together (`the`, `and`, `of` …).
    pub function_words: u32,
    /// Ends of sentences: a mark, white space, a capital letter.
    pub sentences: u32,
    /// Lines.
    pub lines: u32,
    /// Whether it has Markdown fences or `<pre>`.
    pub fenced: bool,
}

impl Shape {
    /// Whether it reads as prose: several words, held together as sentences are.
    #[must_use]
    pub const fn is_prose(&self) -> bool {
        self.words >= 6 && self.function_words * 6 >= self.words
    }
}

impl<'a> Input<'a> {
    /// A view.
    #[must_use]
    pub fn new(bytes: &'a [u8], place: Place, name: &'a [u8], chain: Chain, profile: &'a Profile) -> Self {
        Self::seen(bytes, Classes::of(bytes), place, name, chain, profile)
    }

    /// A view whose classes are known.
    pub(crate) const fn seen(
        bytes: &'a [u8],
        classes: Classes,
        place: Place,
        name: &'a [u8],
        chain: Chain,
        profile: &'a Profile,
    ) -> Self {
        Self { bytes, classes, place, name, chain, profile, request: None, shape: OnceCell::new() }
    }

    /// The same view, in its request.
    pub(crate) const fn within(mut self, request: &'a Request) -> Self {
        self.request = Some(request);
        self
    }

    /// What kind of text it is; computed when first asked for.
    #[must_use]
    pub fn shape(&self) -> Shape {
        *self.shape.get_or_init(|| shape_of(self.bytes))
    }
}

/// A word of at most five letters as one number, in lower case.
const fn packed(word: &[u8]) -> u64 {
    let (mut sum, mut at) = (0, 0);
    while at < word.len() {
        sum = sum << 8 | word[at].to_ascii_lowercase() as u64;
        at += 1;
    }
    sum
}

/// Words that hold sentences together, by length: those of one letter first.
static FUNCTION_WORDS: [&[u64]; 5] = [
    &[packed(b"a"), packed(b"i")],
    &[
        packed(b"an"),
        packed(b"of"),
        packed(b"to"),
        packed(b"in"),
        packed(b"is"),
        packed(b"it"),
        packed(b"on"),
        packed(b"as"),
        packed(b"be"),
        packed(b"we"),
        packed(b"my"),
        packed(b"he"),
        packed(b"by"),
        packed(b"at"),
        packed(b"if"),
        packed(b"so"),
        packed(b"do"),
        packed(b"me"),
        packed(b"us"),
    ],
    &[
        packed(b"the"),
        packed(b"and"),
        packed(b"for"),
        packed(b"was"),
        packed(b"are"),
        packed(b"you"),
        packed(b"our"),
        packed(b"she"),
        packed(b"has"),
        packed(b"had"),
        packed(b"not"),
        packed(b"but"),
        packed(b"can"),
    ],
    &[
        packed(b"that"),
        packed(b"with"),
        packed(b"this"),
        packed(b"your"),
        packed(b"they"),
        packed(b"have"),
        packed(b"will"),
    ],
    &[packed(b"their"), packed(b"would")],
];

fn is_function_word(word: &[u8]) -> bool {
    let known = word.len().checked_sub(1).and_then(|index| FUNCTION_WORDS.get(index));
    known.is_some_and(|known| known.contains(&packed(word)))
}

fn shape_of(bytes: &[u8]) -> Shape {
    let mut shape = Shape { lines: 1, ..Shape::default() };
    for word in bytes.split(|byte| !byte.is_ascii_alphabetic() && *byte < 0x80 && *byte != b'\'') {
        if word.is_empty() {
            continue;
        }
        shape.words += 1;
        if is_function_word(word) {
            shape.function_words += 1;
        }
    }
    for at in memchr::memchr3_iter(b'.', b'!', b'?', bytes) {
        if let Some([blank, next]) = bytes.get(at + 1..at + 3)
            && blank.is_ascii_whitespace()
            && next.is_ascii_uppercase()
        {
            shape.sentences += 1;
        }
    }
    shape.fenced = memchr::memmem::find(bytes, b"```").is_some()
        || memchr::memchr_iter(b'<', bytes)
            .any(|at| bytes.get(at + 1..at + 3).is_some_and(|tag| tag.eq_ignore_ascii_case(b"pr")));
    shape.lines += u32::try_from(memchr::memchr_iter(b'\n', bytes).count()).unwrap_or(u32::MAX - 1);
    shape
}

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

fn shape_of(bytes: &[u8]) -> Shape {
    const FUNCTION_WORDS: &[&[u8]] = &[
        b"a", b"an", b"the", b"and", b"of", b"to", b"in", b"is", b"it", b"that", b"for", b"on", b"with",
        b"as", b"was", b"are", b"be", b"this", b"you", b"your", b"we", b"our", b"i", b"my", b"he", b"she",
        b"they", b"their", b"have", b"has", b"had", b"not", b"but", b"by", b"at", b"can", b"will", b"would",
        b"if", b"so", b"do", b"me", b"us",
    ];
    let mut shape = Shape { lines: 1, ..Shape::default() };
    for word in bytes.split(|byte| !byte.is_ascii_alphabetic() && *byte < 0x80 && *byte != b'\'') {
        if word.is_empty() {
            continue;
        }
        shape.words += 1;
        if word.len() <= 5 && FUNCTION_WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            shape.function_words += 1;
        }
    }
    for window in bytes.windows(3) {
        if matches!(window[0], b'.' | b'!' | b'?')
            && window[1].is_ascii_whitespace()
            && window[2].is_ascii_uppercase()
        {
            shape.sentences += 1;
        }
        if window == b"```" || window.eq_ignore_ascii_case(b"<pr") {
            shape.fenced = true;
        }
    }
    shape.lines += u32::try_from(memchr::memchr_iter(b'\n', bytes).count()).unwrap_or(u32::MAX - 1);
    shape
}

//! Which decoders were undone, in order, to get from a value to the view that was inspected.

use crate::limits;

macro_rules! decoders {
    ($($(#[doc = $doc:literal])+ $variant:ident = $id:literal,)+) => {
        /// A decoder that a target, or something in front of it, may apply to a value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Decoder { $($(#[doc = $doc])+ $variant,)+ }

        impl Decoder {
            /// Every decoder.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// The stable id, as it stands in a signal's decode chain.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)+ }
            }
        }
    };
}

decoders! {
    /// `%41`, also where it stands once more inside a value that was decoded already.
    Percent = "percent",
    /// `%u0041` (IIS).
    PercentU = "percent-u",
    /// `+` as a space.
    Plus = "plus",
    /// `&lt;`, `&#60;`, `&#x3c;`.
    HtmlEntity = "html-entity",
    /// `\u0041`, `\x41`, `\101`, `\n` as JSON, JavaScript and C have them.
    Backslash = "backslash",
    /// Base64 or base64url that decodes to text.
    Base64 = "base64",
    /// Hexadecimal text: `0x414243` or a long run of hex digits.
    Hex = "hex",
    /// UTF-8 in overlong form, as lenient decoders read it.
    OverlongUtf8 = "overlong-utf8",
    /// UTF-7, UTF-16 and other encodings of whole texts.
    Charset = "charset",
    /// Full-width and confusable characters folded to ASCII.
    Width = "width",
    /// NUL and invisible characters left out.
    Invisible = "invisible",
    /// Comments left out, white space folded.
    Comments = "comments",
    /// A serialised text in a text: JSON in a string.
    Nested = "nested",
    /// The last part of a URL found in a value.
    Url = "url",
    /// Long harmless text around the rest left out.
    Padding = "padding",
    /// Code in a block that begins by leaving a context.
    CodeBlock = "code-block",
}

/// A decode chain: at most [`limits::CHAIN`] decoders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Chain {
    steps: [Option<Decoder>; limits::CHAIN],
}

impl Chain {
    /// The chain with one more decoder, or `None` where it is full.
    #[must_use]
    pub fn then(mut self, decoder: Decoder) -> Option<Self> {
        *self.steps.iter_mut().find(|step| step.is_none())? = Some(decoder);
        Some(self)
    }

    /// The decoders in the order in which they were undone.
    pub fn iter(&self) -> impl Iterator<Item = Decoder> + '_ {
        self.steps.iter().map_while(|step| *step)
    }

    /// How many decoders were undone.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether the view is the value itself.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps[0].is_none()
    }

    /// Whether a decoder was undone.
    #[must_use]
    pub fn contains(&self, decoder: Decoder) -> bool {
        self.iter().any(|step| step == decoder)
    }
}

//! The tokens of SQL.

use super::words::Word;

/// One token, by offsets into the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A number in any notation.
    Number,
    /// A string; `open` where the value ends inside it.
    Text { quote: u8, open: bool },
    /// A word with what it does.
    Word(Word),
    /// A name in backticks or brackets.
    Name,
    /// `@x`, `@@x`, `:x`, `?`.
    Variable,
    /// An operator.
    Operator(Operator),
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// `.`
    Dot,
    /// `{`
    Brace,
    /// `}`
    Unbrace,
    /// A comment that reaches the end of the value.
    Comment,
    /// The end of the value.
    End,
    /// Something that SQL has no token for.
    Bad,
}

/// What an operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `=`, `<`, `<>`, `@>`, `~*` …
    Compare,
    /// `||`, which some dialects read as concatenation and others as `or`.
    Pipes,
    /// `&&`
    And,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Star,
    /// `/`, `%`, `^`, `&`, `|`, `<<` …
    Arithmetic,
    /// `~`, `!`
    Unary,
    /// `:=`
    Assign,
    /// `::`
    Cast,
}

//! One pass over each view: which classes of bytes occur, so that most detectors need not look.

/// A class of bytes, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Class {
    /// `a`–`z`, `A`–`Z`.
    Letter = 1,
    /// `0`–`9`.
    Digit = 1 << 1,
    /// Space.
    Space = 1 << 2,
    /// Tab, vertical tab, form feed.
    Tab = 1 << 3,
    /// Carriage return, line feed.
    Newline = 1 << 4,
    /// NUL and other control bytes.
    Control = 1 << 5,
    /// Bytes from 0x80.
    High = 1 << 6,
    /// `'`
    SingleQuote = 1 << 7,
    /// `"`
    DoubleQuote = 1 << 8,
    /// `` ` ``
    Backtick = 1 << 9,
    /// `<` and `>`
    Angle = 1 << 10,
    /// `(` and `)`
    Paren = 1 << 11,
    /// `[` and `]`
    Bracket = 1 << 12,
    /// `{` and `}`
    Brace = 1 << 13,
    /// `;`
    Semicolon = 1 << 14,
    /// `&`
    Ampersand = 1 << 15,
    /// `|`
    Pipe = 1 << 16,
    /// `$`
    Dollar = 1 << 17,
    /// `%`
    Percent = 1 << 18,
    /// `\`
    Backslash = 1 << 19,
    /// `/`
    Slash = 1 << 20,
    /// `.`
    Dot = 1 << 21,
    /// `:`
    Colon = 1 << 22,
    /// `=`
    Equals = 1 << 23,
    /// `#`
    Hash = 1 << 24,
    /// `-`
    Dash = 1 << 25,
    /// `*`
    Star = 1 << 26,
    /// `+`
    Plus = 1 << 27,
    /// `@`
    At = 1 << 28,
    /// `!`, `^` and `~`
    Bang = 1 << 29,
    /// `,`, `_` and `?`
    Mark = 1 << 30,
}

/// The classes that occur in a view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes(u32);

impl Classes {
    /// The classes of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(0, |seen, &byte| seen | CLASS_OF[byte as usize]))
    }

    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    /// Whether a class occurs.
    #[must_use]
    pub const fn has(self, class: Class) -> bool {
        self.0 & class as u32 != 0
    }

    /// Whether any of several classes occurs.
    #[must_use]
    pub fn any(self, classes: &[Class]) -> bool {
        classes.iter().any(|&class| self.has(class))
    }

    /// Whether only those classes occur.
    #[must_use]
    pub fn only(self, classes: &[Class]) -> bool {
        self.0 & !classes.iter().fold(0, |bits, &class| bits | class as u32) == 0
    }
}

pub(crate) static CLASS_OF: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = class_of(byte as u8) as u32;
        byte += 1;
    }
    table
}

const fn class_of(byte: u8) -> Class {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
        b'0'..=b'9' => Class::Digit,
        b' ' => Class::Space,
        b'\t' | 0x0b | 0x0c => Class::Tab,
        b'\r' | b'\n' => Class::Newline,
        0..=0x1f | 0x7f => Class::Control,
        0x80.. => Class::High,
        b'\'' => Class::SingleQuote,
        b'"' => Class::DoubleQuote,
        b'`' => Class::Backtick,
        b'<' | b'>' => Class::Angle,
        b'(' | b')' => Class::Paren,
        b'[' | b']' => Class::Bracket,
        b'{' | b'}' => Class::Brace,
        b';' => Class::Semicolon,
        b'&' => Class::Ampersand,
        b'|' => Class::Pipe,
        b'$' => Class::Dollar,
        b'%' => Class::Percent,
        b'\\' => Class::Backslash,
        b'/' => Class::Slash,
        b'.' => Class::Dot,
        b':' => Class::Colon,
        b'=' => Class::Equals,
        b'#' => Class::Hash,
        b'-' => Class::Dash,
        b'*' => Class::Star,
        b'+' => Class::Plus,
        b'@' => Class::At,
        b'!' | b'^' | b'~' => Class::Bang,
        b',' | b'_' | b'?' => Class::Mark,
    }
}

//! A lexer for JavaScript (ECMA-262, section 12) that accepts fragments: an unclosed string ends with the text.

use std::ops::Range;

/// A token of JavaScript, as a range of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// An identifier or a keyword.
    Name(Range<usize>),
    /// A quoted string; the range is without its quotes.
    Text(Range<usize>),
    /// A template literal without its backticks.
    Template(Range<usize>),
    /// A number.
    Number(Range<usize>),
    /// A regular expression without its slashes.
    Regex(Range<usize>),
    /// Any other byte.
    Mark(u8, usize),
}

/// Cuts a script into tokens and leaves comments and white space out.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether a slash divides rather than begins a regular expression.
    after_value: bool,
}

impl<'a> Lexer<'a> {
    /// Starts at offset `at`.
    pub(crate) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, after_value: false }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next token.
    pub(crate) fn next_token(&mut self) -> Option<Token> {
        self.skip_blank();
        let rest = self.rest();
        let &first = rest.first()?;
        let start = self.at;
        let token = match first {
            b'"' | b'\'' => {
                let range = self.quoted(first);
                Token::Text(range)
            }
            b'`' => {
                let range = self.quoted(b'`');
                Token::Template(range)
            }
            b'0'..=b'9' => {
                self.at +=
                    rest.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(rest.len());
                Token::Number(start..self.at)
            }
            b'/' if !self.after_value => match regex_end(rest) {
                Some(length) => {
                    self.at += length;
                    let flags = self.rest().iter().take_while(|b| b.is_ascii_alphabetic()).count();
                    self.at += flags;
                    Token::Regex(start + 1..start + length - 1)
                }
                None => {
                    self.at += 1;
                    Token::Mark(b'/', start)
                }
            },
            _ if is_name_start(rest) => {
                self.at += name_length(rest);
                Token::Name(start..self.at)
            }
            mark => {
                self.at += 1;
                Token::Mark(mark, start)
            }
        };
        self.after_value = match &token {
            Token::Mark(mark, _) => matches!(mark, b')' | b']' | b'}'),
            Token::Name(range) => !matches!(
                self.bytes.get(range.clone()).unwrap_or_default(),
                b"return"
                    | b"typeof"
                    | b"throw"
                    | b"in"
                    | b"of"
                    | b"new"
                    | b"delete"
                    | b"void"
                    | b"case"
                    | b"do"
                    | b"else"
            ),
            _ => true,
        };
        Some(token)
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            match rest {
                [b, ..] if b.is_ascii_whitespace() || *b == 0x0b || *b == 0 => self.at += 1,
                // No-break space, line and paragraph separator, byte order mark.
                [0xc2, 0xa0, ..] => self.at += 2,
                [0xe2, 0x80, 0xa8 | 0xa9, ..] | [0xef, 0xbb, 0xbf, ..] => self.at += 3,
                [b'/', b'*', ..] => {
                    let inner = rest.get(2..).unwrap_or_default();
                    self.at += memchr::memmem::find(inner, b"*/").map_or(rest.len(), |at| at + 4);
                }
                [b'/', b'/', ..] | [b'<', b'!', b'-', b'-', ..] => {
                    self.at += rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> Range<usize> {
        let start = self.at + 1;
        let mut at = start;
        while let Some(&byte) = self.bytes.get(at) {
            if byte == quote || (quote != b'`' && byte == b'\n') {
                self.at = at + 1;
                return start..at;
            }
            at += if byte == b'\\' { 2 } else { 1 };
        }
        self.at = self.bytes.len();
        start.min(self.at)..self.at
    }
}

/// The length of a regular expression literal with both slashes, if it ends on its line.
fn regex_end(rest: &[u8]) -> Option<usize> {
    // Longer ones are rare, and a bound keeps a row of lone slashes linear.
    const LONGEST: usize = 256;
    let (mut at, mut in_class) = (1, false);
    while let Some(&byte) = rest.get(at).filter(|_| at < LONGEST) {
        match byte {
            b'\n' | b'\r' => return None,
            b'\\' => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'/' if !in_class => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

fn is_name_start(rest: &[u8]) -> bool {
    match rest {
        [b'\\', b'u', ..] => true,
        [b, ..] => b.is_ascii_alphabetic() || matches!(b, b'_' | b'$' | b'#') || *b >= 0x80,
        [] => false,
    }
}

fn name_length(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = rest.get(at) {
        if byte == b'\\' && rest.get(at + 1) == Some(&b'u') {
            at += 2;
            if rest.get(at) == Some(&b'{') {
                at += 1;
            }
        } else if byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'$')
            || byte >= 0x80
            || at == 0
            || byte == b'}' && rest.get(..at).is_some_and(ends_in_braced_escape)
        {
            at += 1;
        } else {
            break;
        }
    }
    at
}

fn ends_in_braced_escape(text: &[u8]) -> bool {
    let tail = text.get(text.len().saturating_sub(9)..).unwrap_or_default();
    memchr::memmem::rfind(tail, b"\\u{")
        .is_some_and(|at| tail.get(at + 3..).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)))
}

/// Writes a name or a string's text with its escapes undone into `out` and returns how much of it was used; text that
/// does not fit is cut, because only short names mean something.
pub(crate) fn unescape_into(text: &[u8], out: &mut [u8]) -> usize {
    let (mut at, mut used) = (0, 0);
    while at < text.len() && used < out.len() {
        let rest = text.get(at..).unwrap_or_default();
        let (byte, length) = match rest {
            [b'\\', b'u', b'{', digits @ ..] => {
                let count = digits.iter().take(8).take_while(|b| b.is_ascii_hexdigit()).count();
                (hex(digits.get(..count).unwrap_or_default()), 4 + count)
            }
            [b'\\', b'u', digits @ ..] => (hex(digits.get(..4).unwrap_or_default()), 6),
            [b'\\', b'x', digits @ ..] => (hex(digits.get(..2).unwrap_or_default()), 4),
            [b'\\', b'0'..=b'7', ..] => {
                let count = rest[1..].iter().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
                let value =
                    rest[1..=count].iter().fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
                (u8::try_from(value).ok(), 1 + count)
            }
            [b'\\', b'\n', ..] => {
                at += 2;
                continue;
            }
            [b'\\', escaped, ..] => (Some(*escaped), 2),
            [byte, ..] => (Some(*byte), 1),
            [] => break,
        };
        at += length;
        out[used] = byte.unwrap_or(b'?');
        used += 1;
    }
    used
}

fn hex(digits: &[u8]) -> Option<u8> {
    let mut value = 0_u32;
    for &digit in digits {
        value = value * 16 + char::from(digit).to_digit(16)?;
    }
    u8::try_from(value).ok().filter(|_| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> String {
        let mut lexer = Lexer::new(text.as_bytes(), 0);
        let part = |range: Range<usize>| text.get(range).unwrap();
        let mut out = String::new();
        while let Some(token) = lexer.next_token() {
            match token {
                Token::Name(r) => out.push_str(&format!("n:{} ", part(r))),
                Token::Text(r) => out.push_str(&format!("s:{} ", part(r))),
                Token::Template(r) => out.push_str(&format!("t:{} ", part(r))),
                Token::Number(r) => out.push_str(&format!("d:{} ", part(r))),
                Token::Regex(r) => out.push_str(&format!("r:{} ", part(r))),
                Token::Mark(m, _) => out.push_str(&format!("{} ", char::from(m))),
            }
        }
        out.trim_end().to_owned()
    }

    #[test]
    fn tokens_of_a_script() {
        assert_eq!(kinds("a/*x*/.b('c\\'d')//e"), "n:a . n:b ( s:c\\'d )");
        assert_eq!(kinds("x=/a[/]b/g;y/2"), "n:x = r:a[/]b ; n:y / d:2");
        assert_eq!(kinds("\\u0061lert`1`"), "n:\\u0061lert t:1");
        assert_eq!(kinds("\\u{61}lert(1)"), "n:\\u{61}lert ( d:1 )");
    }

    #[test]
    fn escapes_are_undone() {
        let mut out = [0; 16];
        let used = unescape_into(b"\\x61\\u006c\\u{65}\\162t", &mut out);
        assert_eq!(&out[..used], b"alert");
    }

    #[test]
    fn hostile_repetition_ends() {
        for unit in ["/", "'", "`", "\\u", "/*", "\\", "[/", "\u{e9}"] {
            let text = unit.repeat(65_536 / unit.len());
            let mut lexer = Lexer::new(text.as_bytes(), 0);
            let mut steps = 0;
            while lexer.next_token().is_some() {
                steps += 1;
                assert!(steps <= text.len());
            }
        }
    }
}

//! The HTML5 tokenizer (WHATWG HTML, section 13.2.5), from each state in which a value can land.
//!
//! It differs from the standard where a value is a fragment of unknown surroundings: of the raw-text elements only
//! `script` hides markup, because `style`, `title` and `textarea` do not inside SVG or MathML, and a `<` followed by a
//! letter inside a tag starts a new one. It knows bytes and states, and nothing of what is dangerous.

use std::ops::Range;

/// Where in a page the value lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Between tags.
    Data,
    /// Inside a tag, where an attribute name may stand.
    Tag,
    /// Inside an unquoted attribute value.
    UnquotedValue,
}

/// A piece of markup. Ranges are offsets into the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Character data.
    Text(Range<usize>),
    /// The name of a start tag; its attributes follow.
    Open(Range<usize>),
    /// An attribute of the open tag.
    Attribute {
        /// Its name, without leading quotes, slashes and control characters.
        name: Range<usize>,
        /// Its value without quotes; empty where it has none.
        value: Range<usize>,
        /// Whether the closing quote, or what ends an unquoted value, was seen.
        closed: bool,
    },
    /// The end of the open tag; `false` where the value ended first.
    Close(bool),
    /// An end tag's name.
    End(Range<usize>),
    /// The text of a script element.
    Script(Range<usize>),
    /// A comment, a declaration or a processing instruction.
    Bogus(Range<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Data,
    Tag,
    Script,
    Done,
}

/// Cuts a value into tokens, each byte looked at a bounded number of times.
#[derive(Debug)]
pub(crate) struct Tokenizer<'a> {
    bytes: &'a [u8],
    at: usize,
    state: State,
    in_script: bool,
    /// No comment end, and no script end, occurs from here on, so that neither is sought again.
    unclosed: (bool, bool),
}

impl<'a> Tokenizer<'a> {
    /// Starts at offset `at` of the value.
    pub(crate) fn new(bytes: &'a [u8], at: usize, start: Start) -> Self {
        let mut this = Self { bytes, at, state: State::Data, in_script: false, unclosed: (false, false) };
        match start {
            Start::Data => {}
            Start::Tag => this.state = State::Tag,
            Start::UnquotedValue => {
                this.at +=
                    this.rest().iter().position(|&b| is_space(b) || b == b'>').unwrap_or(this.rest().len());
                this.state = State::Tag;
            }
        }
        this
    }

    /// The offset up to which the value has been read.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// The next token.
    pub(crate) fn next_token(&mut self) -> Option<Token> {
        match self.state {
            State::Data => self.data(),
            State::Tag => self.tag(),
            State::Script => Some(self.script()),
            State::Done => None,
        }
    }

    fn data(&mut self) -> Option<Token> {
        let rest = self.rest();
        if rest.is_empty() {
            self.state = State::Done;
            return None;
        }
        if rest[0] != b'<' {
            let length = memchr::memchr(b'<', rest).unwrap_or(rest.len());
            self.at += length;
            return Some(Token::Text(self.at - length..self.at));
        }
        match self.peek(1) {
            Some(letter) if letter.is_ascii_alphabetic() => Some(self.open()),
            // Old browsers skip a NUL; U+017F folds to `s` in upper case.
            Some(0) if self.peek(2).is_some_and(|b| b.is_ascii_alphabetic()) => {
                self.at += 1;
                Some(self.open())
            }
            Some(0xc5) if self.peek(2) == Some(0xbf) => Some(self.open()),
            Some(b'/') if self.peek(2).is_some_and(|b| b.is_ascii_alphabetic()) => {
                let start = self.at + 2;
                let end = start + name_length(self.bytes.get(start..).unwrap_or_default());
                let close = self.bytes.get(end..).unwrap_or_default();
                self.at = end + memchr::memchr(b'>', close).map_or(close.len(), |at| at + 1);
                Some(Token::End(start..end))
            }
            Some(b'!' | b'?' | b'/') => Some(self.bogus()),
            _ => {
                self.at += 1;
                Some(Token::Text(self.at - 1..self.at))
            }
        }
    }

    fn open(&mut self) -> Token {
        let start = self.at + 1;
        let name = self.bytes.get(start..).unwrap_or_default();
        let end = start + name_length(name);
        self.at = end;
        self.state = State::Tag;
        let name = self.bytes.get(start..end).unwrap_or_default();
        self.in_script = is_script_name(name);
        Token::Open(start..end)
    }

    fn bogus(&mut self) -> Token {
        let start = self.at;
        let rest = self.rest();
        // What is inside a CDATA section or a conditional comment is read as markup by those that know them.
        if rest.starts_with(b"<![CDATA[") {
            self.at += 9;
        } else if rest.starts_with(b"<!--[if") {
            self.at += memchr::memchr(b']', rest).map_or(7, |at| at + 1);
            self.at += usize::from(self.peek(0) == Some(b'>'));
        } else if rest.starts_with(b"<!-->") || rest.starts_with(b"<!--->") {
            self.at += 5;
        } else if rest.starts_with(b"<!--") {
            let inner = rest.get(4..).unwrap_or_default();
            let found = if self.unclosed.0 { None } else { comment_end(inner) };
            self.unclosed.0 |= found.is_none();
            self.at += found.map_or(4, |at| at + 4);
        } else if matches!(rest.get(1..3), Some(b"!<" | b"/<")) {
            // A filter that takes the mark out leaves the tag.
            self.at += 2;
        } else {
            self.at += memchr::memchr(b'>', rest).map_or(rest.len(), |at| at + 1);
        }
        Token::Bogus(start..self.at)
    }

    fn tag(&mut self) -> Option<Token> {
        while self.peek(0).is_some_and(|b| is_space(b) || b == b'/') {
            self.at += 1;
        }
        let Some(first) = self.peek(0) else {
            self.state = State::Done;
            return Some(Token::Close(false));
        };
        if first == b'>' {
            self.at += 1;
            self.state = if self.in_script { State::Script } else { State::Data };
            return Some(Token::Close(true));
        }
        let ends_element = || {
            let name = self.bytes.get(self.at + 2..).unwrap_or_default();
            name.get(name_length(name.get(..name.len().min(64)).unwrap_or_default())) == Some(&b'>')
        };
        if first == b'<'
            && self.peek(1).is_some_and(|b| b.is_ascii_alphabetic() || b == b'/' && ends_element())
        {
            self.state = State::Data;
            return Some(Token::Close(false));
        }
        // A leading `=` belongs to the name.
        let rest = self.rest();
        let length = 1 + rest[1..]
            .iter()
            .position(|&b| is_space(b) || matches!(b, b'/' | b'>' | b'='))
            .unwrap_or(rest.len() - 1);
        let junk = rest[..length]
            .iter()
            .take_while(|&&b| {
                matches!(b, b'"' | b'\'' | b'`' | b'\\' | b'=' | b',' | b';') || !(0x20..0x7f).contains(&b)
            })
            .count();
        let name = self.at + junk..self.at + length;
        self.at += length;
        let mut ahead = 0;
        while self.peek(ahead).is_some_and(is_space) {
            ahead += 1;
        }
        if self.peek(ahead) != Some(b'=') {
            let end = name.end;
            return Some(Token::Attribute { name, value: end..end, closed: true });
        }
        self.at += ahead + 1;
        while self.peek(0).is_some_and(is_space) {
            self.at += 1;
        }
        let rest = self.rest();
        let (value, closed) = match self.peek(0) {
            Some(quote @ (b'"' | b'\'')) => {
                let start = self.at + 1;
                let found = memchr::memchr(quote, rest.get(1..).unwrap_or_default());
                let end = found.map_or(self.bytes.len(), |length| start + length);
                self.at = found.map_or(end, |_| end + 1);
                (start..end, found.is_some())
            }
            _ => {
                let found = rest.iter().position(|&b| is_space(b) || b == b'>');
                let start = self.at;
                self.at += found.unwrap_or(rest.len());
                (start..self.at, found.is_some())
            }
        };
        Some(Token::Attribute { name, value, closed })
    }

    fn script(&mut self) -> Token {
        let rest = self.rest();
        let found = if self.unclosed.1 { None } else { script_end(rest) };
        self.unclosed.1 |= found.is_none();
        let start = self.at;
        self.at += found.unwrap_or(rest.len());
        self.state = State::Data;
        self.in_script = false;
        Token::Script(start..self.at)
    }
}

/// Whether a byte separates attributes.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

fn name_length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|&b| is_space(b) || matches!(b, b'/' | b'>' | b'<' | b'"' | b'\'') || b < 0x20)
        .unwrap_or(bytes.len())
}

/// Whether an element's text is script, also with a namespace prefix or the letters that fold to `s`.
fn is_script_name(name: &[u8]) -> bool {
    let local = name.rsplit(|&b| b == b':').next().unwrap_or(name);
    local.eq_ignore_ascii_case(b"script")
        || is_cut_script(local)
        || local.strip_prefix("ſ".as_bytes()).is_some_and(|rest| rest.eq_ignore_ascii_case(b"cript"))
}

/// Whether a name is `script` once NULs are left out, as old browsers do.
pub(super) fn is_cut_script(name: &[u8]) -> bool {
    memchr::memchr(0, name).is_some()
        && name.len() < 16
        && name.iter().filter(|&&b| b != 0).map(u8::to_ascii_lowercase).eq(*b"script")
}

fn comment_end(inner: &[u8]) -> Option<usize> {
    memchr::memmem::find(inner, b"--").and_then(|first| {
        let mut at = first;
        loop {
            let rest = inner.get(at..)?;
            if rest.starts_with(b"-->") {
                return Some(at + 3);
            }
            if rest.starts_with(b"--!>") {
                return Some(at + 4);
            }
            at += 1 + memchr::memmem::find(rest.get(1..)?, b"--")?;
        }
    })
}

fn script_end(text: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(text, b"</")
        .find(|&at| text.get(at + 2..at + 8).is_some_and(|name| name.eq_ignore_ascii_case(b"script")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str, start: Start) -> Vec<String> {
        let mut tokenizer = Tokenizer::new(text.as_bytes(), 0, start);
        let part = |range: Range<usize>| text.get(range).unwrap();
        let mut out = Vec::new();
        while let Some(token) = tokenizer.next_token() {
            out.push(match token {
                Token::Text(r) => format!("text {}", part(r)),
                Token::Open(r) => format!("open {}", part(r)),
                Token::Attribute { name, value, .. } => format!("{}={}", part(name), part(value)),
                Token::Close(whole) => format!("close {whole}"),
                Token::End(r) => format!("end {}", part(r)),
                Token::Script(r) => format!("script {}", part(r)),
                Token::Bogus(r) => format!("bogus {}", part(r)),
            });
            assert!(out.len() < 1000);
        }
        out
    }

    #[test]
    fn tags_attributes_and_script_text() {
        assert_eq!(
            tokens("a<img src=x\nonerror='f(1)'/title>b<script x>1<2</script >", Start::Data),
            [
                "text a",
                "open img",
                "src=x",
                "onerror=f(1)",
                "title=",
                "close true",
                "text b",
                "open script",
                "x=",
                "close true",
                "script 1<2",
                "end script"
            ]
        );
    }

    #[test]
    fn a_value_that_lands_in_a_tag() {
        assert_eq!(tokens("\"onx=1 y>z", Start::Tag), ["onx=1", "y=", "close true", "text z"]);
        assert_eq!(tokens("v onx=1", Start::UnquotedValue), ["onx=1", "close false"]);
    }

    #[test]
    fn comments_end_where_the_standard_says() {
        assert_eq!(tokens("<!--<a>--!><b>", Start::Data), ["bogus <!--<a>--!>", "open b", "close true"]);
        assert_eq!(tokens("<!--><b>", Start::Data), ["bogus <!-->", "open b", "close true"]);
    }

    #[test]
    fn hostile_repetition_is_read_once() {
        for unit in ["<", "<a ", "<!--", "<script>", "<a b='", "</", "<a =", "<!--[if "] {
            let text = unit.repeat(65_536 / unit.len());
            let mut tokenizer = Tokenizer::new(text.as_bytes(), 0, Start::Data);
            let mut steps = 0;
            while tokenizer.next_token().is_some() {
                steps += 1;
            }
            assert!(steps <= 2 * text.len());
            assert_eq!(tokenizer.position(), text.len());
        }
    }
}

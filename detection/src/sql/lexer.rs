//! SQL's lexer for all dialects at once: where they differ it takes the reading under which more would run.
//!
//! It begins anywhere, allocates nothing, and looks at each byte a bounded number of times; it knows no grammar.

use memchr::{memchr, memchr2, memmem};

use super::{
    lookup::word,
    token::{Kind, Operator, Token},
    words::Word,
};

/// A lexer at a place of a view. Copying it is how the recogniser looks ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Executable comments (`/*!50000`) that are open.
    executable: u16,
    /// Comments that stood where white space could have stood.
    pub(crate) comments: u16,
    /// Executable comments that were entered.
    pub(crate) executed: u16,
    /// Words that were split by comments, as filters that delete comments would join them.
    pub(crate) split: u16,
    /// `1.e` that were read past.
    skipped: u16,
}

impl<'a> Lexer<'a> {
    pub(crate) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, executable: 0, comments: 0, executed: 0, split: 0, skipped: 0 }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The token after this one, and the lexer stays where it is.
    pub(crate) fn peek(&self) -> Token {
        let mut ahead = *self;
        ahead.token()
    }

    fn take(&mut self, len: usize, kind: Kind) -> Token {
        let start = self.at;
        self.at = (self.at + len).min(self.bytes.len());
        Token { kind, start, end: self.at }
    }

    fn operator(&mut self, len: usize, operator: Operator) -> Token {
        self.take(len, Kind::Operator(operator))
    }

    /// Skips white space and comments. Gives the comment that reaches the end of the value, if one does.
    fn space(&mut self) -> Option<Token> {
        loop {
            let (byte, next) = (self.byte(0), self.byte(1));
            match byte {
                // White space, control bytes, and a no-break space, alone (Latin-1) or as UTF-8.
                0x01..=b' ' | 0x7f | 0xa0 => self.at += 1,
                0 if self.at < self.bytes.len() => self.at += 1,
                0xc2 if next == 0xa0 => self.at += 2,
                b'/' if next == b'*' => {
                    if let Some(tail) = self.block_comment() {
                        return Some(tail);
                    }
                }
                // The end of an executable comment, or of a comment of the host.
                b'*' if next == b'/'
                    && (self.executable > 0 || matches!(self.byte(2), b' ' | b'/' | b'+' | b'\n')) =>
                {
                    self.executable = self.executable.saturating_sub(1);
                    self.at += 2;
                }
                b'-' if next == b'-' => {
                    if let Some(tail) = self.line_comment() {
                        return Some(tail);
                    }
                }
                b'#' if next != b'>' => {
                    if let Some(tail) = self.line_comment() {
                        return Some(tail);
                    }
                }
                _ => return None,
            }
        }
    }

    /// A line comment either reaches the end of the value, or is white space and the next line goes on.
    fn line_comment(&mut self) -> Option<Token> {
        let start = self.at;
        if let Some(end) = memchr(b'\n', self.rest()) {
            self.at += end + 1;
            self.comments = self.comments.saturating_add(1);
            return None;
        }
        self.at = self.bytes.len();
        Some(Token { kind: Kind::Comment, start, end: self.at })
    }

    /// `/* … */`, or the opening of an executable comment.
    fn block_comment(&mut self) -> Option<Token> {
        let start = self.at;
        let marker = if self.byte(2) == b'!' { 3 } else { 4 };
        if self.byte(2) == b'!' || (self.byte(2) == b'M' && self.byte(3) == b'!') {
            self.at += marker;
            let digits = self.rest().iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
            // A version has five or six digits; filters are tried with fewer, right before a letter.
            let version = digits >= 5 || self.byte(digits).is_ascii_alphabetic();
            self.at += if version { digits } else { 0 };
            self.executable = self.executable.saturating_add(1);
            self.executed = self.executed.saturating_add(1);
            return None;
        }
        let body = self.bytes.get(start + 2..).unwrap_or_default();
        match memmem::find(body, b"*/") {
            Some(end) => {
                self.at = start + 2 + end + 2;
                self.comments = self.comments.saturating_add(1);
                None
            }
            None => {
                self.at = self.bytes.len();
                Some(Token { kind: Kind::Comment, start, end: self.at })
            }
        }
    }

    /// The next token.
    pub(crate) fn token(&mut self) -> Token {
        if let Some(tail) = self.space() {
            return tail;
        }
        if self.at >= self.bytes.len() {
            return self.take(0, Kind::End);
        }
        let (byte, next) = (self.byte(0), self.byte(1));
        match byte {
            b'0'..=b'9' => {
                let number = self.number();
                // MySQL reads past `1.e` where no digit follows.
                if self.bytes.get(number.start..number.end).is_some_and(|text| text.ends_with(b".e")) {
                    return if self.skipped < 64 {
                        self.skipped += 1;
                        self.token()
                    } else {
                        number
                    };
                }
                number
            }
            b'.' if next.is_ascii_digit() => self.number(),
            b'.' => self.take(1, Kind::Dot),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.word(),
            b'\'' | b'"' => self.text(self.at, self.at + 1),
            b'`' => self.delimited(b'`'),
            b'[' => self.bracket(),
            b'(' => self.take(1, Kind::Open),
            b')' => self.take(1, Kind::Close),
            b',' => self.take(1, Kind::Comma),
            b';' => self.take(1, Kind::Semicolon),
            b'{' => self.take(1, Kind::Brace),
            b'}' => self.take(1, Kind::Unbrace),
            b'@' | b':' | b'?' | b'$' | b'\\' => self.sigil(byte, next),
            _ => self.symbol(byte, next),
        }
    }

    fn symbol(&mut self, byte: u8, next: u8) -> Token {
        use Operator::{And, Arithmetic, Compare, Minus, Pipes, Plus, Star, Unary};
        let third = self.byte(2);
        match (byte, next) {
            // JavaScript's `===` and `!==` are no operators of SQL, nor is a row of equals signs.
            (b'=' | b'!', b'=') if third == b'=' => self.take(1, Kind::Bad),
            (b'=', b'>') => self.take(1, Kind::Bad),
            (b'<', b'=') if third == b'>' => self.operator(3, Compare),
            (b'<', b'@' | b'=' | b'>') | (b'!', b'<' | b'=' | b'>') | (b'>' | b'=', b'=') => {
                self.operator(2, Compare)
            }
            (b'<', b'<') | (b'>', b'>') => self.operator(2, Arithmetic),
            (b'!', b'~') => self.operator(if third == b'*' { 3 } else { 2 }, Compare),
            (b'~', b'*') => self.operator(2, Compare),
            (b'=' | b'<' | b'>', _) => self.operator(1, Compare),
            (b'|', b'|') => self.operator(2, Pipes),
            (b'&', b'&') => self.operator(2, And),
            (b'-' | b'#', b'>') => self.operator(if third == b'>' { 3 } else { 2 }, Arithmetic),
            (b'+', _) => self.operator(1, Plus),
            (b'-', _) => self.operator(1, Minus),
            (b'*', _) => self.operator(1, Star),
            (b'/' | b'%' | b'^' | b'&' | b'|', _) => self.operator(1, Arithmetic),
            (b'~' | b'!', _) => self.operator(1, Unary),
            _ => self.take(1, Kind::Bad),
        }
    }

    /// `@x`, `@@x`, `@>`, `:x`, `::`, `:=`, `?`, `$1`, `$$…$$`, `\N`.
    fn sigil(&mut self, byte: u8, next: u8) -> Token {
        match (byte, next) {
            (b'@', b'>') | (b'?', b'|' | b'&') => self.operator(2, Operator::Compare),
            (b'@', b'`' | b'\'' | b'"') => self.take(1, Kind::Variable),
            (b':', b':') => self.operator(2, Operator::Cast),
            (b':', b'=') => self.operator(2, Operator::Assign),
            (b'\\', b'N') => self.take(2, Kind::Word(Word::Constant)),
            (b'$', _) => self.dollar(),
            (b'@' | b':' | b'?', _) => {
                let ats = if byte == b'@' && next == b'@' { 2 } else { 1 };
                let name = self.bytes.get(self.at + ats..).map_or(0, name_len);
                // A lone `@` is a variable with an empty name, a lone `?` a placeholder, a lone `:` nothing.
                let lone = name == 0 && byte == b':';
                self.take(ats + name, if lone { Kind::Bad } else { Kind::Variable })
            }
            _ => self.take(1, Kind::Bad),
        }
    }

    /// PostgreSQL's `$1`, `$$text$$` and `$tag$text$tag$`. A tag is short, so that looking for its end is paid once.
    fn dollar(&mut self) -> Token {
        const LONGEST_TAG: usize = 16;
        let rest = self.rest();
        let tag =
            1 + rest.iter().skip(1).take(LONGEST_TAG).take_while(|b| is_name(**b) && **b != b'$').count();
        if rest.get(tag) != Some(&b'$') {
            let digits = rest.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count();
            return self.take(1 + digits, if digits > 0 { Kind::Variable } else { Kind::Bad });
        }
        let delimiter = rest.get(..=tag).unwrap_or_default();
        let body = rest.get(tag + 1..).unwrap_or_default();
        let window = body.get(..body.len().min(1024)).unwrap_or_default();
        match memmem::find(window, delimiter) {
            Some(end) => self.take(tag + 1 + end + delimiter.len(), Kind::Text { quote: b'$', open: false }),
            None => self.take(tag + 1, Kind::Text { quote: b'$', open: true }),
        }
    }

    fn number(&mut self) -> Token {
        let rest = self.rest();
        let run = |from: usize, fits: fn(&u8) -> bool| rest.iter().skip(from).take_while(|b| fits(b)).count();
        let prefix = |letter: u8| {
            rest.first() == Some(&b'0') && rest.get(1).map(u8::to_ascii_lowercase) == Some(letter)
        };
        if prefix(b'x') {
            let digits = run(2, u8::is_ascii_hexdigit);
            if digits > 0 {
                return self.take(2 + digits, Kind::Number);
            }
        }
        if prefix(b'b') {
            let digits = run(2, |byte| matches!(byte, b'0' | b'1'));
            if digits > 0 {
                return self.take(2 + digits, Kind::Number);
            }
        }
        let mut len = run(0, u8::is_ascii_digit);
        if rest.get(len) == Some(&b'.') && rest.get(len + 1) != Some(&b'.') {
            len += 1 + run(len + 1, u8::is_ascii_digit);
        }
        if rest.get(len).is_some_and(|byte| matches!(byte, b'e' | b'E')) {
            let sign = usize::from(rest.get(len + 1).is_some_and(|byte| matches!(byte, b'+' | b'-')));
            let digits = run(len + 1 + sign, u8::is_ascii_digit);
            if digits > 0 {
                len += 1 + sign + digits;
            }
        }
        // What follows at once is a keyword (`1union`, `1e0union`, `1.union`, `1dunion`) or makes it all a name.
        let letters = rest.get(len..).map_or(0, name_len);
        if letters > 0 {
            let tail = rest.get(len..len + letters).unwrap_or_default();
            let suffix = matches!(tail[0] | 0x20, b'd' | b'f' | b'e' | b'l');
            if matches!(word(tail), Word::Plain) {
                let shorter = tail.get(1..).unwrap_or_default();
                if suffix && (shorter.is_empty() || !matches!(word(shorter), Word::Plain)) {
                    return self.take(len + 1, Kind::Number);
                }
                return self.take(len + letters, Kind::Word(Word::Plain));
            }
        }
        self.take(len, Kind::Number)
    }

    fn word(&mut self) -> Token {
        let start = self.at;
        let rest = self.rest();
        let len = name_len(rest);
        if len == 0 {
            return self.take(1, Kind::Bad);
        }
        let text = rest.get(..len).unwrap_or_default();
        // `N'…'`, `E'…'`, `x'…'`, `_utf8'…'`, `q'[…]'`: a prefix of the string that follows at once.
        if rest.get(len) == Some(&b'\'') {
            match text {
                [b'q' | b'Q'] | [b'n' | b'N', b'q' | b'Q'] => return self.alternative_quote(len + 1),
                [b'n' | b'N' | b'e' | b'E' | b'b' | b'B' | b'x' | b'X'] => {
                    return self.text(start, start + len + 1);
                }
                [b'_', ..] => return self.text(start, start + len + 1),
                _ => {}
            }
        }
        let mut known = word(text);
        let mut end = len;
        if known == Word::Plain
            && rest.get(len..len + 2).is_some_and(|next| next == b"/*")
            && let Some((joined, length)) = joined_word(rest)
        {
            self.split = self.split.saturating_add(1);
            (known, end) = (joined, length);
        }
        self.take(end, Kind::Word(known))
    }

    /// Oracle's `q'[…]'`: the delimiter is at `skip`.
    fn alternative_quote(&mut self, skip: usize) -> Token {
        let rest = self.rest();
        let Some(&open) = rest.get(skip) else {
            return self.take(skip, Kind::Text { quote: b'\'', open: true });
        };
        let close = match open {
            b'[' => b']',
            b'(' => b')',
            b'{' => b'}',
            b'<' => b'>',
            other => other,
        };
        let body = rest.get(skip + 1..).unwrap_or_default();
        match memmem::find(body.get(..body.len().min(1024)).unwrap_or_default(), &[close, b'\'']) {
            Some(end) => self.take(skip + 1 + end + 2, Kind::Text { quote: b'\'', open: false }),
            None => self.take(skip, Kind::Text { quote: b'\'', open: true }),
        }
    }

    /// A string whose body begins at `body`; the quote stands right before it.
    fn text(&mut self, start: usize, body: usize) -> Token {
        let quote = self.bytes.get(body - 1).copied().unwrap_or(b'\'');
        let mut at = body;
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let Some(found) = memchr2(quote, b'\\', rest) else {
                self.at = self.bytes.len();
                return Token { kind: Kind::Text { quote, open: true }, start, end: self.at };
            };
            at += found;
            let here = self.bytes.get(at).copied().unwrap_or(quote);
            let next = self.bytes.get(at + 1).copied();
            if here == b'\\' {
                at = (at + 2).min(self.bytes.len());
            } else if next == Some(quote) {
                at += 2;
            } else {
                self.at = at + 1;
                return Token { kind: Kind::Text { quote, open: false }, start, end: self.at };
            }
        }
    }

    /// A name in backticks. Names are short, so what is long is something else.
    fn delimited(&mut self, close: u8) -> Token {
        const LONGEST_NAME: usize = 256;
        let body = self.bytes.get(self.at + 1..).unwrap_or_default();
        let window = body.get(..body.len().min(LONGEST_NAME)).unwrap_or_default();
        match memchr(close, window) {
            Some(end) => self.take(end + 2, Kind::Name),
            None if body.len() < LONGEST_NAME => {
                self.take(body.len() + 1, Kind::Text { quote: close, open: true })
            }
            None => self.take(1, Kind::Bad),
        }
    }

    /// `[name]` of SQL Server and SQLite.
    fn bracket(&mut self) -> Token {
        const LONGEST_NAME: usize = 128;
        let body = self.bytes.get(self.at + 1..).unwrap_or_default();
        let name = body
            .iter()
            .take(LONGEST_NAME)
            .take_while(|byte| is_name(**byte) || matches!(byte, b' ' | b'.' | b'-' | b'\''))
            .count();
        if body.get(name) == Some(&b']') { self.take(name + 2, Kind::Name) } else { self.take(1, Kind::Bad) }
    }
}

/// Whether a byte may stand in a name.
pub(crate) fn is_name(byte: u8) -> bool {
    NAME[byte as usize]
}

static NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80;
        at += 1;
    }
    table
};

/// How long the name is that begins here. A no-break space ends it.
fn name_len(bytes: &[u8]) -> usize {
    let mut len = 0;
    while let Some(&byte) = bytes.get(len).filter(|byte| is_name(**byte)) {
        let space = byte == 0xc2 && bytes.get(len + 1) == Some(&0xa0)
            || byte == 0xa0 && (len == 0 || bytes.get(len - 1).is_some_and(u8::is_ascii));
        if space {
            break;
        }
        len += 1;
    }
    len
}

/// `SEL/**/ECT`: a keyword that a filter would join by deleting comments. Gives the word and how far it reaches.
fn joined_word(rest: &[u8]) -> Option<(Word, usize)> {
    let mut letters = [0_u8; 32];
    let (mut filled, mut at, mut longest) = (0, 0, None);
    loop {
        let len = name_len(rest.get(at..).unwrap_or_default());
        let part = rest.get(at..at + len).unwrap_or_default();
        let Some(space) = letters.get_mut(filled..filled + len) else { return longest };
        space.copy_from_slice(part);
        filled += len;
        at += len;
        match word(letters.get(..filled).unwrap_or_default()) {
            Word::Plain => {}
            found => longest = Some((found, at)),
        }
        if len == 0 || rest.get(at..at + 4) != Some(b"/**/") {
            return longest;
        }
        at += 4;
    }
}

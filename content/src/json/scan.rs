//! One pass over a JSON text, well-formed or not, onto a [`Tape`].
//!
//! The scanner keeps the grammar of RFC 8259 as an expectation. What breaks it is noted, and read the way the most
//! lenient parsers would, so that broken text still yields its strings. Time is linear and no input recurses.

use picket_request::limits;

use super::{
    Kind, Summary, Tape,
    strings::{content_hash, string_end},
    tape::{DUPLICATE, ESCAPED, LONE_SURROGATE, NONE, Token},
};

/// What the grammar admits next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    /// The text is complete.
    Nothing,
}

/// Nesting up to which tokens are kept when the tape is nearly full: an event's envelope must stay readable although
/// its body is a flood of brackets.
const SHALLOW: u32 = 4;

/// Scans `text` onto `tape`, whose memory is used again. It never fails; [`Tape::summary`] says how it went.
pub fn scan(text: &[u8], tape: &mut Tape) -> Summary {
    tape.tokens.clear();
    tape.keys.clear();
    tape.summary = Summary::default();
    // Offsets are u32, and an event is at most 6 MiB; decoded bodies stay within `limits::DECODED_BYTES`.
    let text = text.get(..u32::MAX as usize - 1).unwrap_or(text);
    let mut scanner = Scanner {
        text,
        tape,
        at: 0,
        expect: Expect::Value,
        container: NONE,
        depth: 0,
        well_formed: true,
        single_quotes_end: true,
        comments_end: true,
    };
    scanner.run();
    let well_formed = scanner.well_formed && scanner.expect == Expect::Nothing && scanner.container == NONE;
    scanner.close_all();
    tape.summary.well_formed = well_formed;
    tape.summary
}

struct Scanner<'s> {
    text: &'s [u8],
    tape: &'s mut Tape,
    at: usize,
    expect: Expect,
    container: u32,
    depth: u32,
    well_formed: bool,
    /// False once a single quote had no partner, so that looking for one again is pointless (and quadratic).
    single_quotes_end: bool,
    /// The same for `/*`.
    comments_end: bool,
}

impl Scanner<'_> {
    fn run(&mut self) {
        if self.text.starts_with(b"\xef\xbb\xbf") {
            self.well_formed = false;
            self.at = 3;
        }
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                b'"' => self.string(b'"'),
                b',' => self.comma(),
                b':' => self.colon(),
                b'{' | b'[' => self.open(byte),
                b'}' | b']' => self.close(byte),
                b'\'' if self.single_quotes_end => self.string(b'\''),
                b'/' | b'#' if self.comment() => {}
                _ => self.bare(),
            }
        }
    }

    /// Appends a token, or says that the tape is full for this depth.
    fn push(&mut self, kind: Kind, start: usize, end: usize, flags: u8) -> bool {
        let index = self.tape.end_index();
        let len = index as usize;
        if len >= limits::JSON_TOKENS - limits::JSON_TOKENS_SHALLOW
            && (self.depth > SHALLOW || len >= limits::JSON_TOKENS - 1)
        {
            return false;
        }
        self.tape.tokens.push(Token {
            start: narrow(start),
            end: narrow(end),
            parent: self.container,
            next: index + 1,
            kind,
            flags,
        });
        true
    }

    /// The flag of a text that is not a string but may hold backslashes all the same.
    fn escapes(&self, start: usize, end: usize) -> u8 {
        let text = self.text.get(start..end).unwrap_or_default();
        if memchr::memchr(b'\\', text).is_some() { ESCAPED } else { 0 }
    }

    fn in_object(&self) -> bool {
        self.tape.tokens.get(self.container as usize).is_some_and(|token| token.kind == Kind::Object)
    }

    /// What comes after a complete value.
    fn after_value(&mut self) {
        self.expect = if self.container == NONE { Expect::Nothing } else { Expect::CommaOrEnd };
    }

    /// Whether text at this point is a key rather than a value; `end` is one past the text.
    fn is_key(&self, end: usize) -> bool {
        match self.expect {
            Expect::Key | Expect::KeyOrEnd => true,
            // A comma may be missing: a colon after the text tells.
            Expect::CommaOrEnd if self.in_object() => {
                let rest = self.text.get(end..).unwrap_or_default();
                // Bounded, because a flood of spaces between strings must not be walked again for each.
                rest.iter().take(64).find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
            }
            _ => false,
        }
    }

    fn scalar(&mut self, kind: Kind, start: usize, end: usize, next: usize, flags: u8) {
        let key = self.is_key(next);
        if key {
            self.well_formed &= kind == Kind::String && self.expect != Expect::CommaOrEnd;
        } else {
            self.well_formed &=
                kind != Kind::Bare && matches!(self.expect, Expect::Value | Expect::ValueOrEnd);
        }
        if !self.push(if key { Kind::Key } else { kind }, start, end, flags) {
            return self.skip();
        }
        self.at = next;
        if key {
            self.expect = Expect::Colon;
        } else {
            self.after_value();
        }
    }

    fn string(&mut self, quote: u8) {
        let start = self.at + 1;
        let end = string_end(self.text, start, quote);
        if quote == b'\'' && !end.closed {
            self.single_quotes_end = false;
            return self.bare();
        }
        self.well_formed &= !end.broken;
        let content = self.text.get(start..end.at).unwrap_or_default();
        if end.wide && std::str::from_utf8(content).is_err() {
            self.tape.summary.not_utf8 = true;
            self.well_formed = false;
        }
        let mut flags = if end.escaped { ESCAPED } else { 0 };
        if end.surrogate && has_lone_surrogate(content) {
            flags |= LONE_SURROGATE;
            self.tape.summary.lone_surrogates = true;
        }
        let next = if end.closed { end.at + 1 } else { end.at };
        self.scalar(Kind::String, start, end.at, next, flags);
    }

    fn comma(&mut self) {
        self.at += 1;
        self.well_formed &= self.expect == Expect::CommaOrEnd;
        self.expect = match (self.container == NONE, self.in_object()) {
            (true, _) => Expect::Nothing,
            (_, true) => Expect::Key,
            (_, false) => Expect::Value,
        };
    }

    fn colon(&mut self) {
        self.at += 1;
        self.well_formed &= self.expect == Expect::Colon;
        self.expect = Expect::Value;
    }

    fn open(&mut self, byte: u8) {
        self.well_formed &= matches!(self.expect, Expect::Value | Expect::ValueOrEnd);
        let index = self.tape.end_index();
        self.depth += 1;
        self.tape.summary.depth = self.tape.summary.depth.max(self.depth);
        let kind = if byte == b'{' { Kind::Object } else { Kind::Array };
        if !self.push(kind, self.at, self.at + 1, 0) {
            self.depth -= 1;
            return self.skip();
        }
        self.container = index;
        self.expect = if kind == Kind::Object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
        self.at += 1;
    }

    fn close(&mut self, byte: u8) {
        let expected = if self.in_object() {
            byte == b'}' && matches!(self.expect, Expect::KeyOrEnd | Expect::CommaOrEnd)
        } else {
            byte == b']' && matches!(self.expect, Expect::ValueOrEnd | Expect::CommaOrEnd)
        };
        self.well_formed &= expected && self.container != NONE;
        self.at += 1;
        self.close_container();
    }

    /// Ends the innermost container where the scanner stands. A bracket of the wrong kind ends it too: what is
    /// inside or outside matters less than that everything after it is still read.
    fn close_container(&mut self) {
        let next = self.tape.end_index();
        let index = self.container;
        let Some(token) = self.tape.tokens.get_mut(index as usize) else { return };
        token.end = narrow(self.at);
        token.next = next;
        self.container = token.parent;
        self.depth -= 1;
        if token.kind == Kind::Object {
            self.mark_duplicates(index, next);
        }
        self.after_value();
    }

    fn close_all(&mut self) {
        while self.container != NONE {
            self.close_container();
        }
    }

    /// Flags keys that stood before in the same object. Small objects are compared by pairs, large ones by sorted
    /// hashes, so that no choice of keys makes it slow.
    fn mark_duplicates(&mut self, object: u32, next: u32) {
        const SMALL: usize = 8;
        let keys = &mut self.tape.keys;
        keys.clear();
        let mut at = object + 1;
        while at < next {
            let Some(token) = self.tape.tokens.get(at as usize) else { break };
            if token.kind == Kind::Key {
                keys.push(u64::from(at));
            }
            at = token.next;
        }
        if keys.len() < 2 {
            return;
        }
        let tokens = &mut self.tape.tokens;
        let content = |token: &Token| {
            let raw = self.text.get(token.start as usize..token.end as usize).unwrap_or_default();
            (raw, token.flags & ESCAPED != 0)
        };
        let mut found = false;
        if keys.len() <= SMALL {
            for (nth, &later) in keys.iter().enumerate().skip(1) {
                let same = keys.iter().take(nth).any(|&earlier| {
                    let (a, a_escaped) = content(&tokens[earlier as usize]);
                    let (b, b_escaped) = content(&tokens[later as usize]);
                    if a_escaped || b_escaped {
                        content_hash(a, a_escaped) == content_hash(b, b_escaped)
                    } else {
                        a == b
                    }
                });
                if same {
                    tokens[later as usize].flags |= DUPLICATE;
                    found = true;
                }
            }
        } else {
            // 40 bits of hash above 24 bits of index: sorting brings equal keys together in text order.
            for key in keys.iter_mut() {
                let (raw, escaped) = content(&tokens[*key as usize]);
                *key |= content_hash(raw, escaped) << 24;
            }
            keys.sort_unstable();
            for pair in keys.windows(2) {
                let (earlier, later) = ((pair[0] & 0xff_ffff) as usize, (pair[1] & 0xff_ffff) as usize);
                if pair[0] >> 24 != pair[1] >> 24 {
                    continue;
                }
                let (a, a_escaped) = content(&tokens[earlier]);
                let (b, b_escaped) = content(&tokens[later]);
                if a_escaped || b_escaped || a == b {
                    tokens[later].flags |= DUPLICATE;
                    found = true;
                }
            }
        }
        self.tape.summary.duplicate_keys |= found;
    }

    /// Reads a comment, if one starts here.
    fn comment(&mut self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = if rest.starts_with(b"//") || rest.starts_with(b"#") {
            memchr::memchr(b'\n', rest).unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") && self.comments_end {
            match memchr::memmem::find(rest.get(2..).unwrap_or_default(), b"*/") {
                Some(at) => at + 4,
                None => {
                    self.comments_end = false;
                    return false;
                }
            }
        } else {
            return false;
        };
        self.well_formed = false;
        let end = self.at + length;
        if self.push(Kind::Comment, self.at, end, self.escapes(self.at, end)) {
            self.at += length;
        } else {
            self.skip();
        }
        true
    }

    /// Reads a number, a literal, or whatever stands there unquoted.
    fn bare(&mut self) {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let word = rest
            .iter()
            .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')))
            .unwrap_or(rest.len());
        let kind = match rest.get(..word).unwrap_or_default() {
            b"true" => Kind::True,
            b"false" => Kind::False,
            b"null" => Kind::Null,
            word if is_number(word) => Kind::Number,
            _ => Kind::Bare,
        };
        let followed = rest.get(word).is_none_or(|byte| b" \n\r\t,:}]".contains(byte));
        if kind != Kind::Bare && followed {
            return self.scalar(kind, start, start + word, start + word, 0);
        }
        // An unquoted text, as YAML, JSON5 or a hand-made reader would take it: up to the next punctuation, with the
        // spaces and single quotes in it, since cutting it into words would hide what the words say together.
        let length = rest
            .iter()
            .skip(1)
            .position(|byte| matches!(byte, b',' | b':' | b'{' | b'}' | b'[' | b']' | b'"' | b'\n' | b'\r'))
            .map_or(rest.len(), |at| at + 1);
        let end = start + rest.get(..length).unwrap_or_default().trim_ascii_end().len().max(1);
        self.scalar(Kind::Bare, start, end, start + length, self.escapes(start, end));
    }

    /// Passes over what the tape has no room for, up to the end of the container at depth [`SHALLOW`], and leaves one
    /// token for all of it.
    fn skip(&mut self) {
        let summary = &mut self.tape.summary;
        summary.truncated = true;
        // Brackets that are open in the text but not on the tape any more.
        let mut depth = self.depth.saturating_sub(SHALLOW);
        while self.depth > SHALLOW {
            self.close_container();
        }
        let start = self.at;
        let full = self.tape.tokens.len() >= limits::JSON_TOKENS - 1;
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 && !full => break,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'"' => {
                    let end = string_end(self.text, self.at + 1, b'"');
                    self.at = end.at;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.at.min(self.text.len());
        let index = self.tape.end_index();
        // The last place of the tape is kept for this.
        self.tape.tokens.push(Token {
            start: narrow(start),
            end: narrow(self.at),
            parent: self.container,
            next: index + 1,
            kind: Kind::Rest,
            flags: self.escapes(start, self.at),
        });
        self.after_value();
    }
}

fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// Whether any surrogate escape of a string lacks its other half.
fn has_lone_surrogate(content: &[u8]) -> bool {
    let mut at = 0;
    while let Some(found) = content.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at += found;
        match unit(content, at) {
            Some(high) if (0xd800..0xdc00).contains(&high) => match unit(content, at + 6) {
                Some(low) if (0xdc00..0xe000).contains(&low) => at += 12,
                _ => return true,
            },
            Some(low) if (0xdc00..0xe000).contains(&low) => return true,
            _ => at += 2,
        }
    }
    false
}

/// The code unit of a `\u` escape at `at`.
fn unit(content: &[u8], at: usize) -> Option<u32> {
    let digits = content.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

/// The number grammar of RFC 8259, section 6.
fn is_number(word: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = word.strip_prefix(b"-").unwrap_or(word);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest.starts_with(b"0")) {
        return false;
    }
    rest = rest.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = fraction.get(length..).unwrap_or_default();
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let exponent =
            exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let length = digits(exponent);
        return length > 0 && length == exponent.len();
    }
    rest.is_empty()
}

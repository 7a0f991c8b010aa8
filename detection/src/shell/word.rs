//! One word of a command line, resolved: quotes and escapes removed, ANSI-C strings decoded, empty expansions dropped.

/// Longest word that is resolved; what is longer is cut, since no command is called so.
const WORD: usize = 96;

/// A resolved word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    text: [u8; WORD],
    used: usize,
    /// Bytes that spell it.
    pub len: usize,
    /// Quotes, escapes or expansions stand inside it that change nothing but its looks.
    pub disguised: bool,
    /// It holds `?`, `*` or `[…]`.
    pub globbed: bool,
    /// Its value depends on a variable or a substitution.
    pub expands: bool,
    /// It holds an expansion that cuts or replaces what a variable holds.
    pub masked: bool,
    /// A quote that nothing closes stands in it, and words behind that: it is only the beginning of a longer word.
    pub goes_on: bool,
}

impl Word {
    /// The resolved bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.text.get(..self.used).unwrap_or_default()
    }

    /// Whether it has no byte.
    pub(crate) const fn is_empty(&self) -> bool {
        self.used == 0
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.text.get_mut(self.used) {
            *slot = byte;
            self.used += 1;
        }
    }

    /// Reads the word at the start of `rest`. With `braced`, a comma or a closing brace ends it.
    pub(crate) fn read(rest: &[u8], braced: bool) -> Self {
        let mut word = Self {
            text: [0; WORD],
            used: 0,
            len: 0,
            disguised: false,
            globbed: false,
            expands: false,
            masked: false,
            goes_on: false,
        };
        let mut at = 0;
        while let Some(&byte) = rest.get(at) {
            if at >= WORD * 2 {
                break;
            }
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b';' | b'|' | b'&' | b'(' | b')' | b'<' | b'>' | b'`' | 0 => {
                    if byte == b'`' && rest.get(at + 1) == Some(&b'`') && word.used > 0 {
                        word.disguised = true;
                        at += 2;
                        continue;
                    }
                    break;
                }
                b',' | b'}' if braced => break,
                // `\n` as text: whoever undoes escapes ends the word here.
                b'\\'
                    if word.used > 0
                        && matches!(rest.get(at + 1), Some(b'n' | b'r'))
                        && rest.get(at + 2).is_none_or(|byte| !byte.is_ascii_alphanumeric()) =>
                {
                    break;
                }
                b'\\' => match rest.get(at + 1) {
                    Some(b'\n') => at += 2,
                    Some(&next) => {
                        word.disguised |= next.is_ascii_alphanumeric() || next == b'/';
                        if next.is_ascii_alphanumeric() && looks_windows(word.bytes()) {
                            word.push(b'\\');
                            word.disguised = false;
                        }
                        word.push(next);
                        at += 2;
                    }
                    None => break,
                },
                b'\'' | b'"' => match quoted(rest, at, byte) {
                    Some(end) => {
                        let inside = rest.get(at + 1..end).unwrap_or_default();
                        let after = rest.get(end + 1).copied().unwrap_or(b' ');
                        let glued = word.used > 0 || after.is_ascii_alphanumeric() || after == b'/';
                        word.disguised |=
                            glued && inside.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'/');
                        for &byte in inside {
                            word.push(byte);
                        }
                        at = end + 1;
                    }
                    // It closes a quote that was opened before the value, or opens one that the host closes: then all that
                    // follows belongs to this word.
                    None => {
                        let after = rest.get(at + 1..).unwrap_or_default();
                        word.goes_on = word.used > 0
                            && after.trim_ascii_start().first().is_some_and(u8::is_ascii_alphanumeric);
                        break;
                    }
                },
                // `$IFS` stands for a blank, and one blank ends a word as well as another.
                b'$' if blanks(rest.get(at..).unwrap_or_default()).1 => break,
                b'$' => at += word.dollar(rest.get(at..).unwrap_or_default()),
                b'{' if !braced
                    && let Some((one, len)) = alternatives(rest.get(at..).unwrap_or_default()) =>
                {
                    for &byte in one {
                        word.push(byte);
                    }
                    word.disguised = true;
                    at += len;
                }
                b'^' if rest.get(at + 1).is_some_and(u8::is_ascii_alphanumeric)
                    && (word.used > 0 || rest.get(at + 2) == Some(&b'^')) =>
                {
                    word.disguised = true;
                    at += 1;
                }
                b'?' | b'*' | b'[' => {
                    word.globbed = true;
                    word.push(byte);
                    at += 1;
                }
                _ => {
                    word.push(byte);
                    at += 1;
                }
            }
        }
        word.len = at;
        word
    }

    /// Resolves what starts with `$` and answers how many bytes it takes.
    fn dollar(&mut self, rest: &[u8]) -> usize {
        match rest.get(1) {
            Some(b'@' | b'*' | b'!' | b'0'..=b'9' | b'#') => {
                self.disguised |= self.used > 0 || rest.get(2).is_some_and(u8::is_ascii_alphanumeric);
                2
            }
            Some(b'\'') => {
                let Some(end) = quoted(rest, 1, b'\'') else { return 2 };
                self.ansi(rest.get(2..end).unwrap_or_default());
                self.disguised = true;
                end + 1
            }
            Some(b'(') if rest.get(2) == Some(&b')') => {
                self.disguised = true;
                3
            }
            Some(b'{') => {
                let end = rest.iter().take(WORD).position(|byte| *byte == b'}').unwrap_or(1);
                let inside = rest.get(2..end).unwrap_or_default();
                self.expands = true;
                self.disguised |= self.used > 0 || inside.contains(&b':');
                let name =
                    inside.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
                self.masked |= name > 0
                    && match inside.get(name..).unwrap_or_default() {
                        // A default for what is not set is ordinary; a slice and a replacement serve to spell.
                        [b':', next, ..] => next.is_ascii_digit() || *next == b' ',
                        [b'/' | b'#' | b'%' | b'^' | b',', ..] => true,
                        _ => false,
                    };
                if inside == b"SHELL" && self.used == 0 {
                    b"/bin/sh".iter().for_each(|byte| self.push(*byte));
                }
                if inside.starts_with(b"PATH:") || inside.starts_with(b"HOME:") || inside.starts_with(b"PWD:")
                {
                    self.push(b'/');
                }
                end + 1
            }
            Some(byte) if byte.is_ascii_alphabetic() || *byte == b'_' => {
                let name = rest
                    .iter()
                    .skip(1)
                    .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
                    .count();
                self.expands = true;
                self.disguised |= self.used > 0;
                if rest.get(1..=name) == Some(b"SHELL") && self.used == 0 {
                    b"/bin/sh".iter().for_each(|byte| self.push(*byte));
                }
                name + 1
            }
            _ => {
                self.push(b'$');
                1
            }
        }
    }

    /// `$'\x63\141t'`.
    fn ansi(&mut self, inside: &[u8]) {
        let mut at = 0;
        while let Some(&byte) = inside.get(at) {
            let (value, len) = match (byte, inside.get(at + 1)) {
                (b'\\', Some(b'x')) => digits(inside.get(at + 2..).unwrap_or_default(), 16, 2, 2),
                (b'\\', Some(b'u')) => digits(inside.get(at + 2..).unwrap_or_default(), 16, 4, 2),
                (b'\\', Some(b'0'..=b'7')) => digits(inside.get(at + 1..).unwrap_or_default(), 8, 3, 1),
                (b'\\', Some(&next)) => (next, 2),
                _ => (byte, 1),
            };
            self.push(value);
            at += len;
        }
    }
}

fn digits(rest: &[u8], radix: u32, most: usize, before: usize) -> (u8, usize) {
    let (mut value, mut len) = (0_u32, 0);
    while let Some(digit) =
        rest.get(len).filter(|_| len < most).and_then(|byte| char::from(*byte).to_digit(radix))
    {
        value = value * radix + digit;
        len += 1;
    }
    (u8::try_from(value).unwrap_or(b'?'), before + len.max(1))
}

/// Where the quote that opens at `at` closes, within the longest word.
fn quoted(rest: &[u8], at: usize, quote: u8) -> Option<usize> {
    let inside = rest.get(at + 1..)?;
    let close = inside.iter().take(WORD * 2).position(|byte| *byte == quote || *byte == b'\n')?;
    (inside.get(close) == Some(&quote)).then_some(at + 1 + close)
}

/// `{at,}`, `{l,-lh}`: the first text of a list of alternatives that is part of a word, and the list's length.
pub(crate) fn alternatives(rest: &[u8]) -> Option<(&[u8], usize)> {
    let inside = rest.strip_prefix(b"{")?;
    let close = inside.iter().take(32).position(|byte| *byte == b'}')?;
    let inside = inside.get(..close)?;
    let comma = memchr::memchr(b',', inside)?;
    let plain =
        inside.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b',' | b'-' | b'_' | b'.'));
    let glued = rest.get(close + 2).is_some_and(u8::is_ascii_alphanumeric);
    // Without a word around it, a list is a command line of its own: `{cat,/etc/hosts}`.
    (plain && comma > 0 && glued).then_some((inside.get(..comma)?, close + 2))
}

/// `C:\`, `\\host` and `%SystemRoot%\`: the backslash separates.
fn looks_windows(head: &[u8]) -> bool {
    head.get(1) == Some(&b':') || head.starts_with(b"\\") || head.ends_with(b"%") || head.contains(&b'\\')
}

/// How many bytes at the start of `rest` are blanks between words, and whether a variable stands for one of them.
pub(crate) fn blanks(rest: &[u8]) -> (usize, bool) {
    let (mut at, mut disguised) = (0, false);
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty() && at < 128) {
        at += match tail {
            [b' ' | b'\t' | 0x0b | 0x0c, ..] => 1,
            [b'\\', b'\n', ..] => 2,
            [b'$', b'{', b'I', b'F', b'S', ..] => {
                disguised = true;
                tail.iter().take(24).position(|byte| *byte == b'}').map_or(5, |end| end + 1)
            }
            [b'$', b'I', b'F', b'S', next, ..] if !next.is_ascii_alphanumeric() || next.is_ascii_digit() => {
                disguised = true;
                if tail.get(4) == Some(&b'$') && tail.get(5).is_some_and(u8::is_ascii_digit) { 6 } else { 4 }
            }
            _ => break,
        };
    }
    (at, disguised)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguises_resolve_to_the_same_word() {
        for spelling in [
            "whoami",
            "w'ho'ami",
            "w\"ho\"ami",
            "w\\ho\\ami",
            "who$@ami",
            "who$()ami",
            "$'\\x77hoami'",
            "who``ami",
            "w^hoami",
        ] {
            let word = Word::read(spelling.as_bytes(), false);
            assert_eq!(word.bytes(), b"whoami", "{spelling}");
            assert_eq!(word.disguised, spelling != "whoami", "{spelling}");
        }
    }

    #[test]
    fn a_word_ends_where_a_shell_ends_it() {
        for text in ["id;x", "id|x", "id x", "id)x", "id\"", "id'"] {
            assert_eq!(Word::read(text.as_bytes(), false).bytes(), b"id", "{text}");
        }
        assert_eq!(Word::read(b"cat,/etc/passwd}", true).bytes(), b"cat");
    }

    #[test]
    fn variables_can_stand_for_blanks() {
        assert_eq!(blanks(b"${IFS}x"), (6, true));
        assert_eq!(blanks(b"$IFS$9x"), (6, true));
        assert_eq!(blanks(b" \tx"), (2, false));
        assert_eq!(blanks(b"$IFSET"), (0, false));
    }
}

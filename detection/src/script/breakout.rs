//! Values that land inside a script: in one of its strings, in an expression, or as the whole of it.

use std::ops::Range;

use super::effect::{Effect, effect_of_code};

/// How a value runs as script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// It closes a string and goes on with code that has an effect.
    String(Range<usize>),
    /// It is code with an effect from its first byte to its last.
    Whole(Range<usize>),
    /// It begins as code with an effect, then stops being code.
    Begins(Range<usize>),
}

/// Places at which code may begin that are tried from each end of a value: enough for payloads behind or before
/// padding, and few enough to stay linear.
const TRIES: usize = 24;
/// Bytes of code that are read at each place.
const WINDOW: usize = 1024;

/// The surest way in which a value runs as script.
pub(crate) fn escape(bytes: &[u8]) -> Option<Escape> {
    let candidates = || {
        memchr::memchr3_iter(b'"', b'\'', b'`', bytes)
            .filter(|&at| closes_outer_string(bytes, at))
            .map(|at| at + 1)
    };
    let (mut firsts, mut count) = ([0; TRIES], 0);
    for at in candidates().take(TRIES) {
        firsts[count] = at;
        count += 1;
    }
    for &at in firsts.iter().take(count) {
        if let Some(span) = strong(bytes, at) {
            return Some(Escape::String(span));
        }
    }
    if count == TRIES {
        let backwards =
            memchr::memrchr3_iter(b'"', b'\'', b'`', bytes).filter(|&at| closes_outer_string(bytes, at));
        for at in backwards.take(TRIES) {
            if let Some(span) = strong(bytes, at + 1) {
                return Some(Escape::String(span));
            }
        }
    }
    if let Some(span) = comment_end(bytes).and_then(|at| strong(bytes, at)) {
        return Some(Escape::String(span));
    }
    let text = bytes.get(..bytes.len().min(8 * WINDOW)).unwrap_or_default();
    let mut found = effect_of_code(text, 0);
    for _ in 0..ENDINGS {
        let Some(after) = optional_ending(text, found.span.start) else { break };
        found = effect_of_code(text, after);
    }
    match found.effect {
        Effect::Strong if found.whole => Some(Escape::Whole(found.span)),
        Effect::Strong => Some(Escape::Begins(found.span)),
        _ => None,
    }
}

/// Optional endings that are passed over in one value.
const ENDINGS: usize = 4;

/// Where an optional ending of a word that could be a call stops: `confirm(ed)`, `alert(s)`.
fn optional_ending(bytes: &[u8], open: usize) -> Option<usize> {
    const ENDS: &[&[u8]] = &[
        b"s", b"es", b"d", b"ed", b"r", b"er", b"ers", b"ing", b"ly", b"ion", b"ions", b"ation", b"able",
        b"ness",
    ];
    let rest = bytes.get(open..)?.strip_prefix(b"(")?;
    let end = rest.iter().take(8).position(|&b| b == b')')?;
    ENDS.contains(&rest.get(..end)?).then_some(open + end + 2)
}

/// Where code may begin behind the end of a comment that was open before the value began.
fn comment_end(bytes: &[u8]) -> Option<usize> {
    let at = memchr::memmem::find(bytes, b"*/")?;
    let own = memchr::memmem::find(bytes.get(..at + 1).unwrap_or_default(), b"/*").is_some();
    let after = bytes.get(at + 2..).unwrap_or_default().trim_ascii_start().first();
    (!own && matches!(after, Some(b';' | b')' | b'}' | b'-' | b'+' | b','))).then_some(at + 2)
}

fn strong(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let window = bytes.get(..bytes.len().min(at + WINDOW)).unwrap_or_default();
    let found = effect_of_code(window, at);
    (found.effect == Effect::Strong).then_some(found.span)
}

/// Whether the quote at `at` closes a string that was open before the value began, and what follows goes on as an
/// expression would.
fn closes_outer_string(bytes: &[u8], at: usize) -> bool {
    let quote = bytes.get(at).copied().unwrap_or(0);
    let after = bytes.get(at + 1..).unwrap_or_default().iter().copied().find(|b| !b.is_ascii_whitespace());
    let goes_on = matches!(
        after,
        Some(
            b';' | b')'
                | b'-'
                | b'+'
                | b'*'
                | b'|'
                | b'&'
                | b'^'
                | b','
                | b'/'
                | b'}'
                | b']'
                | b'?'
                | b':'
                | b'='
                | b'%'
                | b'<'
                | b'>'
                | b'('
                | b'['
                | b'{'
                | b'!'
                | b'~'
        )
    ) || matches!(bytes.get(at + 1), Some(b'\n' | b'\r'));
    // Two backticks side by side are a fence.
    let fence = quote == b'`'
        && (bytes.get(at + 1) == Some(&b'`')
            || at.checked_sub(1).and_then(|at| bytes.get(at)) == Some(&b'`'));
    goes_on && !fence && !closes_own_string(bytes, at, quote)
}

/// Whether the quote at `at` ends a literal that the value itself began shortly before on the same line.
fn closes_own_string(bytes: &[u8], at: usize, quote: u8) -> bool {
    const FAR: usize = 200;
    let before = bytes.get(at.saturating_sub(FAR)..at).unwrap_or_default();
    let line = before
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(before, |end| before.get(end + 1..).unwrap_or_default());
    let Some(opening) = memchr::memrchr(quote, line) else { return false };
    let before_opening = line.get(..opening).unwrap_or_default();
    // A quotation stands apart from the word before it; an apostrophe does not.
    let quotation = before_opening.last().is_some_and(u8::is_ascii_whitespace)
        && line
            .get(opening + 1)
            .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'#' | b'.' | b'/' | b'!'));
    match before_opening.trim_ascii_end().last() {
        None => line.len() < before.len() || at > FAR || quotation,
        Some(last) => {
            quotation
                || matches!(
                    last,
                    b'(' | b',' | b'=' | b'[' | b':' | b'+' | b'{' | b'&' | b'|' | b'!' | b'?' | b'>' | b'<'
                )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_left() {
        for value in [
            "';alert(1)//",
            "x\"-alert(1)-\"",
            "\\');alert(1);//",
            "'+alert(1)+'",
            "Don't worry, it's fine. \"';alert(1)//",
            "'}};alert(1);{{'",
            "a'\n;document.cookie//",
            "x*/;alert(1);//",
        ] {
            assert!(matches!(escape(value.as_bytes()), Some(Escape::String(_))), "{value}");
        }
        assert!(matches!(escape(b"alert(document.domain)"), Some(Escape::Whole(_))));
        assert!(matches!(escape(b"1);alert(1);/*x"), Some(Escape::Whole(_))));
        assert!(matches!(escape(b"confirm(ed);alert(1)"), Some(Escape::Whole(_))));
    }

    #[test]
    fn sentences_and_literals_are_not() {
        for value in [
            "It's (an alert) that you'd confirm",
            "{\"a\":\"b\",\"c\":[1]}",
            "rock 'n' roll; alert me",
            "f('a', 'b')",
            "confirm(ed)",
            "alert(s) and prompt(er)",
        ] {
            assert_eq!(escape(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn strings_of_the_value_itself_are_not_left() {
        for value in ["f(x); // says 'a'\nalert(1)", "on(\n  'x',\n  e => { setTimeout(e) }\n)"] {
            assert!(!matches!(escape(value.as_bytes()), Some(Escape::String(_))), "{value}");
        }
    }

    #[test]
    fn a_flood_of_quotes_is_bounded() {
        let flood = "';".repeat(32 * 1024);
        assert_eq!(escape(flood.as_bytes()), None);
        let hidden = format!("{flood}alert(1)//");
        assert!(escape(hidden.as_bytes()).is_some());
    }
}

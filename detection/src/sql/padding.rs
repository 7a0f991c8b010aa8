//! What is left of a value when the prose around it is taken off.
//!
//! A payload that is sent within a page of sentences runs as it would alone, where the host puts the whole page between
//! its quotes; the facts that ask where a run begins and how it ends must not depend on the page. This knows words and
//! sentences, nothing of SQL and nothing of weights.

use std::ops::Range;

use super::{lookup::word, words::Word};

/// Prose that is shorter is judged together with what it surrounds.
const FEWEST_BYTES: usize = 256;
/// Without the end of a sentence, this much of it counts as prose all the same.
const UNBROKEN: usize = 128;
/// Words behind a payload within which the next sentence has to begin.
const WORDS_TO_SENTENCE: usize = 16;
/// From this length on a word is filling, not a word.
const FILLING: usize = 24;

/// The part between leading and trailing prose, if there is much of it and the part is the smaller one.
pub(crate) fn within_prose(bytes: &[u8]) -> Option<Range<usize>> {
    if bytes.len() < FEWEST_BYTES {
        return None;
    }
    let start = leading(bytes);
    let end = start + trailing(bytes.get(start..)?);
    let inner = bytes.get(start..end)?;
    let peeled = bytes.len() - inner.len();
    (peeled >= FEWEST_BYTES && inner.len() <= peeled && !inner.trim_ascii().is_empty()).then_some(start..end)
}

/// Where the sentences from the beginning on end.
fn leading(bytes: &[u8]) -> usize {
    let (mut at, mut sentence, mut words) = (0, 0, 0);
    let mut before: &[u8] = &[];
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let gap = rest.get(..space).unwrap_or_default();
        if gap.contains(&b'\n') {
            sentence = at + space;
        }
        let word = rest.get(space..).unwrap_or_default();
        let word = word.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        // A figure belongs to the prose once words have shown that there is one, and where no SQL is next to it.
        let figure = words >= 2 && is_figure(word) && !is_joint(before);
        let joined = is_figure(before) && !is_prose_word(before) && is_joint(word);
        if joined {
            at -= before.len();
            break;
        }
        if !(is_prose_word(word) || figure) {
            break;
        }
        before = word;
        words += usize::from(!figure);
        at += space + word.len();
        if word.len() >= FILLING || word.last().is_some_and(|byte| b".!?:".contains(byte)) {
            sentence = at;
        }
    }
    if sentence == 0 && at >= UNBROKEN { before_joint(bytes, at) } else { sentence }
}

/// Where no sentence ends, the last words may be the payload's first: one that joins, and what it is joined to.
fn before_joint(bytes: &[u8], end: usize) -> usize {
    const BACK: usize = 4;
    let (mut at, mut cut, mut joined) = (end, end, false);
    for _ in 0..BACK {
        let head = bytes.get(..at).unwrap_or_default().trim_ascii_end();
        let len = head.iter().rev().take_while(|byte| !byte.is_ascii_whitespace()).count();
        at = head.len() - len;
        if joined {
            cut = at;
        }
        joined = is_joint(head.get(at..).unwrap_or_default());
        if joined {
            cut = at;
        }
    }
    cut
}

/// Where the sentences that reach the end begin.
fn trailing(bytes: &[u8]) -> usize {
    let mut at = bytes.len();
    let mut behind: &[u8] = &[];
    loop {
        let head = bytes.get(..at).unwrap_or_default().trim_ascii_end();
        let len = head.iter().rev().take_while(|byte| !byte.is_ascii_whitespace()).count();
        let start = head.len() - len;
        let word = head.get(start..).unwrap_or_default();
        let figure = is_figure(word) && !is_joint(behind);
        let joined = is_figure(behind) && !is_prose_word(behind) && is_joint(word);
        if len == 0 || joined || !(is_prose_word(word) || figure) {
            break;
        }
        behind = word;
        at = start;
    }
    // What stands before the first sentence may still be the payload's last words.
    let mut begin = at;
    for _ in 0..WORDS_TO_SENTENCE {
        let rest = bytes.get(begin..).unwrap_or_default();
        let word = rest.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let broken = begin > at && bytes.get(begin - 1) == Some(&b'\n');
        if broken || begins_sentence(word) || word.len() >= FILLING {
            return begin;
        }
        let next =
            word.len() + rest.iter().skip(word.len()).take_while(|byte| byte.is_ascii_whitespace()).count();
        if next == 0 {
            return begin;
        }
        begin += next;
    }
    at
}

fn begins_sentence(word: &[u8]) -> bool {
    match word {
        [b'A' | b'I'] => true,
        [first, second, ..] => {
            first.is_ascii_uppercase() && (second.is_ascii_lowercase() || *second == b'\'')
        }
        _ => false,
    }
}

/// Letters, an apostrophe or hyphen between them, and the punctuation of a sentence behind them.
fn is_prose_word(word: &[u8]) -> bool {
    if word.len() >= FILLING && word.iter().all(u8::is_ascii_alphanumeric) {
        return true;
    }
    let marks = word.iter().rev().take_while(|byte| b".,!?:".contains(byte)).count();
    let letters = word.get(..word.len() - marks).unwrap_or_default();
    let letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte >= 0x80;
    marks <= 3
        && letters.first().is_some_and(letter)
        && letters.last().is_some_and(letter)
        && letters.iter().all(|byte| letter(byte) || matches!(byte, b'\'' | b'-'))
        && !letters.windows(2).any(|pair| pair.iter().all(|byte| matches!(byte, b'\'' | b'-')))
}

/// A number, price, share, time or code, a word in quotation marks or parentheses, a dash.
fn is_figure(text: &[u8]) -> bool {
    let marks = text.iter().rev().take_while(|byte| b".,!?:;".contains(byte)).count();
    let body = text.get(..text.len() - marks.min(2)).unwrap_or_default();
    let number = body.strip_prefix(b"$").or(body.strip_prefix(b"(")).unwrap_or(body);
    let number = number.strip_suffix(b")").unwrap_or(number);
    let counts = number.first().is_some_and(u8::is_ascii_digit)
        && number.iter().all(|byte| byte.is_ascii_digit() || b".,:%".contains(byte));
    let coded = body.len() > 1 && body.iter().all(u8::is_ascii_alphanumeric);
    let marked = body.strip_prefix(b"\"").or(body.strip_prefix(b"(")).unwrap_or(body);
    let marked = marked.strip_suffix(b"\"").or(marked.strip_suffix(b")")).unwrap_or(marked);
    let worded = !marked.is_empty() && is_prose_word(marked) && !is_joint(marked);
    counts
        || coded
        || worded
        || text == b"-"
        || (body.is_empty() && matches!(text.first(), Some(first) if *first != b';'))
}

/// Words that join a number or name to the statement around it.
fn is_joint(text: &[u8]) -> bool {
    // The lexer takes `on` for what begins a condition; sentences have it before dates.
    if text.eq_ignore_ascii_case(b"on") {
        return false;
    }
    let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    matches!(
        word(text.get(..letters).unwrap_or_default()),
        Word::Bool
            | Word::Union
            | Word::Having
            | Word::Group
            | Word::Between
            | Word::Procedure
            | Word::Limit
            | Word::Select
            | Word::Where
            | Word::Change
            | Word::Exec
            | Word::Waitfor
            | Word::Shutdown
    )
}

#[cfg(test)]
mod tests {
    use super::within_prose;

    const PAGE: &str =
        "We were there on Monday and nobody opened. It isn't the first time, and we wonder why. ";

    fn inner(text: &str) -> Option<&str> {
        within_prose(text.as_bytes()).and_then(|range| text.get(range)).map(str::trim)
    }

    #[test]
    fn prose_is_taken_off_on_both_sides() {
        let page = PAGE.repeat(6);
        for payload in ["4 or 3=3", "' or name like '%", "or 'b'='b", "6;drop table orders", "root' #"] {
            for text in [
                format!("{page}{payload}"),
                format!("{payload} {page}"),
                format!("{page}{payload} {page}"),
                format!("{} {payload}", "x7".repeat(900)),
            ] {
                assert_eq!(inner(&text), Some(payload), "{text}");
            }
        }
    }

    #[test]
    fn figures_belong_to_prose_unless_a_statement_joins_them() {
        let page =
            "They sold 24 lamps (a 12% rise); the \"north\" shop did best. Prices start at $15 - see below. "
                .repeat(4);
        for payload in ["4 or 3=3", "' or name like '%", "-3 union select 7", "2 order by 5"] {
            assert_eq!(inner(&format!("{page}{payload}")), Some(payload));
            assert_eq!(inner(&format!("{payload} {page}")), Some(payload));
        }
    }

    #[test]
    fn nothing_is_left_of_prose_and_short_values_are_whole() {
        assert_eq!(inner(&PAGE.repeat(6)), None);
        assert_eq!(inner("4 or 3=3"), None);
        assert_eq!(inner(&"4 or 3=3 ".repeat(99)), None);
    }
}

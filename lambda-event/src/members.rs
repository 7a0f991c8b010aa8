//! The members of a JSON object, and the elements of an array, by their places in the text. It keeps nothing, so no cap applies and nothing
//! hides behind one; each pass is linear, and depth is a counter.
//!
//! Broken JSON gives the members until it breaks.

use std::ops::Range;

use memchr::memchr2;

/// One member of an object; an element of an array is one with an empty key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Between the quotes.
    pub(crate) key: Range<usize>,
    /// The value, quotes and brackets included.
    pub(crate) value: Range<usize>,
}

/// The members of the container at `range`.
pub(crate) fn members(text: &[u8], range: Range<usize>) -> impl Iterator<Item = Member> {
    let object = text.get(range.start) == Some(&b'{');
    let mut at = range.start + 1;
    std::iter::from_fn(move || {
        at = blank(text, at);
        if text.get(at) == Some(&b',') {
            at = blank(text, at + 1);
        }
        let key = if object {
            if text.get(at) != Some(&b'"') {
                return None;
            }
            let end = string_end(text, at)?;
            let key = at + 1..end - 1;
            at = blank(text, end);
            if text.get(at) != Some(&b':') {
                return None;
            }
            at += 1;
            key
        } else {
            at..at
        };
        let value = value_at(text, at)?;
        at = value.end;
        Some(Member { key, value })
    })
}

/// Whether a member's name, its escapes undone, is such.
pub(crate) fn is_named(text: &[u8], member: &Member, is: impl Fn(&str) -> bool) -> bool {
    let raw = text.get(member.key.clone()).unwrap_or_default();
    if !raw.contains(&b'\\') {
        return std::str::from_utf8(raw).is_ok_and(is);
    }
    let mut name = Vec::new();
    picket_content::json::unescape(raw, &mut name);
    std::str::from_utf8(&name).is_ok_and(is)
}

/// The value that begins at or after a place, white space aside.
fn value_at(text: &[u8], at: usize) -> Option<Range<usize>> {
    let start = blank(text, at);
    let end = match text.get(start)? {
        b'"' => string_end(text, start)?,
        b'{' | b'[' => container_end(text, start)?,
        b'}' | b']' | b',' | b':' => return None,
        _ => {
            let rest = text.get(start..)?;
            let end = rest
                .iter()
                .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n'));
            start + end.unwrap_or(rest.len())
        }
    };
    Some(start..end)
}

fn blank(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count()
}

/// One past the quote that closes the string at `start`.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        let found = at + memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(found) == Some(&b'"') {
            return Some(found + 1);
        }
        at = found + 2;
    }
}

/// One past the bracket that closes the container at `start`.
fn container_end(text: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        match text.get(at)? {
            b'"' => at = string_end(text, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth -= 1;
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, String)> {
        members(text.as_bytes(), 0..text.len())
            .map(|member| {
                (text.get(member.key).unwrap().to_owned(), text.get(member.value).unwrap().to_owned())
            })
            .collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn members_are_found_by_their_places() {
        assert_eq!(
            of(r#"{ "a" : "b\"}" ,"c":[{"}":1},2], "d":-1.5e3,"e":null }"#),
            pairs(&[("a", r#""b\"}""#), ("c", r#"[{"}":1},2]"#), ("d", "-1.5e3"), ("e", "null")])
        );
        assert_eq!(of(r#"[1,"a",{}]"#), pairs(&[("", "1"), ("", "\"a\""), ("", "{}")]));
        assert_eq!(of("{}"), pairs(&[]));
    }

    #[test]
    fn broken_text_gives_what_comes_before_the_break() {
        assert_eq!(of(r#"{"a":1,"b":"#), pairs(&[("a", "1")]));
        assert_eq!(of(r#"{"a":1,b:2}"#), pairs(&[("a", "1")]));
        assert_eq!(of(r#"{"a":"\"#), pairs(&[]));
        assert_eq!(of(&"[".repeat(300_000)), pairs(&[]));
    }
}

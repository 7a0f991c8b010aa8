//! Words put together from the codes of their characters, `chr(101)+chr(118)+chr(97)+chr(108)`, as Python, PHP and Basic
//! do it. It may not know which of them runs.

use crate::{Fact, FactKind, Input, Sink, bytes::find_ignore_case, doubt};

static SPELLED: Fact = Fact::new("a word put together from the codes of its letters", FactKind::Structure, 100);

/// Line ends and quotes are written so in honest code; letters are not.
const LETTERS: usize = 3;

/// Reports the first run of joined calls that spells at least [`LETTERS`] letters.
pub(super) fn look(input: &Input<'_>, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    let mut at = 0;
    while let Some(found) = find_ignore_case(bytes.get(at..).unwrap_or_default(), b"chr(") {
        let start = at + found;
        let (letters, end) = run_of(bytes, start);
        if letters >= LETTERS {
            doubt::report(input, sink, start..end, &[&SPELLED]);
            return;
        }
        at = end.max(start + 4);
    }
}

/// How many letters the joined calls from `at` spell, and where they end.
fn run_of(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let mut letters = 0;
    loop {
        let call = bytes.get(at..).unwrap_or_default();
        if !call.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"chr(")) {
            return (letters, at);
        }
        let digits = call.get(4..).unwrap_or_default();
        let count = digits.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        if count == 0 || digits.get(count) != Some(&b')') {
            return (letters, at + 4);
        }
        let code = digits.get(..count).unwrap_or_default().iter().fold(0_u32, |sum, b| sum * 10 + u32::from(b - b'0'));
        letters += usize::from(u8::try_from(code).is_ok_and(|code| code.is_ascii_alphanumeric()));
        at += 4 + count + 1;
        let joint = bytes.get(at..).unwrap_or_default();
        let blank = joint.iter().take(8).take_while(|b| b.is_ascii_whitespace()).count();
        if !matches!(joint.get(blank), Some(b'+' | b'.' | b'&')) {
            return (letters, at);
        }
        let after = joint.get(blank + 1..).unwrap_or_default();
        at += blank + 1 + after.iter().take(8).take_while(|b| b.is_ascii_whitespace()).count();
    }
}

//! Line breaks as header parsers and mail servers see them, and what stands at the start of the line after one.

/// The characters that some stacks cut down to CR and LF when they narrow UTF-16 to bytes: U+560D and U+560A.
const NARROWED: [&[u8]; 2] = [b"\xe5\x98\x8a", b"\xe5\x98\x8d"];
/// U+010D and U+010A side by side, which are narrowed to CR and LF as well; alone, the first is a letter of Czech.
const NARROWED_PAIR: &[u8] = b"\xc4\x8d\xc4\x8a";

/// A line that starts after a break.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'v> {
    /// First byte of the break.
    pub at: usize,
    /// First byte of the line, after the breaks and blanks.
    pub start: usize,
    /// The line, without its own break.
    pub text: &'v [u8],
    /// The break is spelled in a way that only a narrowing stack undoes.
    pub disguised: bool,
}

/// The lines after breaks, in order; runs of breaks and blanks count as one break.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let found = next_break(bytes, at)?;
        let (mut start, mut disguised) = (found, false);
        while let Some(rest) = bytes.get(start..) {
            match (break_len(rest), rest.first()) {
                (Some(len), _) => {
                    disguised |= len > 1;
                    start += len;
                }
                (None, Some(b' ' | b'\t')) => start += 1,
                _ => break,
            }
        }
        // No line holds a break, so the next one is looked for behind it.
        let end = next_break(bytes, start).unwrap_or(bytes.len());
        at = end.max(found + 1);
        Some(Line { at: found, start, text: bytes.get(start..end).unwrap_or_default(), disguised })
    })
}

/// The first break from `at` on.
fn next_break(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let rest = bytes.get(at..)?;
        at += rest.iter().position(|byte| matches!(byte, b'\r' | b'\n' | 0xe5 | 0xc4))?;
        if bytes.get(at..).and_then(break_len).is_some() {
            return Some(at);
        }
        at += 1;
    }
}

fn break_len(rest: &[u8]) -> Option<usize> {
    match rest.first()? {
        b'\r' | b'\n' => Some(1),
        0xe5 => NARROWED.iter().any(|mark| rest.starts_with(mark)).then_some(3),
        0xc4 => rest.starts_with(NARROWED_PAIR).then_some(NARROWED_PAIR.len()),
        _ => None,
    }
}

/// Whether there is any break at all.
pub(crate) fn has_break(bytes: &[u8]) -> bool {
    memchr::memchr2(b'\r', b'\n', bytes).is_some()
        || memchr::memmem::find(bytes, b"\xe5\x98")
            .is_some_and(|at| bytes.get(at..).and_then(break_len).is_some())
        || memchr::memmem::find(bytes, NARROWED_PAIR).is_some()
}

/// Whether a value is the whole head of a message, as mail services hand it on: every one of its first lines is a field or
/// goes on with one, the first line, too. What is smuggled into a header begins with that header's value.
pub(crate) fn is_mail_head(bytes: &[u8]) -> bool {
    const FEWEST: usize = 2;
    const LONGEST: usize = 1024;
    let head = bytes.get(..bytes.len().min(LONGEST)).unwrap_or_default();
    let first = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let names: &[&[u8]] = &[
        b"received",
        b"from",
        b"return-path",
        b"delivered-to",
        b"dkim-signature",
        b"mime-version",
        b"x-received",
    ];
    let begins = field(first).is_some_and(|(name, value)| {
        !value.is_empty() && names.iter().any(|known| known.eq_ignore_ascii_case(name))
    });
    begins && lines(bytes).take(FEWEST).filter(|line| field(line.text).is_some()).count() == FEWEST
}

/// The field name and value of a header line.
pub(crate) fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line
        .iter()
        .take(48)
        .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')))?;
    (colon > 0 && line.get(colon) == Some(&b':')).then(|| {
        (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default().trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_start_after_any_break() {
        let found: Vec<_> =
            lines(b"a\r\n b: c\nd\xe5\x98\x8a\xe5\x98\x8de:f").map(|line| line.text).collect();
        assert_eq!(found, [b"b: c".as_slice(), b"d", b"e:f"]);
        assert_eq!(lines(b"none").count(), 0);
        assert_eq!(lines(b"\n\n\n").map(|line| line.text.len()).sum::<usize>(), 0);
        assert_eq!(field(b"X-Y: z "), Some((b"X-Y".as_slice(), b"z".as_slice())));
        assert_eq!(field(b"not a field: x"), None);
        assert!(is_mail_head(b"From: a\nTo: b@c\nSubject: d\nDate: e\nMIME-Version: 1.0"));
        assert!(!is_mail_head(b"a@b.example\nTo: b@c\nSubject: d\nDate: e\nMIME-Version: 1.0"));
    }
}

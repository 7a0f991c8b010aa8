//! Searches in bytes without regard to case.

/// The offset of `needle`, which must be lower case, in `haystack` in any case.
pub(crate) fn find_ignore_case(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let (&first, rest) = needle.split_first()?;
    let last = haystack.len().checked_sub(rest.len())?;
    let upper = first.to_ascii_uppercase();
    memchr::memchr2_iter(first, upper, haystack.get(..last)?).find(|&at| {
        haystack.get(at + 1..=at + rest.len()).is_some_and(|found| found.eq_ignore_ascii_case(rest))
    })
}

/// Whether `needle`, which must be lower case, occurs in any case.
pub(crate) fn contains_ignore_case(haystack: &[u8], needle: &[u8]) -> bool {
    find_ignore_case(haystack, needle).is_some()
}

/// Whether `bytes` begins with `prefix` in any case.
pub(crate) fn starts_ignore_case(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

/// The offset of the first byte from `at` that is no white space.
pub(crate) fn skip_space(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Whether what stands behind a parenthesis is one string in quotes that computes nothing, and the end of the call and of the text.
pub(crate) fn is_one_text(arguments: &[u8]) -> bool {
    let Some((quote @ (b'\'' | b'"' | b'`'), rest)) = arguments.trim_ascii_start().split_first() else {
        return false;
    };
    let Some(end) = memchr::memchr(*quote, rest) else { return false };
    let (text, tail) = rest.split_at(end);
    let plain = text.iter().all(|byte| !matches!(byte, b'$' | b'{' | b'\\' | b'<' | b'%'));
    let tail = tail.get(1..).unwrap_or_default().trim_ascii();
    plain && matches!(tail, b")" | b");")
}

/// Whether a byte is a letter, a digit or an underscore.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_with_one_text_computes_nothing() {
        for arguments in ["'hello')", " \"it is done\" );", "`a`)"] {
            assert!(is_one_text(arguments.as_bytes()), "{arguments}");
        }
        for arguments in
            ["7*7)", "'a'.'b')", "\"{$x}\")", "`${x}`)", "'a');id", "'a'", "md5('a'))", "'<script>')", ""]
        {
            assert!(!is_one_text(arguments.as_bytes()), "{arguments}");
        }
    }

    #[test]
    fn found_in_any_case_and_at_the_ends() {
        assert_eq!(find_ignore_case(b"abCdE", b"cde"), Some(2));
        assert_eq!(find_ignore_case(b"e", b"e"), Some(0));
        assert_eq!(find_ignore_case(b"cd", b"cde"), None);
        assert!(starts_ignore_case(b"HTTP://", b"http:"));
    }
}

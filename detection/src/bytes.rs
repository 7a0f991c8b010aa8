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

/// Whether a byte is a letter, a digit or an underscore.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_in_any_case_and_at_the_ends() {
        assert_eq!(find_ignore_case(b"abCdE", b"cde"), Some(2));
        assert_eq!(find_ignore_case(b"e", b"e"), Some(0));
        assert_eq!(find_ignore_case(b"cd", b"cde"), None);
        assert!(starts_ignore_case(b"HTTP://", b"http:"));
    }
}

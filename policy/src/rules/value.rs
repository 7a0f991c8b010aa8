//! One value of a field, as a test looks at it.

use std::net::IpAddr;

/// A value of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Text(&'a [u8]),
    Number(i64),
    Address(IpAddr),
}

impl<'a> Value<'a> {
    /// Its bytes, where it is a text.
    pub(crate) const fn text(self) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Address(_) => None,
        }
    }

    /// Its number, also where it is a text that is one.
    pub(crate) fn number(self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Text(text) => integer(text),
            Self::Address(_) => None,
        }
    }

    /// Its address, also where it is a text that is one.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
            Self::Number(_) => None,
        }
    }

    /// What looking at it costs; see [`crate::limits::STEPS`].
    pub(crate) const fn steps(self) -> u64 {
        match self {
            Self::Text(text) => 1 + text.len() as u64 / 32,
            Self::Number(_) | Self::Address(_) => 1,
        }
    }
}

/// A whole number in decimal; a fraction is cut off. What does not fit is the largest or smallest.
fn integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text.get(..64).unwrap_or(text)).ok()?.trim();
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(whole.parse().unwrap_or(if whole.starts_with('-') { i64::MIN } else { i64::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbers_where_they_read_as_such() {
        let table = [
            ("12", Some(12)),
            (" -3 ", Some(-3)),
            ("+4", Some(4)),
            ("2.9", Some(2)),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999", Some(i64::MIN)),
            ("", None),
            ("-", None),
            ("1e3", None),
            ("0x10", None),
            ("12a", None),
        ];
        for (text, expected) in table {
            assert_eq!(Value::Text(text.as_bytes()).number(), expected, "{text}");
        }
        assert_eq!(Value::Text(b"192.0.2.1").address(), "192.0.2.1".parse().ok());
    }
}

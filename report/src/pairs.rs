//! Secrets inside of text that no parser took apart: a sensitive name, a sign, and a value behind it.

use std::ops::Range;

use crate::names;

/// Longest name that is read.
const NAME: usize = 40;

/// Masks the value behind every `password=…`, `"token": "…"` and their kin, byte for byte.
pub(crate) fn mask(bytes: &mut [u8]) {
    let mut at = 0;
    while at < bytes.len() {
        let starts = is_word(bytes[at]) && (at == 0 || !is_word(bytes[at - 1]));
        if !starts {
            at += 1;
            continue;
        }
        let word = bytes[at..].iter().take(NAME + 1).take_while(|byte| is_word(**byte)).count();
        let value = (word <= NAME && names::is_sensitive(&bytes[at..at + word]))
            .then(|| value_behind(bytes, at + word))
            .flatten();
        match value {
            Some(value) => {
                at = value.end.max(at + word);
                bytes[value].fill(b'*');
            }
            None => at += word,
        }
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The value behind a name that ends at `from`: after `=` or `:`, without quotes around it, up to what ends it.
fn value_behind(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    let mut signs = 0;
    // Quotes, brackets of `a[password]=`, escapes and blanks may stand between name and value; none of them many times.
    while let Some(&byte) = bytes.get(at).filter(|_| at < from + 12) {
        match byte {
            b'=' | b':' => signs += 1,
            b'"' | b'\'' | b'\\' | b' ' | b']' | b'[' | b'(' | b'>' => {}
            b'%' => {
                // `%3D` and `%22` are the same signs in a query.
                let code = bytes.get(at + 1..at + 3)?;
                match code.to_ascii_lowercase().as_slice() {
                    b"3d" | b"3a" => signs += 1,
                    b"22" | b"27" | b"20" | b"5d" | b"5b" => {}
                    _ => break,
                }
                at += 2;
            }
            _ => break,
        }
        at += 1;
    }
    if signs == 0 {
        return None;
    }
    let ends = |byte: &u8| matches!(byte, b'&' | b';' | b',' | b'"' | b'\'' | b'\r' | b'\n' | b'<' | b'}');
    let length = bytes.get(at..)?.iter().position(ends).unwrap_or(bytes.len() - at);
    Some(at..at + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        mask(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn values_behind_sensitive_names_are_masked() {
        for (text, expected) in [
            ("a=1&password=hunter2&b=2", "a=1&password=*******&b=2"),
            (r#"{"token": "abc", "q": "x"}"#, r#"{"token": "***", "q": "x"}"#),
            (r#"{\"password\":\"abc\"}"#, r#"{\"password\":\"****"}"#),
            ("user%5Bpassword%5D=abc&c=1", "user%5Bpassword%5D=***&c=1"),
            ("Authorization: Bearer abc\r\nHost: x", "Authorization: **********\r\nHost: x"),
            ("q=1' or 1=1--", "q=1' or 1=1--"),
            ("the password is secret", "the password is secret"),
            ("<password>abc</password>", "<password>abc</password>"),
            ("password=", "password="),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    #[test]
    fn hostile_text_is_read_in_linear_time() {
        for piece in ["password=", "password\"", "password ", "a-", "%3dpassword", "token=token="] {
            masked(&piece.repeat(200_000 / piece.len()));
        }
    }
}

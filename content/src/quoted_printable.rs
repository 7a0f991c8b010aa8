//! Quoted-printable (RFC 2045, 6.7), leniently: an escape that is none stays as it is.
//!
//! It may not know where the text stands.

use crate::percent;

/// Appends the decoded text to `out`.
pub(crate) fn decode(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte != b'=' {
            out.push(byte);
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        match rest {
            [b'\r', b'\n', ..] => at += 2,
            [b'\n', ..] => at += 1,
            _ => match percent::escape(rest) {
                Some(byte) => {
                    at += 2;
                    out.push(byte);
                }
                None => out.push(b'='),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes_and_soft_breaks_are_undone() {
        let mut out = Vec::new();
        super::decode(b"=3Cscript=3e a=\r\nb=\nc =zz =", &mut out);
        assert_eq!(out, b"<script> abc =zz =");
    }
}

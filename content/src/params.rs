//! Header values with parameters: `type/sub; name=value; name="quoted"` (RFC 9110, 5.6.6; RFC 2231 for `name*0*=`).
//!
//! It may not know which header it reads. It yields every parameter as it stands, repetitions included, because parsers
//! disagree on which one counts.

use std::ops::Range;

/// One parameter of a header value; ranges are offsets into the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Param {
    /// The name, without blanks.
    pub(crate) name: Range<usize>,
    /// The value without its quotes.
    pub(crate) value: Range<usize>,
    /// Whether it stood in quotes.
    pub(crate) quoted: bool,
    /// Whether the quotes hold backslashes.
    pub(crate) escaped: bool,
}

/// Yields the parameters of a header value, and before them its first word as a parameter without a name.
pub(crate) struct Params<'v> {
    value: &'v [u8],
    at: usize,
}

impl<'v> Params<'v> {
    /// The first word, for instance the media type, and the parameters after it.
    pub(crate) fn split(value: &'v [u8]) -> (&'v [u8], Self) {
        let end = value.iter().position(|b| matches!(b, b';' | b',')).unwrap_or(value.len());
        (value.get(..end).unwrap_or_default().trim_ascii(), Self { value, at: end + 1 })
    }
}

impl Iterator for Params<'_> {
    type Item = Param;

    fn next(&mut self) -> Option<Param> {
        let is_blank = |b: &u8| b.is_ascii_whitespace() || matches!(b, b';' | b',' | 0);
        loop {
            let rest = self.value.get(self.at..)?;
            self.at += rest.iter().take_while(|b| is_blank(b)).count();
            let rest = self.value.get(self.at..).filter(|rest| !rest.is_empty())?;
            let name_len = rest.iter().position(|b| matches!(b, b'=' | b';')).unwrap_or(rest.len());
            let name = rest.get(..name_len)?.trim_ascii_end();
            let name = self.at..self.at + name.len();
            if rest.get(name_len) != Some(&b'=') {
                // A word without a value.
                self.at += name_len;
                if name.is_empty() {
                    continue;
                }
                return Some(Param { value: name.end..name.end, name, quoted: false, escaped: false });
            }
            let after = rest.get(name_len + 1..)?;
            let blanks = after.iter().take_while(|b| b.is_ascii_whitespace()).count();
            let start = self.at + name_len + 1 + blanks;
            let text = self.value.get(start..)?;
            if text.first() != Some(&b'"') {
                let end = text.iter().position(|b| *b == b';').unwrap_or(text.len());
                let len = text.get(..end)?.trim_ascii_end().len();
                self.at = start + end;
                return Some(Param { name, value: start..start + len, quoted: false, escaped: false });
            }
            let mut escaped = false;
            let mut end = 1;
            while let Some(&byte) = text.get(end) {
                match byte {
                    b'"' => break,
                    b'\\' => {
                        escaped = true;
                        end += 1;
                    }
                    _ => {}
                }
                end += 1;
            }
            let end = end.min(text.len());
            self.at = start + end + 1;
            return Some(Param { name, value: start + 1..start + end, quoted: true, escaped });
        }
    }
}

/// Undoes the backslashes of a quoted string.
pub(crate) fn unquote(text: &[u8], out: &mut Vec<u8>) {
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        out.push(if byte == b'\\' { *bytes.next().unwrap_or(&b'\\') } else { byte });
    }
}

/// The same, but only before quotes and backslashes, as Python's `email` does.
pub(crate) fn unquote_marks(text: &[u8], out: &mut Vec<u8>) {
    let mut bytes = text.iter().peekable();
    while let Some(&byte) = bytes.next() {
        let marked = bytes.next_if(|next| byte == b'\\' && matches!(next, b'"' | b'\\'));
        out.push(marked.copied().unwrap_or(byte));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<(String, String)> {
        let (word, params) = Params::split(value.as_bytes());
        let text = |range: Range<usize>| value.get(range).unwrap().to_owned();
        let mut all = vec![(String::new(), String::from_utf8(word.to_vec()).unwrap())];
        all.extend(params.map(|p| (text(p.name), text(p.value))));
        all
    }

    #[test]
    fn parameters_come_with_repetitions_and_broken_ones() {
        let pairs =
            |all: &[(&str, &str)]| all.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect::<Vec<_>>();
        for (value, expected) in [
            ("text/html", pairs(&[("", "text/html")])),
            ("a/b; x=1;x = \"2\\\"3\" ; y", pairs(&[("", "a/b"), ("x", "1"), ("x", "2\\\"3"), ("y", "")])),
            ("form-data; name=\"open", pairs(&[("", "form-data"), ("name", "open")])),
            ("a/b;;; =v; n=", pairs(&[("", "a/b"), ("", "v"), ("n", "")])),
            ("a/b; n=\"x\\", pairs(&[("", "a/b"), ("n", "x\\")])),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
        let mut out = Vec::new();
        unquote(b"a\\\"b\\", &mut out);
        assert_eq!(out, b"a\"b\\");
        out.clear();
        unquote_marks(b"\\a\\\"b\\\\c\\", &mut out);
        assert_eq!(out, b"\\a\"b\\c\\");
    }
}

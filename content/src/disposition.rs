//! `Content-Disposition` of a multipart part (RFC 7578, 4.2; RFC 6266; RFC 8187 and RFC 2231 for `filename*`): every name
//! and file name that some parser would take from it.
//!
//! It may not know where the header stands.

use std::ops::Range;

use crate::{
    charset::Charset,
    params::{Params, unquote, unquote_marks},
    percent,
};

/// One reading of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As it stands, at these offsets of the header value.
    Here(Range<usize>),
    /// After an encoding was undone.
    Made(Vec<u8>),
}

/// The names of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disposition {
    /// Readings of `name`.
    pub(crate) names: Vec<Reading>,
    /// Readings of `filename`.
    pub(crate) files: Vec<Reading>,
    /// Whether parsers would take different names, or one a file that another takes for a field.
    pub(crate) ambiguous: bool,
}

/// Parameters of one header that are read one by one.
const PARAMS: usize = 64;
/// First words of the header that say nothing.
const USUAL: [&[u8]; 4] = [b"form-data", b"file", b"attachment", b"inline"];

impl Disposition {
    pub(crate) fn read(value: &[u8]) -> Self {
        let mut found = Self::default();
        let mut continued: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
        let mut plain = [0_usize; 2];
        let mut starred = [0_usize; 2];
        let mut repeated: [Vec<&[u8]>; 2] = [Vec::new(), Vec::new()];
        let (word, params) = Params::split(value);
        if !USUAL.iter().any(|usual| word.eq_ignore_ascii_case(usual)) {
            let end = value.len() - value.trim_ascii_start().len() + word.len();
            found.names.push(Reading::Here(0..end));
            if let Some(equals) = memchr::memchr(b'=', word) {
                let start = end - word.len() + equals + 1;
                let start = start
                    + value.get(start..end).map_or(0, |text| text.len() - text.trim_ascii_start().len());
                found.names.extend(by_parity(value, start, &(start..end)));
            }
        }
        for (read, param) in params.enumerate() {
            if read == PARAMS {
                // The rest as one: nobody sends so many.
                found.names.push(Reading::Here(param.name.start..value.len()));
                found.ambiguous = true;
                break;
            }
            let name = value.get(param.name.clone()).unwrap_or_default();
            let text = value.get(param.value.clone()).unwrap_or_default();
            let (base, rest) = cut(name);
            let which = if base.eq_ignore_ascii_case(b"name") {
                0
            } else if base.eq_ignore_ascii_case(b"filename") {
                1
            } else {
                // A stray word may belong to a file name that another parser does not end where we end it.
                let at = param.name.start..param.value.end.max(param.name.end);
                found.files_or_names().push(Reading::Here(at));
                found.ambiguous |= text.is_empty();
                continue;
            };
            let readings = if which == 0 { &mut found.names } else { &mut found.files };
            let start = param.value.start.saturating_sub(usize::from(param.quoted));
            let other = by_parity(value, start, &param.value);
            match rest {
                None => {
                    plain[which] += 1;
                    readings.push(Reading::Here(param.value));
                    if param.escaped {
                        let (mut made, mut few) = (Vec::new(), Vec::new());
                        unquote(text, &mut made);
                        unquote_marks(text, &mut few);
                        if few != made {
                            readings.push(Reading::Made(few));
                        }
                        readings.push(Reading::Made(made));
                    }
                }
                Some(b"*") => {
                    starred[which] += 1;
                    if let Some(texts) = repeated.get_mut(which) {
                        texts.push(text);
                    }
                    let mut made = Vec::new();
                    extended(text, &mut made);
                    readings.push(Reading::Made(made));
                    if memchr::memchr(b'\'', text).is_none() {
                        readings.push(Reading::Here(param.value));
                    }
                }
                Some(rest) => {
                    let digits = rest.get(1..).unwrap_or_default();
                    let digits = digits.strip_suffix(b"*").unwrap_or(digits);
                    if !digits.iter().all(u8::is_ascii_digit) {
                        // No number of a piece: the whole parameter is shown.
                        readings.push(Reading::Here(param.name.start..param.value.end));
                        continue;
                    }
                    starred[which] = starred[which].max(1);
                    if let Some(pieces) = continued.get_mut(which) {
                        extended(text, pieces);
                    }
                    readings.push(Reading::Here(param.value));
                }
            }
            // Behind the usual reading, which gives the part its name.
            readings.extend(other);
        }
        // Python joins what repeats, in alphabetical order.
        let [mut of_names, mut of_files] = repeated;
        for (texts, readings) in [(&mut of_names, &mut found.names), (&mut of_files, &mut found.files)] {
            if texts.len() > 1 {
                texts.sort_unstable();
                let mut made = Vec::new();
                extended(&texts.concat(), &mut made);
                readings.push(Reading::Made(made));
            }
        }
        let [name, file] = continued;
        if !name.is_empty() {
            found.names.push(Reading::Made(name));
        }
        if !file.is_empty() {
            found.files.push(Reading::Made(file));
        }
        // Clients do send `filename` with `filename*` for one name in two spellings; no client sends one of them twice.
        found.ambiguous |= plain.iter().chain(&starred).any(|&count| count > 1) || starred[0] > 0;
        found.ambiguous |= plain[1] > 0 && starred[1] > 0 && !found.same_extension(value);
        found
    }

    const fn files_or_names(&mut self) -> &mut Vec<Reading> {
        if self.files.is_empty() { &mut self.names } else { &mut self.files }
    }

    fn same_extension(&self, value: &[u8]) -> bool {
        let mut extensions = self.files.iter().map(|reading| {
            let text = match reading {
                Reading::Here(at) => value.get(at.clone()).unwrap_or_default(),
                Reading::Made(text) => text,
            };
            text.rsplit(|&b| b == b'.').next().unwrap_or_default()
        });
        let first = extensions.next().unwrap_or_default();
        extensions.all(|other| other.eq_ignore_ascii_case(first))
    }
}

/// What Python's `email` takes for the value that begins at `start`, where that is not what stands at `here`: it ends at a
/// semicolon before which the number of quotes is even, and is no string in quotes where no quote ends it.
fn by_parity(value: &[u8], start: usize, here: &Range<usize>) -> Option<Reading> {
    let rest = value.get(start..)?;
    let (mut odd, mut before) = (false, 0);
    let end = rest.iter().position(|&byte| {
        odd ^= byte == b'"' && before != b'\\';
        before = byte;
        byte == b';' && !odd
    });
    let text = rest.get(..end.unwrap_or(rest.len()))?.trim_ascii_end();
    let inner = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
    let Some(inner) = inner else {
        let at = start..start + text.len();
        return (at != *here).then_some(Reading::Here(at));
    };
    if inner.len() == here.len() {
        return None;
    }
    let mut made = Vec::new();
    unquote_marks(inner, &mut made);
    Some(Reading::Made(made))
}

/// A parameter's name without what follows its first `*`.
fn cut(name: &[u8]) -> (&[u8], Option<&[u8]>) {
    memchr::memchr(b'*', name).map_or((name, None), |star| {
        (name.get(..star).unwrap_or_default(), Some(name.get(star..).unwrap_or_default()))
    })
}

/// Appends an extended value, `charset'language'percent-encoded` (RFC 8187, 3.2), to `out` as UTF-8. A continuation has
/// neither charset nor language.
pub(crate) fn extended(value: &[u8], out: &mut Vec<u8>) {
    let mut pieces = value.splitn(3, |&b| b == b'\'');
    let (charset, text) = match (pieces.next(), pieces.next(), pieces.next()) {
        (Some(charset), Some(_), Some(text)) => (Charset::of(charset), text),
        _ => (None, value),
    };
    let mut plain = Vec::new();
    percent::decode(text, false, &mut plain);
    match charset {
        Some(charset) if !(charset.keeps_ascii() && plain.is_ascii()) => charset.decode(&plain, out),
        _ => out.extend_from_slice(&plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(value: &str) -> (Vec<String>, bool) {
        let found = Disposition::read(value.as_bytes());
        let text = |reading: &Reading| match reading {
            Reading::Here(at) => value.get(at.clone()).unwrap().to_owned(),
            Reading::Made(text) => String::from_utf8_lossy(text).into_owned(),
        };
        (found.files.iter().map(text).collect(), found.ambiguous)
    }

    #[test]
    fn every_spelling_of_a_file_name_is_read() {
        let some = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        for (value, names, ambiguous) in [
            ("form-data; name=\"a\"; filename=\"x.png\"", &["x.png"][..], false),
            ("form-data; name=a; filename=\"x\\\".php\"", &["x\\\".php", "x\".php"], false),
            ("form-data; name=a; filename=a.png; filename*=utf-8''a%2ephp", &["a.png", "a.php"], true),
            ("form-data; name=a; filename=e.png; filename*=UTF-8''%C3%A9.png", &["e.png", "é.png"], false),
            ("form-data; name=a; filename*=iso-8859-1''%e9.png", &["é.png"], false),
            ("form-data; name=a; filename*0=a.; filename*1=php", &["a.", "php", "a.php"], false),
            ("form-data; name=a; filename=a.png; filename=b.php", &["a.png", "b.php"], true),
            ("form-data; name=a; filename=a.png;b.php", &["a.png", "b.php"], true),
            ("form-data; name=a; FILENAME = x.php", &["x.php"], false),
        ] {
            assert_eq!(files(value), (some(names), ambiguous), "{value}");
        }
    }
}

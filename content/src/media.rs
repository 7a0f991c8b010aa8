//! Content types: what they say a text is (RFC 9110, 8.3; RFC 6839 for suffixes).
//!
//! It may not look at the text.

use picket_request::Span;

use crate::{charset::Charset, params::Params, reader::Reader};

/// What one or more content types say. More than one may be true where a header is repeated.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Media {
    pub(crate) form: bool,
    pub(crate) json: bool,
    /// JSON texts on lines of their own.
    pub(crate) lines: bool,
    pub(crate) multipart: bool,
    pub(crate) xml: bool,
    pub(crate) graphql: bool,
    pub(crate) text: bool,
    /// Images, archives and the like.
    pub(crate) binary: bool,
    /// A content type was given.
    pub(crate) known: bool,
    pub(crate) charset: Option<Charset>,
}

impl Media {
    /// What all of these headers say together.
    pub(crate) fn of_all(reader: &Reader<'_>, types: &[Span]) -> Self {
        let mut media = Self::default();
        for &span in types {
            media.add(reader.request.bytes(span));
        }
        media
    }

    /// Whether the type is that of a text, or there is none.
    pub(crate) const fn is_textual(&self) -> bool {
        !self.binary || self.form || self.json || self.xml || self.text || self.graphql
    }

    fn add(&mut self, value: &[u8]) {
        let (word, params) = Params::split(value);
        if word.is_empty() {
            return;
        }
        self.known = true;
        let mut lower = [0_u8; 96];
        let len = word.len().min(lower.len());
        let lower = lower.get_mut(..len).unwrap_or_default();
        lower.copy_from_slice(word.get(..len).unwrap_or_default());
        lower.make_ascii_lowercase();
        self.kind(lower);
        for param in params {
            if value.get(param.name).is_some_and(|name| name.eq_ignore_ascii_case(b"charset")) {
                self.charset =
                    self.charset.or_else(|| Charset::of(value.get(param.value).unwrap_or_default()));
            }
        }
    }

    fn kind(&mut self, word: &[u8]) {
        let (kind, sub) = match memchr::memchr(b'/', word) {
            Some(slash) => (word.get(..slash).unwrap_or_default(), word.get(slash + 1..).unwrap_or_default()),
            None => (word, &b""[..]),
        };
        match sub {
            b"x-www-form-urlencoded" => self.form = true,
            b"x-ndjson" | b"ndjson" | b"jsonl" | b"x-jsonlines" | b"json-lines" | b"x-json-stream"
            | b"json-seq" => {
                self.lines = true;
            }
            b"graphql" | b"graphql+json" | b"graphql-response+json" => {
                self.graphql = true;
                self.json = sub != b"graphql";
            }
            _ if sub.ends_with(b"json")
                || sub.starts_with(b"json")
                || sub == b"csp-report"
                || sub == b"x-amz-json-1.1" =>
            {
                self.json = true;
            }
            _ if sub.starts_with(b"x-amz-json") => self.json = true,
            _ if sub == b"xml"
                || sub.ends_with(b"+xml")
                || sub.starts_with(b"xml")
                || sub.ends_with(b"/xml") =>
            {
                self.xml = true;
            }
            _ => match kind {
                b"multipart" => self.multipart = true,
                b"text" => self.text = true,
                b"image" | b"audio" | b"video" | b"font" | b"model" => self.binary = true,
                b"application" => {
                    let texts = matches!(sub, b"javascript" | b"x-javascript" | b"sql" | b"yaml" | b"x-yaml");
                    self.binary = !texts;
                }
                _ => {}
            },
        }
        // An image type, but a text.
        self.binary &= !(sub.ends_with(b"+xml") || sub == b"svg");
    }
}

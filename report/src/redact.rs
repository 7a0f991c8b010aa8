//! The only door: bytes of a request become [`Redacted`] here, or they do not leave.

use std::{fmt, ops::Range};

use picket_request::{LocationId, Place, Request, Segment, Value};

use crate::{names, patterns};

/// Text that is safe to leave: sensitive fields are left out, personal data is masked, control and non-ASCII bytes are
/// escaped, and the length is capped.
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// The safe text.
    pub const fn as_inner(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Display> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What stands for a value that must not be shown.
const WITHHELD: &str = "[redacted]";
/// Bytes of an excerpt.
const EXCERPT: usize = 96;
/// Bytes on either side of an excerpt that are read so that a number cut by its edge is still recognised.
const MARGIN: usize = 64;
/// Bytes of a path or a location.
const PATH: usize = 256;
/// Bytes of a method.
const METHOD: usize = 16;

/// The offending bytes of a value, at `span` of a decoded `view` of it.
///
/// Withheld are: fields with a sensitive name anywhere on their path, every cookie, credentials, raw bodies and query
/// strings that no parser took apart (nobody knows which of their bytes are a password).
#[must_use]
pub fn excerpt(request: &Request, value: &Value, view: &[u8], span: Range<usize>) -> Redacted<String> {
    let whole_text = matches!(
        value.place,
        Place::Body
            | Place::QueryString
            | Place::Cookie
            | Place::FileContent
            | Place::JwtClaim
            | Place::Event
    );
    if whole_text
        || names::is_sensitive(request.bytes(value.name))
        || has_sensitive_key(request, value.location)
    {
        return Redacted(WITHHELD.to_owned());
    }
    let (start, end) = (span.start.min(view.len()), span.end.min(view.len()));
    Redacted(masked(view, start..end.max(start), EXCERPT))
}

/// The path of a request, without its query.
#[must_use]
pub fn path(request: &Request) -> Redacted<String> {
    let path = request.bytes(request.path);
    let end = path.iter().position(|&byte| byte == b'?').unwrap_or(path.len());
    Redacted(masked(path, 0..end, PATH))
}

/// A location as text; keys are names that a sender chose, so they are masked and capped like everything else.
#[must_use]
pub fn location(request: &Request, location: LocationId) -> Redacted<String> {
    let text = request.render(location);
    Redacted(masked(text.as_bytes(), 0..text.len(), PATH))
}

/// The HTTP method.
#[must_use]
pub fn method(request: &Request) -> Redacted<String> {
    let method = request.bytes(request.method);
    Redacted(masked(method, 0..method.len(), METHOD))
}

fn has_sensitive_key(request: &Request, mut location: LocationId) -> bool {
    while let Some((parent, segment)) = request.locations.get(location) {
        if let Segment::Key(key) = segment
            && names::is_sensitive(request.bytes(key))
        {
            return true;
        }
        location = parent;
    }
    false
}

/// `range` of `bytes`, cut to `cap` bytes, masked and escaped.
fn masked(bytes: &[u8], range: Range<usize>, cap: usize) -> String {
    let cut = range.end.min(range.start + cap);
    let from = range.start.saturating_sub(MARGIN);
    let to = (cut + MARGIN).min(bytes.len());
    let mut window = bytes[from..to].to_vec();
    patterns::mask(&mut window);
    let mut text = escape(&window[range.start - from..cut - from]);
    if cut < range.end {
        text.push('…');
    }
    text
}

/// Printable ASCII stands for itself, everything else becomes `\xNN`.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte == b'\\' || !(byte.is_ascii_graphic() || byte == b' ') {
            text.push_str(&format!("\\x{byte:02x}"));
        } else {
            text.push(char::from(byte));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use picket_request::{Part, Span};

    use super::*;

    fn shown(keys: &[&str], place: Place, text: &str, span: Range<usize>) -> String {
        let mut source = Vec::new();
        let mut push = |text: &str| {
            source.extend_from_slice(text.as_bytes());
            Span::source(source.len() - text.len(), source.len())
        };
        let spans: Vec<_> = keys.iter().map(|key| push(key)).collect();
        let value = push(text);
        let mut request = Request::new(Bytes::from(source));
        let mut location = request.locations.add(LocationId::ROOT, Segment::Part(Part::Body));
        for span in &spans {
            location = request.locations.add(location, Segment::Key(*span));
        }
        request.push_plain(value, place, *spans.last().unwrap(), location);
        excerpt(&request, &request.values()[0], text.as_bytes(), span).to_string()
    }

    #[test]
    fn an_excerpt_shows_the_offending_bytes_only() {
        assert_eq!(shown(&["q"], Place::Query, "hello ' or 1=1--", 6..16), "' or 1=1--");
        assert_eq!(shown(&["q"], Place::Query, "a\r\nb\u{e9}\\", 0..7), "a\\x0d\\x0ab\\xc3\\xa9\\x5c");
        let long = "x".repeat(200);
        assert_eq!(shown(&["q"], Place::Query, &long, 0..200), format!("{}…", "x".repeat(96)));
    }

    #[test]
    fn sensitive_fields_are_withheld_wherever_the_name_stands() {
        assert_eq!(shown(&["password"], Place::Json, "' or 1=1--", 0..10), WITHHELD);
        assert_eq!(shown(&["password", "value"], Place::Json, "' or 1=1--", 0..10), WITHHELD);
        assert_eq!(shown(&["theme"], Place::Cookie, "' or 1=1--", 0..10), WITHHELD);
        assert_eq!(shown(&["x"], Place::Body, "password=hunter2", 0..16), WITHHELD);
    }

    #[test]
    fn a_number_that_an_edge_cuts_is_still_masked() {
        let text = "' or 1=1-- 4111 1111 1111 1111";
        assert_eq!(shown(&["q"], Place::Query, text, 0..16), "' or 1=1-- *****");
    }

    #[test]
    fn debug_of_a_redacted_text_is_the_redacted_text() {
        assert_eq!(format!("{:?}", Redacted("a".to_owned())), "\"a\"");
    }
}

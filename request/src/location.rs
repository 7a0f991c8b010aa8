//! Where a value stands in its request: a tree of small nodes, rendered as text only when somebody wants to read it.

use crate::{Span, limits};

/// A node of the location tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocationId(u32);

impl LocationId {
    /// The request as a whole.
    pub const ROOT: Self = Self(0);
}

/// The outermost segment of a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The whole event, where nothing more is known.
    Event,
    /// The HTTP method.
    Method,
    /// The path of the request target.
    Path,
    /// The query string.
    Query,
    /// A header.
    Header,
    /// A cookie.
    Cookie,
    /// The body.
    Body,
}

impl Part {
    /// The name that stands in a rendered location, for instance `query`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Method => "method",
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Body => "body",
        }
    }
}

/// One step from a node to its child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// An outermost segment.
    Part(Part),
    /// A member of a map: a parameter, header, cookie or JSON key, by the bytes that name it.
    Key(Span),
    /// An element of a sequence.
    Index(u32),
    /// A transport encoding that was undone to get here, for instance `gzip`, `base64` or `json`.
    Unwrapped(&'static str),
    /// A fixed word, for instance `filename`.
    Word(&'static str),
}

#[derive(Clone, Copy, Debug)]
struct Node {
    parent: LocationId,
    segment: Segment,
}

/// The location tree of one request.
#[derive(Clone, Debug, Default)]
pub struct Locations {
    nodes: Vec<Node>,
}

impl Locations {
    /// Adds a child. Beyond [`limits::LOCATIONS`] the parent stands in for it, so a value always has a location.
    pub fn add(&mut self, parent: LocationId, segment: Segment) -> LocationId {
        if self.nodes.len() >= limits::LOCATIONS {
            return parent;
        }
        self.nodes.push(Node { parent, segment });
        LocationId(u32::try_from(self.nodes.len()).unwrap_or(0))
    }

    /// The segment of a node and its parent, or `None` for the root.
    #[must_use]
    pub fn get(&self, id: LocationId) -> Option<(LocationId, Segment)> {
        let node = self.nodes.get((id.0 as usize).checked_sub(1)?)?;
        Some((node.parent, node.segment))
    }

    /// The outermost part of a location.
    #[must_use]
    pub fn part(&self, mut id: LocationId) -> Part {
        let mut part = Part::Event;
        while let Some((parent, segment)) = self.get(id) {
            if let Segment::Part(found) = segment {
                part = found;
            }
            id = parent;
        }
        part
    }

    /// Writes a location as `body.items[3].note`. `key` gives the bytes of a span; what is not printable ASCII in a
    /// key is escaped as `\xNN`, and a key is cut after 64 bytes.
    #[must_use]
    pub fn render<'r>(&self, mut id: LocationId, key: impl Fn(Span) -> &'r [u8]) -> String {
        let mut chain = Vec::new();
        while let Some((parent, segment)) = self.get(id) {
            chain.push(segment);
            id = parent;
        }
        let mut text = String::new();
        for segment in chain.iter().rev() {
            match *segment {
                Segment::Part(part) => text.push_str(part.name()),
                Segment::Key(span) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    push_escaped(&mut text, key(span));
                }
                Segment::Index(index) => {
                    text.push('[');
                    text.push_str(&index.to_string());
                    text.push(']');
                }
                Segment::Unwrapped(word) => {
                    text.push('(');
                    text.push_str(word);
                    text.push(')');
                }
                Segment::Word(word) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(word);
                }
            }
        }
        if text.is_empty() {
            text.push_str(Part::Event.name());
        }
        text
    }

    /// Forgets all nodes and keeps the memory.
    pub fn clear(&mut self) {
        self.nodes.clear();
    }
}

const KEY_BYTES: usize = 64;

fn push_escaped(text: &mut String, bytes: &[u8]) {
    for &byte in bytes.iter().take(KEY_BYTES) {
        if byte == b'\\' || !(byte.is_ascii_graphic() || byte == b' ') {
            text.push_str(&format!("\\x{byte:02x}"));
        } else {
            text.push(char::from(byte));
        }
    }
    if bytes.len() > KEY_BYTES {
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Request, Span};

    #[test]
    fn a_location_reads_like_a_path() {
        let mut request = Request::new(bytes::Bytes::from_static(b"items note"));
        let body = request.locations.add(LocationId::ROOT, Segment::Part(Part::Body));
        let gzip = request.locations.add(body, Segment::Unwrapped("gzip"));
        let items = request.locations.add(gzip, Segment::Key(Span::source(0, 5)));
        let third = request.locations.add(items, Segment::Index(3));
        let note = request.locations.add(third, Segment::Key(Span::source(6, 10)));
        assert_eq!(request.render(note), "body(gzip).items[3].note");
        assert_eq!(request.locations.part(note), Part::Body);
        assert_eq!(request.render(LocationId::ROOT), "event");
    }

    #[test]
    fn hostile_keys_are_escaped_and_cut() {
        let mut request = Request::new(bytes::Bytes::from([b"a\n\x1b".as_slice(), &[b'k'; 100]].concat()));
        let key = request.locations.add(LocationId::ROOT, Segment::Key(Span::source(0, 103)));
        let text = request.render(key);
        assert!(text.starts_with("a\\x0a\\x1bkk"), "{text}");
        assert!(text.ends_with('…') && text.len() < 100, "{text}");
    }
}

//! A request as the rest of Picket sees it: buffers, and values that point into them.
//!
//! It is made to be used again: [`Request::reset`] keeps the memory, so that a clean request allocates next to nothing.

use std::{fmt, net::IpAddr, ops::Range};

use bytes::Bytes;

use crate::{Anomalies, ClientAddr, LocationId, Locations, Place, Value, limits};

/// Bytes of a buffer of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Which buffer.
    pub buffer: BufferId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A buffer of a request: the source is the event as it came, the others hold what was decoded from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BufferId(u16);

impl BufferId {
    /// The original bytes.
    pub const SOURCE: Self = Self(0);
    /// Where small decoded texts are collected.
    pub const ARENA: Self = Self(1);
}

impl Span {
    /// Nothing.
    pub const EMPTY: Self = Self { buffer: BufferId::SOURCE, start: 0, end: 0 };

    /// A span of `buffer`. Offsets beyond `u32` cannot occur within [`limits`] and saturate.
    #[must_use]
    pub fn new(buffer: BufferId, start: usize, end: usize) -> Self {
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { buffer, start: narrow(start), end: narrow(end.max(start)) }
    }

    /// A span of the original bytes.
    #[must_use]
    pub fn source(start: usize, end: usize) -> Self {
        Self::new(BufferId::SOURCE, start, end)
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it holds no byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The span of `range` within this span.
    #[must_use]
    pub fn slice(self, range: Range<usize>) -> Self {
        let start = self.start as usize;
        let end = (start + range.end).min(self.end as usize);
        Self::new(self.buffer, (start + range.start).min(end), end)
    }

    const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Which kind of event a request came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventSource {
    /// Stable name, for instance `http-v2`; `unknown` where no predicate said yes.
    pub name: &'static str,
    /// Whether a tested block answer exists; without one the source is log-only in every mode.
    pub can_block: bool,
    /// Whether its findings may count towards flags.
    pub counts: bool,
}

/// A request: what it says of itself, and every value that its sender controls.
#[derive(Clone, Default)]
pub struct Request {
    source: Bytes,
    /// `buffers[i]` is buffer `i + 1`.
    buffers: Vec<Vec<u8>>,
    used: usize,
    /// Holds a piece of the arena while what is made of it is appended to the arena.
    scratch: Vec<u8>,
    values: Vec<Value>,
    /// Where values stand.
    pub locations: Locations,
    /// What was odd.
    pub anomalies: Anomalies,
    /// Which kind of event it came in.
    pub event: EventSource,
    /// Who sent it.
    pub client: ClientAddr,
    /// The address that the platform saw, before any hop is believed.
    pub peer: Option<IpAddr>,
    /// HTTP method, empty where there is none.
    pub method: Span,
    /// Path of the request target as it came, empty where there is none.
    pub path: Span,
    /// Raw query string without `?`.
    pub query: Span,
    /// Host that was asked for.
    pub host: Span,
    /// The content type header.
    pub content_type: Span,
    /// The user agent header.
    pub user_agent: Span,
    /// Bytes of the body as the handler would get them, before decompression.
    pub body_bytes: usize,
}

impl Request {
    /// A request over the original bytes of an event, with no values yet.
    #[must_use]
    pub fn new(source: Bytes) -> Self {
        let mut request = Self::default();
        request.reset(source);
        request
    }

    /// Starts over with other bytes and keeps the memory of small buffers.
    pub fn reset(&mut self, source: Bytes) {
        const KEEP: usize = 256 * 1024;
        for buffer in &mut self.buffers {
            buffer.clear();
            if buffer.capacity() > KEEP {
                // One large event must not cost a 128 MB function memory for the rest of its life.
                *buffer = Vec::new();
            }
        }
        if self.scratch.capacity() > KEEP {
            self.scratch = Vec::new();
        }
        self.arena();
        self.used = 1;
        self.values.clear();
        if self.values.capacity() > 4096 {
            self.values.shrink_to(1024);
        }
        self.locations.clear();
        self.anomalies.clear();
        self.source = source;
        self.event = EventSource::default();
        self.client = ClientAddr::default();
        self.peer = None;
        self.method = Span::EMPTY;
        self.path = Span::EMPTY;
        self.query = Span::EMPTY;
        self.host = Span::EMPTY;
        self.content_type = Span::EMPTY;
        self.user_agent = Span::EMPTY;
        self.body_bytes = 0;
    }

    /// The original bytes.
    #[must_use]
    pub const fn source(&self) -> &Bytes {
        &self.source
    }

    /// The bytes of a span; empty for a span of another request.
    #[must_use]
    pub fn bytes(&self, span: Span) -> &[u8] {
        let buffer = match (span.buffer.0 as usize).checked_sub(1) {
            None => &self.source[..],
            Some(index) => self.buffers.get(index).map_or(&[][..], Vec::as_slice),
        };
        buffer.get(span.range()).unwrap_or_default()
    }

    /// All values, in the order in which they were found.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Adds a value. Beyond [`limits::VALUES`] it raises OVERSIZE and answers `false`.
    pub fn push(&mut self, value: Value) -> bool {
        if self.values.len() >= limits::VALUES {
            self.anomalies.raise(crate::Anomaly::Oversize, value.location);
            return false;
        }
        self.values.push(value);
        true
    }

    /// Adds one undivided value for a stretch that was too much to take apart, so that passing a cap never means that
    /// bytes go unexamined. A few places beyond [`limits::VALUES`] are kept for it.
    pub fn push_rest(&mut self, value: Value) -> bool {
        self.anomalies.raise(crate::Anomaly::Oversize, value.location);
        let room = self.values.len() < limits::VALUES + limits::RESTS;
        if room {
            self.values.push(value);
        }
        room
    }

    /// Gives value number `index` another place, once its text turned out to be of a kind of its own.
    pub fn relabel(&mut self, index: usize, place: Place) {
        if let Some(value) = self.values.get_mut(index) {
            value.place = place;
        }
    }

    /// Adds a value that was not encoded.
    pub fn push_plain(&mut self, text: Span, place: Place, name: Span, location: LocationId) -> bool {
        self.push(Value { text, raw: text, place, name, location })
    }

    /// Appends decoded bytes to the arena and says where they are.
    pub fn store(&mut self, bytes: &[u8]) -> Span {
        self.store_with(|arena| arena.extend_from_slice(bytes))
    }

    /// Appends to the arena what `write` appends, and says where it is.
    pub fn store_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let arena = self.arena();
        let start = arena.len();
        write(arena);
        Span::new(BufferId::ARENA, start, arena.len())
    }

    /// Appends to the arena what `write` makes of the bytes of `from`, which may lie in any buffer, and says where it
    /// is. `write` must only append.
    pub fn derive(&mut self, from: Span, write: impl FnOnce(&[u8], &mut Vec<u8>)) -> Span {
        self.arena();
        let start = self.buffers[0].len();
        match from.buffer.0 {
            0 => write(self.source.get(from.range()).unwrap_or_default(), &mut self.buffers[0]),
            1 => {
                let mut copy = std::mem::take(&mut self.scratch);
                copy.clear();
                copy.extend_from_slice(self.bytes(from));
                write(&copy, &mut self.buffers[0]);
                self.scratch = copy;
            }
            id => {
                let (arena, others) = self.buffers.split_at_mut(1);
                let read = others.get(id as usize - 2).and_then(|b| b.get(from.range())).unwrap_or_default();
                write(read, &mut arena[0]);
            }
        }
        Span::new(BufferId::ARENA, start, self.buffers[0].len())
    }

    fn arena(&mut self) -> &mut Vec<u8> {
        if self.buffers.is_empty() {
            self.buffers.push(Vec::new());
        }
        &mut self.buffers[0]
    }

    /// Puts a decoded text into a buffer of its own, so that it can be taken apart while the arena grows. `write`
    /// gets an empty buffer; the answer is `None` where [`limits::BUFFERS`] is reached.
    pub fn fill_buffer(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Option<Span> {
        self.arena();
        self.used = self.used.max(1);
        if self.used > limits::BUFFERS {
            return None;
        }
        if self.used == self.buffers.len() {
            self.buffers.push(Vec::new());
        }
        write(&mut self.buffers[self.used]);
        self.used += 1;
        let id = BufferId(u16::try_from(self.used).ok()?);
        Some(Span::new(id, 0, self.buffers[self.used - 1].len()))
    }

    /// Lends the bytes of a span to `read` while the request can be written to. A text of the arena is copied for it,
    /// because the arena is what gets written to. Within `read`, spans of the same buffer read as empty unless it is
    /// the source or the arena.
    pub fn with_bytes<T>(&mut self, span: Span, read: impl FnOnce(&mut Self, &[u8]) -> T) -> T {
        match span.buffer.0 {
            0 => {
                let source = self.source.clone();
                read(self, source.get(span.range()).unwrap_or_default())
            }
            1 => {
                let mut copy = std::mem::take(&mut self.scratch);
                copy.clear();
                copy.extend_from_slice(self.bytes(span));
                let answer = read(self, &copy);
                self.scratch = copy;
                answer
            }
            id => {
                let index = id as usize - 1;
                let buffer = self.buffers.get_mut(index).map(std::mem::take).unwrap_or_default();
                let answer = read(self, buffer.get(span.range()).unwrap_or_default());
                if let Some(place) = self.buffers.get_mut(index) {
                    *place = buffer;
                }
                answer
            }
        }
    }

    /// Writes a location as text.
    #[must_use]
    pub fn render(&self, location: LocationId) -> String {
        self.locations.render(location, |span| self.bytes(span))
    }
}

impl fmt::Debug for Request {
    /// Sizes only: a request carries other people's secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("event", &self.event.name)
            .field("source_bytes", &self.source.len())
            .field("values", &self.values.len())
            .field("anomalies", &self.anomalies)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_while_other_text_is_taken_apart() {
        let mut request = Request::new(Bytes::from_static(b"abc=def"));
        let buffer = request.fill_buffer(|b| b.extend_from_slice(b"x:y")).unwrap();
        let stored = request.with_bytes(buffer, |request, bytes| {
            assert_eq!(bytes, b"x:y");
            request.store(b"decoded")
        });
        assert_eq!(request.bytes(stored), b"decoded");
        assert_eq!(request.bytes(buffer), b"x:y");
        assert_eq!(request.bytes(Span::source(0, 3)), b"abc");
        assert_eq!(request.bytes(buffer.slice(2..9)), b"y");
        for from in [Span::source(0, 3), stored.slice(0..3), buffer] {
            let expected: Vec<u8> = request.bytes(from).iter().rev().copied().collect();
            let derived = request.derive(from, |bytes, out| out.extend(bytes.iter().rev()));
            assert_eq!(request.bytes(derived), expected);
        }
        request.reset(Bytes::from_static(b"q"));
        assert_eq!(request.bytes(stored), b"");
        assert_eq!(request.bytes(Span::source(0, 1)), b"q");
    }

    #[test]
    fn a_default_request_can_be_written_to() {
        let mut request = Request::default();
        let stored = request.store(b"a");
        let buffer = request.fill_buffer(|b| b.push(b'b')).unwrap();
        assert_eq!((request.bytes(stored), request.bytes(buffer)), (&b"a"[..], &b"b"[..]));
    }

    #[test]
    fn debug_shows_no_bytes() {
        let request = Request::new(Bytes::from_static(b"hunter2"));
        assert!(!format!("{request:?}").contains("hunter2"));
    }

    #[test]
    fn too_many_values_are_said() {
        let mut request = Request::new(Bytes::from_static(b"v"));
        for _ in 0..limits::VALUES {
            assert!(request.push_plain(Span::source(0, 1), Place::Query, Span::EMPTY, LocationId::ROOT));
        }
        assert!(!request.push_plain(Span::source(0, 1), Place::Query, Span::EMPTY, LocationId::ROOT));
        assert!(request.anomalies.contains(crate::Anomaly::Oversize));
        let rest = Value {
            text: Span::source(0, 1),
            raw: Span::source(0, 1),
            place: Place::Body,
            name: Span::EMPTY,
            location: LocationId::ROOT,
        };
        assert!(request.push_rest(rest), "the remainder is still examined");
    }
}

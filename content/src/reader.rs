//! What the readers of one request share: the request, how much may still be derived, and what is still to be read.
//!
//! It may not know any format.

use std::mem;

use picket_request::{Anomaly, LocationId, Place, Request, Segment, Span, Value, limits};

use crate::{Options, charset::Charset, json::Tape, percent};

/// What is to be read once what holds it is done, so that nothing recurses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) text: Span,
    pub(crate) name: Span,
    pub(crate) location: LocationId,
    /// How many things the text was unwrapped from.
    pub(crate) depth: usize,
    pub(crate) kind: Kind,
}

/// How a task's text is to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// By its content type, which stands here.
    Content(Span),
    /// As JSON, if it is well-formed.
    Json,
    /// As XML.
    Xml,
    /// As GraphQL; the number is that of the value that holds it.
    Graphql(usize),
    /// As a token that may be a JWT; the flag says whether it claims to be one.
    Token { bearer: bool },
}

impl Task {
    pub(crate) const fn content(
        text: Span,
        kind: Span,
        name: Span,
        location: LocationId,
        depth: usize,
    ) -> Self {
        Self { text, name, location, depth, kind: Kind::Content(kind) }
    }
}

/// What is kept while one request is read.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) options: Options,
    /// Bytes that decoded texts may still fill.
    budget: usize,
    tasks: Vec<Task>,
    /// The charset of a form's values below their percent-encoding.
    pub(crate) charset: Option<Charset>,
    pub(crate) tape: Tape,
    /// GraphQL documents that were elements of an array.
    pub(crate) batched: usize,
    /// GraphQL documents.
    pub(crate) documents: usize,
}

/// One reading of one request.
pub(crate) struct Reader<'r> {
    pub(crate) request: &'r mut Request,
    pub(crate) state: State,
}

impl<'r> Reader<'r> {
    pub(crate) fn new(request: &'r mut Request, options: Options) -> Self {
        Self { request, state: State { options, budget: limits::DECODED_BYTES, ..State::default() } }
    }

    /// Lends the bytes of `text` to `read`. Within it, spans of the same buffer read as empty unless it is the source or
    /// the arena: `read` takes them from the bytes it was lent.
    pub(crate) fn lend<T>(&mut self, text: Span, read: impl FnOnce(&mut Reader<'_>, &[u8]) -> T) -> T {
        let state = mem::take(&mut self.state);
        let (answer, state) = self.request.with_bytes(text, |request, bytes| {
            let mut inner = Reader { request, state };
            let answer = read(&mut inner, bytes);
            (answer, inner.state)
        });
        self.state = state;
        answer
    }

    /// Takes `bytes` from what may still be decoded. Where there is not enough left it raises OVERSIZE and answers `false`.
    pub(crate) fn charge(&mut self, bytes: usize, location: LocationId) -> bool {
        let Some(left) = self.state.budget.checked_sub(bytes) else {
            self.request.anomalies.raise(Anomaly::Oversize, location);
            return false;
        };
        self.state.budget = left;
        true
    }

    /// Bytes that may still be decoded.
    pub(crate) const fn budget(&self) -> usize {
        self.state.budget
    }

    /// Puts what `write` makes of a text into a buffer of its own. `write` keeps within the bytes that are charged.
    pub(crate) fn made(
        &mut self,
        text: Span,
        location: LocationId,
        write: impl FnOnce(&[u8], &mut Vec<u8>),
    ) -> Option<Span> {
        let made =
            self.request.with_bytes(text, |request, bytes| request.fill_buffer(|out| write(bytes, out)));
        match made {
            // What was written is charged as far as possible: a text that went past the budget is the last one.
            Some(made) => self.state.budget = self.state.budget.saturating_sub(made.len()),
            None => self.request.anomalies.raise(Anomaly::Oversize, location),
        }
        made
    }

    /// Notes something to be read later.
    pub(crate) fn schedule(&mut self, task: Task) {
        if task.depth > limits::UNWRAPS || self.state.tasks.len() >= limits::VALUES {
            self.request.anomalies.raise(Anomaly::Oversize, task.location);
            return;
        }
        self.state.tasks.push(task);
    }

    /// What is to be read next.
    pub(crate) fn next(&mut self) -> Option<Task> {
        self.state.tasks.pop()
    }

    /// Undoes percent-encoding, and plus where asked for, raising what is odd. The raw span itself is the answer where
    /// nothing had to be undone.
    pub(crate) fn percent_decoded(&mut self, raw: Span, plus: bool, location: LocationId) -> Span {
        let bytes = self.request.bytes(raw);
        let seen = percent::scan(bytes, plus);
        let broken = seen.high && !seen.escaped && std::str::from_utf8(bytes).is_err();
        if seen.nul {
            self.request.anomalies.raise(Anomaly::NullByte, location);
        }
        if broken {
            self.request.anomalies.raise(Anomaly::NotUtf8, location);
        }
        if !seen.escaped {
            return raw;
        }
        let mut odd = percent::Odd::default();
        let text = self.request.derive(raw, |bytes, out| odd = percent::decode(bytes, plus, out));
        for (is, anomaly) in [
            (odd.invalid, Anomaly::InvalidEncoding),
            (odd.doubled, Anomaly::DoubleEncoding),
            (odd.nul, Anomaly::NullByte),
            (odd.not_utf8, Anomaly::NotUtf8),
        ] {
            if is {
                self.request.anomalies.raise(anomaly, location);
            }
        }
        text
    }

    /// Raises what is odd about the bytes of a text.
    pub(crate) fn text_anomalies(&mut self, bytes: &[u8], location: LocationId) {
        let odd = bytes.iter().fold(0_u8, |odd, &b| odd | u8::from(b == 0) | (b & 0x80));
        if odd & 1 != 0 {
            self.request.anomalies.raise(Anomaly::NullByte, location);
        }
        if odd & 0x80 != 0 && std::str::from_utf8(bytes).is_err() {
            self.request.anomalies.raise(Anomaly::NotUtf8, location);
        }
    }

    /// Adds a value.
    pub(crate) fn push(
        &mut self,
        text: Span,
        raw: Span,
        place: Place,
        name: Span,
        location: LocationId,
    ) -> bool {
        self.request.push(Value { text, raw, place, name, location })
    }

    /// Adds everything that is left of a text as one value, once there are too many.
    pub(crate) fn push_rest(&mut self, text: Span, place: Place, location: LocationId) {
        self.request.push_rest(Value { text, raw: text, place, name: Span::EMPTY, location });
    }

    /// Whether so many values are there that the rest of a text should become one.
    pub(crate) fn is_full(&self) -> bool {
        const ROOM: usize = 8;
        self.request.values().len() + ROOM >= limits::VALUES
    }

    /// A location for what an encoding was undone from.
    pub(crate) fn unwrapped(&mut self, location: LocationId, word: &'static str) -> LocationId {
        self.request.locations.add(location, Segment::Unwrapped(word))
    }
}

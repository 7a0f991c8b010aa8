//! From a JSON text to values: every key and every scalar, each with the place where it stood.

use std::{mem, ops::Range};

use picket_request::{Anomaly, LocationId, Place, Request, Segment, Span, Value, limits};

use super::{Kind, Node, Summary, Surrogates, Tape, encoding, scan, tape::Token, unescape_as};

/// Where a JSON text stands in its request, and what its strings are to be called.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    /// The location of the text as a whole.
    pub location: LocationId,
    /// The name of values that no key stands above.
    pub name: Span,
    /// The place of object keys.
    pub key: Place,
    /// The place of strings, numbers and literals.
    pub value: Place,
    /// How often a string that is itself JSON is taken apart again; at most [`limits::UNWRAPS`] is sensible.
    pub unwraps: usize,
}

impl Root {
    /// A JSON body at `location`.
    #[must_use]
    pub const fn json(location: LocationId) -> Self {
        Self {
            location,
            name: Span::EMPTY,
            key: Place::JsonKey,
            value: Place::Json,
            unwraps: limits::UNWRAPS,
        }
    }
}

/// A container that the walk is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// The first token after it.
    end: u32,
    location: LocationId,
    name: Span,
    array: bool,
    index: u32,
}

struct Nested {
    text: Span,
    location: LocationId,
    name: Span,
    unwraps: usize,
}

/// Adds every key and scalar of a JSON text to `request`, and of JSON texts in its strings.
///
/// It raises DUPLICATE-KEYS, NOTUTF8 and OVERSIZE; whether a text that is not well-formed is a JSON-ERROR depends on
/// what it claimed to be, so that is left to the caller, who may also want such a text inspected as a whole. Numbers
/// and literals are values as they stand. A string with half of a surrogate pair gives two values, one with U+FFFD
/// and one without. Text in UTF-16 or UTF-32 is read as some runtimes would.
pub fn values(request: &mut Request, tape: &mut Tape, text: Span, root: &Root) -> Summary {
    if let Some(encoding) = encoding::detect(request.bytes(text)) {
        let transcoded = request.with_bytes(text, |request, bytes| {
            request.fill_buffer(|buffer| encoding::transcode(bytes, encoding, buffer))
        });
        if let Some(transcoded) = transcoded {
            request.anomalies.raise(Anomaly::NotUtf8, root.location);
            let location = request.locations.add(root.location, Segment::Unwrapped(encoding.name()));
            let summary = text_values(request, tape, transcoded, &Root { location, ..*root });
            if summary.well_formed {
                return summary;
            }
            // A parser that knows UTF-8 alone, and is lenient, may take the same bytes for other strings.
        }
    }
    text_values(request, tape, text, root)
}

fn text_values(request: &mut Request, tape: &mut Tape, text: Span, root: &Root) -> Summary {
    let mut nested = Vec::new();
    let summary = request.with_bytes(text, |request, bytes| {
        let summary = scan(bytes, tape);
        let mut frames = mem::take(&mut tape.frames);
        let all = 0..tape.end_index();
        Walk { request, bytes, base: text, root, nested: &mut nested }.run(tape, all, &mut frames);
        tape.frames = frames;
        summary
    });
    unwrap_nested(request, tape, root, nested);
    tape.shrink();
    summary
}

/// As [`values`], for one node of a text that was scanned already. `text` is the span that was scanned onto `tape`;
/// `spare` is the memory for JSON in strings.
pub fn node_values(
    request: &mut Request,
    tape: &Tape,
    spare: &mut Tape,
    text: Span,
    node: Node,
    root: &Root,
) {
    let Some(token) = tape.token(node) else { return };
    let range = node.0..token.next;
    let mut nested = Vec::new();
    request.with_bytes(text, |request, bytes| {
        let mut frames = mem::take(&mut spare.frames);
        Walk { request, bytes, base: text, root, nested: &mut nested }.run(tape, range, &mut frames);
        spare.frames = frames;
    });
    unwrap_nested(request, spare, root, nested);
    spare.shrink();
}

fn unwrap_nested(request: &mut Request, tape: &mut Tape, root: &Root, mut nested: Vec<Nested>) {
    while let Some(Nested { text, location, name, unwraps }) = nested.pop() {
        request.with_bytes(text, |request, bytes| {
            if scan(bytes, tape).well_formed {
                let location = request.locations.add(location, Segment::Unwrapped("json"));
                let root = Root { location, name, unwraps, ..*root };
                let mut frames = mem::take(&mut tape.frames);
                let all = 0..tape.end_index();
                let mut walk = Walk { request, bytes, base: text, root: &root, nested: &mut nested };
                walk.run(tape, all, &mut frames);
                tape.frames = frames;
            }
        });
    }
}

struct Walk<'w> {
    request: &'w mut Request,
    bytes: &'w [u8],
    /// Where `bytes` stands in the request.
    base: Span,
    root: &'w Root,
    nested: &'w mut Vec<Nested>,
}

impl Walk<'_> {
    fn run(&mut self, tape: &Tape, range: Range<u32>, frames: &mut Vec<Frame>) {
        frames.clear();
        let summary = tape.summary();
        if summary.not_utf8 {
            self.request.anomalies.raise(Anomaly::NotUtf8, self.root.location);
        }
        let mut frame = Frame {
            end: u32::MAX,
            location: self.root.location,
            name: self.root.name,
            array: false,
            index: 0,
        };
        // The key whose value comes next.
        let mut pending: Option<(Span, LocationId)> = None;
        let tokens = tape.tokens.get(range.start as usize..range.end as usize).unwrap_or_default();
        for (at, token) in (range.start..).zip(tokens) {
            while at >= frame.end {
                pending = None;
                let Some(outer) = frames.pop() else { break };
                frame = outer;
            }
            let deep = frames.len() > limits::DEPTH;
            if token.kind == Kind::Key {
                let (text, raw) = self.text(token);
                let location = if deep {
                    frame.location
                } else {
                    self.request.locations.add(frame.location, Segment::Key(text))
                };
                if token.flags & super::tape::DUPLICATE != 0 {
                    self.request.anomalies.raise(Anomaly::DuplicateKeys, location);
                }
                pending = Some((text, location));
                // A key is named by the object that it stands in.
                let key = Value { text, raw, place: self.root.key, name: frame.name, location };
                if !self.push(key, token) {
                    self.rest(token, &frame);
                    break;
                }
                continue;
            }
            let (name, location) = match pending {
                Some(key) => key,
                None if frame.array && !deep => {
                    let index = frame.index;
                    frame.index = index.wrapping_add(1);
                    (frame.name, self.request.locations.add(frame.location, Segment::Index(index)))
                }
                None => (frame.name, frame.location),
            };
            match token.kind {
                Kind::Comment => {
                    let (text, raw) = self.text(token);
                    let location = frame.location;
                    self.push(Value { text, raw, place: self.root.value, name: frame.name, location }, token);
                    continue;
                }
                Kind::Object | Kind::Array => {
                    if !deep {
                        let inner = Frame {
                            end: token.next,
                            location,
                            name,
                            array: token.kind == Kind::Array,
                            index: 0,
                        };
                        frames.push(mem::replace(&mut frame, inner));
                    }
                    pending = None;
                    continue;
                }
                _ => pending = None,
            }
            let (text, raw) = self.text(token);
            let value = Value { text, raw, place: self.root.value, name, location };
            if token.kind == Kind::Rest {
                self.request.push_rest(value);
            } else if !self.push(value, token) {
                self.rest(token, &frame);
                break;
            }
            self.unwrap(token, &value);
        }
    }

    /// The text of a token with its escapes undone, and as it stood.
    fn text(&mut self, token: &Token) -> (Span, Span) {
        let range = token.start as usize..token.end as usize;
        let raw = self.base.slice(range.clone());
        if token.flags & super::tape::ESCAPED == 0 {
            return (raw, raw);
        }
        let bytes = self.bytes.get(range).unwrap_or_default();
        (self.request.store_with(|arena| unescape_as(bytes, Surrogates::Replace, arena)), raw)
    }

    fn push(&mut self, value: Value, token: &Token) -> bool {
        let pushed = self.request.push(value);
        if pushed && token.flags & super::tape::LONE_SURROGATE != 0 {
            let bytes = self.bytes.get(token.start as usize..token.end as usize).unwrap_or_default();
            let text = self.request.store_with(|arena| unescape_as(bytes, Surrogates::Drop, arena));
            return self.request.push(Value { text, ..value });
        }
        pushed
    }

    /// Hands in everything from a token on as one value, once there are too many.
    fn rest(&mut self, token: &Token, frame: &Frame) {
        let rest = Token {
            end: u32::try_from(self.bytes.len()).unwrap_or(u32::MAX),
            flags: super::tape::ESCAPED,
            ..*token
        };
        let (text, raw) = self.text(&rest);
        let Frame { location, name, .. } = *frame;
        self.request.push_rest(Value { text, raw, place: self.root.value, name, location });
    }

    /// Notes a string that looks like JSON, to be taken apart when this text is done.
    fn unwrap(&mut self, token: &Token, value: &Value) {
        if token.kind != Kind::String || self.root.unwraps == 0 {
            return;
        }
        let text = self.request.bytes(value.text);
        // The buffer that was scanned is lent out, so the request shows no bytes of it; they are at hand here.
        let text = if value.text == value.raw {
            self.bytes.get(token.start as usize..token.end as usize).unwrap_or_default()
        } else {
            text
        };
        let text = text.trim_ascii();
        if matches!((text.first(), text.last()), (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')))
            && text.len() > 2
        {
            self.nested.push(Nested {
                text: value.text,
                location: value.location,
                name: value.name,
                unwraps: self.root.unwraps - 1,
            });
        }
    }
}

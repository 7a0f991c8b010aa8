//! XML (XML 1.0, fifth edition) as a stream: character data, attributes, names, comments, instructions and the document type
//! as values. Nothing is expanded or fetched; what an entity would do is detection's.
//!
//! It may not recurse, and it never gives up: what is not markup is text.

use std::ops::Range;

use memchr::memmem;
use picket_request::{Anomaly, LocationId, Place, Segment, Span, limits};

use crate::{reader::Reader, sniff::starts_with_ignore_case};

/// Reads `text` and says whether it is well-formed as far as that can be told without a tree. `name` names values that
/// stand in no element.
pub(crate) fn read(reader: &mut Reader<'_>, text: Span, name: Span, location: LocationId) -> bool {
    let (well_formed, active) = reader.lend(text, |reader, bytes| {
        let mut walk = Walk {
            reader,
            bytes,
            base: text,
            stack: Vec::new(),
            depth: 0,
            root: Element { name: 0..0, span: name, location },
            elements: 0,
            pieces: Vec::new(),
            names: Names::default(),
            well_formed: true,
            active: false,
        };
        walk.run();
        (walk.well_formed, walk.active)
    });
    if active {
        // Markup that a browser would act on only shows itself whole.
        reader.push(text, text, Place::Xml, name, location);
    }
    well_formed
}

/// An open element.
#[derive(Clone, Debug)]
struct Element {
    name: Range<usize>,
    span: Span,
    location: LocationId,
}

/// Names that were values already, so that a list of a thousand items does not repeat them.
#[derive(Default)]
struct Names {
    last: [Range<usize>; 16],
    next: usize,
}

impl Names {
    fn is_new(&mut self, bytes: &[u8], name: &Range<usize>) -> bool {
        let text = bytes.get(name.clone());
        if self.last.iter().any(|known| known.end > 0 && bytes.get(known.clone()) == text) {
            return false;
        }
        if let Some(slot) = self.last.get_mut(self.next) {
            *slot = name.clone();
        }
        self.next = (self.next + 1) % self.last.len();
        true
    }
}

struct Walk<'a, 'r> {
    reader: &'a mut Reader<'r>,
    bytes: &'a [u8],
    base: Span,
    /// Open elements, as far as [`limits::DEPTH`] lets them be tracked.
    stack: Vec<Element>,
    depth: usize,
    root: Element,
    elements: usize,
    /// Runs of text between two tags, which comments, sections and instructions divide but parsers put together.
    pieces: Vec<Span>,
    names: Names,
    well_formed: bool,
    active: bool,
}

impl<'a> Walk<'a, '_> {
    fn run(&mut self) {
        let mut text = 0;
        let mut at = 0;
        while let Some(found) = self.rest(at).and_then(|rest| memchr::memchr(b'<', rest)) {
            let open = at + found;
            if self.reader.is_full() {
                break;
            }
            let rest = self.rest(open + 1).unwrap_or_default();
            let known = match rest.first() {
                Some(b'!' | b'?' | b'/') => true,
                Some(b) => is_name_start(*b),
                None => false,
            };
            if !known {
                self.well_formed = false;
                at = open + 1;
                continue;
            }
            self.text(text..open);
            at = self.markup(open);
            text = at;
        }
        if self.reader.is_full() {
            let rest = self.base.slice(text..self.bytes.len());
            self.reader.push_rest(rest, Place::Xml, self.root.location);
            return;
        }
        self.text(text..self.bytes.len());
        self.join();
        self.well_formed &= self.depth == 0 && self.elements > 0;
    }

    fn rest(&self, at: usize) -> Option<&'a [u8]> {
        self.bytes.get(at..)
    }

    /// Reads the markup that opens at `open`, and answers where it ends.
    fn markup(&mut self, open: usize) -> usize {
        let rest = self.rest(open).unwrap_or_default();
        if rest.starts_with(b"<!--") {
            return self.enclosed(open, 4, b"-->", Place::XmlMarkup);
        }
        if rest.starts_with(b"<![CDATA[") {
            return self.section(open);
        }
        if rest.starts_with(b"<?") {
            return self.enclosed(open, 2, b"?>", Place::XmlMarkup);
        }
        self.join();
        if rest.starts_with(b"<!") {
            return if starts_with_ignore_case(rest, b"<!doctype") {
                self.doctype(open)
            } else {
                self.declaration(open)
            };
        }
        if rest.starts_with(b"</") { self.end_tag(open) } else { self.start_tag(open) }
    }

    fn current(&self) -> (Span, LocationId) {
        let element = self.stack.last().unwrap_or(&self.root);
        (element.span, element.location)
    }

    /// Where `end` occurs from `at` on. Without it the text is broken, and goes to its end.
    fn find(&mut self, at: usize, end: &[u8]) -> (usize, usize) {
        match self.rest(at).and_then(|rest| memmem::find(rest, end)) {
            Some(found) => (at + found, at + found + end.len()),
            None => {
                self.well_formed = false;
                (self.bytes.len().max(at), self.bytes.len().max(at))
            }
        }
    }

    fn enclosed(&mut self, open: usize, skip: usize, end: &[u8], place: Place) -> usize {
        let (stop, after) = self.find(open + skip, end);
        let (name, location) = self.current();
        self.value(open + skip..stop, place, name, location);
        after
    }

    fn section(&mut self, open: usize) -> usize {
        let (stop, after) = self.find(open + 9, b"]]>");
        let (name, location) = self.current();
        let span = self.base.slice(open + 9..stop);
        self.value(open + 9..stop, Place::Xml, name, location);
        if !span.is_empty() {
            self.pieces.push(span);
        }
        after
    }

    fn value(&mut self, range: Range<usize>, place: Place, name: Span, location: LocationId) {
        let bytes = self.bytes.get(range.clone()).unwrap_or_default();
        if !bytes.trim_ascii().is_empty() {
            let span = self.base.slice(range);
            self.reader.push(span, span, place, name, location);
        }
    }

    /// Character data with its entities undone.
    fn text(&mut self, range: Range<usize>) {
        let bytes = self.bytes.get(range.clone()).unwrap_or_default();
        let blanks = bytes.len() - bytes.trim_ascii_start().len();
        let trimmed = bytes.trim_ascii();
        if trimmed.is_empty() {
            return;
        }
        let raw = self.base.slice(range.start + blanks..range.start + blanks + trimmed.len());
        let text = self.undone(trimmed, raw);
        let (name, location) = self.current();
        self.reader.push(text, raw, Place::Xml, name, location);
        self.pieces.push(text);
    }

    fn undone(&mut self, bytes: &[u8], raw: Span) -> Span {
        if memchr::memchr(b'&', bytes).is_none() {
            return raw;
        }
        self.reader.request.store_with(|out| entities(bytes, out))
    }

    /// Gives text that was divided by comments, sections and instructions as parsers put it together.
    fn join(&mut self) {
        if self.pieces.len() > 1 {
            let mut whole: Option<Span> = None;
            for &piece in &self.pieces {
                let stored = if piece.buffer == self.base.buffer {
                    let start = (piece.start - self.base.start) as usize;
                    let bytes = self.bytes.get(start..start + piece.len()).unwrap_or_default();
                    self.reader.request.store(bytes)
                } else {
                    self.reader.request.derive(piece, |bytes, out| out.extend_from_slice(bytes))
                };
                whole = Some(whole.map_or(stored, |before| Span { end: stored.end, ..before }));
            }
            let (name, location) = self.current();
            if let Some(whole) = whole {
                let location = self.reader.unwrapped(location, "joined");
                self.reader.push(whole, whole, Place::Xml, name, location);
            }
        }
        self.pieces.clear();
    }

    /// The document type with its internal subset, and each quoted text in it.
    fn doctype(&mut self, open: usize) -> usize {
        let mut at = open + 9;
        let mut brackets = 0_usize;
        let mut quoted: Vec<Range<usize>> = Vec::new();
        let end = loop {
            let Some(&byte) = self.bytes.get(at) else {
                self.well_formed = false;
                break self.bytes.len();
            };
            match byte {
                b'>' if brackets == 0 => break at + 1,
                b'[' => brackets += 1,
                b']' => brackets = brackets.saturating_sub(1),
                b'"' | b'\'' => {
                    let Some(len) = self.rest(at + 1).and_then(|rest| memchr::memchr(byte, rest)) else {
                        self.well_formed = false;
                        break self.bytes.len();
                    };
                    quoted.push(at + 1..at + 1 + len);
                    at += len + 1;
                }
                b'<' if self.rest(at).is_some_and(|rest| rest.starts_with(b"<!--")) => {
                    at = self.find(at + 4, b"-->").1.saturating_sub(1);
                }
                _ => {}
            }
            at += 1;
        };
        let location = self.reader.request.locations.add(self.root.location, Segment::Word("doctype"));
        self.value(open..end, Place::XmlMarkup, Span::EMPTY, location);
        for range in quoted {
            let bytes = self.bytes.get(range.clone()).unwrap_or_default();
            let raw = self.base.slice(range);
            if !raw.is_empty() {
                let text = self.undone(bytes, raw);
                self.reader.push(text, raw, Place::Xml, Span::EMPTY, location);
            }
        }
        end
    }

    /// A declaration outside a document type, which no document has.
    fn declaration(&mut self, open: usize) -> usize {
        self.well_formed = false;
        self.enclosed(open, 2, b">", Place::XmlMarkup)
    }

    fn end_tag(&mut self, open: usize) -> usize {
        let (stop, after) = self.find(open + 2, b">");
        let text = self.bytes.get(open + 2..stop).unwrap_or_default().trim_ascii_end();
        let name = open + 2..open + 2 + text.len();
        let matches = match self.stack.last() {
            Some(element) if self.depth == self.stack.len() => {
                self.bytes.get(element.name.clone()) == Some(text)
            }
            _ => self.depth > 0,
        };
        if matches {
            if self.depth == self.stack.len() {
                self.stack.pop();
            }
            self.depth -= 1;
        } else {
            self.well_formed = false;
        }
        if !matches && self.names.is_new(self.bytes, &name) {
            let (element, location) = self.current();
            self.value(name, Place::XmlMarkup, element, location);
        }
        after
    }

    fn start_tag(&mut self, open: usize) -> usize {
        let len = self.rest(open + 1).unwrap_or_default().iter().take_while(|b| is_name(**b)).count();
        let name = open + 1..open + 1 + len;
        let span = self.base.slice(name.clone());
        self.elements += 1;
        let (_, outer) = self.current();
        let tracked = self.depth < limits::DEPTH;
        let location =
            if tracked { self.reader.request.locations.add(outer, Segment::Key(span)) } else { outer };
        if self.names.is_new(self.bytes, &name) {
            self.value(name.clone(), Place::XmlMarkup, span, location);
        }
        let text = self.bytes.get(name.clone()).unwrap_or_default();
        self.active |= is_active(text);
        let includes =
            text.rsplit(|&b| b == b':').next().is_some_and(|local| local.eq_ignore_ascii_case(b"include"));
        let (after, empty) = self.attributes(name.end, location);
        if includes {
            self.value(open..after, Place::XmlMarkup, span, location);
        }
        if !empty {
            self.depth += 1;
            if tracked {
                self.stack.push(Element { name, span, location });
            }
        }
        after
    }

    /// Reads attributes from `at` to the end of the tag, and answers where that is and whether the element is empty.
    fn attributes(&mut self, mut at: usize, location: LocationId) -> (usize, bool) {
        loop {
            at += self.rest(at).unwrap_or_default().iter().take_while(|b| b.is_ascii_whitespace()).count();
            let rest = self.rest(at).unwrap_or_default();
            match rest {
                [] => {
                    self.well_formed = false;
                    return (self.bytes.len(), false);
                }
                [b'>', ..] => return (at + 1, false),
                [b'/', b'>', ..] => return (at + 2, true),
                [b'/', ..] => {
                    self.well_formed = false;
                    at += 1;
                    continue;
                }
                _ => {}
            }
            if self.reader.is_full() {
                return (at, false);
            }
            let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'=' | b'>' | b'/');
            let len = rest.iter().position(ends).unwrap_or(rest.len());
            let len = if len == 0 { 1 } else { len };
            let name = at..at + len;
            let after = rest.get(len..).unwrap_or_default();
            let blanks = after.len() - after.trim_ascii_start().len();
            at = name.end;
            let span = self.base.slice(name.clone());
            let location = self.reader.request.locations.add(location, Segment::Key(span));
            let text = self.bytes.get(name.clone()).unwrap_or_default();
            self.active |= starts_with_ignore_case(text, b"on");
            if self.names.is_new(self.bytes, &name) {
                self.value(name, Place::XmlMarkup, span, location);
            }
            if after.get(blanks) != Some(&b'=') {
                self.well_formed = false;
                continue;
            }
            at += blanks + 1;
            at += self.rest(at).unwrap_or_default().iter().take_while(|b| b.is_ascii_whitespace()).count();
            let rest = self.rest(at).unwrap_or_default();
            let value = match rest.first() {
                Some(&quote @ (b'"' | b'\'')) => {
                    let (stop, after) = self.find(at + 1, &[quote]);
                    let value = at + 1..stop;
                    at = after;
                    value
                }
                _ => {
                    self.well_formed = false;
                    let len =
                        rest.iter().position(|b| b.is_ascii_whitespace() || *b == b'>').unwrap_or(rest.len());
                    at += len;
                    at - len..at
                }
            };
            let bytes = self.bytes.get(value.clone()).unwrap_or_default();
            if !bytes.is_empty() {
                let raw = self.base.slice(value);
                let text = self.undone(bytes, raw);
                self.reader.push(text, raw, Place::Xml, span, location);
            }
        }
    }
}

const fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || byte >= 0x80
}

const fn is_name(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
}

/// Elements that make a browser act.
fn is_active(name: &[u8]) -> bool {
    const ACTIVE: [&[u8]; 12] = [
        b"script", b"iframe", b"svg", b"img", b"object", b"embed", b"body", b"video", b"audio", b"math",
        b"base", b"style",
    ];
    let local = name.rsplit(|&b| b == b':').next().unwrap_or_default();
    ACTIVE.iter().any(|active| local.eq_ignore_ascii_case(active))
}

/// Undoes the predefined entities and numeric references; others stay as they are.
pub(crate) fn entities(text: &[u8], out: &mut Vec<u8>) {
    const LONGEST: usize = 12;
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr(b'&', rest)) {
        out.extend_from_slice(text.get(at..at + found).unwrap_or_default());
        at += found;
        let rest = text.get(at + 1..).unwrap_or_default();
        let near = rest.get(..LONGEST.min(rest.len())).unwrap_or_default();
        let reference = memchr::memchr(b';', near).and_then(|end| Some((end, character(near.get(..end)?)?)));
        match reference {
            Some((end, character)) => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += end + 2;
            }
            None => {
                out.push(b'&');
                at += 1;
            }
        }
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
}

fn character(name: &[u8]) -> Option<char> {
    Some(match name {
        b"lt" => '<',
        b"gt" => '>',
        b"amp" => '&',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
        [b'#', digits @ ..] => number(digits, 10)?,
        _ => return None,
    })
}

fn number(digits: &[u8], radix: u32) -> Option<char> {
    char::from_u32(u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?)
}

/// Raises XML-ERROR where a text that claims to be XML is not.
pub(crate) fn raise(reader: &mut Reader<'_>, location: LocationId) {
    reader.request.anomalies.raise(Anomaly::XmlError, location);
}

//! Multipart bodies (RFC 7578, RFC 2046, 5.1), read as every usual parser would: LF line ends, folded headers, boundaries
//! that are quoted, repeated or only in the text, a last boundary that never comes, `filename` beside `filename*`.
//!
//! It may not know what is in the parts; those with a type of their own become tasks.

use std::ops::Range;

use memchr::memmem;
use picket_request::{Anomaly, LocationId, Place, Segment, Span, limits};

use crate::{
    base64,
    disposition::{self, Disposition},
    params::{Params, unquote},
    quoted_printable,
    reader::{Reader, Task},
    sniff,
};

/// Every boundary that `types` (content type headers) or the text itself name, the declared ones first.
pub(crate) fn boundaries(reader: &Reader<'_>, types: &[Span], text: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut add = |boundary: &[u8]| {
        if !boundary.is_empty()
            && all.len() < limits::MULTIPART_BOUNDARIES
            && !all.iter().any(|b| b == boundary)
        {
            all.push(boundary.to_vec());
        }
    };
    for &span in types {
        let value = reader.request.bytes(span);
        let (_, params) = Params::split(value);
        let mut continued = Vec::new();
        for param in params {
            let name = value.get(param.name).unwrap_or_default();
            let boundary = value.get(param.value).unwrap_or_default();
            if name.eq_ignore_ascii_case(b"boundary") {
                if param.escaped {
                    let mut plain = Vec::new();
                    unquote(boundary, &mut plain);
                    add(&plain);
                }
                add(boundary);
                if let Some(comma) = memchr::memchr(b',', boundary) {
                    // PHP ends an unquoted boundary at a comma.
                    add(boundary.get(..comma).unwrap_or_default());
                }
            } else if name.get(..9).is_some_and(|n| n.eq_ignore_ascii_case(b"boundary*")) {
                disposition::extended(boundary, &mut continued);
            }
        }
        add(&continued);
    }
    if let Some(boundary) = sniff::boundary(text).and_then(|range| text.get(range)) {
        add(boundary);
    }
    all
}

/// What reading with one boundary came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parts {
    /// How many parts there were.
    pub(crate) count: usize,
}

/// Reads `text` with one boundary. Nothing is added where the boundary does not occur.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    text: Span,
    boundary: &[u8],
    location: LocationId,
    depth: usize,
) -> Parts {
    reader.lend(text, |reader, bytes| {
        let delimiter = [b"--", boundary].concat();
        let mut body = Body {
            reader,
            bytes,
            base: text,
            location,
            depth,
            epilogue: 0,
            odd: false,
            parts: Parts::default(),
        };
        body.run(&delimiter);
        if body.odd {
            // Where lines are not what they should be, parsers cut in other places: what they join is here.
            body.whole(0..bytes.len());
        }
        body.parts
    })
}

struct Body<'a, 'r> {
    reader: &'a mut Reader<'r>,
    bytes: &'a [u8],
    base: Span,
    location: LocationId,
    depth: usize,
    /// Where the text after the last closing delimiter starts.
    epilogue: usize,
    /// Whether parsers could disagree on what is a delimiter, a header or a content.
    odd: bool,
    parts: Parts,
}

/// A line that is a delimiter.
struct Delimiter {
    /// Where the content before it ends.
    before: usize,
    /// Where the content after it starts.
    after: usize,
    closing: bool,
}

impl<'a> Body<'a, '_> {
    fn run(&mut self, delimiter: &[u8]) {
        let finder = memmem::Finder::new(delimiter);
        let mut open: Option<usize> = None;
        let mut closed = false;
        let mut at = 0;
        while let Some(found) = self.bytes.get(at..).and_then(|rest| finder.find(rest)) {
            let start = at + found;
            at = start + delimiter.len();
            let Some(line) = self.delimiter(start, at) else { continue };
            at = line.after.max(at);
            match open {
                Some(from) => self.part(from..line.before),
                None if self.parts.count == 0 => self.outside(0..line.before),
                // Some parsers stop at the closing delimiter, some do not notice it.
                None => self.outside_after(line.before),
            }
            if closed && !line.closing {
                self.raise(Anomaly::BodyParserEvasion);
            }
            if self.parts.count >= limits::MULTIPART_PARTS {
                self.raise(Anomaly::Oversize);
                self.whole(line.after..self.bytes.len());
                return;
            }
            closed |= line.closing;
            open = (!line.closing).then_some(line.after);
            if line.closing {
                self.parts.count = self.parts.count.max(1);
                self.epilogue = line.after;
            }
        }
        match open {
            Some(from) => {
                self.raise(Anomaly::MalformedData);
                self.part(from..self.bytes.len());
            }
            None if self.parts.count > 0 => self.outside_after(self.bytes.len()),
            None => {}
        }
    }

    fn raise(&mut self, anomaly: Anomaly) {
        self.odd = true;
        self.reader.request.anomalies.raise(anomaly, self.location);
    }

    fn get(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Whether the text at `start` is a delimiter line; `end` is where its boundary ends.
    fn delimiter(&mut self, start: usize, end: usize) -> Option<Delimiter> {
        let before = self.bytes.get(..start)?;
        let before = match before {
            [] => 0,
            [.., b'\r', b'\n'] => start - 2,
            [.., b'\n' | b'\r'] => start - 1,
            _ => return None,
        };
        let rest = self.bytes.get(end..)?;
        let closing = rest.starts_with(b"--");
        let rest = if closing { rest.get(2..)? } else { rest };
        let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let after = end + 2 * usize::from(closing) + blanks;
        let line_end = match rest.get(blanks..)? {
            [b'\r', b'\n', ..] => 2,
            [b'\n' | b'\r', ..] => 1,
            [] => 0,
            // Text after the closing mark is an epilogue without a line of its own.
            _ if closing => {
                self.odd = true;
                0
            }
            _ => {
                self.odd = true;
                // A longer boundary, or a parser that ignores what follows: the text stays in its part.
                return None;
            }
        };
        Some(Delimiter { before, after: after + line_end, closing })
    }

    /// Text before the first delimiter.
    fn outside(&mut self, range: Range<usize>) {
        if !self.get(range.clone()).trim_ascii().is_empty() {
            self.raise(Anomaly::MalformedData);
            self.whole(range);
        }
    }

    /// Text after a closing delimiter, up to `end`.
    fn outside_after(&mut self, end: usize) {
        self.outside(self.epilogue..end);
    }

    fn whole(&mut self, range: Range<usize>) {
        let span = self.base.slice(range);
        self.reader.push(span, span, Place::Body, Span::EMPTY, self.location);
    }

    fn part(&mut self, range: Range<usize>) {
        self.parts.count += 1;
        let index = u32::try_from(self.parts.count - 1).unwrap_or(u32::MAX);
        let Some((headers, content)) = self.cut(&range) else {
            self.raise(Anomaly::MalformedData);
            self.whole(range.clone());
            // Some parsers take what there is for headers.
            let end = range.end.min(range.start + limits::PART_HEADER_BYTES);
            let place = self.reader.request.locations.add(self.location, Segment::Index(index));
            self.headers(range.start..end, place, &mut Part::default());
            return;
        };
        let mut part = Part::default();
        let place = self.reader.request.locations.add(self.location, Segment::Index(index));
        self.headers(headers, place, &mut part);
        if part.dispositions != 1 && self.is_form() {
            self.raise(Anomaly::MalformedData);
        }
        if part.dispositions > 1 || part.ambiguous {
            self.raise(Anomaly::BodyParserEvasion);
        }
        self.content(content, &part, place);
    }

    /// Whether parts should have names. Other kinds of multipart need no disposition.
    const fn is_form(&self) -> bool {
        self.depth == 0
    }

    /// Cuts a part at its first empty line.
    fn cut(&self, range: &Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
        let text = self.bytes.get(range.clone())?;
        let mut at = 0;
        loop {
            let rest = text.get(at..)?;
            let line_len = memchr::memchr(b'\n', rest)?;
            let line = rest.get(..line_len)?;
            if line.is_empty() || line == b"\r" {
                let headers = range.start..range.start + at;
                return Some((headers, range.start + at + line_len + 1..range.end));
            }
            at += line_len + 1;
            if at > limits::PART_HEADER_BYTES {
                return None;
            }
        }
    }

    fn headers(&mut self, range: Range<usize>, location: LocationId, part: &mut Part) {
        let mut at = range.start;
        while at < range.end {
            let start = at;
            // A line that starts with a blank continues the one before it.
            loop {
                let rest = self.get(at..range.end);
                let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
                at += line;
                if at >= range.end || !matches!(self.bytes.get(at), Some(b' ' | b'\t')) {
                    break;
                }
            }
            self.header(start..at, location, part);
        }
    }

    fn header(&mut self, range: Range<usize>, location: LocationId, part: &mut Part) {
        let line = self.get(range.clone()).trim_ascii_end();
        let range = range.start..range.start + line.len();
        let Some(colon) = memchr::memchr(b':', line) else {
            if !line.is_empty() {
                self.raise(Anomaly::MalformedData);
                self.plain(range, Place::Header, Span::EMPTY, location);
            }
            return;
        };
        let name = line.get(..colon).unwrap_or_default().trim_ascii();
        let value = line.get(colon + 1..).unwrap_or_default();
        let skipped = value.len() - value.trim_ascii_start().len();
        let value_at = range.start + colon + 1 + skipped..range.end;
        let name_span = self.base.slice(range.start..range.start + colon);
        let value = value.trim_ascii();
        let token = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let lone_return = memchr::memchr_iter(b'\r', line).any(|at| line.get(at + 1) != Some(&b'\n'));
        // Python ends a line at a lone carriage return, and the headers at a line that is none.
        self.odd |= lone_return || colon == 0 || !line.get(..colon).unwrap_or_default().iter().all(token);
        if name.eq_ignore_ascii_case(b"content-disposition") {
            part.dispositions += 1;
            self.disposition(value_at, location, part);
        } else if name.eq_ignore_ascii_case(b"content-type") {
            part.kind = self.base.slice(value_at.clone());
            let location = self.reader.request.locations.add(location, Segment::Word("type"));
            self.plain(value_at, Place::FileType, name_span, location);
        } else {
            if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
                part.transfer = Transfer::of(value);
            }
            let location = self.reader.request.locations.add(location, Segment::Key(name_span));
            if !is_usual(name) {
                self.plain(range.start..range.start + colon, Place::HeaderName, name_span, location);
            }
            self.plain(value_at, Place::Header, name_span, location);
        }
    }

    fn plain(&mut self, range: Range<usize>, place: Place, name: Span, location: LocationId) {
        let span = self.base.slice(range);
        if !span.is_empty() {
            self.reader.push(span, span, place, name, location);
        }
    }

    /// Every reading of the names in a disposition becomes a value; the first of each kind names the part.
    fn disposition(&mut self, range: Range<usize>, location: LocationId, part: &mut Part) {
        let value = self.bytes.get(range.clone()).unwrap_or_default();
        let found = Disposition::read(value);
        let file = self.reader.request.locations.add(location, Segment::Word("filename"));
        for reading in &found.names {
            let span = self.reading(reading, &range);
            if part.name.is_empty() {
                part.name = span;
            }
            self.reader.push(span, span, Place::MultipartKey, span, location);
        }
        for reading in &found.files {
            let span = self.reading(reading, &range);
            part.is_file |= !span.is_empty();
            part.says_file = true;
            if !span.is_empty() {
                self.reader.push(span, span, Place::FileName, part.name, file);
            }
        }
        part.ambiguous |= found.ambiguous;
    }

    fn reading(&mut self, reading: &disposition::Reading, range: &Range<usize>) -> Span {
        match reading {
            disposition::Reading::Here(at) => self.base.slice(range.start + at.start..range.start + at.end),
            disposition::Reading::Made(text) => self.reader.request.store(text),
        }
    }

    fn content(&mut self, range: Range<usize>, part: &Part, place: LocationId) {
        let location = if part.name.is_empty() {
            place
        } else {
            self.reader.request.locations.add(self.location, Segment::Key(part.name))
        };
        let span = self.base.slice(range.clone());
        let bytes = self.bytes.get(range).unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
        self.text(span, bytes, part, location);
        if let Some((word, decoded)) = part.transfer.and_then(|transfer| self.decoded(bytes, transfer)) {
            let location = self.reader.request.locations.add(location, Segment::Unwrapped(word));
            let copy = self.reader.request.bytes(decoded).to_vec();
            self.text(decoded, &copy, part, location);
        }
    }

    fn decoded(&mut self, bytes: &[u8], transfer: Transfer) -> Option<(&'static str, Span)> {
        if !self.reader.charge(bytes.len(), self.location) {
            return None;
        }
        let request = &mut *self.reader.request;
        Some(match transfer {
            Transfer::Base64 => {
                let mut odd = base64::Odd::default();
                let span = request.store_with(|out| odd = base64::decode(bytes, out));
                if !odd.is_clean() {
                    self.raise(Anomaly::InvalidEncoding);
                }
                ("base64", span)
            }
            Transfer::QuotedPrintable => {
                ("quoted-printable", request.store_with(|out| quoted_printable::decode(bytes, out)))
            }
        })
    }

    fn text(&mut self, span: Span, bytes: &[u8], part: &Part, location: LocationId) {
        if part.says_file {
            let text = sniff::is_text(bytes);
            let seen = if text { span } else { span.slice(0..limits::UPLOAD_PREFIX) };
            self.reader.push(seen, seen, Place::FileContent, part.name, location);
        }
        if !part.is_file {
            self.reader.text_anomalies(bytes, location);
            self.reader.push(span, span, Place::Multipart, part.name, location);
        }
        if !part.kind.is_empty() && !part.is_file && self.depth < limits::UNWRAPS {
            let task = Task::content(span, part.kind, part.name, location, self.depth + 1);
            self.reader.schedule(task);
        }
    }
}

/// Headers of a part that need no value for their name.
fn is_usual(name: &[u8]) -> bool {
    const USUAL: [&[u8]; 3] = [b"content-transfer-encoding", b"content-length", b"content-id"];
    USUAL.iter().any(|usual| name.eq_ignore_ascii_case(usual))
}

/// What the headers of a part say.
#[derive(Default)]
struct Part {
    dispositions: usize,
    /// Its disposition says two things.
    ambiguous: bool,
    name: Span,
    kind: Span,
    /// A file name that is not empty.
    is_file: bool,
    /// A file name, empty or not: some parsers take an empty one for a file, some for a field.
    says_file: bool,
    transfer: Option<Transfer>,
}

#[derive(Clone, Copy)]
enum Transfer {
    Base64,
    QuotedPrintable,
}

impl Transfer {
    const fn of(value: &[u8]) -> Option<Self> {
        if value.eq_ignore_ascii_case(b"base64") {
            Some(Self::Base64)
        } else if value.eq_ignore_ascii_case(b"quoted-printable") {
            Some(Self::QuotedPrintable)
        } else {
            None
        }
    }
}

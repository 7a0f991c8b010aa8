//! Bodies: base64, content codings and charsets are undone, then every reading that the content type or the text itself
//! suggests becomes values.
//!
//! It may not know any format from within.

use picket_request::{Anomaly, LocationId, Part, Place, Segment, Span, limits};

use crate::{
    base64,
    charset::Charset,
    chunked, graphql,
    headers::Told,
    inflate::{Coding, End, allowance, inflate},
    json::{self, Root},
    media::Media,
    multipart,
    query::{self, Style},
    reader::Reader,
    sniff::{self, Look},
    xml,
};

const FORM: Style = Style { key: Place::FormKey, value: Place::Form, whole: Place::Body };

/// Reads the body. `flag` is what the event says about base64.
pub(crate) fn read(reader: &mut Reader<'_>, body: Span, flag: Option<bool>, told: &Told) {
    let location = reader.root(Part::Body);
    reader.request.body_bytes = body.len();
    if told.types.is_empty() && !told.is_partial {
        reader.request.anomalies.raise(Anomaly::NoContentType, location);
    }
    // Text of the arena would be copied each time it is lent.
    let body = if body.buffer == picket_request::BufferId::ARENA {
        let Some(copy) = reader
            .request
            .with_bytes(body, |request, bytes| request.fill_buffer(|out| out.extend_from_slice(bytes)))
        else {
            reader.push_rest(body, Place::Body, location);
            return;
        };
        copy
    } else {
        body
    };
    if flag == Some(true) {
        let Some((decoded, odd)) = unbase64(reader, body, location) else { return };
        reader.request.body_bytes = decoded.len();
        if !odd.is_clean() {
            reader.request.anomalies.raise(Anomaly::InvalidEncoding, location);
        }
        if odd.foreign > 0 {
            // The flag may lie: then the target gets the text as it is.
            codings(reader, body, told, location);
        }
        let location = reader.unwrapped(location, "base64");
        codings(reader, decoded, told, location);
        for reading in base64::other_readings(reader.request.bytes(body)) {
            reader.request.anomalies.raise(Anomaly::InvalidEncoding, location);
            let decode = |bytes: &[u8], out: &mut Vec<u8>| {
                base64::decode_as(bytes, reading, out);
            };
            if let Some(other) = reader.made(body, location, decode).filter(|other| !other.is_empty()) {
                codings(reader, other, told, location);
            }
        }
        return;
    }
    codings(reader, body, told, location);
    if base64::is_plausible(reader.request.bytes(body)) {
        let Some((decoded, odd)) = unbase64(reader, body, location) else { return };
        let bytes = reader.request.bytes(decoded);
        let speaks =
            Coding::sniffed(bytes).is_some() || (sniff::is_text(bytes) && sniff::look(bytes) != Look::Other);
        if odd.is_clean() && speaks {
            let location = reader.unwrapped(location, "base64");
            codings(reader, decoded, told, location);
        }
    }
}

fn unbase64(reader: &mut Reader<'_>, text: Span, location: LocationId) -> Option<(Span, base64::Odd)> {
    if text.len() / 4 * 3 > reader.budget() {
        reader.push_rest(text, Place::Body, location);
        return None;
    }
    let mut odd = base64::Odd::default();
    let decoded = reader.made(text, location, |bytes, out| odd = base64::decode(bytes, out))?;
    Some((decoded, odd))
}

/// Undoes the content codings, last one first.
fn codings(reader: &mut Reader<'_>, body: Span, told: &Told, mut location: LocationId) {
    let mut text = body;
    let mut raw = false;
    let mut layers = 0;
    if told.is_chunked()
        && let Some(made) = chunked::joined(reader, text, location)
    {
        // A recorded body may still be in its chunks; a platform that undid them left nothing to join.
        text = made;
        location = reader.unwrapped(location, "chunked");
    }
    let declared = declared_codings(reader, told);
    if declared.unknown || declared.list.len() > limits::CODINGS {
        reader.request.anomalies.raise(Anomaly::Compressed, location);
        raw = true;
    }
    let mut list = declared.list;
    loop {
        let next = match list.pop() {
            Some(coding) => Some((coding, true)),
            // A text that is compressed though nothing says so, or once more than is said.
            None => {
                let textual = Media::of_all(reader, &told.types).is_textual();
                Coding::sniffed(reader.request.bytes(text)).filter(|_| textual).map(|coding| (coding, false))
            }
        };
        let Some((coding, said)) = next.filter(|_| layers < limits::CODINGS) else { break };
        layers += 1;
        let sniffed = Coding::sniffed(reader.request.bytes(text));
        let coding =
            if said { sniffed.filter(|_| coding != Coding::Brotli).unwrap_or(coding) } else { coding };
        let limit = allowance(text.len(), reader.budget());
        let mut end = End::Whole;
        let made = reader.made(text, location, |bytes, out| end = inflate(coding, bytes, limit, out));
        if end != End::Whole {
            reader.request.anomalies.raise(Anomaly::Compressed, location);
        }
        if end == End::Limit {
            reader.request.anomalies.raise(Anomaly::Oversize, location);
        }
        let Some(made) = made.filter(|made| !made.is_empty()) else {
            // Not compressed at all: a target that does not look at the header takes it as it is.
            continue;
        };
        raw |= end == End::Broken;
        text = made;
        location = reader.unwrapped(location, coding.name());
    }
    if raw && text != body {
        let root = reader.root(Part::Body);
        content(reader, body, &told.types, Span::EMPTY, root, 0);
    }
    content(reader, text, &told.types, Span::EMPTY, location, 0);
}

struct Codings {
    list: Vec<Coding>,
    unknown: bool,
}

fn declared_codings(reader: &Reader<'_>, told: &Told) -> Codings {
    let mut codings = Codings { list: Vec::new(), unknown: false };
    for &span in &told.codings {
        for word in reader.request.bytes(span).split(|&b| b == b',') {
            let word = word.trim_ascii();
            match Coding::of(word) {
                Some(coding) => codings.list.push(coding),
                None => codings.unknown |= !word.is_empty() && !word.eq_ignore_ascii_case(b"identity"),
            }
        }
    }
    codings
}

/// Reads a text whose codings are undone, in each charset that it may have.
pub(crate) fn content(
    reader: &mut Reader<'_>,
    text: Span,
    types: &[Span],
    name: Span,
    location: LocationId,
    depth: usize,
) {
    let media = Media::of_all(reader, types);
    let bytes = reader.request.bytes(text);
    let (marked, mark) = Charset::marked(bytes);
    let sure = marked.or_else(|| Charset::by_zeroes(bytes).filter(|_| media.is_textual()));
    let declared = media.charset.filter(|_| sure.is_none());
    let ascii = bytes.is_ascii();
    let plain = bytes.iter().take(64).all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    let utf8 = ascii || std::str::from_utf8(bytes).is_ok();
    let (with_mark, text) = (text, text.slice(mark..text.len()));
    let other = match (sure, declared) {
        // Who asks for no mark and no zeroes reads the bytes as they are: form parsers, and JavaScript, to which all text is UTF-8.
        (Some(charset), _) => Some((charset, true)),
        (None, Some(charset)) if charset.keeps_ascii() => (!utf8).then_some((charset, false)),
        // The text may as well be what it looks like.
        (None, Some(charset)) => Some((charset, plain)),
        (None, None) => None,
    };
    let Some((charset, mut both)) = other else {
        dispatch(reader, text, &media, types, name, location, depth);
        return;
    };
    // No charset here makes a text more than twice as long.
    if text.len().saturating_mul(2) <= reader.budget()
        && let Some(made) = reader.made(text, location, |bytes, out| charset.decode(bytes, out))
    {
        let location = reader.unwrapped(location, charset.name());
        // What is JSON in its charset is JSON in no other.
        both &= !(sure.is_some()
            && media.json
            && json::scan(reader.request.bytes(made), &mut reader.state.tape).well_formed);
        dispatch(reader, made, &media, types, name, location, depth);
    } else {
        reader.request.anomalies.raise(Anomaly::Oversize, location);
        dispatch(reader, text, &media, types, name, location, depth);
        return;
    }
    if both {
        dispatch(reader, with_mark, &media, types, name, location, depth);
    }
}

/// Takes a text apart in each way that its type or its look suggests.
fn dispatch(
    reader: &mut Reader<'_>,
    text: Span,
    media: &Media,
    types: &[Span],
    name: Span,
    location: LocationId,
    depth: usize,
) {
    let bytes = reader.request.bytes(text);
    if bytes.trim_ascii().is_empty() {
        return;
    }
    let look = sniff::look(bytes);
    let textual = media.is_textual() || sniff::is_text(bytes);
    if textual && !media.multipart {
        reader.lend(text, |reader, bytes| reader.text_anomalies(bytes, location));
    }
    let mut taken = false;
    if media.multipart || look == Look::Multipart {
        let read = multiple(reader, text, types, location, depth);
        if media.multipart && !read {
            reader.request.anomalies.raise(Anomaly::MalformedData, location);
        }
        if !media.multipart && read && media.known {
            reader.request.anomalies.raise(Anomaly::BodyParserEvasion, location);
        }
        taken |= read;
    }
    let mut misfit = false;
    if look == Look::Json || media.json || media.lines {
        let well_formed = as_json(reader, text, media, look, name, location);
        taken |= well_formed;
        misfit |= well_formed && !media.json && !media.lines && (media.form || media.xml);
    }
    if look == Look::Xml || media.xml {
        let opens = reader.request.bytes(text).trim_ascii_start().first() == Some(&b'<');
        let well_formed = opens && xml::read(reader, text, name, location);
        if media.xml && !well_formed {
            xml::raise(reader, location);
        }
        misfit |= well_formed && !media.xml && (media.json || media.form);
        taken |= well_formed;
    }
    if media.graphql && graphql::is_plausible(reader.request.bytes(text)) {
        let holder = reader.request.values().len();
        let pushed = reader.push(text, text, Place::Body, name, location);
        taken |= graphql::read(reader, text, pushed.then_some(holder), location) || pushed;
    }
    taken |= form(reader, text, media, look, taken, location);
    if misfit || (!taken && (media.json || media.xml)) {
        reader.request.anomalies.raise(Anomaly::MalformedData, location);
    }
    if taken {
        return;
    }
    if textual || !media.binary {
        reader.push(text, text, Place::Body, name, location);
    } else {
        let seen = text.slice(0..limits::UPLOAD_PREFIX);
        reader.push(seen, seen, Place::FileContent, name, location);
    }
}

/// Reads a text as a form where it is declared as one, or looks like one and nothing else took it apart.
fn form(
    reader: &mut Reader<'_>,
    text: Span,
    media: &Media,
    look: Look,
    taken: bool,
    location: LocationId,
) -> bool {
    let bytes = reader.request.bytes(text);
    let pairs = memchr::memchr(b'=', bytes).is_some();
    let wanted = if media.form { pairs || !taken } else { look == Look::Form && !taken };
    if !wanted {
        return false;
    }
    // The line end after a form is no part of its last value.
    let blanks = bytes.len() - bytes.trim_ascii_end().len();
    reader.state.charset = media.charset.filter(|charset| !charset.keeps_ascii());
    query::read_pairs(reader, text.slice(0..text.len() - blanks), FORM, location);
    reader.state.charset = None;
    // A text that only looks like a form stays a text, too.
    media.form || media.json
}

/// Reads a multipart body with each boundary that it may have, and says whether one of them occurs.
fn multiple(reader: &mut Reader<'_>, text: Span, types: &[Span], location: LocationId, depth: usize) -> bool {
    let boundaries = multipart::boundaries(reader, types, reader.request.bytes(text));
    let mut readings = 0;
    for boundary in boundaries {
        readings += usize::from(multipart::read(reader, text, &boundary, location, depth).count > 0);
    }
    if readings > 1 {
        reader.request.anomalies.raise(Anomaly::BodyParserEvasion, location);
    }
    if readings > 0
        && let Some(range) = sniff::boundary(reader.request.bytes(text))
    {
        // A boundary that a header declares is inspected with that header; this one stands in the text alone.
        let boundary = reader.request.bytes(text).get(range.clone()).unwrap_or_default();
        let declared = |span: &Span| memchr::memmem::find(reader.request.bytes(*span), boundary).is_some();
        if !types.iter().any(declared) {
            let span = text.slice(range);
            reader.push(span, span, Place::Body, Span::EMPTY, location);
        }
    }
    readings > 0
}

/// Reads a text as JSON and says whether it is well-formed.
fn as_json(
    reader: &mut Reader<'_>,
    text: Span,
    media: &Media,
    look: Look,
    name: Span,
    location: LocationId,
) -> bool {
    let root = Root { name, ..Root::json(location) };
    if media.lines || (look == Look::Json && is_lines(reader, text)) {
        return lines(reader, text, &root);
    }
    let bytes = reader.request.bytes(text);
    if look != Look::Json && !media.json {
        return false;
    }
    if look == Look::Json && !media.json {
        // Text in brackets is not JSON for that; only what is well-formed is read as it.
        let (tape, bytes) = (&mut reader.state.tape, bytes);
        if !json::scan(bytes, tape).well_formed {
            return false;
        }
    }
    let well_formed = json::values(reader.request, &mut reader.state.tape, text, &root).well_formed;
    if media.json && !well_formed {
        reader.request.anomalies.raise(Anomaly::JsonError, location);
    }
    well_formed
}

/// Whether each of the first two lines is a JSON text of its own.
fn is_lines(reader: &mut Reader<'_>, text: Span) -> bool {
    let bytes = reader.request.bytes(text);
    let mut lines = bytes.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else { return false };
    let tape = &mut reader.state.tape;
    let closes = |line: &[u8]| matches!(line.trim_ascii_end().last(), Some(b'}' | b']'));
    closes(first)
        && closes(second)
        && json::scan(first, tape).well_formed
        && json::scan(second, tape).well_formed
}

/// Reads each line as a JSON text.
fn lines(reader: &mut Reader<'_>, text: Span, root: &Root) -> bool {
    let mut at = 0;
    let mut index = 0;
    let mut well_formed = true;
    loop {
        let bytes = reader.request.bytes(text);
        let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else { break };
        if reader.is_full() {
            reader.push_rest(text.slice(at..text.len()), Place::Body, root.location);
            break;
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let blank = rest.get(..end).unwrap_or_default().trim_ascii().is_empty();
        let line = text.slice(at..at + end);
        at += end + 1;
        if blank {
            continue;
        }
        let location = reader.request.locations.add(root.location, Segment::Index(index));
        index += 1;
        let root = Root { location, ..*root };
        let line_is = json::values(reader.request, &mut reader.state.tape, line, &root).well_formed;
        if !line_is {
            well_formed = false;
            reader.request.anomalies.raise(Anomaly::JsonError, location);
            reader.push(line, line, Place::Body, root.name, location);
        }
    }
    well_formed || index > 0
}

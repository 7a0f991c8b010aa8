//! `name=value` pairs: the query string, forms, and the query of a URL in a header (WHATWG URL, 5.1). Every reading that
//! a usual runtime has: `;` as a separator or not, plus as a space or not, a repeated name as the first, the last or all.
//!
//! It may not know bodies or headers; those call it with their own places.

use picket_request::{LocationId, Part, Place, Segment, Span, Value};

use crate::{charset, percent, reader::Reader};

/// What pairs become.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    /// The place of a name.
    pub(crate) key: Place,
    /// The place of a value.
    pub(crate) value: Place,
    /// The place of a text that does not split.
    pub(crate) whole: Place,
}

const QUERY: Style = Style { key: Place::QueryKey, value: Place::Query, whole: Place::QueryString };

/// Reads a raw query string.
pub(crate) fn read_raw(reader: &mut Reader<'_>, raw: Span) {
    reader.request.query = raw;
    if !raw.is_empty() {
        let location = reader.root(Part::Query);
        read_pairs(reader, raw, QUERY, location);
    }
}

/// Reads parameters that the platform split. With `beside`, those that the raw query string has given already are
/// passed over.
pub(crate) fn read_split(reader: &mut Reader<'_>, pairs: &[(Span, Span)], encoded: bool, beside: bool) {
    if pairs.is_empty() {
        return;
    }
    let known = if beside { Known::new(reader) } else { Known::default() };
    let location = reader.root(Part::Query);
    let first = reader.request.values().len();
    for &(name, value) in pairs {
        let (name_text, text) = if encoded {
            (reader.percent_decoded(name, true, location), reader.percent_decoded(value, true, location))
        } else {
            (name, value)
        };
        if known.contains(reader, name_text, text) {
            continue;
        }
        let location = reader.request.locations.add(location, Segment::Key(name_text));
        if !name.is_empty() {
            reader.push(name_text, name, Place::QueryKey, name_text, location);
        }
        if !value.is_empty() {
            reader.push(text, value, Place::Query, name_text, location);
            if encoded {
                literal_plus(reader, value, text, QUERY, name_text, location);
            }
        }
    }
    joined(reader, first, QUERY, location);
}

/// One piece between separators.
struct Piece {
    end: usize,
    equals: Option<usize>,
}

fn piece(bytes: &[u8], from: usize, semicolons: bool) -> Piece {
    let mut equals = None;
    for (at, &byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'&' => return Piece { end: at, equals },
            b';' if semicolons => return Piece { end: at, equals },
            b'=' if equals.is_none() => equals = Some(at),
            _ => {}
        }
    }
    Piece { end: bytes.len(), equals }
}

/// Reads `raw` as pairs.
pub(crate) fn read_pairs(reader: &mut Reader<'_>, raw: Span, style: Style, location: LocationId) {
    let bytes = reader.request.bytes(raw);
    if memchr::memchr(b'=', bytes).is_none() {
        // Some targets take such a query as one text (`/?search+words`, an argument of a CGI program).
        let text = reader.percent_decoded(raw, true, location);
        reader.push(text, raw, style.whole, Span::EMPTY, location);
        low_bytes(reader, raw, text, style.whole, Span::EMPTY, location);
        literal_plus(reader, raw, text, style, Span::EMPTY, location);
        return;
    }
    let semicolons = memchr::memchr(b';', bytes).is_some();
    let first = reader.request.values().len();
    split(reader, raw, style, location, false);
    joined(reader, first, style, location);
    if semicolons {
        split(reader, raw, style, location, true);
    }
}

/// Splits at `&` alone, or gives what a further split at `;` changes.
fn split(reader: &mut Reader<'_>, raw: Span, style: Style, location: LocationId, semicolons: bool) {
    let mut at = 0;
    let mut changed = false;
    loop {
        let bytes = reader.request.bytes(raw);
        if at > bytes.len() {
            return;
        }
        if reader.is_full() {
            // The rest is one value: nothing goes unexamined for being too many.
            let rest = raw.slice(at..raw.len());
            let text = reader.percent_decoded(rest, true, location);
            let (place, name) = (style.whole, Span::EMPTY);
            reader.request.push_rest(Value { text, raw: rest, place, name, location });
            return;
        }
        let Piece { end, equals } = piece(bytes, at, semicolons);
        let was = changed;
        changed = bytes.get(end) == Some(&b';');
        let (start, empty) = (at, end == at);
        at = end + 1;
        if empty || (semicolons && (equals.is_none() || !(was || changed))) {
            continue;
        }
        pair(reader, raw, start, end, equals, style, location);
    }
}

fn pair(
    reader: &mut Reader<'_>,
    raw: Span,
    start: usize,
    end: usize,
    equals: Option<usize>,
    style: Style,
    location: LocationId,
) {
    let key = raw.slice(start..equals.unwrap_or(end));
    let key_text = reader.percent_decoded(key, true, location);
    let location = reader.request.locations.add(location, Segment::Key(key_text));
    // The parameters of a URL in a header are worth a value for their content, their names only where they are odd.
    let spare = style.key == Place::HeaderName
        && reader
            .request
            .bytes(key)
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if !key.is_empty() && !spare {
        reader.push(key_text, key, style.key, key_text, location);
        low_bytes(reader, key, key_text, style.key, key_text, location);
    }
    let Some(equals) = equals else { return };
    let value = raw.slice(equals + 1..end);
    if value.is_empty() {
        return;
    }
    let text = reader.percent_decoded(value, true, location);
    reader.push(text, value, style.value, key_text, location);
    low_bytes(reader, value, text, style.value, key_text, location);
    literal_plus(reader, value, text, style, key_text, location);
    if let Some(charset) = reader.state.charset.filter(|_| text != value) {
        // Java and .NET decode the bytes of an escape in the charset that the form declares.
        let location = reader.unwrapped(location, charset.name());
        let text = reader.request.derive(text, |bytes, out| charset.decode(bytes, out));
        reader.push(text, value, style.value, key_text, location);
    }
}

/// Some targets leave a plus as it is (`decodeURIComponent`, path-style decoders). The reading is worth a value of its own
/// only where the plus could be an operator.
fn literal_plus(
    reader: &mut Reader<'_>,
    raw: Span,
    text: Span,
    style: Style,
    name: Span,
    location: LocationId,
) {
    if text == raw || memchr::memchr(b'+', reader.request.bytes(raw)).is_none() {
        return;
    }
    if !reader.request.bytes(text).iter().any(|b| b"'\"`()<>{}[]\\".contains(b)) {
        return;
    }
    let location = reader.request.locations.add(location, Segment::Unwrapped("plus"));
    let literal = reader.percent_decoded(raw, false, location);
    let place = if name.is_empty() { style.whole } else { style.value };
    reader.push(literal, raw, place, name, location);
}

/// Node.js's `querystring`, where an escape is not valid, takes each character of the whole text by its low byte.
fn low_bytes(reader: &mut Reader<'_>, raw: Span, text: Span, place: Place, name: Span, location: LocationId) {
    let bytes = reader.request.bytes(raw);
    if text == raw || !charset::is_wide(bytes) {
        return;
    }
    let odd = percent::decode(bytes, true, &mut Vec::new());
    if !odd.invalid && !odd.not_utf8 {
        return;
    }
    let read = reader.request.derive(raw, |bytes, out| {
        percent::decode(&charset::low_bytes(bytes), true, out);
    });
    let location = reader.unwrapped(location, "low-bytes");
    reader.push(read, raw, place, name, location);
}

/// Where a name is repeated, some platforms hand on its values joined by commas (HTTP API v2, ASP.NET), so that a
/// payload can be cut into pieces that only they put together.
fn joined(reader: &mut Reader<'_>, first: usize, style: Style, location: LocationId) {
    const FEW: usize = 12;
    let values = reader.request.values();
    let new = values.get(first..).unwrap_or_default();
    let further =
        |v: &Value| matches!(reader.request.locations.get(v.location), Some((_, Segment::Unwrapped(_))));
    let pairs = new.iter().filter(|v| v.place == style.value && !v.name.is_empty() && !further(v));
    let mut few: [Value; FEW] = [EMPTY; FEW];
    let mut count = 0;
    for value in pairs.clone() {
        if let Some(slot) = few.get_mut(count) {
            *slot = *value;
        }
        count += 1;
    }
    if count < 2 {
        return;
    }
    if let Some(few) = few.get(..count) {
        let same = |a: &Value, b: &Value| reader.request.bytes(a.name) == reader.request.bytes(b.name);
        let repeated = few.iter().enumerate().any(|(i, a)| few.iter().skip(i + 1).any(|b| same(a, b)));
        if !repeated {
            return;
        }
    }
    let mut all: Vec<Value> = pairs.copied().collect();
    // A stable sort keeps the values of one name in their order.
    all.sort_by(|a, b| reader.request.bytes(a.name).cmp(reader.request.bytes(b.name)));
    let mut rest = &all[..];
    while let Some(head) = rest.first() {
        let same = rest
            .iter()
            .take_while(|v| reader.request.bytes(v.name) == reader.request.bytes(head.name))
            .count();
        let (group, after) = rest.split_at(same);
        rest = after;
        if group.len() > 1 {
            let location = reader.request.locations.add(location, Segment::Key(head.name));
            let location = reader.request.locations.add(location, Segment::Unwrapped("joined"));
            let text = join(reader, group);
            reader.push(text, text, style.value, head.name, location);
        }
    }
}

const EMPTY: Value = Value {
    text: Span::EMPTY,
    raw: Span::EMPTY,
    place: Place::Query,
    name: Span::EMPTY,
    location: LocationId::ROOT,
};

/// The texts of `group` with commas between them, as one text of the arena.
fn join(reader: &mut Reader<'_>, group: &[Value]) -> Span {
    let mut whole: Option<Span> = None;
    for value in group {
        let comma = whole.is_some();
        let piece = reader.request.derive(value.text, |bytes, out| {
            if comma {
                out.push(b',');
            }
            out.extend_from_slice(bytes);
        });
        // The arena only grows, so pieces that are stored one after another are one text.
        whole = Some(whole.map_or(piece, |before| Span { end: piece.end, ..before }));
    }
    whole.unwrap_or(Span::EMPTY)
}

/// The pairs that were read already, for a second description of the same query.
#[derive(Default)]
struct Known {
    sorted: Vec<Value>,
}

impl Known {
    fn new(reader: &Reader<'_>) -> Self {
        let mut sorted: Vec<Value> = reader
            .request
            .values()
            .iter()
            .filter(|v| matches!(v.place, Place::Query | Place::QueryKey))
            .copied()
            .collect();
        sorted.sort_by(|a, b| order(reader, a.name, a.text).cmp(&order(reader, b.name, b.text)));
        Self { sorted }
    }

    fn contains(&self, reader: &Reader<'_>, name: Span, text: Span) -> bool {
        let wanted = if text.is_empty() { order(reader, name, name) } else { order(reader, name, text) };
        self.sorted.binary_search_by(|known| order(reader, known.name, known.text).cmp(&wanted)).is_ok()
    }
}

fn order<'r>(reader: &'r Reader<'_>, name: Span, text: Span) -> (&'r [u8], &'r [u8]) {
    (reader.request.bytes(name), reader.request.bytes(text))
}

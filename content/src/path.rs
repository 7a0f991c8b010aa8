//! The path of the request target: as it came and decoded, segments that are more than words, and what the router matched.
//!
//! It may not know what the target would do with a path; that is detection's.

use picket_request::{Anomaly, LocationId, Part, Place, Segment, Span};

use crate::{Text, percent, reader::Reader};

/// Segments that are values of their own. Further ones still stand in the whole path.
const SEGMENTS: usize = 256;
/// A segment of at least this length may hold an encoded text.
const LONG: usize = 20;

/// Reads the path and the path parameters.
pub(crate) fn read(reader: &mut Reader<'_>, path: Text, parameters: &[(Span, Span)]) {
    if path.span.is_empty() && parameters.is_empty() {
        return;
    }
    let location = reader.root(Part::Path);
    let text = decoded(reader, path, location);
    if !path.span.is_empty() {
        reader.push(text, path.span, Place::Path, Span::EMPTY, location);
        if is_abnormal(reader.request.bytes(text)) {
            reader.request.anomalies.raise(Anomaly::AbnormalPath, location);
        }
        if is_console(reader.request.bytes(text)) {
            reader.request.anomalies.raise(Anomaly::GraphqlIde, location);
        }
        segments(reader, path, location);
    }
    for &(name, value) in parameters {
        let location = reader.request.locations.add(location, Segment::Key(name));
        // Routers decode what they match, some of them not: the decoded reading stands beside the raw one.
        let text = reader.percent_decoded(value, false, location);
        reader.push(text, value, Place::PathParameter, name, location);
    }
}

fn decoded(reader: &mut Reader<'_>, path: Text, location: LocationId) -> Span {
    if path.encoded {
        return reader.percent_decoded(path.span, false, location);
    }
    if percent::holds_escape(reader.request.bytes(path.span)) {
        // The platform decoded once already, so what is left was encoded twice.
        reader.request.anomalies.raise(Anomaly::DoubleEncoding, location);
    }
    path.span
}

/// Segments that could carry more than a name become values, so that a payload in one is judged without its
/// neighbours. They are cut before decoding: an encoded slash stays inside its segment.
fn segments(reader: &mut Reader<'_>, path: Text, location: LocationId) {
    let mut at = 0;
    for index in 0..SEGMENTS {
        let bytes = reader.request.bytes(path.span);
        let Some(rest) = bytes.get(at..) else { return };
        let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
        let segment = rest.get(..end).unwrap_or_default();
        // The only segment would say nothing that the path does not say.
        let whole = segment.len() + 1 >= bytes.len();
        let speaks = segment.len() >= LONG
            || segment.iter().any(|b| !(b.is_ascii_alphanumeric() || b"._-~".contains(b)));
        let span = path.span.slice(at..at + end);
        at += end + 1;
        if whole || segment.is_empty() || !speaks {
            continue;
        }
        let location =
            reader.request.locations.add(location, Segment::Index(u32::try_from(index).unwrap_or(u32::MAX)));
        let text = if path.encoded { reader.percent_decoded(span, false, location) } else { span };
        reader.push(text, span, Place::PathParameter, Span::EMPTY, location);
    }
}

/// Whether normalising the path would change it.
fn is_abnormal(path: &[u8]) -> bool {
    let dotted = |segment: &[u8]| segment == b"." || segment == b"..";
    if memchr::memchr(b'\\', path).is_some() || memchr::memmem::find(path, b"//").is_some() {
        return true;
    }
    memchr::memchr(b'.', path).is_some() && path.split(|&b| b == b'/').any(dotted)
}

/// Whether the path names a development console for GraphQL.
fn is_console(path: &[u8]) -> bool {
    const CONSOLES: [&[u8]; 6] =
        [b"graphiql", b"graphql-playground", b"graphql-explorer", b"altair", b"voyager", b"graphiql.html"];
    if memchr::memchr2(b'q', b'r', path).is_none() {
        return false;
    }
    let mut segments = path.rsplit(|&b| b == b'/').filter(|s| !s.is_empty());
    let Some(last) = segments.next() else { return false };
    CONSOLES.iter().any(|name| last.eq_ignore_ascii_case(name))
        || ((last.eq_ignore_ascii_case(b"playground") || last.eq_ignore_ascii_case(b"console"))
            && segments.next().is_some_and(|s| s.eq_ignore_ascii_case(b"graphql")))
}

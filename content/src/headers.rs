//! Headers: every value as it came, names where they are odd, what must be single, and what a request says of itself.
//!
//! It may not know which platform the headers came through.

use std::ops::Deref;

use picket_request::{Anomaly, LocationId, Part, Place, Segment, Span};

use crate::{
    base64, cookies,
    query::{self, Style},
    reader::{Kind, Reader, Task},
};

/// Headers that mean something to reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Authorization,
    Connection,
    ContentEncoding,
    ContentLength,
    ContentType,
    Cookie,
    ForwardedProto,
    Host,
    TransferEncoding,
    /// A header that holds a URL.
    Url,
    UserAgent,
}

impl Known {
    /// The headers that must be single (RFC 9110, 5.3; RFC 9112, 3.2).
    const fn single(self) -> bool {
        matches!(
            self,
            Self::Authorization
                | Self::ContentLength
                | Self::ContentType
                | Self::Host
                | Self::TransferEncoding
                | Self::UserAgent
        )
    }

    fn of(name: &[u8]) -> Option<Self> {
        let starts = |byte: u8| name.first().is_some_and(|b| b | 0x20 == byte);
        let (known, text): (Self, &[u8]) = match name.len() {
            4 => (Self::Host, b"host"),
            6 => (Self::Cookie, b"cookie"),
            7 => (Self::Url, b"referer"),
            10 if starts(b'u') => (Self::UserAgent, b"user-agent"),
            10 => (Self::Connection, b"connection"),
            12 => (Self::ContentType, b"content-type"),
            13 if starts(b'a') => (Self::Authorization, b"authorization"),
            13 => (Self::Url, b"x-rewrite-url"),
            14 if starts(b'c') => (Self::ContentLength, b"content-length"),
            14 => (Self::Url, b"x-original-url"),
            15 => (Self::Url, b"x-forwarded-uri"),
            16 => (Self::ContentEncoding, b"content-encoding"),
            17 if starts(b'x') => (Self::ForwardedProto, b"x-forwarded-proto"),
            17 => (Self::TransferEncoding, b"transfer-encoding"),
            _ => return None,
        };
        name.eq_ignore_ascii_case(text).then_some(known)
    }
}

/// The first few spans of something; what is beyond them is in the values like any other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Few {
    spans: [Span; 4],
    len: usize,
}

impl Few {
    fn push(&mut self, span: Span) {
        if let Some(slot) = self.spans.get_mut(self.len) {
            *slot = span;
            self.len += 1;
        }
    }
}

impl Deref for Few {
    type Target = [Span];

    fn deref(&self) -> &[Span] {
        self.spans.get(..self.len).unwrap_or_default()
    }
}

impl<'f> IntoIterator for &'f Few {
    type Item = &'f Span;
    type IntoIter = std::slice::Iter<'f, Span>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What the headers tell about the body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// Content type headers.
    pub(crate) types: Few,
    /// Content encoding headers.
    pub(crate) codings: Few,
    length: Few,
    transfer: Few,
    /// What is missing says nothing.
    pub(crate) is_partial: bool,
}

impl Told {
    /// Whether the body says that it comes in chunks.
    pub(crate) const fn is_chunked(&self) -> bool {
        self.transfer.len > 0
    }
}

/// Reads the headers.
pub(crate) fn read(reader: &mut Reader<'_>, headers: &[(Span, Span)]) -> Told {
    let mut told = Told::default();
    let mut basic = None;
    let mut plain = reader.state.options.secure == Some(false);
    let all = reader.root(Part::Header);
    let mut seen = 0_u32;
    for &(name, value) in headers {
        let location = reader.request.locations.add(all, Segment::Key(name));
        let known = Known::of(reader.request.bytes(name));
        odd_name(reader, name, location);
        if value.is_empty() && known != Some(Known::ContentLength) {
            continue;
        }
        if reader.is_full() {
            reader.push_rest(value, Place::Header, location);
            continue;
        }
        if let Some(known) = known {
            let bit = 1 << known as u32;
            if seen & bit != 0 && known.single() {
                reader.request.anomalies.raise(Anomaly::DuplicateHeaders, location);
            }
            seen |= bit;
            match known {
                Known::Host => first(&mut reader.request.host, value),
                Known::UserAgent => first(&mut reader.request.user_agent, value),
                Known::ContentType => {
                    first(&mut reader.request.content_type, value);
                    told.types.push(value);
                }
                Known::ContentEncoding => told.codings.push(value),
                Known::ContentLength => told.length.push(value),
                Known::TransferEncoding => told.transfer.push(value),
                Known::Connection => connection(reader, value, location),
                Known::Authorization => {
                    if authorization(reader, value, location) {
                        basic = Some(location);
                    }
                }
                Known::ForwardedProto => {
                    let secure = reader.state.options.secure;
                    plain |= secure.is_none()
                        && reader.request.bytes(value).trim_ascii().eq_ignore_ascii_case(b"http");
                }
                Known::Url => url(reader, name, value, location),
                Known::Cookie => {
                    let location = reader.root(Part::Cookie);
                    cookies::read(reader, value, location);
                    continue;
                }
            }
        }
        value_of(reader, name, value, location);
    }
    // A WebSocket frame has no head, and an event without a single header hands none on.
    told.is_partial = reader.state.options.partial_head || headers.is_empty();
    if reader.request.user_agent.is_empty() && !told.is_partial {
        reader.request.anomalies.raise(Anomaly::NoUserAgent, all);
    }
    framing(reader, &told, all);
    if plain {
        insecure(reader, basic);
    }
    told
}

const fn first(field: &mut Span, value: Span) {
    // The first one counts; the others stand among the values like any header.
    if field.start == field.end {
        *field = value;
    }
}

fn value_of(reader: &mut Reader<'_>, name: Span, value: Span, location: LocationId) {
    let bytes = reader.request.bytes(value);
    let odd = bytes.iter().fold(0_u8, |odd, &b| odd | u8::from(b == 0) | (b & 0x80));
    let broken = odd & 0x80 != 0 && std::str::from_utf8(bytes).is_err();
    if odd & 1 != 0 {
        reader.request.anomalies.raise(Anomaly::NullByte, location);
    }
    if broken {
        reader.request.anomalies.raise(Anomaly::NotUtf8, location);
    }
    reader.push(value, value, Place::Header, name, location);
}

/// A name that is no token (RFC 9110, 5.1), or a very long one, is worth inspecting.
fn odd_name(reader: &mut Reader<'_>, name: Span, location: LocationId) {
    const LONG: usize = 64;
    let bytes = reader.request.bytes(name);
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if bytes.len() <= LONG && !bytes.is_empty() && bytes.iter().all(plain) {
        return;
    }
    let token = |b: &u8| plain(b) || b"!#$%&'*+.^`|~".contains(b);
    if !bytes.iter().all(token) || bytes.is_empty() {
        reader.request.anomalies.raise(Anomaly::BadHopHeaders, location);
    }
    reader.push(name, name, Place::HeaderName, name, location);
}

/// `Connection` names headers that the next hop is to drop; naming one that carries meaning hides it from there on.
fn connection(reader: &mut Reader<'_>, value: Span, location: LocationId) {
    const USUAL: [&[u8]; 7] = [
        b"close",
        b"keep-alive",
        b"upgrade",
        b"te",
        b"http2-settings",
        b"proxy-connection",
        b"transfer-encoding",
    ];
    let bytes = reader.request.bytes(value);
    let odd = bytes
        .split(|&b| b == b',')
        .map(<[u8]>::trim_ascii)
        .any(|word| !word.is_empty() && !USUAL.iter().any(|usual| word.eq_ignore_ascii_case(usual)));
    if odd {
        reader.request.anomalies.raise(Anomaly::BadHopHeaders, location);
    }
}

/// Lengths and transfer codings that two parsers would frame differently (RFC 9112, 6.1 and 6.3; request smuggling).
fn framing(reader: &mut Reader<'_>, told: &Told, location: LocationId) {
    let bytes = |span: &Span| reader.request.bytes(*span);
    let lengths = told.length.iter().map(bytes);
    let odd_length = lengths.clone().any(|v| v.is_empty() || !v.iter().all(u8::is_ascii_digit))
        || lengths.clone().any(|v| Some(v) != lengths.clone().next());
    let odd_transfer = told.transfer.len() > 1 || told.transfer.iter().map(bytes).any(|v| v != b"chunked");
    if odd_length || odd_transfer || (!told.length.is_empty() && !told.transfer.is_empty()) {
        reader.request.anomalies.raise(Anomaly::BadHopHeaders, location);
    }
}

/// Takes credentials apart, and says whether they are Basic ones (RFC 7617, RFC 6750).
fn authorization(reader: &mut Reader<'_>, value: Span, location: LocationId) -> bool {
    let bytes = reader.request.bytes(value);
    let Some(blank) = bytes.iter().position(u8::is_ascii_whitespace) else {
        return false;
    };
    let (scheme, rest) = bytes.split_at(blank);
    let skipped = rest.len() - rest.trim_ascii_start().len();
    let token = value.slice(blank + skipped..bytes.trim_ascii_end().len());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        let opens = reader.request.bytes(token).starts_with(b"ey");
        if opens {
            let kind = Kind::Token { bearer: true };
            reader.schedule(Task { text: token, name: Span::EMPTY, location, depth: 1, kind });
        }
        return false;
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return false;
    }
    let mut odd = base64::Odd::default();
    let decoded = reader.request.derive(token, |bytes, out| odd = base64::decode(bytes, out));
    if !odd.is_clean() {
        reader.request.anomalies.raise(Anomaly::InvalidEncoding, location);
    }
    let location = reader.unwrapped(location, "basic");
    let bytes = reader.request.bytes(decoded);
    let colon = memchr::memchr(b':', bytes);
    let end = bytes.len();
    let user = decoded.slice(0..colon.unwrap_or(end));
    let password = decoded.slice(colon.map_or(end, |colon| colon + 1)..end);
    for (word, part) in [("user", user), ("password", password)] {
        if !part.is_empty() {
            let location = reader.request.locations.add(location, Segment::Word(word));
            reader.push(part, token, Place::Header, Span::EMPTY, location);
        }
    }
    true
}

/// The query of a URL in a header becomes values, as a log viewer or an analytics handler would take it apart.
fn url(reader: &mut Reader<'_>, name: Span, value: Span, location: LocationId) {
    const URL: Style = Style { key: Place::HeaderName, value: Place::Header, whole: Place::Header };
    let bytes = reader.request.bytes(value);
    let Some(mark) = memchr::memchr(b'?', bytes) else { return };
    let rest = bytes.get(mark + 1..).unwrap_or_default();
    let end = memchr::memchr(b'#', rest).unwrap_or(rest.len());
    if memchr::memchr(b'=', rest.get(..end).unwrap_or_default()).is_some() {
        query::read_pairs(reader, value.slice(mark + 1..mark + 1 + end), URL, location);
    } else if end > 0 {
        let raw = value.slice(mark + 1..mark + 1 + end);
        let text = reader.percent_decoded(raw, true, location);
        if text != raw {
            reader.push(text, raw, Place::Header, name, location);
        }
    }
}

/// Credentials over a connection that is known to be plain.
fn insecure(reader: &mut Reader<'_>, basic: Option<LocationId>) {
    const NAMES: [&[u8]; 5] = [b"password", b"passwd", b"pwd", b"pass", b"access_token"];
    let request = &mut *reader.request;
    let secret = || {
        let named = |name: &[u8]| NAMES.iter().any(|secret| name.eq_ignore_ascii_case(secret));
        let mut values = request.values().iter();
        values.find(|v| v.place == Place::Query && named(request.bytes(v.name))).map(|v| v.location)
    };
    if let Some(location) = basic.or_else(secret) {
        request.anomalies.raise(Anomaly::InsecureAuth, location);
    }
}

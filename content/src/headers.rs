//! Headers: every value as it came, names where they are odd, what must be single, and what a request says of itself.
//!
//! It may not know which platform the headers came through.

use picket_request::{Anomaly, LocationId, Part, Place, Segment, Span};

use crate::reader::Reader;

/// Headers that mean something to reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Authorization,
    Connection,
    ContentEncoding,
    ContentLength,
    ContentType,
    Cookie,
    ForwardedProto,
    Host,
    Referer,
    TransferEncoding,
    UserAgent,
}

impl Known {
    /// The headers that must be single (RFC 9110, 5.3; RFC 9112, 3.2).
    const fn single(self) -> bool {
        !matches!(self, Self::Connection | Self::Cookie | Self::ForwardedProto | Self::ContentEncoding)
    }

    fn of(name: &[u8]) -> Option<Self> {
        let (known, text): (Self, &[u8]) = match name.len() {
            4 => (Self::Host, b"host"),
            6 => (Self::Cookie, b"cookie"),
            7 => (Self::Referer, b"referer"),
            10 if name.first().is_some_and(|b| b | 0x20 == b'u') => (Self::UserAgent, b"user-agent"),
            10 => (Self::Connection, b"connection"),
            12 => (Self::ContentType, b"content-type"),
            13 => (Self::Authorization, b"authorization"),
            14 => (Self::ContentLength, b"content-length"),
            16 => (Self::ContentEncoding, b"content-encoding"),
            17 if name.first().is_some_and(|b| b | 0x20 == b'x') => {
                (Self::ForwardedProto, b"x-forwarded-proto")
            }
            17 => (Self::TransferEncoding, b"transfer-encoding"),
            _ => return None,
        };
        name.eq_ignore_ascii_case(text).then_some(known)
    }
}

/// Reads the headers.
pub(crate) fn read(reader: &mut Reader<'_>, headers: &[(Span, Span)]) {
    let all = reader.root(Part::Header);
    let mut seen = 0_u32;
    for &(name, value) in headers {
        let location = reader.request.locations.add(all, Segment::Key(name));
        let known = Known::of(reader.request.bytes(name));
        odd_name(reader, name, location);
        if let Some(known) = known {
            let bit = 1 << known as u32;
            if seen & bit != 0 && known.single() {
                reader.request.anomalies.raise(Anomaly::DuplicateHeaders, location);
            }
            seen |= bit;
            notice(reader, known, value);
        }
        if value.is_empty() {
            continue;
        }
        bytes_of(reader, value, location);
        reader.push(value, value, Place::Header, name, location);
    }
    if reader.request.user_agent.is_empty() {
        reader.request.anomalies.raise(Anomaly::NoUserAgent, all);
    }
}

const fn notice(reader: &mut Reader<'_>, known: Known, value: Span) {
    let field = match known {
        Known::Host => &mut reader.request.host,
        Known::ContentType => &mut reader.request.content_type,
        Known::UserAgent => &mut reader.request.user_agent,
        _ => return,
    };
    // The first one counts; the others stand among the values like any header.
    if field.start == field.end {
        *field = value;
    }
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

fn bytes_of(reader: &mut Reader<'_>, value: Span, location: LocationId) {
    let bytes = reader.request.bytes(value);
    if bytes.iter().any(|&b| b == 0 || b >= 0x80) {
        let nul = bytes.contains(&0);
        let text = std::str::from_utf8(bytes).is_ok();
        if nul {
            reader.request.anomalies.raise(Anomaly::NullByte, location);
        }
        if !text {
            reader.request.anomalies.raise(Anomaly::NotUtf8, location);
        }
    }
}

//! Bearer tokens that are JSON Web Tokens (RFC 7519, RFC 7515): header and claims become values. Signatures are not checked;
//! that is the application's.
//!
//! It may not know where a token stood.

use picket_request::{Anomaly, LocationId, Place, Segment, Span, limits};

use crate::{
    base64,
    json::{self, Root},
    reader::Reader,
};

/// Whether a text could be a JWT: it opens like the base64 of a JSON object, and has a dot.
pub(crate) fn is_plausible(text: &[u8]) -> bool {
    // The base64 of `{"`, `{ `, `{` with a line break.
    let opens = matches!(text, [b'e', b'y' | b'w', ..]);
    opens && text.len() > 16 && memchr::memchr(b'.', text).is_some()
}

/// Reads a token. `bearer` says that it was sent as a bearer token, so that a broken one is worth saying.
pub(crate) fn read(reader: &mut Reader<'_>, token: Span, bearer: bool, location: LocationId) {
    let bytes = reader.request.bytes(token);
    let mut dots = memchr::memchr_iter(b'.', bytes);
    let (first, second) = (dots.next(), dots.next());
    let further = dots.count();
    let len = bytes.len();
    let Some(first) = first else {
        malformed(reader, bearer, location);
        return;
    };
    let location = reader.unwrapped(location, "jwt");
    let header = token.slice(0..first);
    let Some(unsigned) = part(reader, header, location, "header", true) else {
        malformed(reader, bearer, location);
        return;
    };
    if further >= 2 {
        // Five parts: the rest is encrypted (RFC 7516).
        return;
    }
    let claims = token.slice(first + 1..second.unwrap_or(len));
    let claimed = part(reader, claims, location, "claims", false).is_some();
    if !claimed || second.is_none() || further > 0 {
        malformed(reader, true, location);
    }
    if unsigned || second.is_some_and(|second| second + 1 == len) {
        reader.request.anomalies.raise(Anomaly::JwtNone, location);
    }
}

fn malformed(reader: &mut Reader<'_>, bearer: bool, location: LocationId) {
    if bearer {
        reader.request.anomalies.raise(Anomaly::JwtMalformed, location);
    }
}

/// Reads one part of a token, and says whether it names no algorithm; `None` where it is no JSON object.
fn part(
    reader: &mut Reader<'_>,
    part: Span,
    location: LocationId,
    word: &'static str,
    header: bool,
) -> Option<bool> {
    if !reader.charge(part.len(), location) {
        return None;
    }
    let mut odd = base64::Odd::default();
    let text = reader.made(part, location, |bytes, out| odd = base64::decode(bytes, out))?;
    let bytes = reader.request.bytes(text);
    let tape = &mut reader.state.tape;
    let well_formed = json::scan(bytes, tape).well_formed;
    let root = tape.root().filter(|&root| tape.kind(root) == json::Kind::Object);
    let root = root.filter(|_| well_formed && odd.is_clean())?;
    let mut none = false;
    let mut expired = false;
    if header {
        let is_token =
            tape.members(root).any(|m| tape.is(bytes, m.key, b"alg") || tape.is(bytes, m.key, b"typ"));
        is_token.then_some(())?;
        let algorithm = tape.last(bytes, root, b"alg");
        none = algorithm.is_some_and(|node| {
            bytes.get(tape.range(node)).is_some_and(|alg| alg.is_empty() || alg.eq_ignore_ascii_case(b"none"))
        });
    } else if let Some(now) = reader.state.options.now {
        let seconds = |name: &[u8]| {
            let node = tape.last(bytes, root, name)?;
            std::str::from_utf8(bytes.get(tape.range(node))?).ok()?.parse::<f64>().ok()
        };
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 stay far below 2^52")]
        let now = now as f64;
        expired = seconds(b"exp").is_some_and(|end| end < now);
    }
    if expired {
        reader.request.anomalies.raise(Anomaly::JwtExpired, location);
    }
    let location = reader.request.locations.add(location, Segment::Word(word));
    let root = Root {
        location,
        name: Span::EMPTY,
        key: Place::JsonKey,
        value: Place::JwtClaim,
        unwraps: limits::UNWRAPS - 1,
    };
    json::values(reader.request, &mut reader.state.tape, text, &root);
    Some(none)
}

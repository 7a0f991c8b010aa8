//! The only door: bytes of a request become [`Redacted`] here, or they do not leave.

use std::{fmt, net::IpAddr, ops::Range};

use picket_cloud_protocol::{ClientKey, Event, EventAction, EventClass, EventSignal};
use picket_detection::{Finding, Tier};
use picket_request::{LocationId, Part, Place, Request, Segment, Trust, Value};
use ring::hmac;

use crate::{About, limits, names, pairs, patterns, sign};

/// Text that is safe to leave: sensitive fields are left out, personal data is masked, control and non-ASCII bytes are
/// escaped, and the length is capped.
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// The safe text.
    pub const fn as_inner(&self) -> &T {
        &self.0
    }

    /// The same, given away.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: fmt::Display> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What stands for a value that must not be shown.
const WITHHELD: &str = "[redacted]";
/// Bytes on either side of an excerpt that are read so that a number or a name cut by its edge is still recognised.
const MARGIN: usize = 512;
/// Where there is no address at all.
const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// What is redacted, and how: names and forms that are built in, and what the owner adds.
#[derive(Clone, Default)]
pub struct Redactor {
    parameters: Vec<Vec<u8>>,
    headers: Vec<Vec<u8>>,
    addresses: Option<hmac::Key>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor")
            .field("parameters", &self.parameters.len())
            .field("headers", &self.headers.len())
            .field("hashes_addresses", &self.addresses.is_some())
            .finish()
    }
}

impl Redactor {
    /// Also withholds parameters and headers of these names, whatever their case.
    #[must_use]
    pub fn new<'a>(
        parameters: impl IntoIterator<Item = &'a str>,
        headers: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let lower = |name: &str| name.to_ascii_lowercase().into_bytes();
        Self {
            parameters: parameters.into_iter().map(lower).collect(),
            headers: headers.into_iter().map(lower).collect(),
            addresses: None,
        }
    }

    /// Lets addresses and sessions leave only as digests under this key.
    #[must_use]
    pub fn hashing_addresses(mut self, key: Option<&str>) -> Self {
        self.addresses = key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()));
        self
    }

    /// The key under which a client is reported and flagged.
    #[must_use]
    pub fn client(&self, address: Option<IpAddr>) -> ClientKey {
        let plain = ClientKey::of(address.unwrap_or(NOBODY));
        match &self.addresses {
            Some(key) => {
                let digest = hmac::sign(key, plain.as_str().as_bytes());
                ClientKey::hashed(digest.as_ref().get(..16).unwrap_or_default())
            }
            None => plain,
        }
    }

    /// A digest of a request's session, where its cookies or its authorization name one: 8 bytes, which tell sessions
    /// apart and open none.
    #[must_use]
    pub fn session(&self, request: &Request) -> Option<[u8; 8]> {
        let value = request.values().iter().find(|value| {
            let name = request.bytes(value.name);
            value.place == Place::Cookie && names::is_session(name)
                || value.place == Place::Header && name.eq_ignore_ascii_case(b"authorization")
        })?;
        let bytes = request.bytes(value.text);
        if bytes.is_empty() {
            return None;
        }
        let digest = match &self.addresses {
            Some(key) => hmac::sign(key, bytes).as_ref().get(..8)?.try_into().ok()?,
            None => sign::digest(&[b"picket-session-v1:", bytes].concat()).get(..8)?.try_into().ok()?,
        };
        Some(digest)
    }

    /// The offending bytes of a value, at `span` of a decoded `view` of it.
    ///
    /// Withheld are: fields with a sensitive name anywhere on their path, every cookie, credentials, raw bodies, documents and
    /// query strings that no parser took apart (nobody knows which of their bytes are a password).
    #[must_use]
    pub fn excerpt(
        &self,
        request: &Request,
        value: &Value,
        view: &[u8],
        span: Range<usize>,
    ) -> Redacted<String> {
        if self.withholds(request, value) {
            return Redacted(WITHHELD.to_owned());
        }
        let view = if is_link(request, value) { without_query(view) } else { view };
        let (start, end) = (span.start.min(view.len()), span.end.min(view.len()));
        if start == end && span.start < span.end {
            return Redacted(WITHHELD.to_owned());
        }
        Redacted(masked(view, start..end.max(start), limits::EXCERPT))
    }

    fn withholds(&self, request: &Request, value: &Value) -> bool {
        let whole_text = matches!(
            value.place,
            Place::Body
                | Place::QueryString
                | Place::Cookie
                | Place::FileContent
                | Place::Graphql
                | Place::JwtClaim
                | Place::Event
        );
        whole_text
            || lies_in_a_links_query(request, value.location)
            || self.is_sensitive(request, request.bytes(value.name), value.location)
    }

    /// Whether a value's name, or any key on its path, is a sensitive one.
    fn is_sensitive(&self, request: &Request, name: &[u8], mut location: LocationId) -> bool {
        let own =
            if request.locations.part(location) == Part::Header { &self.headers } else { &self.parameters };
        let matches = |name: &[u8]| {
            names::is_sensitive(name) || own.iter().any(|known| name.eq_ignore_ascii_case(known))
        };
        if matches(name) {
            return true;
        }
        while let Some((parent, segment)) = request.locations.get(location) {
            if let Segment::Key(key) = segment
                && matches(request.bytes(key))
            {
                return true;
            }
            location = parent;
        }
        false
    }

    /// A single request as it leaves: who and where, and of its content the offending parameters alone.
    #[must_use]
    pub fn event(&self, id: &str, request: &Request, about: &About<'_>) -> Redacted<Event> {
        let attacked =
            about.findings.iter().any(|finding| finding.signal.is_attack() && finding.tier >= Tier::Likely);
        let mut sealed = 0;
        let mut surest: Vec<&Finding> = about.findings.iter().collect();
        surest.sort_by_key(|finding| (!finding.signal.is_attack(), std::cmp::Reverse(finding.tier)));
        let found = surest.into_iter().map(|finding| self.signal(id, request, about, finding, &mut sealed));
        let odd = request.anomalies.iter().map(|(anomaly, at)| EventSignal {
            signal: anomaly.id().to_owned(),
            location: location(request, at).0,
            ..EventSignal::default()
        });
        let raised = about.raised.iter().map(|signal| EventSignal {
            signal: signal
                .chars()
                .filter(|c| c.is_ascii_alphanumeric() || ".-_:".contains(*c))
                .take(64)
                .collect(),
            ..EventSignal::default()
        });
        Redacted(Event {
            id: id.to_owned(),
            at: about.at_ms,
            class: if attacked || about.action != EventAction::Allow {
                EventClass::Attack
            } else {
                EventClass::Anomaly
            },
            client: self.client(request.client.addr),
            trust: match request.client.trust {
                Trust::Platform => "platform",
                Trust::ConfiguredHop => "configured_hop",
                Trust::Unverified => "unverified",
            }
            .to_owned(),
            source: request.event.name.to_owned(),
            method: method(request).0,
            path: path(request).0,
            host: text(request.bytes(request.host), limits::NAME),
            user_agent: text(request.bytes(request.user_agent), limits::NAME),
            country: String::new(),
            status: about.status,
            action: about.action,
            reason: text(about.reason.as_bytes(), limits::NAME),
            signals: found.chain(raised).chain(odd).take(limits::SIGNALS).collect(),
            request_id: platform_id(about.request_id),
            trace_id: platform_id(about.trace_id),
        })
    }

    fn signal(
        &self,
        id: &str,
        request: &Request,
        about: &About<'_>,
        finding: &Finding,
        sealed: &mut usize,
    ) -> EventSignal {
        let value = request.values().get(finding.value as usize);
        // The span lies in the decoded view, whose bytes are gone by now: an excerpt is shown where nothing was decoded.
        let excerpt = value.filter(|_| finding.chain.is_empty()).map(|value| {
            let span = finding.span.start as usize..finding.span.end as usize;
            self.excerpt(request, value, request.bytes(value.text), span).0
        });
        let place = location(request, finding.location).0;
        let sealer = about.sealer.filter(|_| *sealed < limits::SEALED && finding.tier >= Tier::Likely);
        // Never credentials, cookies and passwords, nor texts that no parser took apart, nor the query of a link.
        let may_travel = |value: &&Value| !self.withholds(request, value) && !is_link(request, value);
        let sealed = value.filter(may_travel).zip(sealer).and_then(|(value, sealer)| {
            *sealed += 1;
            sealer.seal(request.bytes(value.text), id, &place).ok()
        });
        EventSignal {
            signal: finding.signal.id().to_owned(),
            tier: finding.tier.name().to_owned(),
            stage: "attempted".to_owned(),
            detector: format!("{}/{}", finding.detector, finding.version),
            chain: finding.chain.iter().map(|decoder| decoder.id().to_owned()).collect(),
            span: [finding.span.start, finding.span.end],
            excerpt: excerpt.unwrap_or_default(),
            sealed: sealed.unwrap_or_default(),
            location: place,
        }
    }
}

/// Headers whose value is a link to another page, whose query belongs to that page.
fn names_a_link(name: &[u8]) -> bool {
    [&b"referer"[..], b"referrer", b"location", b"origin"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a value is such a link.
fn is_link(request: &Request, value: &Value) -> bool {
    value.place == Place::Header && names_a_link(request.bytes(value.name))
}

/// Whether a location lies below the header of such a link: what was taken apart there is its query.
fn lies_in_a_links_query(request: &Request, location: LocationId) -> bool {
    if request.locations.part(location) != Part::Header {
        return false;
    }
    let (mut at, mut below) = (location, false);
    while let Some((parent, segment)) = request.locations.get(at) {
        if let Segment::Key(key) = segment {
            if below && names_a_link(request.bytes(key)) {
                return true;
            }
            below = true;
        }
        at = parent;
    }
    false
}

/// A link up to its query or fragment, encoded or not.
fn without_query(link: &[u8]) -> &[u8] {
    let end = link.iter().position(|byte| matches!(byte, b'?' | b'#' | b'%' | b';'));
    link.get(..end.unwrap_or(link.len())).unwrap_or(link)
}

/// An id of the platform's: its letters, digits and what ids are otherwise made of.
fn platform_id(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.:".contains(*c)).take(128).collect()
}

/// A short text of a sender's, masked.
fn text(bytes: &[u8], cap: usize) -> String {
    masked(bytes, 0..bytes.len(), cap)
}

/// The path of a request, without its query.
#[must_use]
pub fn path(request: &Request) -> Redacted<String> {
    let path = request.bytes(request.path);
    let end = path.iter().position(|&byte| byte == b'?').unwrap_or(path.len());
    Redacted(masked(path, 0..end, limits::PATH))
}

/// A location as text; keys are names that a sender chose, so they are masked and capped like everything else.
#[must_use]
pub fn location(request: &Request, location: LocationId) -> Redacted<String> {
    let text = request.render(location);
    Redacted(masked(text.as_bytes(), 0..text.len(), limits::PATH))
}

/// The HTTP method.
#[must_use]
pub fn method(request: &Request) -> Redacted<String> {
    let method = request.bytes(request.method);
    Redacted(masked(method, 0..method.len(), limits::METHOD))
}

/// `range` of `bytes`, cut to `cap` bytes, masked and escaped.
fn masked(bytes: &[u8], range: Range<usize>, cap: usize) -> String {
    let cut = range.end.min(range.start + cap);
    let from = range.start.saturating_sub(MARGIN);
    let to = (cut + MARGIN).min(bytes.len());
    let mut window = bytes[from..to].to_vec();
    pairs::mask(&mut window);
    patterns::mask(&mut window);
    let mut text = escape(&window[range.start - from..cut - from]);
    // Escaped bytes take four places; the engine's cap is on those.
    let whole = text.len() <= limits::ESCAPED && cut == range.end;
    text.truncate(limits::ESCAPED);
    if !whole {
        text.push('…');
    }
    text
}

/// Printable ASCII stands for itself, everything else becomes `\xNN`.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte == b'\\' || !(byte.is_ascii_graphic() || byte == b' ') {
            text.push_str(&format!("\\x{byte:02x}"));
        } else {
            text.push(char::from(byte));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use picket_request::{Part, Span};

    use super::*;

    fn shown(keys: &[&str], place: Place, text: &str, span: Range<usize>) -> String {
        let mut source = Vec::new();
        let mut push = |text: &str| {
            source.extend_from_slice(text.as_bytes());
            Span::source(source.len() - text.len(), source.len())
        };
        let spans: Vec<_> = keys.iter().map(|key| push(key)).collect();
        let value = push(text);
        let mut request = Request::new(Bytes::from(source));
        let mut location = request.locations.add(LocationId::ROOT, Segment::Part(Part::Body));
        for span in &spans {
            location = request.locations.add(location, Segment::Key(*span));
        }
        request.push_plain(value, place, *spans.last().unwrap(), location);
        Redactor::default().excerpt(&request, &request.values()[0], text.as_bytes(), span).to_string()
    }

    #[test]
    fn an_excerpt_shows_the_offending_bytes_only() {
        assert_eq!(shown(&["q"], Place::Query, "hello ' or 1=1--", 6..16), "' or 1=1--");
        assert_eq!(shown(&["q"], Place::Query, "a\r\nb\u{e9}\\", 0..7), "a\\x0d\\x0ab\\xc3\\xa9\\x5c");
        let long = "x".repeat(200);
        assert_eq!(shown(&["q"], Place::Query, &long, 0..200), format!("{}…", "x".repeat(96)));
    }

    #[test]
    fn sensitive_fields_are_withheld_wherever_the_name_stands() {
        assert_eq!(shown(&["password"], Place::Json, "' or 1=1--", 0..10), WITHHELD);
        assert_eq!(shown(&["password", "value"], Place::Json, "' or 1=1--", 0..10), WITHHELD);
        assert_eq!(shown(&["theme"], Place::Cookie, "' or 1=1--", 0..10), WITHHELD);
        assert_eq!(shown(&["x"], Place::Body, "password=hunter2", 0..16), WITHHELD);
    }

    #[test]
    fn a_number_that_an_edge_cuts_is_still_masked() {
        let text = "' or 1=1-- 4111 1111 1111 1111";
        assert_eq!(shown(&["q"], Place::Query, text, 0..16), "' or 1=1-- *****");
    }

    #[test]
    fn debug_of_a_redacted_text_is_the_redacted_text() {
        assert_eq!(format!("{:?}", Redacted("a".to_owned())), "\"a\"");
    }

    #[test]
    fn what_the_owner_names_is_withheld_too() {
        let mut request = Request::new(Bytes::from_static(b"Ssn' or 1=1--"));
        let key = Span::source(0, 3);
        let query = request.locations.add(LocationId::ROOT, Segment::Part(Part::Query));
        let location = request.locations.add(query, Segment::Key(key));
        request.push_plain(Span::source(3, 13), Place::Query, key, location);
        let shown = |redactor: &Redactor| {
            redactor.excerpt(&request, &request.values()[0], b"' or 1=1--", 0..10).to_string()
        };
        // `ssn` is built in; a name that is not stands for the owner's.
        assert_eq!(shown(&Redactor::default()), WITHHELD);
        let mut request = Request::new(Bytes::from_static(b"Membership' or 1=1--"));
        let key = Span::source(0, 10);
        let query = request.locations.add(LocationId::ROOT, Segment::Part(Part::Query));
        let location = request.locations.add(query, Segment::Key(key));
        request.push_plain(Span::source(10, 20), Place::Query, key, location);
        let shown = |redactor: &Redactor| {
            redactor.excerpt(&request, &request.values()[0], b"' or 1=1--", 0..10).to_string()
        };
        assert_eq!(shown(&Redactor::default()), "' or 1=1--");
        assert_eq!(shown(&Redactor::new(["membership"], [])), WITHHELD);
        assert_eq!(shown(&Redactor::new([], ["membership"])), "' or 1=1--");
    }

    #[test]
    fn a_referer_ends_before_its_query() {
        let (source, name) = (b"Referer https://a.example/x<script>?t=1'or 1=1--", Span::source(0, 7));
        let mut request = Request::new(Bytes::from_static(source));
        let header = request.locations.add(LocationId::ROOT, Segment::Part(Part::Header));
        let location = request.locations.add(header, Segment::Key(name));
        request.push_plain(Span::source(8, source.len()), Place::Header, name, location);
        let value = request.values()[0];
        let shown = |span| {
            let view = request.bytes(value.text).to_vec();
            Redactor::default().excerpt(&request, &value, &view, span).to_string()
        };
        assert_eq!(shown(19..27), "<script>");
        assert_eq!(shown(19..40), "<script>");
        assert_eq!(shown(30..38), WITHHELD);
    }

    #[test]
    fn addresses_leave_as_digests_where_the_owner_wants_that() {
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let same_network: IpAddr = "2001:db8::2".parse().unwrap();
        let hashing = Redactor::default().hashing_addresses(Some("a key of the owner"));
        assert!(hashing.client(Some(address)).as_str().starts_with("hashed:"));
        assert_eq!(hashing.client(Some(address)), hashing.client(Some(same_network)));
        let other = Redactor::default().hashing_addresses(Some("another key"));
        assert_ne!(hashing.client(Some(address)), other.client(Some(address)));
        assert_eq!(Redactor::default().client(Some(address)).as_str(), "2001:db8::/64");
        assert!(!format!("{hashing:?}").contains("a key of"));
    }
}

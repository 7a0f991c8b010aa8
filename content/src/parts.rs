//! The raw parts of one HTTP request, as an event or a recorded request gives them, and the one call that reads them.
//!
//! It may not know where the parts came from.

use bytes::{BufMut, Bytes, BytesMut};
use picket_request::{LocationId, Part, Place, Request, Segment, Span, limits};

use crate::{
    body, cookies, graphql, headers, inside,
    json::{self, Root},
    jwt, path, query,
    reader::{Kind, Reader, Task},
    xml,
};

/// A text of the request target, and whether it still is as it was on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Where it stands.
    pub span: Span,
    /// Whether it is still percent-encoded. Some platforms decode the path once before they hand it on.
    pub encoded: bool,
}

/// The query string in the forms in which platforms hand it on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Query {
    /// There is none.
    #[default]
    None,
    /// The raw query string without `?`, still encoded.
    Raw(Span),
    /// Names and values that the platform split.
    Pairs {
        /// Names and values, in order; a repeated name stands as often as it came.
        pairs: Vec<(Span, Span)>,
        /// Whether names and values are still percent-encoded (ALB hands them on so).
        encoded: bool,
    },
    /// Both, where they could disagree. Pairs that say the same as the raw string are read once.
    Both {
        /// The raw query string without `?`, still encoded.
        raw: Span,
        /// Names and values, in order.
        pairs: Vec<(Span, Span)>,
        /// Whether names and values are still percent-encoded.
        encoded: bool,
    },
}

/// The raw parts of one HTTP request. Spans point into the buffers of the [`Request`] that is read into; where the
/// parts came out of JSON, its escapes are already undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpParts {
    /// The method.
    pub method: Span,
    /// The path of the request target.
    pub path: Text,
    /// The query.
    pub query: Query,
    /// Header names and values, each header once for each time it was sent.
    pub headers: Vec<(Span, Span)>,
    /// Cookies that the platform split off, each `name=value` (HTTP API v2).
    pub cookies: Vec<Span>,
    /// Names and values of the path parameters that the platform's router matched.
    pub path_parameters: Vec<(Span, Span)>,
    /// The body.
    pub body: Option<Span>,
    /// What the event says of the body: whether it is base64. `None` where nothing was said.
    pub body_base64: Option<bool>,
}

impl HttpParts {
    /// Empties the parts and keeps the memory.
    pub fn clear(&mut self) {
        self.headers.clear();
        self.cookies.clear();
        self.path_parameters.clear();
        self.method = Span::EMPTY;
        self.path = Text::default();
        self.query = Query::None;
        self.body = None;
        self.body_base64 = None;
    }
}

/// What reading depends on besides the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Seconds since 1970, to tell whether a bearer token is out of date. Without it JWT-EXPIRED is never raised.
    pub now: Option<u64>,
    /// Whether the client's connection was encrypted, where that is known from more than a header.
    pub secure: Option<bool>,
    /// Whether the event hands on a part of the sender's headers only, so that one that is missing says nothing.
    pub partial_head: bool,
}

/// Reads the parts of an HTTP request into values, and fills in what the request says of itself (method, path, query,
/// host, content type, user agent). It cannot fail; what was odd is in [`Request::anomalies`].
pub fn read_http(request: &mut Request, parts: &HttpParts, options: &Options) {
    request.method = parts.method;
    request.path = parts.path.span;
    let mut reader = Reader::new(request, *options);
    if !parts.method.is_empty() {
        let location = reader.root(Part::Method);
        reader.request.push_plain(parts.method, Place::Method, Span::EMPTY, location);
    }
    path::read(&mut reader, parts.path, &parts.path_parameters);
    match &parts.query {
        Query::None => {}
        Query::Raw(raw) => query::read_raw(&mut reader, *raw),
        Query::Pairs { pairs, encoded } => query::read_split(&mut reader, pairs, *encoded, false),
        Query::Both { raw, pairs, encoded } => {
            query::read_raw(&mut reader, *raw);
            query::read_split(&mut reader, pairs, *encoded, true);
        }
    }
    let told = headers::read(&mut reader, &parts.headers);
    if !parts.cookies.is_empty() {
        let location = reader.root(Part::Cookie);
        for &cookie in &parts.cookies {
            cookies::read(&mut reader, cookie, location);
        }
    }
    if let Some(body) = parts.body.filter(|body| !body.is_empty()) {
        body::read(&mut reader, body, parts.body_base64, &told);
    }
    finish(&mut reader);
}

/// Looks into every value for what it holds, until there is nothing more to read. Each thing that is found lies one
/// level deeper than what held it, and levels are bounded, so this ends.
fn finish(reader: &mut Reader<'_>) {
    let mut seen = inside::look(reader, 0, 0);
    while let Some(Task { text, name, location, depth, kind }) = reader.next() {
        match kind {
            Kind::Content(types) => body::content(reader, text, &[types], name, location, depth),
            Kind::Json => {
                let bytes = reader.request.bytes(text);
                if json::scan(bytes, &mut reader.state.tape).well_formed {
                    let location = reader.unwrapped(location, "json");
                    let root = Root { name, unwraps: limits::UNWRAPS - depth, ..Root::json(location) };
                    json::values(reader.request, &mut reader.state.tape, text, &root);
                }
            }
            Kind::Xml => {
                let location = reader.unwrapped(location, "xml");
                xml::read(reader, text, name, location);
            }
            Kind::Graphql(holder) => {
                graphql::read(reader, text, Some(holder), location);
            }
            Kind::Token { bearer } => jwt::read(reader, text, bearer, location),
        }
        seen = inside::look(reader, seen, depth);
    }
}

/// A recorded HTTP request, not in any envelope.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawHttp<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The path, still percent-encoded.
    pub path: &'a [u8],
    /// The query string without `?`, still percent-encoded.
    pub query: &'a [u8],
    /// Header names and values, in order, with repetitions.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The body's bytes.
    pub body: &'a [u8],
}

/// Starts `request` over with a recorded HTTP request: its bytes are laid into one source buffer, and read.
pub fn http_request(request: &mut Request, raw: &RawHttp<'_>, options: &Options) {
    let headers: usize = raw.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let mut source = BytesMut::with_capacity(
        raw.method.len() + raw.path.len() + raw.query.len() + headers + raw.body.len() + 6,
    );
    // The separators keep the source readable as a request; no span covers them.
    let mut lay = |bytes: &[u8], separator: &[u8]| {
        let start = source.len();
        source.put_slice(bytes);
        let span = Span::source(start, source.len());
        source.put_slice(separator);
        span
    };
    let method = lay(raw.method, b" ");
    let path = lay(raw.path, b"?");
    let query = lay(raw.query, b"\r\n");
    let mut parts = HttpParts {
        method,
        path: Text { span: path, encoded: true },
        query: if raw.query.is_empty() { Query::None } else { Query::Raw(query) },
        headers: Vec::with_capacity(raw.headers.len()),
        body_base64: Some(false),
        ..HttpParts::default()
    };
    for (name, value) in raw.headers {
        let name = lay(name, b": ");
        parts.headers.push((name, lay(value, b"\r\n")));
    }
    let body = lay(raw.body, b"");
    parts.body = (!raw.body.is_empty()).then_some(body);
    request.reset(Bytes::from(source));
    read_http(request, &parts, options);
}

impl Reader<'_> {
    /// A location for a whole part of the request.
    pub(crate) fn root(&mut self, part: Part) -> LocationId {
        self.request.locations.add(LocationId::ROOT, Segment::Part(part))
    }
}

#[cfg(test)]
mod tests {
    use picket_request::Anomaly;

    use super::*;

    fn texts(request: &Request) -> Vec<String> {
        let text = |span| String::from_utf8_lossy(request.bytes(span)).into_owned();
        request.values().iter().map(|v| format!("{}={}", request.render(v.location), text(v.text))).collect()
    }

    #[test]
    fn a_recorded_request_becomes_values() {
        let mut request = Request::default();
        let raw = RawHttp {
            method: b"GET",
            path: b"/shop/a%20b",
            query: b"q=1%27+or&q=2&x",
            headers: &[(b"Host", b"example.org"), (b"User-Agent", b"curl/8")],
            body: b"",
        };
        for _ in 0..2 {
            http_request(&mut request, &raw, &Options::default());
            let expected = [
                "method=GET",
                "path=/shop/a b",
                "path[2]=a b",
                "query.q=q",
                "query.q=1' or",
                "query.q(plus)=1'+or",
                "query.q=q",
                "query.q=2",
                "query.x=x",
                "query.q(joined)=1' or,2",
                "header.Host=example.org",
                "header.User-Agent=curl/8",
            ];
            assert_eq!(texts(&request), expected);
            assert!(request.anomalies.is_empty(), "{:?}", request.anomalies);
            assert_eq!(request.bytes(request.host), b"example.org");
        }
    }

    #[test]
    fn two_descriptions_of_one_query_are_read_once_where_they_agree() {
        let mut request = Request::new(Bytes::from_static(b"a=1%20x&b=2;a;1 x;b;3"));
        let parts = HttpParts {
            query: Query::Both {
                raw: Span::source(0, 11),
                pairs: vec![
                    (Span::source(12, 13), Span::source(14, 17)),
                    (Span::source(18, 19), Span::source(20, 21)),
                ],
                encoded: false,
            },
            ..HttpParts::default()
        };
        read_http(&mut request, &parts, &Options::default());
        assert_eq!(
            texts(&request),
            ["query.a=a", "query.a=1 x", "query.b=b", "query.b=2", "query.b=b", "query.b=3"]
        );
        assert!(request.anomalies.is_empty(), "without any header nothing is known of the head");
    }

    #[test]
    fn a_missing_header_says_something_only_where_the_head_is_known() {
        for (partial_head, odd) in [(false, true), (true, false)] {
            let mut request = Request::new(Bytes::from_static(b"hostexample.orgbody"));
            let parts = HttpParts {
                headers: vec![(Span::source(0, 4), Span::source(4, 15))],
                body: Some(Span::source(15, 19)),
                ..HttpParts::default()
            };
            read_http(&mut request, &parts, &Options { partial_head, ..Options::default() });
            for anomaly in [Anomaly::NoUserAgent, Anomaly::NoContentType] {
                assert_eq!(request.anomalies.contains(anomaly), odd, "{anomaly:?}");
            }
        }
    }
}

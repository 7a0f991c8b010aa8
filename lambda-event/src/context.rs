//! What a source works with while it reads: the scanned event, the request it fills, and the parts it collects.

use bytes::Bytes;
use picket_content::{
    HttpParts, Query,
    json::{Kind, Node, Tape},
    read_http,
};
use picket_request::{ClientAddr, Request, Span, Trust};

use crate::{
    client::{self, Hops},
    limits,
    reader::Envelope,
};

/// An event as a predicate sees it.
#[derive(Clone, Copy)]
pub(crate) struct Event<'e> {
    pub(crate) text: &'e [u8],
    pub(crate) tape: &'e Tape,
    pub(crate) root: Node,
}

impl<'e> Event<'e> {
    /// The node that a chain of names leads to; of duplicate keys the last, as most runtimes read them.
    pub(crate) fn at(self, names: &[&str]) -> Option<Node> {
        names.iter().try_fold(self.root, |node, name| self.tape.last(self.text, node, name.as_bytes()))
    }

    /// Whether something other than `null` stands there.
    pub(crate) fn has(self, names: &[&str]) -> bool {
        self.at(names).is_some_and(|node| self.tape.kind(node) != Kind::Null)
    }

    /// Whether a string of this content stands there.
    pub(crate) fn is(self, names: &[&str], content: &str) -> bool {
        self.string(names).is_some_and(|node| self.tape.is(self.text, node, content.as_bytes()))
    }

    /// The string that stands there.
    pub(crate) fn string(self, names: &[&str]) -> Option<Node> {
        self.at(names).filter(|node| self.tape.kind(*node) == Kind::String)
    }

    /// Whether an object stands there.
    pub(crate) fn object(self, names: &[&str]) -> bool {
        self.at(names).is_some_and(|node| self.tape.kind(node) == Kind::Object)
    }

    /// The raw bytes of the string that stands there; empty where there is none.
    pub(crate) fn raw(self, names: &[&str]) -> &'e [u8] {
        self.string(names).and_then(|node| self.text.get(self.tape.range(node))).unwrap_or_default()
    }

    /// The same event, seen from another node.
    pub(crate) const fn from(self, root: Node) -> Self {
        Self { root, ..self }
    }
}

/// One reading of one event.
pub(crate) struct Context<'c> {
    pub(crate) request: &'c mut Request,
    pub(crate) text: &'c [u8],
    pub(crate) source: &'c Bytes,
    pub(crate) tape: &'c Tape,
    /// Memory for JSON in strings.
    pub(crate) spare: &'c mut Tape,
    pub(crate) parts: &'c mut HttpParts,
    pub(crate) hops: &'c Hops,
    pub(crate) content: picket_content::Options,
    pub(crate) envelope: &'c mut Envelope,
    /// The object that is read; in a batch one element after the other.
    pub(crate) root: Node,
    pub(crate) root_is_outermost: bool,
    /// Nodes that were read into the request and are not to be read again. A handful, by the sources' own lists.
    pub(crate) consumed: Vec<Node>,
}

impl<'c> Context<'c> {
    pub(crate) const fn event(&self) -> Event<'c> {
        Event { text: self.text, tape: self.tape, root: self.root }
    }

    /// The whole event.
    pub(crate) fn whole(&self) -> Span {
        Span::source(0, self.source.len())
    }

    /// The content of a key, string or number, with its escapes undone.
    pub(crate) fn span(&mut self, node: Node) -> Span {
        let range = self.tape.range(node);
        if !self.tape.is_escaped(node) {
            return Span::source(range.start, range.end);
        }
        let raw = self.text.get(range).unwrap_or_default();
        self.request.store_with(|arena| picket_content::json::unescape(raw, arena))
    }

    /// The string at a chain of names, for what the log needs. It is not marked as read.
    pub(crate) fn string(&mut self, names: &[&str]) -> Span {
        self.event().string(names).map_or(Span::EMPTY, |node| self.span(node))
    }

    /// The string at a chain of names, marked as read.
    pub(crate) fn take(&mut self, names: &[&str]) -> Option<Span> {
        let node = self.event().string(names)?;
        self.consumed.push(node);
        Some(self.span(node))
    }

    /// Names and values of all maps of this name in the root, each string of an array a value of its own.
    pub(crate) fn pairs(&mut self, name: &str) -> Vec<(Span, Span)> {
        let mut pairs = Vec::new();
        self.pairs_into(name, &mut pairs);
        pairs
    }

    fn pairs_into(&mut self, name: &str, pairs: &mut Vec<(Span, Span)>) {
        let (tape, text) = (self.tape, self.text);
        for map in tape.member(text, self.root, name.as_bytes()) {
            if tape.kind(map) == Kind::Object {
                self.consumed.push(map);
            }
            for member in tape.members(map) {
                let key = self.span(member.key);
                let Some(value) = member.value else {
                    pairs.push((key, Span::EMPTY));
                    continue;
                };
                match tape.kind(value) {
                    Kind::Null => {}
                    Kind::Array => {
                        for element in tape.children(value) {
                            self.pair(key, element, pairs);
                        }
                    }
                    _ => self.pair(key, value, pairs),
                }
            }
        }
    }

    /// One pair. What should be a string and is a container is taken as its JSON text, so that it is inspected whole.
    fn pair(&mut self, key: Span, value: Node, pairs: &mut Vec<(Span, Span)>) {
        let value = match self.tape.kind(value) {
            Kind::Object | Kind::Array => {
                let range = self.tape.range(value);
                Span::source(range.start, range.end)
            }
            _ => self.span(value),
        };
        pairs.push((key, value));
    }

    /// Collects headers: the union of both maps, a header that stands in both once.
    pub(crate) fn headers(&mut self, single: &str, multi: &str) {
        let mut headers = std::mem::take(&mut self.parts.headers);
        self.pairs_into(multi, &mut headers);
        let known = headers.len();
        self.pairs_into(single, &mut headers);
        if known > 0 && headers.len() <= limits::COMPARED_HEADERS {
            let request = &*self.request;
            let repeated = |headers: &[(Span, Span)], at: usize| {
                let (name, value) = headers[at];
                headers.iter().take(known).any(|(other, other_value)| {
                    request.bytes(*other).eq_ignore_ascii_case(request.bytes(name))
                        && request.bytes(*other_value) == request.bytes(value)
                })
            };
            let mut at = known;
            while at < headers.len() {
                if repeated(&headers, at) {
                    headers.remove(at);
                } else {
                    at += 1;
                }
            }
        }
        self.parts.headers = headers;
    }

    /// Collects query parameters from both maps: those of the multi-value map, and what the other one adds.
    pub(crate) fn query_pairs(&mut self, encoded: bool) {
        let mut pairs = self.pairs("multiValueQueryStringParameters");
        let known = pairs.len();
        for pair in self.pairs("queryStringParameters") {
            let same = |(name, value): &(Span, Span)| {
                self.request.bytes(*name) == self.request.bytes(pair.0)
                    && self.request.bytes(*value) == self.request.bytes(pair.1)
            };
            if known > limits::COMPARED_HEADERS || !pairs.iter().take(known).any(same) {
                pairs.push(pair);
            }
        }
        self.parts.query = if pairs.is_empty() { Query::None } else { Query::Pairs { pairs, encoded } };
    }

    /// Collects the body and what the event says of its encoding.
    pub(crate) fn body(&mut self, flag: &str) {
        let (tape, text) = (self.tape, self.text);
        let mut said = None;
        for (nth, node) in tape.member(text, self.root, flag.as_bytes()).enumerate() {
            self.consumed.push(node);
            let value = match tape.kind(node) {
                Kind::True => Some(true),
                Kind::False => Some(false),
                Kind::String if tape.is(text, node, b"true") => Some(true),
                Kind::String if tape.is(text, node, b"false") => Some(false),
                _ => None,
            };
            // Where the event contradicts itself, both readings are wanted: nothing was said.
            said = if nth == 0 || said == value { value } else { None };
        }
        self.parts.body_base64 = said;
        let Some(node) = self.event().string(&["body"]) else { return };
        self.consumed.push(node);
        let range = tape.range(node);
        let raw = text.get(range.clone()).unwrap_or_default();
        self.parts.body = if tape.is_escaped(node) {
            // A buffer of its own: a body is taken apart further, and the arena cannot be lent without a copy.
            let own = self.request.fill_buffer(|buffer| picket_content::json::unescape(raw, buffer));
            Some(own.unwrap_or_else(|| Span::source(range.start, range.end)))
        } else {
            Some(Span::source(range.start, range.end))
        };
    }

    /// The values of a header that was collected.
    pub(crate) fn header_values(&self, wanted: &str) -> Vec<&[u8]> {
        let is = |name: &Span| self.request.bytes(*name).eq_ignore_ascii_case(wanted.as_bytes());
        self.parts
            .headers
            .iter()
            .filter(|(name, _)| is(name))
            .map(|(_, value)| self.request.bytes(*value))
            .collect()
    }

    /// The client behind the address that the platform saw.
    pub(crate) fn client(&mut self, names: &[&str]) {
        let peer = self.string(names);
        self.client_at(peer);
    }

    /// The client behind an address that the platform saw.
    pub(crate) fn client_at(&mut self, peer: Span) {
        let forwarded = self.header_values("x-forwarded-for");
        let client = self.hops.client(self.request.bytes(peer), &forwarded);
        self.request.peer = client::parse(self.request.bytes(peer));
        self.request.client = client;
    }

    /// Collects headers from a map inside an object of the root.
    pub(crate) fn nested_headers(&mut self, names: &[&str], map: &str) {
        let Some(node) = self.event().at(names) else { return };
        let root = std::mem::replace(&mut self.root, node);
        self.headers(map, "");
        self.root = root;
    }

    /// Notes the trace id that a load balancer gave.
    pub(crate) fn trace(&mut self) {
        let is = |name: &Span| self.request.bytes(*name).eq_ignore_ascii_case(b"x-amzn-trace-id");
        let trace = self.parts.headers.iter().find(|(name, _)| is(name)).map(|(_, value)| *value);
        self.envelope.ids.trace = trace.unwrap_or_default();
    }

    /// The client that the platform appended to `X-Forwarded-For`.
    pub(crate) fn appended_client(&mut self, trust: Trust) {
        let forwarded = self.header_values("x-forwarded-for");
        let mut client = self.hops.appended_client(&forwarded);
        let peer = client::appended(&forwarded).and_then(client::parse);
        self.request.peer = peer.filter(|_| trust == Trust::Platform);
        if trust == Trust::Unverified {
            client.trust = trust;
        }
        self.request.client = if client.addr.is_some() { client } else { ClientAddr::default() };
    }

    /// Reads the collected parts.
    pub(crate) fn read_parts(&mut self) {
        read_http(self.request, self.parts, &self.content);
    }
}

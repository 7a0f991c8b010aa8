//! One event in, one request out, and what is needed to answer it.

use bytes::Bytes;
use picket_content::{
    HttpParts,
    json::{Kind, Tape, scan},
};
use picket_request::{Anomaly, EventSource, LocationId, Place, Request, Span};

use crate::{
    client::Hops,
    context::{Context, Event},
    sources::{self, Source},
};

/// What reading depends on besides the event.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Addresses between the platform and the clients.
    pub hops: Hops,
}

/// Identifiers of an event, for the log. Empty where the source has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The request id of the event source (`requestContext.requestId`), which its access log shows as well.
    pub request: Span,
    /// The account that the API belongs to.
    pub account: Span,
    /// The API, load balancer target group or service network.
    pub api: Span,
    /// The stage.
    pub stage: Span,
    /// The route that matched.
    pub route: Span,
    /// The connection of a WebSocket.
    pub connection: Span,
    /// The trace id that the load balancer gave.
    pub trace: Span,
}

/// What an event was: enough to name it in a log and to answer it.
#[derive(Clone, Copy)]
pub struct Envelope {
    pub(crate) source: &'static Source,
    /// Identifiers, as spans of the request that was read.
    pub ids: Ids,
    /// Elements of a batch that each want an answer.
    pub(crate) batch: usize,
    pub(crate) can_block: bool,
}

impl Envelope {
    /// The stable name of the source.
    #[must_use]
    pub const fn source(&self) -> &'static str {
        self.source.name
    }

    /// The path of the route that the gateway matched. Route keys of HTTP APIs begin with the method: `GET /items/{id}`.
    #[must_use]
    pub fn path_template<'r>(&self, request: &'r Request) -> &'r [u8] {
        let route = request.bytes(self.ids.route);
        let blank = route.iter().position(|byte| *byte == b' ');
        blank.and_then(|blank| route.get(blank + 1..)).unwrap_or(route)
    }

    /// `http` or `https`. Of these sources a load balancer alone can listen without TLS; it says so in `X-Forwarded-Proto`, which
    /// it writes itself, whatever the client sent.
    /// Source: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html>.
    #[must_use]
    pub fn scheme(&self, request: &Request) -> &'static str {
        let plain = || {
            let is_proto = |name: &[u8]| name.eq_ignore_ascii_case(b"x-forwarded-proto");
            let headers = request.values().iter().filter(|value| value.place == Place::Header);
            let mut protos = headers.filter(|value| is_proto(request.bytes(value.name)));
            protos.next_back().is_some_and(|value| request.bytes(value.text).eq_ignore_ascii_case(b"http"))
        };
        if self.source.name == "alb" && plain() { "http" } else { "https" }
    }

    /// Whether this event can be answered in place of the handler.
    #[must_use]
    pub const fn can_block(&self) -> bool {
        self.can_block
    }
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Envelope")
            .field("source", &self.source.name)
            .field("can_block", &self.can_block)
            .finish_non_exhaustive()
    }
}

/// Reads events, and keeps its memory from one to the next.
#[derive(Debug, Default)]
pub struct EventReader {
    options: Options,
    tape: Tape,
    spare: Tape,
    parts: HttpParts,
}

impl EventReader {
    /// A reader with no memory yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Starts `request` over with `event` and fills it. It cannot fail: what was odd is in the request's anomalies.
    /// `now` is in seconds since 1970, to tell tokens that are out of date.
    pub fn read(&mut self, event: &Bytes, request: &mut Request, now: Option<u64>) -> Envelope {
        request.reset(event.clone());
        self.parts.clear();
        let summary = scan(event, &mut self.tape);
        if !summary.well_formed {
            request.anomalies.raise(Anomaly::JsonError, LocationId::ROOT);
        }
        if summary.not_utf8 {
            request.anomalies.raise(Anomaly::NotUtf8, LocationId::ROOT);
        }
        if summary.duplicate_keys {
            request.anomalies.raise(Anomaly::DuplicateKeys, LocationId::ROOT);
        }
        if summary.truncated {
            request.anomalies.raise(Anomaly::Oversize, LocationId::ROOT);
        }
        let unknown = &sources::unknown::SOURCE;
        let mut envelope = Envelope { source: unknown, ids: Ids::default(), batch: 0, can_block: false };
        if let Some(root) = self.tape.root() {
            let seen = Event { text: event, tape: &self.tape, root };
            let containers = matches!(self.tape.kind(root), Kind::Object | Kind::Array);
            let source =
                containers.then(|| sources::ALL.iter().find(|source| (source.recognise)(seen))).flatten();
            envelope.source = source.copied().unwrap_or(unknown);
            envelope.can_block = envelope.source.can_block;
            let mut context = Context {
                request,
                text: event,
                source: event,
                tape: &self.tape,
                spare: &mut self.spare,
                parts: &mut self.parts,
                hops: &self.options.hops,
                content: picket_content::Options { now, ..picket_content::Options::default() },
                envelope: &mut envelope,
                root,
                root_is_outermost: true,
                consumed: Vec::with_capacity(16),
            };
            (context.envelope.source.read)(&mut context);
        } else {
            request.anomalies.raise(Anomaly::UnknownEvent, LocationId::ROOT);
        }
        request.event = EventSource {
            name: envelope.source.name,
            can_block: envelope.can_block,
            counts: envelope.source.counts,
        };
        self.tape.shrink();
        envelope
    }

    /// What an event is, without a look at what its sender wrote: enough to answer an event that could not be inspected. None where no
    /// source says yes.
    pub fn recognise(&mut self, event: &[u8]) -> Option<Envelope> {
        scan(event, &mut self.tape);
        let root = self.tape.root()?;
        let seen = Event { text: event, tape: &self.tape, root };
        let source = *sources::ALL.iter().find(|source| (source.recognise)(seen))?;
        let batch = self.tape.children(root).count();
        // What `websocket` says of a disconnect when it reads one.
        let can_block = source.can_block && !seen.is(&["requestContext", "eventType"], "DISCONNECT");
        self.tape.shrink();
        Some(Envelope { source, ids: Ids::default(), batch, can_block })
    }

    /// The names of all sources whose predicate says yes; more than one is a fault of the predicates.
    #[must_use]
    pub fn recognised(&mut self, event: &[u8]) -> Vec<&'static str> {
        scan(event, &mut self.tape);
        let Some(root) = self.tape.root() else { return Vec::new() };
        let seen = Event { text: event, tape: &self.tape, root };
        sources::ALL.iter().filter(|source| (source.recognise)(seen)).map(|source| source.name).collect()
    }
}

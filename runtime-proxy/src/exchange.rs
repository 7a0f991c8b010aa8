//! One call of the runtime: what is passed on, what is looked at, and what the proxy says itself. It may not know how an event is judged.
//!
//! # What may differ from a connection without a proxy
//! - `Host` names the platform, whatever the client wrote; `Connection` and `Date` are each hop's own.
//! - A chunked `/response` gets a `Trailer` line for the two error trailers where it has none, because trailers that are not declared
//!   would be dropped.
//! - Trailer names are written in title case, as every runtime writes them. Trailers that are neither declared nor one of the two, and
//!   chunk sizes and extensions, are not kept.
//! - Header lines of one name stand together, at the place of the first; order is kept otherwise, within one name always (RFC 9110,
//!   section 5.3: the order between names has no meaning).
//! - Answers with status 1xx stay on their hop.
//! - An answer that ends with its connection is sent as HTTP/1.0, which is the one way to keep that framing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRAILER, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use tokio::sync::oneshot;

use crate::api::{self, Call};
use crate::body::{Held, Payload, Rest, Tee};
use crate::counters::{Counters, count};
use crate::desk::{Desk, Job};
use crate::inspector::{AnswerKind, Glance, Inspector, Observation, Watch};
use crate::invocation::Invocation;
use crate::ledger::Ledger;
use crate::ready;
use crate::server::ProxyConfig;
use crate::upstream::{Link, Upstream, UpstreamError};
use crate::workers::{Saturated, Workers};

/// What all connections have in common.
pub(crate) struct Shared {
    pub(crate) config: ProxyConfig,
    pub(crate) inspector: Arc<dyn Inspector>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) upstream: Upstream,
    pub(crate) workers: Workers,
    /// Where events come one at a time, and somebody runs the loop by a desk.
    pub(crate) desk: Option<Desk>,
    /// The end of the observation that was handed over last.
    pub(crate) observing: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Shared {
    pub(crate) fn new(
        config: ProxyConfig,
        host: HeaderValue,
        inspector: Arc<dyn Inspector>,
        counters: Arc<Counters>,
        desk: Option<Desk>,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if config.concurrent {
            cores.max(crate::limits::WORKERS_ON_DEMAND)
        } else {
            crate::limits::WORKERS_ON_DEMAND
        };
        Self {
            upstream: Upstream::new(config.upstream.clone(), host),
            workers: Workers::new(threads),
            ledger: Arc::default(),
            observing: Mutex::new(None),
            // Several events at once are better off on several threads.
            desk: desk.filter(|_| !config.concurrent),
            config,
            inspector,
            counters,
        }
    }

    /// Has a job done off the event loop: between its turns if it is short, on a thread of its own otherwise.
    pub(crate) fn hand_over(&self, job: Box<dyn Job>, short: bool) -> Result<Place, Saturated> {
        let mut job = match &self.desk {
            Some(desk) if short => match desk.take(job) {
                Ok(()) => return Ok(Place::Desk),
                Err(job) => job,
            },
            _ => job,
        };
        self.workers.run(move || {
            job.work();
            job.finish();
        })?;
        Ok(Place::Thread)
    }

    /// Calls the inspector where it may do no harm: a panic is counted and gives nothing.
    pub(crate) fn guarded<T>(&self, call: impl FnOnce(&dyn Inspector) -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(|| call(&*self.inspector)));
        if result.is_err() {
            count(&self.counters.inspector_panics);
        }
        result.ok()
    }
}

/// Where a job is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Between two turns of the event loop.
    Desk,
    /// On a thread of its own.
    Thread,
}

/// An observation that is handed to the inspector. Its end is all that is waited for.
struct Observing {
    shared: Arc<Shared>,
    seen: Option<(Arc<Invocation>, Observation)>,
    _done: oneshot::Sender<()>,
}

impl Job for Observing {
    fn work(&mut self) {
        if let Some((invocation, observation)) = self.seen.take() {
            let _unless_it_panicked =
                self.shared.guarded(|inspector| inspector.answered(&invocation, &observation));
        }
    }

    fn finish(self: Box<Self>) {}
}

/// One connection of the runtime, with the one to the platform that it stands for.
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    link: Mutex<Option<Link>>,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, link: Mutex::new(None) }
    }

    /// Answers one call. An error closes the connection, which is how the platform's own failures look to a runtime; a status of ours
    /// would be taken for the platform's word.
    pub(crate) async fn call(&self, request: Request<Incoming>) -> Result<Response<Payload>, UpstreamError> {
        let (parts, body) = request.into_parts();
        match Call::of(&parts.method, parts.uri.path()) {
            Call::Next => self.next(parts, body).await,
            Call::Response { request_id } => {
                let streamed = parts
                    .headers
                    .get(api::RESPONSE_MODE)
                    .is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"streaming"));
                let kind = if streamed { AnswerKind::Streamed } else { AnswerKind::Buffered };
                let invocation = self.answered(request_id, &parts.headers);
                self.answer(parts, body, kind, invocation).await
            }
            Call::Error { request_id } => {
                let invocation = self.answered(request_id, &parts.headers);
                self.answer(parts, body, AnswerKind::Error, invocation).await
            }
            Call::RestoreNext => self.restore(parts, body).await,
            Call::Ready => Ok(self.ready()),
            Call::Other => {
                let method = parts.method.clone();
                let response = self.send(outgoing(parts, streamed(body, None))).await?;
                Ok(pass(response, &method))
            }
        }
    }

    /// Sends a request on this connection's link, and keeps the link.
    pub(crate) async fn send(&self, request: Request<Payload>) -> Result<Response<Incoming>, UpstreamError> {
        self.send_again(request, None).await
    }

    /// As [`Connection::send`], with a copy at hand for a connection that turns out to be dead.
    pub(crate) async fn send_again(
        &self,
        request: Request<Payload>,
        template: Option<&Request<Payload>>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        // Calls of one connection come one after another, so the slot is never wanted twice.
        let mut slot = self.link.lock().unwrap_or_else(PoisonError::into_inner).take();
        let result = self.shared.upstream.send(&mut slot, request, template, &self.shared.counters).await;
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = slot;
        if let Err(error) = &result {
            count(&self.shared.counters.upstream_failures);
            tracing::debug!(%error, "a call to the Runtime API failed");
        }
        result
    }

    /// Gives the link up, with whatever is still on its way there.
    pub(crate) fn unlink(&self) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// From the moment in which an answer begins, its invocation is no longer out: a runtime may ask for the next event over another
    /// connection as soon as the platform has the answer's last byte.
    fn answered(&self, request_id: &str, headers: &HeaderMap) -> Option<Arc<Invocation>> {
        let invocation_id =
            headers.get(api::INVOCATION_ID).and_then(|value| value.to_str().ok()).filter(|id| !id.is_empty());
        self.shared.ledger.answer(request_id, invocation_id)
    }

    /// Passes a handler's answer on as it streams, and keeps what the observer wants of it.
    async fn answer(
        &self,
        mut parts: Parts,
        body: Incoming,
        kind: AnswerKind,
        invocation: Option<Arc<Invocation>>,
    ) -> Result<Response<Payload>, UpstreamError> {
        let shared = &self.shared;
        if kind != AnswerKind::Error && is_chunked(&parts.headers) {
            declare_error_trailers(&mut parts.headers);
        }
        let watched = invocation.and_then(|invocation| {
            let watch = shared.guarded(|inspector| inspector.watches(&invocation))?;
            Some((watch, invocation))
        });
        let invocation = match watched {
            None | Some((Watch::Nothing, _)) => {
                let response = self.send(outgoing(parts, streamed(body, None))).await?;
                return Ok(pass(response, &Method::POST));
            }
            Some((Watch::Status, invocation)) => return self.glance(parts, body, kind, &invocation).await,
            Some((Watch::Hold, invocation)) if kind == AnswerKind::Buffered && !body.is_end_stream() => {
                return self.hold_answer(parts, body, invocation).await;
            }
            Some((_, invocation)) => invocation,
        };
        let tee = Arc::new(Mutex::new(Tee::new(shared.config.prefix_limit)));
        let empty = body.is_end_stream();
        self.watched(parts, streamed(body, Some(Arc::clone(&tee))), kind, &tee, empty, invocation).await
    }

    /// Passes an answer on, of which nothing is wanted but the status.
    async fn glance(
        &self,
        parts: Parts,
        body: Incoming,
        kind: AnswerKind,
        invocation: &Invocation,
    ) -> Result<Response<Payload>, UpstreamError> {
        let tee = Arc::new(Mutex::new(Tee::for_status()));
        let response = self.send(outgoing(parts, streamed(body, Some(Arc::clone(&tee))))).await?;
        let glance = {
            let mut tee = tee.lock().unwrap_or_else(PoisonError::into_inner);
            Glance { kind, status: tee.status(), body_bytes: tee.bytes }
        };
        let _unless_it_panicked = self.shared.guarded(|inspector| inspector.glanced(invocation, glance));
        Ok(pass(response, &Method::POST))
    }

    /// Passes an answer on, and hands what was seen of it to the observer.
    pub(crate) async fn watched(
        &self,
        parts: Parts,
        body: Payload,
        kind: AnswerKind,
        tee: &Mutex<Tee>,
        empty: bool,
        invocation: Arc<Invocation>,
    ) -> Result<Response<Payload>, UpstreamError> {
        let post_headers = parts.headers.clone();
        let response = self.send(outgoing(parts, body)).await?;
        let observation = {
            let mut tee = tee.lock().unwrap_or_else(PoisonError::into_inner);
            let (prefix, head) = tee.finish();
            Observation {
                kind,
                post_headers,
                head,
                prefix,
                body_bytes: tee.bytes,
                complete: tee.complete || empty,
                trailers: tee.trailers.take(),
                platform_status: response.status().as_u16(),
            }
        };
        self.observe(invocation, observation);
        Ok(pass(response, &Method::POST))
    }

    fn observe(&self, invocation: Arc<Invocation>, observation: Observation) {
        let (done, observing) = oneshot::channel::<()>();
        let shared = Arc::clone(&self.shared);
        let job = Box::new(Observing { shared, seen: Some((invocation, observation)), _done: done });
        if self.shared.hand_over(job, true).is_ok() {
            *self.shared.observing.lock().unwrap_or_else(PoisonError::into_inner) = Some(observing);
        }
    }

    /// A call that returns when the environment has been restored from a snapshot. What was known before belongs to another life.
    async fn restore(&self, parts: Parts, body: Incoming) -> Result<Response<Payload>, UpstreamError> {
        let shared = &self.shared;
        let response = self.send(outgoing(parts, streamed(body, None))).await?;
        if response.status() == StatusCode::OK {
            count(&shared.counters.restores);
            shared.upstream.renew();
            shared.ledger.clear();
            let _unless_it_panicked = shared.guarded(Inspector::restored);
        }
        Ok(pass(response, &Method::GET))
    }

    fn ready(&self) -> Response<Payload> {
        let body = format!("{}{}\n", ready::BODY_PREFIX, self.shared.config.version);
        let mut response = own(StatusCode::OK, "text/plain", Bytes::from(body));
        response.headers_mut().insert(HeaderName::from_static(ready::HEADER), HeaderValue::from_static("1"));
        response
    }
}

/// An answer of the proxy's own.
pub(crate) fn own(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Payload> {
    let mut response = Response::new(Payload::None);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = whole(body);
    response
}

/// A body of known length.
pub(crate) fn whole(body: Bytes) -> Payload {
    Payload::Held(Box::new(Held {
        length: Some(body.len() as u64),
        chunks: [body].into(),
        trailers: None,
        rest: Rest::Nothing,
        delivery: None,
        tee: None,
    }))
}

/// The request as it goes to the platform: target, method, headers and their spelling as they came.
pub(crate) fn outgoing(parts: Parts, body: Payload) -> Request<Payload> {
    let Parts { method, uri, headers, extensions, .. } = parts;
    let mut request = Request::new(body);
    *request.uri_mut() = origin_form(uri);
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    *request.extensions_mut() = extensions;
    request
}

/// A target that names scheme and host is one for a proxy of another kind; the platform expects a path.
fn origin_form(uri: Uri) -> Uri {
    if uri.scheme().is_none() {
        return uri;
    }
    uri.path_and_query().cloned().map_or_else(|| Uri::from_static("/"), Uri::from)
}

pub(crate) fn streamed(body: Incoming, tee: Option<Arc<Mutex<Tee>>>) -> Payload {
    if body.is_end_stream() { Payload::None } else { Payload::Stream { inner: body, tee } }
}

/// An answer of the platform, as it came.
pub(crate) fn pass(response: Response<Incoming>, method: &Method) -> Response<Payload> {
    let (mut parts, body) = response.into_parts();
    let has_length = parts.headers.contains_key(CONTENT_LENGTH);
    let bodiless = method == Method::HEAD
        || parts.status == StatusCode::NO_CONTENT
        || parts.status == StatusCode::NOT_MODIFIED;
    let payload = if bodiless {
        if has_length { Payload::Described } else { Payload::None }
    } else if body.is_end_stream() {
        whole(Bytes::new())
    } else {
        Payload::Stream { inner: body, tee: None }
    };
    if !bodiless && !has_length && !is_chunked(&parts.headers) {
        parts.version = Version::HTTP_10;
    }
    Response::from_parts(parts, payload)
}

pub(crate) fn is_chunked(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
}

/// Declares the two trailers by which a stream says that it failed. A runtime may send them without a word before; the head is gone by
/// then, so they are declared in any case.
fn declare_error_trailers(headers: &mut HeaderMap) {
    for name in [api::ERROR_TYPE, api::ERROR_BODY] {
        let declared = headers.get_all(TRAILER).iter().any(|line| {
            line.as_bytes()
                .split(|byte| *byte == b',')
                .any(|item| item.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
        });
        if !declared {
            headers.append(TRAILER, HeaderValue::from_static(name));
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The time that an inspection of this many bytes may take.
pub(crate) fn inspection_budget(config: &ProxyConfig, bytes: usize, deadline_ms: Option<u64>) -> Duration {
    let mebibytes = u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
    let budget =
        config.inspection_budget.saturating_add(config.inspection_budget_per_mib.saturating_mul(mebibytes));
    match until(deadline_ms, Duration::MAX) / 2 {
        // A deadline that has passed says more about a clock than about the invocation.
        Duration::ZERO => budget,
        half => budget.min(half),
    }
}

/// The time left until a deadline, at most `limit`.
pub(crate) fn until(deadline_ms: Option<u64>, limit: Duration) -> Duration {
    deadline_ms.map_or(limit, |deadline| limit.min(Duration::from_millis(deadline.saturating_sub(now_ms()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_grows_with_the_event_and_ends_before_the_deadline() {
        let mut config = ProxyConfig::new(0, "127.0.0.1:9001");
        config.inspection_budget = Duration::from_secs(100);
        config.inspection_budget_per_mib = Duration::from_secs(10);
        assert_eq!(inspection_budget(&config, 1000, None), Duration::from_secs(100));
        assert_eq!(inspection_budget(&config, 5 << 20, None), Duration::from_secs(150));
        assert!(inspection_budget(&config, 5 << 20, Some(now_ms() + 4000)) <= Duration::from_secs(2));
        assert_eq!(inspection_budget(&config, 0, Some(1)), Duration::from_secs(100));
    }
}

//! The runtime's call for the next event: held if there is reason, passed on, and passed on again as long as events are answered in the
//! handler's place. It may not know why one is.
//!
//! One call of the runtime makes one call to the platform, made after the runtime's and never before: to ask is to say that the
//! invocation before is finished. A further one follows only when the event was answered here, and only inside the runtime's open call;
//! no runtime has a timeout on it. When the runtime goes away meanwhile, this future is dropped, and with it the connection to the
//! platform: what becomes of an event that nobody can take is the platform's to say.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::Poll;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::{Instant, timeout, timeout_at};

use crate::api;
use crate::body::{BodyError, Delivery, Held, Payload, Rest};
use crate::counters::count;
use crate::desk::{Desk, Job};
use crate::exchange::{
    Connection, Place, inspection_budget, is_chunked, now_ms, outgoing, own, pass, streamed, until, whole,
};
use crate::inspector::{
    Abuse, Decision, Fault, Hold, InspectError, Inspector, NextCall, PostKind, SyntheticPost,
};
use crate::invocation::Invocation;
use crate::limits;
use crate::upstream::{UpstreamError, bodiless_copy};
use crate::workers::Saturated;

/// What an inspection came to; the outer error is a panic.
type Outcome = std::thread::Result<Result<Decision, InspectError>>;

/// An event on its way through the inspector.
struct Inspection {
    inspector: Arc<dyn Inspector>,
    invocation: Arc<Invocation>,
    event: Bytes,
    answer: oneshot::Sender<Outcome>,
    outcome: Option<Outcome>,
}

impl Job for Inspection {
    fn work(&mut self) {
        let Self { inspector, invocation, event, answer, outcome } = self;
        // Nobody waits any more when the runtime is gone or the budget was used up in the queue.
        if !answer.is_closed() {
            *outcome = Some(catch_unwind(AssertUnwindSafe(|| inspector.inspect(invocation, event))));
        }
        // The bytes go back to the event loop, which may be their last owner.
        *event = Bytes::new();
    }

    fn finish(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            // Given up meanwhile.
            drop(self.answer.send(outcome));
        }
    }
}

/// What was read of an event, or of an answer that is held.
pub(crate) struct Event {
    pub(crate) bytes: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    /// The length that was declared, where one was.
    pub(crate) length: Option<u64>,
    /// What follows the bytes that are held: nothing when the event is whole.
    pub(crate) rest: Rest,
}

impl Connection {
    pub(crate) async fn next(
        &self,
        parts: Parts,
        body: Incoming,
    ) -> Result<Response<Payload>, UpstreamError> {
        let shared = &self.shared;
        if !shared.config.concurrent
            && let Some(out) = shared.ledger.pending(now_ms())
        {
            return Ok(self.refuse(&out));
        }
        let mut request = outgoing(parts, streamed(body, None));
        let mut template = bodiless_copy(&request);
        if !matches!(request.body(), Payload::None) {
            // What no runtime does: the body goes along once, and is not announced again.
            template.headers_mut().remove(CONTENT_LENGTH);
            template.headers_mut().remove(TRANSFER_ENCODING);
        }
        let mut last = shared.ledger.last_answered();
        let mut after_block = false;
        let mut refusals = 0;
        loop {
            self.hold(template.headers(), last.as_ref(), after_block).await;
            let response = self.send_again(request, Some(&template)).await?;
            if response.status() != StatusCode::OK {
                return Ok(pass(response, &Method::GET));
            }
            count(&shared.counters.events);
            let Some(invocation) = Invocation::from_headers(response.headers(), template.headers()) else {
                count(&shared.counters.events_unidentified);
                return Ok(pass(response, &Method::GET));
            };
            let invocation = Arc::new(invocation);
            let (head, body) = response.into_parts();
            let event = collect(body, shared.config.event_limit).await;
            let decision = match &event.rest {
                Rest::Nothing => self.decide(&invocation, &event.bytes).await,
                Rest::Stream(_) => {
                    count(&shared.counters.events_oversized);
                    self.unexamined(&invocation, &event.bytes, Fault::Oversized)
                }
                // The runtime cannot take it for an event either.
                Rest::Broken { .. } => {
                    count(&shared.counters.events_truncated);
                    Decision::Forward
                }
            };
            let post = match decision {
                Decision::Forward => return Ok(self.deliver(&invocation, head, event, None)),
                Decision::Replace(bytes) => {
                    count(&shared.counters.replaced);
                    return Ok(self.deliver(&invocation, head, event, Some(bytes)));
                }
                Decision::Answer(post) => post,
            };
            if matches!(event.rest, Rest::Stream(_)) {
                self.unlink();
            }
            drop(event);
            if self.post(&invocation, post, template.headers(), refusals).await {
                count(&shared.counters.answered);
                refusals = 0;
            } else {
                // The platform hands the same event out again, and it is judged and answered again, but not for ever.
                count(&shared.counters.answers_refused);
                refusals += 1;
                if refusals >= limits::ANSWER_ATTEMPTS {
                    self.unlink();
                    return Err(UpstreamError::AnswerRefused);
                }
            }
            last = Some(invocation);
            after_block = true;
            request = bodiless_copy(&template);
        }
    }

    /// Says 403, as the platform does where a call is out of turn. Passed on, this one would be given the event that is out once more.
    fn refuse(&self, out: &Arc<Invocation>) -> Response<Payload> {
        count(&self.shared.counters.abuses);
        let _unless_it_panicked =
            self.shared.guarded(|inspector| inspector.abuse(Abuse::NextWhileOut, Some(out)));
        own(
            StatusCode::FORBIDDEN,
            "application/json",
            Bytes::from_static(
                b"{\"errorMessage\":\"State transition from Running to Ready failed for runtime. Error: State transition is not allowed\",\"errorType\":\"InvalidStateTransition\"}\n",
            ),
        )
    }

    /// Lets the call wait where the inspector asks for it, within the limit and the deadline of the invocation before.
    async fn hold(&self, call: &HeaderMap, last: Option<&Arc<Invocation>>, after_block: bool) {
        let shared = &self.shared;
        let ordinal = shared.counters.next_calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let observing = shared.observing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut observing) = observing
            && observing.try_recv() == Err(TryRecvError::Empty)
        {
            // What it says is nothing; that it ended, or did not within the budget, is all.
            drop(timeout(shared.config.inspection_budget, observing).await);
        }
        let user_agent = call.get(USER_AGENT).and_then(|value| value.to_str().ok());
        let call = NextCall { ordinal, user_agent, last, after_block };
        let Some(Some(hold)) = shared.guarded(|inspector| inspector.before_next(&call)) else { return };
        count(&shared.counters.holds);
        match timeout(
            until(last.and_then(|invocation| invocation.deadline_ms), shared.config.hold_limit),
            contained(hold),
        )
        .await
        {
            Ok(true) => {}
            Ok(false) => count(&shared.counters.inspector_panics),
            Err(_) => count(&shared.counters.holds_cut),
        }
    }

    /// Has the event judged off the event loop, for as long as the budget lasts.
    async fn decide(&self, invocation: &Arc<Invocation>, event: &Bytes) -> Decision {
        let shared = &self.shared;
        let counters = &shared.counters;
        let (answer, mut decision) = oneshot::channel();
        let job = Box::new(Inspection {
            inspector: Arc::clone(&shared.inspector),
            invocation: Arc::clone(invocation),
            event: event.clone(),
            answer,
            outcome: None,
        });
        let end = Instant::now() + inspection_budget(&shared.config, event.len(), invocation.deadline_ms);
        let late = shared.desk.as_ref().map(Desk::late);
        let fault = match shared.hand_over(job, event.len() <= limits::DESK_EVENT_BYTES) {
            Err(Saturated) => {
                count(&counters.inspections_saturated);
                Fault::Saturated
            }
            Ok(place) => {
                let in_time = match late.filter(|_| place == Place::Desk) {
                    // A timer is set only when there is somebody to see it run out.
                    Some(late) => tokio::select! {
                        biased;
                        outcome = &mut decision => Some(outcome),
                        () = late => None,
                    },
                    None => None,
                };
                let outcome = match in_time {
                    Some(outcome) => Ok(outcome),
                    None => timeout_at(end, decision).await,
                };
                match outcome {
                    Ok(Ok(Ok(Ok(decision)))) => {
                        count(&counters.inspected);
                        return decision;
                    }
                    Ok(Ok(Ok(Err(error)))) => {
                        count(&counters.inspections_failed);
                        tracing::warn!(%error, "an inspection failed");
                        Fault::Failed
                    }
                    Ok(Ok(Err(_)) | Err(_)) => {
                        count(&counters.inspector_panics);
                        Fault::Panicked
                    }
                    Err(_) => {
                        count(&counters.inspections_overran);
                        Fault::Overran
                    }
                }
            }
        };
        self.unexamined(invocation, event, fault)
    }

    fn unexamined(&self, invocation: &Invocation, event: &Bytes, fault: Fault) -> Decision {
        self.shared
            .guarded(|inspector| inspector.unexamined(invocation, event, fault))
            .unwrap_or(Decision::Forward)
    }

    /// Hands the event to the runtime: the bytes that came, or the ones that replace them, in the framing in which they came.
    fn deliver(
        &self,
        invocation: &Arc<Invocation>,
        mut head: http::response::Parts,
        event: Event,
        replacement: Option<Bytes>,
    ) -> Response<Payload> {
        let shared = &self.shared;
        let mut length = event.length;
        let rest = match &replacement {
            Some(bytes) => {
                if let Some(length) = &mut length {
                    *length = bytes.len() as u64;
                    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(*length));
                }
                if matches!(event.rest, Rest::Stream(_)) {
                    self.unlink();
                }
                Rest::Nothing
            }
            None => event.rest,
        };
        if length.is_none() && !is_chunked(&head.headers) {
            head.version = Version::HTTP_10;
        }
        let bytes = replacement.unwrap_or(event.bytes);
        let key = invocation.key.clone();
        if shared.ledger.deliver(Arc::clone(invocation), now_ms()) && !shared.config.concurrent {
            count(&shared.counters.abuses);
            let _unless_it_panicked =
                shared.guarded(|inspector| inspector.abuse(Abuse::DeliveredTwice, Some(invocation)));
        }
        let delivery = Delivery {
            ledger: Arc::clone(&shared.ledger),
            key,
            undelivered: Arc::clone(&shared.counters),
            // hyper does not ask for a body that is known to be empty.
            done: length == Some(0),
        };
        let chunks = if bytes.is_empty() { [].into() } else { [bytes].into() };
        let held =
            Held { chunks, trailers: event.trailers, length, rest, delivery: Some(delivery), tee: None };
        Response::from_parts(head, Payload::Held(Box::new(held)))
    }

    /// Posts an answer in the runtime's place. False if the platform did not take it and has the event still out.
    async fn post(
        &self,
        invocation: &Invocation,
        post: SyntheticPost,
        call: &HeaderMap,
        refusals: u32,
    ) -> bool {
        let Some(request) = synthetic_request(invocation, post, call, refusals) else { return false };
        let Ok(response) = self.send(request).await else { return false };
        let status = response.status();
        if collect(response.into_body(), limits::ANSWER_REPLY_BYTES).await.rest.is_open() {
            self.unlink();
        }
        // 410 says that the invocation is over, as when its time ran out: there is nothing left to answer.
        status.is_success() || status == StatusCode::GONE
    }
}

impl Rest {
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

/// The post that the handler would have made. After a refusal it goes to `/error`, which the platform takes in every mode.
pub(crate) fn synthetic_request(
    invocation: &Invocation,
    post: SyntheticPost,
    call: &HeaderMap,
    refusals: u32,
) -> Option<Request<Payload>> {
    let SyntheticPost { kind, mut headers, body } = post;
    let (kind, body) = if refusals == 0 {
        (kind, body)
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        (
            PostKind::Error,
            Bytes::from_static(
                b"{\"errorMessage\":\"The event was not accepted\",\"errorType\":\"Function.EventRefused\"}",
            ),
        )
    };
    let (endpoint, streaming) = match kind {
        PostKind::Response { streaming } => ("response", streaming),
        PostKind::Error => ("error", false),
    };
    let path = format!("/2018-06-01/runtime/invocation/{}/{endpoint}", invocation.key.request_id);
    if !headers.contains_key(USER_AGENT)
        && let Some(agent) = call.get(USER_AGENT)
    {
        headers.insert(USER_AGENT, agent.clone());
    }
    if let Some(id) = &invocation.invocation_id_value {
        headers.insert(HeaderName::from_static(api::INVOCATION_ID), id.clone());
    }
    if refusals > 0 {
        headers.insert(
            HeaderName::from_static(api::ERROR_TYPE),
            HeaderValue::from_static("Function.EventRefused"),
        );
    }
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
    let mut payload = whole(body);
    if streaming {
        headers.insert(HeaderName::from_static(api::RESPONSE_MODE), HeaderValue::from_static("streaming"));
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        if let Payload::Held(held) = &mut payload {
            held.length = None;
        }
    } else if let Payload::Held(held) = &payload {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(held.length.unwrap_or(0)));
    }
    let mut request = Request::new(payload);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path.parse::<Uri>().ok()?;
    *request.headers_mut() = headers;
    Some(request)
}

/// Reads a body up to a limit. Beyond it, and where it breaks off, what was read is kept.
pub(crate) async fn collect(mut body: Incoming, limit: usize) -> Event {
    let declared = body.size_hint().exact();
    let mut event = Event { bytes: Bytes::new(), trailers: None, length: declared, rest: Rest::Nothing };
    if declared.is_some_and(|length| length > limit as u64) {
        event.rest = Rest::Stream(body);
        return event;
    }
    let mut gathered: Vec<u8> = Vec::new();
    loop {
        match body.frame().await {
            None => break,
            Some(Err(error)) => {
                event.rest = Rest::Broken { error: BodyError::from(error), flushed: false };
                break;
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if gathered.is_empty() && body.is_end_stream() => {
                    event.bytes = data;
                    return event;
                }
                Ok(data) => {
                    if gathered.is_empty() {
                        let known = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
                        gathered.reserve_exact(known.max(data.len()));
                    }
                    gathered.extend_from_slice(&data);
                    if gathered.len() > limit {
                        event.rest = Rest::Stream(body);
                        break;
                    }
                }
                Err(frame) => event.trailers = frame.into_trailers().ok(),
            },
        }
    }
    event.bytes = Bytes::from(gathered);
    event
}

/// Waits for a hold and contains its panics: false if there was one.
async fn contained(mut hold: Hold) -> bool {
    std::future::poll_fn(move |context| {
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut hold).poll(context))) {
            Ok(poll) => poll.map(|()| true),
            Err(_) => Poll::Ready(false),
        }
    })
    .await
}

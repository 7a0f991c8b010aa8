//! A handler's answer that may be replaced: held whole, judged, and passed on. It may not know what it is judged by.
//!
//! Only buffered answers come here, and only where the inspector asked for it. Whatever goes wrong, the answer goes on as it came: one
//! that is too long to be held or breaks off half way, one whose judgement errs, panics or overruns, and one whose replacement the
//! platform refuses.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::body::{Held, Payload, Rest, Tee};
use crate::counters::count;
use crate::exchange::{Connection, inspection_budget, outgoing, pass};
use crate::handler_head::HeadScanner;
use crate::inspector::{AnswerDecision, AnswerKind, HeldAnswer};
use crate::invocation::Invocation;
use crate::limits;
use crate::next::{collect, synthetic_request};
use crate::upstream::{UpstreamError, bodiless_copy};

impl Connection {
    /// Holds an answer, has it judged, and passes it or its replacement on.
    pub(crate) async fn hold_answer(
        &self,
        parts: Parts,
        body: Incoming,
        invocation: Arc<Invocation>,
    ) -> Result<Response<Payload>, UpstreamError> {
        let shared = &self.shared;
        let answer = collect(body, shared.config.answer_limit).await;
        let whole = matches!(answer.rest, Rest::Nothing);
        let bytes = answer.bytes.clone();
        let mut held = Held {
            chunks: if bytes.is_empty() { [].into() } else { [bytes.clone()].into() },
            trailers: answer.trailers,
            length: answer.length,
            rest: answer.rest,
            delivery: None,
            tee: None,
        };
        if !whole {
            if matches!(held.rest, Rest::Stream(_)) {
                count(&shared.counters.answers_oversized);
            }
            let mut tee = Tee::new(shared.config.prefix_limit);
            tee.data(&bytes);
            let tee = Arc::new(Mutex::new(tee));
            held.tee = Some(Arc::clone(&tee));
            let body = Payload::Held(Box::new(held));
            return self.watched(parts, body, AnswerKind::Buffered, &tee, false, invocation).await;
        }
        let original = outgoing(parts, Payload::Held(Box::new(held)));
        let decision = self.judge(&invocation, &original, bytes).await;
        let AnswerDecision::Replace(post) = decision else {
            return Ok(pass(self.send(original).await?, &Method::POST));
        };
        let head = bodiless_copy(&original);
        let Some(replacement) = synthetic_request(&invocation, post, head.headers(), 0) else {
            return Ok(pass(self.send(original).await?, &Method::POST));
        };
        let response = self.send(replacement).await?;
        if response.status().is_success() || response.status() == StatusCode::GONE {
            count(&shared.counters.answers_replaced);
            return Ok(pass(response, &Method::POST));
        }
        count(&shared.counters.answers_refused);
        if collect(response.into_body(), limits::ANSWER_REPLY_BYTES).await.rest.is_open() {
            self.unlink();
        }
        Ok(pass(self.send(original).await?, &Method::POST))
    }

    /// Has an answer judged on another thread, for as long as the budget lasts.
    async fn judge(
        &self,
        invocation: &Arc<Invocation>,
        original: &Request<Payload>,
        body: Bytes,
    ) -> AnswerDecision {
        let shared = &self.shared;
        let budget = inspection_budget(&shared.config, body.len(), invocation.deadline_ms);
        let (sender, decision) = oneshot::channel();
        let job = {
            let (inspector, invocation) = (Arc::clone(&shared.inspector), Arc::clone(invocation));
            let post_headers = original.headers().clone();
            move || {
                if !sender.is_closed() {
                    let judged = catch_unwind(AssertUnwindSafe(|| {
                        let mut scanner = HeadScanner::default();
                        scanner.feed(&body);
                        inspector
                            .judge(&invocation, &HeldAnswer { post_headers, head: scanner.finish(), body })
                    }));
                    drop(sender.send(judged));
                }
            }
        };
        let counters = &shared.counters;
        if shared.workers.run(job).is_err() {
            count(&counters.inspections_saturated);
            return AnswerDecision::Forward;
        }
        match timeout(budget, decision).await {
            Ok(Ok(Ok(Ok(decision)))) => {
                count(&counters.answers_judged);
                return decision;
            }
            Ok(Ok(Ok(Err(error)))) => {
                count(&counters.inspections_failed);
                tracing::warn!(%error, "an answer could not be judged");
            }
            Ok(Ok(Err(_)) | Err(_)) => count(&counters.inspector_panics),
            Err(_) => count(&counters.inspections_overran),
        }
        AnswerDecision::Forward
    }
}

//! What the handler's answers say about the requests before them: which answers are worth a look, and what is said about them.
//!
//! Between a request and its answer a little is kept of it, bounded in number and size. A clean request of a function without rules for
//! answers costs a look at its path. It may not know how answers travel; the proxy hands them in.

use std::{
    collections::VecDeque,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::HeaderMap;
use picket_detection::{
    Outcome, Tier,
    response::{Answer, Asked, Found, Impact, OwnCredentials, ResponseSignal, Thresholds, look},
};
use picket_lambda_event::{Envelope, handler_body};
use picket_policy::{
    Action, Checked, Mode, Policy, Response, Seen as SignalSeen, Subject, Verdict, Workspace,
};
use picket_request::Request;
use picket_runtime_proxy::{
    AnswerDecision, AnswerKind, Glance, HandlerHead, HeldAnswer, Invocation, InvocationKey, Observation,
    SyntheticPost, Watch,
};

use crate::{
    answer_line,
    cloud::{Cloud, Known},
    counters::{Counters, count},
    log::Log,
    retreat::{Retreat, verified},
    settings::{LogLevel, WatchedAnswers},
    surroundings::Place,
};

/// Requests whose answers are awaited; the oldest is forgotten first. On demand there is one.
const AWAITED: usize = 256;

/// Looks at answers.
pub(crate) struct Answers {
    pub(crate) watched: WatchedAnswers,
    pub(crate) own: OwnCredentials,
    pub(crate) log: Arc<Log>,
    pub(crate) counters: Arc<Counters>,
    awaited: Mutex<VecDeque<Awaited>>,
}

/// What is kept of a request.
struct Awaited {
    key: InvocationKey,
    asked: Asked,
    source: &'static str,
    since: Instant,
    called_runtime_api: bool,
    /// A verified client, and whether its request carried no attack, where answers are counted.
    client: Option<(IpAddr, bool)>,
    retreat: Option<Arc<Retreat>>,
    /// The engine's side, with what it knows of the client, for signals that rules give the answer.
    cloud: Option<(Arc<Cloud>, Known)>,
    kept: Option<Box<Kept>>,
}

/// A request that rules look at again once it is answered. It is kept whole, because what a rule asks of it may stand anywhere.
pub(crate) struct Kept {
    pub(crate) policy: Arc<Policy>,
    pub(crate) request: Request,
    pub(crate) outcome: Outcome,
    pub(crate) verdict: Verdict,
    pub(crate) envelope: Envelope,
    pub(crate) checked: Checked,
    pub(crate) now: u64,
}

/// One answer, however it was seen.
pub(crate) struct Seen<'a> {
    pub(crate) status: Option<u16>,
    pub(crate) failed: bool,
    pub(crate) headers: Option<&'a HeaderMap>,
    pub(crate) text: &'a [u8],
    pub(crate) bytes: u64,
}

impl Answers {
    pub(crate) fn new(
        watched: WatchedAnswers,
        own: OwnCredentials,
        log: Arc<Log>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { watched, own, log, counters, awaited: Mutex::default() }
    }

    fn awaited(&self) -> MutexGuard<'_, VecDeque<Awaited>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what is needed of a request that goes to the handler now. `keep` gives the whole request, where rules look at it again.
    pub(crate) fn asked(
        &self,
        invocation: &Invocation,
        request: &mut Request,
        outcome: Outcome,
        keep: Option<impl FnOnce(Request, Outcome) -> Kept>,
        retreat: &Arc<Retreat>,
        cloud: Option<(Arc<Cloud>, Known)>,
    ) {
        let asked = match self.watched {
            WatchedAnswers::Off => Asked::default(),
            WatchedAnswers::Attacks | WatchedAnswers::All => Asked::of(request, &outcome),
        };
        let counted = retreat.is_armed().then(|| verified(request)).flatten();
        let wanted = !asked.is_empty() || keep.is_some() || counted.is_some();
        if !wanted && self.watched != WatchedAnswers::All {
            return;
        }
        let source = request.event.name;
        let client = counted.map(|client| (client, !asked.is_attack()));
        let kept = keep.map(|keep| Box::new(keep(std::mem::take(request), outcome)));
        self.keep(Awaited {
            key: invocation.key.clone(),
            asked,
            source,
            since: Instant::now(),
            called_runtime_api: false,
            client,
            retreat: (counted.is_some() || kept.is_some()).then(|| Arc::clone(retreat)),
            cloud,
            kept,
        });
    }

    fn keep(&self, awaited: Awaited) {
        let mut all = self.awaited();
        all.retain(|known| known.key != awaited.key);
        if all.len() >= AWAITED {
            all.pop_front();
        }
        all.push_back(awaited);
    }

    /// Notes that the handler called the Runtime API while this invocation was out.
    pub(crate) fn abused(&self, invocation: &Invocation) {
        if self.watched == WatchedAnswers::Off {
            return;
        }
        let mut all = self.awaited();
        if let Some(known) = all.iter_mut().find(|known| known.key == invocation.key) {
            known.called_runtime_api = true;
            return;
        }
        drop(all);
        self.keep(Awaited {
            key: invocation.key.clone(),
            asked: Asked::default(),
            source: "",
            since: Instant::now(),
            called_runtime_api: true,
            client: None,
            retreat: None,
            cloud: None,
            kept: None,
        });
    }

    /// How much of an answer is wanted.
    pub(crate) fn watches(&self, invocation: &Invocation) -> Watch {
        let all = self.awaited();
        match all.iter().find(|known| known.key == invocation.key) {
            None => Watch::Nothing,
            Some(Awaited { kept: Some(kept), retreat, .. })
                if kept.policy.replaces_answers()
                    && kept.verdict.mode == Mode::Block
                    && !retreat.as_ref().is_some_and(|retreat| retreat.has_fallen()) =>
            {
                Watch::Hold
            }
            Some(Awaited { kept: Some(_), .. }) => Watch::Whole,
            // A refused path, and one answer among many, are told by their status alone.
            Some(known) if self.watched != WatchedAnswers::All && !known.called_runtime_api => {
                if known.asked.is_empty() || known.asked.browses_only() {
                    Watch::Status
                } else {
                    Watch::Whole
                }
            }
            Some(_) => Watch::Whole,
        }
    }

    fn take(&self, invocation: &Invocation) -> Option<Awaited> {
        let mut all = self.awaited();
        let at = all.iter().position(|known| known.key == invocation.key)?;
        all.remove(at)
    }

    /// Looks at an answer of which the status is known.
    pub(crate) fn glanced(&self, invocation: &Invocation, glance: Glance) {
        let Some(awaited) = self.take(invocation) else { return };
        let seen = Seen {
            status: glance.status,
            failed: glance.kind == AnswerKind::Error,
            headers: None,
            text: &[],
            bytes: glance.body_bytes,
        };
        self.look(invocation, &awaited, &seen, false);
    }

    /// Looks at an answer that is held, and says what the platform gets. `post` gives a replacement its form.
    pub(crate) fn judge(
        &self,
        invocation: &Invocation,
        answer: &HeldAnswer,
        post: impl FnOnce(&Kept, &Verdict) -> Option<SyntheticPost>,
    ) -> AnswerDecision {
        let Some(awaited) = self.take(invocation) else { return AnswerDecision::Forward };
        let head = answer.head.as_ref();
        let text = text_of(&answer.body, head, AnswerKind::Buffered);
        let seen = Seen {
            status: head.and_then(|head| head.status),
            failed: false,
            headers: head.map(|head| &head.headers),
            text: &text,
            bytes: answer.body.len() as u64,
        };
        let Some(verdict) = self.look(invocation, &awaited, &seen, true) else {
            return AnswerDecision::Forward;
        };
        let replaced = awaited.kept.as_ref().filter(|_| verdict.action == Action::Block);
        match replaced.and_then(|kept| post(kept, &verdict)) {
            Some(post) => {
                count(&self.counters.replaced);
                AnswerDecision::Replace(post)
            }
            None => AnswerDecision::Forward,
        }
    }

    /// Looks at an answer of which head and first bytes are known.
    pub(crate) fn answered(&self, invocation: &Invocation, observation: &Observation) {
        let Some(awaited) = self.take(invocation) else { return };
        let head = observation.head.as_ref();
        let text = text_of(&observation.prefix, head, observation.kind);
        let broke_off = observation
            .trailers
            .as_ref()
            .is_some_and(|trailers| trailers.contains_key("lambda-runtime-function-error-type"));
        let seen = Seen {
            status: head.and_then(|head| head.status),
            failed: observation.kind == AnswerKind::Error || broke_off,
            headers: head.map(|head| &head.headers),
            text: &text,
            bytes: observation.body_bytes,
        };
        self.look(invocation, &awaited, &seen, false);
    }

    /// Looks at an answer, has the rules judge it, and writes what is worth a line. `held` says that it can still be replaced.
    fn look(
        &self,
        invocation: &Invocation,
        awaited: &Awaited,
        seen: &Seen<'_>,
        held: bool,
    ) -> Option<Verdict> {
        let retreat = awaited.retreat.as_ref();
        if let (Some(retreat), Some((client, true)), Some(status)) = (retreat, awaited.client, seen.status) {
            retreat.answer(client, status);
        }
        let took = awaited.since.elapsed();
        let found = self.found(awaited, seen, took);
        self.count(&found);
        let verdict = awaited.kept.as_ref().map(|kept| {
            let mut verdict = respond(invocation, kept, seen, &found, took);
            let fallen = retreat.is_some_and(|retreat| retreat.has_fallen());
            if verdict.action == Action::Block && (!held || fallen) {
                verdict.action = Action::WouldBlock;
            }
            verdict
        });
        if let Some((cloud, known)) = &awaited.cloud {
            let shown = found.findings().iter();
            let given = verdict.iter().flat_map(|verdict| &verdict.signals).map(|given| &*given.signal);
            cloud.raise(known, shown.map(|finding| finding.signal.id()).chain(given));
        }
        let said = verdict.as_ref().filter(|verdict| {
            verdict.action != Action::Allow
                || !verdict.signals.is_empty()
                || !verdict.would_have.is_empty()
                || verdict.logged_by.is_some()
        });
        let level = if is_grave(&found) || said.is_some_and(|verdict| verdict.action != Action::Allow) {
            LogLevel::Warn
        } else if said.is_some() || awaited.asked.is_attack() && !found.findings().is_empty() {
            LogLevel::Info
        } else {
            LogLevel::Debug
        };
        if found.findings().is_empty() && said.is_none() || !self.log.wants(level) {
            return verdict;
        }
        let line = answer_line::render(&answer_line::Subject {
            level,
            invocation,
            source: awaited.source,
            status: seen.status,
            bytes: seen.bytes,
            took,
            found: &found,
            verdict: said,
        });
        if !self.log.verdict(line) {
            count(&self.counters.lines_suppressed);
        }
        verdict
    }

    fn found(&self, awaited: &Awaited, seen: &Seen<'_>, took: Duration) -> Found {
        let headers = pairs(seen.headers);
        look(&Answer {
            status: seen.status,
            failed: seen.failed,
            headers: &headers,
            text: seen.text,
            bytes: seen.bytes,
            time: took,
            asked: &awaited.asked,
            own: &self.own,
            thresholds: Thresholds::default(),
            called_runtime_api: awaited.called_runtime_api,
        })
    }

    fn count(&self, found: &Found) {
        let counters = &self.counters;
        count(&counters.answers);
        match found.impact() {
            Some(Impact::Confirmed) => count(&counters.confirmed),
            Some(Impact::Reached) => count(&counters.reached),
            Some(Impact::Attempted) | None => {}
        }
        if found.has(ResponseSignal::SecretLeak) || found.has(ResponseSignal::ErrorLeak) {
            count(&counters.leaks);
        }
    }
}

/// What the rules make of an answer.
fn respond(invocation: &Invocation, kept: &Kept, seen: &Seen<'_>, found: &Found, took: Duration) -> Verdict {
    let Kept { policy, request, outcome, verdict, envelope, checked, now } = kept;
    let place = Place::of(invocation, request, envelope);
    let headers: Vec<(&[u8], &[u8])> = pairs(seen.headers);
    let response = Response {
        status: seen.status,
        headers: &headers,
        bytes: seen.bytes,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    };
    let mut signals = checked.seen();
    signals.extend(
        found.findings().iter().map(|finding| SignalSeen { signal: finding.signal.id(), at: "answer" }),
    );
    let subject = Subject {
        request_id: &invocation.key.request_id,
        place: place.surroundings(),
        seen: &signals,
        claims: checked.claims(),
        response: Some(&response),
        ..Subject::new(request, *now)
    };
    policy.respond(&subject, outcome, verdict, &mut Workspace::default())
}

fn pairs(headers: Option<&HeaderMap>) -> Vec<(&[u8], &[u8])> {
    let all = headers.into_iter().flat_map(HeaderMap::iter);
    all.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())).collect()
}

/// Whether somebody should hear of it.
fn is_grave(found: &Found) -> bool {
    found.impact() >= Some(Impact::Reached)
        || found
            .findings()
            .iter()
            .any(|finding| finding.signal == ResponseSignal::SecretLeak && finding.tier >= Tier::Likely)
}

/// The body as the client gets it.
pub(crate) fn text_of<'p>(
    post: &'p [u8],
    head: Option<&HandlerHead>,
    kind: AnswerKind,
) -> std::borrow::Cow<'p, [u8]> {
    let coding = head.and_then(|head| head.headers.get(http::header::CONTENT_ENCODING));
    let payload = head.and_then(|head| head.payload_offset);
    handler_body::text(post, payload, kind == AnswerKind::Streamed, coding.map(http::HeaderValue::as_bytes))
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("watched", &self.watched).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

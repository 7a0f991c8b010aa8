//! The inspector that the proxy asks: an event becomes a request, findings, a verdict, and a decision about the event.
//!
//! It runs on the proxy's inspecting threads. A panic in here is caught by the proxy, which then forwards the original.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use picket_cloud_protocol::EventAction;
use picket_detection::{Catalogue, Fuel, Outcome, Scratch, Tier, inspect};
use picket_lambda_event::{
    Envelope, EventReader, Kind, Mode as Form, Options,
    tags::{self, Tags},
};
use picket_policy::{Action, BlockResponse, Mode, OnFailure, Reason, Subject, Verdict, rates::Rates};
use picket_request::{Anomaly, BlockAnswer, Request};
use picket_runtime_proxy::{
    Abuse, AnswerDecision, AnswerKind, Decision, Fault, Glance, HeldAnswer, InspectError, Inspector,
    Invocation, NextCall, Observation, PostKind, SyntheticPost, Watch,
};
use serde_json::json;

use crate::{
    answers::{Answers, Kept},
    cloud::{Cloud, Known, Seen},
    counters::{Counters, count},
    limits::FLAGS_TOLD,
    log::{self, Log},
    metrics::Metrics,
    ocsf,
    policies::{Decides, Policies},
    profile::profile_of,
    settings::{LogLevel, ResponseForm, VerdictForm},
    surroundings::{Place, function_of},
    verdict_line,
};

/// What a guard is made of.
pub(crate) struct Parts {
    pub(crate) policies: Arc<Policies>,
    pub(crate) rates: Arc<Rates>,
    pub(crate) response: ResponseForm,
    pub(crate) log: Arc<Log>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) verdict_form: VerdictForm,
    pub(crate) answers: Answers,
    /// Whether the handler gets tags, whatever the policy says.
    pub(crate) tags: bool,
    pub(crate) version: &'static str,
    /// The engine's side, where the owner named an engine.
    pub(crate) cloud: Option<Arc<Cloud>>,
}

/// Inspects events.
pub(crate) struct Guard {
    parts: Parts,
    catalogue: Catalogue,
    /// Memory of earlier inspections: one for each that ran at the same time.
    idle: Mutex<Vec<Workspace>>,
    /// How the handler answered last; see [`ResponseForm::Auto`].
    learned: AtomicU8,
    seen_next: AtomicBool,
    /// Flagged clients that were told of.
    told_flags: Mutex<HashSet<String>>,
}

struct Workspace {
    /// The policy under which its reader reads.
    decides: Arc<Decides>,
    reader: EventReader,
    request: Request,
    scratch: Scratch,
    rules: picket_policy::Workspace,
}

impl Workspace {
    fn new(decides: Arc<Decides>) -> Self {
        Self {
            reader: EventReader::new(decides.read.clone()),
            decides,
            request: Request::default(),
            scratch: Scratch::default(),
            rules: picket_policy::Workspace::default(),
        }
    }
}

const RESPONSE_MODE: &str = "Lambda-Runtime-Function-Response-Mode";

const UNKNOWN: u8 = 0;
const BUFFERED: u8 = 1;
const STREAMING: u8 = 2;

impl Guard {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            catalogue: Catalogue::built_in(),
            idle: Mutex::default(),
            learned: AtomicU8::new(UNKNOWN),
            seen_next: AtomicBool::new(false),
            told_flags: Mutex::default(),
        }
    }

    /// Whether the runtime ever asked for an event through the proxy.
    pub(crate) fn is_used(&self) -> bool {
        self.seen_next.load(Ordering::Relaxed)
    }

    fn look(&self, invocation: &Invocation, event: &Bytes, workspace: &mut Workspace) -> Decision {
        let started = Instant::now();
        let Parts { log, counters, metrics, rates, .. } = &self.parts;
        let Workspace { decides, reader, request, scratch, rules } = workspace;
        let policy = &decides.policy;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs());
        let envelope = reader.read(event, request, now);
        if let Some(client) = policy.client.client(request) {
            request.client = client;
        }
        if request.anomalies.contains(Anomaly::UnknownEvent) {
            count(&counters.unknown_events);
        }
        let profile = profile_of(invocation.user_agent.as_deref());
        let fuel = Fuel::for_bytes(event.len());
        // Caught here too, because here it is known how this source's blocked clients are answered: an owner who fails
        // closed needs that.
        let mut outcome =
            catch_unwind(AssertUnwindSafe(|| inspect(&self.catalogue, request, &profile, scratch, fuel)))
                .ok();
        let suspicious =
            outcome.as_ref().and_then(Outcome::strongest).is_some_and(|found| found.tier >= Tier::Likely);
        let (redactor, cloud) = (&decides.redactor, self.parts.cloud.as_ref());
        let client = cloud.map(|cloud| cloud.recognise(request, redactor, suspicious));
        if let Some(client) = client.as_ref().filter(|client| client.flagged) {
            count(&counters.flagged);
            self.tell_flag(client, invocation);
        }
        let checked = policy.checks.look(request, now.unwrap_or(0));
        let subject = Subject {
            request_id: &invocation.key.request_id,
            client_is_flagged: client.as_ref().is_some_and(|client| client.flagged),
            place: Place::of(invocation, request, &envelope).surroundings(),
            geo: decides.geo(request),
            seen: &checked.seen(),
            claims: checked.claims(),
            ..Subject::new(request, now.unwrap_or(0))
        };
        let mut verdict = policy.evaluate(&subject, outcome.as_mut(), rates, rules);
        if verdict.mode == Mode::Off {
            return self.untouched(event, &envelope, decides);
        }
        decides.retreat.apply(&mut verdict);
        metrics.decided(started.elapsed());
        match &outcome {
            Some(_) => count(&counters.inspected),
            None if verdict.action == Action::Block => count(&counters.fail_closed),
            None => count(&counters.fail_open),
        }
        let outcome = outcome.unwrap_or_default();
        let attacked = outcome.strongest().is_some_and(|found| found.tier >= Tier::Likely);
        let response = verdict.answer.as_deref().unwrap_or(&policy.response);
        let status = (verdict.action == Action::Block).then(|| response.status());
        self.count_outcome(&outcome, &verdict, attacked);
        decides.retreat.note(request, &outcome, &verdict, attacked);
        let said = verdict.logged_by.is_some() || !verdict.would_have.is_empty();
        if (verdict.action != Action::Allow && log.wants(LogLevel::Warn)
            || (attacked || said) && log.wants(LogLevel::Info))
            && verdict.stored
            || log.wants(LogLevel::Debug) && !outcome.findings.is_empty()
        {
            let subject = verdict_line::Subject {
                invocation,
                redactor,
                request,
                outcome: &outcome,
                verdict: &verdict,
                mode: verdict.mode,
                status,
                took: started.elapsed(),
            };
            if !log.verdict(verdict_line::render(&subject, self.parts.verdict_form)) {
                count(&counters.lines_suppressed);
            }
        }
        if let (Some(cloud), Some(client)) = (cloud, &client) {
            cloud.describe(
                invocation.user_agent.as_deref().unwrap_or_default(),
                invocation.function_arn.as_deref(),
            );
            let raised: Vec<String> =
                verdict.signals.iter().map(|raised| raised.signal.to_string()).collect();
            let seen = Seen {
                request,
                invocation,
                outcome: &outcome,
                action: match verdict.action {
                    Action::Allow => EventAction::Allow,
                    Action::WouldBlock => EventAction::WouldBlock,
                    Action::Block => EventAction::Block,
                },
                reason: verdict.rule.as_deref().unwrap_or_else(|| verdict.reason.name()),
                status: status.unwrap_or(0),
                took: started.elapsed(),
                raised: &raised,
                kept: verdict.stored,
            };
            cloud.record(client, redactor, &seen);
        }
        match verdict.action {
            Action::Block => self.answer(invocation, &envelope, response, verdict.retry_after),
            Action::Allow | Action::WouldBlock => {
                let decision = if self.tags(decides) {
                    tagged(invocation, event, &envelope, request, &outcome, &verdict)
                } else {
                    Decision::Forward
                };
                let keep = policy.looks_at_answers().then_some(|request: Request, outcome: Outcome| Kept {
                    policy: Arc::clone(policy),
                    request,
                    outcome,
                    verdict,
                    envelope,
                    checked,
                    now: now.unwrap_or(0),
                });
                let engine = cloud.cloned().zip(client);
                self.parts.answers.asked(invocation, request, outcome, keep, &decides.retreat, engine);
                decision
            }
        }
    }

    /// Whether the handler gets tags.
    fn tags(&self, decides: &Decides) -> bool {
        self.parts.tags || decides.policy.tag_handler
    }

    /// An event that nobody judged; a handler that reads tags must not read a client's.
    fn untouched(&self, event: &Bytes, envelope: &Envelope, decides: &Decides) -> Decision {
        if !self.tags(decides) {
            return Decision::Forward;
        }
        tags::tag(envelope.source(), event, None)
            .map_or(Decision::Forward, |event| Decision::Replace(Bytes::from(event)))
    }

    /// Remembers how the handler answers.
    fn learn(&self, kind: AnswerKind) {
        let form = match kind {
            AnswerKind::Buffered => BUFFERED,
            AnswerKind::Streamed => STREAMING,
            AnswerKind::Error => return,
        };
        self.learned.store(form, Ordering::Relaxed);
    }

    /// In the form of OCSF a flag is a finding of its own, told when its client is first met.
    fn tell_flag(&self, client: &Known, invocation: &Invocation) {
        if self.parts.verdict_form != VerdictForm::Ocsf || !self.parts.log.wants(LogLevel::Warn) {
            return;
        }
        let key = client.key().to_string();
        let mut told = self.told_flags.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < FLAGS_TOLD && told.insert(key.clone()) {
            drop(told);
            let finding = ocsf::detection_finding(
                &key,
                invocation.function_arn.as_deref(),
                log::now_ms(),
                self.parts.version,
            );
            if !self.parts.log.verdict(finding.to_string()) {
                count(&self.parts.counters.lines_suppressed);
            }
        }
    }

    fn count_outcome(&self, outcome: &Outcome, verdict: &Verdict, attacked: bool) {
        let counters = &self.parts.counters;
        counters.excluded.fetch_add(verdict.excluded as u64, Ordering::Relaxed);
        if verdict.reason == Reason::RateLimit {
            count(&counters.rate_limited);
        }
        if verdict.rules_unfinished {
            count(&counters.rules_unfinished);
        }
        match verdict.action {
            Action::Block => count(&counters.blocked),
            Action::WouldBlock => count(&counters.would_block),
            Action::Allow => {}
        }
        if attacked {
            count(&counters.attacks);
        }
        if outcome.unexamined > 0 {
            count(&counters.unexamined);
        }
    }

    /// The answer of a blocked request, in the shape of its event source.
    fn answer(
        &self,
        invocation: &Invocation,
        envelope: &Envelope,
        response: &BlockResponse,
        retry_after: Option<u32>,
    ) -> Decision {
        let form = match self.parts.response {
            ResponseForm::Streaming => Form::Streaming,
            ResponseForm::Auto if self.learned.load(Ordering::Relaxed) == STREAMING => Form::Streaming,
            ResponseForm::Auto | ResponseForm::Buffered => Form::Buffered,
        };
        let mut block = response.answer(&invocation.key.request_id);
        if let Some(seconds) = retry_after {
            block.headers.push(("retry-after".to_owned(), seconds.to_string()));
        }
        post(envelope, &block, form).map_or(Decision::Forward, Decision::Answer)
    }
}

/// The event for the handler, with tags.
fn tagged(
    invocation: &Invocation,
    event: &Bytes,
    envelope: &Envelope,
    request: &Request,
    outcome: &Outcome,
    verdict: &Verdict,
) -> Decision {
    let attacks = outcome.findings.iter().map(|finding| finding.signal.id());
    let anomalies = request.anomalies.iter().map(|(anomaly, _)| anomaly.id());
    let mut signals: Vec<&str> = Vec::new();
    let given = verdict.signals.iter().map(|given| &*given.signal);
    let words = verdict.tags.iter().map(|word| &**word);
    for id in attacks.chain(given).chain(words).chain(anomalies) {
        if !signals.contains(&id) {
            signals.push(id);
        }
    }
    let tags =
        Tags { verdict: verdict.action.name(), request_id: &invocation.key.request_id, signals: &signals };
    tags::tag(envelope.source(), event, Some(&tags))
        .map_or(Decision::Forward, |event| Decision::Replace(Bytes::from(event)))
}

/// What is posted in the handler's place; `None` where this source has no tested answer.
fn post(envelope: &Envelope, block: &BlockAnswer, form: Form) -> Option<SyntheticPost> {
    let post = picket_lambda_event::answer(envelope, block, form)?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(post.content_type));
    // The proxy names the mode itself, with the framing that goes with it.
    let mut streaming = false;
    for (name, value) in post.headers {
        if name.eq_ignore_ascii_case(RESPONSE_MODE) {
            streaming = value == "streaming";
        } else if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            headers.append(name, HeaderValue::from_static(value));
        }
    }
    let kind = match post.kind {
        Kind::Response => PostKind::Response { streaming },
        Kind::Error => PostKind::Error,
    };
    Some(SyntheticPost { kind, headers, body: Bytes::from(post.body) })
}

/// How an event can be refused that could not be inspected.
enum Refusal {
    /// In the shape of its source.
    Shaped(Envelope),
    /// By an error of the invocation: nothing of it is held, or what is held could not be looked at.
    Error,
    /// Not at all: it is of no source that has a tested answer, and such events are let through in every mode.
    None,
}

/// Only predicates run here, after one linear pass over the event, whose envelope may stand behind its body: what made the inspection hang
/// or panic is not reached, and a panic in them is contained as well.
fn refusal(event: &Bytes) -> Refusal {
    let recognise = || EventReader::new(Options::default()).recognise(event);
    match catch_unwind(AssertUnwindSafe(recognise)) {
        Ok(Some(envelope)) if envelope.can_block() => Refusal::Shaped(envelope),
        Ok(_) if !event.is_empty() => Refusal::None,
        Ok(_) | Err(_) => Refusal::Error,
    }
}

impl Inspector for Guard {
    fn inspect(&self, invocation: &Invocation, event: &Bytes) -> Result<Decision, InspectError> {
        // Also where nothing is inspected: whoever switched the agent off must be able to switch it on again.
        if let Some(cloud) = &self.parts.cloud {
            cloud.invoked();
        }
        let decides = self.parts.policies.current();
        let off = !decides.policy.may_inspect();
        if off && !self.tags(&decides) {
            return Ok(Decision::Forward);
        }
        let workspace = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut workspace = workspace
            .filter(|workspace| Arc::ptr_eq(&workspace.decides, &decides))
            .unwrap_or_else(|| Workspace::new(decides));
        let decision = if off {
            let envelope = workspace.reader.read(event, &mut workspace.request, None);
            self.untouched(event, &envelope, &workspace.decides)
        } else {
            self.look(invocation, event, &mut workspace)
        };
        // The event must not outlive its inspection: 6 MB of it would stay with a function of 128 MB.
        workspace.request.reset(Bytes::new());
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        Ok(decision)
    }

    fn unexamined(&self, invocation: &Invocation, event: &Bytes, fault: Fault) -> Decision {
        let Parts { policies, log, counters, .. } = &self.parts;
        let decides = policies.current();
        let policy = &decides.policy;
        let closed = policy.on_failure == OnFailure::Closed
            && policy.mode_of(function_of(invocation.function_arn.as_deref())) == Mode::Block;
        let refusal = if closed { refusal(event) } else { Refusal::None };
        let passes = matches!(refusal, Refusal::None);
        count(if passes { &counters.fail_open } else { &counters.fail_closed });
        let fields =
            [("fault", json!(format!("{fault:?}"))), ("requestId", json!(invocation.key.request_id))];
        if passes {
            log.line(LogLevel::Warn, "an event passed without a verdict (fail-open)", &fields);
            return Decision::Forward;
        }
        log.line(LogLevel::Warn, "an event was refused without a verdict (fail-closed)", &fields);
        if let Refusal::Shaped(envelope) = refusal {
            return self.answer(invocation, &envelope, &policy.response, None);
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            "lambda-runtime-function-error-type",
            HeaderValue::from_static("Function.PicketUnavailable"),
        );
        let body = json!({
            "errorType": "Function.PicketUnavailable",
            "errorMessage": "The request could not be inspected, and the owner of this function chose to fail closed.",
        });
        Decision::Answer(SyntheticPost {
            kind: PostKind::Error,
            headers,
            body: Bytes::from(body.to_string()),
        })
    }

    fn watches(&self, invocation: &Invocation) -> Watch {
        // The form of the answer is wanted until an answer has shown it.
        let learning =
            self.parts.response == ResponseForm::Auto && self.learned.load(Ordering::Relaxed) == UNKNOWN;
        self.parts.answers.watches(invocation).max(if learning { Watch::Status } else { Watch::Nothing })
    }

    fn glanced(&self, invocation: &Invocation, glance: Glance) {
        self.learn(glance.kind);
        self.parts.answers.glanced(invocation, glance);
    }

    fn answered(&self, invocation: &Invocation, observation: &Observation) {
        self.learn(observation.kind);
        self.parts.answers.answered(invocation, observation);
    }

    fn judge(&self, invocation: &Invocation, answer: &HeldAnswer) -> Result<AnswerDecision, InspectError> {
        self.learn(AnswerKind::Buffered);
        Ok(self.parts.answers.judge(invocation, answer, |kept, verdict| {
            let response = verdict.answer.as_deref().unwrap_or(&kept.policy.response);
            post(&kept.envelope, &response.answer(&invocation.key.request_id), Form::Buffered)
        }))
    }

    fn before_next(&self, call: &NextCall<'_>) -> Option<picket_runtime_proxy::Hold> {
        if !self.seen_next.swap(true, Ordering::Relaxed) {
            let Parts { policies, log, version, .. } = &self.parts;
            let decides = policies.current();
            let policy = &decides.policy;
            let fields = [
                ("version", json!(version)),
                ("mode", json!(policy.mode_of("").to_string())),
                ("blockOn", json!(policy.block_on.to_string())),
                ("policy", json!(decides.source)),
                ("policyName", json!(policy.name)),
                ("policyVersion", json!(policy.version)),
                (
                    "runtime",
                    json!(call.user_agent.unwrap_or("unknown").escape_debug().take(64).collect::<String>()),
                ),
            ];
            log.line(LogLevel::Info, "protecting this function", &fields);
        }
        let Parts { log, metrics, counters, cloud, .. } = &self.parts;
        log.sum_up(false);
        if let Some(cloud) = cloud {
            counters.dropped.store(cloud.given_up(), Ordering::Relaxed);
        }
        log.metrics(metrics.line(counters, SystemTime::now(), false));
        self.parts.cloud.as_ref()?.before_next()
    }

    fn restored(&self) {
        // Other environments began with the same counts.
        self.parts.rates.clear();
        self.learned.store(UNKNOWN, Ordering::Relaxed);
        if let Some(cloud) = &self.parts.cloud {
            cloud.restored();
        }
        self.parts.log.line(LogLevel::Info, "restored from a snapshot", &[]);
    }

    fn abuse(&self, abuse: Abuse, invocation: Option<&Invocation>) {
        count(&self.parts.counters.abuses);
        if abuse == Abuse::NextWhileOut
            && let Some(invocation) = invocation
        {
            self.parts.answers.abused(invocation);
        }
        let fields = [
            ("signal", json!(Anomaly::RuntimeApiAbuse.id())),
            ("abuse", json!(format!("{abuse:?}"))),
            ("requestId", json!(invocation.map(|invocation| &invocation.key.request_id))),
        ];
        self.parts.log.line(LogLevel::Warn, "the Runtime API was used as no runtime uses it", &fields);
    }
}

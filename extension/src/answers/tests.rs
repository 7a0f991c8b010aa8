//! Rules about answers, from the request that is kept to the post that replaces the answer.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use picket_detection::{Outcome, response::Credential};
use picket_lambda_event::{EventReader, Mode as Form, Options};
use picket_runtime_proxy::{HandlerHead, HeadScanner, PostKind};
use serde_json::{Value, json};

use super::*;
use crate::settings::LogFormat;

const SECRET: &str = "q8mZ0hT4vXw2Lr6Nd9Kb1Yc5Pf7Sg3Uj0Ea4Io8B";

fn policy(mode: &str, rules: &Value) -> Arc<Policy> {
    let canonical = json!({"picket": 1, "name": "t", "version": 1, "mode": mode, "blockOn": "certain", "onFailure": "open", "rules": rules});
    Arc::new(Policy::read(canonical.to_string().as_bytes()).expect("a canonical policy"))
}

/// Keys never leave, and a refused login is a status of its own.
fn rules() -> Value {
    let test = |field: &str, value: Value| json!({"test": {"field": field, "value": value}});
    json!([
        {"id": "keys", "when": test("signal", json!({"equals": {"text": "SECRET-LEAK"}})), "then": [{"block": {"status": 502}}]},
        {"id": "login", "when": {"all": [test("path", json!({"equals": {"text": "/login"}})), test("status", json!({"equals": {"text": "401"}}))]},
         "then": [{"signal": "site.AuthFailure"}, {"block": {"status": 550}}]},
    ])
}

fn answers(watched: WatchedAnswers) -> Answers {
    let log = Arc::new(Log::new(LogLevel::Error, LogFormat::Text, 60));
    let own = OwnCredentials::new([(Credential::SecretKey, SECRET.as_bytes())]);
    Answers::new(watched, own, log, Arc::default())
}

/// Lets a request to this path go to the handler.
fn ask(answers: &Answers, policy: &Arc<Policy>, invocation: &Invocation, path: &str) {
    let event = json!({"version": "2.0", "rawPath": path, "rawQueryString": "", "headers": {"host": "a.example"},
        "requestContext": {"http": {"method": "POST", "path": path, "sourceIp": "198.51.100.7"}, "domainName": "a.example", "apiId": "a", "stage": "$default"}});
    let mut request = Request::default();
    let envelope =
        EventReader::new(Options::default()).read(&Bytes::from(event.to_string()), &mut request, Some(1000));
    assert!(envelope.can_block(), "{}", envelope.source());
    let keep = policy.looks_at_answers().then_some(|request: Request, outcome: Outcome| Kept {
        policy: Arc::clone(policy),
        request,
        outcome,
        verdict: Verdict { mode: policy.mode, ..Verdict::default() },
        envelope,
        checked: Checked::default(),
        now: 1000,
    });
    let retreat = Arc::new(Retreat::new(policy, Arc::clone(&answers.log)));
    answers.asked(invocation, &mut request, Outcome::default(), keep, &retreat, None);
}

fn held(body: &Value) -> HeldAnswer {
    let body = Bytes::from(body.to_string());
    let mut scanner = HeadScanner::default();
    scanner.feed(&body);
    HeldAnswer { post_headers: HeaderMap::new(), head: scanner.finish(), body }
}

/// The status that the client gets: the handler's, or the one of a replacement.
fn judged(answers: &Answers, invocation: &Invocation, answer: &HeldAnswer) -> Option<u64> {
    let decision = answers.judge(invocation, answer, |kept, verdict| {
        let response = verdict.answer.as_deref().unwrap_or(&kept.policy.response);
        let post = picket_lambda_event::answer(&kept.envelope, &response.answer("r"), Form::Buffered)?;
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(post.content_type));
        Some(SyntheticPost {
            kind: PostKind::Response { streaming: false },
            headers,
            body: Bytes::from(post.body),
        })
    });
    match decision {
        AnswerDecision::Forward => None,
        AnswerDecision::Replace(post) => {
            serde_json::from_slice::<Value>(&post.body).ok().and_then(|post| post["statusCode"].as_u64())
        }
    }
}

#[test]
fn a_leak_and_a_refused_login_are_replaced_and_nothing_else_is() {
    let policy = policy("block", &rules());
    let answers = answers(WatchedAnswers::Attacks);
    let leak = held(&json!({"statusCode": 200, "body": format!("{{\"key\":\"{SECRET}\"}}")}));
    let refused = held(&json!({"statusCode": 401, "body": "no"}));
    let fine = held(&json!({"statusCode": 200, "body": "{}"}));
    for (path, answer, replaced) in [
        ("/items", &leak, Some(502)),
        ("/login", &refused, Some(550)),
        ("/items", &refused, None),
        ("/login", &fine, None),
    ] {
        let invocation = Invocation::synthetic(path);
        ask(&answers, &policy, &invocation, path);
        assert_eq!(answers.watches(&invocation), Watch::Hold);
        assert_eq!(judged(&answers, &invocation, answer), replaced, "{path}");
        assert_eq!(answers.watches(&invocation), Watch::Nothing, "it is judged once");
    }
    assert_eq!(answers.counters.replaced.load(Ordering::Relaxed), 2);
}

#[test]
fn mode_log_replaces_nothing() {
    let policy = policy("log", &rules());
    let answers = answers(WatchedAnswers::Off);
    let invocation = Invocation::synthetic("r");
    ask(&answers, &policy, &invocation, "/login");
    assert_eq!(answers.watches(&invocation), Watch::Whole, "and holds nothing");
    assert_eq!(judged(&answers, &invocation, &held(&json!({"statusCode": 401}))), None);
}

#[test]
fn without_a_rule_that_replaces_nothing_is_held() {
    let tagging = json!([{"id": "t", "when": {"test": {"field": "status", "value": {"equals": {"text": "401"}}}}, "then": [{"signal": "site.Refused"}]}]);
    let tagging = policy("block", &tagging);
    let first = answers(WatchedAnswers::Off);
    let invocation = Invocation::synthetic("r");
    ask(&first, &tagging, &invocation, "/login");
    assert_eq!(first.watches(&invocation), Watch::Whole);
    let none = policy("block", &json!([]));
    let second = answers(WatchedAnswers::Attacks);
    ask(&second, &none, &invocation, "/login");
    assert_eq!(second.watches(&invocation), Watch::Nothing, "a clean request costs nothing");
    ask(&second, &none, &invocation, "/wp-admin/");
    assert_eq!(second.watches(&invocation), Watch::Status, "a private path costs a look at the status");
}

#[test]
fn what_streams_past_is_told_and_not_replaced() {
    let policy = policy("block", &rules());
    let answers = answers(WatchedAnswers::Attacks);
    let invocation = Invocation::synthetic("r");
    ask(&answers, &policy, &invocation, "/login");
    let head = HandlerHead { status: Some(401), payload_offset: Some(0), ..HandlerHead::default() };
    let observation = Observation {
        kind: AnswerKind::Streamed,
        post_headers: HeaderMap::new(),
        head: Some(head),
        prefix: Bytes::from_static(b"no"),
        body_bytes: 2,
        complete: true,
        trailers: None,
        platform_status: 202,
    };
    answers.answered(&invocation, &observation);
    assert_eq!(answers.counters.replaced.load(Ordering::Relaxed), 0);
    assert_eq!(answers.counters.answers.load(Ordering::Relaxed), 1);
}

#[test]
fn what_is_awaited_is_bounded() {
    let policy = policy("block", &rules());
    let answers = answers(WatchedAnswers::Attacks);
    for number in 0..AWAITED + 10 {
        ask(&answers, &policy, &Invocation::synthetic(&number.to_string()), "/");
    }
    assert_eq!(answers.awaited().len(), AWAITED);
    assert_eq!(answers.watches(&Invocation::synthetic("0")), Watch::Nothing);
}

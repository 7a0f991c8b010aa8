//! The file's own cases: each becomes an event, is judged, and is held against what it expects.

use std::path::Path;

use bytes::Bytes;
use picket_policy::{
    Action, Policy,
    document::{
        Body, Case, CaseResponse, Document, Expectation, ExpectedVerdict, OneOrMany, Rule, Scalar, instant,
    },
};
use serde_json::{Value, json};

use crate::{
    corpus::Recorded,
    envelope::{self, Shape},
    judge::{Answered, Circumstances, Judge, Judged},
};

/// The client of a case that names none.
const CLIENT: &str = "198.51.100.7";
/// A browser, so that a case is about what it says and not about a missing user agent.
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// The event of a case.
pub(super) fn event(case: &Case) -> Value {
    let request = &case.request;
    let target = request.path.as_deref().unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut query = query.to_owned();
    push_pairs(&mut query, request.query.iter().map(|(name, value)| (name.as_str(), value.to_string())));
    let mut headers: Vec<(String, String)> =
        request.headers.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
    let has = |headers: &[(String, String)], name: &str| {
        headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
    };
    if !has(&headers, "user-agent") {
        headers.push(("user-agent".to_owned(), USER_AGENT.to_owned()));
    }
    if !request.cookies.is_empty() {
        let cookies: Vec<String> =
            request.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        headers.push(("cookie".to_owned(), cookies.join("; ")));
    }
    let (body, content_type) = match &request.body {
        Some(body) => bytes_of(body),
        None if request.form.is_empty() => (String::new(), None),
        None => {
            let mut form = String::new();
            push_pairs(
                &mut form,
                request.form.iter().map(|(name, value)| (name.as_str(), value.to_string())),
            );
            (form, Some("application/x-www-form-urlencoded"))
        }
    };
    if let Some(content_type) = content_type.filter(|_| !has(&headers, "content-type")) {
        headers.push(("content-type".to_owned(), content_type.to_owned()));
    }
    if let Some(domain) = &request.domain {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
        headers.push(("host".to_owned(), domain.clone()));
    } else if !has(&headers, "host") {
        headers.push(("host".to_owned(), "shop.example.com".to_owned()));
    }
    let recorded = Recorded {
        method: request.method.clone().unwrap_or_else(|| "GET".to_owned()).into_bytes(),
        path: path.as_bytes().to_vec(),
        query: query.into_bytes(),
        headers: headers.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect(),
        body: body.into_bytes(),
    };
    let shape = match request.event_source.as_deref() {
        Some("rest-v1") => Shape::RestV1,
        Some("function-url") => Shape::Url,
        Some("alb") => Shape::Alb,
        Some("lattice-v2") => Shape::Lattice,
        _ => Shape::HttpV2,
    };
    let mut event: Value = serde_json::from_slice(&envelope::event(shape, &recorded)).unwrap_or_default();
    place_client(&mut event, shape, request.client.as_deref().unwrap_or(CLIENT));
    event
}

/// Puts the client's address where this source's platform writes it.
fn place_client(event: &mut Value, shape: Shape, client: &str) {
    let (parent, key, value) = match shape {
        Shape::RestV1 => ("/requestContext/identity", "sourceIp", json!(client)),
        Shape::HttpV2 | Shape::Url => ("/requestContext/http", "sourceIp", json!(client)),
        Shape::Alb => ("/multiValueHeaders", "x-forwarded-for", json!([client])),
        Shape::Lattice => ("/headers", "x-forwarded-for", json!([client])),
    };
    if let Some(parent) = event.pointer_mut(parent).and_then(Value::as_object_mut) {
        parent.insert(key.to_owned(), value);
    }
}

/// Appends `name=value` pairs, percent-encoded.
fn push_pairs<'a>(out: &mut String, pairs: impl Iterator<Item = (&'a str, String)>) {
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        push_encoded(out, name);
        out.push('=');
        push_encoded(out, &value);
    }
}

fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

fn bytes_of(body: &Body) -> (String, Option<&'static str>) {
    match &body.0 {
        Value::String(text) => (text.clone(), None),
        json => (json.to_string(), Some("application/json")),
    }
}

/// The answer of a case's handler.
pub(super) fn answered(response: &CaseResponse) -> Answered {
    let body = response.body.as_ref().map(|body| bytes_of(body).0).unwrap_or_default();
    let headers = response
        .headers
        .iter()
        .map(|(name, value): (&String, &Scalar)| (name.to_ascii_lowercase(), value.to_string()));
    Answered {
        status: Some(response.status.unwrap_or(200)),
        headers: headers.collect(),
        body: body.into_bytes(),
        took_ms: 1,
    }
}

/// The signal by which the probe of a rule tells that it matched.
fn probe_signal(index: usize) -> String {
    format!("site.case-{index}")
}

/// Runs the cases of one policy.
pub(super) struct Cases {
    policy: Policy,
    /// The same policy, of which each rule and limit also raises a signal of its own.
    probe: Policy,
    /// The names of rules and limits, each at the number of its signal.
    ids: Vec<String>,
    judge: Judge,
    now: u64,
}

/// A document of which each rule and limit also raises a signal of its own, and the names in the order of these signals.
pub(super) fn probed(document: &Document) -> (Document, Vec<String>) {
    let (mut document, mut ids) = (document.clone(), Vec::new());
    let mut probe = |id: &str, then: &mut OneOrMany<picket_policy::document::Action>, dry_run: &mut bool| {
        let mut actions = std::mem::take(then).into_vec();
        if std::mem::take(dry_run) {
            actions.clear();
        }
        actions.push(picket_policy::document::Action::Signal(probe_signal(ids.len())));
        *then = OneOrMany::Many(actions);
        ids.push(id.to_owned());
    };
    for Rule { id, then, dry_run, .. } in
        document.floor.iter_mut().flat_map(|floor| &mut floor.rules).chain(&mut document.rules)
    {
        probe(id, then, dry_run);
    }
    for limit in &mut document.rate_limits {
        probe(&limit.id, &mut limit.then, &mut limit.dry_run);
    }
    (document, ids)
}

impl Cases {
    pub(super) fn new(policy: Policy, path: &Path, probe: Policy, ids: Vec<String>, now: u64) -> Self {
        let judge = Judge::under(&policy, path);
        Self { policy, probe, ids, judge, now }
    }

    /// What a case expects and does not get, each in one line; nothing where it holds.
    pub(super) fn run(&mut self, case: &Case) -> Vec<String> {
        let event = Bytes::from(event(case).to_string());
        let circumstances = Circumstances {
            function: case.request.function.clone().unwrap_or_default(),
            now: case.request.at.as_deref().and_then(instant).unwrap_or(self.now),
            request_id: case.name.clone(),
        };
        let answered = case.response.as_ref().map(answered);
        let run = |judge: &mut Judge, policy: &Policy| {
            judge.forget();
            for _ in 1..case.times.unwrap_or(1) {
                judge.judge(policy, &event, &circumstances, answered.as_ref());
            }
            judge.judge(policy, &event, &circumstances, answered.as_ref())
        };
        let judged = run(&mut self.judge, &self.policy);
        let probed = run(&mut self.judge, &self.probe);
        let matched: Vec<&str> = self
            .ids
            .iter()
            .enumerate()
            .filter(|(index, _)| probed.raised().any(|signal| signal == probe_signal(*index)))
            .map(|(_, id)| id.as_str())
            .collect();
        compare(&case.expect, &judged, &matched)
    }
}

fn compare(expect: &Expectation, judged: &Judged, matched: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    let action = judged.action();
    if let Some(expected) = expect.verdict {
        let wanted = match expected {
            ExpectedVerdict::Allow => Action::Allow,
            ExpectedVerdict::Block => Action::Block,
            ExpectedVerdict::WouldBlock => Action::WouldBlock,
        };
        // A case says what a rule does; whether the policy already blocks is a matter of its mode.
        let holds = wanted == action || wanted == Action::Block && action == Action::WouldBlock;
        if !holds {
            wrong.push(format!("expected the verdict `{}`, got `{}`", wanted.name(), action.name()));
        }
    }
    if let Some(rule) = &expect.rule
        && judged.rule() != Some(rule.as_str())
    {
        let decided = judged.rule().map_or_else(
            || format!("the reason `{}`", judged.verdict.reason.name()),
            |rule| format!("`{rule}`"),
        );
        wrong.push(format!("expected the rule `{rule}` to decide, and it was {decided}"));
    }
    for id in expect.should_match.iter().flat_map(OneOrMany::as_slice) {
        if !matched.contains(&id.as_str()) {
            wrong.push(format!("`{id}` should match and does not"));
        }
    }
    for id in expect.should_not_match.iter().flat_map(OneOrMany::as_slice) {
        if matched.contains(&id.as_str()) {
            wrong.push(format!("`{id}` should not match and does"));
        }
    }
    let seen: Vec<&str> = judged
        .raised()
        .chain(judged.outcome.findings.iter().map(|finding| finding.signal.id()))
        .chain(judged.others.iter().map(String::as_str))
        .collect();
    for signal in expect.signals.iter().flat_map(OneOrMany::as_slice) {
        if !seen.contains(&signal.as_str()) {
            let others = if seen.is_empty() { "none".to_owned() } else { seen.join(", ") };
            wrong.push(format!("expected the signal `{signal}`; seen: {others}"));
        }
    }
    for signal in expect.no_signals.iter().flat_map(OneOrMany::as_slice) {
        if seen.contains(&signal.as_str()) {
            wrong.push(format!("the signal `{signal}` is seen and should not be"));
        }
    }
    if let Some(status) = expect.status {
        let answer = judged.after.as_ref().and_then(|after| after.answer.as_ref());
        let got = answer.or(judged.verdict.answer.as_ref()).map(|answer| answer.status());
        if got.is_some_and(|got| got != status) {
            wrong.push(format!("expected the status {status}, got {}", got.unwrap_or_default()));
        }
    }
    wrong
}

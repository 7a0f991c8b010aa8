//! Rules that look at the handler's answer.

use picket_detection::Outcome;
use serde_json::{Value, json};

use super::{Ask, policy, rates};
use crate::{Action, Policy, Response, Subject, Verdict, Workspace};

fn answered(policy: &Policy, ask: &Ask, response: Response<'_>) -> (Verdict, Verdict) {
    let request = ask.request();
    let mut subject = Subject::new(&request, super::NOW);
    let mut outcome = Outcome::default();
    let mut workspace = Workspace::default();
    let before = policy.evaluate(&subject, Some(&mut outcome), &rates(), &mut workspace);
    subject.response = Some(&response);
    let after = policy.respond(&subject, &outcome, &before, &mut workspace);
    (before, after)
}

fn status(status: u16) -> Response<'static> {
    Response { status: Some(status), ..Response::default() }
}

#[test]
fn a_template_tells_attempt_success_and_failure() {
    let policy = policy(&json!({"templates": [{
        "signal": "LOGINATTEMPT", "path": ["/login", "/signin"], "success": {"status": 302}, "failure": {"status": [401, 403]},
    }]}));
    let login = Ask::post("/login", "text/plain", "x");
    let signals =
        |verdict: &Verdict| verdict.signals.iter().map(|given| given.signal.to_string()).collect::<Vec<_>>();
    for (code, expected) in [(302, vec!["LOGINSUCCESS"]), (401, vec!["LOGINFAILURE"]), (500, vec![])] {
        let (before, after) = answered(&policy, &login, status(code));
        assert_eq!(signals(&before), ["LOGINATTEMPT"]);
        assert_eq!(signals(&after), expected, "{code}");
    }
    let (before, after) = answered(&policy, &Ask::get("/login"), status(302));
    assert!(before.signals.is_empty() && after.signals.is_empty(), "another method");
    assert!(policy.looks_at_answers() && !policy.replaces_answers());
}

#[test]
fn a_rule_on_the_answer_can_replace_it_and_reads_signals_of_the_request() {
    let of = |mode: &str| {
        policy(&json!({"mode": mode, "rules": [
            {"id": "mark", "when": {"field": "path", "like": "/admin/*"}, "then": [{"signal": "site.Admin"}]},
            {"id": "hide", "when": {"all": [{"field": "status", "greaterOrEqual": 500}, {"field": "signal", "equals": "site.Admin"}]},
             "then": [{"block": {"status": 550}}]},
        ]}))
    };
    let (_, after) = answered(&of("block"), &Ask::get("/admin/x"), status(503));
    assert_eq!((after.action, after.rule.as_deref()), (Action::Block, Some("hide")));
    assert_eq!(after.answer.unwrap().status(), 550);
    assert_eq!(answered(&of("block"), &Ask::get("/x"), status(503)).1.action, Action::Allow);
    assert_eq!(answered(&of("block"), &Ask::get("/admin/x"), status(404)).1.action, Action::Allow);
    assert_eq!(answered(&of("log"), &Ask::get("/admin/x"), status(503)).1.action, Action::WouldBlock);
    assert!(of("block").replaces_answers());
}

#[test]
fn headers_size_and_time_of_the_answer_are_compared() {
    let headers: [(&[u8], &[u8]); 2] = [(b"content-type", b"text/html"), (b"x-debug", b"trace 1")];
    let response = Response { status: Some(200), headers: &headers, bytes: 70_000, took_ms: 1_500 };
    let holds = |condition: Value| {
        let policy = policy(&json!({"rules": [{"id": "r", "when": condition, "then": ["block"]}]}));
        answered(&policy, &Ask::get("/"), response).1.action == Action::Block
    };
    assert!(holds(json!({"field": "responseHeader", "name": "X-Debug", "contains": "trace"})));
    assert!(!holds(json!({"field": "responseHeader", "name": "X-Debug", "contains": "none"})));
    assert!(
        holds(json!({"field": "responseHeader", "name": "x-none", "exists": false}))
            != holds(json!({"field": "responseHeader", "name": "x-none", "exists": true}))
    );
    assert!(holds(json!({"field": "responseSize", "greater": "64KB"})));
    assert!(!holds(json!({"field": "responseSize", "greater": "1MiB"})));
    assert!(holds(json!({"field": "responseTime", "greaterOrEqual": "1s"})));
    assert!(!holds(json!({"field": "responseTime", "greater": 1_500})));
}

#[test]
fn allowing_what_was_answered_already_is_refused() {
    let rules = json!([{"id": "r", "when": {"field": "status", "equals": 200}, "then": ["allow"]}]);
    let problems = super::try_compile(&json!({"rules": rules})).unwrap_err();
    assert!(problems[0].message.contains("answered already"), "{problems:?}");
}

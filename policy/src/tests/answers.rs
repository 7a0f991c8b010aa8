//! Rules about signals of answers, and checks from the document to the verdict.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use picket_detection::Outcome;
use ring::hmac;
use serde_json::{Value, json};

use super::{Ask, NOW, policy, rates, try_compile};
use crate::{
    Action, Policy, Response, Seen, Subject, Verdict, Workspace, canonical::Canonical, compile::compile,
};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// What a policy says of a request, and of its answer with these signals.
fn judge(policy: &Policy, ask: &Ask, status: u16, signals: &[&str]) -> (Verdict, Verdict) {
    let mut request = ask.request();
    request.peer = request.client.addr;
    let checked = policy.checks.look(&request, NOW);
    let mut seen = checked.seen();
    let mut outcome = Outcome::default();
    let mut workspace = Workspace::default();
    let first = Subject { seen: &seen.clone(), claims: checked.claims(), ..Subject::new(&request, NOW) };
    let before = policy.evaluate(&first, Some(&mut outcome), &rates(), &mut workspace);
    seen.extend(signals.iter().map(|signal| Seen { signal, at: "answer" }));
    let response = Response { status: Some(status), ..Response::default() };
    let subject = Subject {
        seen: &seen,
        response: Some(&response),
        claims: checked.claims(),
        ..Subject::new(&request, NOW)
    };
    let after = policy.respond(&subject, &outcome, &before, &mut workspace);
    (before, after)
}

#[test]
fn a_rule_on_a_signal_of_answers_waits_for_the_answer() {
    for when in [
        json!({"field": "signal", "equals": "SECRET-LEAK"}),
        json!({"field": "signal", "inList": "leaks"}),
        json!({"any": [{"field": "signal", "equals": "SECRET-LEAK"}, {"field": "signal", "equals": "IMPACT-CONFIRMED"}]}),
    ] {
        let policy = policy(&json!({
            "lists": {"leaks": {"kind": "signal", "items": ["SECRET-LEAK", "IMPACT-CONFIRMED"]}},
            "rules": [{"id": "r", "when": when, "then": [{"block": {"status": 502}}]}],
        }));
        assert!(policy.looks_at_answers() && policy.replaces_answers());
        let (before, after) = judge(&policy, &Ask::get("/"), 200, &["SECRET-LEAK"]);
        assert_eq!((before.action, after.action), (Action::Allow, Action::Block));
        assert_eq!(judge(&policy, &Ask::get("/"), 200, &["ERROR-LEAK"]).1.action, Action::Allow);
    }
    // A rule that only tags replaces nothing, and so nothing is held.
    let tagging = policy(
        &json!({"rules": [{"id": "r", "when": {"field": "signal", "equals": "HTTP404"}, "then": [{"signal": "site.Lost"}]}]}),
    );
    assert!(tagging.looks_at_answers() && !tagging.replaces_answers());
    let attacks = policy(
        &json!({"rules": [{"id": "r", "when": {"field": "signal", "equals": "SQLI"}, "then": ["block"]}]}),
    );
    assert!(!attacks.looks_at_answers());
}

#[test]
fn a_rule_on_what_another_made_of_the_answer_waits_too() {
    let sections = |then: Value| {
        json!({"rules": [
            {"id": "act", "when": {"all": [{"field": "signal", "equals": "site.AuthFailure"}, {"field": "method", "equals": "POST"}]}, "then": [then]},
            {"id": "track", "when": {"all": [{"field": "path", "equals": "/login"}, {"field": "status", "equals": 401}]}, "then": [{"signal": "site.AuthFailure"}]},
        ]})
    };
    let policy = policy(&sections(json!({"block": {"status": 550}})));
    let login = Ask::post("/login", "text/plain", "x");
    let (before, after) = judge(&policy, &login, 401, &[]);
    assert_eq!(
        (before.action, after.action, after.rule.as_deref()),
        (Action::Allow, Action::Block, Some("act"))
    );
    assert_eq!(after.answer.unwrap().status(), 550);
    assert_eq!(judge(&policy, &login, 200, &[]).1.action, Action::Allow);
    let refused = try_compile(&sections(json!("allow"))).unwrap_err();
    assert!(refused[0].message.contains("answered already"), "{refused:?}");
}

fn token(secret: &[u8], claims: &Value) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let code = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("Bearer {message}.{}", URL_SAFE_NO_PAD.encode(code))
}

#[test]
fn claims_decide_only_once_they_are_verified() {
    let document = json!({"picket": 1, "name": "test", "version": 1, "mode": "block",
    "jwt": {"jwks": "keys.json", "issuer": "https://id.example", "leeway": "30s"},
    "rules": [
        {"id": "admins", "when": {"field": "jwtClaim", "name": "role", "equals": "admin"}, "then": ["allow"]},
        {"id": "forged", "when": {"field": "signal", "equals": "JWT-INVALID"}, "then": [{"signal": "site.Forged"}]},
        {"id": "others", "when": {"field": "path", "like": "/admin/*"}, "then": ["block"]},
    ]});
    let keys = json!({"keys": [{"kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET)}]}).to_string();
    let canonical = compile(&serde_json::from_value(document).unwrap(), &|name| {
        if name == "keys.json" { Ok(keys.clone().into_bytes()) } else { Err("no such file".to_owned()) }
    })
    .unwrap();
    let policy = Policy::load(&Canonical::read(&canonical.write()).unwrap()).unwrap();
    let ask = |token: &str| Ask::get("/admin/x").header("authorization", token);
    let claims = |role: &str| json!({"iss": "https://id.example", "role": role, "exp": NOW + 60});
    let action = |ask: &Ask| judge(&policy, ask, 200, &[]).0;
    assert_eq!(action(&ask(&token(SECRET, &claims("admin")))).action, Action::Allow);
    assert_eq!(action(&ask(&token(SECRET, &claims("user")))).action, Action::Block);
    let forged = action(&ask(&token(b"a secret that the issuer does not have", &claims("admin"))));
    assert_eq!(forged.action, Action::Block);
    assert_eq!(forged.signals[0].signal.as_ref(), "site.Forged");
    let unsigned = format!(
        "Bearer {}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        URL_SAFE_NO_PAD.encode(claims("admin").to_string())
    );
    assert_eq!(action(&ask(&unsigned)).action, Action::Block);
    // A good token does not vouch for another one elsewhere in the request.
    let beside = ask(&token(SECRET, &claims("user"))).header(
        "x-other",
        token(b"0123456789abcdef0123456789abcdee", &claims("admin")).trim_start_matches("Bearer "),
    );
    assert_eq!(action(&beside).action, Action::Block);
    assert_eq!(action(&Ask::get("/admin/x")).action, Action::Block);
    assert!(!format!("{canonical:?}").contains(&URL_SAFE_NO_PAD.encode(SECRET)), "a key never shows");
}

#[test]
fn the_origin_lock_blocks_what_comes_around_the_edge() {
    let digest: String = ring::digest::digest(&ring::digest::SHA256, b"hunter2")
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let policy = policy(&json!({
        "lists": {"edge": {"kind": "cidr", "items": ["203.0.113.0/24"]}},
        "originLock": {"list": "edge", "header": "X-Edge", "sha256": digest, "then": [{"block": {"status": 403}}]},
    }));
    let edge = || Ask::get("/").from("203.0.113.9");
    for (ask, action) in [
        (edge().header("x-edge", "hunter2"), Action::Allow),
        (edge().header("x-edge", "hunter3"), Action::Block),
        (edge(), Action::Block),
        (Ask::get("/").from("198.51.100.7").header("x-edge", "hunter2"), Action::Block),
    ] {
        let (before, _) = judge(&policy, &ask, 200, &[]);
        assert_eq!(before.action, action, "{ask:?}");
    }
}

#[test]
fn sections_that_cannot_be_used_are_named_when_the_policy_is_built() {
    for (sections, says) in [
        (json!({"originLock": {"list": "nowhere", "then": "block"}}), "nowhere"),
        (json!({"originLock": {"header": "x-edge", "then": "block"}}), "sha256"),
        (json!({"originLock": {"header": "x-edge", "sha256": "abc", "then": "block"}}), "64 hexadecimal"),
    ] {
        let problems = try_compile(&sections).unwrap_err();
        assert!(problems.iter().any(|problem| problem.to_string().contains(says)), "{problems:?}");
    }
}

//! Rate limits as policies write them: what is counted together, what is not, and what is answered.

use serde_json::{Value, json};

use super::{Ask, policy, rates};
use crate::{Action, Policy, Reason, Subject, Verdict, Workspace, rates::Rates};

fn limited(key: &Value) -> Policy {
    policy(&json!({"rateLimits": [{
        "id": "login", "when": {"field": "path", "equals": "/login"}, "limit": 2, "window": "1m", "key": key,
        "then": ["block", {"signal": "site.Hurried"}], "for": "5m",
    }]}))
}

fn send(policy: &Policy, rates: &Rates, ask: &Ask, now: u64) -> Verdict {
    let request = ask.request();
    let mut outcome = picket_detection::Outcome::default();
    policy.evaluate(&Subject::new(&request, now), Some(&mut outcome), rates, &mut Workspace::default())
}

#[test]
fn the_third_request_is_answered_429_and_a_later_one_passes() {
    let (policy, rates) = (limited(&json!("client")), rates());
    let ask = Ask::get("/login");
    let actions: Vec<_> = (0..3).map(|n| send(&policy, &rates, &ask, super::NOW + n)).collect();
    assert_eq!(
        actions.iter().map(|v| v.action).collect::<Vec<_>>(),
        [Action::Allow, Action::Allow, Action::Block]
    );
    let verdict = &actions[2];
    assert_eq!(
        (verdict.reason, verdict.rule.as_deref(), verdict.retry_after),
        (Reason::RateLimit, Some("login"), Some(300))
    );
    assert_eq!(verdict.answer.as_ref().unwrap().status(), 429);
    assert!(verdict.has_signal("site.Hurried"));
    assert_eq!(send(&policy, &rates, &Ask::get("/other"), super::NOW + 3).action, Action::Allow);
    assert_eq!(send(&policy, &rates, &ask.clone().from("203.0.113.9"), super::NOW + 3).action, Action::Allow);
    assert_eq!(send(&policy, &rates, &ask, super::NOW + 400).action, Action::Allow);
}

#[test]
fn clients_are_told_apart_by_the_key() {
    let two = |policy: &Policy, first: Ask, second: Ask| {
        let rates = rates();
        for _ in 0..3 {
            send(policy, &rates, &first, super::NOW);
        }
        send(policy, &rates, &second, super::NOW).action == Action::Block
    };
    let base = || Ask::get("/login");
    let by_header = limited(&json!({"header": "X-Api-Key"}));
    assert!(two(
        &by_header,
        base().header("x-api-key", "k1"),
        base().header("X-API-KEY", "k1").from("203.0.113.9")
    ));
    assert!(!two(&by_header, base().header("x-api-key", "k1"), base().header("x-api-key", "k2")));
    assert!(!two(&by_header, base(), base()), "without the header nobody is counted");
    let by_both = limited(&json!(["client", {"cookie": "sid"}]));
    assert!(two(&by_both, base().header("cookie", "sid=a"), base().header("cookie", "sid=a")));
    assert!(!two(
        &by_both,
        base().header("cookie", "sid=a"),
        base().header("cookie", "sid=a").from("203.0.113.9")
    ));
    assert!(!two(&by_both, base().header("cookie", "sid=a"), base().header("cookie", "sid=b")));
    let by_parameter = limited(&json!({"parameter": "user"}));
    let form = |user: &str| Ask::post("/login", "application/x-www-form-urlencoded", &format!("user={user}"));
    let body = |user: &str| Ask::post("/login", "application/json", &format!("{{\"user\":\"{user}\"}}"));
    assert!(two(&by_parameter, form("a"), body("a")));
    assert!(!two(&by_parameter, form("a"), form("b")));
    let by_address = limited(&json!("client"));
    assert!(two(&by_address, base().from("2001:db8::1"), base().from("2001:db8::ffff")), "IPv6 by its /64");
}

#[test]
fn a_dry_run_and_a_policy_in_mode_log_let_it_pass() {
    let limit =
        |dry: bool| json!([{"id": "l", "limit": 1, "window": "10m", "then": ["block"], "dryRun": dry}]);
    for (mode, dry, action, would) in
        [("log", false, Action::WouldBlock, 0), ("block", true, Action::Allow, 1)]
    {
        let (policy, rates) = (policy(&json!({"mode": mode, "rateLimits": limit(dry)})), rates());
        send(&policy, &rates, &Ask::get("/"), super::NOW);
        let verdict = send(&policy, &rates, &Ask::get("/"), super::NOW);
        assert_eq!((verdict.action, verdict.would_have.len()), (action, would));
    }
}

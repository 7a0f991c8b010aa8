//! Who wins: the order that docs/policy-precedence.md promises, row by row.

use picket_detection::{Signal, Tier};
use picket_request::Anomaly;
use serde_json::{Value, json};

use super::{Ask, judge, judge_found, odd, policy};
use crate::{Action, BlockLine, Mode, Policy, Reason, draw};

const SQLI: &[(Signal, Tier, &str)] = &[(Signal::Sqli, Tier::Certain, "q")];

fn always(id: &str, then: &Value) -> Value {
    json!({"id": id, "then": then})
}

#[test]
fn allow_wins_over_block_findings_and_rate_limits() {
    let limit = json!([{"id": "l", "limit": 1, "window": "1m", "then": ["block"]}]);
    for rules in [
        json!([always("b", &json!(["block"])), always("a", &json!(["allow"]))]),
        json!([always("a", &json!(["allow"])), always("b", &json!(["block"]))]),
    ] {
        let policy = policy(&json!({"rules": rules, "rateLimits": limit}));
        let verdict = judge_found(&policy, &Ask::get("/?q=x"), SQLI);
        assert_eq!((verdict.action, verdict.reason), (Action::Allow, Reason::Rule));
        assert_eq!(verdict.rule.as_deref(), Some("a"));
    }
}

#[test]
fn the_floor_wins_over_allow() {
    let policy = policy(&json!({
        "mode": "off",
        "floor": {"mode": "block", "blockOn": "certain", "rules": [{"id": "f", "when": {"field": "path", "like": "/internal*"}, "then": ["block"]}]},
        "rules": [always("a", &json!(["allow"]))],
        "ramp": 0,
        "blockOn": "flagged",
    }));
    assert!(policy.may_inspect());
    let verdict = judge(&policy, &Ask::get("/internal/x"));
    assert_eq!((verdict.action, verdict.rule.as_deref()), (Action::Block, Some("f")));
    assert_eq!(judge(&policy, &Ask::get("/x")).action, Action::Allow);
}

#[test]
fn a_floor_tightens_mode_and_line_and_never_weakens_them() {
    use Mode::{Block, Log, Off};
    let mode = |own: Mode, floor: Mode| {
        let policy = policy(&json!({"mode": own.to_string(), "floor": {"mode": floor.to_string()}}));
        judge_found(&policy, &Ask::get("/?q=x"), SQLI).mode
    };
    for (own, floor, held) in
        [(Off, Log, Log), (Log, Block, Block), (Block, Log, Block), (Block, Off, Block), (Off, Off, Off)]
    {
        assert_eq!(mode(own, floor), held, "{own} {floor}");
    }
    let strict = policy(&json!({"blockOn": "flagged", "floor": {"blockOn": "certain"}}));
    assert_eq!(judge_found(&strict, &Ask::get("/?q=x"), SQLI).action, Action::Block);
    let stricter = policy(&json!({"blockOn": "likely", "floor": {"blockOn": "certain"}}));
    let likely = [(Signal::Sqli, Tier::Likely, "q")];
    assert_eq!(judge_found(&stricter, &Ask::get("/?q=x"), &likely).action, Action::Block);
    assert_eq!(crate::evaluate::stricter_line(BlockLine::Flagged, BlockLine::Certain), BlockLine::Certain);
}

#[test]
fn the_mode_of_a_whole_function_is_known_without_a_path() {
    let policy = policy(&json!({
        "mode": "log",
        "overrides": [
            {"functions": ["pay-*"], "paths": ["/health"], "mode": "off"},
            {"functions": ["pay-*"], "mode": "block"},
            {"functions": ["old-*"], "mode": "off"},
        ],
    }));
    assert_eq!(
        ["pay-in", "old-in", "new"].map(|name| policy.mode_of(name)),
        [Mode::Block, Mode::Off, Mode::Log]
    );
    let mut fixed = policy.clone();
    (fixed.mode, fixed.mode_is_final) = (Mode::Log, true);
    assert_eq!(fixed.mode_of("pay-in"), Mode::Log, "PICKET_MODE holds over overrides");
    fixed.tighten(Some(Mode::Block), None);
    assert_eq!(fixed.mode_of("old-in"), Mode::Block, "and a floor over both");
}

#[test]
fn a_floor_that_would_weaken_is_refused() {
    let floor = json!({"floor": {"rules": [{"id": "f", "then": ["allow"]}]}});
    let problems = super::try_compile(&floor).unwrap_err();
    assert!(problems[0].message.contains("only tighten"), "{problems:?}");
}

#[test]
fn a_rule_blocks_before_a_rate_limit_and_that_before_a_finding() {
    let limit = json!([{"id": "l", "limit": 1, "window": "1m", "then": ["block"]}]);
    let with_rule =
        policy(&json!({"rules": [always("b", &json!([{"block": {"status": 403}}]))], "rateLimits": limit}));
    let verdict = judge_found(&with_rule, &Ask::get("/?q=x"), SQLI);
    assert_eq!((verdict.reason, verdict.rule.as_deref()), (Reason::Rule, Some("b")));
    assert_eq!(verdict.answer.unwrap().status(), 403);
    let policy = policy(&json!({"rateLimits": limit}));
    let (rates, ask) = (super::rates(), Ask::get("/?q=x"));
    let request = ask.request();
    let subject = crate::Subject::new(&request, super::NOW);
    let mut reasons = Vec::new();
    for _ in 0..2 {
        let mut outcome = super::outcome(&request, SQLI);
        let verdict = policy.evaluate(&subject, Some(&mut outcome), &rates, &mut crate::Workspace::default());
        reasons.push(verdict.reason);
    }
    assert_eq!(reasons, [Reason::Finding(0), Reason::RateLimit]);
}

#[test]
fn of_several_blocks_the_first_one_answers() {
    let block = |id: &str, status: u16| always(id, &json!([{"block": {"status": status}}]));
    let policy = policy(
        &json!({"answer": {"status": 418, "headers": {"x-a": "b"}}, "rules": [block("one", 401), block("two", 402)]}),
    );
    let verdict = judge(&policy, &Ask::get("/"));
    assert_eq!(verdict.rule.as_deref(), Some("one"));
    assert_eq!(verdict.answer.unwrap().status(), 401);
    assert_eq!(policy.response.status(), 418);
}

#[test]
fn mode_log_says_what_mode_block_would_do_and_off_says_nothing() {
    let of = |mode: &str| {
        policy(&json!({"mode": mode, "rules": [always("b", &json!(["block", {"signal": "site.A"}]))]}))
    };
    let logged = judge(&of("log"), &Ask::get("/"));
    assert_eq!((logged.action, logged.rule.as_deref()), (Action::WouldBlock, Some("b")));
    assert!(logged.has_signal("site.A"));
    let off = judge(&of("off"), &Ask::get("/"));
    assert_eq!((off.action, off.signals.len()), (Action::Allow, 0));
}

#[test]
fn the_ramp_blocks_its_share_and_logs_the_rest() {
    let ramped = policy(&json!({"ramp": 30, "rules": [always("b", &json!(["block"]))]}));
    let request = Ask::get("/").request();
    let mut blocked = 0;
    for n in 0..1000 {
        let id = format!("id-{n}");
        let mut subject = crate::Subject::new(&request, super::NOW);
        subject.request_id = &id;
        let mut outcome = picket_detection::Outcome::default();
        let verdict =
            ramped.evaluate(&subject, Some(&mut outcome), &super::rates(), &mut crate::Workspace::default());
        let inside = draw(&id, "") < 30;
        assert_eq!(verdict.action, if inside { Action::Block } else { Action::WouldBlock });
        assert_eq!(verdict.outside_ramp, !inside);
        blocked += usize::from(inside);
    }
    assert!((230..370).contains(&blocked), "{blocked}");
}

#[test]
fn the_first_override_that_fits_holds_unless_the_mode_is_final() {
    let mut policy = policy(&json!({
        "rules": [always("b", &json!(["block"]))],
        "overrides": [
            {"functions": ["*-admin"], "mode": "off"},
            {"paths": ["/hooks/*"], "mode": "log", "answer": {"status": 410}},
            {"functions": ["shop-*"], "paths": ["/hooks/*", "/x"], "mode": "off"},
        ],
    }));
    let mode = |policy: &Policy, target: &str| judge(policy, &Ask::get(target)).mode;
    assert_eq!(mode(&policy, "/hooks/a"), Mode::Log);
    assert_eq!(mode(&policy, "/x"), Mode::Off);
    assert_eq!(mode(&policy, "/y"), Mode::Block);
    policy.mode_is_final = true;
    assert_eq!(mode(&policy, "/x"), Mode::Block);
    assert_eq!(judge(&policy, &Ask::get("/hooks/a")).answer.unwrap().status(), 410);
}

#[test]
fn a_dry_run_says_what_it_would_have_done_and_does_nothing() {
    let rules = json!([
        {"id": "dry", "dryRun": true, "then": ["block", {"signal": "site.A"}]},
        {"id": "reads", "when": {"field": "signal", "equals": "site.A"}, "then": ["block"]},
    ]);
    let verdict = judge(&policy(&json!({"rules": rules})), &Ask::get("/"));
    assert_eq!((verdict.action, verdict.signals.len()), (Action::Allow, 0));
    let would: Vec<_> = verdict.would_have.iter().map(|one| (&*one.rule, one.effect)).collect();
    assert_eq!(would, [("dry", "block"), ("dry", "signal")]);
}

#[test]
fn a_rule_ends_with_its_last_day() {
    // The day of the tests is 2026-11-25.
    for (day, action) in [("2026-11-24", Action::Allow), ("2026-11-25", Action::Block)] {
        let policy = policy(&json!({"rules": [{"id": "b", "expires": day, "then": ["block"]}]}));
        assert_eq!(judge(&policy, &Ask::get("/")).action, action, "{day}");
    }
}

#[test]
fn a_signal_reaches_the_rules_that_read_it_whatever_their_order() {
    let give =
        json!({"id": "give", "when": {"field": "path", "equals": "/x"}, "then": [{"signal": "site.A"}]});
    let pass = json!({"id": "pass", "when": {"field": "signal", "equals": "site.A"}, "then": [{"signal": "site.B"}, {"tag": "b"}]});
    let block =
        json!({"id": "block", "when": {"all": [{"field": "signal", "equals": "site.B"}]}, "then": ["block"]});
    let without = json!({"id": "without", "when": {"not": {"field": "signal", "equals": "site.B"}}, "then": [{"tag": "none"}]});
    for order in
        [[&give, &pass, &block, &without], [&without, &block, &pass, &give], [&pass, &without, &give, &block]]
    {
        let policy = policy(&json!({"rules": order}));
        let verdict = judge(&policy, &Ask::get("/x"));
        assert_eq!((verdict.action, verdict.rule.as_deref()), (Action::Block, Some("block")));
        assert_eq!(verdict.tags.iter().map(|tag| &**tag).collect::<Vec<_>>(), ["b"]);
        let other = judge(&policy, &Ask::get("/y"));
        assert_eq!(other.action, Action::Allow);
        assert_eq!(other.tags.iter().map(|tag| &**tag).collect::<Vec<_>>(), ["none"]);
    }
}

#[test]
fn rules_that_wait_for_each_other_are_refused() {
    let rules = json!([
        {"id": "a", "when": {"field": "signal", "equals": "site.B"}, "then": [{"signal": "site.A"}]},
        {"id": "b", "when": {"not": {"field": "signal", "equals": "site.A"}}, "then": [{"signal": "site.B"}]},
    ]);
    let problems = super::try_compile(&json!({"rules": rules})).unwrap_err();
    assert!(problems[0].message.contains("depends on what it does itself"), "{problems:?}");
}

#[test]
fn excluding_rules_take_out_what_they_name_before_anything_else_is_judged() {
    let rules = json!([
        {"id": "b", "when": {"field": "signal", "equals": "SQLI"}, "then": ["block"]},
        {"id": "x", "when": {"field": "path", "like": "/search*"}, "then": [{"excludeSignal": {"signal": "SQLI", "at": "query.q"}}]},
    ]);
    let policy = policy(&json!({"rules": rules}));
    let other = [(Signal::Sqli, Tier::Certain, "r")];
    let verdict = judge_found(&policy, &Ask::get("/search?q=x"), SQLI);
    assert_eq!((verdict.action, verdict.excluded), (Action::Allow, 1));
    assert_eq!(judge_found(&policy, &Ask::get("/other?q=x"), SQLI).action, Action::Block);
    assert_eq!(judge_found(&policy, &Ask::get("/search?r=x"), &other).action, Action::Block);
}

#[test]
fn an_anomaly_that_is_excluded_is_not_seen_by_rules() {
    let sections = |exclusions: Value| {
        policy(&json!({
            "rules": [{"id": "b", "when": {"field": "signal", "equals": "NULLBYTE"}, "then": ["block"]}],
            "exclusions": exclusions,
        }))
    };
    let ask = Ask::get("/?q=a%00b");
    let found = [(odd(Anomaly::NullByte), Tier::Possible, "q")];
    assert_eq!(judge_found(&sections(json!([])), &ask, &found).action, Action::Block);
    let excluded = sections(
        json!([{"signal": "NULLBYTE", "at": "query.q", "path": "/*", "expires": "2027-01-01", "why": "old client"}]),
    );
    assert_eq!(judge_found(&excluded, &ask, &found).action, Action::Allow);
    let over = sections(json!([{"signal": "NULLBYTE", "at": "query.q", "expires": "2026-01-01"}]));
    assert_eq!(judge_found(&over, &ask, &found).action, Action::Block);
}

#[test]
fn sampling_stores_its_share_and_a_logging_rule_logs_it() {
    let policy = policy(&json!({"rules": [{"id": "s", "sample": 20, "then": ["log"]}]}));
    let request = Ask::get("/").request();
    let mut stored = 0;
    for n in 0..1000 {
        let id = format!("id-{n}");
        let mut subject = crate::Subject::new(&request, super::NOW);
        subject.request_id = &id;
        let mut outcome = picket_detection::Outcome::default();
        let verdict =
            policy.evaluate(&subject, Some(&mut outcome), &super::rates(), &mut crate::Workspace::default());
        assert_eq!(verdict.stored, verdict.logged_by.is_some());
        stored += usize::from(verdict.stored);
    }
    assert!((140..260).contains(&stored), "{stored}");
}

#[test]
fn an_origin_lock_is_a_rule_on_its_signal() {
    let policy = policy(
        &json!({"originLock": {"header": "x-origin", "sha256": "0".repeat(64), "then": {"block": {"status": 403}}}}),
    );
    let request = Ask::get("/").request();
    let mut subject = crate::Subject::new(&request, super::NOW);
    let seen = [crate::Seen { signal: "ORIGIN-BYPASS", at: "" }];
    let mut outcome = picket_detection::Outcome::default();
    let mut verdict = |subject: &crate::Subject<'_>| {
        policy.evaluate(subject, Some(&mut outcome), &super::rates(), &mut crate::Workspace::default())
    };
    assert_eq!(verdict(&subject).action, Action::Allow);
    subject.seen = &seen;
    assert_eq!(verdict(&subject).action, Action::Block);
}

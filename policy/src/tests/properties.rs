//! What holds for every policy that parses and every request.

use picket_detection::{Signal, Tier};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Ask, outcome, rates, try_compile};
use crate::{Action, Policy, Response, Subject, Workspace};

fn field_test() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just("/a"),
        Just("/admin/*"),
        Just("x"),
        Just("*"),
        Just("?b*"),
        Just(""),
        Just("dmin"),
        Just("*min/*"),
        Just("aaaa"),
        Just("*zil?a*"),
    ];
    let single = (
        prop_oneof![Just("path"), Just("method"), Just("domain"), Just("userAgent"), Just("function")],
        prop_oneof![Just("equals"), Just("contains"), Just("like")],
        text.clone(),
    )
        .prop_map(|(field, operator, text)| json!({"field": field, operator: text}));
    let named = (
        prop_oneof![Just("query"), Just("header"), Just("cookie"), Just("json"), Just("form")],
        prop_oneof![Just("a"), Just("b.c"), Just("user-agent")],
        prop_oneof![Just("equals"), Just("like"), Just("greater")],
        text,
    )
        .prop_map(|(field, name, operator, text)| {
            let value = if operator == "greater" { json!(3) } else { json!(text) };
            json!({"field": field, "name": name, operator: value})
        });
    let regex = prop_oneof![Just("^/a"), Just("[ab]+$"), Just(""), Just("(?i)X|y*")]
        .prop_map(|regex| json!({"field": "path", "matches": regex}));
    let signal = prop_oneof![Just("SQLI"), Just("XSS"), Just("site.A"), Just("NOUA")]
        .prop_map(|signal| json!({"field": "signal", "equals": signal}));
    let client = prop_oneof![Just("198.51.100.0/24"), Just("0.0.0.0/0"), Just("::/0"), Just("10.0.0.1")]
        .prop_map(|net| json!({"field": "client", "inCidr": net}));
    let answer =
        prop_oneof![Just(200), Just(500)].prop_map(|status| json!({"field": "status", "equals": status}));
    let unnamed = (
        prop_oneof![Just("query"), Just("header"), Just("cookie"), Just("json"), Just("form")],
        prop_oneof![Just("equals"), Just("contains"), Just("like")],
        prop_oneof![Just("dmin"), Just("*min*"), Just("aaaa"), Just("*Zill*"), Just("mozilla")],
    )
        .prop_map(|(field, operator, text)| json!({"field": field, operator: text}));
    let unnamed_regex = (
        prop_oneof![Just("query"), Just("header"), Just("json")],
        prop_oneof![
            Just("(?i)DMIN|aaaa"),
            Just("Mo.illa|admin$"),
            Just("^mozilla"),
            Just("(x|aaaa)+"),
            Just("[a-z]dmin")
        ],
    )
        .prop_map(|(field, regex)| json!({"field": field, "matches": regex}));
    prop_oneof![single, named, unnamed, regex, unnamed_regex, signal, client, answer]
}

fn condition() -> impl Strategy<Value = Value> {
    field_test().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|all| json!({"all": all})),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|any| json!({"any": any})),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|none| json!({"none": none})),
            inner.prop_map(|one| json!({"not": one})),
        ]
    })
}

fn effects() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(["block"])),
        Just(json!([{"block": {"status": 403}}])),
        Just(json!(["allow"])),
        Just(json!(["log", {"tag": "t"}])),
        Just(json!([{"signal": "site.B"}])),
        Just(json!([{"excludeSignal": {"signal": "SQLI"}}])),
        Just(json!([{"excludeSignal": {"signal": "XSS", "at": "query.a"}}])),
    ]
}

fn rules() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec((condition(), effects(), any::<bool>(), prop::option::of(0..=100_u8)), 0..6).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(|(n, (when, then, dry_run, sample))| {
                let mut rule = json!({"id": format!("r{n}"), "when": when, "then": then, "dryRun": dry_run && n % 2 == 0});
                if let Some(sample) = sample {
                    rule["sample"] = json!(sample);
                }
                rule
            })
            .collect()
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    ("(/a|/admin/x|/b|//a/../c)?(\\?(a|b|b.c)=([a-z0-9%]{0,6}|aaaaa|dmin))?", "[ -~]{0,12}", any::<bool>())
        .prop_map(|(target, value, post)| {
            let ask = if post {
                Ask::post(
                    &target,
                    "application/json",
                    &format!("{{\"a\":1,\"b\":{{\"c\":\"{}\"}}}}", value.replace(['"', '\\'], "")),
                )
            } else {
                Ask::get(&target)
            };
            ask.header("cookie", "a=x").header("a", "7")
        })
}

const FOUND: &[(Signal, Tier, &str)] = &[
    (Signal::Sqli, Tier::Certain, "a"),
    (Signal::Xss, Tier::Likely, "a"),
    (Signal::Cmdexe, Tier::Possible, "b"),
];

fn load(rules: &[Value]) -> Option<Policy> {
    // Some drawn rules are refused, for instance a dry allow on an answer; what compiles must load.
    let canonical = try_compile(&json!({"rules": rules})).ok()?;
    Some(Policy::read(&canonical.write()).expect("what compiles loads"))
}

fn look(policy: &Policy, ask: &Ask) -> (crate::Verdict, Vec<Signal>) {
    let request = ask.request();
    let mut found = outcome(&request, FOUND);
    let mut subject = Subject::new(&request, super::NOW);
    subject.request_id = "8f5c";
    let mut workspace = Workspace::default();
    let verdict = policy.evaluate(&subject, Some(&mut found), &rates(), &mut workspace);
    let response = Response { status: Some(500), ..Response::default() };
    subject.response = Some(&response);
    let after = policy.respond(&subject, &found, &verdict, &mut workspace);
    assert!(after.action != Action::WouldBlock, "mode block replaces");
    (verdict, found.findings.iter().map(|finding| finding.signal).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_rules_does_not_change_the_verdict(rules in rules(), ask in ask(), turn in 0..6_usize) {
        let Some(first) = load(&rules) else { return Ok(()) };
        let mut other = rules.clone();
        let length = other.len().max(1);
        other.rotate_left(turn % length);
        other.reverse();
        let second = load(&other).expect("the order does not decide whether it compiles");
        let ((one, kept), (two, also_kept)) = (look(&first, &ask), look(&second, &ask));
        prop_assert_eq!(one.action, two.action);
        prop_assert_eq!(one.reason, two.reason);
        prop_assert_eq!(one.stored, two.stored);
        prop_assert_eq!(kept, also_kept);
        let names = |verdict: &crate::Verdict| {
            let mut names: Vec<_> = verdict.signals.iter().map(|given| given.signal.to_string()).collect();
            names.extend(verdict.tags.iter().map(ToString::to_string));
            names.sort();
            names
        };
        prop_assert_eq!(names(&one), names(&two));
    }

    #[test]
    fn the_index_finds_every_rule_that_holds(rules in rules(), ask in ask()) {
        let Some(policy) = load(&rules) else { return Ok(()) };
        let indexed = look(&policy, &ask);
        // The same rules behind a part that every request has and no index can use.
        let plain: Vec<Value> = rules
            .iter()
            .map(|rule| {
                let mut rule = rule.clone();
                rule["when"] = json!({"not": {"not": rule["when"]}});
                rule
            })
            .collect();
        let plain = look(&load(&plain).expect("it means the same"), &ask);
        prop_assert_eq!(indexed, plain);
    }

    #[test]
    fn an_exclusion_removes_exactly_what_it_names(signal in 0..3_usize, place in prop_oneof![Just("query.a"), Just("query.b"), Just("body.a")], path in prop_oneof![Just("/a"), Just("/b")], ask in ask()) {
        let (excluded, ..) = FOUND[signal];
        let policy = load(&[]).unwrap();
        let (_, before) = look(&policy, &ask);
        let canonical = try_compile(&json!({"exclusions": [{"signal": excluded.id(), "at": place, "path": path}]})).unwrap();
        let (_, after) = look(&Policy::read(&canonical.write()).unwrap(), &ask);
        let request = ask.request();
        let mut resolved = Vec::new();
        crate::rules::facts::resolve_path(request.bytes(request.path), &mut resolved);
        let expected: Vec<Signal> = outcome(&request, FOUND)
            .findings
            .iter()
            .filter(|finding| {
                let named = finding.signal == excluded && request.render(finding.location) == place;
                !(named && resolved == path.as_bytes())
            })
            .map(|finding| finding.signal)
            .collect();
        prop_assert_eq!(before.len(), FOUND.len());
        prop_assert_eq!(after, expected);
    }
}

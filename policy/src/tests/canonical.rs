//! The canonical form: the same bytes for the same policy, and reasons instead of panics for broken ones.

use serde_json::{Value, json};

use super::{canonical, try_compile};
use crate::{Broken, Policy, canonical::Canonical};

fn example() -> Value {
    json!({
        "lists": {"office": {"kind": "cidr", "items": ["192.0.2.128/25", "192.0.2.0/25", "192.0.2.7"]}, "s": {"kind": "string", "items": ["b", "a", "b"]}},
        "rules": [{"id": "r", "when": {"all": [{"field": "path", "matches": "^/a+$"}, {"field": "client", "inList": "office"}]}, "then": [{"block": {"status": 403}}, {"signal": "site.A"}]}],
        "rateLimits": [{"id": "l", "limit": 100, "window": "1m", "key": ["client", {"header": "X-Api-Key"}], "then": ["block"], "for": "10m"}],
        "templates": [{"signal": "LOGINATTEMPT", "path": "/login", "success": {"status": 302}, "failure": {"status": [401, 403]}}],
        "exclusions": [{"signal": "SQLI", "at": "query.q", "path": "/search*", "expires": "2027-01-01", "why": "search"}],
        "overrides": [{"paths": ["/hooks/*"], "mode": "log"}],
        "redactions": [{"parameter": "ssn"}, {"header": "X-Internal"}],
    })
}

#[test]
fn what_was_written_is_read_and_written_alike() {
    let first = canonical(&example());
    let bytes = first.write();
    assert_eq!(Canonical::read(&bytes).unwrap(), first);
    assert_eq!(Canonical::read(&bytes).unwrap().write(), bytes);
    assert_eq!(canonical(&example()).write(), bytes, "compiling again gives the same bytes");
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(r#""cidr":["192.0.2.0/24"]"#) && text.contains(r#""string":["a","b"]"#), "{text}");
    assert!(!text.contains("X-Api-Key"), "header names are in lower case");
}

#[test]
fn every_cut_of_a_policy_is_refused() {
    let bytes = canonical(&example()).write();
    for end in 0..bytes.len() {
        assert!(Policy::read(&bytes[..end]).is_err(), "{end}");
    }
}

#[test]
fn no_changed_byte_makes_reading_panic() {
    let bytes = canonical(&example()).write();
    let mut refused = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] = changed[at].wrapping_add(1);
        refused += usize::from(Policy::read(&changed).is_err());
    }
    assert!(refused > bytes.len() / 4, "{refused}");
}

#[test]
fn broken_policies_say_what_is_wrong() {
    let change = |path: &str, value: Value| {
        let mut policy: Value = serde_json::from_slice(&canonical(&example()).write()).unwrap();
        *policy.pointer_mut(path).unwrap() = value;
        Policy::read(policy.to_string().as_bytes()).unwrap_err().to_string()
    };
    for (path, value, said) in [
        ("/picket", json!(2), "its format is 2, and this agent reads 1"),
        ("/patterns/0/dfa", json!("AAAA"), "broken automaton"),
        ("/patterns/0/dfa", json!("*"), "no base64"),
        ("/patterns", json!([]), "there is no pattern 0"),
        ("/rules/0/id", json!(""), "id is empty"),
        ("/rules/0/then", json!([]), "0 effects"),
        ("/rules/1/id", json!("r"), "the same id"),
        ("/rules/0/then/0/block/status", json!(200), "200 is not 301"),
        ("/rateLimits/0/window", json!(61), "not 1, 10 or 60 minutes"),
        ("/rateLimits/0/key", json!([]), "neither one nor two"),
        ("/rateLimits/0/limit", json!(0), "its limit is not"),
        ("/exclusions/0/signal", json!("NOSUCH"), "no signal"),
        ("/lists", json!({}), "there is no list"),
        ("/mode", json!("maybe"), "not a canonical policy"),
        ("/name", json!(7), "not a canonical policy"),
        ("/ramp", json!(1), ""),
    ] {
        if path == "/ramp" {
            continue;
        }
        let error = change(path, value);
        assert!(error.contains(said), "{path}: {error}");
    }
    assert!(matches!(Policy::read(b"picket: 1\nname: shop\n"), Err(Broken::Syntax(_))));
    assert!(matches!(
        Policy::read(&vec![b' '; crate::limits::CANONICAL_BYTES + 1]),
        Err(Broken::TooLarge { .. })
    ));
}

#[test]
fn a_condition_nested_too_deeply_is_refused() {
    let mut condition = json!({"field": "path", "equals": "/"});
    for _ in 0..20 {
        condition = json!({"not": condition});
    }
    let problems =
        try_compile(&json!({"rules": [{"id": "r", "when": condition, "then": ["block"]}]})).unwrap_err();
    assert_eq!((problems[0].place.as_str(), problems.len()), ("rules[0]", 1));
    assert!(problems[0].message.contains("nested too deeply"), "{problems:?}");
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    assert!(Policy::read(format!("{{\"picket\":1,\"rules\":{deep}}}").as_bytes()).is_err());
}

#[test]
fn problems_name_their_place_and_what_was_expected() {
    let of = |sections: Value| try_compile(&sections).unwrap_err();
    let rule = |when: Value| json!({"rules": [{"id": "r", "when": when, "then": ["block"]}]});
    for (sections, place, said) in [
        (
            rule(json!({"field": "path", "matches": "("})),
            "rules[0].when.matches",
            "not a regular expression: unclosed group",
        ),
        (
            rule(json!({"field": "path", "matches": "a{1000}{1000}"})),
            "rules[0].when.matches",
            "automaton would have more",
        ),
        (
            rule(json!({"any": [{"field": "path", "inList": "no"}]})),
            "rules[0].when.any[0].inList",
            "no list `no`",
        ),
        (rule(json!({"field": "client", "contains": "a"})), "rules[0].when", "is an address"),
        (
            rule(json!({"field": "client", "inCidr": "10.0.0.0/33"})),
            "rules[0].when.inCidr[0]",
            "not an address or a range",
        ),
        (rule(json!({"field": "requestSize", "greater": "1GB"})), "rules[0].when", "number of bytes"),
        (rule(json!({"field": "path", "greater": 3})), "rules[0].when", "is a text"),
        (rule(json!({"field": "path", "name": "x", "equals": "y"})), "rules[0].when.name", "has no names"),
        (
            rule(json!({"field": "path", "existsWhere": {"value": {"equals": "x"}}})),
            "rules[0].when.existsWhere",
            "one value only",
        ),
        (json!({"rules": [{"id": "a b", "then": ["log"]}]}), "rules[0].id", "is no id"),
        (
            json!({"rules": [{"id": "a", "then": ["log"]}, {"id": "a", "then": ["log"]}]}),
            "rules[1].id",
            "stands at rules[0] already",
        ),
        (
            json!({"rules": [{"id": "a", "then": [{"signal": "SQLI"}]}]}),
            "rules[0].then[0].signal",
            "cannot be given",
        ),
        (json!({"rules": [{"id": "a", "then": [{"block": {"status": 200}}]}]}), "rules[0]", "200 is not 301"),
        (
            json!({"lists": {"l": {"kind": "country", "items": ["Germany"]}}}),
            "lists.l.items[0]",
            "two letters",
        ),
        (
            json!({"templates": [{"signal": "EMAIL-CHANGED", "path": "/m", "success": {"status": 200}}]}),
            "templates[0].success",
            "has no success",
        ),
        (json!({"jwt": {"jwks": "keys.json"}}), "jwt.jwks", "there is no file `keys.json`"),
    ] {
        let problems = of(sections);
        assert!(
            problems.iter().any(|one| one.place == place && one.message.contains(said)),
            "{place}: {problems:?}"
        );
    }
}

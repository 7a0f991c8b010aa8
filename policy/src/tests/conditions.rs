//! Every field and every operator, once matching and at least once not.

use picket_detection::{Signal, Tier};
use serde_json::{Value, json};

use super::{Ask, judge, judge_found, policy, when};
use crate::{Action, Geo, Subject, Workspace};

fn holds(condition: &Value, ask: &Ask) -> bool {
    judge(&when(condition), ask).action == Action::Block
}

#[test]
fn single_fields_compare_as_they_read() {
    let base = Ask::get("/admin/x?q=1");
    let long = Ask::post("/a", "text/plain", "0123456789");
    let table: &[(Value, &Ask, bool)] = &[
        (json!({"field": "method", "equals": "GET"}), &base, true),
        (json!({"field": "method", "equals": ["POST", "get"]}), &base, true),
        (json!({"field": "method", "equals": "POST"}), &base, false),
        (json!({"field": "domain", "equals": "shop.example"}), &base, true),
        (json!({"field": "domain", "equals": "SHOP.example"}), &base, true),
        (json!({"field": "domain", "like": "*.example.org"}), &base, false),
        (json!({"field": "path", "like": "/admin/*"}), &base, true),
        (json!({"field": "path", "equals": "/admin/x"}), &base, true),
        (json!({"field": "path", "equals": "/admin"}), &base, false),
        (json!({"field": "path", "contains": "min"}), &base, true),
        (json!({"field": "path", "matches": "^/(admin|root)/[a-z]$"}), &base, true),
        (json!({"field": "path", "matches": "^/(admin|root)/[0-9]$"}), &base, false),
        (json!({"field": "userAgent", "like": "curl/*"}), &base, true),
        (json!({"field": "client", "equals": "198.51.100.7"}), &base, true),
        (json!({"field": "client", "inCidr": "198.51.100.0/24"}), &base, true),
        (json!({"field": "client", "inCidr": ["10.0.0.0/8", "2001:db8::/32"]}), &base, false),
        (json!({"field": "requestSize", "greaterOrEqual": 10}), &long, true),
        (json!({"field": "requestSize", "greater": 10}), &long, false),
        (json!({"field": "requestSize", "less": "1KB"}), &long, true),
        (json!({"field": "requestSize", "lessOrEqual": 9}), &long, false),
        (json!({"field": "eventSource", "equals": "http-v2"}), &base, true),
        (json!({"field": "eventSource", "equals": "alb"}), &base, false),
        (json!({"field": "function", "like": "shop-*"}), &base, true),
        (json!({"field": "function", "equals": "other"}), &base, false),
        (json!({"field": "timeOfDay", "greaterOrEqual": "08:00"}), &base, true),
        (json!({"field": "timeOfDay", "less": "08:00"}), &base, false),
        (json!({"field": "tenant", "exists": true}), &base, false),
        (json!({"field": "tenant", "exists": false}), &base, true),
        (json!({"field": "status", "equals": 200}), &base, false),
    ];
    for (condition, ask, expected) in table {
        assert_eq!(holds(condition, ask), *expected, "{condition}");
    }
}

#[test]
fn a_path_is_compared_as_the_router_sees_it() {
    let condition = json!({"field": "path", "like": "/admin/*"});
    for path in [
        "/admin/x",
        "//admin//x",
        "/%61dmin/x",
        "/a/../admin/x",
        "/./admin/x",
        "/admin%2Fx",
        "/a/..%2fadmin/x",
    ] {
        assert!(holds(&condition, &Ask::get(path)), "{path}");
    }
    for path in ["/admin", "/Admin/x", "/x/admin/x", "/admin/../x", "/?/admin/x"] {
        assert!(!holds(&condition, &Ask::get(path)), "{path}");
    }
}

#[test]
fn named_fields_exist_where_name_and_value_fit_together() {
    let query = Ask::get("/?a=1&b=two&a=30");
    let form = Ask::post("/", "application/x-www-form-urlencoded", "role=admin&note=x");
    let body = Ask::post("/", "application/json", r#"{"user":{"role":"admin"},"items":[{"note":"hi"}]}"#);
    let cookie = Ask::get("/").header("cookie", "theme=dark; sid=abc");
    let table: &[(Value, &Ask, bool)] = &[
        (json!({"field": "query", "name": "a", "exists": true}), &query, true),
        (json!({"field": "query", "name": "c", "exists": true}), &query, false),
        (json!({"field": "query", "name": "c", "exists": false}), &query, true),
        (json!({"field": "query", "name": "b", "equals": "two"}), &query, true),
        (json!({"field": "query", "name": "a", "equals": "two"}), &query, false),
        (json!({"field": "query", "name": "a", "greater": 20}), &query, true),
        (json!({"field": "query", "name": "a", "greater": 30}), &query, false),
        (json!({"field": "query", "contains": "tw"}), &query, true),
        (
            json!({"field": "query", "existsWhere": {"name": {"like": "b*"}, "value": {"matches": "^t"}}}),
            &query,
            true,
        ),
        (
            json!({"field": "query", "existsWhere": {"name": {"like": "a*"}, "value": {"matches": "^t"}}}),
            &query,
            false,
        ),
        (json!({"field": "form", "name": "role", "equals": "admin"}), &form, true),
        (json!({"field": "form", "name": "note", "equals": "admin"}), &form, false),
        (json!({"field": "json", "name": "role", "equals": "admin"}), &body, true),
        (json!({"field": "json", "name": "user.role", "equals": "admin"}), &body, true),
        (json!({"field": "json", "name": "items.note", "equals": "hi"}), &body, true),
        (json!({"field": "json", "name": "item.role", "equals": "admin"}), &body, false),
        (json!({"field": "header", "name": "User-Agent", "like": "curl/*"}), &query, true),
        (json!({"field": "header", "name": "x-none", "exists": true}), &query, false),
        (json!({"field": "header", "existsWhere": {"name": {"like": "user-*"}}}), &query, true),
        (json!({"field": "cookie", "name": "sid", "equals": "abc"}), &cookie, true),
        (json!({"field": "cookie", "name": "theme", "equals": "abc"}), &cookie, false),
    ];
    for (condition, ask, expected) in table {
        assert_eq!(holds(condition, ask), *expected, "{condition}");
    }
}

#[test]
fn a_claim_is_looked_at_by_name() {
    // {"alg":"none"} and {"sub":"u1","role":"admin"}.
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSIsInJvbGUiOiJhZG1pbiJ9.";
    let ask = Ask::get("/").header("authorization", &format!("Bearer {token}"));
    assert!(holds(&json!({"field": "jwtClaim", "name": "role", "equals": "admin"}), &ask));
    assert!(!holds(&json!({"field": "jwtClaim", "name": "role", "equals": "user"}), &ask));
    assert!(!holds(&json!({"field": "jwtClaim", "name": "aud", "exists": true}), &ask));
    assert!(holds(&json!({"field": "signal", "equals": "JWT-NONE"}), &ask));
}

#[test]
fn groups_nest() {
    let ask = Ask::get("/admin/x");
    let yes = || json!({"field": "path", "like": "/admin/*"});
    let no = || json!({"field": "method", "equals": "POST"});
    let table = [
        (json!({"all": [yes(), yes()]}), true),
        (json!({"all": [yes(), no()]}), false),
        (json!({"any": [no(), yes()]}), true),
        (json!({"any": [no(), no()]}), false),
        (json!({"none": [no(), no()]}), true),
        (json!({"none": [no(), yes()]}), false),
        (json!({"not": no()}), true),
        (json!({"not": {"all": [yes(), {"any": [no(), {"not": no()}]}]}}), false),
        (json!({"all": []}), true),
        (json!({"any": []}), false),
    ];
    for (condition, expected) in table {
        assert_eq!(holds(&condition, &ask), expected, "{condition}");
    }
}

#[test]
fn lists_of_every_kind_are_looked_up() {
    let lists = json!({
        "names": {"kind": "string", "items": ["/a", "/b"]},
        "shapes": {"kind": "wildcard", "items": ["*.php", "/wp-*"]},
        "office": {"kind": "cidr", "items": ["198.51.100.0/25", "2001:db8::1"]},
        "lands": {"kind": "country", "items": ["de", "AT"]},
        "bad": {"kind": "signal", "items": ["SQLI", "XSS"]},
        "nets": {"kind": "asn", "items": ["AS64496", "64511"]},
    });
    let holds = |condition: Value, target: &str, client: &'static str| {
        let policy =
            policy(&json!({"lists": lists, "rules": [{"id": "r", "when": condition, "then": ["block"]}]}));
        let request = Ask::get(target).from(client).request();
        let mut subject = Subject::new(&request, super::NOW);
        subject.geo = Geo { country: Some(*b"AT"), asn: Some(64_511) };
        let mut outcome = super::outcome(&request, &[(Signal::Sqli, Tier::Possible, "q")]);
        policy.evaluate(&subject, Some(&mut outcome), &super::rates(), &mut Workspace::default()).action
            == Action::Block
    };
    let of = |field: &str, list: &str| json!({"field": field, "inList": list});
    assert!(holds(of("path", "names"), "/b", "192.0.2.1"));
    assert!(!holds(of("path", "names"), "/c", "192.0.2.1"));
    assert!(holds(of("path", "shapes"), "/x.php", "192.0.2.1"));
    assert!(!holds(of("path", "shapes"), "/x.phtml", "192.0.2.1"));
    assert!(holds(of("client", "office"), "/", "198.51.100.7"));
    assert!(holds(of("client", "office"), "/", "2001:db8::1"));
    assert!(!holds(of("client", "office"), "/", "198.51.100.200"));
    assert!(holds(of("country", "lands"), "/", "192.0.2.1"));
    assert!(holds(of("signal", "bad"), "/?q=1", "192.0.2.1"));
    assert!(holds(of("asn", "nets"), "/", "192.0.2.1"));
    assert!(!holds(json!({"field": "asn", "equals": 64_496}), "/", "192.0.2.1"));
    assert!(holds(json!({"field": "country", "equals": "at"}), "/", "192.0.2.1"));
}

#[test]
fn signals_are_found_by_id_place_and_content() {
    let ask = Ask::get("/?q=evil&r=tame");
    let found = [(Signal::Sqli, Tier::Likely, "q")];
    let table = [
        (json!({"field": "signal", "equals": "SQLI"}), true),
        (json!({"field": "signal", "equals": "XSS"}), false),
        (json!({"field": "signal", "equals": "SQLI", "parameter": "query.q"}), true),
        (json!({"field": "signal", "equals": "SQLI", "parameter": "query.*"}), true),
        (json!({"field": "signal", "equals": "SQLI", "parameter": "query.r"}), false),
        (
            json!({"field": "signal", "existsWhere": {"name": {"like": "SQL*"}, "value": {"contains": "evi"}}}),
            true,
        ),
        (
            json!({"field": "signal", "existsWhere": {"name": {"like": "SQL*"}, "value": {"contains": "tame"}}}),
            false,
        ),
    ];
    for (condition, expected) in table {
        let verdict = judge_found(&when(&condition), &ask, &found);
        assert_eq!(verdict.action == Action::Block, expected, "{condition}");
    }
}

#[test]
fn a_rule_finds_its_requests_among_a_thousand_others() {
    let mut rules: Vec<Value> = (0..1000)
        .map(|n| match n % 5 {
            0 => json!({"id": format!("r{n}"), "when": {"field": "path", "equals": format!("/p{n}")}, "then": ["block"]}),
            1 => json!({"id": format!("r{n}"), "when": {"field": "path", "like": format!("/p{n}/*")}, "then": ["block"]}),
            2 => json!({"id": format!("r{n}"), "when": {"field": "client", "inCidr": format!("10.{}.{}.0/24", n / 256, n % 256)}, "then": ["block"]}),
            3 => json!({"id": format!("r{n}"), "when": {"field": "query", "name": format!("n{n}"), "equals": "x"}, "then": ["block"]}),
            _ => json!({"id": format!("r{n}"), "when": {"all": [{"field": "method", "equals": "GET"}, {"field": "header", "name": format!("x-h{n}"), "exists": true}]}, "then": ["block"]}),
        })
        .collect();
    rules.rotate_left(137);
    let policy = policy(&json!({"rules": rules}));
    let by = |ask: Ask| judge(&policy, &ask).rule.map(|rule| rule.to_string());
    for n in (0..1000).step_by(5) {
        assert_eq!(by(Ask::get(&format!("/p{n}"))), Some(format!("r{n}")));
        let n = n + 1;
        assert_eq!(by(Ask::get(&format!("/p{n}/a"))), Some(format!("r{n}")));
        let n = n + 2;
        assert_eq!(by(Ask::get(&format!("/?n{n}=x"))), Some(format!("r{n}")));
        let n = n + 1;
        assert_eq!(by(Ask::get("/").header(&format!("X-H{n}"), "1")), Some(format!("r{n}")));
    }
    assert_eq!(by(Ask::get("/").from("10.1.1.9")), Some("r257".to_owned()));
    assert_eq!(by(Ask::get("/p9999")), None);
}

#[test]
fn a_rule_that_looks_for_a_text_is_found_among_a_thousand_others() {
    let rules: Vec<Value> = (0..1000)
        .map(|n| {
            let field = ["path", "header", "query", "json"][n % 4];
            let when = match n % 3 {
                0 => json!({"field": field, "contains": format!("needle{n:04}")}),
                1 => json!({"field": field, "like": format!("*needle{n:04}*")}),
                _ => json!({"field": field, "like": [format!("*needle{n:04}?x"), format!("needle{n:04}")]}),
            };
            json!({"id": format!("r{n}"), "when": when, "then": ["block"]})
        })
        .collect();
    let policy = policy(&json!({"rules": rules}));
    let by = |ask: Ask| judge(&policy, &ask).rule.map(|rule| rule.to_string());
    assert_eq!(by(Ask::get("/a/needle0000b")), Some("r0".to_owned()));
    assert_eq!(by(Ask::get("/a/needle0004b")), Some("r4".to_owned()));
    assert_eq!(by(Ask::get("/").header("x-a", "xneedle0001")), Some("r1".to_owned()));
    assert_eq!(by(Ask::get("/?q=anything&r=needle0002")), Some("r2".to_owned()));
    assert_eq!(by(Ask::get("/?q=zneedle0002yx")), Some("r2".to_owned()));
    assert_eq!(by(Ask::get("/?q=needle0002y")), None);
    assert_eq!(by(Ask::get("/?q=needle0003")), None, "that one is about bodies");
    assert_eq!(by(Ask::get("/needle")), None);
    // Behind more than the index reads, every rule is judged.
    let padded = format!("{{\"a\":\"{}needle0003\"}}", "x".repeat(2 * crate::limits::GRAM_BYTES));
    assert_eq!(by(Ask::post("/", "application/json", &padded)), Some("r3".to_owned()));
}

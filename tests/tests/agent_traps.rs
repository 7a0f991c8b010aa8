//! The traps of event shapes, held against the built agent: what a parser elsewhere would read differently, and answers
//! that a platform would misunderstand.

#![expect(clippy::unwrap_used, reason = "an agent or a double that cannot be reached fails the test")]

use std::fs;

use picket_tests::{
    agent::Agent,
    double::{Double, Endpoint, Event},
    layout,
};
use serde_json::{Value, json};

const ATTACK: &str = "1' UNION SELECT name,password FROM users-- ";
const ENCODED: &str = "1%27%20UNION%20SELECT%20name%2Cpassword%20FROM%20users--%20";

/// What became of an event: the answer that was posted in the handler's place, if it was blocked, and the verdict line.
struct Judged {
    answer: Option<(Endpoint, Value)>,
    line: Option<Value>,
}

/// Sends one event through an agent in mode `block`, followed by a clean one.
fn judge(event: impl AsRef<[u8]>) -> Judged {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block"), ("PICKET_INSPECT_TIMEOUT_MS", "60000")]);
    let event = event.as_ref();
    let id = double.queue(Event::new(event));
    double.queue(Event::new(function_url("page=2").to_string()));
    let mut runtime = agent.connect();
    let seen = runtime.next_event().unwrap();
    let blocked = seen.body != event;
    let answer = blocked.then(|| {
        let outcome = double.outcome(&id);
        (outcome.endpoint, serde_json::from_slice(&outcome.message.body).unwrap())
    });
    // A clean invocation afterwards: by then the verdict line of the first was written.
    runtime.respond(&seen, b"{}").unwrap();
    let line = agent
        .written()
        .iter()
        .find(|line| line.contains(&id))
        .map(|line| serde_json::from_str(line).unwrap());
    Judged { answer, line }
}

fn is_blocked(event: &Value) -> bool {
    judge(event.to_string()).answer.is_some()
}

fn function_url(query: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/items", "rawQueryString": query,
        "headers": {"host": "abc.lambda-url.eu-central-1.on.aws", "user-agent": "curl/8.5.0", "content-type": "application/json"},
        "requestContext": {
            "accountId": "anonymous", "apiId": "abc", "domainName": "abc.lambda-url.eu-central-1.on.aws", "domainPrefix": "abc",
            "http": {"method": "POST", "path": "/items", "protocol": "HTTP/1.1", "sourceIp": "198.51.100.23", "userAgent": "curl/8.5.0"},
            "requestId": "7d3b9d5e", "routeKey": "$default", "stage": "$default", "time": "22/Nov/2026:08:00:00 +0000", "timeEpoch": 1,
        },
        "isBase64Encoded": false,
    })
}

fn rest() -> Value {
    json!({
        "resource": "/items", "path": "/items", "httpMethod": "GET",
        "headers": {"Host": "a.execute-api.eu-central-1.amazonaws.com", "User-Agent": "curl/8.5.0"},
        "multiValueHeaders": {"Host": ["a.execute-api.eu-central-1.amazonaws.com"], "User-Agent": ["curl/8.5.0"]},
        "queryStringParameters": null, "multiValueQueryStringParameters": null, "pathParameters": null, "stageVariables": null,
        "requestContext": {
            "resourceId": "1", "resourcePath": "/items", "httpMethod": "GET", "path": "/prod/items", "accountId": "123456789012",
            "protocol": "HTTP/1.1", "stage": "prod", "requestId": "c6af9ac6", "identity": {"sourceIp": "198.51.100.23"}, "apiId": "a",
        },
        "body": null, "isBase64Encoded": false,
    })
}

fn load_balancer(multi: bool) -> Value {
    let mut event = json!({
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/a/1"}},
        "httpMethod": "GET", "path": "/items", "body": "", "isBase64Encoded": false,
    });
    let forwarded = "192.0.2.66, 203.0.113.9";
    if multi {
        event["multiValueHeaders"] =
            json!({"host": ["a.example"], "user-agent": ["curl/8.5.0"], "x-forwarded-for": [forwarded]});
        event["multiValueQueryStringParameters"] = json!({"id": [ENCODED]});
    } else {
        event["headers"] =
            json!({"host": "a.example", "user-agent": "curl/8.5.0", "x-forwarded-for": forwarded});
        event["queryStringParameters"] = json!({"id": ENCODED});
    }
    event
}

#[test]
fn trap_09_every_reading_of_a_duplicate_key_is_inspected() {
    let clean = function_url("id=1").to_string();
    let field = "\"rawQueryString\":\"id=1\"";
    assert!(clean.contains(field));
    let attack = format!("\"rawQueryString\":\"id={ENCODED}\"");
    assert!(judge(clean.replace(field, &format!("{field},{attack}"))).answer.is_some(), "the last one");
    assert!(judge(clean.replace(field, &format!("{attack},{field}"))).answer.is_some(), "the first one");
    assert!(judge(&clean).answer.is_none());
}

#[test]
fn trap_31_the_client_of_a_load_balancer_is_its_last_hop() {
    let line = judge(load_balancer(false).to_string()).line.unwrap();
    assert_eq!(
        (line["client"].as_str(), line["clientTrust"].as_str()),
        (Some("203.0.113.9"), Some("platform"))
    );
}

#[test]
fn trap_32_the_raw_query_string_is_what_counts() {
    let mut event = function_url(&format!("id={ENCODED}"));
    event["queryStringParameters"] = json!({"id": "1"});
    assert!(is_blocked(&event), "only the raw one carries it");
    let mut event = function_url("id=1");
    event["queryStringParameters"] = json!({"id": ATTACK});
    assert!(is_blocked(&event), "only the parsed one carries it");
}

#[test]
fn trap_33_a_load_balancers_query_is_decoded_and_a_gateways_is_read_as_it_is() {
    assert!(is_blocked(&load_balancer(false)));
    let mut event = rest();
    event["queryStringParameters"] = json!({"id": ATTACK});
    event["multiValueQueryStringParameters"] = json!({"id": [ATTACK]});
    assert!(is_blocked(&event));
    event["queryStringParameters"] = json!({"id": "100% of O'Brien & 1+1"});
    event["multiValueQueryStringParameters"] = json!({"id": ["100% of O'Brien & 1+1"]});
    assert!(!is_blocked(&event));
}

#[test]
fn trap_34_both_maps_of_headers_are_read() {
    let mut event = rest();
    event["headers"]["X-Id"] = json!(ATTACK);
    assert!(is_blocked(&event), "only in headers");
    let mut event = rest();
    event["multiValueHeaders"]["X-Id"] = json!(["1", ATTACK]);
    assert!(is_blocked(&event), "only in multiValueHeaders");
}

#[test]
fn trap_35_a_body_is_read_whatever_its_flag_says() {
    let body = json!({"id": ATTACK, "note": "\u{ff}\u{fe}??>>"}).to_string();
    let encode = |alphabet: &str| {
        let mut text = String::new();
        for chunk in body.as_bytes().chunks(3) {
            let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            for place in 0..=chunk.len() {
                text.push(char::from(alphabet.as_bytes()[(bits >> (18 - 6 * place) & 63) as usize]));
            }
        }
        text
    };
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (what, text, flag) in [
        ("base64 without padding", encode(&format!("{letters}+/")), true),
        ("base64url", encode(&format!("{letters}-_")), true),
        ("plain, though the flag says base64", body.clone(), true),
        ("base64, though the flag says plain", encode(&format!("{letters}+/")), false),
    ] {
        let mut event = function_url("");
        event["body"] = json!(text);
        event["isBase64Encoded"] = json!(flag);
        assert!(is_blocked(&event), "{what}");
    }
}

#[test]
fn trap_36_a_block_names_its_status() {
    for event in [function_url(&format!("id={ENCODED}")), {
        let mut event = rest();
        event["queryStringParameters"] = json!({"id": ATTACK});
        event
    }] {
        let (endpoint, answer) = judge(event.to_string()).answer.unwrap();
        assert_eq!(endpoint, Endpoint::Response);
        assert_eq!(answer["statusCode"].as_u64(), Some(406), "a number");
        assert!(answer["body"].is_string());
    }
}

#[test]
fn trap_37_a_load_balancer_is_answered_in_the_style_of_its_request() {
    for multi in [false, true] {
        let (_, answer) = judge(load_balancer(multi).to_string()).answer.unwrap();
        assert_eq!(answer["statusDescription"], "406 Not Acceptable");
        let headers = if multi { &answer["multiValueHeaders"] } else { &answer["headers"] };
        let content_type = if multi { &headers["content-type"][0] } else { &headers["content-type"] };
        assert_eq!(content_type, "application/json", "{answer}");
    }
}

#[test]
fn trap_38_a_queue_is_never_answered_in_the_handlers_place() {
    let event = json!({"Records": [{
        "messageId": "1", "receiptHandle": "a", "body": json!({"id": ATTACK}).to_string(), "attributes": {}, "messageAttributes": {},
        "md5OfBody": "b", "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:q", "awsRegion": "eu-central-1",
    }]});
    let judged = judge(event.to_string());
    assert!(judged.answer.is_none());
    assert_eq!(judged.line.unwrap()["logOnlySource"], true);
}

#[test]
fn trap_39_an_authorizer_is_refused_by_an_error_and_never_by_a_policy() {
    let event = json!({
        "type": "TOKEN", "methodArn": "arn:aws:execute-api:eu-central-1:123456789012:a/prod/GET/items", "authorizationToken": ATTACK,
    });
    let (endpoint, answer) = judge(event.to_string()).answer.unwrap();
    assert_eq!(endpoint, Endpoint::Error);
    assert_eq!(answer["errorMessage"], "Unauthorized");
    assert!(!answer.to_string().contains("Deny"));
}

#[test]
fn trap_42_hostile_text_of_any_size_is_judged_to_its_end() {
    for unit in ["'", "(", "<", "{{", "../", "%25", "\\u0027", "/*"] {
        let mut event = function_url("");
        event["body"] = json!(json!({"a": unit.repeat(100_000 / unit.len()), "id": ATTACK}).to_string());
        assert!(is_blocked(&event), "{unit}");
    }
}

#[test]
fn trap_44_the_agent_is_small_on_demand() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block")]);
    double.queue(Event::new(function_url("page=1").to_string()));
    agent.connect().next_event().unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", agent.id())).unwrap();
    let threads: u32 =
        status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap().trim().parse().unwrap();
    // The proxy, one inspecting thread, and at most one that resolved the platform's name.
    assert!(threads <= 3, "{threads} threads");
}

#[test]
fn trap_45_no_library_that_gathers_jitter_at_start_is_linked() {
    let lock = fs::read_to_string(layout::repository().join("Cargo.lock")).unwrap();
    for name in ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

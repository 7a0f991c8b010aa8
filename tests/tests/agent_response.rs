//! What the built agent makes of the handler's answers: lines about leaks and effects, and what the handler is told.
#![expect(
    clippy::unwrap_used,
    clippy::type_complexity,
    reason = "a test that cannot go on has failed, and a pair of names says what it is"
)]

use picket_tests::{
    agent::Agent,
    double::{Double, Endpoint, Event, RawClient, chunked},
};
use serde_json::{Value, json};

const UNION: &str = "id=1%27%20UNION%20SELECT%20name%2Cpassword%20FROM%20users--%20";
const SCRIPT: &str = "q=%3Cscript%3Ealert(1)%3C%2Fscript%3E";
const TRAVERSAL: &str = "file=..%2F..%2F..%2F..%2Fetc%2Fpasswd";
const SECRET_KEY: &str = "q8mZ0hT4vXw2Lr6Nd9Kb1Yc5Pf7Sg3Uj0Ea4Io8B";

/// An HTTP API event.
fn event(path: &str, query: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "shop.example", "user-agent": "Mozilla/5.0 (X11; Linux x86_64)", "x-forwarded-for": "198.51.100.23"},
        "requestContext": {
            "accountId": "123456789012", "apiId": "abc", "domainName": "shop.example", "stage": "$default", "requestId": "r",
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "198.51.100.23", "userAgent": "Mozilla/5.0"},
        },
        "isBase64Encoded": false,
    })
}

fn page(status: u16, kind: &str, body: &str) -> Vec<u8> {
    json!({"statusCode": status, "headers": {"content-type": kind}, "body": body}).to_string().into_bytes()
}

/// Sends one event, answers it, and gives its request id.
fn serve(double: &Double, runtime: &mut RawClient, event: &Value, answer: &[u8]) -> String {
    let id = double.queue(Event::new(event.to_string()));
    let event = runtime.next_event().unwrap();
    runtime.respond(&event, answer).unwrap();
    assert!(double.outcome(&id).message.body == answer, "the answer passes as it came");
    id
}

/// The line about the answer to a request.
fn line_of(agent: &Agent, id: &str) -> Value {
    let text = agent.line_with(&format!("\"requestId\":\"{id}\",\"answerBytes\""));
    serde_json::from_str(&text).unwrap()
}

fn signals(line: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let listed = line["answerSignals"].as_array().unwrap().iter();
    listed.map(|signal| (text(&signal["id"]), text(&signal["tier"]))).collect()
}

fn pair(id: &str, tier: &str) -> (String, String) {
    (id.to_owned(), tier.to_owned())
}

#[test]
fn an_attack_is_told_from_one_that_reached_and_one_that_had_its_effect() {
    let double = Double::start();
    let agent =
        Agent::start(&double, &[("PICKET_LOG_LEVEL", "debug"), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]);
    let mut runtime = agent.connect();
    let sql = "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version";
    let cases: [(&str, Vec<u8>, &str, Vec<(String, String)>); 5] = [
        (UNION, page(404, "application/json", "{}"), "attempted", vec![pair("HTTP404", "possible")]),
        (
            UNION,
            page(500, "text/plain", sql),
            "reached",
            vec![pair("HTTP500", "possible"), pair("ERROR-LEAK", "certain")],
        ),
        (
            SCRIPT,
            page(200, "text/html; charset=utf-8", "<p>Results for <script>alert(1)</script></p>"),
            "reached",
            vec![pair("REFLECTED", "certain")],
        ),
        (
            TRAVERSAL,
            page(200, "text/plain", "root:x:0:0:root:/root:/bin/bash\n"),
            "confirmed",
            vec![pair("IMPACT-CONFIRMED", "certain")],
        ),
        (
            TRAVERSAL,
            page(200, "text/plain", &format!("HOME=/\0AWS_SECRET_ACCESS_KEY={SECRET_KEY}\0")),
            "confirmed",
            vec![pair("SECRET-LEAK", "certain"), pair("IMPACT-CONFIRMED", "certain")],
        ),
    ];
    for (query, answer, impact, expected) in cases {
        let id = serve(&double, &mut runtime, &event("/items", query), &answer);
        let line = line_of(&agent, &id);
        assert_eq!((line["impact"].as_str(), signals(&line)), (Some(impact), expected), "{line}");
        let level = if impact == "attempted" { "INFO" } else { "WARN" };
        assert_eq!(line["level"], level, "{line}");
        assert!(line["answerMs"].is_u64() && line["answerBytes"] == answer.len(), "{line}");
    }
    assert!(
        !agent.written().iter().any(|line| line.contains(SECRET_KEY)),
        "what leaks once does not leak into the log"
    );
}

#[test]
fn answers_are_read_through_their_encodings() {
    let double = Double::start();
    let agent = Agent::start(&double, &[]);
    let mut runtime = agent.connect();
    // The same page, as base64 of text.
    let body = "PHA+UmVzdWx0cyBmb3IgPHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0PjwvcD4=";
    let answer = json!({"isBase64Encoded": true, "statusCode": 200, "headers": {"Content-Type": "text/html"}, "body": body});
    let id = serve(&double, &mut runtime, &event("/search", SCRIPT), answer.to_string().as_bytes());
    assert_eq!(line_of(&agent, &id)["impact"], "reached");
    // And streamed.
    let id = double.queue(Event::new(event("/search", SCRIPT).to_string()));
    runtime.next_event().unwrap();
    let stream = b"{\"statusCode\":200,\"headers\":{\"content-type\":\"text/html\"}}\0\0\0\0\0\0\0\0<p><script>alert(1)</script></p>";
    let head = format!(
        "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    runtime.exchange(&[head.into_bytes(), chunked(stream, &[11], "")].concat()).unwrap();
    assert_eq!(line_of(&agent, &id)["impact"], "reached");
}

#[test]
fn clean_answers_and_pages_that_escape_write_no_warning() {
    let double = Double::start();
    let agent = Agent::start(&double, &[]);
    let mut runtime = agent.connect();
    serve(
        &double,
        &mut runtime,
        &event("/search", SCRIPT),
        &page(200, "text/html", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
    );
    serve(
        &double,
        &mut runtime,
        &event("/items", ""),
        &page(500, "text/plain", "You have an error in your SQL syntax"),
    );
    let probe = serve(&double, &mut runtime, &event("/wp-admin/", ""), &page(404, "text/html", "none"));
    let lines = agent.written();
    assert!(!lines.iter().any(|line| line.contains("answerSignals")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains(&probe)), "a stray visit is only told at level debug");
}

#[test]
fn a_refused_private_path_is_forceful_browsing() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_LOG_LEVEL", "debug")]);
    let mut runtime = agent.connect();
    let id = serve(&double, &mut runtime, &event("/wp-admin/", ""), &page(404, "text/html", "none"));
    let expected = vec![pair("HTTP404", "possible"), pair("FORCEFULBROWSING", "possible")];
    assert_eq!(signals(&line_of(&agent, &id)), expected);
}

#[test]
fn every_answer_is_looked_at_where_the_owner_wants_it_and_none_where_not() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_ANSWERS", "all"), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]);
    let mut runtime = agent.connect();
    let leak = page(200, "application/json", &format!("{{\"debug\":\"{SECRET_KEY}\"}}"));
    let id = serve(&double, &mut runtime, &event("/debug-info", ""), &leak);
    assert_eq!(line_of(&agent, &id)["impact"], "confirmed");
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_ANSWERS", "off"), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]);
    let mut runtime = agent.connect();
    serve(&double, &mut runtime, &event("/items", TRAVERSAL), &leak);
    serve(&double, &mut runtime, &event("/items", ""), &leak);
    let lines = agent.written();
    assert!(!lines.iter().any(|line| line.contains("answerSignals")), "{lines:?}");
}

#[test]
fn a_call_to_the_runtime_api_from_the_handler_is_an_effect() {
    let double = Double::start();
    let agent = Agent::start(&double, &[]);
    let mut runtime = agent.connect();
    let id = double.queue(Event::new(event("/fetch", "url=http%3A%2F%2Fexample.com").to_string()));
    let received = runtime.next_event().unwrap();
    let stolen = agent.connect().next_event().unwrap();
    assert!(stolen.start.contains(" 403 "), "{}", stolen.start);
    runtime.respond(&received, &page(200, "text/plain", "ok")).unwrap();
    let line = agent.line_with("an attack had its effect");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((line["requestId"].as_str(), line["impact"].as_str()), (Some(id.as_str()), Some("confirmed")));
}

#[test]
fn the_handler_is_told_where_the_owner_wants_it() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_TAGS", "true")]);
    let mut runtime = agent.connect();
    let mut forged = event("/items", UNION);
    forged["headers"]["X-Picket-Verdict"] = json!("allow");
    let id = double.queue(Event::new(forged.to_string()));
    let received = runtime.next_event().unwrap();
    let seen: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(seen["headers"]["x-picket-verdict"], "would_block");
    assert_eq!(seen["headers"]["x-picket-request-id"], id.as_str());
    assert!(seen["headers"]["x-picket-signals"].as_str().unwrap().contains("SQLI"));
    assert_eq!(
        seen["headers"]
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| name.to_ascii_lowercase().contains("verdict"))
            .count(),
        1
    );
    assert_eq!(received.header("content-length").unwrap(), received.body.len().to_string());
    runtime.respond(&received, b"{}").unwrap();
    double.queue(Event::new(event("/items", "page=2").to_string()));
    let clean: Value = serde_json::from_slice(&runtime.next_event().unwrap().body).unwrap();
    assert_eq!(clean["headers"]["x-picket-verdict"], "allow");
    assert_eq!(clean["headers"].get("x-picket-signals"), None);
}

#[test]
fn a_forged_tag_never_reaches_a_handler_that_reads_tags_not_even_in_mode_off() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_TAGS", "true"), ("PICKET_MODE", "off")]);
    let mut runtime = agent.connect();
    let plain = event("/items", UNION);
    let mut forged = plain.clone();
    forged["headers"]["x_picket_verdict"] = json!("allow");
    double.queue(Event::new(forged.to_string()));
    let received = runtime.next_event().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&received.body).unwrap(), plain);
    runtime.respond(&received, b"{}").unwrap();
    let id = double.queue(Event::new(plain.to_string()));
    let received = runtime.next_event().unwrap();
    assert_eq!(received.body, plain.to_string().into_bytes(), "byte for byte");
    runtime.respond(&received, b"{}").unwrap();
    assert_eq!(double.outcome(&id).endpoint, Endpoint::Response);
}

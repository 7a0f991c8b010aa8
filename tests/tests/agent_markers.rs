//! The built agent with a marker in every field that it redacts: neither what it uploads, nor its log, nor its spool holds
//! the marker in any form.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed the test")]

use std::io::{Read as _, Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use picket_tests::{
    agent::Agent,
    cloud::{Answer, Cloud},
    double::{Double, Event},
};
use serde_json::{Value, json};

const ATTACK: &str = "' UNION SELECT name,password FROM users-- ";

/// A marker of 16 random letters and digits.
fn marker() -> String {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    let letters = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    bytes.iter().map(|byte| char::from(letters[*byte as usize % letters.len()])).collect()
}

fn encoded(value: &str) -> Vec<String> {
    let each = |form: fn(u8) -> String| value.bytes().map(form).collect::<String>();
    vec![
        value.to_owned(),
        each(|byte| format!("%{byte:02X}")),
        STANDARD.encode(value),
        each(|byte| format!("{byte:02x}")),
        each(|byte| format!("\\u{byte:04x}")),
        each(|byte| format!("&#{byte};")),
    ]
}

fn event(query: &str, header: (&str, &str), cookie: &str, body: Option<(&str, bool)>) -> Vec<u8> {
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/items", "rawQueryString": query,
        "headers": {"host": "abc.lambda-url.eu-central-1.on.aws", "user-agent": "Mozilla/5.0", "content-type": "application/json"},
        "cookies": [cookie],
        "requestContext": {"domainName": "abc.lambda-url.eu-central-1.on.aws", "requestId": "r", "stage": "$default",
                           "http": {"method": "POST", "path": "/items", "sourceIp": "198.51.100.23"}},
        "isBase64Encoded": body.is_some_and(|(_, encoded)| encoded),
    });
    event["headers"][header.0] = json!(header.1);
    if let Some((body, _)) = body {
        event["body"] = json!(body);
    }
    event.to_string().into_bytes()
}

fn gzip(text: &str) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    STANDARD.encode(encoder.finish().unwrap())
}

#[test]
fn a_marker_in_a_redacted_field_is_in_nothing_that_the_agent_writes() {
    let (double, cloud, marker) = (Double::start(), Cloud::start(), marker());
    let settings = cloud.settings(&[
        ("PICKET_LOG_LEVEL", "debug"),
        ("PICKET_LOG_VERDICTS_PER_MINUTE", "6000"),
        ("PICKET_REDACT", "member-number,header:x-internal"),
    ]);
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut agent = Agent::start(&double, &settings);
    let mut runtime = agent.connect();
    cloud.wait_first_answer();
    let mut pass = |body: &[u8]| {
        let id = double.queue(Event::new(body));
        let seen = runtime.next_event().unwrap();
        runtime.respond(&seen, b"{\"statusCode\":200}").unwrap();
        double.outcome(&id);
    };
    for value in encoded(&format!("{marker}{ATTACK}")) {
        let document = json!({"user": {"password": &value}, "q": ATTACK}).to_string();
        let none = ("x-a", "b");
        pass(&event(&format!("id=1&password={value}&member-number={value}"), none, "a=b", None));
        pass(&event("", none, "a=b", Some((&document, false))));
        pass(&event("", none, "a=b", Some((&STANDARD.encode(&document), true))));
        pass(&event("", ("content-encoding", "gzip"), "a=b", Some((&gzip(&document), true))));
        pass(&event("", none, &format!("session={value}"), None));
        for name in ["authorization", "x-api-key", "x-internal"] {
            pass(&event("", (name, &value), "a=b", None));
        }
        pass(&event("", ("referer", &format!("https://a.example/?t={value}")), "a=b", None));
    }
    // The end finds no engine, so that there is a spool to look into.
    cloud.answer(Answer::HangUp);
    double.shut_down("timeout");
    assert!(agent.wait_exit().success());
    let mut written = agent.written().join("\n");
    let spool = std::fs::read(cloud.folder().join("picket.spool")).unwrap();
    written.push_str(&String::from_utf8_lossy(&spool));
    let mut inflated = 0;
    for at in (0..spool.len()).filter(|at| spool[*at..].starts_with(&[0x1f, 0x8b, 8])) {
        let mut text = String::new();
        if GzDecoder::new(&spool[at..]).read_to_string(&mut text).is_ok() {
            inflated += 1;
            written.push_str(&text);
        }
    }
    assert!(inflated > 0, "the spool holds batches");
    let mut sent = 0;
    for post in cloud.posts() {
        sent += usize::from(post.json != Value::Null);
        written.push_str(&format!("{}{}{}", post.head, post.json, String::from_utf8_lossy(&post.body)));
    }
    assert!(sent > 0 && written.contains("SQLI"), "there must be something to look through");
    for trace in encoded(&marker) {
        assert!(!written.contains(&trace), "{trace} in {written}");
    }
}

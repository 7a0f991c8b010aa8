//! No value of a redacted field leaves, encoded or not: a random marker goes into each such field in each encoding that
//! Picket undoes, beside an attack that draws attention to it, and is then looked for in everything that leaves.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed the test")]

use std::io::{Read as _, Write as _};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use picket_cloud_protocol::{Agent, EventAction};
use picket_detection::{Catalogue, Fuel, Profile, Scratch, inspect};
use picket_lambda_event::{EventReader, Options};
use picket_report::{About, Outbox, Redactor, Sealer, generate};
use picket_request::Request;
use proptest::{prelude::*, test_runner::Config};
use serde_json::{Value, json};

/// What makes every detector look.
const ATTACKS: &[&str] =
    &["' UNION SELECT name,password FROM users-- ", "<script>alert(1)</script>", "; cat /etc/passwd"];

/// Each encoding that Picket undoes in a value.
fn encoded(value: &str) -> Vec<String> {
    let percent = |value: &str| value.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    vec![
        value.to_owned(),
        percent(value),
        percent(&percent(value)),
        STANDARD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
        value.bytes().map(|byte| format!("{byte:02x}")).collect(),
        value.bytes().map(|byte| format!("\\u{byte:04x}")).collect(),
        value.bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
        value.bytes().map(|byte| format!("&#{byte};")).collect(),
        value.bytes().map(|byte| format!("&#x{byte:x};")).collect(),
        json!({ "inner": value }).to_string(),
    ]
}

/// What must stand nowhere: the marker in every form that would give it away.
fn traces(marker: &str) -> Vec<String> {
    let mut traces: Vec<String> = encoded(marker);
    traces.truncate(10);
    // Base64 of a text in the middle of another: what does not depend on the neighbours, at each alignment.
    for shift in 1..3 {
        let text = STANDARD.encode(format!("{}{marker}", "x".repeat(shift)));
        let from = 4 * shift.div_ceil(3);
        traces.push(text.get(from..text.len() - 4).unwrap().to_owned());
    }
    traces.push(marker.bytes().map(|byte| format!("{byte:02X}")).collect());
    traces.push(format!("{:?}", marker.as_bytes()).trim_matches(['[', ']']).to_owned());
    traces
}

fn gzip(text: &str) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    STANDARD.encode(encoder.finish().unwrap())
}

/// A Function URL event.
fn event(query: &str, headers: &Value, cookies: &Value, body: Option<(&str, bool)>) -> Value {
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/items", "rawQueryString": query,
        "headers": {"host": "abc.lambda-url.eu-central-1.on.aws", "user-agent": "Mozilla/5.0"},
        "requestContext": {
            "domainName": "abc.lambda-url.eu-central-1.on.aws",
            "http": {"method": "POST", "path": "/items", "sourceIp": "198.51.100.23"},
            "requestId": "r", "stage": "$default",
        },
        "isBase64Encoded": body.is_some_and(|(_, encoded)| encoded),
    });
    for (name, value) in headers.as_object().into_iter().flatten() {
        event["headers"][name] = value.clone();
    }
    event["cookies"] = cookies.clone();
    if let Some((body, _)) = body {
        event["body"] = json!(body);
    }
    event
}

/// Events with a value in each kind of field that is redacted.
fn events(value: &str) -> Vec<(&'static str, Value)> {
    let form = format!("q=1&password={value}&note=x");
    let document =
        json!({"user": {"password": value, "name": "x"}, "items": [{"access_token": {"deep": [value]}}]})
            .to_string();
    let multipart = format!(
        "--b\r\ncontent-disposition: form-data; name=\"password\"\r\n\r\n{value}\r\n--b\r\ncontent-disposition: form-data; name=\"q\"\r\n\r\n' or 1=1-- \r\n--b--\r\n"
    );
    let graphql =
        json!({"query": format!("mutation {{ login(user: \"x\", password: {}) {{ id }} }}", json!(value))})
            .to_string();
    let xml = format!(
        "<a><password>{}</password><q>' or 1=1-- </q></a>",
        value.replace('<', "&lt;").replace('&', "&amp;")
    );
    let json_type = json!({"content-type": "application/json"});
    let none = json!([]);
    vec![
        ("query", event(&format!("id=1&password={value}"), &json!({}), &none, None)),
        ("the owner's own parameter", event(&format!("member-number={value}"), &json!({}), &none, None)),
        (
            "form",
            event(
                "",
                &json!({"content-type": "application/x-www-form-urlencoded"}),
                &none,
                Some((&form, false)),
            ),
        ),
        ("JSON", event("", &json_type, &none, Some((&document, false)))),
        ("JSON in base64", event("", &json_type, &none, Some((&STANDARD.encode(&document), true)))),
        (
            "JSON in gzip",
            event(
                "",
                &json!({"content-type": "application/json", "content-encoding": "gzip"}),
                &none,
                Some((&gzip(&document), true)),
            ),
        ),
        (
            "multipart",
            event(
                "",
                &json!({"content-type": "multipart/form-data; boundary=b"}),
                &none,
                Some((&multipart, false)),
            ),
        ),
        ("XML", event("", &json!({"content-type": "application/xml"}), &none, Some((&xml, false)))),
        ("GraphQL", event("", &json_type, &none, Some((&graphql, false)))),
        (
            "an undivided body",
            event("", &json!({"content-type": "text/plain"}), &none, Some((&format!("pin {value}"), false))),
        ),
        (
            "cookie",
            event("", &json!({}), &json!([format!("theme={value}"), format!("session={value}")]), None),
        ),
        ("authorization", event("", &json!({"authorization": format!("Bearer {value}")}), &none, None)),
        (
            "basic",
            event(
                "",
                &json!({"authorization": format!("Basic {}", STANDARD.encode(format!("u:{value}")))}),
                &none,
                None,
            ),
        ),
        ("key header", event("", &json!({"x-api-key": value, "x-my-sess": value}), &none, None)),
        ("the owner's own header", event("", &json!({"x-internal": value}), &none, None)),
        ("referer", event("", &json!({"referer": format!("https://a.example/x?t={value}")}), &none, None)),
    ]
}

/// Everything that leaves for one event: the upload, and what `Debug` shows of what is kept.
fn leaves(event: &Value, sealer: Option<&Sealer>) -> (String, usize) {
    let redactor = Redactor::new(["member-number"], ["x-internal"]);
    let (mut reader, mut request) = (EventReader::new(Options::default()), Request::default());
    let bytes = bytes::Bytes::from(event.to_string());
    reader.read(&bytes, &mut request, None);
    let (mut scratch, fuel) = (Scratch::default(), Fuel::for_bytes(bytes.len()));
    let outcome = inspect(&Catalogue::built_in(), &request, &Profile::default(), &mut scratch, fuel);
    let about = About {
        at_ms: 1_795_334_400_000,
        action: EventAction::WouldBlock,
        reason: "finding",
        status: 0,
        request_id: "r",
        trace_id: "",
        findings: &outcome.findings,
        raised: &[],
        kept: true,
        sealer,
    };
    let mut outbox = Outbox::new(Agent::default());
    let client = redactor.client(request.client.addr);
    outbox.record(&redactor, &client, redactor.session(&request), &request, &about, 10);
    let mut shown =
        format!("{outbox:?} {request:?} {:?} {redactor:?}", redactor.event("e", &request, &about));
    outbox.close(1_795_334_400, None);
    let parcel = outbox.first().unwrap();
    GzDecoder::new(parcel.body.as_ref()).read_to_string(&mut shown).unwrap();
    (shown, outcome.findings.len())
}

/// Looks for a marker in all that leaves, for every field and encoding; gives how many findings there were, because a test
/// that draws no attention proves nothing.
fn search(marker: &str, sealer: Option<&Sealer>) -> usize {
    let (traces, mut findings) = (traces(marker), 0);
    for attack in ATTACKS {
        for (way, value) in encoded(&format!("{marker}{attack}")).into_iter().enumerate() {
            for (field, event) in events(&value) {
                let (shown, found) = leaves(&event, sealer);
                findings += found;
                for trace in &traces {
                    assert!(!shown.contains(trace.as_str()), "{field}, encoding {way}: {trace} in {shown}");
                }
            }
        }
    }
    findings
}

proptest! {
    #![proptest_config(Config { cases: 4, failure_persistence: None, ..Config::default() })]

    #[test]
    fn nothing_of_a_redacted_field_leaves(marker in "[A-Za-z][A-Za-z0-9]{15}") {
        prop_assert!(search(&marker, None) > 100);
    }
}

#[test]
fn sealing_lets_nothing_more_out_in_the_clear_and_never_takes_credentials() {
    let (public, _) = generate().unwrap();
    let sealer = Sealer::new(&public, "shop").unwrap();
    search("Zq7mMarkerXy1234", Some(&sealer));
    for (field, event) in events("Zq7mMarkerXy1234' UNION SELECT name,password FROM users-- ") {
        let (shown, _) = leaves(&event, Some(&sealer));
        let upload: Value =
            serde_json::from_str(shown.get(shown.find("{\"v\":1").unwrap()..).unwrap()).unwrap();
        for signal in upload["events"][0]["signals"].as_array().into_iter().flatten() {
            if signal["sealed"].is_string() {
                // The neighbours of a redacted field may travel sealed; the field itself may not.
                let location = signal["location"].as_str().unwrap();
                assert!(location.ends_with(".q") || location.ends_with("query.id"), "{field}: {signal}");
            }
        }
    }
}

#[test]
fn the_search_finds_what_is_shown() {
    // An ordinary parameter is what the owner wants to see: were it not found, the search itself would be broken.
    let marker = "Zq7mMarkerXy1234";
    let event = event(
        &format!("note={marker}' UNION SELECT name,password FROM users-- "),
        &json!({}),
        &json!([]),
        None,
    );
    let (shown, _) = leaves(&event, None);
    assert!(
        traces(marker).iter().any(|trace| shown.contains(trace.as_str())) || shown.contains("UNION"),
        "{shown}"
    );
}

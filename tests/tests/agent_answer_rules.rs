//! The examples of docs/answers.md through the built agent: each one once matching and once not.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{fs, path::PathBuf, time::Duration};

use picket_policy::compile::{compile, no_files};
use picket_tests::{
    agent::Agent,
    cloud::Cloud,
    double::{Double, Event, RawClient},
    layout,
};
use serde_json::{Value, json};

/// Builds the example of this name, and gives the path of what the agent reads.
fn example(name: &str) -> PathBuf {
    let page = fs::read_to_string(layout::repository().join("docs/answers.md")).expect("the page");
    let marker = format!("# answers: {name}\n");
    let (_, rest) = page.split_once(&marker).unwrap_or_else(|| panic!("no example {name}"));
    let (yaml, _) = rest.split_once("```").expect("the end of the example");
    let document: Value = serde_saphyr::from_str(yaml).expect("YAML");
    let document = serde_json::from_value(document).expect("a policy file's document");
    let canonical = compile(&document, &no_files).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("answers");
    fs::create_dir_all(&folder).expect("a folder for the test");
    let built = folder.join(format!("{}.policy", name.replace(' ', "-")));
    fs::write(&built, canonical.write()).expect("a file for the test");
    built
}

fn start(double: &Double, name: &str) -> Agent {
    let policy = example(name);
    Agent::start(
        double,
        &[("PICKET_POLICY", policy.to_str().expect("a path of text")), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)],
    )
}

const SECRET_KEY: &str = "q8mZ0hT4vXw2Lr6Nd9Kb1Yc5Pf7Sg3Uj0Ea4Io8B";

fn event(method: &str, path: &str, client: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {"host": "shop.example", "user-agent": "Mozilla/5.0 (X11; Linux x86_64)", "x-forwarded-for": client},
        "requestContext": {
            "accountId": "123456789012", "apiId": "abc", "domainName": "shop.example", "stage": "$default", "requestId": "r",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": client, "userAgent": "Mozilla/5.0"},
        },
        "isBase64Encoded": false,
    })
}

fn page(status: u16, body: &str) -> Value {
    json!({"statusCode": status, "headers": {"content-type": "text/plain"}, "body": body})
}

/// Sends one event, answers it and what comes before it, and gives its request id and what the platform got.
fn serve(double: &Double, runtime: &mut RawClient, event: &Value, answer: &Value) -> (String, Value) {
    let id = double.queue(Event::new(event.to_string()));
    loop {
        let event = runtime.next_event().expect("an event");
        runtime.respond(&event, answer.to_string().as_bytes()).expect("an answer");
        if event.header("lambda-runtime-aws-request-id") == Some(id.as_str()) {
            break;
        }
    }
    let got = serde_json::from_slice(&double.outcome(&id).message.body).expect("an answer of JSON");
    (id, got)
}

/// The line about the answer to a request.
fn line_of(agent: &Agent, id: &str) -> Value {
    let text = agent.line_with(&format!("\"requestId\":\"{id}\",\"answerBytes\""));
    serde_json::from_str(&text).expect("a line of JSON")
}

#[test]
fn keys_and_traces_never_leave() {
    let double = Double::start();
    let agent = start(&double, "keys never leave");
    let mut runtime = agent.connect();
    let items = event("GET", "/items", "198.51.100.7");
    let (id, got) = serve(&double, &mut runtime, &items, &page(200, &format!("key={SECRET_KEY}")));
    assert_eq!((got["statusCode"].as_u64(), got["body"].as_str()), (Some(502), Some("withheld")));
    let line = line_of(&agent, &id);
    assert_eq!(
        (line["answerVerdict"].as_str(), line["rule"].as_str(), line["answerStatus"].as_u64()),
        (Some("replace"), Some("no-keys"), Some(200))
    );
    let trace =
        "Traceback (most recent call last):\n  File \"/var/task/app.py\", line 3, in handler\nKeyError: 'id'";
    let (_, got) = serve(&double, &mut runtime, &items, &page(500, trace));
    assert_eq!((got["statusCode"].as_u64(), got["body"].as_str()), (Some(500), Some("something went wrong")));
    let clean = page(200, "three lamps");
    assert_eq!(serve(&double, &mut runtime, &items, &clean).1, clean);
    // What is too long to be held passes, and is told.
    let long = page(200, &format!("key={SECRET_KEY}{}", "x".repeat(1_100_000)));
    let (id, got) = serve(&double, &mut runtime, &items, &long);
    assert!(got == long, "it passes as it came");
    assert_eq!(line_of(&agent, &id)["answerVerdict"], "would_replace");
}

#[test]
fn a_refused_login_is_tracked_and_has_a_status_of_its_own() {
    let double = Double::start();
    let agent = start(&double, "response tracking");
    let mut runtime = agent.connect();
    let login = event("POST", "/login", "198.51.100.7");
    for status in [302, 401] {
        let (id, got) = serve(&double, &mut runtime, &login, &page(status, "no"));
        assert_eq!(got["statusCode"], 550);
        let line = line_of(&agent, &id);
        assert_eq!(
            (&line["ruleSignals"], line["answerStatus"].as_u64()),
            (&json!(["site.AuthFailure"]), Some(u64::from(status)))
        );
    }
    for (ask, status) in [
        (login, 200),
        (event("POST", "/items", "198.51.100.7"), 401),
        (event("GET", "/login", "198.51.100.7"), 302),
    ] {
        let answer = page(status, "x");
        assert_eq!(serve(&double, &mut runtime, &ask, &answer).1, answer);
    }
}

#[test]
fn account_signals_tell_attempt_success_and_failure() {
    let double = Double::start();
    let agent = start(&double, "account signals");
    let mut runtime = agent.connect();
    let login = event("POST", "/login", "198.51.100.7");
    for (status, signal) in [(303, "LOGINSUCCESS"), (401, "LOGINFAILURE"), (403, "LOGINFAILURE")] {
        let answer = page(status, "x");
        let (id, got) = serve(&double, &mut runtime, &login, &answer);
        assert_eq!(got, answer);
        assert_eq!(line_of(&agent, &id)["ruleSignals"], json!([signal]), "{status}");
    }
    let (neither, _) = serve(&double, &mut runtime, &login, &page(500, "x"));
    let (other, _) = serve(&double, &mut runtime, &event("POST", "/items", "198.51.100.7"), &page(401, "x"));
    // The lines of a later answer come after those of earlier ones.
    let (last, _) = serve(&double, &mut runtime, &login, &page(303, "x"));
    line_of(&agent, &last);
    let lines = agent.written();
    let told = |id: &str| lines.iter().any(|line| line.contains(id) && line.contains("ruleSignals"));
    assert!(!told(&neither) && !told(&other), "{lines:?}");
}

#[test]
fn only_requests_through_the_edge_come_in() {
    let double = Double::start();
    let agent = start(&double, "origin lock");
    let mut runtime = agent.connect();
    let mut through = event("GET", "/", "198.51.100.7");
    through["headers"]["X-Edge-Secret"] = json!("abc");
    let answer = page(200, "hello");
    assert_eq!(serve(&double, &mut runtime, &through, &answer).1, answer);
    let mut wrong = through.clone();
    wrong["headers"]["X-Edge-Secret"] = json!("abd");
    for around in [wrong, event("GET", "/", "198.51.100.7")] {
        let id = double.queue(Event::new(around.to_string()));
        let (_, got) = serve(&double, &mut runtime, &through, &answer);
        assert_eq!(got, answer, "the next event is the next one's");
        let blocked: Value =
            serde_json::from_slice(&double.outcome(&id).message.body).expect("an answer of JSON");
        assert_eq!(blocked["statusCode"], 403);
    }
}

#[test]
fn blocking_that_hurts_is_given_up_loudly_and_for_good() {
    let (double, cloud) = (Double::start(), Cloud::start());
    let policy = example("falling back");
    let settings = cloud.settings(&[
        ("PICKET_POLICY", policy.to_str().expect("a path of text")),
        ("PICKET_REPORT_INTERVAL_S", "1"),
    ]);
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let agent = Agent::start(&double, &settings);
    let mut runtime = agent.connect();
    let answer = page(200, "ok");
    let hit = |client: &str| {
        let mut event = event("GET", "/notes", client);
        event["rawQueryString"] = json!("note=1%27%20UNION%20SELECT%20name%2Cpassword%20FROM%20users--%20");
        event
    };
    let client = |number: usize| format!("198.51.100.{}", number + 1);
    // Twenty clients that read, and half of them write a note that looks like an attack.
    for round in 0..6 {
        for number in 0..20 {
            let clean = event("GET", "/notes", &client(number));
            if round == 3 && number % 2 == 0 {
                double.queue(Event::new(hit(&client(number)).to_string()));
            }
            serve(&double, &mut runtime, &clean, &answer);
        }
    }
    let line = agent.line_with("FALLEN BACK TO LOG");
    assert!(line.contains("blocked-clean-share") && line.contains("ERROR"), "{line}");
    // From now on the same is logged and passes.
    let (id, got) = serve(&double, &mut runtime, &hit("203.0.113.9"), &answer);
    assert_eq!(got, answer);
    let line = agent.verdict_of(&id);
    assert_eq!((line["verdict"].as_str(), line["mode"].as_str()), (Some("would_block"), Some("log")));
    // The engine's inventory is told once, and from then on the mode that holds.
    let fallen = |batch: &Value| batch["agent"]["mode"] == "fallen-back";
    for _ in 0..100 {
        if cloud.batches().iter().filter(|batch| fallen(batch)).count() > 1 {
            break;
        }
        serve(&double, &mut runtime, &event("GET", "/notes", "203.0.113.9"), &answer);
        pause(100);
    }
    let batches = cloud.batches();
    let modes: Vec<_> = batches.iter().map(|batch| batch["agent"]["mode"].as_str()).collect();
    assert_eq!(modes.first(), Some(&Some("block")), "the policy's, where PICKET_MODE says nothing");
    assert_eq!(modes.last(), Some(&Some("fallen-back")));
    let told: u64 = batches.iter().filter_map(|batch| batch["stats"]["fallenBack"].as_u64()).sum();
    assert_eq!(told, 1, "{modes:?}");
    assert_eq!(agent.written().iter().filter(|line| line.contains("FALLEN BACK")).count(), 1);
}

#[expect(clippy::disallowed_methods, reason = "a test waits; no event passes through this thread")]
fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

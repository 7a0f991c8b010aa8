//! What the built agent does about attacks: the answer that the platform gets, the event that the runtime gets, and the
//! line in the log.

use picket_tests::{
    agent::Agent,
    double::{Double, Endpoint, Event, Message},
    output::{ATTACK, function_url},
};
use serde_json::{Value, json};

/// Queues an attack and then a clean event, and gives the attack's id and the first event that the runtime saw.
#[expect(clippy::unwrap_used, reason = "a runtime that cannot be served fails the test")]
fn attack_then_clean(double: &Double, agent: &Agent, attack: &[u8]) -> (String, Message) {
    let id = double.queue(Event::new(attack));
    double.queue(Event::new(function_url("id=2", None)));
    (id, agent.connect().next_event().unwrap())
}

#[test]
fn trap_01_05_an_attack_is_answered_and_the_runtime_sees_only_the_next_event() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block")]);
    let (id, seen) = attack_then_clean(&double, &agent, &function_url(ATTACK, None));
    assert_eq!(seen.body, function_url("id=2", None), "byte for byte");
    let outcome = double.outcome(&id);
    assert_eq!(outcome.endpoint, Endpoint::Response);
    let answer: Value = serde_json::from_slice(&outcome.message.body).unwrap();
    assert_eq!(answer["statusCode"], 406);
    assert_eq!(answer["isBase64Encoded"], false);
    assert_eq!(
        serde_json::from_str::<Value>(answer["body"].as_str().unwrap()).unwrap(),
        json!({"requestId": id})
    );
    assert!(outcome.message.header("lambda-runtime-invocation-id").is_some(), "the attempt's id is echoed");
}

#[test]
fn a_verdict_line_explains_the_block() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block")]);
    // The double's events carry a trace header, as the platform's do.
    let id = double.queue(Event::new(function_url(ATTACK, None)));
    double.queue(Event::new(function_url("", None)));
    agent.connect().next_event().unwrap();
    let line = agent.verdict_of(&id);
    assert_eq!(
        (line["verdict"].as_str(), line["mode"].as_str(), line["level"].as_str()),
        (Some("block"), Some("block"), Some("WARN"))
    );
    assert_eq!(line["status"], 406);
    assert_eq!(line["eventSource"], "function-url");
    assert_eq!(line["traceId"], "1-65e1a2b3-000000000000000000000001");
    assert_eq!(
        (line["client"].as_str(), line["clientTrust"].as_str()),
        (Some("198.51.100.23"), Some("platform"))
    );
    let signal = &line["signals"][0];
    assert_eq!(
        (signal["id"].as_str(), signal["tier"].as_str(), signal["location"].as_str()),
        (Some("SQLI"), Some("certain"), Some("query.id"))
    );
    assert!(!signal["facts"].as_array().unwrap().is_empty());
    assert_eq!(line["allowedBy"], "PICKET_EXCLUDE=SQLI@query.id");
    assert!(line["decisionUs"].is_u64() && line["timestamp"].is_string());
}

#[test]
fn mode_log_lets_it_pass_unchanged_and_says_what_it_would_have_done() {
    let double = Double::start();
    let agent = Agent::start(&double, &[]);
    let (id, seen) = attack_then_clean(&double, &agent, &function_url(ATTACK, None));
    assert_eq!(seen.body, function_url(ATTACK, None));
    let line = agent.verdict_of(&id);
    assert_eq!((line["verdict"].as_str(), line["mode"].as_str()), (Some("would_block"), Some("log")));
}

#[test]
fn mode_off_inspects_nothing() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "off")]);
    let (id, seen) = attack_then_clean(&double, &agent, &function_url(ATTACK, None));
    assert_eq!(seen.body, function_url(ATTACK, None));
    let lines = agent.written();
    assert!(!lines.is_empty() && !lines.iter().any(|line| line.contains(&id)), "{lines:?}");
}

#[test]
fn what_a_verdict_line_offers_as_exclusion_lets_the_request_pass() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block"), ("PICKET_EXCLUDE", "SQLI@query.id")]);
    double.queue(Event::new(function_url(ATTACK, None)));
    let mut runtime = agent.connect();
    let event = runtime.next_event().unwrap();
    assert_eq!(event.body, function_url(ATTACK, None));
    runtime.respond(&event, b"{}").unwrap();
    // The same at another place is still blocked.
    let (id, _) = attack_then_clean(&double, &agent, &function_url(&ATTACK.replace("id=", "key="), None));
    assert_eq!(agent.verdict_of(&id)["verdict"], "block");
}

#[test]
fn trap_48_a_clean_request_writes_no_line() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block")]);
    let mut runtime = agent.connect();
    for page in 0..20 {
        double.queue(Event::new(function_url(&format!("page={page}"), Some("{\"note\":\"O'Brien\"}"))));
        let event = runtime.next_event().unwrap();
        runtime.respond(&event, b"{}").unwrap();
    }
    let lines = agent.written();
    assert!(lines.len() == 1 && lines[0].contains("protecting this function"), "{lines:?}");
}

#[test]
fn trap_41_a_redacted_field_is_never_written_raw() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block"), ("PICKET_LOG_LEVEL", "debug")]);
    let marker = "k3Qz8Tn1Vw5Xp7Yb";
    let attack = format!("{marker}' OR 1=1 -- {marker}");
    let body = json!({"user": "jane", "password": attack, "card": {"number": attack}}).to_string();
    let (id, _) = attack_then_clean(
        &double,
        &agent,
        &function_url(&format!("api_key={marker}'%20OR%201=1--"), Some(&body)),
    );
    let line = agent.verdict_of(&id);
    assert_eq!(line["verdict"], "block");
    assert!(
        line["signals"].as_array().unwrap().iter().any(|signal| signal["excerpt"] == "[redacted]"),
        "{line}"
    );
    let lines = agent.written();
    assert!(!lines.iter().any(|line| line.contains(marker)), "{lines:?}");
}

#[test]
fn attackers_bytes_are_escaped_and_cut_in_the_log() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block")]);
    let mut event: Value = serde_json::from_slice(&function_url(ATTACK, None)).unwrap();
    event["rawPath"] = json!(format!("/a\n{{\"verdict\":\"allow\"}}\u{1b}[2J{}", "x".repeat(4096)));
    event["requestContext"]["http"]["method"] = json!("GET\n\nEVIL-METHOD-THAT-IS-LONG");
    let (id, _) = attack_then_clean(&double, &agent, event.to_string().as_bytes());
    let line = agent.line_with(&format!("\"requestId\":\"{id}\""));
    assert!(
        line.len() < 4096 && line.bytes().all(|byte| (0x20..0x7f).contains(&byte) || byte >= 0x80),
        "{line}"
    );
    let parsed: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(parsed["verdict"], "block");
}

#[test]
fn verdict_lines_are_capped_and_summed_up() {
    let double = Double::start();
    let mut agent =
        Agent::start(&double, &[("PICKET_MODE", "block"), ("PICKET_LOG_VERDICTS_PER_MINUTE", "3")]);
    for _ in 0..20 {
        double.queue(Event::new(function_url(ATTACK, None)));
    }
    double.queue(Event::new(function_url("", None)));
    agent.connect().next_event().unwrap();
    double.wait_calls(Endpoint::ExtensionNext, 1);
    double.shut_down("spindown");
    assert!(agent.wait_exit().success());
    let lines = agent.written();
    let written = lines.iter().filter(|line| line.contains("\"verdict\":\"block\"")).count();
    // A minute may turn in between, which begins a new share.
    assert!((3..=6).contains(&written), "{written}");
    assert!(lines.iter().any(|line| line.contains("verdict lines were left out")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("done") && line.contains("blocked=20")), "{lines:?}");
}

#[test]
fn the_block_status_and_location_are_the_owners() {
    let double = Double::start();
    let agent = Agent::start(
        &double,
        &[
            ("PICKET_MODE", "block"),
            ("PICKET_BLOCK_STATUS", "302"),
            ("PICKET_BLOCK_LOCATION", "https://example.com/blocked"),
        ],
    );
    let (id, _) = attack_then_clean(&double, &agent, &function_url(ATTACK, None));
    let answer: Value = serde_json::from_slice(&double.outcome(&id).message.body).unwrap();
    assert_eq!(answer["statusCode"], 302);
    assert_eq!(answer["headers"]["location"], "https://example.com/blocked");
}

#[test]
fn a_streaming_function_gets_its_block_as_prelude_and_body() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block"), ("PICKET_RESPONSE", "streaming")]);
    let (id, _) = attack_then_clean(&double, &agent, &function_url(ATTACK, None));
    let answer = double.outcome(&id).message;
    assert_eq!(answer.header("lambda-runtime-function-response-mode"), Some("streaming"));
    assert_eq!(answer.header("content-type"), Some("application/vnd.awslambda.http-integration-response"));
    let split = answer.body.windows(8).position(|window| window == [0; 8]).expect("eight NULs");
    let prelude: Value = serde_json::from_slice(&answer.body[..split]).unwrap();
    assert_eq!(prelude["statusCode"], 406);
    let body: Value = serde_json::from_slice(&answer.body[split + 8..]).unwrap();
    assert_eq!(body, json!({"requestId": id}));
}

#[test]
fn an_event_of_no_known_source_is_only_logged() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block")]);
    let event = json!({"order": {"note": "1' UNION SELECT name,password FROM users-- "}}).to_string();
    let (id, seen) = attack_then_clean(&double, &agent, event.as_bytes());
    assert_eq!(seen.body, event.as_bytes());
    let line = agent.verdict_of(&id);
    assert_eq!(
        (line["verdict"].as_str(), line["logOnlySource"].as_bool()),
        (Some("would_block"), Some(true))
    );
    assert_eq!(line["signals"][0]["location"], "event.order.note");
}

#[test]
fn broken_events_pass_as_they_came() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block")]);
    let mut runtime = agent.connect();
    let deep = [b"[".repeat(200_000), b"]".repeat(200_000)].concat();
    for body in [
        b"".to_vec(),
        b"{\"a\":".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        b"{\"a\":1,\"a\":2}\x00".to_vec(),
        deep,
        vec![b'"'; 6 * 1024 * 1024],
    ] {
        double.queue(Event::new(body.clone()));
        let event = runtime.next_event().unwrap();
        assert!(event.body == body, "{} bytes", body.len());
        runtime.respond(&event, b"{}").unwrap();
    }
}

#[test]
fn trap_40_a_retry_under_the_same_request_id_is_judged_anew() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block")]);
    for _ in 0..2 {
        double.queue(Event::new(function_url(ATTACK, None)).request_id("retried"));
    }
    double.queue(Event::new(function_url("", None)));
    agent.connect().next_event().unwrap();
    let answers = double.calls_to(Endpoint::Response);
    assert_eq!(answers.len(), 2);
    let ids: Vec<_> = answers
        .iter()
        .map(|call| call.message.header("lambda-runtime-invocation-id").unwrap().to_owned())
        .collect();
    assert_ne!(ids[0], ids[1]);
}

/// An inspection of 900 KB takes longer than the one millisecond that it is given here.
#[test]
fn who_fails_closed_has_an_overrun_answered_as_its_source_expects() {
    let double = Double::start();
    let settings =
        [("PICKET_MODE", "block"), ("PICKET_ON_FAILURE", "closed"), ("PICKET_INSPECT_TIMEOUT_MS", "1")];
    let agent = Agent::start(&double, &settings);
    let text = json!({"text": "It's a chair; 1 < 2 & 3 > 2, said O'Brien. ".repeat(900 * 1024 / 43)});
    let http = double.queue(Event::new(function_url("", Some(&text.to_string()))));
    // Nobody's answer is tested for this one, so it is let through in every mode.
    let queue = json!({"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": text.to_string()}]});
    double.queue(Event::new(queue.to_string()));
    let seen = agent.connect().next_event().unwrap();
    assert_eq!(seen.body, queue.to_string().into_bytes());
    let outcome = double.outcome(&http);
    assert_eq!(outcome.endpoint, Endpoint::Response);
    let answer: Value = serde_json::from_slice(&outcome.message.body).unwrap();
    assert_eq!(answer["statusCode"], 406);
    agent.line_with("refused without a verdict (fail-closed)");
    agent.line_with("passed without a verdict (fail-open)");
}

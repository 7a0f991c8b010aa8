//! What the built agent tells the engine, when, and what it does while the engine, Secrets Manager or the process itself
//! stand still: the function's answers never change, and a report arrives once or is counted as dropped.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what cannot be set up has failed the test")]

use std::{collections::BTreeMap, io::Read as _, time::Duration};

use flate2::read::GzDecoder;
use picket_tests::{
    agent::Agent,
    cloud::{Answer, Cloud, SecretAnswer, count_of},
    double::{Double, Event, Message, RawClient},
    moto::Moto,
    skip,
};
use serde_json::{Value, json};

/// Certain to be an attack.
const ATTACK: &str = "id=1%27%20UNION%20SELECT%20name%2Cpassword%20FROM%20users--%20";

/// A Function URL event of a client, with further headers.
fn event(client: &str, query: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/items", "rawQueryString": query,
        "headers": {"host": "abc.lambda-url.eu-central-1.on.aws", "user-agent": "Mozilla/5.0 (X11; Linux x86_64)"},
        "requestContext": {
            "accountId": "anonymous", "apiId": "abc",
            "domainName": "abc.lambda-url.eu-central-1.on.aws", "domainPrefix": "abc",
            "http": {"method": "GET", "path": "/items", "protocol": "HTTP/1.1", "sourceIp": client, "userAgent": "x"},
            "requestId": "7d3b9d5e-6f6c-4a53-9d0f-0e1f2a3b4c5d", "routeKey": "$default", "stage": "$default",
            "time": "22/Nov/2026:08:00:00 +0000", "timeEpoch": 1_795_334_400_000_u64,
        },
        "isBase64Encoded": false,
    });
    for (name, value) in headers {
        event["headers"][name] = json!(value);
    }
    event.to_string().into_bytes()
}

fn start(double: &Double, cloud: &Cloud, more: &[(&str, &str)]) -> Agent {
    let settings = cloud.settings(more);
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    Agent::start(double, &settings)
}

/// Sends one event through, and gives what the runtime saw. The platform must get the handler's answer as it is.
fn pass(double: &Double, runtime: &mut RawClient, body: &[u8]) -> Message {
    let id = double.queue(Event::new(body));
    let seen = runtime.next_event().unwrap();
    assert_eq!(seen.body, body, "the event as it came");
    let answer = br#"{"statusCode":200,"body":"hello"}"#;
    runtime.respond(&seen, answer).unwrap();
    assert_eq!(double.outcome(&id).message.body, answer, "the answer as it is");
    seen
}

/// Sends clean events until this holds of the double: reports that wait go out with later invocations.
fn until(
    double: &Double,
    runtime: &mut RawClient,
    cloud: &Cloud,
    what: &str,
    holds: impl Fn(&Cloud) -> bool,
) {
    for _ in 0..300 {
        if holds(cloud) {
            return;
        }
        pass(double, runtime, &event("192.0.2.200", "q=clean", &[]));
        pause(100);
    }
    panic!(
        "waited in vain for {what}: {:?}",
        cloud.posts().iter().map(|post| &post.target).collect::<Vec<_>>()
    );
}

#[expect(clippy::disallowed_methods, reason = "a test waits; no event passes through this thread")]
fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

#[test]
fn an_attack_is_reported_signed_counted_and_redacted() {
    let (double, cloud) = (Double::start(), Cloud::start());
    let agent = start(&double, &cloud, &[]);
    let mut runtime = agent.connect();
    cloud.wait_first_answer();
    let query = format!("{ATTACK}&password=hunter2");
    pass(&double, &mut runtime, &event("198.51.100.23", &query, &[("authorization", "Bearer hunter3")]));
    double.queue(Event::new(event("192.0.2.1", "q=clean", &[])));
    runtime.next_event().unwrap();
    cloud.wait("a batch", |cloud| !cloud.batches().is_empty());
    let post = cloud.posts().into_iter().find(|post| post.target == "/v1/batches").unwrap();
    assert!(post.signed, "{}", post.head);
    let batch = &post.json;
    assert_eq!(
        (&batch["v"], &batch["seq"], &batch["agent"]["function"]),
        (&json!(1), &json!(1), &json!("shop"))
    );
    let count = batch["counts"].as_array().unwrap().iter().find(|count| count["signal"] == "SQLI").unwrap();
    assert_eq!(
        (&count["client"], &count["n"], &count["flags"]),
        (&json!("198.51.100.23"), &json!(1), &json!(true))
    );
    assert_eq!(count["slot"].as_u64().unwrap() % 10, 0);
    let event = &batch["events"][0];
    assert_eq!(
        (&event["class"], &event["path"], &event["action"]),
        (&json!("attack"), &json!("/items"), &json!("would_block"))
    );
    assert_eq!(event["signals"][0]["location"], "query.id");
    let text = batch.to_string();
    assert!(!text.contains("hunter") && !text.contains("clean"), "{text}");
}

#[test]
fn an_environment_without_protection_is_told_of() {
    let unprotected = |cloud: &Cloud| -> u64 {
        cloud.batches().iter().filter_map(|batch| batch["stats"]["unprotected"].as_u64()).sum()
    };
    // A stranger has the port: nothing can be inspected, and nobody comes by to take the report along.
    let (double, cloud) = (Double::start(), Cloud::start());
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = cloud.settings(&[]);
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let taken = Agent::start_on(stranger.local_addr().unwrap().port(), &double.address(), &settings);
    cloud.wait("a report", |cloud| unprotected(cloud) == 1);
    assert!(taken.line_with("UNPROTECTED").contains("taken"));
    // The runtime was never redirected, and the environment ends.
    let (double, cloud) = (Double::start(), Cloud::start());
    let mut ignored = start(&double, &cloud, &[]);
    cloud.wait_first_answer();
    double.shut_down("spindown");
    assert!(ignored.wait_exit().success());
    cloud.wait("a report", |cloud| unprotected(cloud) == 1);
}

#[test]
fn without_an_attack_nothing_is_held_and_the_interval_reports_who_was_seen() {
    let (double, cloud) = (Double::start(), Cloud::start());
    let agent = start(&double, &cloud, &[("PICKET_REPORT_INTERVAL_S", "1")]);
    let mut runtime = agent.connect();
    until(&double, &mut runtime, &cloud, "a batch by age", |cloud| !cloud.batches().is_empty());
    let batch = &cloud.batches()[0];
    assert_eq!(batch["counts"], json!([]));
    assert_eq!(batch["clients"][0]["client"], "192.0.2.200");
    assert!(batch["stats"]["inspected"].as_u64().unwrap() >= 1);
}

#[test]
fn a_flagged_clients_likely_attack_is_blocked_and_its_clean_requests_pass() {
    let (double, cloud) = (Double::start(), Cloud::start());
    cloud.flag("198.51.100.7");
    // Certain findings block nobody here until they are flagged, so the flag alone decides.
    let more = [("PICKET_MODE", "block"), ("PICKET_BLOCK_ON", "flagged"), ("PICKET_FLAG_WAIT_MS", "1000")];
    let agent = start(&double, &cloud, &more);
    let mut runtime = agent.connect();
    pass(&double, &mut runtime, &event("198.51.100.8", ATTACK, &[]));
    pass(&double, &mut runtime, &event("198.51.100.7", "q=clean", &[]));
    let blocked = double.queue(Event::new(event("198.51.100.7", ATTACK, &[])));
    double.queue(Event::new(event("198.51.100.7", "q=clean", &[])));
    assert_eq!(runtime.next_event().unwrap().body, event("198.51.100.7", "q=clean", &[]));
    let answer: Value = serde_json::from_slice(&double.outcome(&blocked).message.body).unwrap();
    assert_eq!(answer["statusCode"], 406);
}

#[test]
fn an_engine_that_fails_in_any_way_changes_no_answer_and_gets_its_reports_later() {
    for answer in [
        Answer::Status(500),
        Answer::Status(429),
        Answer::Status(401),
        Answer::Garbage,
        Answer::Endless,
        Answer::HangUp,
        Answer::Slow,
    ] {
        let (double, cloud) = (Double::start(), Cloud::start());
        cloud.answer(answer);
        let agent = start(&double, &cloud, &[("PICKET_REPORT_INTERVAL_S", "1")]);
        let mut runtime = agent.connect();
        for n in 0..5 {
            pass(&double, &mut runtime, &event(&format!("198.51.100.{n}"), ATTACK, &[]));
        }
        agent.line_with("the engine cannot be reached");
        cloud.answer(Answer::Well);
        until(&double, &mut runtime, &cloud, "the reports", |cloud| cloud.count_of("SQLI") >= 5);
        assert_eq!(cloud.count_of("SQLI"), 5, "{answer:?}");
        let said = agent.lines().iter().filter(|line| line.contains("cannot be reached")).count();
        assert_eq!(said, 1, "one state is one line: {:?}", agent.lines());
    }
}

#[test]
fn a_secret_that_cannot_be_read_is_one_line_and_detection_goes_on() {
    for answer in [SecretAnswer::Denied, SecretAnswer::Garbage, SecretAnswer::Slow] {
        let (double, cloud) = (Double::start(), Cloud::start());
        cloud.secret_answer(answer);
        let agent = start(&double, &cloud, &[("PICKET_MODE", "block")]);
        let mut runtime = agent.connect();
        pass(&double, &mut runtime, &event("192.0.2.1", "q=clean", &[]));
        let attack = double.queue(Event::new(event("198.51.100.7", ATTACK, &[])));
        let clean = double.queue(Event::new(event("192.0.2.1", "q=clean", &[])));
        let seen = runtime.next_event().unwrap();
        runtime.respond(&seen, b"{}").unwrap();
        double.outcome(&clean);
        let blocked: Value = serde_json::from_slice(&double.outcome(&attack).message.body).unwrap();
        assert_eq!(blocked["statusCode"], 406, "{answer:?}");
        let line = agent.line_with("no key for the engine");
        assert!(!line.contains("hunter2"), "{line}");
        if answer == SecretAnswer::Denied {
            assert!(line.contains("AccessDeniedException"), "{line}");
        }
        for _ in 0..5 {
            pass(&double, &mut runtime, &event("192.0.2.1", "q=clean", &[]));
        }
        assert_eq!(cloud.secrets_asked(), 1, "asked again after a minute, not at each event");
        assert_eq!(agent.lines().iter().filter(|line| line.contains("no key")).count(), 1);
    }
}

#[test]
fn a_rotated_key_is_read_again_when_the_engine_refuses_the_old_one() {
    let (double, cloud) = (Double::start(), Cloud::start());
    let agent = start(&double, &cloud, &[]);
    let mut runtime = agent.connect();
    cloud.wait_first_answer();
    cloud.rotate();
    pass(&double, &mut runtime, &event("198.51.100.7", ATTACK, &[]));
    until(&double, &mut runtime, &cloud, "the report", |cloud| cloud.count_of("SQLI") == 1);
    assert_eq!(cloud.secrets_asked(), 2);
    let tries: Vec<bool> =
        cloud.posts().iter().filter(|post| post.target == "/v1/batches").map(|post| post.signed).collect();
    assert_eq!(tries, [false, true]);
}

#[test]
fn what_the_end_leaves_is_spooled_and_sent_by_the_next_life() {
    let (double, cloud) = (Double::start(), Cloud::start());
    let mut agent = start(&double, &cloud, &[("PICKET_HOLD_MS", "0")]);
    let mut runtime = agent.connect();
    cloud.wait_first_answer();
    cloud.answer(Answer::HangUp);
    for n in 0..3 {
        pass(&double, &mut runtime, &event(&format!("198.51.100.{n}"), ATTACK, &[]));
    }
    double.shut_down("timeout");
    assert!(agent.wait_exit().success());
    let line = agent.line_with("reports were not delivered");
    assert!(line.contains("dropped=0"), "{line}");
    let spool = cloud.folder().join("picket.spool");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&spool).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    cloud.answer(Answer::Well);
    let double = Double::start();
    let agent = start(&double, &cloud, &[]);
    let mut runtime = agent.connect();
    until(&double, &mut runtime, &cloud, "the spooled report", |cloud| cloud.count_of("SQLI") == 3);
    assert!(!spool.exists());
}

#[test]
fn a_spool_that_somebody_else_wrote_is_dropped() {
    let (double, cloud) = (Double::start(), Cloud::start());
    std::fs::write(cloud.folder().join("picket.spool"), b"picket-spool-1\nnonsense").unwrap();
    let agent = start(&double, &cloud, &[]);
    let mut runtime = agent.connect();
    agent.line_with("could not be believed");
    pass(&double, &mut runtime, &event("198.51.100.7", ATTACK, &[]));
    until(&double, &mut runtime, &cloud, "a report", |cloud| cloud.count_of("SQLI") == 1);
}

#[test]
fn shutdown_sends_what_waits() {
    let (double, cloud) = (Double::start(), Cloud::start());
    let mut agent = start(&double, &cloud, &[("PICKET_HOLD_MS", "0")]);
    let mut runtime = agent.connect();
    pass(&double, &mut runtime, &event("198.51.100.7", ATTACK, &[]));
    double.shut_down("spindown");
    assert!(agent.wait_exit().success());
    assert_eq!(cloud.count_of("SQLI"), 1);
    assert!(!cloud.folder().join("picket.spool").exists());
}

#[test]
fn trap_19_an_upload_that_is_frozen_half_way_is_made_once_more_and_counted_once() {
    let (double, cloud) = (Double::start(), Cloud::start());
    let agent = start(&double, &cloud, &[]);
    let mut runtime = agent.connect();
    cloud.wait_first_answer();
    // What is asked for at the start is answered before the engine begins to stand still.
    cloud.wait_answers(2);
    cloud.answer(Answer::TakeAndWait);
    pass(&double, &mut runtime, &event("198.51.100.7", ATTACK, &[]));
    let id = double.queue(Event::new(event("192.0.2.1", "q=clean", &[])));
    let held = runtime.next_event().unwrap();
    runtime.respond(&held, b"{}").unwrap();
    double.outcome(&id);
    cloud.wait("the batch", |cloud| !cloud.batches().is_empty());
    agent.signal("STOP");
    // Longer than a send may take: the network gave up meanwhile.
    pause(8_000);
    cloud.answer(Answer::Well);
    cloud.release();
    pause(100);
    agent.signal("CONT");
    let sends = |cloud: &Cloud| {
        cloud.posts().into_iter().filter(|post| post.target == "/v1/batches").collect::<Vec<_>>()
    };
    until(&double, &mut runtime, &cloud, "the second send", |cloud| sends(cloud).len() >= 2);
    let sent = sends(&cloud);
    assert_eq!(sent[0].body, sent[1].body, "the same batch, byte for byte");
    assert!(sent[1].signed);
    assert_ne!(sent[0].head, sent[1].head, "signed when it leaves");
    assert_eq!(cloud.count_of("SQLI"), 1);
    let again = sent.iter().filter(|post| post.json["batchId"] == sent[0].json["batchId"]).count();
    assert_eq!(again, 2, "one clean retry");
}

#[test]
fn with_the_functions_role_no_secret_is_read() {
    let (double, cloud) = (Double::start(), Cloud::start());
    let url = cloud.url();
    let agent = start(&double, &cloud, &[("PICKET_AUTH", "iam"), ("PICKET_ENGINE", &url)]);
    let mut runtime = agent.connect();
    pass(&double, &mut runtime, &event("198.51.100.7", ATTACK, &[]));
    until(&double, &mut runtime, &cloud, "the report", |cloud| cloud.count_of("SQLI") == 1);
    assert_eq!(cloud.secrets_asked(), 0);
    let head = cloud.posts()[0].head.to_ascii_lowercase();
    assert!(
        head.contains("authorization: aws4-hmac-sha256") && head.contains("/eu-central-1/lambda/"),
        "{head}"
    );
    assert!(!head.contains("picket-signature"), "{head}");
}

#[test]
fn before_a_snapshot_nothing_is_asked_and_each_copy_has_a_life_of_its_own() {
    let cloud = Cloud::start();
    let credentials = format!("{}/credentials", cloud.url());
    let mut lives = Vec::new();
    for copy in 0..2 {
        let double = Double::start();
        let agent = start(
            &double,
            &cloud,
            &[
                ("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start"),
                ("AWS_ACCESS_KEY_ID", ""),
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &credentials),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a-token"),
            ],
        );
        let mut restoring = agent.connect();
        double.wait_calls(picket_tests::double::Endpoint::Register, 1);
        pause(300);
        assert_eq!(cloud.secrets_asked(), copy, "a secret in a snapshot is in every copy of it");
        double.restore();
        restoring.exchange(b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut runtime = agent.connect();
        pass(&double, &mut runtime, &event("198.51.100.7", ATTACK, &[]));
        until(&double, &mut runtime, &cloud, "the report", |cloud| cloud.count_of("SQLI") > copy as u64);
        lives.push(cloud.batches().last().unwrap()["env"].clone());
    }
    assert_ne!(lives[0], lives[1]);
    assert_eq!(cloud.credentials_asked().first().map(String::as_str), Some("a-token"));
}

#[test]
fn managed_instances_report_without_a_hold() {
    let (double, cloud) = (Double::managed(), Cloud::start());
    let more =
        [("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances"), ("PICKET_REPORT_INTERVAL_S", "1")];
    let mut agent = start(&double, &cloud, &more);
    let mut runtime = agent.connect();
    pass(&double, &mut runtime, &event("198.51.100.7", ATTACK, &[]));
    // No further event: where nothing is frozen, time alone is enough.
    cloud.wait("the report", |cloud| cloud.count_of("SQLI") == 1);
    double.shut_down("spindown");
    agent.wait_exit();
    let done = agent.line_with(" done ");
    assert!(!done.contains(" holds="), "{done}");
}

#[test]
fn no_engine_means_no_word_about_one() {
    let (double, cloud) = (Double::start(), Cloud::start());
    let agent = Agent::start(&double, &[("AWS_ENDPOINT_URL", &cloud.url())]);
    let mut runtime = agent.connect();
    pass(&double, &mut runtime, &event("198.51.100.7", ATTACK, &[]));
    assert_eq!((cloud.posts().len(), cloud.secrets_asked()), (0, 0));
    let lines = agent.written();
    assert!(!lines.iter().any(|line| line.contains("engine")), "{lines:?}");
}

#[test]
fn trap_20_a_flood_of_attacks_with_a_slow_engine_is_held_within_the_budget_and_told_to_the_last() {
    let (double, cloud) = (Double::start(), Cloud::start());
    let mut agent = start(&double, &cloud, &[]);
    let mut runtime = agent.connect();
    cloud.wait_first_answer();
    cloud.answer(Answer::Slow);
    for n in 0..300 {
        pass(&double, &mut runtime, &event(&format!("198.51.100.{}", n % 250), ATTACK, &[]));
    }
    cloud.answer(Answer::Well);
    double.shut_down("spindown");
    assert!(agent.wait_exit().success());
    let held = agent
        .lines()
        .iter()
        .find_map(|line| line.split(" holds=").nth(1)?.split(' ').next()?.parse::<u64>().ok());
    // At most one in two seconds, and after two slow ones none for a minute; 300 events take no minute.
    assert!(held.unwrap_or(0) <= 4, "{:?}", agent.lines());
    // What was not delivered before the end lies in the spool, with the same ids; nothing had to be dropped.
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    for batch in cloud.batches().into_iter().chain(spooled(&cloud)) {
        known.insert(batch["batchId"].to_string(), batch);
    }
    let known: Vec<Value> = known.into_values().collect();
    assert_eq!(count_of(&known, "SQLI"), 300, "{:?}", agent.lines());
    assert!(known.iter().all(|batch| batch["stats"]["dropped"] == 0));
}

/// The batches in the spool.
fn spooled(cloud: &Cloud) -> Vec<Value> {
    let spool = std::fs::read(cloud.folder().join("picket.spool")).unwrap_or_default();
    let starts = (0..spool.len()).filter(|at| spool[*at..].starts_with(&[0x1f, 0x8b, 8]));
    starts
        .filter_map(|at| {
            let mut text = String::new();
            GzDecoder::new(&spool[at..]).read_to_string(&mut text).ok()?;
            serde_json::from_str(&text).ok()
        })
        .collect()
}

#[test]
fn a_rotation_in_secrets_manager_as_moto_has_it_is_followed() {
    let moto = match Moto::start() {
        Ok(moto) => moto,
        Err(why) => return skip(&why),
    };
    let (double, cloud) = (Double::start(), Cloud::start());
    moto.secrets("CreateSecret", &json!({"Name": "picket/agent", "SecretString": cloud.secret()}));
    let agent = start(&double, &cloud, &[("AWS_ENDPOINT_URL", &moto.url())]);
    let mut runtime = agent.connect();
    cloud.wait_first_answer();
    cloud.rotate();
    moto.secrets("PutSecretValue", &json!({"SecretId": "picket/agent", "SecretString": cloud.secret()}));
    pass(&double, &mut runtime, &event("198.51.100.7", ATTACK, &[]));
    until(&double, &mut runtime, &cloud, "the report", |cloud| cloud.count_of("SQLI") == 1);
}

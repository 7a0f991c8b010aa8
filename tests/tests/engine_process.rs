//! The built engine as a process: it ends without loss while agents send, its copies open, and what it asks of agents is done by the
//! built agent.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use picket_cloud_protocol::{Ack, Agent as Sender, Batch, ClientKey, Count, SLOT_SECONDS, Stats};
use picket_tests::{
    agent::Agent,
    cloud::Cloud,
    double::{Double, Event, RawClient},
    engine::{Engine, Kept, Reporter, now},
    layout,
};
use serde_json::{Value, json};

/// Senders at once.
const SENDERS: u64 = 6;
/// Batches that one sender has delivered at the end.
const BATCHES: u64 = 60;

#[expect(clippy::disallowed_methods, reason = "a test waits; no event passes through this thread")]
fn pause(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

fn folder(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("picket-process-{name}-{}", std::process::id()))
}

fn batch(sender: u64, seq: u64) -> Batch {
    let client: ClientKey = "198.51.100.7".parse().expect("a client");
    let slot = now() / SLOT_SECONDS * SLOT_SECONDS;
    Batch {
        v: 1,
        batch_id: format!("stop-{sender:04}-{seq:08}"),
        env: format!("env-{sender}"),
        seq,
        made: now(),
        agent: Sender { version: "0.1.0".to_owned(), function: "shop".to_owned(), ..Sender::default() },
        counts: vec![Count { client, signal: "SQLI".to_owned(), slot, n: 2, flags: false }],
        stats: Stats { inspected: 10, ..Stats::default() },
        ..Batch::default()
    }
}

fn counted(engine: &Engine) -> u64 {
    let (from, to) = (now() - 7_200, now() + 60);
    let shown = engine.admin(&format!("/v1/admin/signals?from={from}&to={to}&step=3600")).expect("signals");
    let steps =
        shown["series"]["SQLI"].as_object().map(|steps| steps.values().filter_map(Value::as_u64).sum());
    steps.unwrap_or(0)
}

#[test]
fn an_engine_that_is_asked_to_end_answers_what_it_has_begun_and_loses_nothing() {
    let folder = folder("stop");
    let mut engine = Engine::first(Kept::Folder(folder.clone())).expect("an engine");
    let (stopping, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let reporter = Reporter::new(&engine.secret, engine.address()).expect("a reporter");
            let (stopping, acknowledged) = (Arc::clone(&stopping), Arc::clone(&acknowledged));
            thread::spawn(move || {
                let mut seq = 0;
                // Without end until the engine is told to, so that it is in the middle of work then.
                while seq < BATCHES || !stopping.load(Ordering::Relaxed) {
                    seq += 1;
                    let one = batch(sender, seq);
                    let reply = (0..400).find_map(|_| match reporter.send(&one) {
                        Ok(reply) => Some(reply),
                        Err(_) => {
                            pause(25);
                            None
                        }
                    });
                    assert!(matches!(reply.expect("delivered").ack, Ack::Counted | Ack::Duplicate));
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                seq
            })
        })
        .collect();
    for round in 1..=3 {
        while acknowledged.load(Ordering::Relaxed) < round * 40 {
            pause(5);
        }
        let before = acknowledged.load(Ordering::Relaxed);
        assert!(engine.stop().expect("asked to end").success(), "an orderly end");
        engine.start_again().expect("another start");
        assert!(counted(&engine) >= before * 2, "what was acknowledged before the end is there after it");
    }
    stopping.store(true, Ordering::Relaxed);
    let sent: u64 = senders.into_iter().map(|sender| sender.join().expect("a sender")).sum();
    assert_eq!(counted(&engine), sent * 2);
    let fleet = engine.admin("/v1/admin/fleet").expect("the fleet");
    assert_eq!(fleet["functions"][0]["sums"]["inspected"], sent * 10);
    assert_eq!(fleet["functions"][0]["missingBatches"], 0, "each was counted with its number");
    drop(engine);
    std::fs::remove_dir_all(folder).expect("the folder is ours");
}

#[test]
fn a_copy_made_by_the_program_serves_in_the_place_of_the_file() {
    let (first, second) = (folder("backup"), folder("restored"));
    std::fs::create_dir_all(&second).expect("a folder");
    let engine = Engine::first(Kept::Folder(first.clone())).expect("an engine");
    let reporter = Reporter::new(&engine.secret, engine.address()).expect("a reporter");
    for seq in 1..=20 {
        reporter.send(&batch(1, seq)).expect("a reply");
    }
    let program = layout::binary("picket-engine").expect("the engine");
    let backup = || {
        Command::new(&program)
            .args(["backup", "--data"])
            .arg(&first)
            .arg("--to")
            .arg(second.join("picket.db"))
            .output()
            .expect("it runs")
    };
    assert!(backup().status.success(), "while the engine serves");
    assert!(!backup().status.success(), "nothing is written over");
    let wrong = folder("nothing-here");
    for command in [&["backup", "--to", "copy.db", "--data"][..], &["credential", "--data"]] {
        let told = Command::new(&program).args(command).arg(&wrong).output().expect("it runs");
        let why = String::from_utf8_lossy(&told.stderr);
        assert!(!told.status.success() && why.contains("is not there"), "{command:?}: {why}");
    }
    assert!(
        !wrong.exists() && !std::path::Path::new("copy.db").exists(),
        "a mistaken folder is not made one"
    );
    let (secret, first_token) = (engine.secret.clone(), engine.token.clone());
    drop(engine);
    // Whoever lost the first owner's token makes another one.
    let told = Command::new(&program).args(["credential", "--data"]).arg(&second).output().expect("it runs");
    let told: Value = serde_json::from_slice(&told.stdout).expect("one line of JSON");
    let token = told["adminToken"].as_str().expect("a token").to_owned();
    assert_ne!(token, first_token);
    let restored =
        Engine::over(Kept::Folder(second.clone()), secret, token).expect("an engine over the copy");
    assert_eq!(counted(&restored), 40);
    let reporter = Reporter::new(&restored.secret, restored.address()).expect("a reporter");
    assert_eq!(
        reporter.send(&batch(1, 20)).expect("a reply").ack,
        Ack::Duplicate,
        "the copy knows its batches"
    );
    assert_eq!(reporter.send(&batch(1, 21)).expect("a reply").ack, Ack::Counted);
    drop(restored);
    for folder in [first, second] {
        std::fs::remove_dir_all(folder).expect("the folder is ours");
    }
}

fn event(query: &str) -> Vec<u8> {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/items", "rawQueryString": query,
        "headers": {"host": "abc.lambda-url.eu-central-1.on.aws", "user-agent": "Mozilla/5.0 (X11; Linux x86_64)"},
        "requestContext": {
            "domainName": "abc.lambda-url.eu-central-1.on.aws", "requestId": "r", "stage": "$default",
            "http": {"method": "GET", "path": "/items", "sourceIp": "198.51.100.23"},
        },
        "isBase64Encoded": false,
    })
    .to_string()
    .into_bytes()
}

fn pass(double: &Double, runtime: &mut RawClient, body: &[u8]) {
    let id = double.queue(Event::new(body));
    let seen = runtime.next_event().expect("an event");
    runtime.respond(&seen, br#"{"statusCode":200}"#).expect("an answer");
    double.outcome(&id);
}

#[test]
fn agents_send_no_more_than_the_engine_asks_for() {
    let folder = folder("pressure");
    let engine = Engine::first(Kept::Folder(folder.clone())).expect("an engine");
    let cloud = Cloud::start();
    cloud.keep_secret(serde_json::to_string(&engine.secret).expect("JSON"));
    let mut revision = 0;
    let mut ask = |upload: &str| {
        let mut settings = engine.admin("/v1/admin/settings").expect("settings")["settings"].clone();
        settings["upload"] = json!(upload);
        engine
            .tell("PUT", "/v1/admin/settings", &json!({"settings": settings, "revision": revision}))
            .expect("set");
        revision += 1;
    };
    ask("counts");
    let (double, settings) = (Double::start(), cloud.settings(&[("PICKET_REPORT_INTERVAL_S", "1")]));
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let agent = Agent::start(&double, &settings);
    let mut runtime = agent.connect();
    let attack = event("id=1%27%20UNION%20SELECT%20name%2Cpassword%20FROM%20users--%20");
    let events = || {
        let shown = engine.admin("/v1/admin/events?limit=200").expect("events");
        shown["events"].as_array().expect("a list").len() as u64
    };
    // The first report may be made before the agent has heard what is asked of it.
    let mut sent = 0;
    let mut until = |runtime: &mut RawClient, what: &str, holds: &dyn Fn(u64) -> bool| {
        for _ in 0..200 {
            pass(&double, runtime, &attack);
            sent += 1;
            pause(50);
            if holds(sent) {
                return;
            }
        }
        panic!("waited in vain: {what}");
    };
    until(&mut runtime, "a first report", &|_| counted(&engine) > 0);
    let kept = events();
    until(&mut runtime, "counts without single requests", &|_| counted(&engine) > kept + 4);
    let before = events();
    until(&mut runtime, "more counts", &|_| counted(&engine) > before + 10);
    assert_eq!(events(), before, "counts alone");
    ask("all");
    until(&mut runtime, "single requests again", &|_| events() > before);
    drop((agent, engine));
    std::fs::remove_dir_all(folder).expect("the folder is ours");
}

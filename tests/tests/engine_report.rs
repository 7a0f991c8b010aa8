//! `picket report` asks a real engine: it gets past the longest span and past the first page, and it calls nothing safe that the engine
//! has not seen for long enough or not kept.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::process::{Command, Output};

use picket_cloud_protocol::{Batch, ClientKey, Event, EventAction, EventClass, EventSignal, Stats};
use picket_tests::{
    engine::{Engine, Kept, Reporter, now},
    layout,
};
use serde_json::{Value, json};

/// More than two pages of the engine's.
const BATCHES: u64 = 5;
const EVENTS: u64 = 100;

fn event(seq: u64, nth: u64) -> Event {
    let client: ClientKey = format!("198.51.100.{nth}").parse().expect("a client");
    let signal = EventSignal {
        signal: "SQLI".to_owned(),
        tier: "certain".to_owned(),
        stage: "attempted".to_owned(),
        detector: "sqli/1".to_owned(),
        location: "body.note".to_owned(),
        ..EventSignal::default()
    };
    let text = json!({
        "id": format!("event-{seq:04}-{nth:04}"), "at": now() * 1_000, "class": EventClass::Attack, "client": client,
        "path": "/notes", "action": EventAction::WouldBlock, "reason": "SQLI",
        "signals": [signal],
    });
    serde_json::from_value(text).expect("an event")
}

fn report(engine: &Engine, arguments: &[&str]) -> Output {
    Command::new(layout::binary("picket").expect("the command line"))
        .args(["report", "--engine", &format!("http://{}/", engine.address()), "--json"])
        .args(arguments)
        .env("PICKET_ADMIN_TOKEN", &engine.token)
        .output()
        .expect("it runs")
}

fn told(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn a_report_from_the_engine_is_whole_and_knows_how_much_it_has_seen() {
    let folder = std::env::temp_dir().join(format!("picket-report-{}", std::process::id()));
    let engine = Engine::first(Kept::Folder(folder.clone())).expect("an engine");
    let fresh = report(&engine, &["--require-safe"]);
    assert!(!fresh.status.success(), "an engine that has seen nothing calls nothing safe");
    assert_eq!(told(&fresh)["safe"], false);

    let reporter = Reporter::new(&engine.secret, engine.address()).expect("a reporter");
    for seq in 1..=BATCHES {
        let stats = Stats { inspected: 1_000, would_block: EVENTS, ..Stats::default() };
        let batch = Batch {
            v: 1,
            batch_id: format!("report-{seq:012}"),
            env: "report-env".to_owned(),
            seq,
            made: now(),
            events: (1..=EVENTS).map(|nth| event(seq, nth)).collect(),
            stats,
            ..Batch::default()
        };
        reporter.send(&batch).expect("a reply");
    }
    // The default, and as long as the engine keeps anything.
    for days in [&[] as &[&str], &["--days", "29"]] {
        let output = report(&engine, days);
        let told = told(&output);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let counts = (&told["wouldBlock"], &told["inspected"], &told["linesLeftOut"]);
        assert_eq!(counts, (&json!(BATCHES * EVENTS), &json!(BATCHES * 1_000), &json!(0)), "{days:?}");
        assert_eq!(told["places"][0]["judgement"], "looks-false", "{told}");
        assert!(told["days"].as_f64().is_some_and(|days| days < 1.0), "{told}");
    }

    // Counts without single requests, as an engine under pressure asks for them.
    let stats = Stats { inspected: 10, would_block: 7, ..Stats::default() };
    let batch = Batch {
        v: 1,
        batch_id: "report-counts-alone".to_owned(),
        env: "report-env".to_owned(),
        seq: BATCHES + 1,
        made: now(),
        stats,
        ..Batch::default()
    };
    reporter.send(&batch).expect("a reply");
    let told = told(&report(&engine, &["--days", "0"]));
    assert_eq!((&told["linesLeftOut"], &told["safe"]), (&json!(7), &json!(false)), "{told}");
    drop(engine);
    std::fs::remove_dir_all(folder).expect("the folder is ours");
}

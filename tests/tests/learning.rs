//! The way from watching to blocking, walked once: the built agent's own log lines go into the built `picket report`, and what that
//! says to exclude lets the requests pass.

use std::{fs, process::Command};

use picket_tests::{
    agent::Agent,
    double::{Double, Endpoint, Event},
    layout,
    output::{ATTACK, function_url},
};
use serde_json::Value;

/// The same event from another address.
#[expect(clippy::unwrap_used, reason = "the event is text")]
fn from(client: &str, query: &str) -> Vec<u8> {
    String::from_utf8(function_url(query, None)).unwrap().replace("198.51.100.23", client).into_bytes()
}

/// Serves events and gives the log.
#[expect(clippy::unwrap_used, reason = "a runtime that cannot be served fails the test")]
fn log_of(settings: &[(&str, &str)], events: &[Vec<u8>]) -> Vec<String> {
    let double = Double::start();
    let agent = Agent::start(&double, settings);
    let mut runtime = agent.connect();
    for event in events {
        double.queue(Event::new(event.as_slice()));
        let event = runtime.next_event().unwrap();
        runtime.respond(&event, br#"{"statusCode":200}"#).unwrap();
    }
    double.wait_calls(Endpoint::ExtensionNext, 1);
    double.shut_down("spindown");
    agent.written_to_its_end()
}

#[expect(clippy::unwrap_used, clippy::panic, reason = "a report that cannot be had fails the test")]
fn report_on(lines: &[String], arguments: &[&str]) -> Value {
    let file =
        std::env::temp_dir().join(format!("picket-learning-{}-{}.log", std::process::id(), lines.len()));
    fs::write(&file, lines.join("\n")).unwrap();
    let program = layout::binary("picket").unwrap_or_else(|error| panic!("{error}"));
    let told = Command::new(program)
        .args(["report", "--json", "--days", "0"])
        .args(arguments)
        .arg(&file)
        .output()
        .unwrap();
    fs::remove_file(&file).unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    serde_json::from_slice(&told.stdout).unwrap()
}

#[test]
fn what_the_report_says_to_exclude_lets_the_requests_pass() {
    let customers: Vec<Vec<u8>> = (1..=4).map(|n| from(&format!("203.0.113.{n}"), ATTACK)).collect();
    for form in ["picket", "ocsf"] {
        let lines = log_of(&[("PICKET_LOG_VERDICT_FORM", form)], &customers);
        let report = report_on(&lines, &[]);
        assert_eq!(
            (&report["wouldBlock"], &report["inspected"]),
            (&Value::from(4), &Value::from(4)),
            "{form}"
        );
        let place = &report["places"][0];
        assert_eq!(
            (place["signal"].as_str(), place["location"].as_str(), place["clients"].as_u64()),
            (Some("SQLI"), Some("query.id"), Some(4)),
            "{form}"
        );
        assert_eq!(place["judgement"], "looks-false", "{form}: {place}");
        assert_eq!(report["safe"], false);
        let exclusion = report["exclusions"][0].as_str().unwrap().to_owned();

        // With it nothing is left, neither in the report nor in the agent's log.
        assert_eq!(report_on(&lines, &["--exclude", &exclusion])["safe"], true, "{form}");
        let quiet = log_of(&[("PICKET_MODE", "block"), ("PICKET_EXCLUDE", &exclusion)], &customers);
        assert_eq!(report_on(&quiet, &[])["blocked"], 0, "{form}: {quiet:?}");
        assert!(quiet.iter().any(|line| line.contains("excluded=4")), "{quiet:?}");
    }
}

//! The built agent in the environments that live otherwise than on demand: Managed Instances, where many requests are under way at
//! once, and SnapStart, where the environment wakes up as a copy of another.

use picket_tests::{
    agent::Agent,
    double::{Double, Endpoint, Event},
    output::{ATTACK, function_url},
};
use serde_json::Value;

const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";
const RESTORE: &[u8] = b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: x\r\n\r\n";
const MANAGED: (&str, &str) = ("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances");

#[test]
fn on_managed_instances_each_request_gets_its_own_verdict() {
    const SLOTS: usize = 6;
    let double = Double::managed();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block"), MANAGED]);
    let mut slots: Vec<_> = (0..SLOTS).map(|_| agent.connect()).collect();
    for slot in &mut slots {
        slot.send(NEXT).unwrap();
    }
    double.wait_waiting(SLOTS);
    // Attacks between clean requests, all of them at once: an attack is answered, and its slot waits for another event.
    let attacks: Vec<_> = (0..3).map(|_| double.queue(Event::new(function_url(ATTACK, None)))).collect();
    let clean: Vec<_> =
        (0..SLOTS).map(|n| double.queue(Event::new(function_url(&format!("id={n}"), None)))).collect();
    for slot in &mut slots {
        let event = slot.receive("GET").unwrap();
        let seen: Value = serde_json::from_slice(&event.body).unwrap();
        let query = seen["rawQueryString"].as_str().unwrap().to_owned();
        assert!(!query.contains("UNION"), "an attack reached the runtime: {query}");
        let answer = format!(r#"{{"statusCode":200,"body":"{query}"}}"#);
        assert_eq!(slot.respond(&event, answer.as_bytes()).unwrap().status(), 202);
    }
    for id in &attacks {
        let answer: Value = serde_json::from_slice(&double.outcome(id).message.body).unwrap();
        assert_eq!(answer["statusCode"], 406);
        assert!(answer["body"].as_str().unwrap().contains(id.as_str()), "another request's answer: {answer}");
        assert_eq!(agent.verdict_of(id)["verdict"], "block");
    }
    for (number, id) in clean.iter().enumerate() {
        let answer: Value = serde_json::from_slice(&double.outcome(id).message.body).unwrap();
        assert_eq!(answer["body"], format!("id={number}"));
    }
}

#[test]
fn on_managed_instances_it_registers_for_shutdown_alone_and_ends_with_its_counters() {
    let double = Double::managed();
    let mut agent = Agent::start(&double, &[MANAGED]);
    assert_eq!(double.registered("picket").replace(' ', ""), "{\"events\":[\"SHUTDOWN\"]}");
    let mut slot = agent.connect();
    double.queue(Event::new(function_url("id=1", None)));
    let event = slot.next_event().unwrap();
    slot.respond(&event, b"{}").unwrap();
    double.wait_calls(Endpoint::ExtensionNext, 1);
    double.shut_down("spindown");
    assert!(agent.wait_exit().success());
    assert!(agent.line_with(" done ").contains("inspected=1"));
}

#[test]
fn after_a_restore_from_a_snapshot_it_blocks_as_before() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block")]);
    let mut runtime = agent.connect();
    runtime.send(RESTORE).unwrap();
    double.wait_calls(Endpoint::RestoreNext, 1);
    assert!(!agent.lines().iter().any(|line| line.contains("restored from a snapshot")));
    double.restore();
    assert_eq!(runtime.receive("GET").unwrap().status(), 200);
    agent.line_with("restored from a snapshot");
    let attack = double.queue(Event::new(function_url(ATTACK, None)));
    double.queue(Event::new(function_url("id=2", None)));
    assert_eq!(runtime.next_event().unwrap().body, function_url("id=2", None));
    let answer: Value = serde_json::from_slice(&double.outcome(&attack).message.body).unwrap();
    assert_eq!(answer["statusCode"], 406);
}

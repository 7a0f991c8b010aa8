//! The life of the built agent: its order at start, its end, and what it does when the platform or the port fails it.

use std::{net::TcpListener, time::Duration};

use picket_tests::{
    agent::{Agent, free_port},
    double::{Double, Endpoint, Event, Fault},
};

/// An agent that protects a runtime which has asked for its first event.
#[expect(clippy::unwrap_used, reason = "a runtime that cannot be served fails the test")]
fn warm(double: &Double, settings: &[(&str, &str)]) -> Agent {
    let agent = Agent::start(double, settings);
    let mut runtime = agent.connect();
    double.queue(Event::new(b"{}"));
    let event = runtime.next_event().unwrap();
    runtime.respond(&event, b"{}").unwrap();
    agent
}

#[test]
fn trap_02_the_listener_is_bound_before_the_agent_registers() {
    let double = Double::start();
    let agent = Agent::start(&double, &[]);
    double.wait_calls(Endpoint::Register, 1);
    // No retry: by the time that the platform hears of us, the port must accept.
    let mut runtime = picket_tests::double::RawClient::connect(("127.0.0.1", agent.port())).unwrap();
    double.queue(Event::new(b"{\"a\":1}"));
    assert_eq!(runtime.next_event().unwrap().body, b"{\"a\":1}");
}

#[test]
fn trap_03_a_slow_extensions_api_does_not_keep_events_waiting() {
    let double = Double::start();
    double.fault(Endpoint::Register, Fault::Gate);
    let agent = Agent::start(&double, &[("PICKET_MODE", "block")]);
    double.wait_calls(Endpoint::Register, 1);
    double.queue(Event::new(b"{}"));
    assert_eq!(agent.connect().next_event().unwrap().body, b"{}");
    double.release();
}

#[test]
fn trap_21_22_it_registers_for_shutdown_only() {
    let double = Double::start();
    let _agent = Agent::start(&double, &[]);
    assert_eq!(double.registered("picket").replace(' ', ""), "{\"events\":[\"SHUTDOWN\"]}");
}

#[test]
fn trap_24_its_name_is_the_name_of_its_file() {
    let double = Double::start();
    let _agent = Agent::start(&double, &[]);
    let register = &double.wait_calls(Endpoint::Register, 1)[0];
    assert_eq!(register.message.header("lambda-extension-name"), Some("picket"));
}

#[test]
fn trap_25_errors_of_the_extensions_api_park_it_and_the_proxy_goes_on() {
    for (endpoint, fault) in [
        (Endpoint::Register, Fault::Status(403)),
        (Endpoint::Register, Fault::Status(500)),
        (Endpoint::Register, Fault::Reset),
        (Endpoint::ExtensionNext, Fault::Status(500)),
        (Endpoint::ExtensionNext, Fault::Close),
    ] {
        let double = Double::start();
        double.fault(endpoint, fault.clone());
        let mut agent = Agent::start(&double, &[]);
        agent.line_with("the Extensions API failed");
        double.queue(Event::new(b"{\"a\":1}"));
        assert_eq!(agent.connect().next_event().unwrap().body, b"{\"a\":1}", "{endpoint:?} {fault:?}");
        assert!(agent.is_alive(), "{endpoint:?} {fault:?}");
        assert_eq!(
            double.calls_to(Endpoint::ExtensionError).len(),
            0,
            "reporting an error would fail the function"
        );
    }
}

#[test]
fn trap_46_shutdown_is_answered_at_once_with_one_line_of_counters() {
    let double = Double::start();
    let mut agent = warm(&double, &[("PICKET_MODE", "block")]);
    double.registered("picket");
    double.wait_calls(Endpoint::ExtensionNext, 1);
    double.shut_down("spindown");
    assert!(agent.wait_exit().success());
    let line = agent.line_with("done");
    assert!(
        line.contains("reason=\"spindown\"") && line.contains("inspected=1") && line.contains("blocked=0"),
        "{line}"
    );
    assert_eq!(agent.written().iter().filter(|line| line.contains(" done ")).count(), 1);
}

#[test]
fn trap_30_a_runtime_that_never_asks_is_said_to_be_unprotected() {
    let double = Double::start();
    let mut agent = Agent::start(&double, &[]);
    double.registered("picket");
    double.wait_calls(Endpoint::ExtensionNext, 1);
    double.shut_down("spindown");
    assert!(agent.wait_exit().success());
    assert!(agent.line_with("UNPROTECTED").contains("AWS_LAMBDA_EXEC_WRAPPER"));
}

#[test]
fn one_line_at_the_first_next_says_version_and_mode() {
    let double = Double::start();
    let agent = warm(&double, &[("PICKET_MODE", "block")]);
    let line = agent.line_with("protecting this function");
    assert!(
        line.contains(&format!("version=\"{}\"", env!("CARGO_PKG_VERSION")))
            && line.contains("mode=\"block\""),
        "{line}"
    );
    let mut runtime = agent.connect();
    double.queue(Event::new(b"{}"));
    runtime.next_event().unwrap();
    assert_eq!(agent.written().iter().filter(|line| line.contains("protecting this function")).count(), 1);
}

#[test]
fn a_taken_port_leaves_the_function_unprotected_and_alive() {
    let double = Double::start();
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port();
    let mut agent = Agent::start_on(port, &double.address(), &[]);
    assert!(agent.line_with("UNPROTECTED").contains(&port.to_string()));
    double.registered("picket");
    assert!(agent.is_alive());
    double.wait_calls(Endpoint::ExtensionNext, 1);
    double.shut_down("spindown");
    assert!(agent.wait_exit().success());
}

#[test]
fn trap_47_a_second_life_in_the_same_environment_gets_the_port_back() {
    let double = Double::start();
    let port = free_port();
    for life in 0..3 {
        let mut agent = Agent::start_on(port, &double.address(), &[]);
        let mut runtime = agent.connect();
        double.queue(Event::new(format!("{{\"life\":{life}}}")));
        let event = runtime.next_event().unwrap();
        assert_eq!(event.body, format!("{{\"life\":{life}}}").into_bytes());
        runtime.respond(&event, b"{}").unwrap();
        agent.signal("KILL");
        assert!(!agent.wait_exit().success());
    }
}

#[test]
fn every_wrong_setting_is_named_with_what_is_used_instead_and_nothing_stops() {
    let double = Double::start();
    let agent = warm(
        &double,
        &[
            ("PICKET_MODE", "blok"),
            ("PICKET_BLOCK_ON", "maybe"),
            ("PICKET_BLOCK_STATUS", "200"),
            ("PICKET_INSPECT_TIMEOUT_MS", "-1"),
            ("PICKET_RESPONSE", "chunked"),
        ],
    );
    for (key, value, used) in [
        ("PICKET_MODE", "blok", "log"),
        ("PICKET_BLOCK_ON", "maybe", "certain"),
        ("PICKET_BLOCK_STATUS", "200", "406"),
        ("PICKET_INSPECT_TIMEOUT_MS", "-1", "1000"),
        ("PICKET_RESPONSE", "chunked", "auto"),
    ] {
        let line = agent.line_with(key);
        assert!(
            line.contains(value) && line.contains("expected") && line.contains(&format!("{used} is used")),
            "{line}"
        );
    }
    assert!(agent.line_with("protecting this function").contains("mode=\"log\""));
}

#[test]
fn lambdas_log_settings_are_honoured() {
    let double = Double::start();
    let agent = warm(&double, &[("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("PICKET_MODE", "blok")]);
    for line in [agent.line_with("PICKET_MODE"), agent.line_with("protecting this function")] {
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(
            parsed["timestamp"].is_string() && parsed["level"].is_string() && parsed["message"].is_string(),
            "{line}"
        );
    }
    let quiet = warm(&double, &[("AWS_LAMBDA_LOG_LEVEL", "ERROR"), ("PICKET_MODE", "blok")]);
    let mut runtime = quiet.connect();
    double.queue(Event::new(b"{}"));
    runtime.next_event().unwrap();
    assert_eq!(quiet.written(), Vec::<String>::new());
}

#[test]
fn trap_18_a_freeze_in_the_middle_of_a_wait_loses_nothing() {
    let double = Double::start();
    let mut agent = warm(&double, &[("PICKET_MODE", "block")]);
    let mut runtime = agent.connect();
    let waiting = std::thread::spawn(move || (runtime.next_event(), runtime));
    double.wait_waiting(1);
    agent.signal("STOP");
    double.queue(Event::new(b"{\"after\":\"freeze\"}"));
    // The wall clock goes on while the process does not.
    std::thread::park_timeout(Duration::from_secs(2));
    agent.signal("CONT");
    let (event, mut runtime) = waiting.join().unwrap();
    let event = event.unwrap();
    assert_eq!(event.body, b"{\"after\":\"freeze\"}");
    assert_eq!(runtime.respond(&event, b"{}").unwrap().status(), 202);
    assert!(agent.is_alive());
}

#[test]
fn trap_26_the_platforms_address_is_used_as_it_was_given() {
    let double = Double::start();
    let port = double.address().rsplit_once(':').unwrap().1.to_owned();
    // Any spelling of the host is the platform's business.
    let agent = Agent::start_on(free_port(), &format!("localhost:{port}"), &[]);
    double.queue(Event::new(b"{}"));
    agent.connect().next_event().unwrap();
    let next = &double.calls_to(Endpoint::Next)[0];
    assert_eq!(next.message.header("host"), Some(format!("localhost:{port}").as_str()));
}

#[test]
fn trap_28_another_proxy_can_stand_upstream() {
    let (platform, other) = (Double::start(), Double::start());
    let agent = Agent::start(&platform, &[("PICKET_UPSTREAM", &other.address())]);
    other.queue(Event::new(b"{\"from\":\"the other proxy\"}"));
    assert_eq!(agent.connect().next_event().unwrap().body, b"{\"from\":\"the other proxy\"}");
    platform.registered("picket");
    assert_eq!(other.calls_to(Endpoint::Register).len(), 0);
}

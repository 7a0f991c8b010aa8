//! What every runtime client must see behind Picket. Knows events and answers; not how a client is started.
//!
//! Each function is one test; `tests/rie_<runtime>.rs` calls it for its client. All of them run in mode `block`.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use serde_json::Value;

use super::events::{function_url, percent_encoded, sha256};
use super::{Client, Function};
use crate::rie::layer::Layer;
use crate::rie::{Answer, Emulator, Environment};

/// Path traversal as it is found in any log of a public web server.
pub const TRAVERSAL: &str = "../../../../etc/passwd";

/// The example function of a client, or a skip that says why there is none.
#[must_use]
pub fn function(client: Client) -> Option<Function> {
    client.function().map_err(|why| crate::skip(&why)).ok()
}

/// The layer as it is built, around this function, in mode `block`.
#[must_use]
pub fn protected(function: Function) -> Environment {
    Environment { layer: Layer::built().expect("the layer"), function, variables: vec![] }
        .with("PICKET_MODE", "block")
}

/// An event with an attack in its query.
#[must_use]
pub fn attack() -> Vec<u8> {
    let query = format!("file={}", percent_encoded(TRAVERSAL));
    function_url("GET", "/items", &query, None).to_string().into_bytes()
}

/// An event with SQL injection in a field of a JSON body.
#[must_use]
pub fn injection() -> Vec<u8> {
    let body = r#"{"user":{"name":"admin' UNION SELECT name, password FROM users -- "}}"#;
    function_url("POST", "/login", "", Some(body)).to_string().into_bytes()
}

/// An event that nobody has anything against.
#[must_use]
pub fn clean() -> Vec<u8> {
    function_url("GET", "/items", "id=17&sort=name", None).to_string().into_bytes()
}

/// The environment, started.
#[must_use]
pub fn start(environment: Environment) -> Emulator {
    environment.start().expect("the emulator starts")
}

/// Invokes and expects the handler to have got exactly these bytes.
pub fn reaches_the_handler(emulator: &Emulator, event: &[u8]) {
    let before = emulator.handler_calls();
    let answer = emulator.invoke(event).expect("an answer");
    got_by_the_handler(&answer, event);
    assert_eq!(emulator.handler_calls(), before + 1, "the handler's own log");
}

/// Expects an answer of the handler that says it got exactly these bytes.
pub fn got_by_the_handler(answer: &Answer, event: &[u8]) {
    let said = answer.json();
    assert_eq!(said["statusCode"], 200, "{}", String::from_utf8_lossy(&answer.body));
    let got: Value =
        said["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).expect("the handler's answer");
    assert_eq!(got["length"], event.len(), "{got}");
    assert_eq!(got["sha256"], sha256(event), "{got}");
}

/// Invokes with an attack and expects that the handler never hears of it.
pub fn is_blocked(emulator: &Emulator, event: &[u8]) {
    let before = emulator.handler_calls();
    let answer = emulator.invoke(event).expect("an answer");
    let said = answer.json();
    assert_eq!(said["statusCode"], 406, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(emulator.handler_calls(), before, "the handler's own log:\n{}", emulator.log());
    let body = said["body"].as_str().expect("a body");
    for told in ["TRAVERSAL", "passwd", "SQL", "UNION", "user", "detector", "Picket", "picket"] {
        assert!(!body.contains(told), "the block body tells {told:?}: {body}");
    }
}

/// A clean request reaches the handler byte for byte, whatever the spelling of its JSON.
pub fn clean_requests_arrive_byte_for_byte(client: Client) {
    let Some(function) = function(client) else { return };
    let emulator = start(protected(function));
    reaches_the_handler(&emulator, &clean());
    // What a parser and a serialiser in between would change: spaces, escapes, long numbers, the order of keys.
    let spelled = String::from_utf8(clean())
        .expect("text")
        .replacen('{', "{ \"zeta\" : 1.50,\t\"big\":12345678901234567890,\"tiny\":1e-7,\"text\":\"\\u00e9\\/ caf\u{e9} \u{1f600}\", ", 1);
    reaches_the_handler(&emulator, spelled.as_bytes());
    reaches_the_handler(&emulator, b"{\"not\":\"an HTTP event\"}");
}

/// An attack is answered with 406 and the handler is not called; what comes next is served.
pub fn an_attack_is_answered_for_the_handler(client: Client) {
    let Some(function) = function(client) else { return };
    let emulator = start(protected(function));
    // As the first event of a new environment, in the middle, and several in a row.
    is_blocked(&emulator, &attack());
    reaches_the_handler(&emulator, &clean());
    is_blocked(&emulator, &injection());
    is_blocked(&emulator, &attack());
    reaches_the_handler(&emulator, &clean());
}

/// An error of the handler comes through as it is without Picket.
pub fn a_handler_error_comes_through(client: Client) {
    let Some(function) = function(client) else { return };
    let event = function_url("GET", "/fail", "", None).to_string().into_bytes();
    let emulator = start(protected(function.clone()));
    let with = emulator.invoke(&event).expect("an answer");
    assert_eq!(emulator.handler_calls(), 1);
    reaches_the_handler(&emulator, &clean());

    let bare = Layer::empty().expect("a layer");
    let unprotected = Function { command: without_wrapper(&function), ..function };
    let environment = Environment { layer: bare, function: unprotected, variables: vec![] };
    let emulator = start(environment.with("AWS_LAMBDA_EXEC_WRAPPER", ""));
    let without = emulator.invoke(&event).expect("an answer");
    assert_eq!(with.status, without.status);
    let (with, without) = (with.json(), without.json());
    assert!(with["errorMessage"].as_str().is_some_and(|text| text.contains("failed on purpose")), "{with}");
    for field in ["errorMessage", "errorType"] {
        assert_eq!(with[field], without[field]);
    }
}

/// A body of 5 MB comes through.
pub fn a_large_body_comes_through(client: Client) {
    let Some(function) = function(client) else { return };
    let emulator = start(protected(function));
    let line = "The quick brown fox jumps over the lazy dog; it was 25 degrees in the shade. ";
    let body = line.repeat(5 * 1024 * 1024 / line.len());
    let mut event = function_url("POST", "/upload", "", Some(&body));
    event["headers"]["content-type"] = Value::String("text/plain".to_owned());
    let event = event.to_string().into_bytes();
    assert!(event.len() > 5_200_000, "{}", event.len());
    reaches_the_handler(&emulator, &event);
    reaches_the_handler(&emulator, &clean());
}

/// When the agent is killed, at most the invocation in flight fails; the next is served and protected.
pub fn trap_47_a_killed_agent_comes_back(client: Client) {
    let Some(function) = function(client) else { return };
    let emulator = start(protected(function));
    reaches_the_handler(&emulator, &clean());
    for _round in 0..2 {
        emulator.kill_agent().expect("the agent was there");
        let event = clean();
        let answer = emulator.invoke(&event).expect("the emulator lives");
        if answer.status_code() == Some(200) {
            got_by_the_handler(&answer, &event);
        } else {
            // The platform's own error: the agent ended, or the runtime did because its call broke off.
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            let of_the_platform = said.contains("Extension.Crash") || said.contains("Runtime.ExitError");
            assert!(of_the_platform, "status {}: {said}\n{}", answer.status, emulator.log());
        }
        reaches_the_handler(&emulator, &clean());
        is_blocked(&emulator, &attack());
        reaches_the_handler(&emulator, &clean());
    }
}

/// With a stranger on the agent's port the function works, unprotected, and the log says so.
pub fn a_stranger_on_the_port_leaves_the_function_working(client: Client) {
    let Some(function) = function(client) else { return };
    for answer in [b"".as_slice(), b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"] {
        let stranger = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = stranger.local_addr().expect("an address").port();
        thread::spawn(move || {
            for mut stream in stranger.incoming().flatten() {
                let mut question = [0; 512];
                let _whatever_it_is = stream.read(&mut question);
                let _may_be_gone = stream.write_all(answer);
                if answer.is_empty() {
                    // Says nothing and keeps the connection until the other side gives up.
                    let _until_the_end = stream.read_to_end(&mut Vec::new());
                }
            }
        });
        let environment = protected(function.clone());
        let emulator = environment.start_on(port).expect("the emulator starts");
        reaches_the_handler(&emulator, &clean());
        reaches_the_handler(&emulator, &attack());
        let log = emulator.log();
        assert!(log.contains("UNPROTECTED"), "{log}");
        assert_eq!(log.matches("wrapper: ").count(), 1, "{log}");
    }
}

/// The start command of an OS-only function without the wrapper in front.
fn without_wrapper(function: &Function) -> Vec<String> {
    match function.command.split_first() {
        Some((first, rest)) if first == crate::rie::layer::WRAPPER => rest.to_vec(),
        Some(_) => function.command.clone(),
        None => panic!("a function without a start command"),
    }
}

//! The layer through an environment's life: start, settings, redirection, silence, kill and shutdown. Knows the log's lines; one
//! client, Python, stands for all.

use std::net::{TcpListener, TcpStream};
use std::thread;

use picket_tests::clients::contract::{
    attack, clean, function, is_blocked, protected, reaches_the_handler, start,
};
use picket_tests::clients::events::function_url;
use picket_tests::clients::{Client, on_os_only};
use picket_tests::layout;
use picket_tests::rie::layer::{AGENT, Layer};
use picket_tests::rie::{Environment, free_port};

#[test]
fn trap_22_the_agent_subscribes_to_nothing_but_shutdown() {
    let Some(function) = function(Client::Python) else { return };
    let emulator = start(protected(function));
    reaches_the_handler(&emulator, &clean());
    let log = emulator.log();
    assert!(log.contains("subscribed to [SHUTDOWN]"), "{log}");
}

#[test]
fn trap_24_the_agent_registers_under_the_name_of_its_file() {
    let Some(function) = function(Client::Python) else { return };
    let layer = Layer::built().expect("the layer");
    std::fs::rename(layer.folder().join(AGENT), layer.folder().join("extensions/renamed-by-its-owner"))
        .expect("a new name");
    let environment = Environment { layer, function, variables: vec![] };
    let emulator = start(environment.with("PICKET_MODE", "block"));
    reaches_the_handler(&emulator, &clean());
    is_blocked(&emulator, &attack());
    let log = emulator.log();
    assert!(log.contains("External agent renamed-by-its-owner"), "{log}");
}

#[test]
fn trap_27_the_agent_listens_on_the_loopback_address_alone() {
    let Some(function) = function(Client::Python) else { return };
    let emulator = start(protected(function));
    reaches_the_handler(&emulator, &clean());
    let port = emulator.picket_port();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    for other in ["127.0.0.2", "::1"] {
        assert!(TcpStream::connect((other, port)).is_err(), "{other}");
    }
}

#[test]
fn trap_29_without_the_agent_the_wrapper_leaves_the_function_alone() {
    let Some(function) = function(Client::Python) else { return };
    let layer = Layer::built().expect("the layer");
    std::fs::remove_file(layer.folder().join(AGENT)).expect("it was there");
    let emulator = start(Environment { layer, function, variables: vec![] });
    reaches_the_handler(&emulator, &clean());
    reaches_the_handler(&emulator, &attack());
    let log = emulator.log();
    assert!(log.contains("UNPROTECTED: nothing listens on"), "{log}");
}

#[test]
fn trap_30_a_runtime_that_is_not_redirected_is_called_unprotected() {
    let Some(function) = function(Client::Python) else { return };
    // A managed runtime whose owner forgot the wrapper's variable.
    let mut emulator = start(protected(function).with("AWS_LAMBDA_EXEC_WRAPPER", ""));
    reaches_the_handler(&emulator, &clean());
    reaches_the_handler(&emulator, &attack());
    let log = emulator.terminate().expect("it ends");
    assert!(log.contains("UNPROTECTED"), "{log}");
}

#[test]
fn trap_30_an_os_only_bootstrap_may_be_a_link_to_the_wrapper() {
    for client in [Client::Go, Client::Rust] {
        let Some(function) = function(client) else { return };
        // As docs/runtimes.md says: the program has another name, the handler names it, `bootstrap` is a link.
        let task =
            layout::target().join("tmp/os-only").join(format!("{}-{}", client.name(), std::process::id()));
        std::fs::create_dir_all(&task).expect("a folder");
        std::fs::copy(function.task.join("app"), task.join("app")).expect("the program");
        let _from_an_earlier_run = std::fs::remove_file(task.join("bootstrap"));
        std::os::unix::fs::symlink("/opt/picket/wrapper", task.join("bootstrap")).expect("a link");
        let mut linked = on_os_only(&task, &[]);
        linked.command = vec!["/var/task/bootstrap".to_owned()];
        linked.variables = vec![
            ("LAMBDA_TASK_ROOT".to_owned(), "/var/task".to_owned()),
            ("_HANDLER".to_owned(), "app".to_owned()),
            ("AWS_LAMBDA_FUNCTION_HANDLER".to_owned(), "app".to_owned()),
        ];
        let emulator = start(protected(linked));
        reaches_the_handler(&emulator, &clean());
        is_blocked(&emulator, &attack());
        drop(emulator);
        let _left_over = std::fs::remove_dir_all(task);
    }
}

#[test]
fn trap_30_a_containers_entry_point_is_wrapped() {
    let Some(function) = function(Client::Python) else { return };
    // A container image's own entry point, which knows no AWS_LAMBDA_EXEC_WRAPPER.
    let mut container = on_os_only(&function.task, &function.command);
    container.variables = function.variables;
    container.variables.push(("LAMBDA_TASK_ROOT".to_owned(), "/var/task".to_owned()));
    let emulator = start(protected(container));
    reaches_the_handler(&emulator, &clean());
    is_blocked(&emulator, &attack());
}

#[test]
fn trap_46_shutdown_is_answered_with_one_line_of_counters() {
    let Some(function) = function(Client::Python) else { return };
    let mut emulator = start(protected(function));
    reaches_the_handler(&emulator, &clean());
    is_blocked(&emulator, &attack());
    let log = emulator.terminate().expect("it ends");
    let last: Vec<&str> = log.lines().filter(|line| line.contains("inspected")).collect();
    assert_eq!(last.len(), 1, "{log}");
    assert!(!log.contains("UNPROTECTED"), "{log}");
}

#[test]
fn trap_48_clean_requests_leave_no_line() {
    let Some(function) = function(Client::Python) else { return };
    let emulator = start(protected(function));
    reaches_the_handler(&emulator, &clean());
    let ours = |log: &str| log.lines().filter(|line| line.to_lowercase().contains("picket")).count();
    let before = ours(&emulator.log());
    for _ in 0..20 {
        reaches_the_handler(&emulator, &clean());
    }
    assert_eq!(ours(&emulator.log()), before, "{}", emulator.log());
    is_blocked(&emulator, &attack());
    emulator.log_with("\"verdict\":\"block\"").expect("one line for a block");
    assert_eq!(ours(&emulator.log()), before + 1, "{}", emulator.log());
}

#[test]
fn wrong_settings_are_named_and_stop_nothing() {
    let Some(function) = function(Client::Python) else { return };
    let mut environment = protected(function);
    for (key, value) in [
        ("PICKET_MODE", "blokc"),
        ("PICKET_BLOCK_ON", "everything"),
        ("PICKET_BLOCK_STATUS", "99999"),
        ("PICKET_UPSTREAM", "not an address"),
        ("PICKET_INSPECT_TIMEOUT_MS", "-1"),
        ("PICKET_LOG_LEVEL", "\u{1b}[31mloud"),
    ] {
        environment = environment.with(key, value);
    }
    let emulator = start(environment);
    reaches_the_handler(&emulator, &clean());
    reaches_the_handler(&emulator, &attack());
    let log = emulator.log();
    for key in [
        "PICKET_MODE",
        "PICKET_BLOCK_ON",
        "PICKET_BLOCK_STATUS",
        "PICKET_UPSTREAM",
        "PICKET_INSPECT_TIMEOUT_MS",
    ] {
        assert!(log.contains(key), "{key} is not named:\n{log}");
    }
    assert!(!log.contains('\u{1b}'), "{log}");
}

#[test]
fn the_invocation_in_flight_is_all_that_a_kill_can_cost() {
    let Some(function) = function(Client::Python) else { return };
    let emulator = start(protected(function));
    reaches_the_handler(&emulator, &clean());
    let mut slow = function_url("GET", "/slow", "", None);
    slow["seconds"] = 5.into();
    let slow = slow.to_string().into_bytes();
    let calls = emulator.handler_calls();
    thread::scope(|scope| {
        let flight = scope.spawn(|| emulator.invoke(&slow));
        emulator.wait_for_calls(calls + 1).expect("the handler is called");
        emulator.kill_agent().expect("the agent was there");
        let answer = flight.join().expect("the thread ends").expect("the emulator lives");
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        let of_the_platform = said.contains("Extension.Crash") || said.contains("Runtime.ExitError");
        assert!(of_the_platform, "status {}: {said}", answer.status);
    });
    for _ in 0..3 {
        reaches_the_handler(&emulator, &clean());
        is_blocked(&emulator, &attack());
    }
}

#[test]
fn a_port_that_is_taken_for_good_ends_nothing() {
    let Some(function) = function(Client::Python) else { return };
    // Taken, and nobody ever accepts.
    let port = free_port().expect("a port");
    let taken = TcpListener::bind(("127.0.0.1", port)).expect("a port");
    let mut emulator = protected(function).start_on(port).expect("the emulator starts");
    for _ in 0..3 {
        reaches_the_handler(&emulator, &clean());
        reaches_the_handler(&emulator, &attack());
    }
    let log = emulator.log();
    assert_eq!(log.matches("INIT START").count(), 1, "no crash loop:\n{log}");
    emulator.terminate().expect("it ends");
    drop(taken);
}

#[test]
fn a_second_life_of_the_environment_is_as_good_as_the_first() {
    let Some(function) = function(Client::Python) else { return };
    let emulator = start(protected(function));
    for _life in 0..3 {
        reaches_the_handler(&emulator, &clean());
        is_blocked(&emulator, &attack());
        // The handler ends its own process: the platform starts everything anew, with the same /tmp and the same port.
        let exit = function_url("GET", "/exit", "", None).to_string();
        let answer = emulator.invoke(exit.as_bytes()).expect("the emulator lives");
        assert!(String::from_utf8_lossy(&answer.body).contains("Runtime.ExitError"), "{}", emulator.log());
    }
    reaches_the_handler(&emulator, &clean());
}

//! Picket and a second proxy in one row, in both orders, with the variables that docs/chaining.md names. Knows what each of them
//! must see.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use picket_tests::clients::contract::{
    attack, clean, function, is_blocked, protected, reaches_the_handler, start,
};
use picket_tests::clients::events::sha256;
use picket_tests::clients::{Client, Function};
use picket_tests::layout;
use picket_tests::rie::{Emulator, Environment, free_port};

/// The environment with the second proxy in its layer.
fn with_second(function: Function, port: u16) -> Environment {
    let environment = protected(function);
    let program = layout::repository().join("tests/functions/proxy/second.py");
    let script = format!("#!/bin/sh\nexec python3 {}\n", program.display());
    environment.layer.put_script("extensions/second", &script).expect("a script");
    let wrapper = "#!/bin/sh\nexport AWS_LAMBDA_RUNTIME_API=127.0.0.1:$SECOND_PORT\nexec \"$@\"\n";
    environment.layer.put_script("second/wrapper", wrapper).expect("a script");
    environment.with("SECOND_PORT", &port.to_string())
}

/// Whether the second proxy handed on this event.
fn second_saw(emulator: &Emulator, event: &[u8]) -> bool {
    let digest = sha256(event);
    emulator.log().lines().any(|line| line.starts_with("second-proxy GET") && line.contains(&digest))
}

#[test]
fn trap_28_picket_next_to_the_runtime() {
    let Some(function) = function(Client::Python) else { return };
    let port = free_port().expect("a port");
    let emulator = start(with_second(function, port).with("PICKET_UPSTREAM", &format!("127.0.0.1:{port}")));
    reaches_the_handler(&emulator, &clean());
    is_blocked(&emulator, &attack());
    reaches_the_handler(&emulator, &clean());
    assert!(second_saw(&emulator, &clean()), "{}", emulator.log());
    assert!(second_saw(&emulator, &attack()), "Picket asks the second proxy for events:\n{}", emulator.log());
}

#[test]
fn trap_28_the_other_next_to_the_runtime() {
    let Some(function) = function(Client::Python) else { return };
    let (second, picket) = (free_port().expect("a port"), free_port().expect("a port"));
    let environment = with_second(function, second)
        .with("PICKET_NEXT_WRAPPER", "/opt/second/wrapper")
        .with("SECOND_UPSTREAM", &format!("127.0.0.1:{picket}"));
    let emulator = environment.start_on(picket).expect("the emulator starts");
    reaches_the_handler(&emulator, &clean());
    is_blocked(&emulator, &attack());
    reaches_the_handler(&emulator, &clean());
    assert!(second_saw(&emulator, &clean()), "{}", emulator.log());
    assert!(
        !second_saw(&emulator, &attack()),
        "Picket lets no attack through to the second proxy:\n{}",
        emulator.log()
    );
}

#[test]
fn a_killed_second_proxy_does_not_leave_picket_behind() {
    let Some(function) = function(Client::Python) else { return };
    let port = free_port().expect("a port");
    let emulator = start(with_second(function, port).with("PICKET_UPSTREAM", &format!("127.0.0.1:{port}")));
    reaches_the_handler(&emulator, &clean());
    // The platform ends the whole environment when an extension ends; both come back with the next one.
    emulator.kill_agent().expect("the agent was there");
    let _at_most_this_one_fails = emulator.invoke(&clean()).expect("the emulator lives");
    reaches_the_handler(&emulator, &clean());
    is_blocked(&emulator, &attack());
}

//! A policy that is deployed with the code, as docs/infrastructure.md says, under AWS's emulator. Knows what that page promises.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{fs, process::Command};

use picket_tests::{
    clients::{
        Client,
        contract::{function, protected, start},
        events,
    },
    layout,
};

/// The variables that the page's Terraform gives the function.
fn variables(page: &str) -> Vec<(String, String)> {
    let section = page.split("## A policy beside the code").nth(1).expect("the section");
    let block =
        section.split("variables = {").nth(1).and_then(|rest| rest.split('}').next()).expect("variables");
    let read = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
    };
    block.lines().filter_map(read).collect()
}

#[test]
fn a_policy_beside_the_code_decides_without_any_setting() {
    let Some(mut function) = function(Client::Python) else { return };
    let page = fs::read_to_string(layout::repository().join("docs/infrastructure.md")).expect("the page");
    let given = variables(&page);
    assert_eq!(given, [("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), "/opt/picket/wrapper".to_owned())]);

    let task = layout::target().join("tmp/task").join(std::process::id().to_string());
    fs::create_dir_all(&task).expect("a folder");
    fs::copy(function.task.join("app.py"), task.join("app.py")).expect("the handler");
    let built = Command::new(layout::binary("picket").unwrap_or_else(|error| panic!("{error}")))
        .args(["policy", "build"])
        .arg(layout::repository().join("docs/policy/infrastructure.yaml"))
        .arg("-o")
        .arg(task.join("picket.policy"))
        .output()
        .expect("picket runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    function.task.clone_from(&task);

    let mut environment = protected(function);
    // What the tests set otherwise would decide over the policy's own mode.
    environment.variables = given;
    let emulator = start(environment);
    let ask = |path: &str| {
        let event = events::function_url("GET", path, "", None).to_string();
        emulator.invoke(event.as_bytes()).expect("an answer").status_code()
    };
    assert_eq!(ask("/internal/stock"), Some(404));
    assert_eq!(emulator.handler_calls(), 0, "the handler was never called");
    ask("/orders/17");
    emulator.wait_for_calls(1).expect("what no rule names reaches the handler");
    let log = emulator.log_with("protecting this function").expect("the first line");
    assert!(log.contains("/var/task/picket.policy") && log.contains("orders"), "{log}");
    drop(emulator);
    fs::remove_dir_all(task).expect("the folder");
}

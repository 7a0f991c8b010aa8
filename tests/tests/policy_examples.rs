//! Every example of docs/policy, built by `picket policy build` and decided by the built agent: each case once as an event, and what is expected
//! of it held against what the platform got, what the runtime saw, and what was logged.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use picket_tests::{
    agent::Agent,
    double::{Double, Endpoint, Event},
    layout,
};
use serde_json::{Value, json};

/// Runs `picket` and gives what it printed.
fn picket(arguments: &[&Path]) -> String {
    let program = layout::binary("picket").unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new(program).args(arguments).output().expect("picket runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{arguments:?}\n{text}");
    text
}

fn examples() -> Vec<PathBuf> {
    let folder = layout::repository().join("docs/policy");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

/// The answer of the example's handler.
fn answer(case: &Value) -> Value {
    let response = &case["response"];
    let headers: serde_json::Map<String, Value> = response["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), json!(value.as_str().unwrap_or_default())))
        .collect();
    json!({
        "statusCode": response["status"].as_u64().unwrap_or(200),
        "headers": headers,
        "body": response["body"].as_str().unwrap_or_default(),
    })
}

/// One case through an agent of its own.
fn run(policy: &Path, name: &str, event: &[u8], case: &Value) {
    let double = Double::start();
    let policy = policy.to_str().unwrap();
    let function = case["function"].as_str().unwrap_or("shop");
    let settings = [("PICKET_POLICY", policy), ("AWS_LAMBDA_FUNCTION_NAME", function)];
    let agent = Agent::start(&double, &settings);
    let times = case["times"].as_u64().unwrap_or(1);
    let mut id = String::new();
    for _ in 0..times {
        id = double.queue(Event::new(event));
    }
    // A clean event behind them: once the runtime has it, the others are decided.
    let last = double.queue(Event::new(b"{}".to_vec()));
    let mut runtime = agent.connect();
    if fs::read_to_string(policy).unwrap().contains("\"geo\"") {
        // They are read on a thread of their own, and nobody waits for them.
        agent.line_with("the policy's MaxMind files were read");
    }
    let (mut reached, answer) = (false, answer(case).to_string());
    loop {
        let seen = runtime.next_event().unwrap();
        let seen_id = seen.header("lambda-runtime-aws-request-id").unwrap_or_default().to_owned();
        if seen_id == last {
            break;
        }
        reached |= seen_id == id;
        runtime.respond(&seen, answer.as_bytes()).unwrap();
    }
    let outcome = double.outcome(&id);
    assert_eq!(outcome.endpoint, Endpoint::Response, "{name}");
    let got: Value = serde_json::from_slice(&outcome.message.body).unwrap();
    let wanted: Value = serde_json::from_str(&answer).unwrap();
    let replaced = got["statusCode"] != wanted["statusCode"] || !reached;
    let expect = &case["expect"];
    match expect["verdict"].as_str() {
        Some("block") => assert!(replaced, "{name}: it is blocked; {got} {:?}", agent.lines()),
        Some("allow" | "wouldBlock") => assert!(!replaced, "{name}: it passes; {got} {:?}", agent.lines()),
        _ => {}
    }
    if let Some(status) = expect["status"].as_u64() {
        assert_eq!(got["statusCode"], status, "{name}");
    }
    if let Some(rule) = expect["rule"].as_str().filter(|_| expect["verdict"] != "allow") {
        assert_eq!(agent.verdict_of(&id)["ruleId"], rule, "{name}");
    }
    if expect["verdict"] == "wouldBlock" {
        assert_eq!(agent.verdict_of(&id)["verdict"], "would_block", "{name}");
    }
}

#[test]
fn each_example_does_through_the_built_agent_what_it_says() {
    let folder = std::env::temp_dir().join(format!("picket-examples-{}", std::process::id()));
    let files = examples();
    assert!(files.len() >= 12, "{files:?}");
    for file in &files {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let (policy, cases) = (folder.join(format!("{stem}.policy")), folder.join(stem));
        fs::create_dir_all(&cases).unwrap();
        picket(&["policy".as_ref(), "build".as_ref(), file, "--output".as_ref(), &policy]);
        for beside in ["countries.mmdb", "asns.mmdb"] {
            fs::copy(file.with_file_name(beside), policy.with_file_name(beside)).unwrap();
        }
        // Its own cases hold on the command line as well, and nothing in it is doubtful.
        picket(&[
            "policy".as_ref(),
            "check".as_ref(),
            "--strict".as_ref(),
            file,
            "--write-cases".as_ref(),
            &cases,
        ]);
        let mut expected: Vec<PathBuf> = fs::read_dir(&cases).unwrap().map(|e| e.unwrap().path()).collect();
        expected.retain(|path| path.to_str().is_some_and(|path| path.ends_with(".expect.json")));
        expected.sort();
        assert!(expected.len() >= 2, "{stem}: once matching and once not");
        for path in expected {
            let case: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let event = path.to_str().unwrap().replace(".expect.json", ".json");
            let name = format!("{stem}: {}", case["name"].as_str().unwrap_or_default());
            run(&policy, &name, &fs::read(event).unwrap(), &case);
        }
    }
    fs::remove_dir_all(folder).unwrap();
}

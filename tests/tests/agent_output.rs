//! What the built agent writes for machines: metrics in CloudWatch's format, and verdicts in that of the Open Cybersecurity Schema
//! Framework. The schemas in tests/schemas say what those formats are.

use jsonschema::Validator;
use picket_tests::{
    agent::Agent,
    cloud::Cloud,
    double::{Double, Endpoint, Event},
    layout,
    output::{ATTACK, function_url},
};
use serde_json::{Value, json};

#[expect(clippy::unwrap_used, reason = "a test without its schema has failed")]
fn schema(name: &str) -> Validator {
    let text = std::fs::read_to_string(layout::repository().join("tests/schemas").join(name)).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn must_hold(validator: &Validator, instance: &Value) {
    let wrong: Vec<String> =
        validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{instance:#}");
}

/// What the specification asks for and JSON Schema cannot say: names that are referred to stand at the root, dimensions as text,
/// metrics as numbers or at most a hundred of them.
#[expect(clippy::unwrap_used, reason = "the schema has been held before")]
fn names_are_resolved(line: &Value) {
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        for name in directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap())
        {
            let value = line[name.as_str().unwrap()].as_str().unwrap_or_default();
            assert!((1..=1024).contains(&value.len()), "dimension {name} of {line:#}");
        }
        for metric in directive["Metrics"].as_array().unwrap() {
            let value = &line[metric["Name"].as_str().unwrap()];
            let many = value.as_array().is_some_and(|values| {
                (1..=100).contains(&values.len()) && values.iter().all(Value::is_number)
            });
            assert!(value.is_number() || many, "metric {metric} of {line:#}");
            assert_ne!(value, &json!(0), "a zero is left out: {line:#}");
        }
    }
}

/// Serves these events, ends the environment and gives the lines of metrics.
#[expect(clippy::unwrap_used, reason = "a runtime that cannot be served fails the test")]
fn metrics_of(settings: &[(&str, &str)], events: &[Vec<u8>]) -> Vec<Value> {
    let double = Double::start();
    let agent = Agent::start(&double, settings);
    let mut runtime = agent.connect();
    for event in events {
        double.queue(Event::new(event.as_slice()));
        // A blocked event is followed by a clean one, so that the runtime has something to ask for.
        double.queue(Event::new(function_url("", None)));
        loop {
            let event = runtime.next_event().unwrap();
            let last = event.body == function_url("", None);
            runtime.respond(&event, br#"{"statusCode":200}"#).unwrap();
            if last {
                break;
            }
        }
    }
    double.wait_calls(Endpoint::ExtensionNext, 1);
    double.shut_down("spindown");
    agent
        .written_to_its_end()
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line.get("_aws").is_some())
        .collect()
}

#[test]
fn metrics_are_lines_in_the_embedded_metric_format() {
    let settings =
        [("PICKET_MODE", "block"), ("PICKET_SITE", "shop"), ("AWS_LAMBDA_FUNCTION_NAME", "checkout")];
    let attack = function_url(ATTACK, None);
    let lines = metrics_of(&settings, &[attack.clone(), attack, function_url("id=2", None)]);
    let format = schema("emf.json");
    assert!(!lines.is_empty(), "no line");
    for line in &lines {
        must_hold(&format, line);
        names_are_resolved(line);
        assert_eq!((&line["Site"], &line["FunctionName"]), (&json!("shop"), &json!("checkout")));
    }
    let sum = |name: &str| lines.iter().filter_map(|line| line[name].as_u64()).sum::<u64>();
    assert_eq!((sum("Inspected"), sum("Blocked"), sum("WouldBlock"), sum("FailOpen")), (6, 2, 0, 0));
    let times: usize = lines.iter().filter_map(|line| line["DecisionTime"].as_array().map(Vec::len)).sum();
    assert_eq!(times, 6, "one time for each decision");
    assert!(lines.len() <= 2, "never a line for each request: {}", lines.len());
}

#[test]
fn no_dimension_can_grow_with_what_is_sent() {
    let settings = [("AWS_LAMBDA_FUNCTION_NAME", "checkout")];
    let events: Vec<Vec<u8>> = (0..20).map(|n| function_url(&format!("id={n}&{ATTACK}"), None)).collect();
    let mut seen = std::collections::BTreeSet::new();
    for line in metrics_of(&settings, &events) {
        let sets = &line["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
        seen.insert(format!("{sets} {} {}", line["Site"], line["FunctionName"]));
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [r#"[["Site"],["Site","FunctionName"]] "default" "checkout""#]
    );
}

#[test]
fn metrics_can_be_switched_off_and_follow_the_log_level() {
    let event = [function_url(ATTACK, None)];
    assert_eq!(metrics_of(&[("PICKET_METRICS", "off")], &event), Vec::<Value>::new());
    let quiet = {
        let double = Double::start();
        let mut agent = Agent::start(&double, &[("AWS_LAMBDA_LOG_LEVEL", "WARN")]);
        let id = double.queue(Event::new(function_url(ATTACK, None)));
        agent.connect().next_event().unwrap();
        agent.verdict_of(&id);
        double.wait_calls(Endpoint::ExtensionNext, 1);
        double.shut_down("spindown");
        assert!(agent.wait_exit().success());
        agent.written()
    };
    assert!(!quiet.iter().any(|line| line.contains("_aws")), "{quiet:?}");
}

#[test]
fn verdicts_can_be_written_as_ocsf_http_activity() {
    let format = schema("ocsf-http-activity.json");
    let sqs = json!({"Records": [{
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d", "eventSource": "aws:sqs", "awsRegion": "eu-central-1",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:orders", "body": "1' UNION SELECT name,password FROM users-- ",
    }]})
    .to_string()
    .into_bytes();
    for (mode, event, action, disposition, activity) in [
        ("block", function_url(ATTACK, None), 2, "Blocked", 6),
        ("log", function_url(ATTACK, None), 3, "Detected", 6),
        ("log", sqs, 3, "Detected", 0),
    ] {
        let double = Double::start();
        let agent = Agent::start(&double, &[("PICKET_MODE", mode), ("PICKET_LOG_VERDICT_FORM", "ocsf")]);
        let id = double.queue(Event::new(event));
        double.queue(Event::new(function_url("", None)));
        agent.connect().next_event().unwrap();
        let line: Value = serde_json::from_str(&agent.line_with(&format!("\"uid\":\"{id}\""))).unwrap();
        must_hold(&format, &line);
        assert_eq!(
            (&line["action_id"], &line["disposition"], &line["activity_id"]),
            (&json!(action), &json!(disposition), &json!(activity)),
            "{line:#}"
        );
        if activity == 6 {
            assert_eq!(line["firewall_rule"]["name"], "SQLI");
            assert_eq!(line["firewall_rule"]["match_location"], "query.id");
            assert_eq!(line["src_endpoint"]["ip"], "198.51.100.23");
            assert_eq!(line["http_request"]["url"]["path"], "/items");
            assert_eq!(
                line["metadata"]["correlation_uid"].as_str().map(|id| id.starts_with("1-")),
                Some(true)
            );
        }
        assert!(line["unmapped"]["allowedBy"].is_string(), "what Picket knows more is not lost: {line:#}");
        assert!(line["unmapped"].get("client").is_none(), "nothing stands twice: {line:#}");
    }
}

#[test]
fn a_flagged_client_is_a_metric_and_in_ocsf_one_detection_finding() {
    let double = Double::start();
    let cloud = Cloud::start();
    cloud.flag("198.51.100.23");
    let settings = cloud.settings(&[
        ("PICKET_MODE", "block"),
        ("PICKET_BLOCK_ON", "flagged"),
        ("PICKET_FLAG_WAIT_MS", "5000"),
        ("PICKET_LOG_VERDICT_FORM", "ocsf"),
    ]);
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let agent = Agent::start(&double, &settings);
    let mut runtime = agent.connect();
    for _ in 0..3 {
        double.queue(Event::new(function_url(ATTACK, None)));
    }
    double.queue(Event::new(function_url("id=2", None)));
    let event = runtime.next_event().unwrap();
    runtime.respond(&event, br#"{"statusCode":200}"#).unwrap();
    double.wait_calls(Endpoint::ExtensionNext, 1);
    double.shut_down("spindown");
    let lines: Vec<Value> =
        agent.written_to_its_end().iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let findings: Vec<&Value> = lines.iter().filter(|line| line["class_uid"] == 2004).collect();
    assert_eq!(findings.len(), 1, "one for a client, however often it is met: {findings:#?}");
    must_hold(&schema("ocsf-detection-finding.json"), findings[0]);
    assert_eq!(findings[0]["evidences"][0]["src_endpoint"]["ip"], "198.51.100.23");
    let flagged: u64 = lines.iter().filter_map(|line| line["Flagged"].as_u64()).sum();
    assert_eq!(flagged, 4, "each of its requests: {lines:#?}");
}

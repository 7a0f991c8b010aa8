//! The verdict line as an event of the Open Cybersecurity Schema Framework: class HTTP Activity with the profile of security
//! controls, which the framework asks of a control that judges single requests.
//!
//! It only renames: what a sender wrote has been redacted before it comes here.

use serde_json::{Map, Value, json};

use crate::verdict_line::{Line, Signal};

/// The version of the schema. The table of numbers below is that version's.
const SCHEMA: &str = "1.5.0";
const CATEGORY: u32 = 4;
const CLASS: u32 = 4002;

/// The event for one verdict. What the schema has no place for stands under `unmapped`, as it would in Picket's own form.
pub(crate) fn http_activity(line: &Line<'_>, time_ms: u64, version: &str) -> Value {
    let (activity, activity_name) = activity(&line.method);
    let first = line.signals.first();
    let (action, disposition) = match line.verdict {
        "block" => ((2, "Denied"), (2, "Blocked")),
        "would_block" => ((3, "Observed"), (15, "Detected")),
        _ => ((3, "Observed"), (17, "Logged")),
    };
    let (confidence, severity) = match first.map(|signal| signal.tier) {
        Some("certain") => (Some((3, "High")), (4, "High")),
        Some("likely") => (Some((2, "Medium")), (3, "Medium")),
        Some(_) => (Some((1, "Low")), (2, "Low")),
        None => (None, (2, "Low")),
    };
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| drop(event.insert(name.to_owned(), value));
    put("category_uid", json!(CATEGORY));
    put("category_name", json!("Network Activity"));
    put("class_uid", json!(CLASS));
    put("class_name", json!("HTTP Activity"));
    put("activity_id", json!(activity));
    put("activity_name", json!(activity_name));
    put("type_uid", json!(CLASS * 100 + activity));
    put("type_name", json!(format!("HTTP Activity: {activity_name}")));
    put("time", json!(time_ms));
    put("severity_id", json!(severity.0));
    put("severity", json!(severity.1));
    put("message", json!(line.message));
    put("metadata", metadata(line, version));
    put("action_id", json!(action.0));
    put("action", json!(action.1));
    put("disposition_id", json!(disposition.0));
    put("disposition", json!(disposition.1));
    put("is_alert", json!(matches!(line.verdict, "block" | "would_block")));
    if let Some((id, caption)) = confidence {
        put("confidence_id", json!(id));
        put("confidence", json!(caption));
    }
    if let Some(signal) = first {
        put("firewall_rule", firewall_rule(signal));
    }
    let mut request = Map::from_iter([("uid".to_owned(), json!(line.request_id))]);
    if !line.method.is_empty() {
        request.insert("http_method".to_owned(), json!(line.method));
    }
    if !line.path.is_empty() {
        request.insert("url".to_owned(), json!({ "path": line.path }));
    }
    put("http_request", Value::Object(request));
    if let Some(status) = line.status {
        put("http_response", json!({ "code": status }));
    }
    if let Some(client) = &line.client {
        put("src_endpoint", json!({ "ip": client }));
    }
    let mut function = Map::from_iter([("svc_name".to_owned(), json!("lambda"))]);
    if let Some(arn) = line.function_arn {
        function.insert("uid".to_owned(), json!(arn));
    }
    put("dst_endpoint", Value::Object(function));
    put("unmapped", unmapped(line));
    Value::Object(event)
}

/// The finding for a client that the engine flagged. `client` is its key: an address, the network of one, or a digest.
pub(crate) fn detection_finding(
    client: &str,
    function_arn: Option<&str>,
    time_ms: u64,
    version: &str,
) -> Value {
    let endpoint = match client.parse::<std::net::IpAddr>() {
        Ok(address) => json!({ "ip": address }),
        Err(_) => json!({ "uid": client }),
    };
    let mut event = json!({
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": 200_401,
        "type_name": "Detection Finding: Create",
        "time": time_ms,
        "severity_id": 4,
        "severity": "High",
        "status_id": 1,
        "status": "New",
        "message": "picket: a flagged client",
        "is_alert": true,
        "confidence_id": 3,
        "confidence": "High",
        "metadata": {
            "version": SCHEMA,
            "product": { "name": "Picket", "vendor_name": "Picket", "version": version },
        },
        "finding_info": {
            // The same for every function and every day: a reader that keeps findings keeps one for each client.
            "uid": format!("picket-flag-{client}"),
            "title": "A client was flagged for attacking",
            "types": ["flag"],
            "analytic": { "name": "Picket's thresholds", "type_id": 1, "type": "Rule" },
        },
        "evidences": [{ "src_endpoint": endpoint }],
    });
    if let Some(arn) = function_arn {
        event["resources"] = json!([{ "uid": arn, "type": "AWS::Lambda::Function" }]);
    }
    event
}

/// The framework's number and name for a method.
fn activity(method: &str) -> (u32, &'static str) {
    match method {
        "CONNECT" => (1, "Connect"),
        "DELETE" => (2, "Delete"),
        "GET" => (3, "Get"),
        "HEAD" => (4, "Head"),
        "OPTIONS" => (5, "Options"),
        "POST" => (6, "Post"),
        "PUT" => (7, "Put"),
        "TRACE" => (8, "Trace"),
        "PATCH" => (9, "Patch"),
        "" => (0, "Unknown"),
        _ => (99, "Other"),
    }
}

fn metadata(line: &Line<'_>, version: &str) -> Value {
    let mut metadata = Map::from_iter([
        ("version".to_owned(), json!(SCHEMA)),
        ("profiles".to_owned(), json!(["security_control"])),
        ("product".to_owned(), json!({ "name": "Picket", "vendor_name": "Picket", "version": version })),
        ("uid".to_owned(), json!(line.request_id)),
    ]);
    if let Some(trace) = line.trace_id {
        metadata.insert("correlation_uid".to_owned(), json!(trace));
    }
    Value::Object(metadata)
}

fn firewall_rule(signal: &Signal) -> Value {
    let (detector, version) = signal.detector.split_once('/').unwrap_or((&signal.detector, ""));
    let mut rule = Map::from_iter([
        ("uid".to_owned(), json!(detector)),
        ("name".to_owned(), json!(signal.id)),
        ("version".to_owned(), json!(version)),
        ("condition".to_owned(), json!(signal.id)),
        ("match_location".to_owned(), json!(signal.location)),
        ("sensitivity".to_owned(), json!(signal.tier)),
    ]);
    if let Some(excerpt) = &signal.excerpt {
        rule.insert("match_details".to_owned(), json!([excerpt]));
    }
    Value::Object(rule)
}

/// Picket's own fields, without those that have a place in the schema.
fn unmapped(line: &Line<'_>) -> Value {
    let mut rest = serde_json::to_value(line).unwrap_or_default();
    if let Value::Object(fields) = &mut rest {
        for placed in [
            "timestamp",
            "level",
            "message",
            "requestId",
            "traceId",
            "functionArn",
            "method",
            "path",
            "status",
            "client",
        ] {
            fields.remove(placed);
        }
    }
    rest
}

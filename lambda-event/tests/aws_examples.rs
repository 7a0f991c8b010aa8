//! AWS's own example events, as the crates `aws_lambda_events` and `lambda_http` ship them: a second set of fixtures that
//! nobody here has written. They are read from the packages of the development dependencies, and never copied.

use std::{fs, path::PathBuf, process::Command};

use base64::Engine as _;
use bytes::Bytes;
use picket_lambda_event::EventReader;
use picket_request::{Anomaly, Request};
use serde_json::Value as Json;

/// The folder of a development dependency, by `cargo metadata`.
fn package(name: &str) -> Option<PathBuf> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let arguments = ["metadata", "--offline", "--format-version", "1", "--manifest-path", manifest];
    let output = Command::new(cargo).args(arguments).output().ok()?;
    let metadata: Json = serde_json::from_slice(&output.stdout).ok()?;
    let packages = metadata["packages"].as_array()?;
    let path = packages.iter().find(|package| package["name"] == name)?["manifest_path"].as_str()?;
    Some(PathBuf::from(path).parent()?.to_owned())
}

/// Files of a folder in a package, or none with a printed reason.
fn examples(name: &str, folder: &str) -> Vec<(String, Vec<u8>)> {
    let Some(root) = package(name) else {
        eprintln!("skipped: the package {name} was not found by cargo metadata");
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        if let Some(stem) = file.strip_suffix(".json") {
            files.push((stem.to_owned(), fs::read(entry.path()).unwrap_or_default()));
        }
    }
    if files.is_empty() {
        eprintln!("skipped: the package {name} ships no examples in {folder}");
    }
    files.sort();
    files
}

/// The source that an example is of, told by its file name alone.
fn expected(stem: &str) -> &'static str {
    let name = stem.trim_start_matches("example-");
    let rules: &[(&str, &str)] = &[
        ("alb-lambda-target-request", "alb"),
        ("apigw-custom-auth-request-type-request", "authorizer-request-v1"),
        ("apigw-custom-auth-request", "authorizer-token"),
        ("apigw-v2-custom-authorizer-v1-request", "authorizer-request-v1"),
        ("apigw-v2-custom-authorizer-websocket-request", "authorizer-request-v1"),
        ("apigw-v2-custom-authorizer-v2-request", "authorizer-request-v2"),
        ("apigw-v2-request", "http-v2"),
        ("apigw-websocket-request", "websocket"),
        ("apigw-console", "rest-v1"),
        ("apigw-request", "rest-v1"),
        ("apigw-restapi", "rest-v1"),
        ("apigw-sam-http-request", "http-v2"),
        ("apigw-sam-rest-request", "rest-v1"),
        ("appsync-direct-resolver", "appsync-resolver"),
        ("appsync-lambda-auth-request", "appsync-authorizer"),
        ("vpc-lattice-v1-request", "lattice-v1"),
        ("vpc-lattice-v2-request", "lattice-v2"),
        // `lambda_http`'s own.
        ("alb_", "alb"),
        ("apigw_request_path_with_space", "http-v2"),
        ("apigw_v2", "http-v2"),
        ("apigw_", "rest-v1"),
        ("lambda_function_url", "function-url"),
        ("vpc_lattice_v2", "lattice-v2"),
    ];
    rules.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or("unknown", |(_, source)| source)
}

/// Every string in a JSON value, keys left out.
fn strings(json: &Json, out: &mut Vec<String>) {
    match json {
        Json::String(text) => out.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Json::Object(members) => members.values().for_each(|value| strings(value, out)),
        _ => {}
    }
}

/// Whether a value of the request holds the text, as it stood or decoded.
fn covered(request: &Request, text: &[u8]) -> bool {
    request.values().iter().any(|value| {
        let holds = |bytes: &[u8]| memchr::memmem::find(bytes, text).is_some();
        holds(request.bytes(value.text)) || holds(request.bytes(value.raw))
    })
}

fn check(stem: &str, text: Vec<u8>) {
    let event: Json = serde_json::from_slice(&text).unwrap_or_else(|error| unreachable!("{stem}: {error}"));
    let expected = expected(stem);
    let mut reader = EventReader::default();
    let recognised = reader.recognised(&text);
    assert!(recognised.len() <= 1, "{stem}: {recognised:?}");
    assert_eq!(recognised.first().copied().unwrap_or("unknown"), expected, "{stem}");
    let mut request = Request::default();
    let envelope = reader.read(&Bytes::from(text), &mut request, None);
    assert_eq!(envelope.source(), expected, "{stem}");
    assert_eq!(request.anomalies.contains(Anomaly::UnknownEvent), expected == "unknown", "{stem}");
    let mut wanted = Vec::new();
    if expected == "unknown" {
        strings(&event, &mut wanted);
    } else {
        for member in [
            "headers",
            "multiValueHeaders",
            "queryStringParameters",
            "multiValueQueryStringParameters",
            "query_string_parameters",
            "pathParameters",
            "path",
            "rawPath",
            "raw_path",
            "rawQueryString",
            "authorizationToken",
            "arguments",
            "requestHeaders",
        ] {
            let skipped = member == "headers" && event[member].is_string();
            if !skipped {
                strings(&event[member], &mut wanted);
            }
        }
        if let Some(body) = event["body"].as_str() {
            let base64 = event["isBase64Encoded"] == true || event["is_base64_encoded"] == true;
            let decoded =
                base64.then(|| base64::engine::general_purpose::STANDARD.decode(body).ok()).flatten();
            match (decoded, serde_json::from_str::<Json>(body)) {
                // A body that is not text (one example is compressed) is inflated or kept as it is: content's own tests.
                (Some(bytes), _) => wanted.extend(String::from_utf8(bytes)),
                (None, Ok(json)) => strings(&json, &mut wanted),
                (None, Err(_)) => wanted.push(body.to_owned()),
            }
        }
    }
    // The stage that an HTTP API puts before a path on its own domain is the gateway's word.
    let stage =
        event["requestContext"]["stage"].as_str().map(|stage| format!("/{stage}/")).unwrap_or_default();
    for text in wanted {
        let text = text.strip_prefix(&stage).filter(|_| stage.len() > 2).unwrap_or(&text);
        // A query, a form or a cookie header is taken apart: its pieces must all be there.
        let whole = covered(&request, text.as_bytes());
        let pieces =
            || text.split([';', '&', '=', '?', ',']).map(str::trim).filter(|piece| !piece.is_empty());
        assert!(
            whole || pieces().all(|piece| covered(&request, piece.as_bytes())),
            "{stem}: {text:?} was not inspected"
        );
    }
}

#[test]
fn every_example_of_aws_lambda_events_is_read() {
    let examples = examples("aws_lambda_events", "src/fixtures");
    let count = examples.len();
    assert!(count == 0 || count > 100, "{count} examples");
    for (stem, text) in examples {
        check(&stem, text);
    }
    println!("read {count} examples of aws_lambda_events");
}

#[test]
fn every_example_of_lambda_http_is_read() {
    let examples = examples("lambda_http", "tests/data");
    let count = examples.len();
    assert!(count == 0 || count > 10, "{count} examples");
    for (stem, text) in examples {
        check(&stem, text);
    }
    println!("read {count} examples of lambda_http");
}

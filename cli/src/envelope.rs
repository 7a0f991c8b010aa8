//! A recorded request in the event shape of each source that carries HTTP, with what the platform does to it on the way.
//!
//! What a platform changes cannot be undone by whoever reads its event: JSON strings carry no bytes that are not UTF-8,
//! so escapes that decode to such bytes (overlong UTF-8) are lost where a platform decodes parameters (REST), and header
//! bytes that are not UTF-8 arrive as characters. Everything else must give the same verdict as the request itself.

use std::collections::BTreeMap;

use base64::Engine;
use serde_json::{Map, Value, json};

use crate::corpus::Recorded;

/// An event shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shape {
    /// API Gateway REST API.
    RestV1,
    /// API Gateway HTTP API, payload format 2.0.
    HttpV2,
    /// Lambda Function URL.
    Url,
    /// Application Load Balancer, multi-value headers on.
    Alb,
    /// VPC Lattice, event structure 2.0.
    Lattice,
}

/// The event as JSON text.
pub(crate) fn event(shape: Shape, request: &Recorded) -> Vec<u8> {
    let value = match shape {
        Shape::RestV1 => rest_v1(request),
        Shape::HttpV2 => http_v2(request, "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"),
        Shape::Url => http_v2(request, "a1b2c3d4e5f6g7h8.lambda-url.eu-central-1.on.aws"),
        Shape::Alb => alb(request),
        Shape::Lattice => lattice(request),
    };
    value.to_string().into_bytes()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A header as text: what is not UTF-8 is read as ISO 8859-1.
fn characters(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}

fn decoded(bytes: &[u8]) -> String {
    let (mut out, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escape = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        match (byte, escape.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(code)) => {
                out.push(code);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    text(&out)
}

/// Values by name, in order of appearance.
type Multi = BTreeMap<String, Vec<String>>;

fn query(request: &Recorded, decode: bool) -> Multi {
    let mut all = Multi::new();
    for pair in request.query.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
        let equals = pair.iter().position(|&b| b == b'=');
        let (name, value) = pair.split_at(equals.unwrap_or(pair.len()));
        let value = value.get(1..).unwrap_or_default();
        let read = |bytes| if decode { decoded(bytes) } else { text(bytes) };
        all.entry(read(name)).or_default().push(read(value));
    }
    all
}

fn headers(request: &Recorded, lower: bool) -> Multi {
    let mut all = Multi::new();
    for (name, value) in &request.headers {
        let name = characters(name);
        all.entry(if lower { name.to_lowercase() } else { name }).or_default().push(characters(value));
    }
    all
}

fn last(all: &Multi) -> Value {
    let pairs = all.iter().filter_map(|(name, values)| Some((name.clone(), json!(values.last()?))));
    pairs.collect::<Map<_, _>>().into()
}

fn joined(all: &Multi) -> Value {
    all.iter().map(|(name, values)| (name.clone(), json!(values.join(",")))).collect::<Map<_, _>>().into()
}

fn body(request: &Recorded) -> (Value, bool) {
    match std::str::from_utf8(&request.body) {
        Ok("") => (Value::Null, false),
        Ok(body) => (json!(body), false),
        Err(_) => (json!(base64::engine::general_purpose::STANDARD.encode(&request.body)), true),
    }
}

const ADDRESS: &str = "203.0.113.7";

fn rest_v1(request: &Recorded) -> Value {
    let (query, headers, (body, encoded)) = (query(request, true), headers(request, false), body(request));
    let (method, path) = (text(&request.method), text(&request.path));
    json!({
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": last(&headers),
        "multiValueHeaders": headers,
        "queryStringParameters": if query.is_empty() { Value::Null } else { last(&query) },
        "multiValueQueryStringParameters": if query.is_empty() { Value::Null } else { json!(query) },
        "pathParameters": Value::Null,
        "stageVariables": Value::Null,
        "requestContext": {
            "accountId": "123456789012", "apiId": "a1b2c3d4e5", "stage": "prod", "resourcePath": "/{proxy+}",
            "httpMethod": method, "path": path, "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": { "sourceIp": ADDRESS },
        },
        "body": body,
        "isBase64Encoded": encoded,
    })
}

fn http_v2(request: &Recorded, domain: &str) -> Value {
    let (query, mut headers, (body, encoded)) = (query(request, true), headers(request, true), body(request));
    let cookies: Vec<String> = headers
        .remove("cookie")
        .unwrap_or_default()
        .iter()
        .flat_map(|line| line.split("; ").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": text(&request.path),
        "rawQueryString": text(&request.query),
        "headers": joined(&headers),
        "requestContext": {
            "accountId": "123456789012", "apiId": "a1b2c3d4e5", "domainName": domain, "stage": "$default",
            "routeKey": "$default", "requestId": "JKJaXmPLvHcESHA=",
            "http": {
                "method": text(&request.method), "path": text(&request.path), "protocol": "HTTP/1.1",
                "sourceIp": ADDRESS, "userAgent": headers.get("user-agent").and_then(|v| v.last()),
            },
        },
        "isBase64Encoded": encoded,
    });
    if let Some(event) = event.as_object_mut() {
        for (name, value, there) in [
            ("queryStringParameters", joined(&query), !query.is_empty()),
            ("cookies", json!(cookies), !cookies.is_empty()),
            ("body", body.clone(), !body.is_null()),
        ] {
            if there {
                event.insert(name.to_owned(), value);
            }
        }
    }
    event
}

fn alb(request: &Recorded) -> Value {
    let (body, encoded) = body(request);
    let mut headers = headers(request, true);
    // A load balancer appends the client's address to what the client claims.
    let forwarded = headers.entry("x-forwarded-for".to_owned()).or_default();
    match forwarded.last_mut() {
        Some(claimed) => *claimed = format!("{claimed}, {ADDRESS}"),
        None => forwarded.push(ADDRESS.to_owned()),
    }
    json!({
        "requestContext": {
            "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop/6d0ecf831eec9f09" },
        },
        "httpMethod": text(&request.method),
        "path": text(&request.path),
        "multiValueQueryStringParameters": query(request, false),
        "multiValueHeaders": headers,
        "body": if body.is_null() { json!("") } else { body },
        "isBase64Encoded": encoded,
    })
}

fn lattice(request: &Recorded) -> Value {
    let (body, encoded) = body(request);
    let target = [request.path.as_slice(), b"?", &request.query].concat();
    let mut event = json!({
        "version": "2.0",
        "path": if request.query.is_empty() { text(&request.path) } else { text(&target) },
        "method": text(&request.method),
        "headers": headers(request, true),
        "requestContext": {
            "serviceNetworkArn": "arn:aws:vpc-lattice:eu-central-1:123456789012:servicenetwork/sn-0bf3f2882e9cc805a",
            "serviceArn": "arn:aws:vpc-lattice:eu-central-1:123456789012:service/svc-0a40eebed65f8d69c",
            "region": "eu-central-1",
        },
        "isBase64Encoded": encoded,
    });
    if let Some(event) = event.as_object_mut() {
        if !request.query.is_empty() {
            event.insert("queryStringParameters".to_owned(), json!(query(request, false)));
        }
        if !body.is_null() {
            event.insert("body".to_owned(), body);
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use clap::ValueEnum;
    use picket_lambda_event::{EventReader, Options};
    use picket_request::Request;

    use super::*;

    /// Every shape is recognised as what it claims to be, and carries the whole request.
    #[test]
    fn the_agent_reads_what_was_wrapped() {
        let recorded = Recorded {
            method: b"POST".to_vec(),
            path: b"/a/b".to_vec(),
            query: b"q=1%27+or&q=2".to_vec(),
            headers: vec![(b"Cookie".to_vec(), b"s=c1; t=c2".to_vec()), (b"X-H".to_vec(), b"h\xe9".to_vec())],
            body: b"\xffbody".to_vec(),
        };
        let names = ["rest-v1", "http-v2", "function-url", "alb", "lattice-v2"];
        for (shape, name) in Shape::value_variants().iter().zip(names) {
            let mut request = Request::default();
            let event = Bytes::from(event(*shape, &recorded));
            let envelope = EventReader::new(Options::default()).read(&event, &mut request, None);
            assert_eq!(envelope.source(), name);
            let values: Vec<_> = request
                .values()
                .iter()
                .map(|v| String::from_utf8_lossy(request.bytes(v.text)).into_owned())
                .collect();
            for wanted in ["1' or", "2", "c1", "c2", "hé"] {
                assert!(values.iter().any(|v| v == wanted), "{name}: no {wanted} in {values:?}");
            }
            assert!(values.iter().any(|v| v.contains("body")), "{name}: no body in {values:?}");
        }
    }
}

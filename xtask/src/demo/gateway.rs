//! What a Function URL does in AWS, on a local port: HTTP in, an event to the function, its answer out. Knows HTTP and the event's
//! shape; not what stands between it and the function.
//!
//! Documented in AWS's Lambda guide, "Invoking Lambda function URLs" (payload format 2.0).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use picket_tests::clients::events::percent_decoded;
use picket_tests::rie::Emulator;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// What Lambda takes in one invocation.
const LARGEST_BODY: usize = 6 * 1024 * 1024;

/// Serves until the listener fails. Invocations wait in a line: the emulator takes one at a time.
pub(super) async fn serve(listener: TcpListener, emulator: Arc<Emulator>) {
    while let Ok((stream, peer)) = listener.accept().await {
        let emulator = Arc::clone(&emulator);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let emulator = Arc::clone(&emulator);
                async move { Ok::<_, Infallible>(answer(request, peer, emulator).await) }
            });
            // A connection that breaks off concerns nobody but its client.
            let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    emulator: Arc<Emulator>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than Lambda takes\n");
    };
    let event = event(&head, &body.to_bytes(), peer).to_string().into_bytes();
    let invoked = tokio::task::spawn_blocking(move || emulator.invoke(&event)).await;
    match invoked {
        Ok(Ok(answer)) => response(&answer.body)
            .unwrap_or_else(|| plain(StatusCode::BAD_GATEWAY, "Internal Server Error\n")),
        Ok(Err(_)) | Err(_) => plain(StatusCode::BAD_GATEWAY, "Internal Server Error\n"),
    }
}

/// The event that a Function URL makes of a request.
fn event(head: &http::request::Parts, body: &[u8], peer: SocketAddr) -> Value {
    let path = percent_decoded(head.uri.path());
    let query = head.uri.query().unwrap_or_default();
    let address = peer.ip().to_string();
    let mut headers = Map::new();
    for name in head.headers.keys().filter(|name| *name != header::COOKIE) {
        headers.insert(name.as_str().to_owned(), Value::String(joined(&head.headers, name.as_str(), ",")));
    }
    headers.insert("x-forwarded-for".to_owned(), Value::String(address.clone()));
    let mut parameters: Map<String, Value> = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decoded(value);
        match parameters.get_mut(&percent_decoded(name)) {
            Some(Value::String(before)) => *before = format!("{before},{value}"),
            _ => drop(parameters.insert(percent_decoded(name), Value::String(value))),
        }
    }
    let agent = joined(&head.headers, "user-agent", ",");
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "demo",
            "domainName": "demo.lambda-url.eu-central-1.on.aws",
            "domainPrefix": "demo",
            "http": { "method": head.method.as_str(), "path": path, "protocol": "HTTP/1.1", "sourceIp": address, "userAgent": agent },
            "requestId": "00000000-0000-4000-8000-000000000000",
            "routeKey": "$default",
            "stage": "$default",
            "time": "22/Nov/2026:08:00:00 +0000",
            "timeEpoch": 1_795_334_400_000_u64,
        },
        "isBase64Encoded": false,
    });
    if !parameters.is_empty() {
        event["queryStringParameters"] = Value::Object(parameters);
    }
    let cookies = joined(&head.headers, "cookie", "; ");
    if !cookies.is_empty() {
        event["cookies"] = cookies.split("; ").map(|cookie| Value::String(cookie.to_owned())).collect();
    }
    if !body.is_empty() {
        match std::str::from_utf8(body) {
            Ok(text) => event["body"] = Value::String(text.to_owned()),
            Err(_) => {
                event["body"] = Value::String(STANDARD.encode(body));
                event["isBase64Encoded"] = Value::Bool(true);
            }
        }
    }
    event
}

/// The response that a Function URL makes of a function's answer; none if it makes an error of it.
fn response(answer: &[u8]) -> Option<Response<Full<Bytes>>> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let Some(status) = answer.get("statusCode") else {
        // Without a status the service takes the whole answer for the body, unless the function failed.
        if answer.get("errorMessage").is_some() {
            return None;
        }
        return Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(answer.to_string()))
            .ok();
    };
    let mut response = Response::builder().status(u16::try_from(status.as_u64()?).ok()?);
    for (name, value) in answer.get("headers").and_then(Value::as_object).into_iter().flatten() {
        response = response.header(name, value.as_str()?);
    }
    for cookie in answer.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        response = response.header(header::SET_COOKIE, cookie.as_str()?);
    }
    let body = answer.get("body").and_then(Value::as_str).unwrap_or_default();
    let encoded = answer.get("isBase64Encoded").and_then(Value::as_bool) == Some(true);
    let bytes = if encoded { STANDARD.decode(body).ok()? } else { body.as_bytes().to_vec() };
    response.body(Full::from(bytes)).ok()
}

fn joined(headers: &HeaderMap, name: &str, between: &str) -> String {
    let values: Vec<_> =
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    values.join(between)
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(request: http::request::Builder) -> http::request::Parts {
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_request_becomes_a_function_url_event() {
        let head = parts(
            Request::builder()
                .method("POST")
                .uri("/a%20b?x=1&x=2&y=a%2Cb&flag")
                .header("x-twice", "one")
                .header("x-twice", "two")
                .header("cookie", "a=1; b=2"),
        );
        let event = event(&head, b"\xff\x00", "192.0.2.7:5".parse().unwrap());
        assert_eq!(event["rawPath"], "/a b");
        assert_eq!(event["rawQueryString"], "x=1&x=2&y=a%2Cb&flag");
        assert_eq!(event["queryStringParameters"], json!({"x": "1,2", "y": "a,b", "flag": ""}));
        assert_eq!(event["headers"]["x-twice"], "one,two");
        assert_eq!(event["headers"].get("cookie"), None);
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/wA="), &json!(true)));
        assert_eq!(event["requestContext"]["http"]["sourceIp"], "192.0.2.7");
    }

    #[test]
    fn an_answer_becomes_a_response() {
        let answer = json!({"statusCode": 406, "headers": {"x-a": "b"}, "cookies": ["c=1"], "body": "aGk=", "isBase64Encoded": true});
        let made = response(answer.to_string().as_bytes()).unwrap();
        assert_eq!(made.status(), 406);
        assert_eq!(made.headers()["x-a"], "b");
        assert_eq!(made.headers()["set-cookie"], "c=1");
        assert!(response(br#"{"errorMessage":"x"}"#).is_none());
        assert!(response(b"not json").is_none());
        assert_eq!(response(br#"{"hello":1}"#).unwrap().status(), 200);
    }
}

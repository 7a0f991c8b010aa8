//! A blocked client's answer, in the shape that each event source understands.
//!
//! Shapes: AWS's pages on Lambda proxy integrations, HTTP API payload formats, Function URLs, "Lambda functions as
//! targets" (ALB, VPC Lattice), WebSocket APIs, Lambda authorizers and AppSync resolvers. It may not know why a request
//! is blocked.

use http::StatusCode;
use picket_request::BlockAnswer;
use serde_json::{Map, Value as Json, json};

use crate::reader::Envelope;

/// How the function answers: the invoke mode is not in the event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// One JSON answer.
    #[default]
    Buffered,
    /// A streamed answer with an HTTP prelude. Sources that cannot stream are answered as if buffered.
    Streaming,
}

/// Which call of the Runtime API an answer is posted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/response`.
    Response,
    /// `/error`.
    Error,
}

/// What to post in place of the handler's answer. The invocation id is the poster's to echo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntheticPost {
    /// Which call.
    pub kind: Kind,
    /// The content type of the post.
    pub content_type: &'static str,
    /// Further headers of the post.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body of the post.
    pub body: Vec<u8>,
}

/// The type of a blocked invocation that has no HTTP answer; callers such as Step Functions can catch it by this name.
pub(crate) const ERROR_TYPE: &str = "Function.WafBlocked";
const JSON: &str = "application/json";

/// The answer to post for a blocked event; `None` where there is no tested one, and the event must be let through.
#[must_use]
pub fn answer(envelope: &Envelope, block: &BlockAnswer, mode: Mode) -> Option<SyntheticPost> {
    if !envelope.can_block {
        return None;
    }
    (envelope.source.answer)(envelope, block, mode)
}

pub(crate) fn response(body: &Json) -> SyntheticPost {
    SyntheticPost {
        kind: Kind::Response,
        content_type: JSON,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    }
}

/// An invocation error. API Gateway and AppSync show or match the message; Lambda validates the type.
pub(crate) fn error(message: &str) -> SyntheticPost {
    let body = json!({ "errorMessage": message, "errorType": ERROR_TYPE, "stackTrace": [] });
    SyntheticPost {
        kind: Kind::Error,
        content_type: JSON,
        headers: vec![("Lambda-Runtime-Function-Error-Type", ERROR_TYPE)],
        body: body.to_string().into_bytes(),
    }
}

/// The one message that makes API Gateway answer 401 for an authorizer. A Deny policy would be cached against whoever
/// uses the same token next.
pub(crate) fn unauthorized() -> SyntheticPost {
    error("Unauthorized")
}

/// A streamed answer: the prelude, eight NUL bytes, the body.
pub(crate) fn streaming(prelude: &Json, body: &str) -> SyntheticPost {
    let mut bytes = prelude.to_string().into_bytes();
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(body.as_bytes());
    SyntheticPost {
        kind: Kind::Response,
        content_type: "application/vnd.awslambda.http-integration-response",
        headers: vec![("Lambda-Runtime-Function-Response-Mode", "streaming")],
        body: bytes,
    }
}

/// Headers with one value each; where a name repeats, its last value.
pub(crate) fn single_headers(block: &BlockAnswer) -> Json {
    block
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), Json::from(value.as_str())))
        .collect::<Map<_, _>>()
        .into()
}

/// Headers with all their values.
pub(crate) fn multi_headers(block: &BlockAnswer) -> Json {
    let mut headers = Map::new();
    for (name, value) in &block.headers {
        if let Json::Array(values) = headers.entry(name.clone()).or_insert_with(|| json!([])) {
            values.push(value.as_str().into());
        }
    }
    headers.into()
}

/// Headers and cookies as payload format 2.0 wants them: cookies apart, other repeated names comma-joined.
pub(crate) fn headers_and_cookies(block: &BlockAnswer) -> (Json, Json) {
    let mut headers = Map::new();
    let mut cookies = Vec::new();
    for (name, value) in &block.headers {
        if name.eq_ignore_ascii_case("set-cookie") {
            cookies.push(Json::from(value.as_str()));
            continue;
        }
        match headers.get_mut(name) {
            Some(Json::String(known)) => {
                known.push_str(", ");
                known.push_str(value);
            }
            _ => {
                headers.insert(name.clone(), value.as_str().into());
            }
        }
    }
    (headers.into(), cookies.into())
}

/// Whether a header stands more than once.
pub(crate) fn has_repeated_header(block: &BlockAnswer) -> bool {
    let names = || block.headers.iter().map(|(name, _)| name);
    names().enumerate().any(|(nth, name)| names().take(nth).any(|earlier| earlier.eq_ignore_ascii_case(name)))
}

/// The status line's text, for instance `406 Not Acceptable`; an ALB refuses an answer without it.
pub(crate) fn status_description(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    format!("{status} {}", reason.unwrap_or("Blocked"))
}

/// The answer of payload format 1.0: REST APIs, and HTTP APIs that are set to it. No key may be unknown to the gateway.
pub(crate) fn proxy(block: &BlockAnswer) -> Json {
    let mut answer = json!({
        "statusCode": block.status,
        "headers": single_headers(block),
        "body": block.body,
        "isBase64Encoded": false,
    });
    if has_repeated_header(block) {
        answer["multiValueHeaders"] = multi_headers(block);
    }
    answer
}

/// The answer of payload format 2.0. Without `statusCode` the service would answer 200.
pub(crate) fn proxy_v2(block: &BlockAnswer) -> Json {
    let (headers, cookies) = headers_and_cookies(block);
    json!({
        "statusCode": block.status,
        "headers": headers,
        "cookies": cookies,
        "body": block.body,
        "isBase64Encoded": false,
    })
}

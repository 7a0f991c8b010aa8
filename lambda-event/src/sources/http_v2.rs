//! API Gateway HTTP APIs with payload format 2.0.

use picket_content::{Query, Text};

use super::{Source, rest_v1};
use crate::{
    answer,
    context::{Context, Event},
    leftovers::{self, Known, Table},
};

pub(super) const SOURCE: Source = Source {
    name: "http-v2",
    can_block: true,
    counts: true,
    recognise: |event| is_v2(event) && !is_function_url(event),
    read,
    // HTTP APIs do not stream, whatever else the function is used for.
    answer: |_, block, _| Some(answer::response(&answer::proxy_v2(block))),
};

/// Whether an event is of payload format 2.0, which Function URLs share.
pub(super) fn is_v2(event: Event<'_>) -> bool {
    event.is(&["version"], "2.0")
        && event.object(&["requestContext", "http"])
        && !event.has(&["routeArn"])
        && !event.has(&["requestContext", "serviceNetworkArn"])
}

pub(super) fn is_function_url(event: Event<'_>) -> bool {
    memchr::memmem::find(event.raw(&["requestContext", "domainName"]), b".lambda-url.").is_some()
}

/// What the platform itself writes into a request context of format 2.0.
pub(super) const REQUEST_CONTEXT: Table = &[
    ("accountId", Known::Platform),
    ("apiId", Known::Platform),
    (
        "authentication",
        Known::Object(&[("clientCert", Known::Object(&[("clientCertPem", Known::Platform)]))]),
    ),
    ("authorizer", Known::Object(&[("iam", Known::Platform)])),
    ("domainName", Known::Platform),
    ("domainPrefix", Known::Platform),
    (
        "http",
        Known::Object(&[
            ("method", Known::Repeats),
            ("path", Known::Repeats),
            ("protocol", Known::Platform),
            ("sourceIp", Known::Platform),
            ("userAgent", Known::Repeats),
        ]),
    ),
    ("requestId", Known::Platform),
    ("routeKey", Known::Platform),
    ("stage", Known::Platform),
    ("time", Known::Platform),
    ("timeEpoch", Known::Platform),
];

const EVENT: Table = &[
    ("rawPath", Known::Repeats),
    ("requestContext", Known::Object(REQUEST_CONTEXT)),
    ("routeKey", Known::Platform),
    ("stageVariables", Known::Platform),
    ("version", Known::Platform),
];

/// Collects the parts that all events of format 2.0 have alike.
pub(super) fn collect(context: &mut Context<'_>) {
    context.parts.method = context.string(&["requestContext", "http", "method"]);
    let path = context.take(&["rawPath"]).unwrap_or_default();
    context.parts.path = Text { span: without_stage(context, path), encoded: true };
    context.headers("headers", "multiValueHeaders");
    cookies(context);
    // The raw query is what came; the map is comma-joined, and what a handler that uses it sees is read besides.
    let raw = context.take(&["rawQueryString"]);
    let pairs = context.pairs("queryStringParameters");
    context.parts.query = match (raw, pairs.is_empty()) {
        (Some(raw), false) => Query::Both { raw, pairs, encoded: false },
        (Some(raw), true) => Query::Raw(raw),
        (None, false) => Query::Pairs { pairs, encoded: false },
        (None, true) => Query::None,
    };
    context.parts.path_parameters = context.pairs("pathParameters");
    context.content.secure = Some(true);
    rest_v1::ids(context);
    context.client(&["requestContext", "http", "sourceIp"]);
}

/// Cookies that the platform split off the header.
fn cookies(context: &mut Context<'_>) {
    let (tape, text) = (context.tape, context.text);
    for list in tape.member(text, context.root, b"cookies") {
        context.consumed.push(list);
        for cookie in
            std::iter::once(list).filter(|_| tape.children(list).next().is_none()).chain(tape.children(list))
        {
            if !matches!(
                tape.kind(cookie),
                picket_content::json::Kind::Null | picket_content::json::Kind::Array
            ) {
                let cookie = context.span(cookie);
                context.parts.cookies.push(cookie);
            }
        }
    }
}

/// On its own domain an HTTP API puts the stage before the path; the application knows the path without it.
fn without_stage(context: &mut Context<'_>, path: picket_request::Span) -> picket_request::Span {
    let event = context.event();
    let stage = event.raw(&["requestContext", "stage"]);
    let own_domain =
        memchr::memmem::find(event.raw(&["requestContext", "domainName"]), b".execute-api.").is_some();
    if stage.is_empty() || stage == b"$default" || !own_domain {
        return path;
    }
    let bytes = context.request.bytes(path);
    match bytes.strip_prefix(b"/").and_then(|rest| rest.strip_prefix(stage)) {
        Some(rest) if rest.starts_with(b"/") => path.slice(stage.len() + 1..path.len()),
        _ => path,
    }
}

/// Reads an event of format 2.0.
pub(super) fn read(context: &mut Context<'_>) {
    collect(context);
    context.body("isBase64Encoded");
    context.read_parts();
    leftovers::read(context, EVENT);
}

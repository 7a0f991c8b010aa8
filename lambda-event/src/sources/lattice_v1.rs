//! VPC Lattice with event structure version 1: flat, in snake case.

use picket_content::{Query, Text};
use picket_request::Trust;
use serde_json::json;

use super::Source;
use crate::{
    answer::{self, SyntheticPost},
    context::{Context, Event},
    leftovers,
    reader::Envelope,
};

pub(super) const SOURCE: Source =
    Source { name: "lattice-v1", can_block: true, counts: true, recognise, read, answer };

fn recognise(event: Event<'_>) -> bool {
    event.has(&["raw_path"]) && event.has(&["method"]) && !event.has(&["requestContext"])
}

/// The answer of a Lattice target, in either version.
pub(super) fn answer(
    _: &Envelope,
    block: &picket_request::BlockAnswer,
    _: answer::Mode,
) -> Option<SyntheticPost> {
    Some(answer::response(&json!({
        "statusCode": block.status,
        "headers": answer::single_headers(block),
        "body": block.body,
        "isBase64Encoded": false,
    })))
}

fn read(context: &mut Context<'_>) {
    context.parts.method = context.take(&["method"]).unwrap_or_default();
    // The raw path carries the query that the map repeats.
    let raw = context.take(&["raw_path"]).unwrap_or_default();
    let (path, query) = split_target(context, raw);
    context.parts.path = Text { span: path, encoded: true };
    let pairs = context.pairs("query_string_parameters");
    context.parts.query = match (query, pairs.is_empty()) {
        (Some(raw), _) => Query::Both { raw, pairs, encoded: true },
        (None, false) => Query::Pairs { pairs, encoded: true },
        (None, true) => Query::None,
    };
    context.headers("headers", "multi_value_headers");
    context.body("is_base64_encoded");
    // Anybody in the network could have sent the header, and callers inside a VPC are no clients to flag.
    context.appended_client(Trust::Unverified);
    context.read_parts();
    leftovers::read(context, &[]);
}

/// A request target's path and its query, if it has one.
pub(super) fn split_target(
    context: &Context<'_>,
    target: picket_request::Span,
) -> (picket_request::Span, Option<picket_request::Span>) {
    match memchr::memchr(b'?', context.request.bytes(target)) {
        Some(at) => (target.slice(0..at), Some(target.slice(at + 1..target.len()))),
        None => (target, None),
    }
}

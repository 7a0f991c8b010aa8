//! API Gateway Lambda authorizers of type TOKEN: a token and the ARN of the method that was asked for.

use picket_content::Text;
use picket_request::Span;

use super::Source;
use crate::{answer, context::Context, leftovers};

pub(super) const SOURCE: Source = Source {
    name: "authorizer-token",
    can_block: true,
    // The event names no client, so there is nobody to count against.
    counts: false,
    recognise: |event| event.is(&["type"], "TOKEN") && event.has(&["methodArn"]),
    read,
    answer: |_, _, _| Some(answer::unauthorized()),
};

fn read(context: &mut Context<'_>) {
    if let Some(token) = context.take(&["authorizationToken"]) {
        let name = context.request.store(b"authorization");
        context.parts.headers.push((name, token));
    }
    if let Some(arn) = context.take(&["methodArn"]) {
        target(context, arn);
    }
    context.content.secure = Some(true);
    // The token is the one header that this event hands on.
    context.content.partial_head = true;
    context.read_parts();
    leftovers::read(context, &[("type", leftovers::Known::Platform)]);
}

/// An execute-api ARN ends in `api/stage/METHOD/path`; method and path are the caller's words.
fn target(context: &mut Context<'_>, arn: Span) {
    let bytes = context.request.bytes(arn);
    let slashes: Vec<usize> = memchr::memchr_iter(b'/', bytes).take(3).collect();
    let colon = bytes.iter().enumerate().filter(|(_, byte)| **byte == b':').nth(4).map(|(at, _)| at);
    if let [stage, method, path] = *slashes.as_slice() {
        context.parts.method = arn.slice(method + 1..path);
        context.parts.path = Text { span: arn.slice(path..arn.len()), encoded: true };
        context.envelope.ids.stage = arn.slice(stage + 1..method);
        if let Some(colon) = colon.filter(|colon| *colon < stage) {
            context.envelope.ids.api = arn.slice(colon + 1..stage);
        }
    }
}

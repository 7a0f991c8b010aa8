//! API Gateway WebSocket APIs: the handshake, which is HTTP, and frames, which are a body and nothing else.

use serde_json::json;

use super::{Source, rest_v1};
use crate::{
    answer,
    context::{Context, Event},
    leftovers::{self, Known, Table},
};

pub(super) const SOURCE: Source = Source {
    name: "websocket",
    can_block: true,
    counts: true,
    recognise,
    read,
    // On `$connect` the status refuses the upgrade; on a route with a response the body is sent back.
    answer: |_, block, _| Some(answer::response(&json!({ "statusCode": block.status, "body": block.body }))),
};

fn recognise(event: Event<'_>) -> bool {
    event.has(&["requestContext", "connectionId"])
        && ["CONNECT", "MESSAGE", "DISCONNECT"]
            .iter()
            .any(|kind| event.is(&["requestContext", "eventType"], kind))
        && !event.has(&["methodArn"])
}

const EVENT: Table = &[
    ("requestContext", Known::Object(rest_v1::REQUEST_CONTEXT)),
    ("resource", Known::Platform),
    ("stageVariables", Known::Platform),
];

fn read(context: &mut Context<'_>) {
    // Nobody waits for the answer to a disconnect, and the handler's own state depends on hearing of it.
    if context.event().is(&["requestContext", "eventType"], "DISCONNECT") {
        context.envelope.can_block = false;
    }
    rest_v1::collect(context);
    context.envelope.ids.route = context.string(&["requestContext", "routeKey"]);
    context.body("isBase64Encoded");
    context.read_parts();
    leftovers::read(context, EVENT);
}

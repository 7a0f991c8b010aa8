//! API Gateway Lambda authorizers of type REQUEST, format 1.0 (REST, WebSocket and HTTP APIs).

use super::{Source, rest_v1};
use crate::{
    answer,
    context::Context,
    leftovers::{self, Known, Table},
};

pub(super) const SOURCE: Source = Source {
    name: "authorizer-request-v1",
    can_block: true,
    counts: true,
    recognise: |event| event.is(&["type"], "REQUEST") && event.has(&["methodArn"]),
    read,
    answer: |_, _, _| Some(answer::unauthorized()),
};

const EVENT: Table = &[
    ("httpMethod", Known::Repeats),
    // It ends in the path, which is read by itself.
    ("methodArn", Known::Platform),
    ("requestContext", Known::Object(rest_v1::REQUEST_CONTEXT)),
    ("resource", Known::Platform),
    ("stageVariables", Known::Platform),
    ("type", Known::Platform),
    ("version", Known::Platform),
];

fn read(context: &mut Context<'_>) {
    rest_v1::collect(context);
    context.read_parts();
    leftovers::read(context, EVENT);
}

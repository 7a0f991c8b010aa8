//! HTTP API Lambda authorizers, format 2.0.

use super::{Source, http_v2};
use crate::{
    answer,
    context::Context,
    leftovers::{self, Known, Table},
};

pub(super) const SOURCE: Source = Source {
    name: "authorizer-request-v2",
    can_block: true,
    counts: true,
    recognise: |event| event.is(&["version"], "2.0") && event.has(&["routeArn"]),
    read,
    answer: |_, _, _| Some(answer::unauthorized()),
};

const EVENT: Table = &[
    ("rawPath", Known::Repeats),
    ("requestContext", Known::Object(http_v2::REQUEST_CONTEXT)),
    // It ends in the path, which is read by itself.
    ("routeArn", Known::Platform),
    ("routeKey", Known::Platform),
    ("stageVariables", Known::Platform),
    ("type", Known::Platform),
    ("version", Known::Platform),
];

fn read(context: &mut Context<'_>) {
    http_v2::collect(context);
    context.read_parts();
    // `identitySource` repeats headers or parameters, one by one or joined; what it adds is inspected.
    leftovers::read(context, EVENT);
}

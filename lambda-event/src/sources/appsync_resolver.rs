//! AppSync direct Lambda resolvers.
//!
//! `arguments`, the variables, the selection, the headers and the claims of the identity are the caller's words, and are inspected.
//! `source` (the parent object), `prev` (the result of the function before) and `stash` are what the application itself has read or made on
//! the way. They are not inspected at all, not even for the log: the sender of this request did not write them, so a finding would block, or
//! count against, a reader for what an author once stored; and what a pipeline puts into `stash` out of `arguments` has been inspected there.

use super::Source;
use crate::{
    answer,
    context::{Context, Event},
    leftovers::{self, Known, Table},
};

pub(super) const SOURCE: Source = Source {
    name: "appsync-resolver",
    can_block: true,
    counts: true,
    recognise: is_resolver,
    read: |context| {
        client(context);
        read_element(context);
    },
    // GraphQL has no status: the message becomes an error of the field.
    answer: |_, block, _| Some(answer::error(&block.body)),
};

/// Whether an object is a resolver's context.
pub(super) fn is_resolver(event: Event<'_>) -> bool {
    event.has(&["info", "fieldName"]) && event.object(&["arguments"])
}

const EVENT: Table = &[
    ("arguments", Known::Json),
    (
        "info",
        Known::Object(&[
            ("fieldName", Known::Platform),
            ("parentTypeName", Known::Platform),
            ("selectionSetGraphQL", Known::Graphql),
            ("selectionSetList", Known::Platform),
            ("variables", Known::Json),
        ]),
    ),
    (
        "identity",
        Known::Object(&[
            ("accountId", Known::Platform),
            ("cognitoIdentityAuthProvider", Known::Platform),
            ("cognitoIdentityAuthType", Known::Platform),
            ("cognitoIdentityId", Known::Platform),
            ("cognitoIdentityPoolId", Known::Platform),
            ("defaultAuthStrategy", Known::Platform),
            ("issuer", Known::Platform),
            ("sourceIp", Known::Platform),
            ("sub", Known::Platform),
            ("userArn", Known::Platform),
        ]),
    ),
    ("prev", Known::Platform),
    ("request", Known::Object(&[("domainName", Known::Platform)])),
    ("source", Known::Platform),
    ("stash", Known::Platform),
];

/// Reads one resolver's context, which in a batch is one of many.
pub(super) fn read_element(context: &mut Context<'_>) {
    leftovers::read(context, EVENT);
}

/// The headers of the GraphQL request and its client.
pub(super) fn client(context: &mut Context<'_>) {
    context.nested_headers(&["request"], "headers");
    context.content.secure = Some(true);
    // The list holds the hops of X-Forwarded-For and, last, the address that AppSync saw.
    let event = context.event();
    if let Some(list) = event.at(&["identity", "sourceIp"])
        && let Some(last) = context.tape.children(list).last()
    {
        let peer = context.span(last);
        context.client_at(peer);
    } else {
        context.client(&["identity", "sourceIp"]);
    }
    if context.request.client.addr.is_none() {
        context.appended_client(picket_request::Trust::Unverified);
    }
    context.read_parts();
}

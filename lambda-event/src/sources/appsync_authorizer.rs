//! AppSync Lambda authorizers: a token, and the GraphQL request that it is to allow.

use super::Source;
use crate::{
    answer,
    context::Context,
    leftovers::{self, Known, Table},
    reader::Ids,
};

pub(super) const SOURCE: Source = Source {
    name: "appsync-authorizer",
    can_block: true,
    counts: true,
    recognise: |event| event.has(&["authorizationToken"]) && event.has(&["requestContext", "queryString"]),
    read,
    answer: |_, _, _| Some(answer::unauthorized()),
};

const EVENT: Table = &[(
    "requestContext",
    Known::Object(&[
        ("accountId", Known::Platform),
        ("apiId", Known::Platform),
        ("queryString", Known::Graphql),
        ("requestId", Known::Platform),
        ("variables", Known::Json),
    ]),
)];

fn read(context: &mut Context<'_>) {
    context.headers("requestHeaders", "");
    if let Some(token) = context.take(&["authorizationToken"]) {
        let known = context.header_values("authorization").contains(&context.request.bytes(token));
        if !known {
            let name = context.request.store(b"authorization");
            context.parts.headers.push((name, token));
        }
    }
    context.content.secure = Some(true);
    context.envelope.ids = Ids {
        request: context.string(&["requestContext", "requestId"]),
        account: context.string(&["requestContext", "accountId"]),
        api: context.string(&["requestContext", "apiId"]),
        ..Ids::default()
    };
    context.appended_client(picket_request::Trust::Unverified);
    context.read_parts();
    leftovers::read(context, EVENT);
}

//! VPC Lattice with event structure version 2.0.

use picket_content::{Query, Text};
use picket_request::Trust;

use super::{Source, lattice_v1};
use crate::{
    context::{Context, Event},
    leftovers::{self, Known, Table},
    reader::Ids,
};

pub(super) const SOURCE: Source =
    Source { name: "lattice-v2", can_block: true, counts: true, recognise, read, answer: lattice_v1::answer };

fn recognise(event: Event<'_>) -> bool {
    event.is(&["version"], "2.0") && event.has(&["requestContext", "serviceNetworkArn"])
}

const EVENT: Table = &[
    (
        "requestContext",
        Known::Object(&[
            ("identity", Known::Platform),
            ("region", Known::Platform),
            ("serviceArn", Known::Platform),
            ("serviceNetworkArn", Known::Platform),
            ("targetGroupArn", Known::Platform),
            ("timeEpoch", Known::Platform),
        ]),
    ),
    ("version", Known::Platform),
];

fn read(context: &mut Context<'_>) {
    context.parts.method = context.take(&["method"]).unwrap_or_default();
    let target = context.take(&["path"]).unwrap_or_default();
    let (path, query) = lattice_v1::split_target(context, target);
    context.parts.path = Text { span: path, encoded: true };
    // Parameters come still encoded, as strings or as lists.
    let pairs = context.pairs("queryStringParameters");
    context.parts.query = match (query, pairs.is_empty()) {
        (Some(raw), _) => Query::Both { raw, pairs, encoded: true },
        (None, false) => Query::Pairs { pairs, encoded: true },
        (None, true) => Query::None,
    };
    context.headers("headers", "multiValueHeaders");
    context.body("isBase64Encoded");
    context.envelope.ids =
        Ids { api: context.string(&["requestContext", "serviceNetworkArn"]), ..Ids::default() };
    context.appended_client(Trust::Unverified);
    context.read_parts();
    leftovers::read(context, EVENT);
}

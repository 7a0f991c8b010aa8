//! Application Load Balancers, with single or multi-value headers.

use picket_content::Text;
use picket_request::Trust;
use serde_json::json;

use super::Source;
use crate::{
    answer,
    context::Context,
    leftovers::{self, Known, Table},
    reader::Ids,
};

pub(super) const SOURCE: Source = Source {
    name: "alb",
    can_block: true,
    counts: true,
    recognise: |event| event.object(&["requestContext", "elb"]),
    read,
    answer: |_, block, _| {
        // Which of the two header maps counts is an attribute of the target group; the other one is ignored.
        Some(answer::response(&json!({
            "statusCode": block.status,
            "statusDescription": answer::status_description(block.status),
            "headers": answer::single_headers(block),
            "multiValueHeaders": answer::multi_headers(block),
            "body": block.body,
            "isBase64Encoded": false,
        })))
    },
};

const EVENT: Table = &[("requestContext", Known::Object(&[("elb", Known::Platform)]))];

fn read(context: &mut Context<'_>) {
    context.parts.method = context.take(&["httpMethod"]).unwrap_or_default();
    context.parts.path = Text { span: context.take(&["path"]).unwrap_or_default(), encoded: true };
    context.headers("headers", "multiValueHeaders");
    // A load balancer hands parameters on as they came, still encoded.
    context.query_pairs(true);
    context.body("isBase64Encoded");
    context.envelope.ids =
        Ids { api: context.string(&["requestContext", "elb", "targetGroupArn"]), ..Ids::default() };
    context.trace();
    context.appended_client(Trust::Platform);
    context.read_parts();
    leftovers::read(context, EVENT);
}

//! AppSync batch resolvers: a list of resolver contexts, one for each parent object.

use serde_json::json;

use super::{Source, appsync_resolver};
use crate::{
    answer::{self, ERROR_TYPE},
    context::Event,
    limits,
};
use picket_content::json::Kind;

pub(super) const SOURCE: Source = Source {
    name: "appsync-batch",
    can_block: true,
    counts: true,
    recognise,
    read: |context| {
        let (tape, list) = (context.tape, context.root);
        for (nth, element) in tape.children(list).enumerate() {
            context.root = element;
            context.root_is_outermost = false;
            context.envelope.batch += 1;
            if nth == 0 {
                // All elements stem from one GraphQL request and repeat its headers.
                appsync_resolver::client(context);
            }
            appsync_resolver::read_element(context);
        }
        context.root = list;
    },
    // One answer for each element, in order; AppSync refuses a list of another length.
    answer: |envelope, block, _| {
        if envelope.batch > limits::BATCH {
            return Some(answer::error(&block.body));
        }
        let element = json!({ "data": null, "errorMessage": block.body, "errorType": ERROR_TYPE });
        Some(answer::response(&vec![element; envelope.batch].into()))
    },
};

fn recognise(event: Event<'_>) -> bool {
    event.tape.kind(event.root) == Kind::Array
        && event
            .tape
            .children(event.root)
            .next()
            .is_some_and(|first| appsync_resolver::is_resolver(event.from(first)))
}

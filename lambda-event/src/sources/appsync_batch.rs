//! AppSync batch resolvers: a list of resolver contexts, one for each parent object.

use picket_content::json::{Kind, Node};
use serde_json::json;

use super::{Source, appsync_resolver};
use crate::{
    answer::{self, ERROR_TYPE},
    context::{Context, Event},
    limits,
};

pub(super) const SOURCE: Source = Source {
    name: "appsync-batch",
    can_block: true,
    counts: true,
    recognise,
    read: |context| {
        let (tape, list) = (context.tape, context.root);
        let mut first = None;
        for (nth, element) in tape.children(list).enumerate() {
            context.root = element;
            context.root_is_outermost = false;
            context.envelope.batch += 1;
            context.consumed.clear();
            if nth == 0 {
                appsync_resolver::client(context);
                first = Some(element);
            } else if let Some(first) = first {
                skip_repeated(context, first, element);
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

/// All elements stem from one GraphQL request, so identity, headers and info say the same again in each.
fn skip_repeated(context: &mut Context<'_>, first: Node, element: Node) {
    let (tape, text) = (context.tape, context.text);
    for name in ["identity", "info", "request"] {
        let raw = |node| tape.last(text, node, name.as_bytes()).and_then(|node| text.get(tape.range(node)));
        if let Some(node) = tape.last(text, element, name.as_bytes())
            && raw(first) == raw(element)
        {
            context.consumed.push(node);
        }
    }
}

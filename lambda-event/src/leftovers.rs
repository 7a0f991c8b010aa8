//! What a source did not read: every other string of an envelope is inspected too, except what the platform wrote.
//!
//! The tables name what is known; a member that nobody foresaw is inspected, so a platform that starts to hand on more
//! opens no gap.

use picket_content::json::{self, Kind, Node, Root};
use picket_request::{LocationId, Part, Place, Segment, Span, Value};

use crate::context::Context;

/// What is known of a member of an envelope.
#[derive(Clone, Copy)]
pub(crate) enum Known {
    /// The platform or the function's owner wrote it.
    Platform,
    /// It repeats the path, query, method, host or user agent; where it does not, it is inspected.
    Repeats,
    /// Any JSON of the sender's.
    Json,
    /// GraphQL text of the sender's.
    Graphql,
    /// An object of which some members are known.
    Object(Table),
}

/// Members by name.
pub(crate) type Table = &'static [(&'static str, Known)];

/// Adds the strings of the event that neither the source has read nor `table` knows.
pub(crate) fn read(context: &mut Context<'_>, table: Table) {
    let event = context.request.locations.add(LocationId::ROOT, Segment::Part(Part::Event));
    let root = context.root;
    object(context, root, event, table);
    if context.root_is_outermost {
        // More than one value at top level: malformed, so whatever a lenient runtime might take is shown as well.
        let tape = context.tape;
        for node in tape.roots().filter(|node| *node != root) {
            subtree(context, node, event, Span::EMPTY, Place::Event);
        }
    }
}

/// The depth of this recursion is that of the static tables, not of the input.
fn object(context: &mut Context<'_>, node: Node, location: LocationId, table: Table) {
    let tape = context.tape;
    if tape.kind(node) != Kind::Object {
        return subtree(context, node, location, Span::EMPTY, Place::Event);
    }
    for member in tape.members(node) {
        let Some(value) = member.value else {
            let name = context.span(member.key);
            context.push_event(name, Place::JsonKey, name, location);
            continue;
        };
        if context.consumed.contains(&value) {
            continue;
        }
        let known = table.iter().find(|(name, _)| tape.is(context.text, member.key, name.as_bytes()));
        let known = known.map(|(_, known)| *known);
        match known {
            Some(Known::Platform) => continue,
            Some(Known::Repeats) if repeats(context, value) => continue,
            None if matches!(tape.kind(value), Kind::True | Kind::False) => continue,
            _ if tape.kind(value) == Kind::Null => continue,
            _ => {}
        }
        let name = context.span(member.key);
        let location = context.request.locations.add(location, Segment::Key(name));
        match known {
            Some(Known::Object(inner)) => object(context, value, location, inner),
            Some(Known::Json) => subtree(context, value, location, name, Place::Json),
            Some(Known::Graphql) => subtree(context, value, location, name, Place::Graphql),
            Some(_) => subtree(context, value, location, name, Place::Event),
            None => {
                context.push_event(name, Place::JsonKey, name, location);
                subtree(context, value, location, name, Place::Event);
            }
        }
    }
}

/// Adds every string of a subtree.
fn subtree(context: &mut Context<'_>, node: Node, location: LocationId, name: Span, place: Place) {
    let root = Root { name, value: place, ..Root::json(location) };
    json::node_values(context.request, context.tape, context.spare, context.whole(), node, &root);
}

/// Whether a string says nothing that the request does not say of itself.
fn repeats(context: &mut Context<'_>, node: Node) -> bool {
    if matches!(context.tape.kind(node), Kind::Null) {
        return true;
    }
    let span = context.span(node);
    let text = context.request.bytes(span);
    let request = &*context.request;
    let same = [request.path, request.query, request.method, request.host, request.user_agent];
    // A path may stand with its stage before it.
    let path = request.bytes(request.path);
    text.is_empty() || same.iter().any(|known| request.bytes(*known) == text) || {
        !path.is_empty() && text.strip_suffix(path).is_some_and(is_stage)
    }
}

fn is_stage(text: &[u8]) -> bool {
    let name = text.strip_prefix(b"/").unwrap_or_default();
    !name.is_empty()
        && name.len() <= 128
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-$".contains(byte))
}

impl Context<'_> {
    /// Adds one value of the envelope.
    pub(crate) fn push_event(&mut self, text: Span, place: Place, name: Span, location: LocationId) {
        self.request.push(Value { text, raw: text, place, name, location });
    }
}

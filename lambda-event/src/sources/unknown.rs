//! Everything that no predicate recognised: every string is a value with its path. Log-only in every mode, because what
//! an answer should look like is not known, and an error would lose or repeat somebody's message.

use picket_content::json::{self, Root};
use picket_request::{Anomaly, LocationId, Part, Place, Segment, Span};

use super::Source;
use crate::context::Context;

pub(crate) const SOURCE: Source = Source {
    name: "unknown",
    can_block: false,
    counts: false,
    recognise: |_| false,
    read,
    answer: |_, _, _| None,
};

fn read(context: &mut Context<'_>) {
    context.request.anomalies.raise(Anomaly::UnknownEvent, LocationId::ROOT);
    let event = context.request.locations.add(LocationId::ROOT, Segment::Part(Part::Event));
    let root = Root { value: Place::Event, ..Root::json(event) };
    let tape = context.tape;
    if !tape.summary().well_formed && !context.text.is_empty() {
        // What is no JSON may be anything: besides its words it is looked at as one text.
        let whole = context.whole();
        context.push_event(whole, Place::Event, Span::EMPTY, event);
    }
    for node in tape.roots() {
        json::node_values(context.request, tape, context.spare, context.whole(), node, &root);
    }
}

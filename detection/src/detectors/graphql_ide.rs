//! # What it detects
//!
//! A request for a GraphQL development console.
//!
//! # Why it matters
//!
//! A console in production shows the whole schema and runs queries as whoever is logged in.
//!
//! # Example
//!
//! `/graphiql`
//!
//! # Known false positives
//!
//! The owner's own console. It is an anomaly and never counts.
//!
//! # Evasions covered
//!
//! Letter case, a folder before the name, file extensions after it.
//!
//! # References
//!
//! OWASP GraphQL Cheat Sheet.

use picket_request::{Anomaly, Place};

use crate::{Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink, urls::is};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Anomaly(Anomaly::GraphqlIde), name: "graphql_ide", version: 1, gate: Gate::Any(gate), run };

static CONSOLE: Fact = Fact::new("a GraphQL console", FactKind::Lexical, 40);

fn gate(input: &Input<'_>) -> bool {
    input.place == Place::Path && input.bytes.len() < 256
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    if !gate(input) {
        return;
    }
    let mut before: &[u8] = b"";
    let mut at = 0;
    for segment in input.bytes.split(|byte| *byte == b'/') {
        let name = segment.split(|byte| *byte == b'.').next().unwrap_or_default();
        let console = is(name, &[b"graphiql", b"graphql-playground", b"graphql-explorer", b"graphql-voyager", b"altair-graphql"])
            || (is(before, &[b"graphql", b"gql"]) && is(name, &[b"playground", b"console", b"explorer", b"altair", b"voyager", b"ide"]))
            || (before.is_empty() && is(name, &[b"altair", b"playground", b"voyager"]));
        if console {
            sink.report(at..at + segment.len(), &[&CONSOLE]);
            return;
        }
        before = segment;
        at += segment.len() + 1;
    }
}

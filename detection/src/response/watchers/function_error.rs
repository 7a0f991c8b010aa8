//! # What it detects
//!
//! A handler that failed: it posted an error instead of an answer, or its stream ended with one.
//!
//! # Why it matters
//!
//! Inputs that nobody thought of make handlers throw; a run of them is somebody trying.
//!
//! # Example
//!
//! An unhandled exception, which API Gateway turns into 502.
//!
//! # Known false positives
//!
//! Functions that fail on purpose, to have an event retried. It is a tag.
//!
//! # Evasions covered
//!
//! Streams that fail half way, which say so in their trailers.
//!
//! # References
//!
//! AWS: Lambda function errors.

use super::Watcher;
use crate::{
    Fact, FactKind,
    response::{Answer, Found, ResponseSignal},
};

pub(super) static WATCHER: Watcher = Watcher { name: "function_error", version: 1, look };

static FAILED: Fact = Fact::new("the handler failed", FactKind::Lexical, 30);

fn look(answer: &Answer<'_>, found: &mut Found) {
    if answer.failed {
        found.report(ResponseSignal::FunctionError, 0..0, &[&FAILED]);
    }
}

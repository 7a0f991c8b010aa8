//! What leaves a request: redacted first, then written to the log or sent to the engine.
//!
//! Nothing that a sender wrote leaves except as [`Redacted`], and only `redact.rs` can make one.

mod names;
mod patterns;
mod redact;

pub use redact::{Redacted, excerpt, location, method, path};

//! Lambda events to requests, and verdicts to the answers that each event source expects.
//!
//! [`EventReader::read`] never fails: an event of a known source becomes the HTTP request that it carries, anything else
//! becomes values with their paths and an UNKNOWN-EVENT. [`answer`] is the other direction. It may not know detection,
//! policy, the Runtime API or any I/O; what HTTP parts mean is `content`'s.

mod answer;
mod client;
mod context;
pub mod handler_body;
mod leftovers;
mod limits;
mod members;
mod reader;
mod sources;
pub mod tags;

pub use answer::{Kind, Mode, SyntheticPost, answer};
pub use client::Hops;
pub use reader::{Envelope, EventReader, Ids, Options};

/// The stable name of every event source, in the order in which they are asked, and `unknown` at the end.
pub fn source_names() -> impl Iterator<Item = &'static str> {
    sources::ALL.iter().map(|source| source.name).chain([sources::unknown::SOURCE.name])
}

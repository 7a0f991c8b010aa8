//! The vocabulary that every part of Picket shares: a request as a set of values, where each was found, who sent it,
//! what was odd about it, and the answer that a blocked client gets.
//!
//! It may not know JSON, HTTP parsing, detection, policy or any I/O, and it depends on nothing else of ours.

mod anomaly;
mod answer;
mod client;
pub mod limits;
mod location;
mod request;
mod value;

pub use anomaly::{Anomalies, Anomaly};
pub use answer::BlockAnswer;
pub use client::{ClientAddr, Trust};
pub use location::{LocationId, Locations, Part, Segment};
pub use request::{BufferId, EventSource, Request, Span};
pub use value::{Place, Value};

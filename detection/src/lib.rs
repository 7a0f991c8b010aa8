//! Values to findings: decides on how a value would execute, not on whether it matches a list of strings.
//!
//! It may not know policy, events, I/O, clocks or threads. It is pure and deterministic, uses linear time and bounded
//! memory, and cannot fail: malformed input is a finding or nothing, never an error.

mod agents;
mod anchors;
mod bytes;
mod catalogue;
mod chain;
mod decoders;
pub mod detectors;
mod dispatch;
mod doubt;
mod evidence;
mod fact;
mod finding;
mod html;
mod index;
mod input;
mod inspect;
mod lengths;
pub mod limits;
mod lines;
mod memo;
mod patches;
mod paths;
mod profile;
pub mod response;
mod scan;
mod scratch;
mod script;
mod shell;
mod signal;
mod sink;
mod sql;
mod template;
mod urls;
mod views;

pub use catalogue::{Catalogue, Detector, Gate};
pub use chain::{Chain, Decoder};
pub(crate) use evidence::Evidence;
pub use fact::{Fact, FactKind};
pub use finding::{Finding, Fuel, Outcome};
pub use input::{Input, Shape};
pub use inspect::inspect;
pub use profile::{Profile, Runtime};
pub use scan::{Class, Classes};
pub use scratch::Scratch;
pub use signal::{Signal, Tier};
pub use sink::Sink;

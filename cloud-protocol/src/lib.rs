//! The wire types between agent and engine, version 1: what is sent, how it is signed, and how much of it there may be.
//!
//! It may not know how anything is sent, stored or counted. Within version 1 changes are additive only: a new field is
//! optional, an unknown field is ignored, an unknown word of an enumeration is read as the careful one. `docs/protocol.md`
//! describes the same for a reader who does not read Rust.

mod batch;
mod bundle;
mod client;
mod decode;
mod event;
mod flags;
pub mod limits;
mod secret;
mod shape;
mod sign;

pub use batch::{Ack, Agent, Batch, Count, FALLEN_BACK, Hints, Reply, Sighting, Stats, Upload};
pub use bundle::Bundle;
pub use client::{ClientKey, ClientKeyError, ClientKind};
pub use decode::{DecodeError, decode};
pub use event::{Event, EventAction, EventClass, EventSignal};
pub use flags::{Flag, FlagDelta};
pub use secret::Secret;
pub use shape::Refusal;
pub use sign::{HEADER, Signature, path_without_stage, signing_text};

/// The version that every batch names.
pub const VERSION: u32 = 1;
/// Where batches go.
pub const BATCHES: &str = "/v1/batches";
/// Where flags come from.
pub const FLAGS: &str = "/v1/flags";
/// Where policy comes from.
pub const POLICY: &str = "/v1/policy";
/// Seconds of one counting slot.
pub const SLOT_SECONDS: u64 = 10;

//! What leaves an environment: redacted first, then counted, batched, kept, signed and sent by whoever can send.
//!
//! Nothing that a sender wrote leaves except as [`Redacted`], and only `redact.rs` can make one. This crate does no
//! network and reads no environment; its one file is the spool.

mod about;
pub mod limits;
mod names;
mod outbox;
mod pairs;
mod patterns;
mod record;
mod redact;
mod seal;
mod series;
mod sign;
mod spool;

pub use about::About;
pub use outbox::{Outbox, Parcel};
pub use redact::{Redacted, Redactor, location, method, path};
pub use seal::{Opener, SealError, Sealer, generate};
pub use sign::{KeyError, Signer, digest, key_bytes};
pub use spool::{Spool, SpoolKey};

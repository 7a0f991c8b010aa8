//! The engine: takes in what agents report, counts it across all environments, flags, and serves flags, policy and the admin API.
//!
//! What holds everywhere: agents are hostile, so size, shape and credential come before any I/O; the site comes from the
//! credential and never from a body; a batch is counted exactly once; the store holds public keys and digests alone. The
//! domain stands on one trait, [`store::Store`], and knows neither SQLite nor DynamoDB.

pub mod auth;
pub mod engine;
pub mod flags;
pub mod http;
pub mod ingest;
mod judge;
pub mod lambda;
pub mod limits;
mod load;
pub mod metrics;
pub mod names;
pub mod notify;
mod outbox;
pub mod policy;
pub mod random;
pub mod read;
pub mod rotate;
pub mod settings;
pub mod store;
pub mod text;
mod time;
mod troubles;
pub mod window;

//! The agent: it reads the environment, keeps the life cycle of an external extension, and wires proxy, events,
//! detection, policy and log together.
//!
//! Everything is handed on by argument: `main.rs` is the only reader of the environment.

pub mod agent;
mod answer_line;
mod answers;
mod cloud;
mod counters;
pub mod forms;
mod guard;
mod limits;
mod log;
mod metrics;
mod ocsf;
mod policies;
mod profile;
mod registration;
mod retreat;
pub mod settings;
mod surroundings;
mod verdict_line;

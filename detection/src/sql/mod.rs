//! SQL as a language: a lexer for all dialects, a recogniser for what continues a statement, and where to start them.
//!
//! It knows SQL and nothing of requests, weights or tiers: it says what would run, `detectors/sqli.rs` what that means.

mod evidence;
mod lexer;
mod lookup;
mod machine;
mod operands;
mod operators;
mod padding;
mod starts;
mod statements;
mod token;
mod words;

pub(crate) use evidence::{Run, Seen, Tail};
pub(crate) use padding::within_prose;
pub(crate) use starts::{Opening, runs};

//! Black-box tests of the built binaries, and what they have in common.

pub mod agent;
pub mod bundle;
pub mod clients;
pub mod cloud;
pub mod double;
pub mod dynamodb;
pub mod engine;
pub mod exactness;
pub mod layout;
pub mod load;
pub mod moto;
pub mod output;
pub mod proxied;
pub mod rie;

/// Says that a test cannot run here, in the form that `cargo xtask test` counts. Call it and return.
pub fn skip(reason: &str) {
    println!("SKIPPED {}: {reason}", std::thread::current().name().unwrap_or("a test"));
}

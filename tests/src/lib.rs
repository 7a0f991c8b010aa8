//! Black-box tests of the built binaries, and what they have in common.

pub mod double;
pub mod proxied;

//! The exec wrapper.

fn main() {}

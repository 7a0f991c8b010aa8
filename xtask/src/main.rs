//! Everything that is not cargo's own job.

fn main() {}

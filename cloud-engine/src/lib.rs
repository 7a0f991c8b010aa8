//! Counts across environments, flags, serves policy.

//! Findings to a verdict.

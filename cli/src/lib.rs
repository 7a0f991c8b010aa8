//! The policy file as its owner writes it, from YAML text to a checked document with messages that point into the text.
//!
//! It is a library so that the parser can be fuzzed. It may not know the command line.

pub mod policy_docs;
pub mod policy_file;

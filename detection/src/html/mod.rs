//! HTML as a browser reads it: tokens, and which of them run script.

pub(crate) mod css;
pub(crate) mod shown;
pub(crate) mod sinks;
pub(crate) mod tables;
pub(crate) mod tokenizer;
pub(crate) mod url;

//! Template languages: their delimiters, and whether what stands between them would be evaluated rather than filled in.

mod body;
mod delimiters;

pub(crate) use body::{Body, judge};
pub(crate) use delimiters::{Expression, Expressions, Kind};

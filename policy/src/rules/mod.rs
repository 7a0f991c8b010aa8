//! The rules of a policy, loaded from the canonical form: checked, indexed, and ready to be judged.
//!
//! Nothing here knows modes or what becomes of a request; `evaluate` does.

pub(crate) mod condition;
pub(crate) mod error;
pub(crate) mod facts;
pub(crate) mod gates;
mod grams;
pub(crate) mod like;
pub(crate) mod lists;
mod load;
pub(crate) mod matcher;
pub(crate) mod set;
pub(crate) mod value;

pub(crate) use load::{Change, Rules};

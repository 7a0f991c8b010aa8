//! Rate limits: who is counted, how often they came, and whether that is too often.
//!
//! The environment counts for itself in bounded memory; what the engine counts for all environments comes in through
//! [`Beyond`]. The time is an argument.

mod key;
mod limit;
mod windows;

pub use key::{ClientKey, KeySecret};
pub(crate) use limit::Limit;
pub use windows::{Beyond, Rates, Standing};

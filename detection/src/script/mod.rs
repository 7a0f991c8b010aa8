//! JavaScript: tokens, and whether what they form would do something when a browser evaluates it.

mod breakout;
mod effect;
pub(crate) mod lexer;
mod names;

pub(crate) use breakout::{Escape, escape};
pub(crate) use effect::{Effect, effect, effect_of_code, is_idle};

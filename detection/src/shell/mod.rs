//! Command lines as a shell would read them: where a command starts, what its words are once quotes, escapes and
//! expansions are gone, and whether the command takes such arguments and does something that matters.
//!
//! It knows shells and their commands only; what a command means for a verdict is the detectors' affair.

mod command;
mod glob;
mod table;
mod windows;
mod word;

pub(crate) use command::{Command, Effect, command, holds_command, may_start};
pub(crate) use windows::{batch_statement, cmdlet, fork_bomb};
pub(crate) use word::blanks;

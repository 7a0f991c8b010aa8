//! The one JSON reader of Picket: a tolerant scanner onto a flat tape, and the values it yields.
//!
//! It exists because a firewall must see what *any* runtime's parser would see: both values of a duplicate key, text
//! after a syntax error, lone surrogates, and values nested deeper than a parser of ours could afford to recurse. It
//! never fails, never recurses and never rewrites: tokens are spans of the input. What it may not know: HTTP, events.

mod encoding;
mod scan;
mod strings;
mod tape;
mod values;

pub use scan::scan;
pub use strings::{Surrogates, unescape, unescape_as};
pub use tape::{Kind, Member, Node, Summary, Tape};
pub use values::{Root, node_values, values};

//! PHP code injection.
//!
//! # What it detects
//! PHP that a target would evaluate: opening tags, calls that run, read or write, variable functions, names put together
//! from strings, stream wrappers, and settings that open the runtime.
//!
//! # Why it matters
//! Evaluated code has all rights of the function, its credentials included.
//!
//! # Example
//! `';system('id');//` in a value that ends up in `eval`
//!
//! # Known false positives
//! Code hosting and forums whose posts are a single statement without a code block.
//!
//! # Evasions covered
//! Case, comments and white space between name and parenthesis, names put together from strings, variable functions,
//! escapes and encodings by way of the decoders.
//!
//! # References
//! OWASP Code Injection; PHP manual "Supported Protocols and Wrappers"; CWE-94; CWE-98.

mod characters;
mod names;
mod php;

use crate::{Class, Detector, Gate, Input, Scratch, Signal, Sink};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::CodeInjection, name: "code_injection", version: 1, gate: Gate::With(&[Class::Paren, Class::Dollar], gate), run };

fn gate(input: &Input<'_>) -> bool {
    let classes = input.classes;
    classes.has(Class::Paren) && classes.any(&[Class::SingleQuote, Class::DoubleQuote, Class::Dollar, Class::Semicolon])
        || input.bytes.len() < 96 && classes.has(Class::Paren)
        || classes.has(Class::Dollar) && classes.any(&[Class::Paren, Class::Bracket, Class::Brace])
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    php::look(input, sink);
    characters::look(input, sink);
}

//! Regular expressions to automata. Classes and case are those of ASCII unless an expression says `(?u)`, because that
//! keeps automata small; what would become too large is refused here and not at the agent.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use regex_automata::{
    dfa::{StartKind, dense},
    nfa::thompson,
    util::syntax,
};

use regex_syntax::hir::Hir;

use super::literals::required;
use crate::{canonical::Pattern, limits};

/// Bytes that building one automaton may use.
const BUILD_BYTES: usize = 16 * 1024 * 1024;

/// How expressions are read.
fn reading() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false).nest_limit(64)
}

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It does not parse.
    Syntax(String),
    /// Its automaton is too large.
    TooLarge,
    /// It needs what a linear automaton cannot do.
    Unsupported(String),
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "not a regular expression: {error}"),
            Self::TooLarge => write!(
                f,
                "its automaton would have more than {} KiB; use fewer or smaller repetitions, or `like`",
                limits::PATTERN_BYTES / 1024
            ),
            Self::Unsupported(error) => write!(f, "it cannot be matched in linear time: {error}"),
        }
    }
}

/// The expressions of one policy, each once.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    numbers: BTreeMap<String, u32>,
    compiled: Vec<Pattern>,
}

impl Patterns {
    /// The number of an expression.
    pub(super) fn add(&mut self, text: &str) -> Result<u32, PatternError> {
        if let Some(number) = self.numbers.get(text) {
            return Ok(*number);
        }
        let dfa = STANDARD.encode(build(text)?);
        let needs = parse(text).map(|hir| required(&hir)).unwrap_or_default();
        let pattern = Pattern { text: text.to_owned(), dfa, needs };
        let number = u32::try_from(self.compiled.len()).unwrap_or(u32::MAX);
        self.compiled.push(pattern);
        self.numbers.insert(text.to_owned(), number);
        Ok(number)
    }

    pub(super) fn finish(self) -> Vec<Pattern> {
        self.compiled
    }
}

/// The bytes of an expression's automaton.
pub(super) fn build(text: &str) -> Result<Vec<u8>, PatternError> {
    let config = dense::Config::new()
        .start_kind(StartKind::Unanchored)
        .dfa_size_limit(Some(BUILD_BYTES))
        .determinize_size_limit(Some(BUILD_BYTES));
    let dense = dense::Builder::new()
        .configure(config)
        .syntax(reading())
        .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(BUILD_BYTES)))
        .build(text)
        .map_err(|error| explain(text, &error))?;
    let bytes = dense.to_sparse().map_err(|_| PatternError::TooLarge)?.to_bytes_little_endian();
    if bytes.len() > limits::PATTERN_BYTES { Err(PatternError::TooLarge) } else { Ok(bytes) }
}

fn parse(text: &str) -> Result<Hir, Box<regex_syntax::Error>> {
    syntax::parse_with(text, &reading()).map_err(Box::new)
}

fn explain(text: &str, error: &dense::BuildError) -> PatternError {
    let of_nfa =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<thompson::BuildError>());
    if error.is_size_limit_exceeded() || of_nfa.is_some_and(|error| error.size_limit().is_some()) {
        return PatternError::TooLarge;
    }
    match parse(text) {
        // The parser draws the expression with a mark below; the last line says what is wrong.
        Err(wrong) => {
            let wrong = wrong.to_string();
            let last = wrong.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            PatternError::Syntax(last.trim().trim_start_matches("error: ").to_owned())
        }
        Ok(_) => PatternError::Unsupported(of_nfa.map_or_else(|| error.to_string(), ToString::to_string)),
    }
}

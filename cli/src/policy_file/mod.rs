//! A policy file: read, checked, and every mistake shown where it stands.

mod decode;
mod decode_error;
mod diagnostic;
mod lint;
mod similar;
mod tree;

use std::ops::Range;

use picket_policy::{
    canonical::Canonical,
    compile::{self, ReadFile},
    document::{self, Document, Path, Problem, Step},
};

pub use diagnostic::{Diagnostic, Severity};
pub use tree::LARGEST;
use tree::{Kind, Node};

/// A file that was read.
pub struct PolicyFile {
    /// What it says.
    pub document: Document,
    root: Node,
}

impl PolicyFile {
    /// Reads and checks a text.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the file.
    pub fn read(text: &str) -> Result<Self, Vec<Diagnostic>> {
        let root = tree::read(text).map_err(|error| vec![*error])?;
        let in_order = |mut found: Vec<Diagnostic>| {
            found.sort_by_key(|diagnostic| diagnostic.span.start);
            found
        };
        let document = decode::decode(&root).map_err(in_order)?;
        let file = Self { document, root };
        let problems = document::check(&file.document);
        if problems.is_empty() {
            return Ok(file);
        }
        Err(in_order(problems.into_iter().map(|problem| file.diagnostic(problem)).collect()))
    }

    /// Compiles the document. `read_file` reads what it names: files beside the policy's.
    ///
    /// # Errors
    /// What only compiling shows: a file that is not there, a pattern that is too large.
    pub fn compile(&self, read_file: ReadFile<'_>) -> Result<Canonical, Vec<Diagnostic>> {
        compile::compile(&self.document, read_file).map_err(|problems| {
            let diagnostic = |problem: compile::Problem| {
                let (message, help) = match problem.message.split_once("; ") {
                    Some((message, help)) => (message.to_owned(), Some(help.to_owned())),
                    None => (problem.message, None),
                };
                let span = self.locate(&path_of(&problem.place));
                let help = help.into_iter().collect();
                Diagnostic { help, ..Diagnostic::at(Severity::Error, message, span) }
            };
            problems.into_iter().map(diagnostic).collect()
        })
    }

    /// What is probably not meant, though it can be used. `now` is in seconds since 1970.
    #[must_use]
    pub fn lint(&self, now: u64) -> Vec<Diagnostic> {
        let mut found = lint::lint(self, now);
        found.sort_by_key(|diagnostic| diagnostic.span.start);
        found
    }

    /// The bytes of a place; of the nearest place around it that is in the file, where it is not.
    #[must_use]
    pub fn locate(&self, path: &Path) -> Range<usize> {
        let (mut node, mut span) = (&self.root, 0..0);
        for step in &path.0 {
            match step {
                Step::Key(name) => match node.member(name) {
                    Some((key, value)) => {
                        span = if is_block(value) { key.span.clone() } else { value.span.clone() };
                        node = value;
                    }
                    // A word that stands for a map, as `block` alone, has no keys.
                    None => return span,
                },
                Step::Index(index) => match (&node.kind, node.element(*index)) {
                    (_, Some(element)) => {
                        span = element.span.clone();
                        node = element;
                    }
                    // One value where a list may stand.
                    (Kind::Scalar(_) | Kind::Map(_), None) if *index == 0 => {}
                    _ => return span,
                },
            }
        }
        span
    }

    fn diagnostic(&self, problem: Problem) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(problem.message, self.locate(&problem.path));
        if let Some((written, known)) = &problem.unknown {
            match similar::nearest(written, known.iter().map(String::as_str)) {
                Some(meant) => diagnostic = diagnostic.help(format!("did you mean `{meant}`?")),
                None if (1..=16).contains(&known.len()) => {
                    let all = similar::listed(known.iter().map(String::as_str));
                    diagnostic = diagnostic.help(format!("write one of {all}"));
                }
                None => {}
            }
        }
        if let Some(help) = problem.help {
            diagnostic = diagnostic.help(help);
        }
        if let Some((path, why)) = problem.related {
            diagnostic = diagnostic.related(self.locate(&path), why);
        }
        diagnostic
    }
}

/// A place as the compiler writes it: `rules[3].when.all[0].matches`.
fn path_of(place: &str) -> Path {
    let mut path = Path::default();
    for part in place.split(['.', '[']) {
        path = match part.strip_suffix(']').and_then(|digits| digits.parse().ok()) {
            Some(index) => path.index(index),
            None => path.key(part),
        };
    }
    path
}

/// Whether a value is a block of several lines, for which its key stands in a message.
fn is_block(node: &Node) -> bool {
    matches!(node.kind, Kind::Map(_) | Kind::List(_) | Kind::Null)
}

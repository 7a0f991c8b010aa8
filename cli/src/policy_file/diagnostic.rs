//! A message about a place of a file, and how it is printed: as a compiler does, or as JSON.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy cannot be used.
    Error,
    /// It can, and probably does not do what was meant.
    Warning,
}

/// A message about a place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// The bytes that are meant.
    pub span: Range<usize>,
    /// What stands beside these bytes.
    pub label: Option<String>,
    /// Another place that belongs to it, and what stands beside that.
    pub related: Option<(Range<usize>, String)>,
    /// How to mend it.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// A message about these bytes.
    #[must_use]
    pub fn at(severity: Severity, message: impl Into<String>, span: Range<usize>) -> Self {
        let message = message.into();
        Self { severity, message, span, label: None, related: None, help: Vec::new() }
    }

    pub(crate) fn error(message: impl Into<String>, span: Range<usize>) -> Self {
        Self::at(Severity::Error, message, span)
    }

    pub(crate) fn warning(message: impl Into<String>, span: Range<usize>) -> Self {
        Self::at(Severity::Warning, message, span)
    }

    pub(crate) fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related = Some((span, label.into()));
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Line and column of its first byte, each counted from 1.
    #[must_use]
    pub fn position(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    /// As a compiler prints it, with the lines of the file.
    #[must_use]
    pub fn render(&self, path: &str, text: &str, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut primary = AnnotationKind::Primary.span(first_line(text, &self.span));
        if let Some(label) = &self.label {
            primary = primary.label(label.as_str());
        }
        let mut snippet = Snippet::source(text).path(path).annotation(primary);
        if let Some((span, label)) = &self.related {
            snippet = snippet
                .annotation(AnnotationKind::Context.span(first_line(text, span)).label(label.as_str()));
        }
        let mut group = level.primary_title(self.message.as_str()).element(snippet);
        for help in &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self, path: &str, text: &str) -> serde_json::Value {
        let (line, column) = self.position(text);
        serde_json::json!({
            "severity": self.severity,
            "file": path,
            "line": line,
            "column": column,
            "message": self.message,
            "label": self.label,
            "help": self.help,
        })
    }
}

/// The part of a span that stands on its first line: a whole block underlined would hide what is meant.
fn first_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = span.start.min(text.len());
    let rest = text.get(start..span.end.clamp(start, text.len())).unwrap_or_default();
    let line = rest.split('\n').next().unwrap_or_default().trim_end();
    start..start + line.len()
}

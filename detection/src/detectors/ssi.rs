//! Server-side includes.
//!
//! # What it detects
//! Directives of Apache's `mod_include`, nginx and IIS: a comment whose first character is `#`, followed by the name of a directive.
//!
//! # Why it matters
//! Where a page with the value is parsed for includes, `exec` runs commands, `include` reads files and `echo` shows the
//! server's variables.
//!
//! # Example
//! `<!--#exec cmd="id" -->`
//!
//! # Known false positives
//! Posts that explain server-side includes outside code blocks.
//!
//! # Evasions covered
//! Case, space after the `#` (nginx), a space before it, missing end of the comment.
//!
//! # References
//! Apache HTTP Server `mod_include`; nginx `ngx_http_ssi_module`; CWE-97.

use crate::{Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink, doubt};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Ssi, name: "ssi", version: 1, gate: Gate::Never, run };

static DIRECTIVE: Fact = Fact::new("a server-side include directive", FactKind::Structure, 105);
static SPACED: Fact = Fact::new("a server-side include directive behind a space", FactKind::Structure, 60);
static EFFECT: Fact = Fact::new("it runs a command, reads a file or shows a variable", FactKind::Effect, 45);

/// Directives, and whether each does more than format.
const DIRECTIVES: &[(&[u8], bool)] = &[
    (b"exec", true),
    (b"include", true),
    (b"echo", true),
    (b"printenv", true),
    (b"fsize", true),
    (b"flastmod", true),
    (b"config", false),
    (b"set", false),
    (b"if", false),
    (b"elif", false),
    (b"else", false),
    (b"endif", false),
    (b"block", false),
    (b"goto", false),
];

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    for at in memchr::memmem::find_iter(bytes, b"<!--") {
        let inner = bytes.get(at + 4..).unwrap_or_default();
        let blank = blanks(inner);
        let Some(rest) = inner.get(blank..).and_then(|rest| rest.strip_prefix(b"#")) else { continue };
        let rest = rest.get(blanks(rest)..).unwrap_or_default();
        let length = rest.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        let Some(&(_, acts)) = DIRECTIVES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) else { continue };
        // A directive has parameters or ends.
        if !matches!(rest.get(length), None | Some(b' ' | b'\t' | b'\n' | b'\r' | b'-' | b'+' | b'=')) {
            continue;
        }
        let main = if blank == 0 { &DIRECTIVE } else { &SPACED };
        let facts = [main, &EFFECT];
        doubt::unless_shown(input, sink, at..bytes.len().min(at + 80), if acts { &facts } else { &facts[..1] });
    }
}

fn blanks(bytes: &[u8]) -> usize {
    bytes.iter().take(16).take_while(|b| b.is_ascii_whitespace()).count()
}

//! # What it detects
//!
//! That an attack had its effect, from request and answer together: the environment's own credentials in the answer, the contents of a
//! system file after a traversal, the output of a command after a command injection, and a call to the Runtime API that the handler made.
//!
//! # Why it matters
//!
//! Attempts are many and effects are few. This is the one to be woken for.
//!
//! # Example
//!
//! `?file=../../etc/passwd` and an answer with `root:x:0:0:`.
//!
//! # Known false positives
//!
//! A shell or a file browser that the owner offers, asked by its own users.
//!
//! # Evasions covered
//!
//! The evidence stands in the answer, so how the attack was written does not matter; it does matter that it was seen.
//!
//! # References
//!
//! MITRE ATT&CK T1552.005 and T1059.

use std::ops::Range;

use memchr::memmem;

use super::{Watcher, error_leak, secret_leak};
use crate::{
    Fact, FactKind, Signal, Tier, limits,
    response::{Answer, Found, Impact, ResponseSignal},
};

pub(super) static WATCHER: Watcher = Watcher { name: "impact_confirmed", version: 1, look };

static CREDENTIALS: Fact = Fact::new("the environment's credentials left in an answer", FactKind::Effect, 200);
static RUNTIME_API: Fact = Fact::new("the handler called the Runtime API", FactKind::Effect, 100);
static FILE: Fact = Fact::new("the contents of a system file, after a traversal", FactKind::Effect, 100);
static OUTPUT: Fact = Fact::new("the output of a command, after an injection", FactKind::Effect, 100);

/// Attacks whose success shows a file.
const READS: &[Signal] = &[
    Signal::Traversal,
    Signal::Xxe,
    Signal::Ssrf,
    Signal::AwsSsrf,
    Signal::Cmdexe,
    Signal::CodeInjection,
    Signal::Ssti,
    Signal::Shellshock,
    Signal::Deserialization,
];
/// Attacks whose success runs a command.
const RUNS: &[Signal] = &[
    Signal::Cmdexe,
    Signal::CodeInjection,
    Signal::Ssti,
    Signal::Shellshock,
    Signal::Deserialization,
    Signal::Log4jJndi,
];

fn look(answer: &Answer<'_>, found: &mut Found) {
    let text = answer.text();
    let carried = |signals: &[Signal]| signals.iter().any(|signal| answer.asked.carried(*signal));
    if answer.asked.is_attack() {
        found.came(Impact::Attempted);
    }
    let reflected = found.findings().iter().any(|finding| {
        finding.signal == ResponseSignal::Reflected && finding.tier >= Tier::Likely
    });
    if reflected || error_leak::answers(answer, |fact| found.rests_on(fact)) {
        found.came(Impact::Reached);
    }
    let mut effects: Vec<(&'static Fact, Range<usize>)> = Vec::new();
    if found.rests_on(&secret_leak::OWN_SECRET) {
        effects.push((&CREDENTIALS, 0..0));
    }
    if answer.called_runtime_api {
        effects.push((&RUNTIME_API, 0..0));
    }
    if carried(READS)
        && let Some(span) = system_file(text)
    {
        effects.push((&FILE, span));
    }
    if carried(RUNS)
        && let Some(span) = output_of_id(text)
    {
        effects.push((&OUTPUT, span));
    }
    for (fact, span) in effects {
        found.report(ResponseSignal::ImpactConfirmed, span, &[fact]);
        found.came(Impact::Confirmed);
    }
}

/// What the files say that traversals ask for.
fn system_file(text: &[u8]) -> Option<Range<usize>> {
    const CONTENTS: &[&[u8]] = &[
        b"root:x:0:0:",
        b"root:*:0:0:",
        b"daemon:x:1:1:",
        b"\nnameserver 169.254.",
        b"AWS_LAMBDA_RUNTIME_API=",
        b"AWS_SESSION_TOKEN=",
        b"[boot loader]",
        b"; for 16-bit app support",
        b"aws_secret_access_key =",
        b"\"SecretAccessKey\" : \"",
    ];
    CONTENTS.iter().find_map(|content| memmem::find(text, content).map(|at| at..at + content.len()))
}

/// `uid=993(sbx_user1051) gid=990`: what `id` prints.
fn output_of_id(text: &[u8]) -> Option<Range<usize>> {
    memmem::find_iter(text, b"uid=").take(limits::LOOKS).find_map(|start| {
        let rest = text.get(start + 4..(start + 96).min(text.len()))?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let name = rest.get(digits..)?;
        let closed = (digits > 0 && name.starts_with(b"(")).then(|| memchr::memchr(b')', name))??;
        name.get(closed..)?.starts_with(b") gid=").then_some(start..start + 4 + digits + closed + 6)
    })
}

//! # What it detects
//!
//! Keys and tokens in an answer: the credentials of this very environment, pairs of AWS keys, private keys in PEM form, and tokens of a few
//! services that have an unmistakable form.
//!
//! # Why it matters
//!
//! A function's environment holds its role's credentials. Whoever gets to see them has the role.
//!
//! # Example
//!
//! The contents of `/proc/self/environ` as the answer to a traversal.
//!
//! # Known false positives
//!
//! Services whose answers are keys (vaults, certificate authorities). AWS's own example keys are known and not reported. The id of an
//! access key alone is no secret, and only a tag.
//!
//! # Evasions covered
//!
//! The environment's own credentials are known by a run of letters and digits, so that the escaping of JSON, HTML and URLs does not hide
//! them. Encoding the whole answer does.
//!
//! # References
//!
//! CWE-200, CWE-522; AWS: IAM identifiers, unique ids.

use std::ops::Range;

use memchr::memmem;

use super::Watcher;
use crate::{
    Fact, FactKind, limits,
    response::{Answer, Credential, Found, ResponseSignal},
};

pub(super) static WATCHER: Watcher = Watcher { name: "secret_leak", version: 1, look };

pub(super) static OWN_SECRET: Fact =
    Fact::new("the secret key or session token of this environment", FactKind::Effect, 200);
static OWN_ID: Fact = Fact::new("the access key id of this environment", FactKind::Lexical, 60);
static KEY_PAIR: Fact = Fact::new("an AWS access key id beside a secret key", FactKind::Structure, 100);
static KEY_ID: Fact = Fact::new("an AWS access key id", FactKind::Lexical, 30);
static PRIVATE_KEY: Fact = Fact::new("a private key in PEM form", FactKind::Structure, 100);
static SERVICE_TOKEN: Fact = Fact::new("a service's secret token, by its form", FactKind::Lexical, 60);

fn look(answer: &Answer<'_>, found: &mut Found) {
    let text = answer.text();
    for (credential, span) in answer.own.find(text) {
        let fact = if credential == Credential::AccessKeyId { &OWN_ID } else { &OWN_SECRET };
        found.report(ResponseSignal::SecretLeak, span, &[fact]);
    }
    access_keys(text, found);
    if let Some(span) = private_key(text) {
        found.report(ResponseSignal::SecretLeak, span, &[&PRIVATE_KEY]);
    }
    if let Some(span) = service_token(text) {
        found.report(ResponseSignal::SecretLeak, span, &[&SERVICE_TOKEN]);
    }
}

/// Ids of access keys (`AKIA` for users, `ASIA` for roles), and whether a secret key stands near one.
fn access_keys(text: &[u8], found: &mut Found) {
    const LENGTH: usize = 20;
    const NEAR: usize = 256;
    let ids = memmem::find_iter(text, b"IA").filter_map(|at| {
        let start = at.checked_sub(2)?;
        let id = text.get(start..start + LENGTH)?;
        let opens = id.starts_with(b"AKIA") || id.starts_with(b"ASIA");
        let form = id.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let whole = stands_alone(text, &(start..start + LENGTH));
        (opens && form && whole && !id.ends_with(b"EXAMPLE")).then_some(start)
    });
    for start in ids.take(limits::LOOKS) {
        let near = start.saturating_sub(NEAR)..(start + LENGTH + NEAR).min(text.len());
        let surroundings = text.get(near).unwrap_or_default();
        let fact = if surroundings.split(|byte| !is_base64(*byte)).any(is_secret_key) { &KEY_PAIR } else { &KEY_ID };
        found.report(ResponseSignal::SecretLeak, start..start + LENGTH, &[fact]);
    }
}

/// Forty characters of base64 that mix letters of both cases with digits.
fn is_secret_key(word: &[u8]) -> bool {
    // `KEY=value` is one run of these characters.
    let word = word.rsplit(|byte| *byte == b'=').find(|part| !part.is_empty()).unwrap_or(word);
    word.len() == 40
        && word.iter().any(u8::is_ascii_lowercase)
        && word.iter().any(u8::is_ascii_uppercase)
        && word.iter().any(u8::is_ascii_digit)
        && !word.ends_with(b"EXAMPLEKEY")
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+' | b'=')
}

fn stands_alone(text: &[u8], span: &Range<usize>) -> bool {
    let word = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    !word(span.start.checked_sub(1)) && !word(Some(span.end))
}

/// `-----BEGIN … PRIVATE KEY-----` and a key behind it, not merely the words.
fn private_key(text: &[u8]) -> Option<Range<usize>> {
    const OPENS: &[u8] = b"-----BEGIN ";
    const CLOSES: &[u8] = b"PRIVATE KEY-----";
    memmem::find_iter(text, OPENS).take(limits::LOOKS).find_map(|start| {
        let label = text.get(start + OPENS.len()..(start + 64).min(text.len()))?;
        let end = start + OPENS.len() + memmem::find(label, CLOSES)? + CLOSES.len();
        let body = text.get(end..(end + 512).min(text.len()))?;
        // Line breaks may be escaped once more; headers of old forms stand before the key.
        let longest = body.split(|byte| !is_base64(*byte)).map(<[u8]>::len).max().unwrap_or(0);
        (longest >= 48).then_some(start..end)
    })
}

/// Prefixes that services gave their secrets so that they can be known, and how many characters follow.
const TOKENS: &[(&[u8], usize)] = &[
    (b"ghp_", 36),
    (b"gho_", 36),
    (b"ghs_", 36),
    (b"github_pat_", 60),
    (b"glpat-", 20),
    (b"xoxb-", 40),
    (b"xoxp-", 40),
    (b"sk_live_", 24),
    (b"rk_live_", 24),
    (b"npm_", 36),
    (b"SG.", 60),
];

fn service_token(text: &[u8]) -> Option<Range<usize>> {
    TOKENS.iter().find_map(|(prefix, length)| {
        memmem::find_iter(text, prefix).take(limits::LOOKS).find_map(|start| {
            let from = start + prefix.len();
            let token = text.get(from..from + length)?;
            let form = token.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
            let mixed = token.iter().any(u8::is_ascii_digit) && token.iter().any(u8::is_ascii_alphabetic);
            let varied = token.windows(2).any(|pair| pair[0] != pair[1]);
            let begins = start.checked_sub(1).and_then(|at| text.get(at)).is_none_or(|byte| !byte.is_ascii_alphanumeric());
            (form && mixed && varied && begins).then_some(start..from + length)
        })
    })
}

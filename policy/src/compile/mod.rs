//! A policy file's document to the canonical form: everything is checked, resolved, sorted and compiled here, so that
//! the agent does none of it.
//!
//! It may not know YAML or files: where the document names a file, the caller reads it.

mod conditions;
mod keys;
mod lists;
mod literals;
mod patterns;
mod rules;
mod templates;

use std::{collections::BTreeMap, fmt};

use ipnet::IpNet;

use crate::{
    Broken, Mode, OnFailure, Policy,
    canonical::{self, Canonical},
    document::{self, Document},
};

pub use patterns::PatternError;

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, for instance `rules[3].when.all[0].matches`; empty where it is about the whole.
    pub place: String,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.place, self.message)
        }
    }
}

/// Reads a file that a document names.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// Compiles a document.
///
/// # Errors
/// Every problem that was found, in the order of the document.
pub fn compile(document: &Document, read_file: ReadFile<'_>) -> Result<Canonical, Vec<Problem>> {
    let mut compiler = Compiler { problems: Vec::new(), patterns: patterns::Patterns::default(), document };
    let canonical = compiler.document(read_file);
    if compiler.problems.is_empty() {
        // What the agent would refuse is refused here, with the agent's own words.
        if let Err(broken) = Policy::load(&canonical) {
            compiler.problems.push(problem_of(document, &broken));
        }
    }
    if compiler.problems.is_empty() { Ok(canonical) } else { Err(compiler.problems) }
}

/// A refusal of the loader, at the rule that it names.
fn problem_of(document: &Document, broken: &Broken) -> Problem {
    let Broken::Wrong { place, what } = broken else {
        return Problem { place: String::new(), message: broken.to_string() };
    };
    let rule = document.rules.iter().position(|rule| rule.id == *place).map(|at| format!("rules[{at}]"));
    let limit = || {
        document.rate_limits.iter().position(|limit| limit.id == *place).map(|at| format!("rateLimits[{at}]"))
    };
    Problem { place: rule.or_else(limit).unwrap_or_else(|| place.clone()), message: what.clone() }
}

/// One compilation.
struct Compiler<'d> {
    problems: Vec<Problem>,
    patterns: patterns::Patterns,
    document: &'d Document,
}

impl Compiler<'_> {
    fn wrong(&mut self, place: &str, message: impl Into<String>) {
        self.problems.push(Problem { place: place.to_owned(), message: message.into() });
    }

    fn document(&mut self, read_file: ReadFile<'_>) -> Canonical {
        let document = self.document;
        if document.picket != document::FORMAT {
            let message = format!(
                "the format is {}, and this build reads {}; write `picket: {}`",
                document.picket,
                document::FORMAT,
                document::FORMAT
            );
            self.wrong("picket", message);
        }
        let mut rules = self.rules(&document.rules, "rules");
        rules.extend(self.templates());
        rules.extend(self.origin_lock());
        let rate_limits = self.rate_limits();
        let floor = document.floor.as_ref().map(|floor| canonical::Floor {
            mode: floor.mode,
            block_on: floor.block_on,
            rules: self.rules(&floor.rules, "floor.rules"),
        });
        Canonical {
            picket: canonical::FORMAT,
            name: document.name.clone(),
            version: document.version,
            mode: document.mode.unwrap_or(Mode::Log),
            block_on: document.block_on.unwrap_or_default(),
            ramp: document.ramp.map(document::Percent::get),
            answer: document.answer.as_ref().map(rules::answer),
            on_failure: document.on_failure.unwrap_or(OnFailure::Open),
            allow_unexamined: document.allow_unexamined,
            kill_switch: document.kill_switch,
            tag_handler: document.tag_handler,
            client: document.client.as_ref().map(|client| canonical::ClientRule {
                header: client.header.as_ref().map(|name| name.to_ascii_lowercase()),
                hops: client.hops,
                trusted: self.networks(&client.trusted, "client.trusted"),
                cdn: self.networks(&client.cdn, "client.cdn"),
            }),
            floor,
            lists: self.lists(),
            patterns: std::mem::take(&mut self.patterns).finish(),
            geo: document
                .geo
                .as_ref()
                .map(|geo| canonical::GeoFiles { country: geo.country.clone(), asn: geo.asn.clone() }),
            exclusions: document.exclusions.iter().map(exclusion).collect(),
            rules,
            rate_limits,
            redactions: self.redactions(),
            jwt: self.jwt(read_file).map(canonical::Tokens),
            origin_lock: document.origin_lock.as_ref().and_then(|lock| serde_json::to_value(lock).ok()),
            fallback: document.fallback.as_ref().and_then(|fallback| serde_json::to_value(fallback).ok()),
            overrides: document.overrides.iter().map(override_of).collect(),
        }
    }

    /// Address ranges, of which an address alone is one of a single address.
    fn networks(&mut self, texts: &[String], place: &str) -> Vec<IpNet> {
        let mut networks = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match network(text) {
                Some(net) => networks.push(net),
                None => self.wrong(
                    &format!("{place}[{index}]"),
                    format!("`{text}` is not an address or a range such as 10.0.0.0/8 or 2001:db8::/32"),
                ),
            }
        }
        IpNet::aggregate(&networks)
    }

    fn redactions(&self) -> Vec<canonical::Redaction> {
        let mut all: Vec<_> = self
            .document
            .redactions
            .iter()
            .map(|redaction| match redaction {
                document::Redaction::Parameter(name) => canonical::Redaction::Parameter(name.clone()),
                document::Redaction::Header(name) => canonical::Redaction::Header(name.to_ascii_lowercase()),
                document::Redaction::ResponseHeader(name) => {
                    canonical::Redaction::ResponseHeader(name.to_ascii_lowercase())
                }
            })
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// What verifies tokens, with the keys of the file in it, so that the agent opens no file.
    fn jwt(&mut self, read_file: ReadFile<'_>) -> Option<serde_json::Value> {
        let jwt = self.document.jwt.as_ref()?;
        let mut value = serde_json::to_value(jwt).ok()?;
        if let (Some(file), Some(object)) = (&jwt.jwks, value.as_object_mut()) {
            let keys = read_file(file).and_then(|bytes| keys::read(&bytes));
            match keys {
                Ok(keys) => {
                    object.remove("jwks");
                    object.insert("keys".to_owned(), keys);
                }
                Err(error) => self.wrong("jwt.jwks", format!("`{file}` cannot be used: {error}")),
            }
        }
        Some(value)
    }

    /// The origin lock's actions are those of a rule on the signal that it raises.
    fn origin_lock(&mut self) -> Option<canonical::Rule> {
        let lock = self.document.origin_lock.as_ref()?;
        let bypass = canonical::Test {
            field: crate::Field::Signal,
            name: None,
            value: Some(canonical::Match::Equals("ORIGIN-BYPASS".into())),
            content: None,
        };
        let then = self.effects(lock.then.as_slice(), "originLock.then");
        Some(canonical::Rule {
            id: "originLock".to_owned(),
            when: canonical::Condition::Test(bypass),
            then,
            dry_run: false,
            sample: None,
            expires: None,
        })
    }
}

/// An address or a range.
fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse::<IpNet>()
        .map(|net| net.trunc())
        .ok()
        .or_else(|| text.parse::<std::net::IpAddr>().ok().map(|address| IpNet::from(address.to_canonical())))
}

fn exclusion(one: &document::Exclusion) -> canonical::Exclusion {
    canonical::Exclusion {
        signal: one.signal.clone(),
        at: one.at.clone(),
        paths: one.path.as_ref().map(|paths| paths.as_slice().to_vec()).unwrap_or_default(),
        expires: one.expires.map(document::Date::end),
        why: one.why.clone(),
    }
}

fn override_of(one: &document::Override) -> canonical::Override {
    canonical::Override {
        functions: one.functions.clone(),
        paths: one.paths.clone(),
        mode: one.mode,
        block_on: one.block_on,
        ramp: one.ramp.map(document::Percent::get),
        answer: one.answer.as_ref().map(rules::answer),
    }
}

/// A file reader for documents that name no files.
///
/// # Errors
/// Always.
pub fn no_files(name: &str) -> Result<Vec<u8>, String> {
    Err(format!("there is no file `{name}` here"))
}

/// Names that were used, to tell where one stands twice.
type Names<'a> = BTreeMap<&'a str, String>;

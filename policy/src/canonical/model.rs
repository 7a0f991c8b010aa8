//! The canonical form of a policy: what the compiler writes and the agent reads. Everything in it is checked and
//! resolved, so that reading needs no YAML and compiles nothing.
//!
//! It may not know how a policy file is written; that is `document`'s.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{BlockLine, Field, Mode, OnFailure};

/// The version of this form.
pub const FORMAT: u32 = 1;

/// A policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Canonical {
    /// The version of the form, [`FORMAT`].
    pub picket: u32,
    /// The policy's name.
    pub name: String,
    /// The policy's own version.
    pub version: u64,
    /// How far Picket goes.
    pub mode: Mode,
    /// The least certain finding that is blocked on first sight.
    pub block_on: BlockLine,
    /// Percent of requests on which blocking is real; the others are only logged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ramp: Option<u8>,
    /// How a block is answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answer: Option<Answer>,
    /// What happens to requests that could not be inspected because of a fault of ours.
    pub on_failure: OnFailure,
    /// Whether requests of which something suspicious was left unexamined pass in mode `block`.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub allow_unexamined: bool,
    /// Whether this is the kill switch: Picket does nothing at all, whatever anybody else says.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub kill_switch: bool,
    /// Whether the handler gets verdict, request id and signals as request headers.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub tag_handler: bool,
    /// Where the client's address is read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client: Option<ClientRule>,
    /// What no setting and no policy below this one may weaken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub floor: Option<Floor>,
    /// Lists by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub lists: BTreeMap<String, List>,
    /// Regular expressions, each compiled.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub patterns: Vec<Pattern>,
    /// MaxMind files.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub geo: Option<GeoFiles>,
    /// Findings that are known to be harmless.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub exclusions: Vec<Exclusion>,
    /// Rules, those made of templates included.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rules: Vec<Rule>,
    /// Rate limits.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rate_limits: Vec<RateLimit>,
    /// Fields that are never shown, besides those that Picket knows.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub redactions: Vec<Redaction>,
    /// How bearer tokens are verified.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jwt: Option<Tokens>,
    /// What shows that a request came through the owner's edge.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin_lock: Option<serde_json::Value>,
    /// When blocking falls back to logging by itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fallback: Option<serde_json::Value>,
    /// What differs for some functions and paths.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub overrides: Vec<Override>,
}

/// How bearer tokens are verified: what [`crate::jwt::Config`] reads.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tokens(pub serde_json::Value);

impl std::fmt::Debug for Tokens {
    /// Nothing of it: some keys are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

/// How a block is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// 301, 302 or 400 to 599.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// Where 301 and 302 lead.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub location: Option<String>,
    /// The body; `{requestId}` stands for the invocation's request id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
    /// Further headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub headers: BTreeMap<String, String>,
}

/// Where the client's address is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientRule {
    /// The header that names the client, `x-forwarded-for` unless another is named.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub header: Option<String>,
    /// How many hops from the right of that header are the owner's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hops: Option<u8>,
    /// The owner's own proxies; what they say of the client is believed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub trusted: Vec<IpNet>,
    /// A CDN that anybody can send through.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub cdn: Vec<IpNet>,
}

/// What can only be tightened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Floor {
    /// The least strict mode.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mode: Option<Mode>,
    /// The least strict line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub block_on: Option<BlockLine>,
    /// Rules that no allow and no override takes back.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rules: Vec<Rule>,
}

/// A list, sorted and without duplicates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum List {
    /// Texts that a value equals.
    String(Vec<String>),
    /// Texts with `*` and `?`.
    Wildcard(Vec<String>),
    /// Address ranges, none within another.
    Cidr(Vec<IpNet>),
    /// Countries, as two capital letters.
    Country(Vec<String>),
    /// Ids of signals.
    Signal(Vec<String>),
    /// Numbers of autonomous systems.
    Asn(Vec<u32>),
}

/// A regular expression and its automaton.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pattern {
    /// As it was written, for messages.
    pub text: String,
    /// A sparse DFA in little-endian order, as base64.
    pub dfa: String,
    /// Texts of which one stands, in any case of its letters, in whatever the expression matches; empty where none is known.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub needs: Vec<String>,
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pattern").field("text", &self.text).finish_non_exhaustive()
    }
}

/// MaxMind files, each a path; a relative one stands beside the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GeoFiles {
    /// Countries.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub country: Option<String>,
    /// Autonomous systems.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asn: Option<String>,
}

/// A finding that is known to be harmless.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exclusion {
    /// The signal.
    pub signal: String,
    /// Where, for instance `body.items[*].note`; everywhere on its paths where it is absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at: Option<String>,
    /// On which paths, with wildcards; on all where it is empty.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub paths: Vec<String>,
    /// Seconds since 1970 from which on it no longer holds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires: Option<u64>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Its name, which verdicts carry.
    pub id: String,
    /// When it applies.
    pub when: Condition,
    /// What it does.
    pub then: Vec<Effect>,
    /// Whether it only says what it would have done.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub dry_run: bool,
    /// Percent of its requests that are stored.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sample: Option<u8>,
    /// Seconds since 1970 from which on it no longer holds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires: Option<u64>,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Effect {
    /// The request passes, whatever other rules, findings and rate limits say.
    Allow,
    /// The request is answered instead of the handler; what the answer leaves open is the policy's answer.
    Block(Answer),
    /// The request carries a signal: `site.<name>`, or one of the account signals.
    Signal(String),
    /// Findings of a signal do not count: everywhere, or at one place.
    ExcludeSignal {
        /// The signal.
        signal: String,
        /// Where, for instance `query.q`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<String>,
    },
    /// The request is logged, whatever its verdict.
    Log,
    /// The verdict, and what is handed to the handler, carry a word.
    Tag(String),
}

/// When a rule applies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Condition {
    /// Every one holds; with none in it, always.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A field has a value such that name and value match.
    Test(Test),
}

/// One look at one field: it holds where one of the field's values has such a name and such a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Test {
    /// The field.
    pub field: Field,
    /// What its name must be; only of fields that have names.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<Match>,
    /// What its value must be; absent where it only must exist.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<Match>,
    /// Of a signal: what the value in which it was seen must be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub content: Option<Match>,
}

/// What a name or value must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Match {
    /// Equal to a text, or to a number where the field is one.
    Equals(Text),
    /// A text stands somewhere in it.
    Contains(Text),
    /// Like a text in which `*` stands for any run and `?` for one byte.
    Like(Text),
    /// A regular expression matches somewhere in it; the number of the pattern.
    Matches(u32),
    /// On a list, by its name.
    InList(String),
    /// In one of the ranges.
    InCidr(Vec<IpNet>),
    /// Compared as a number.
    Compare(Comparison, i64),
    /// Every one holds.
    All(Vec<Match>),
    /// At least one holds.
    Any(Vec<Match>),
    /// It does not hold.
    Not(Box<Match>),
}

/// A text to compare with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Whether upper and lower case of ASCII letters are the same.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub caseless: bool,
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), caseless: false }
    }
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A rate limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// Its name, which verdicts carry.
    pub id: String,
    /// Which requests are counted and limited.
    pub when: Condition,
    /// Requests that pass within the window.
    pub limit: u32,
    /// Seconds: 60, 600 or 3600.
    pub window: u32,
    /// What tells clients apart: one or two parts.
    pub key: Vec<KeyPart>,
    /// What happens beyond the limit.
    pub then: Vec<Effect>,
    /// Seconds for which it goes on happening; a window where it is absent.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none", default)]
    pub hold: Option<u32>,
    /// Whether it only says what it would have done.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub dry_run: bool,
    /// Seconds since 1970 from which on it no longer holds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires: Option<u64>,
}

/// A part of what tells clients apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum KeyPart {
    /// The client's address; of IPv6 the /64.
    Client,
    /// A request header.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A parameter of the query or a form field.
    Parameter(String),
    /// A claim of a bearer token.
    JwtClaim(String),
}

/// A field that is never shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Redaction {
    /// A parameter, form field or JSON key of this name.
    Parameter(String),
    /// A request header.
    Header(String),
    /// A header of the answer.
    ResponseHeader(String),
}

/// What differs for some functions and paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// Function names, with wildcards; every function where it is empty.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub functions: Vec<String>,
    /// Paths, with wildcards; every path where it is empty.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub paths: Vec<String>,
    /// The mode there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mode: Option<Mode>,
    /// The line there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub block_on: Option<BlockLine>,
    /// The ramp there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ramp: Option<u8>,
    /// How a block is answered there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answer: Option<Answer>,
}

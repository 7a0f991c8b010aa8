//! The blocks of the file besides rules: addresses, lists, exclusions, templates, redactions and the like.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    action::{Action, Answer},
    rule::Rule,
    scalar::{Date, Duration, OneOrMany, Percent, Share},
};
use crate::{BlockLine, Mode};

/// How the client's address is found where somebody stands in front of the function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Client {
    /// The header that carries the addresses of the way here. `x-forwarded-for` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// How many hops of your own stand between the client and the function, counted from the header's right end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hops: Option<u8>,
    /// Address ranges of your own hops. They are never flagged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<String>,
    /// Address ranges of a CDN in front, whose word about the client is taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cdn: Vec<String>,
}

/// What a function's own policy can tighten, and never weaken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Floor {
    /// The weakest mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The weakest block line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_on: Option<BlockLine>,
    /// Rules that hold whatever a function's policy says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// A list that conditions refer to by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct List {
    /// What its items are.
    pub kind: ListKind,
    /// The items.
    pub items: Vec<String>,
    /// What it is for, for those who read the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What the items of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ListKind {
    /// Texts, compared byte for byte.
    String,
    /// Texts in which `*` stands for any run of bytes.
    Wildcard,
    /// Addresses and address ranges.
    Cidr,
    /// Countries by their two letters.
    Country,
    /// Signals.
    Signal,
    /// Numbers of autonomous systems.
    Asn,
}

impl ListKind {
    /// The word that stands in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Wildcard => "wildcard",
            Self::Cidr => "cidr",
            Self::Country => "country",
            Self::Signal => "signal",
            Self::Asn => "asn",
        }
    }
}

/// MaxMind files given by the owner, beside the policy file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Geo {
    /// The file that knows countries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The file that knows autonomous systems.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<String>,
}

/// Findings that are no attack here, because the owner says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exclusion {
    /// The signal.
    pub signal: String,
    /// The location, as verdict lines write it: `query.q`, `body.items[*].note`. Without it, everywhere on `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Only on these paths; `*` stands for any run of characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<OneOrMany<String>>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    /// Why it is there, for those who read the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// An account signal: where the thing is done, and how its success and failure look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Template {
    /// The signal of the attempt, for instance `LOGINATTEMPT`; success and failure raise the signals that go with it.
    pub signal: String,
    /// The method. `POST` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<OneOrMany<String>>,
    /// The path; `*` stands for any run of characters.
    pub path: OneOrMany<String>,
    /// How a response looks that says yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<Outcome>,
    /// How a response looks that says no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Outcome>,
}

/// How a response looks. All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outcome {
    /// Its status, or several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<OneOrMany<u16>>,
    /// Headers by name; `*` in a value stands for any run of characters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// What is cut from everything that leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Redaction {
    /// A query, form or JSON parameter or a cookie, by its name.
    Parameter(String),
    /// A request header.
    Header(String),
    /// A response header.
    ResponseHeader(String),
}

/// How bearer tokens are checked. What fails becomes a signal: `JWT-INVALID`, `JWT-EXPIRED`, `JWT-CLAIMS` (issuer or
/// audience), `JWT-NONE`, `JWT-MALFORMED`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Jwt {
    /// The header that carries the token. `authorization` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A file beside the policy file with the issuer's public keys: a JWK Set, or PEM (`PUBLIC KEY`). It must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<String>,
    /// The issuer that a token must name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The audiences of which a token must name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<OneOrMany<String>>,
    /// How far the issuer's clock may be off. `60s` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leeway: Option<Duration>,
    /// Whether a token must say when it ends; one that does not raises `JWT-CLAIMS`. `true` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_expiry: Option<bool>,
}

/// How requests are told that came around the owner's edge: neither from one of its addresses nor with its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OriginLock {
    /// The list of the edge's addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// The header in which the edge sends a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The SHA-256 of the secret in hexadecimal, so that the file does not hold it. Two while it is rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<OneOrMany<String>>,
    /// What is done about the others. Besides, they raise `ORIGIN-BYPASS`.
    pub then: OneOrMany<Action>,
}

/// When the policy falls back to `log` by itself, because blocking seems to hurt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fallback {
    /// The window over which shares are taken.
    pub window: Duration,
    /// The share of 4xx and 5xx answers of the function from which on it falls back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_share: Option<Share>,
    /// The share of blocked requests among those of clients that look clean otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_clean_share: Option<Share>,
    /// How many requests a window must hold before a share counts. 50 where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
}

/// Other settings for some functions or paths.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// Functions by their names; `*` stands for any run of characters. Without it, all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<String>,
    /// Paths; `*` stands for any run of characters. Without it, all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// How far Picket goes there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The least certain finding that is blocked there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_on: Option<BlockLine>,
    /// The share of requests, in percent, on which blocking is real there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Percent>,
    /// How a block is answered there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

//! Rules and rate limits.

use serde::{Deserialize, Serialize};

use super::{
    action::Action,
    condition::Condition,
    is_false,
    scalar::{Date, Duration, OneOrMany, Percent},
};

/// A rule: when something holds, then something is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Its name, which verdict lines carry. Each stands once.
    pub id: String,
    /// Why it is there, for those who read the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When it applies. Without it, always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// What it does.
    pub then: OneOrMany<Action>,
    /// Whether it only says what it would have done.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// The share of its requests, in percent, that are stored one by one; all are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Percent>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
}

/// A limit on how often a client may do something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// Its name, which verdict lines carry. Each stands once.
    pub id: String,
    /// Why it is there, for those who read the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Which requests count. Without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// How many are let through in one window.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100_000)))]
    pub limit: u32,
    /// The window: `1m`, `10m` or `1h`.
    pub window: Duration,
    /// What tells one client from another: one thing, or two together. `client` where it is missing.
    #[serde(default = "client_alone")]
    pub key: OneOrMany<Key>,
    /// What is done above the limit.
    pub then: OneOrMany<Action>,
    /// How long it is done after the limit was passed. Until the end of the window where it is missing.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Duration>,
    /// Whether it only says what it would have done.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
}

fn client_alone() -> OneOrMany<Key> {
    OneOrMany::One(Key::Client)
}

/// What tells one client of a rate limit from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Key {
    /// The client's address; IPv6 by its /64.
    Client,
    /// The value of a header.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// The value of a query, form or JSON parameter.
    Parameter(String),
    /// A claim of the bearer token.
    JwtClaim(String),
}

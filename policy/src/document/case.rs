//! The file's own cases: a request, perhaps a response, and what is expected of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scalar::{OneOrMany, Scalar};

/// A case that `picket policy check` runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The request.
    pub request: CaseRequest,
    /// What the function answers, where a rule looks at responses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<CaseResponse>,
    /// How often the request is sent before the last one is looked at, for rate limits. 1 where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100_001)))]
    pub times: Option<u32>,
    /// What is expected of the last one.
    pub expect: Expectation,
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaseRequest {
    /// `GET` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path, with the query behind a `?` as a client sends it. `/` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Query parameters in plain text, besides those of the path; they are encoded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, Scalar>,
    /// Headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Scalar>,
    /// Cookies.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cookies: BTreeMap<String, Scalar>,
    /// The body: a text as it is, anything else as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// Fields of a form, which become the body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub form: BTreeMap<String, Scalar>,
    /// The client's address. `198.51.100.7` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The host that is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The event source: `http-v2` (where it is missing), `rest-v1`, `function-url`, `alb` or `lattice-v2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_source: Option<String>,
    /// The function's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// When it comes, as `2027-01-31T22:30:00Z`. Now where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// A body: a text as it is, anything else as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Body(pub serde_json::Value);

/// What the function answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaseResponse {
    /// 200 where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Scalar>,
    /// The body: a text as it is, anything else as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
}

/// What is expected. All that is given must hold; at least one thing is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expectation {
    /// The verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<ExpectedVerdict>,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Rules and rate limits that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub should_match: Option<OneOrMany<String>>,
    /// Rules and rate limits that do not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub should_not_match: Option<OneOrMany<String>>,
    /// Signals that are seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signals: Option<OneOrMany<String>>,
    /// Signals that are not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_signals: Option<OneOrMany<String>>,
    /// The status that the client gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// A verdict that a case expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ExpectedVerdict {
    /// It passes.
    Allow,
    /// It passes; with blocking real it would not have.
    WouldBlock,
    /// It is answered instead of the handler.
    Block,
}

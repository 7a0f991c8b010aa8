//! One request as it leaves the agent: redacted, and only the parts that explain its signals.

use serde::{Deserialize, Serialize};

use crate::ClientKey;

/// A single request. Every text has been through the agent's redaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its id within the site.
    pub id: String,
    /// When it came, in Unix milliseconds.
    pub at: u64,
    /// Why it is kept.
    pub class: EventClass,
    /// Who sent it.
    pub client: ClientKey,
    /// `platform`, `configured_hop` or `unverified`: how well the address is known.
    #[serde(default)]
    pub trust: String,
    /// The event source, such as `apigw-http`.
    #[serde(default)]
    pub source: String,
    /// The method.
    #[serde(default)]
    pub method: String,
    /// The path, without its query.
    #[serde(default)]
    pub path: String,
    /// The host.
    #[serde(default)]
    pub host: String,
    /// The user agent.
    #[serde(default)]
    pub user_agent: String,
    /// The country, where it is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub country: String,
    /// The response's status; 0 where none was seen.
    #[serde(default)]
    pub status: u16,
    /// What became of it.
    pub action: EventAction,
    /// What decided: a rule or a signal, in words.
    #[serde(default)]
    pub reason: String,
    /// What was found.
    #[serde(default)]
    pub signals: Vec<EventSignal>,
    /// The id of the request that the event source gave, or Lambda's.
    #[serde(default)]
    pub request_id: String,
    /// The root of the X-Ray trace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace_id: String,
}

/// Why a single request is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventClass {
    /// It carried an attack signal: all of these are kept.
    Attack,
    /// It was odd, or policy asked for it: a sample of these is kept.
    #[default]
    #[serde(other)]
    Anomaly,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventAction {
    /// It was answered in the handler's place.
    Block,
    /// It passed, and mode `block` would have stopped it.
    WouldBlock,
    /// It passed.
    #[default]
    #[serde(other)]
    Allow,
}

/// One finding of a single request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventSignal {
    /// The signal.
    pub signal: String,
    /// `certain`, `likely` or `possible`.
    pub tier: String,
    /// `attempted`, `reached` or `confirmed`.
    pub stage: String,
    /// What found it, with its version: `sql/3`.
    pub detector: String,
    /// Where.
    pub location: String,
    /// What was decoded on the way there.
    pub chain: Vec<String>,
    /// The offending bytes' first and last offset in the decoded value.
    pub span: [u32; 2],
    /// The offending bytes, redacted; empty where they may not leave.
    pub excerpt: String,
    /// The removed value, encrypted to the owner's key, as base64.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sealed: String,
}

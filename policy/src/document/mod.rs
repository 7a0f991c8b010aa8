//! The policy file as its owner writes it: one serde type for each block, in the words of the file.
//!
//! It says what may stand where, and nothing about what it does: the meaning is given by what compiles it. It may not
//! know YAML, and the agent is built without it, because the agent reads only what was compiled.

mod action;
mod blocks;
mod case;
mod check;
mod condition;
mod limits;
mod names;
mod rule;
mod scalar;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use action::{Action, Answer, ExcludeSignal};
pub use blocks::{
    Client, Exclusion, Fallback, Floor, Geo, Jwt, List, ListKind, OriginLock, Outcome, Override, Redaction,
    Template,
};
pub use case::{Body, Case, CaseRequest, CaseResponse, Expectation, ExpectedVerdict};
pub use check::{Path, Problem, Step, check};
pub use condition::{Condition, ConditionError, Match, NumberOf, Operator, Test, Where};
pub use limits::{ACTIONS, CONDITION_DEPTH, CONDITIONS, LIST_ITEMS, LISTS, RATE_LIMITS, RULES};
pub use names::{ACCOUNT_SIGNALS, OTHER_SIGNALS, is_custom_signal, is_known_signal, known_signals};
pub use rule::{Key, RateLimit, Rule};
pub use scalar::{Bytes, Date, Duration, OneOrMany, Percent, Scalar, ScalarError, Share, TimeOfDay, instant};

use crate::{BlockLine, Mode, OnFailure};

/// The version of the file format that this build reads.
pub const FORMAT: u32 = 1;

/// A policy: what Picket does about what it sees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// The version of the file format. Write 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1)))]
    pub picket: u32,
    /// The name of the policy. It stands in every verdict line.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub name: String,
    /// The version of this policy. Count it up with each change: an agent takes no older one from the engine.
    pub version: u64,
    /// Whether this switches Picket off wherever it is taken, above `PICKET_MODE` and all floors, until it expires or a later
    /// policy is taken. It holds in a signed policy that the engine hands out, and is without effect in a file.
    #[serde(default, skip_serializing_if = "is_false")]
    pub kill_switch: bool,
    /// How far Picket goes. Where it is missing, `PICKET_MODE` or `log` holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The least certain finding that is blocked on first sight. `certain` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_on: Option<BlockLine>,
    /// The share of requests, in percent, on which blocking is real; on the others it is only logged. 100 where it is
    /// missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Percent>,
    /// How a block is answered, unless a rule says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// What becomes of a request that a fault of Picket's kept from being inspected. `open` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// Whether requests pass of which a suspicious part was left unexamined because a bound was reached.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_unexamined: bool,
    /// Whether the handler gets verdict, request id and signals as request headers.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tag_handler: bool,
    /// How the client's address is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// What a function's own policy can tighten, and never weaken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Floor>,
    /// Lists that conditions refer to by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, List>,
    /// MaxMind files for country and ASN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geo: Option<Geo>,
    /// Findings that are no attack here, because the owner says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusions: Vec<Exclusion>,
    /// Rules on requests and responses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Limits on how often a client may do something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate_limits: Vec<RateLimit>,
    /// Account signals: where login, registration and the like are, and how their success looks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<Template>,
    /// What is cut from everything that leaves, besides the names and patterns that are built in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redactions: Vec<Redaction>,
    /// How bearer tokens are checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
    /// How requests are told that came around the owner's edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_lock: Option<OriginLock>,
    /// When the policy falls back to `log` by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// Other settings for some functions or paths; the first that fits holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// The file's own cases, which `picket policy check` runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<Case>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over like this")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The JSON Schema of the policy file.
#[cfg(feature = "schema")]
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Document).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), "Picket policy".into());
    }
    schema
}

//! What an agent sends, and what it gets back.

use serde::{Deserialize, Serialize};

use crate::{ClientKey, Event, FlagDelta};

/// Everything that one environment has to tell since its last batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// [`crate::VERSION`].
    pub v: u32,
    /// Made anew for each batch, and kept when the same batch is sent again. A batch is counted once.
    pub batch_id: String,
    /// The environment, made anew at each start and after each restore.
    pub env: String,
    /// Numbers the batches of an environment from 1, so that the engine can count those that never came.
    pub seq: u64,
    /// When the batch was closed, in Unix seconds. What is older than [`crate::limits::BATCH_AGE_SECONDS`] is not counted.
    pub made: u64,
    /// Who sends.
    pub agent: Agent,
    /// How often each client raised each signal.
    #[serde(default)]
    pub counts: Vec<Count>,
    /// Who was seen at all, with the sessions that tell a shared address from a single client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<Sighting>,
    /// Single requests, redacted.
    #[serde(default)]
    pub events: Vec<Event>,
    /// What happened since the last batch.
    #[serde(default)]
    pub stats: Stats,
    /// The newest flags that the agent holds; none where it holds none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The sender of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Agent {
    /// The agent's version.
    pub version: String,
    /// The function's name.
    pub function: String,
    /// The function's version or alias.
    pub function_version: String,
    /// What runs the handler.
    pub runtime: String,
    /// `block`, `log` or `off`, or [`FALLEN_BACK`].
    pub mode: String,
    /// The version of the policy in force; 0 is the built-in one.
    pub policy: u64,
    /// The AWS region.
    pub region: String,
    /// The AWS account.
    pub account: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
}

/// How often one client raised one signal within one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The client.
    pub client: ClientKey,
    /// The signal.
    pub signal: String,
    /// The slot's first second, in Unix time; a multiple of [`crate::SLOT_SECONDS`].
    pub slot: u64,
    /// How often.
    pub n: u64,
    /// Whether it counts towards a flag of the client: the signal is an attack of at least *likely*, the address is
    /// verified, and no other site made the client's browser send it.
    #[serde(default)]
    pub flags: bool,
}

/// A client that was seen, whether or not it raised a signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The client.
    pub client: ClientKey,
    /// Requests that it sent.
    #[serde(default)]
    pub requests: u64,
    /// Digests of its sessions, 8 to 64 hex digits each.
    #[serde(default)]
    pub sessions: Vec<String>,
}

/// The mode of an environment that gave blocking up by itself, because it seemed to hurt.
pub const FALLEN_BACK: &str = "fallen-back";

/// What happened in an environment since its last batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stats {
    /// Requests inspected.
    pub inspected: u64,
    /// Requests blocked.
    pub blocked: u64,
    /// Requests that mode `log` would have blocked.
    pub would_block: u64,
    /// Requests that passed because of a fault of the agent.
    pub fail_open: u64,
    /// Requests that passed a function that ran without protection.
    pub unprotected: u64,
    /// Panics that were caught.
    pub panics: u64,
    /// Counts and events that were given up before they could be sent.
    pub dropped: u64,
    /// Sends that failed or took too long.
    pub send_failures: u64,
    /// How often an environment gave blocking up by itself.
    pub fallen_back: u64,
    /// Microseconds that half of the decisions stayed below.
    pub decision_p50_us: u64,
    /// Microseconds that 99 of 100 decisions stayed below.
    pub decision_p99_us: u64,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ack {
    /// It was counted just now.
    Counted,
    /// It had been counted before.
    Duplicate,
    /// It was too old to be counted.
    Late,
    /// A word that a later version knows. The batch need not be sent again.
    #[default]
    #[serde(other)]
    Other,
}

/// The answer to a batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reply {
    /// What became of it. Any answer with status 200 means that the batch need not be sent again.
    pub ack: Ack,
    /// What changed since the agent's cursor; absent where nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<FlagDelta>,
    /// The newest policy for this function; 0 where there is none. An agent that holds an older one fetches it.
    pub policy_version: u64,
    /// What the engine asks of the agent.
    pub hints: Hints,
    /// The engine's clock, in Unix seconds.
    pub server_time: u64,
}

/// What the engine asks of an agent. A hint is never needed for correctness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hints {
    /// Seconds after which flags should be asked for again, before the agent's own jitter.
    pub next_poll_s: u32,
    /// How much to send.
    pub upload: Upload,
}

impl Default for Hints {
    fn default() -> Self {
        Self { next_poll_s: 60, upload: Upload::All }
    }
}

/// How much an agent is asked to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Upload {
    /// Counts, and single requests that were attacks.
    Attacks,
    /// Counts alone.
    Counts,
    /// Nothing until the next poll.
    None,
    /// Everything, which is the rule. An unknown word means the same.
    #[default]
    #[serde(other)]
    All,
}

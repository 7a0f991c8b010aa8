//! Flags as they travel. `docs/flags.md` says what each part means.

use serde::{Deserialize, Serialize};

use crate::ClientKey;

/// A client that is flagged. Its identity within a site is `client`: a later version of the same client replaces the earlier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flag {
    /// Who.
    pub client: ClientKey,
    /// Until when, in Unix seconds. The agent itself checks it, against the wall clock, at each decision.
    pub until: u64,
    /// Why, in words.
    #[serde(default)]
    pub why: String,
    /// When it was set, as a number of the site that only grows.
    pub version: u64,
}

/// What changed since a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlagDelta {
    /// Whether `set` is everything there is: flags that the agent holds and that are not in it are dropped.
    pub full: bool,
    /// What to send next time. It is opaque: whoever reads it would break when it changes.
    pub cursor: String,
    /// Clients that are flagged.
    pub set: Vec<Flag>,
    /// Clients that are no longer flagged. It may name clients that were never heard of.
    pub unset: Vec<ClientKey>,
    /// Whether there is more behind `cursor` already: the agent asks again at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

//! The canonical form: what `picket policy build` writes and the agent reads, with its checks.
//!
//! Its bytes are the same for the same policy: keys stand in a fixed order, lists are sorted by the compiler.

mod model;

pub use model::{
    Answer, Canonical, ClientRule, Comparison, Condition, Effect, Exclusion, FORMAT, Floor, GeoFiles,
    KeyPart, List, Match, Override, Pattern, RateLimit, Redaction, Rule, Test, Text, Tokens,
};

use crate::{limits, rules::error::Broken};

impl Canonical {
    /// Reads the bytes of a canonical policy. [`crate::Policy::load`] then checks what it says.
    ///
    /// # Errors
    /// Says why they cannot be used. No bytes make it panic or use more than a few times their own size of memory.
    pub fn read(bytes: &[u8]) -> Result<Self, Broken> {
        /// Only the version, so that a newer form is named as such and not as a wrong key.
        #[derive(serde::Deserialize)]
        struct Version {
            picket: u32,
        }
        if bytes.len() > limits::CANONICAL_BYTES {
            return Err(Broken::TooLarge { bytes: bytes.len(), limit: limits::CANONICAL_BYTES });
        }
        let syntax = |error: &serde_json::Error| Broken::Syntax(shown(error));
        let version: Version = serde_json::from_slice(bytes).map_err(|error| syntax(&error))?;
        if version.picket != FORMAT {
            return Err(Broken::Format { found: version.picket, known: FORMAT });
        }
        serde_json::from_slice(bytes).map_err(|error| syntax(&error))
    }

    /// The bytes that [`Self::read`] reads.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        // Only a map with keys that are no texts could fail, and there is none.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// An error's text, bounded: it may quote what was read.
fn shown(error: &serde_json::Error) -> String {
    error.to_string().chars().map(|c| if c.is_control() { '?' } else { c }).take(200).collect()
}

//! What Secrets Manager holds for an agent.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The agent's secret, as JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// The key's id.
    pub id: String,
    /// The 32 bytes of the Ed25519 private key, as base64url without padding.
    pub private_key: String,
    /// The 32 bytes of the public key that policies are signed for, as base64url without padding.
    pub policy_public_key: String,
    /// Where the engine is.
    pub url: String,
    /// What the engine calls itself in signatures.
    pub audience: String,
}

/// Never the private key.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("id", &self.id).field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_key() {
        let secret: Secret = serde_json::from_str(
            r#"{"id":"k1","privateKey":"hush","policyPublicKey":"p","url":"https://e.example","audience":"e"}"#,
        )
        .unwrap();
        assert!(!format!("{secret:?}").contains("hush"));
    }
}

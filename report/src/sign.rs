//! Signs requests to the engine with Ed25519, at the moment in which they leave.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use picket_cloud_protocol::{Secret, Signature, path_without_stage, signing_text};
use ring::{
    digest::{SHA256, digest as hash},
    hmac,
    signature::Ed25519KeyPair,
};

/// Why a secret cannot be used. No message quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no JSON of the expected shape.
    #[error("the secret is not the JSON that the engine gave out")]
    Shape,
    /// Its private key is no Ed25519 key.
    #[error("the secret's privateKey is not the base64url of 32 bytes")]
    PrivateKey,
    /// Its policy key is none.
    #[error("the secret's policyPublicKey is not the base64url of 32 bytes")]
    PolicyKey,
}

/// The SHA-256 of what is sent.
#[must_use]
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(hash(&SHA256, bytes).as_ref());
    out
}

/// A key that signs.
pub struct Signer {
    kid: String,
    audience: String,
    pair: Ed25519KeyPair,
    spool: hmac::Key,
    rates: [u8; 32],
    /// What policies are signed with.
    pub policy_key: [u8; 32],
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The 32 bytes of a key written as base64url.
#[must_use]
pub fn key_bytes(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?.try_into().ok()
}

impl Signer {
    /// A signer of this secret.
    ///
    /// # Errors
    /// Says which part of it cannot be used.
    pub fn new(secret: &Secret) -> Result<Self, KeyError> {
        let seed = key_bytes(&secret.private_key).ok_or(KeyError::PrivateKey)?;
        let policy_key = key_bytes(&secret.policy_public_key).ok_or(KeyError::PolicyKey)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::PrivateKey)?;
        // A key of its own for the spool, so that a tag there says nothing about the signing key.
        let root = hmac::Key::new(hmac::HMAC_SHA256, &seed);
        let spool = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, b"picket-spool-v1").as_ref());
        let mut rates = [0; 32];
        rates.copy_from_slice(hmac::sign(&root, b"picket-rates-v1").as_ref());
        Ok(Self { kid: secret.id.clone(), audience: secret.audience.clone(), pair, spool, rates, policy_key })
    }

    /// The value of the signature header for a request that leaves at `time` (Unix seconds).
    #[must_use]
    pub fn header(&self, method: &str, path: &str, query: &str, time: u64, body: &[u8]) -> String {
        let text = signing_text(method, path_without_stage(path), query, &self.audience, time, &digest(body));
        let mut sig = [0; 64];
        sig.copy_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        Signature { kid: self.kid.clone(), time, sig }.to_header()
    }

    /// The secret under which what rate limits count by is hashed. All environments with this key have it, and the engine does not.
    #[must_use]
    pub const fn rate_secret(&self) -> &[u8; 32] {
        &self.rates
    }

    /// The key under which the spool is sealed against changes.
    #[must_use]
    pub fn spool_key(&self) -> crate::SpoolKey {
        crate::SpoolKey::new(self.spool.clone())
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, KeyPair as _, UnparsedPublicKey};

    use super::*;

    fn secret() -> Secret {
        Secret {
            id: "k1".to_owned(),
            private_key: URL_SAFE_NO_PAD.encode([7; 32]),
            policy_public_key: URL_SAFE_NO_PAD.encode([8; 32]),
            url: "https://engine.example".to_owned(),
            audience: "engine".to_owned(),
        }
    }

    #[test]
    fn a_signature_holds_for_what_was_sent_and_nothing_else() {
        let signer = Signer::new(&secret()).unwrap();
        let header = signer.header("POST", "/prod/v1/batches", "", 5, b"body");
        let signature = Signature::parse(&header).unwrap();
        let public = UnparsedPublicKey::new(&ED25519, signer.pair.public_key().as_ref());
        let text = |body: &[u8]| signing_text("POST", "/v1/batches", "", "engine", 5, &digest(body));
        assert!(public.verify(text(b"body").as_bytes(), &signature.sig).is_ok());
        assert!(public.verify(text(b"bodY").as_bytes(), &signature.sig).is_err());
        assert_eq!((signature.kid.as_str(), signature.time), ("k1", 5));
    }

    #[test]
    fn a_broken_secret_is_named_and_never_quoted() {
        let broken = Secret { private_key: "hunter2".to_owned(), ..secret() };
        let error = Signer::new(&broken).unwrap_err();
        assert_eq!(error, KeyError::PrivateKey);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        let broken = Secret { policy_public_key: String::new(), ..secret() };
        assert_eq!(Signer::new(&broken).unwrap_err(), KeyError::PolicyKey);
        let shown = format!("{:?}", Signer::new(&secret()).unwrap());
        assert!(!shown.contains(&URL_SAFE_NO_PAD.encode([7; 32])) && !shown.contains("7, 7"), "{shown}");
    }
}

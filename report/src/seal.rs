//! Sealed evidence: a value that is withheld travels encrypted to the owner's public key (HPKE, RFC 9180), so that whoever
//! holds the private key, and nobody else, sees what was blocked.
//!
//! Each value has a context and randomness of its own, straight from the operating system: two copies of one snapshot share
//! nothing. Lengths are padded, and site, event and location are bound to the ciphertext.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hpke::{
    Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _,
    aead::ChaCha20Poly1305,
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    rand_core::{CryptoRng, RngCore},
    single_shot_open, single_shot_seal,
};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::limits;

type Key = <X25519HkdfSha256 as hpke::Kem>::PublicKey;
type PrivateKey = <X25519HkdfSha256 as hpke::Kem>::PrivateKey;
type Encapped = <X25519HkdfSha256 as hpke::Kem>::EncappedKey;

const INFO: &[u8] = b"picket-seal-v1";
const VERSION: u8 = 1;
/// Bytes of an encapsulated X25519 key.
const ENCAPPED: usize = 32;
/// The shortest padded text: most passwords and payloads look alike in length.
const SHORTEST: usize = 256;

/// Why something cannot be sealed or opened. No message quotes a value or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key is no X25519 key.
    #[error("the key is not the base64url of 32 bytes")]
    Key,
    /// The operating system gave no randomness.
    #[error("the system gives no random numbers")]
    Randomness,
    /// The text is not what was sealed: another key, site, event or location, or it was changed.
    #[error("it does not open with this key, site, event and location")]
    Foreign,
}

/// The system's randomness in the shape that the library wants; failure is remembered instead of panicking.
struct System {
    failed: bool,
}

impl RngCore for System {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.failed |= SystemRandom::new().fill(bytes).is_err();
    }
}

impl CryptoRng for System {}

fn decoded(text: &str) -> Result<Vec<u8>, SealError> {
    URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('=')).map_err(|_| SealError::Key)
}

/// A new key pair, each as base64url: public, private.
///
/// # Errors
/// Where the system gives no randomness.
pub fn generate() -> Result<(String, String), SealError> {
    let mut system = System { failed: false };
    let (private, public) = X25519HkdfSha256::gen_keypair(&mut system);
    if system.failed {
        return Err(SealError::Randomness);
    }
    Ok((URL_SAFE_NO_PAD.encode(public.to_bytes()), URL_SAFE_NO_PAD.encode(private.to_bytes())))
}

/// What a sealed value is bound to: each part with its length, so that no two triples give the same bytes.
fn associated(site: &str, event: &str, location: &str) -> Vec<u8> {
    [site, event, location].iter().flat_map(|part| format!("{}:{part}\n", part.len()).into_bytes()).collect()
}

/// Encrypts values to the owner's key.
#[derive(Clone)]
pub struct Sealer {
    key: Key,
    site: String,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer for this public key (base64url) and site.
    ///
    /// # Errors
    /// Where the key is none.
    pub fn new(public: &str, site: &str) -> Result<Self, SealError> {
        let key = Key::from_bytes(&decoded(public)?).map_err(|_| SealError::Key)?;
        Ok(Self { key, site: site.to_owned() })
    }

    /// The value as sealed text. What is longer than [`limits::SEALED_VALUE`] is cut.
    ///
    /// # Errors
    /// Where the system gives no randomness.
    pub(crate) fn seal(&self, value: &[u8], event: &str, location: &str) -> Result<String, SealError> {
        let value = value.get(..limits::SEALED_VALUE).unwrap_or(value);
        let padded = (value.len() + 4).next_power_of_two().max(SHORTEST);
        let mut plain = Vec::with_capacity(padded);
        plain.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
        plain.extend_from_slice(value);
        plain.resize(padded, 0);
        let mut system = System { failed: false };
        let (encapped, text) = single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256, _>(
            &OpModeS::Base,
            &self.key,
            INFO,
            &plain,
            &associated(&self.site, event, location),
            &mut system,
        )
        .map_err(|_| SealError::Key)?;
        if system.failed {
            return Err(SealError::Randomness);
        }
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&encapped.to_bytes());
        sealed.extend_from_slice(&text);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }
}

/// Opens what a [`Sealer`] sealed.
pub struct Opener {
    key: PrivateKey,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").finish_non_exhaustive()
    }
}

impl Opener {
    /// An opener with this private key (base64url).
    ///
    /// # Errors
    /// Where the key is none.
    pub fn new(private: &str) -> Result<Self, SealError> {
        Ok(Self { key: PrivateKey::from_bytes(&decoded(private)?).map_err(|_| SealError::Key)? })
    }

    /// The value that was sealed for this site, event and location.
    ///
    /// # Errors
    /// Where it is another's or was changed.
    pub fn open(&self, sealed: &str, site: &str, event: &str, location: &str) -> Result<Vec<u8>, SealError> {
        let bytes = decoded(sealed).map_err(|_| SealError::Foreign)?;
        let (encapped, text) = match bytes.split_first() {
            Some((&VERSION, rest)) => rest.split_at_checked(ENCAPPED).ok_or(SealError::Foreign)?,
            _ => return Err(SealError::Foreign),
        };
        let encapped = Encapped::from_bytes(encapped).map_err(|_| SealError::Foreign)?;
        let plain = single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.key,
            &encapped,
            INFO,
            text,
            &associated(site, event, location),
        )
        .map_err(|_| SealError::Foreign)?;
        let (length, rest) = plain.split_at_checked(4).ok_or(SealError::Foreign)?;
        let length = u32::from_le_bytes(length.try_into().map_err(|_| SealError::Foreign)?) as usize;
        rest.get(..length).map(<[u8]>::to_vec).ok_or(SealError::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_the_private_key_and_nobody_else_reads_a_value() {
        let (public, private) = generate().unwrap();
        let sealer = Sealer::new(&public, "shop").unwrap();
        let sealed = sealer.seal(b"' or 1=1--", "e1", "query.q").unwrap();
        let opener = Opener::new(&private).unwrap();
        assert_eq!(opener.open(&sealed, "shop", "e1", "query.q").unwrap(), b"' or 1=1--");
        for (site, event, location) in [
            ("shoq", "e1", "query.q"),
            ("shop", "e2", "query.q"),
            ("shop", "e1", "query.r"),
            ("shop\n2:e1", "", ""),
        ] {
            assert_eq!(opener.open(&sealed, site, event, location), Err(SealError::Foreign));
        }
        let (_, other) = generate().unwrap();
        assert_eq!(
            Opener::new(&other).unwrap().open(&sealed, "shop", "e1", "query.q"),
            Err(SealError::Foreign)
        );
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(opener.open(&changed, "shop", "e1", "query.q"), Err(SealError::Foreign), "at {at}");
        }
    }

    #[test]
    fn lengths_are_hidden_and_no_two_texts_are_alike() {
        let sealer = Sealer::new(&generate().unwrap().0, "shop").unwrap();
        let seal = |value: &[u8]| sealer.seal(value, "e", "l").unwrap();
        assert_eq!(seal(b"a").len(), seal(&[b'a'; 200]).len());
        assert_ne!(seal(b"a"), seal(b"a"));
        assert!(seal(&[b'a'; 100_000]).len() < picket_cloud_protocol::limits::SEALED_BYTES);
    }

    #[test]
    fn debug_shows_no_key() {
        let (public, private) = generate().unwrap();
        let shown = format!("{:?}{:?}", Sealer::new(&public, "s").unwrap(), Opener::new(&private).unwrap());
        assert!(!shown.contains(&private) && !shown.contains(&public), "{shown}");
    }
}

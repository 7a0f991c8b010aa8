//! The owner's keys, from a JWK Set (RFC 7517, RFC 7518 section 6, RFC 8037).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{hmac, signature as ring_signature};
use serde_json::Value;

use super::algorithm::{Algorithm, Family};
use crate::limits;

/// What is wrong with a set of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// It is no JWK Set.
    #[error("expected a JWK Set, an object whose `keys` is a list of keys")]
    NotASet,
    /// It holds more keys than are tried.
    #[error("a set may hold {} keys", limits::JWT_KEYS)]
    TooMany,
    /// A key lacks something, or has it in another form.
    #[error("key {number}: {wrong}")]
    Broken {
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// No key of the set can check a signature.
    #[error("no key of the set can check a signature: RSA, P-256, P-384, Ed25519 and `oct` keys can")]
    Empty,
}

/// One key.
pub(super) struct Key {
    id: Option<String>,
    /// The one algorithm that it is for, where it says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

enum Material {
    Secret(Vec<u8>),
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Curve { family: Family, point: Vec<u8> },
}

impl Key {
    fn family(&self) -> Family {
        match &self.material {
            Material::Secret(_) => Family::Secret,
            Material::Rsa { .. } => Family::Rsa,
            Material::Curve { family, .. } => *family,
        }
    }

    /// Whether the key may check a token of this algorithm and key id.
    pub(super) fn suits(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        let named = match (&self.id, id) {
            (Some(own), Some(asked)) => own == asked,
            _ => true,
        };
        named && self.family() == algorithm.family() && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// Whether the key made the signature.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Secret(secret) => algorithm.code().is_some_and(|(code, shortest)| {
                secret.len() >= shortest
                    && hmac::verify(&hmac::Key::new(code, secret), message, signature).is_ok()
            }),
            Material::Rsa { modulus, exponent } => algorithm.rsa().is_some_and(|rsa| {
                ring_signature::RsaPublicKeyComponents { n: modulus, e: exponent }
                    .verify(rsa, message, signature)
                    .is_ok()
            }),
            Material::Curve { point, .. } => algorithm.curve().is_some_and(|curve| {
                ring_signature::UnparsedPublicKey::new(curve, point).verify(message, signature).is_ok()
            }),
        }
    }
}

/// Reads a set. Keys that are for something else (encryption, other curves) are passed over, as the RFC says; broken ones are not.
pub(super) fn read_set(set: &Value) -> Result<Vec<Key>, KeysError> {
    let listed = set.get("keys").and_then(Value::as_array).ok_or(KeysError::NotASet)?;
    if listed.len() > limits::JWT_KEYS {
        return Err(KeysError::TooMany);
    }
    let mut keys = Vec::new();
    for (nth, key) in listed.iter().enumerate() {
        let broken = |wrong| KeysError::Broken { number: nth + 1, wrong };
        keys.extend(read(key).map_err(broken)?);
    }
    if keys.is_empty() { Err(KeysError::Empty) } else { Ok(keys) }
}

fn read(key: &Value) -> Result<Option<Key>, &'static str> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let kind = text("kty").ok_or("it has no `kty`")?;
    let for_signatures = text("use").is_none_or(|purpose| purpose == "sig")
        && key
            .get("key_ops")
            .and_then(Value::as_array)
            .is_none_or(|purposes| purposes.iter().any(|purpose| purpose.as_str() == Some("verify")));
    if !for_signatures {
        return Ok(None);
    }
    let algorithm = match text("alg") {
        None => None,
        Some(word) => match Algorithm::of(word) {
            Some(algorithm) => Some(algorithm),
            None => return Ok(None),
        },
    };
    let bytes = |name: &str| {
        text(name)
            .and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok())
            .filter(|bytes| !bytes.is_empty())
    };
    let material = match (kind, text("crv")) {
        ("oct", _) => {
            let secret = bytes("k").ok_or("its `k` is missing or not base64url")?;
            if secret.len() < 32 {
                return Err("its secret is shorter than 32 bytes, which can be guessed");
            }
            Material::Secret(secret)
        }
        ("RSA", _) => {
            let modulus = bytes("n").ok_or("its `n` is missing or not base64url")?;
            let exponent = bytes("e").ok_or("its `e` is missing or not base64url")?;
            let modulus: Vec<u8> = modulus.into_iter().skip_while(|byte| *byte == 0).collect();
            if modulus.len() < 256 {
                return Err("its modulus has fewer than 2048 bits, which is too weak");
            }
            Material::Rsa { modulus, exponent }
        }
        ("EC", Some(curve @ ("P-256" | "P-384"))) => {
            let (family, length) = if curve == "P-256" { (Family::P256, 32) } else { (Family::P384, 48) };
            let coordinate = |name| bytes(name).filter(|bytes| bytes.len() == length);
            let x = coordinate("x").ok_or("its `x` is missing or not as long as its curve has it")?;
            let y = coordinate("y").ok_or("its `y` is missing or not as long as its curve has it")?;
            // The uncompressed form of SEC 1, section 2.3.3.
            Material::Curve { family, point: [&[4], x.as_slice(), y.as_slice()].concat() }
        }
        ("OKP", Some("Ed25519")) => {
            let point = bytes("x").filter(|bytes| bytes.len() == 32);
            Material::Curve {
                family: Family::Ed25519,
                point: point.ok_or("its `x` is missing or not 32 bytes long")?,
            }
        }
        _ => return Ok(None),
    };
    let key = Key { id: text("kid").map(str::to_owned), algorithm, material };
    if key.algorithm.is_some_and(|algorithm| algorithm.family() != key.family()) {
        return Err("its `alg` is not one of its kind of key");
    }
    Ok(Some(key))
}

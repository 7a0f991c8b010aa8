//! The keys that check bearer tokens, as owners have them: a JWK Set (RFC 7517), or public keys in PEM form (RFC 7468), which become
//! one.
//!
//! It may not know what the keys are used for, and judges no strength: whoever reads the set does.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pkcs1::RsaPublicKey;
use serde_json::{Value, json};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

/// RFC 8017, appendix A.1.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 5480, section 2.1.1.
const CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// RFC 8410, section 3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Reads a file of keys to a JWK Set.
///
/// # Errors
/// What is wrong with the file, and how to get one that is right.
pub(super) fn read(file: &[u8]) -> Result<Value, String> {
    let begun = memchr::memmem::find_iter(file, b"-----BEGIN ").count();
    if begun == 0 {
        return serde_json::from_slice(file)
            .map_err(|error| format!("expected a JWK Set or public keys in PEM form: {error}"));
    }
    let blocks = pem::parse_many(file).map_err(|error| format!("its PEM is broken: {error}"))?;
    // What does not end as it began is passed over in silence by the reader.
    if blocks.len() != begun {
        return Err(format!("its PEM is broken: {begun} blocks begin, and {} are whole", blocks.len()));
    }
    let keys = blocks.iter().enumerate().map(|(at, block)| {
        let key = match block.tag() {
            "PUBLIC KEY" => public(block.contents()),
            "RSA PUBLIC KEY" => rsa(block.contents()),
            tag => Err(wrong_kind(tag)),
        };
        key.map_err(|wrong| format!("block {}: {wrong}", at + 1))
    });
    Ok(json!({"keys": keys.collect::<Result<Vec<_>, _>>()?}))
}

/// What to do about a block that is no public key.
fn wrong_kind(tag: &str) -> String {
    if tag.ends_with("PRIVATE KEY") {
        return "it is a private key, which belongs to the issuer alone; its public half is written by \
                `openssl pkey -pubout -in FILE`"
            .to_owned();
    }
    if tag == "CERTIFICATE" {
        return "it is a certificate; its key is written by `openssl x509 -pubkey -noout -in FILE`"
            .to_owned();
    }
    format!("it is of the kind `{}`, and expected is PUBLIC KEY or RSA PUBLIC KEY", tag.escape_debug())
}

fn public(der: &[u8]) -> Result<Value, String> {
    let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|_| "it is no public key (RFC 5280)")?;
    let bytes = info.subject_public_key.raw_bytes();
    match info.algorithm.oid {
        RSA => rsa(bytes),
        ED25519 => Ok(json!({"kty": "OKP", "crv": "Ed25519", "x": text(bytes)})),
        CURVE => match info.algorithm.parameters_oid() {
            Ok(P256) => point("P-256", 32, bytes),
            Ok(P384) => point("P-384", 48, bytes),
            _ => Err("its curve is not P-256 or P-384".to_owned()),
        },
        other => Err(format!("its algorithm ({other}) is none of RSA, P-256, P-384 and Ed25519")),
    }
}

fn rsa(der: &[u8]) -> Result<Value, String> {
    let key = RsaPublicKey::try_from(der).map_err(|_| "it is no RSA key (RFC 8017)")?;
    Ok(json!({"kty": "RSA", "n": text(key.modulus.as_bytes()), "e": text(key.public_exponent.as_bytes())}))
}

/// A point in the uncompressed form of SEC 1, section 2.3.3.
fn point(curve: &str, length: usize, bytes: &[u8]) -> Result<Value, String> {
    match bytes.split_first() {
        Some((4, rest)) if rest.len() == 2 * length => {
            let (x, y) = rest.split_at(length);
            Ok(json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y)}))
        }
        _ => Err(
            "its point is compressed; `openssl ec -pubin -conv_form uncompressed -in FILE` writes it whole"
                .to_owned(),
        ),
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::jwt::{Config, Verifier};

    fn file(name: &str) -> Vec<u8> {
        fs::read(format!("{}/fixtures/jwt/pem/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn verifier(keys: &[u8]) -> Verifier {
        let config: Config = serde_json::from_value(json!({"keys": read(keys).unwrap()})).unwrap();
        Verifier::new(&config).unwrap()
    }

    /// The keys and the tokens were made by OpenSSL.
    #[test]
    fn tokens_are_checked_with_keys_in_pem_form() {
        let kinds = [
            ("rsa.pem", "rsa.jwt"),
            ("rsa-pkcs1.pem", "rsa.jwt"),
            ("p256.pem", "p256.jwt"),
            ("p384.pem", "p384.jwt"),
            ("ed25519.pem", "ed25519.jwt"),
        ];
        let all: Vec<u8> = kinds.iter().flat_map(|(key, _)| file(key)).collect();
        for (key, token) in kinds {
            let bearer = [b"Bearer ".to_vec(), file(token)].concat();
            for keys in [file(key), all.clone()] {
                let checked = verifier(&keys).check(&bearer, 1_800_000_000).unwrap();
                assert!(checked.unwrap().contains(&("sub".to_owned(), "jane".to_owned())), "{key}");
            }
            for (other, of) in kinds {
                let good = of == token;
                let checked = verifier(&file(other)).check(&bearer, 1_800_000_000).unwrap();
                assert_eq!(checked.is_ok(), good, "{token} by {other}");
            }
        }
    }

    #[test]
    fn what_is_no_public_key_says_how_to_get_one() {
        let block = |tag: &str, text: &str| {
            format!("-----BEGIN {tag}-----\n{text}\n-----END {tag}-----\n").into_bytes()
        };
        for (keys, says) in [
            (b"{".to_vec(), "expected a JWK Set or public keys in PEM form"),
            (block("PRIVATE KEY", "AAAA"), "block 1: it is a private key"),
            (block("EC PRIVATE KEY", "AAAA"), "openssl pkey -pubout"),
            (file("certificate.pem"), "openssl x509 -pubkey"),
            (block("PGP MESSAGE", "AAAA"), "`PGP MESSAGE`"),
            (block("PUBLIC KEY", "AAAA"), "no public key"),
            (block("RSA PUBLIC KEY", "AAAA"), "no RSA key"),
            (file("secp256k1.pem"), "P-256 or P-384"),
            ([file("rsa.pem"), file("certificate.pem")].concat(), "block 2: "),
            (b"-----BEGIN PUBLIC KEY-----\nAAAA\n".to_vec(), "PEM is broken"),
        ] {
            let error = read(&keys).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}

//! Tokens made with keys of the test's own, by the same algorithms; and the ways in which tokens are forged.

use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        self as ring_signature, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use serde_json::json;

use super::*;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key of ours that signs, and its public side as a JWK.
enum Signer {
    Secret,
    Rsa(Box<RsaKeyPair>),
    Curve(EcdsaKeyPair, usize),
    Edwards(Ed25519KeyPair),
}

fn rsa() -> Signer {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/jwt/rsa.pk8");
    Signer::Rsa(Box::new(RsaKeyPair::from_pkcs8(&std::fs::read(file).unwrap()).unwrap()))
}

fn curve(bits: usize) -> Signer {
    let algorithm = match bits {
        256 => &ring_signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        _ => &ring_signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    };
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
    Signer::Curve(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &SystemRandom::new()).unwrap(), bits)
}

fn edwards() -> Signer {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Signer::Edwards(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
}

impl Signer {
    fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Secret => json!({"kty": "oct", "kid": id, "k": b64(SECRET)}),
            Self::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "kid": id, "n": b64(public.n), "e": b64(public.e)})
            }
            Self::Curve(pair, bits) => {
                let point = pair.public_key().as_ref();
                let half = (point.len() - 1) / 2;
                json!({"kty": "EC", "kid": id, "crv": format!("P-{bits}"), "x": b64(&point[1..=half]), "y": b64(&point[half + 1..])})
            }
            Self::Edwards(pair) => {
                json!({"kty": "OKP", "kid": id, "crv": "Ed25519", "x": b64(pair.public_key())})
            }
        }
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Secret => {
                let code = match algorithm {
                    "HS256" => hmac::HMAC_SHA256,
                    "HS384" => hmac::HMAC_SHA384,
                    _ => hmac::HMAC_SHA512,
                };
                hmac::sign(&hmac::Key::new(code, SECRET), message).as_ref().to_vec()
            }
            Self::Rsa(pair) => {
                let encoding: &dyn ring_signature::RsaEncoding = match algorithm {
                    "RS384" => &ring_signature::RSA_PKCS1_SHA384,
                    "RS512" => &ring_signature::RSA_PKCS1_SHA512,
                    "PS256" => &ring_signature::RSA_PSS_SHA256,
                    "PS384" => &ring_signature::RSA_PSS_SHA384,
                    "PS512" => &ring_signature::RSA_PSS_SHA512,
                    _ => &ring_signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
            Self::Curve(pair, _) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Edwards(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let algorithm = header["alg"].as_str().unwrap();
        format!("{message}.{}", b64(self.sign(algorithm, message.as_bytes())))
    }
}

fn claims() -> Value {
    json!({"sub": "jane", "iss": "https://id.example", "aud": ["shop", "other"], "exp": NOW + 100, "nbf": NOW - 100,
           "realm": {"roles": ["admin", "user"], "level": 3}, "nothing": null})
}

fn config(keys: &[Value]) -> Config {
    Config {
        header: "Authorization".to_owned(),
        keys: json!({"keys": keys}),
        issuer: Some("https://id.example".to_owned()),
        audience: vec!["shop".to_owned()],
        leeway: 60,
        require_expiry: true,
    }
}

fn verifier(keys: &[Value]) -> Verifier {
    Verifier::new(&config(keys)).unwrap()
}

fn check(verifier: &Verifier, token: &str) -> Result<Claims, Fault> {
    verifier.check(format!("Bearer {token}").as_bytes(), NOW).unwrap()
}

#[test]
fn every_algorithm_is_verified_and_every_changed_byte_is_seen() {
    let cases: Vec<(Signer, &[&str])> = vec![
        (Signer::Secret, &["HS256", "HS384", "HS512"]),
        (rsa(), &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
        (curve(256), &["ES256"]),
        (curve(384), &["ES384"]),
        (edwards(), &["EdDSA"]),
    ];
    for (signer, algorithms) in cases {
        let verifier = verifier(&[signer.jwk("k")]);
        for algorithm in algorithms {
            let token = signer.token(&json!({"alg": algorithm, "kid": "k"}), &claims());
            assert!(check(&verifier, &token).is_ok(), "{algorithm}");
            let unnamed = signer.token(&json!({"alg": algorithm}), &claims());
            assert!(check(&verifier, &unnamed).is_ok(), "{algorithm} without a key id");
            let parts: Vec<&str> = token.split('.').collect();
            let forged = b64(claims().to_string().replace("jane", "root"));
            assert_eq!(
                check(&verifier, &format!("{}.{forged}.{}", parts[0], parts[2])),
                Err(Fault::Invalid),
                "{algorithm}"
            );
            let mut signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
            for at in [0, signature.len() / 2, signature.len() - 1] {
                signature[at] ^= 1;
                let token = format!("{}.{}.{}", parts[0], parts[1], b64(&signature));
                assert_eq!(check(&verifier, &token), Err(Fault::Invalid), "{algorithm} at {at}");
                signature[at] ^= 1;
            }
            let zeroes = vec![0; signature.len()];
            let token = format!("{}.{}.{}", parts[0], parts[1], b64(zeroes));
            assert_eq!(check(&verifier, &token), Err(Fault::Invalid), "{algorithm}: a signature of zeroes");
        }
    }
}

#[test]
fn claims_are_handed_on_flat_once_they_are_verified() {
    let signer = edwards();
    let claims =
        check(&verifier(&[signer.jwk("k")]), &signer.token(&json!({"alg": "EdDSA"}), &claims())).unwrap();
    let of = |name: &str| {
        claims.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(
        (of("sub"), of("realm.roles"), of("realm.level")),
        (vec!["jane"], vec!["admin", "user"], vec!["3"])
    );
    assert!(of("nothing").is_empty());
}

#[test]
fn the_algorithm_is_the_keys_to_choose() {
    let rsa = rsa();
    let public = rsa.jwk("k");
    let rsa_only = verifier(std::slice::from_ref(&public));
    // The classic: the public key, in each form in which it is published, as the secret of a code.
    let modulus = URL_SAFE_NO_PAD.decode(public["n"].as_str().unwrap()).unwrap();
    for secret in
        [modulus.as_slice(), public["n"].as_str().unwrap().as_bytes(), public.to_string().as_bytes()]
    {
        let message = format!("{}.{}", b64(r#"{"alg":"HS256","kid":"k"}"#), b64(claims().to_string()));
        let code = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        assert_eq!(check(&rsa_only, &format!("{message}.{}", b64(code))), Err(Fault::Invalid));
    }
    // A key that says what it is for serves nothing else, not even of its own family.
    let mut pinned = public.clone();
    pinned["alg"] = json!("PS256");
    let pinned = verifier(&[pinned]);
    assert_eq!(check(&pinned, &rsa.token(&json!({"alg": "RS256"}), &claims())), Err(Fault::Invalid));
    assert!(check(&pinned, &rsa.token(&json!({"alg": "PS256"}), &claims())).is_ok());
    // Words that only look like an algorithm.
    for word in ["hs256", "RS256 ", "ES256K", "ES512", "HS1"] {
        let forged =
            format!("{}.{}.{}", b64(json!({"alg": word}).to_string()), b64(claims().to_string()), b64("x"));
        assert_eq!(check(&rsa_only, &forged), Err(Fault::Invalid), "{word}");
    }
}

#[test]
fn an_unsigned_token_is_told_from_a_forged_one() {
    let signer = edwards();
    let verifier = verifier(&[signer.jwk("k")]);
    for word in ["none", "None", "NONE", "nOnE", ""] {
        let header = b64(json!({"alg": word}).to_string());
        for rest in ["", ".", &format!(".{}", b64("x"))] {
            let token = format!("{header}.{}{rest}", b64(claims().to_string()));
            assert_eq!(check(&verifier, &token), Err(Fault::Unsigned), "{word} {rest}");
        }
    }
    let token = signer.token(&json!({"alg": "EdDSA"}), &claims());
    let unsigned = &format!("{}.", token.rsplit_once('.').unwrap().0);
    assert_eq!(check(&verifier, unsigned), Err(Fault::Unsigned));
}

#[test]
fn what_a_token_says_of_its_key_is_not_believed() {
    let (ours, theirs) = (edwards(), edwards());
    let verifier = verifier(&[ours.jwk("k")]);
    for header in [
        json!({"alg": "EdDSA", "jwk": theirs.jwk("k")}),
        json!({"alg": "EdDSA", "jku": "https://evil.example/keys.json", "kid": "k"}),
        json!({"alg": "EdDSA", "x5u": "https://evil.example/cert.pem"}),
        json!({"alg": "EdDSA", "kid": "../../dev/null"}),
        json!({"alg": "EdDSA", "kid": "' OR 1=1--"}),
    ] {
        assert_eq!(check(&verifier, &theirs.token(&header, &claims())), Err(Fault::Invalid), "{header}");
    }
    assert_eq!(
        check(&verifier, &ours.token(&json!({"alg": "EdDSA", "kid": "another"}), &claims())),
        Err(Fault::Invalid)
    );
    assert_eq!(
        check(&verifier, &ours.token(&json!({"alg": "EdDSA", "crit": ["exp"]}), &claims())),
        Err(Fault::Invalid)
    );
    assert_eq!(
        check(&verifier, &ours.token(&json!({"alg": "EdDSA", "kid": 7}), &claims())),
        Err(Fault::Malformed)
    );
}

#[test]
fn keys_rotate_two_at_a_time() {
    let (old, new) = (edwards(), curve(256));
    let verifier = verifier(&[old.jwk("a"), new.jwk("b")]);
    for (signer, algorithm, id) in [(&old, "EdDSA", "a"), (&new, "ES256", "b")] {
        assert!(check(&verifier, &signer.token(&json!({"alg": algorithm, "kid": id}), &claims())).is_ok());
    }
    assert_eq!(
        check(&verifier, &old.token(&json!({"alg": "EdDSA", "kid": "b"}), &claims())),
        Err(Fault::Invalid)
    );
}

#[test]
fn times_issuer_and_audience_are_checked() {
    let signer = edwards();
    let verifier = verifier(&[signer.jwk("k")]);
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        check(&verifier, &signer.token(&json!({"alg": "EdDSA"}), &claims)).err()
    };
    for (why, name, value, fault) in [
        ("within the leeway", "exp", json!(NOW - 59), None),
        ("out of date", "exp", json!(NOW - 60), Some(Fault::Expired)),
        ("a fraction", "exp", json!(1_800_000_000.5), None),
        ("no number", "exp", json!("2100"), Some(Fault::Claims)),
        ("not yet, within the leeway", "nbf", json!(NOW + 60), None),
        ("not yet", "nbf", json!(NOW + 61), Some(Fault::Claims)),
        ("another issuer", "iss", json!("https://id.example.evil"), Some(Fault::Claims)),
        ("a list of issuers", "iss", json!(["https://id.example"]), Some(Fault::Claims)),
        ("one audience", "aud", json!("shop"), None),
        ("another audience", "aud", json!("bank"), Some(Fault::Claims)),
        ("no audience", "aud", Value::Null, Some(Fault::Claims)),
        ("an audience in an object", "aud", json!({"shop": 1}), Some(Fault::Claims)),
    ] {
        assert_eq!(with(name, value), fault, "{why}");
    }
}

#[test]
fn a_token_that_never_ends_is_refused_unless_the_owner_allows_it() {
    let signer = edwards();
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("exp");
    let token = signer.token(&json!({"alg": "EdDSA"}), &claims);
    let config = config(&[signer.jwk("k")]);
    assert_eq!(check(&Verifier::new(&config).unwrap(), &token).err(), Some(Fault::Claims));
    let allowing = Verifier::new(&Config { require_expiry: false, ..config }).unwrap();
    assert_eq!(check(&allowing, &token).err(), None);
}

#[test]
fn what_does_not_parse_is_malformed_and_other_schemes_are_none_of_ours() {
    let signer = Signer::Secret;
    let verifier = verifier(&[signer.jwk("k")]);
    let header = b64(r#"{"alg":"HS256"}"#);
    let signed = |header: &str, claims: &str| {
        let message = format!("{}.{}", b64(header), b64(claims));
        format!("{message}.{}", b64(signer.sign("HS256", message.as_bytes())))
    };
    for (why, token) in [
        ("one part", "abc".to_owned()),
        ("four parts", format!("{header}.a.b.c")),
        ("five parts: encrypted", format!("{header}.a.b.c.d")),
        ("padding", format!("{header}=.e30.e30")),
        ("no base64", "*.e30.e30".to_owned()),
        ("no JSON", format!("{}.e30.e30", b64("alg"))),
        ("no object", format!("{}.e30.e30", b64("[]"))),
        ("no algorithm", format!("{}.e30.e30", b64("{}"))),
        ("an algorithm that is no text", format!("{}.e30.e30", b64(r#"{"alg":["HS256"]}"#))),
        ("an algorithm twice", signed(r#"{"alg":"HS256","alg":"HS256"}"#, "{}")),
        ("a claim twice", signed(r#"{"alg":"HS256"}"#, r#"{"sub":"jane","sub":"root"}"#)),
        ("a claim twice, further in", signed(r#"{"alg":"HS256"}"#, r#"{"a":{"b":1,"b":2}}"#)),
        (
            "too long",
            signed(r#"{"alg":"HS256"}"#, &format!("{{\"a\":\"{}\"}}", "x".repeat(limits::JWT_BYTES))),
        ),
        (
            "too deep",
            signed(r#"{"alg":"HS256"}"#, &format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500))),
        ),
    ] {
        assert_eq!(check(&verifier, &token), Err(Fault::Malformed), "{why}");
    }
    for value in ["", "Bearer", "Bearer ", "Basic amFuZTpodW50ZXIy", "AWS4-HMAC-SHA256 Credential=x"] {
        assert_eq!(verifier.check(value.as_bytes(), NOW), None, "{value}");
    }
    let mut config = config(&[signer.jwk("k")]);
    config.header = "x-token".to_owned();
    let own = Verifier::new(&config).unwrap();
    let token = signer.token(&json!({"alg": "HS256"}), &claims());
    for value in [token.clone(), format!(" bearer  {token} ")] {
        assert!(own.check(value.as_bytes(), NOW).unwrap().is_ok());
    }
}

#[test]
fn weak_and_broken_keys_are_refused_by_name() {
    let good = edwards().jwk("k");
    for (key, says) in [
        (json!({"kty": "oct", "k": b64("short")}), "guessed"),
        (json!({"kty": "oct"}), "`k`"),
        (json!({"kty": "RSA", "n": b64([1; 128]), "e": "AQAB"}), "2048"),
        (json!({"kty": "RSA", "n": "*", "e": "AQAB"}), "`n`"),
        (json!({"kty": "EC", "crv": "P-256", "x": b64([1; 32]), "y": b64([1; 31])}), "`y`"),
        (json!({"kty": "OKP", "crv": "Ed25519", "x": b64([1; 31])}), "32 bytes"),
        (json!({"kty": "oct", "k": b64(SECRET), "alg": "RS256"}), "`alg`"),
        (json!({"kid": "x"}), "`kty`"),
    ] {
        let error = Verifier::new(&config(&[good.clone(), key.clone()])).unwrap_err().to_string();
        assert!(error.starts_with("key 2: ") && error.contains(says), "{key}: {error}");
    }
    assert_eq!(Verifier::new(&Config { keys: json!([]), ..config(&[]) }).unwrap_err(), KeysError::NotASet);
    let unusable = json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"});
    let encrypting = json!({"kty": "RSA", "use": "enc", "n": "AA", "e": "AQAB"});
    assert_eq!(Verifier::new(&config(&[unusable, encrypting])).unwrap_err(), KeysError::Empty);
    assert_eq!(Verifier::new(&config(&vec![good; limits::JWT_KEYS + 1])).unwrap_err(), KeysError::TooMany);
}

#[test]
fn secrets_never_show() {
    let verifier = verifier(&[Signer::Secret.jwk("k")]);
    let shown = format!("{verifier:?}");
    assert!(!shown.contains("0123") && !shown.contains(b64(SECRET).get(..8).unwrap()), "{shown}");
    let shown = format!("{:?}", config(&[Signer::Secret.jwk("k")]));
    assert!(shown.contains("id.example") && !shown.contains(b64(SECRET).get(..8).unwrap()), "{shown}");
}

#[test]
fn a_policys_form_is_read() {
    let read = |text: &str| serde_json::from_str::<Config>(text);
    let config = read(r#"{"keys":{"keys":[]},"audience":"shop","leeway":"2m"}"#).unwrap();
    assert_eq!(
        (config.header.as_str(), config.audience, config.leeway),
        ("authorization", vec!["shop".to_owned()], 120)
    );
    let config = read(r#"{"keys":{"keys":[]},"header":"x-token","audience":["a","b"]}"#).unwrap();
    assert_eq!((config.header.as_str(), config.audience.len(), config.leeway), ("x-token", 2, 60));
    assert!(read(r#"{"keys":{},"leeway":"soon"}"#).is_err() && read(r#"{"audience":"shop"}"#).is_err());
}

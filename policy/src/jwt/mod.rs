//! Bearer tokens (RFC 7519) checked with keys that the owner gave: signature, expiry, not-before, issuer, audience.
//!
//! It may not know where keys come from (a JWKS is handed in as text), nor a clock, nor where a token stood. No key, address or
//! certificate that a token itself names is ever used, and the algorithm is the key's to choose, not the token's (RFC 8725).

mod algorithm;
mod json;
mod key;
mod token;

use serde::Deserialize;
use serde_json::Value;

pub use key::KeysError;

use self::{key::Key, token::Token};
use crate::{forms, limits};

/// How tokens are checked, as a canonical policy holds it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// The header that carries the token.
    #[serde(default = "authorization")]
    pub header: String,
    /// A JWK Set (RFC 7517).
    pub keys: Value,
    /// The issuer that a token must name.
    #[serde(default)]
    pub issuer: Option<String>,
    /// The audiences of which a token must name one.
    #[serde(default, deserialize_with = "forms::one_or_many")]
    pub audience: Vec<String>,
    /// Seconds by which the issuer's clock may be off.
    #[serde(default = "leeway", deserialize_with = "forms::seconds")]
    pub leeway: u64,
    /// Whether a token must say when it ends (`exp`, RFC 7519, section 4.1.4, where it is optional).
    #[serde(default = "require_expiry")]
    pub require_expiry: bool,
}

impl std::fmt::Debug for Config {
    /// Without the keys: some of them are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("header", &self.header)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

fn authorization() -> String {
    "authorization".to_owned()
}

const fn leeway() -> u64 {
    60
}

/// A token that never ends is good for whoever finds it in years.
const fn require_expiry() -> bool {
    true
}

/// What is wrong with a token, as a signal that rules use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// It does not parse, names a claim twice, or is too long.
    Malformed,
    /// It is unsigned, or names no algorithm.
    Unsigned,
    /// No key of the owner's made its signature.
    Invalid,
    /// Its time is over.
    Expired,
    /// It is not valid yet, or for somebody else: not-before, issuer or audience; or it never ends.
    Claims,
}

impl Fault {
    /// Every fault.
    pub const ALL: &'static [Self] =
        &[Self::Malformed, Self::Unsigned, Self::Invalid, Self::Expired, Self::Claims];

    /// The signal's stable id.
    #[must_use]
    pub const fn signal(self) -> &'static str {
        match self {
            Self::Malformed => "JWT-MALFORMED",
            Self::Unsigned => "JWT-NONE",
            Self::Invalid => "JWT-INVALID",
            Self::Expired => "JWT-EXPIRED",
            Self::Claims => "JWT-CLAIMS",
        }
    }
}

/// The claims of a token that passed every check: names, joined by dots where they lie in objects, and values as text.
pub type Claims = Vec<(String, String)>;

/// Checks tokens.
pub struct Verifier {
    header: String,
    keys: Vec<Key>,
    issuer: Option<String>,
    audience: Vec<String>,
    leeway: u64,
    require_expiry: bool,
}

impl std::fmt::Debug for Verifier {
    /// How many keys, not which: some of them are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("header", &self.header)
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// Reads the keys.
    ///
    /// # Errors
    /// Where the set holds no key that can check a signature, or a key is broken or too weak.
    pub fn new(config: &Config) -> Result<Self, KeysError> {
        Ok(Self {
            header: config.header.to_ascii_lowercase(),
            keys: key::read_set(&config.keys)?,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            leeway: config.leeway,
            require_expiry: config.require_expiry,
        })
    }

    /// The header that carries the token, in lower case.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Checks the value of the header. `None` where it carries no token at all: another scheme, or nothing.
    ///
    /// # Errors
    /// The first thing that is wrong with the token, in the order in which trust is built: form, signature, claims.
    pub fn check(&self, value: &[u8], now: u64) -> Option<Result<Claims, Fault>> {
        let token = bearer(value, self.header == "authorization")?;
        Some(self.verify(token, now))
    }

    fn verify(&self, token: &[u8], now: u64) -> Result<Claims, Fault> {
        if token.len() > limits::JWT_BYTES {
            return Err(Fault::Malformed);
        }
        let token = Token::read(token)?;
        let signed = self
            .keys
            .iter()
            .filter(|key| key.suits(token.algorithm, token.key_id.as_deref()))
            .take(limits::JWT_KEY_TRIES)
            .any(|key| key.verifies(token.algorithm, token.signed, &token.signature));
        if !signed {
            return Err(Fault::Invalid);
        }
        let claims = token.claims()?;
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => {
                value.as_f64().filter(|seconds| seconds.is_finite()).map(Some).ok_or(Fault::Claims)
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 stay far below 2^52")]
        let (now, leeway) = (now as f64, self.leeway as f64);
        match time("exp")? {
            Some(end) if end + leeway <= now => return Err(Fault::Expired),
            None if self.require_expiry => return Err(Fault::Claims),
            _ => {}
        }
        if time("nbf")?.is_some_and(|start| start > now + leeway) {
            return Err(Fault::Claims);
        }
        if let Some(issuer) = &self.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(Fault::Claims);
        }
        let wanted = |audience: &Value| {
            audience.as_str().is_some_and(|named| self.audience.iter().any(|one| one == named))
        };
        let meant = self.audience.is_empty()
            || match claims.get("aud") {
                Some(Value::Array(several)) => several.iter().any(wanted),
                Some(one) => wanted(one),
                None => false,
            };
        if meant { Ok(json::flat(&claims)) } else { Err(Fault::Claims) }
    }
}

/// The token of a header's value: behind `Bearer`, or alone in a header of its own.
fn bearer(value: &[u8], schemed: bool) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let behind = value
        .split_at_checked(7)
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
        .map(|(_, token)| token.trim_ascii());
    let token = behind.or_else(|| (!schemed).then_some(value))?;
    (!token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests;

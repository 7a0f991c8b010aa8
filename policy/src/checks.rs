//! What a policy checks besides its rules: bearer tokens, the way a request came, and when blocking is to be given up.
//!
//! What the checks find are signals; rules decide what follows. It may not know a clock.

use std::fmt;

use picket_request::{Place, Request};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Broken, Seen, TrustedClaims,
    canonical::{Canonical, List},
    fallback,
    jwt::{self, Fault, Verifier},
    limits,
    origin::{self, OriginLock},
};

/// The checks of one policy.
#[derive(Debug, Default)]
pub struct Checks {
    jwt: Option<Verifier>,
    origin: Option<OriginLock>,
    fallback: Option<fallback::Config>,
}

/// What the checks say of one request.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Checked {
    seen: Vec<(&'static str, String)>,
    claims: Option<Result<String, ()>>,
}

impl Checks {
    /// Reads the checks of a canonical policy.
    pub(crate) fn load(policy: &Canonical) -> Result<Self, Broken> {
        let jwt = section::<jwt::Config>("jwt", policy.jwt.as_ref().map(|tokens| &tokens.0))?;
        let jwt = jwt.map(|config| Verifier::new(&config)).transpose();
        let origin = section::<origin::Config>("originLock", policy.origin_lock.as_ref())?;
        let origin = origin.map(|config| lock(config, policy)).transpose()?;
        Ok(Self {
            jwt: jwt.map_err(|error| Broken::wrong("jwt", error.to_string()))?,
            origin,
            fallback: section("fallback", policy.fallback.as_ref())?,
        })
    }

    /// Whether there is anything to check of a request.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.jwt.is_none() && self.origin.is_none()
    }

    /// Checks a request.
    #[must_use]
    pub fn look(&self, request: &Request, now: u64) -> Checked {
        let mut checked = Checked::default();
        if let Some(lock) = &self.origin {
            let values = lock.header().into_iter().flat_map(|name| header(request, name));
            if !lock.admits(request.peer, values) {
                let at = lock.header().map_or_else(|| "client".to_owned(), |name| format!("header.{name}"));
                checked.seen.push((origin::BYPASS, at));
            }
        }
        if let Some(verifier) = &self.jwt {
            let place = format!("header.{}", verifier.header());
            let tokens = header(request, verifier.header()).take(limits::JWT_TOKENS);
            let mut verified = None;
            for outcome in tokens.filter_map(|value| verifier.check(value, now)) {
                // Of several tokens each must be good: nobody knows which one the handler reads.
                match outcome {
                    Ok(_) => verified = verified.or(Some(Ok(()))),
                    Err(fault) => verified = Some(Err(verified.and_then(Result::err).unwrap_or(fault))),
                }
            }
            checked.claims = Some(match verified {
                Some(Ok(())) => Ok(place.clone()),
                _ => Err(()),
            });
            if let Some(Err(fault)) = verified {
                checked.seen.push((Fault::signal(fault), place));
            }
        }
        checked
    }

    /// When blocking is to be given up, where the policy says so.
    #[must_use]
    pub const fn fallback(&self) -> Option<&fallback::Config> {
        self.fallback.as_ref()
    }
}

impl Checked {
    /// The signals that were seen.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen<'_>> {
        self.seen.iter().map(|(signal, at)| Seen { signal, at }).collect()
    }

    /// Which claims rules may look at.
    #[must_use]
    pub fn claims(&self) -> TrustedClaims<'_> {
        match &self.claims {
            None => TrustedClaims::Unchecked,
            Some(Ok(place)) => TrustedClaims::At(place),
            Some(Err(())) => TrustedClaims::Nowhere,
        }
    }
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.seen.iter().map(|(signal, _)| signal)).finish()
    }
}

fn section<T: DeserializeOwned>(name: &'static str, value: Option<&Value>) -> Result<Option<T>, Broken> {
    let read = value.map(|value| T::deserialize(value)).transpose();
    read.map_err(|error| Broken::wrong(name, error.to_string()))
}

fn lock(mut config: origin::Config, policy: &Canonical) -> Result<OriginLock, Broken> {
    if let Some(name) = &config.list {
        let Some(List::Cidr(ranges)) = policy.lists.get(name) else {
            return Err(Broken::wrong("originLock", format!("`{name}` is no list of address ranges")));
        };
        config.ranges.clone_from(ranges);
    }
    OriginLock::new(&config).map_err(|error| Broken::wrong("originLock", error.to_string()))
}

/// The values of a header.
fn header<'r>(request: &'r Request, name: &str) -> impl Iterator<Item = &'r [u8]> {
    request
        .values()
        .iter()
        .filter(move |value| {
            value.place == Place::Header && request.bytes(value.name).eq_ignore_ascii_case(name.as_bytes())
        })
        .map(|value| request.bytes(value.text))
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use bytes::Bytes;
    use picket_request::{LocationId, Span};
    use ring::hmac;
    use serde_json::json;

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    /// SHA-256 of `abc`.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn request(headers: &[(&str, &str)]) -> Request {
        let text: String = headers.iter().flat_map(|(name, value)| [*name, *value]).collect();
        let mut request = Request::new(Bytes::from(text));
        let mut at = 0;
        for (name, value) in headers {
            let (start, end) = (at + name.len(), at + name.len() + value.len());
            request.push_plain(
                Span::source(start, end),
                Place::Header,
                Span::source(at, start),
                LocationId::ROOT,
            );
            at = end;
        }
        request.peer = "192.0.2.7".parse().ok();
        request
    }

    fn checks(policy: &Value) -> Result<Checks, Broken> {
        let mut whole = json!({"picket": 1, "name": "t", "version": 1, "mode": "log", "blockOn": "certain", "onFailure": "open"});
        whole.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
        Checks::load(&Canonical::read(whole.to_string().as_bytes()).unwrap())
    }

    fn token(secret: &[u8], claims: &Value) -> String {
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let code = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("Bearer {message}.{}", URL_SAFE_NO_PAD.encode(code))
    }

    fn keys() -> Value {
        json!({"keys": {"keys": [{"kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET)}]}})
    }

    #[test]
    fn claims_are_believed_only_of_tokens_that_are_all_good() {
        let checks = checks(&json!({"jwt": keys()})).unwrap();
        let good = token(SECRET, &json!({"sub": "jane", "exp": 4_000_000_000_u64}));
        let forged = token(b"another secret of sufficient length", &json!({"sub": "root"}));
        for (headers, signal, claims) in [
            (vec![], None, TrustedClaims::Nowhere),
            (vec![("Authorization", "Basic x")], None, TrustedClaims::Nowhere),
            (vec![("Authorization", good.as_str())], None, TrustedClaims::At("header.authorization")),
            (vec![("Authorization", forged.as_str())], Some("JWT-INVALID"), TrustedClaims::Nowhere),
            (
                vec![("authorization", good.as_str()), ("Authorization", forged.as_str())],
                Some("JWT-INVALID"),
                TrustedClaims::Nowhere,
            ),
            (
                vec![("authorization", forged.as_str()), ("Authorization", good.as_str())],
                Some("JWT-INVALID"),
                TrustedClaims::Nowhere,
            ),
            (
                vec![("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30.")],
                Some("JWT-NONE"),
                TrustedClaims::Nowhere,
            ),
        ] {
            let checked = checks.look(&request(&headers), 1000);
            assert_eq!(checked.seen().first().map(|seen| seen.signal), signal, "{headers:?}");
            assert_eq!(checked.claims(), claims, "{headers:?}");
        }
    }

    #[test]
    fn what_comes_around_the_edge_is_told() {
        let checks = checks(&json!({
            "lists": {"edge": {"cidr": ["192.0.2.0/24"]}},
            "originLock": {"list": "edge", "header": "X-Edge", "sha256": ABC, "then": [{"block": {}}]},
        }))
        .unwrap();
        let told = |request: &Request| {
            checks.look(request, 0).seen().first().map(|seen| (seen.signal.to_owned(), seen.at.to_owned()))
        };
        assert_eq!(told(&request(&[("x-edge", "abc")])), None);
        let bypass = Some(("ORIGIN-BYPASS".to_owned(), "header.x-edge".to_owned()));
        assert_eq!(told(&request(&[("x-edge", "abd")])), bypass);
        let mut elsewhere = request(&[("x-edge", "abc")]);
        elsewhere.peer = "198.51.100.7".parse().ok();
        assert_eq!(told(&elsewhere), bypass);
    }

    #[test]
    fn a_section_that_cannot_be_used_is_named() {
        for (policy, says) in [
            (json!({"jwt": {"keys": {"keys": []}}}), "jwt: no key"),
            (json!({"jwt": {"jwks": "keys.json"}}), "jwt: "),
            (json!({"originLock": {"list": "nowhere"}}), "originLock: `nowhere`"),
            (json!({"originLock": {"header": "x"}}), "originLock: `header` and `sha256`"),
            (json!({"fallback": {"window": "soon"}}), "fallback: expected a time"),
        ] {
            let error = checks(&policy).unwrap_err().to_string();
            assert!(error.starts_with(says), "{policy}: {error}");
        }
        let both = checks(&json!({"fallback": {"window": "10m", "errorShare": 0.2}})).unwrap();
        assert_eq!(both.fallback().map(|config| (config.window, config.requests)), Some((600, 50)));
        assert!(both.is_empty());
    }
}

//! Signed policies: which one that the engine hands over is taken. A policy is refused where it is unsigned, somebody
//! else's, older than the one that was taken before, not yet or no longer valid.
//!
//! It may not know the wire or the clock: the parts and the time are handed in.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{ED25519, UnparsedPublicKey};
use thiserror::Error;

use crate::{Broken, Policy, limits};

/// The parts of a signed policy.
#[derive(Clone, Copy)]
pub struct Offer<'a> {
    /// The site that it is for.
    pub site: &'a str,
    /// Whether this function is among those that it is for.
    pub for_this_function: bool,
    /// Its version.
    pub version: u64,
    /// Seconds since 1970 from which on it holds.
    pub not_before: u64,
    /// Seconds since 1970 from which on it no longer holds.
    pub expires: u64,
    /// The canonical policy.
    pub policy: &'a [u8],
    /// The text that was signed: it covers all of the above.
    pub signed_text: &'a [u8],
    /// The Ed25519 signature over it, as base64url without padding.
    pub signature: &'a str,
}

/// What an agent knows by its own configuration.
#[derive(Clone, Copy)]
pub struct Expectation<'a> {
    /// The public key of those who may sign policies.
    pub public_key: &'a [u8; 32],
    /// The site; any where it is empty.
    pub site: &'a str,
    /// The version that was taken last; 0 for none.
    pub newest: u64,
    /// Seconds since 1970.
    pub now: u64,
}

/// A signed policy that was taken.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The policy.
    pub policy: Policy,
    /// The bundle's version.
    pub version: u64,
    /// Seconds since 1970 from which on it no longer holds.
    pub expires: u64,
}

/// Why a signed policy is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is larger than what is read.
    #[error("it is too large")]
    TooLarge,
    /// The signature is not that of the key that this agent knows.
    #[error("its signature is not by the key that this agent knows")]
    Unsigned,
    /// It is for another site or function.
    #[error("it is for another site or function")]
    Foreign,
    /// It is older than the one that was taken before.
    #[error("its version is {found}, and version {newest} was taken before")]
    Older {
        /// Its version.
        found: u64,
        /// The version that was taken.
        newest: u64,
    },
    /// Its time has not come.
    #[error("it does not hold yet")]
    NotYet,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// It is signed, and still cannot be used.
    #[error("it cannot be used: {0}")]
    Broken(#[from] Broken),
}

/// The SHA-256 of a canonical policy, which the signed text names.
#[must_use]
pub fn digest(policy: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, policy).as_ref());
    digest
}

/// Verifies a signed policy and loads it. Nothing of it is looked at before the signature was found good.
///
/// # Errors
/// Says why it is not taken.
pub fn accept(offer: &Offer<'_>, expected: &Expectation<'_>) -> Result<Accepted, Refusal> {
    if offer.policy.len() > limits::CANONICAL_BYTES || offer.signed_text.len() > limits::BUNDLE_BYTES {
        return Err(Refusal::TooLarge);
    }
    let signature = URL_SAFE_NO_PAD.decode(offer.signature).map_err(|_| Refusal::Unsigned)?;
    UnparsedPublicKey::new(&ED25519, expected.public_key)
        .verify(offer.signed_text, &signature)
        .map_err(|_| Refusal::Unsigned)?;
    if !offer.for_this_function || !expected.site.is_empty() && offer.site != expected.site {
        return Err(Refusal::Foreign);
    }
    if offer.version < expected.newest {
        return Err(Refusal::Older { found: offer.version, newest: expected.newest });
    }
    if expected.now < offer.not_before {
        return Err(Refusal::NotYet);
    }
    if expected.now >= offer.expires {
        return Err(Refusal::Expired);
    }
    let policy = Policy::read(offer.policy)?;
    Ok(Accepted { policy, version: offer.version, expires: offer.expires })
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;
    use crate::canonical::{Canonical, FORMAT};

    const SEED: [u8; 32] = [7; 32];

    fn public() -> [u8; 32] {
        Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap().public_key().as_ref().try_into().unwrap()
    }

    /// What becomes of an offer that `change` changes after it was signed, or before where `sign` says so.
    fn offered(sign: bool, change: impl Fn(&mut Offer<'_>)) -> Result<u64, Refusal> {
        let policy = Canonical { picket: FORMAT, ..Canonical::default() }.write();
        let mut offer = Offer {
            site: "shop",
            for_this_function: true,
            version: 5,
            not_before: 100,
            expires: 200,
            policy: &policy,
            signed_text: b"",
            signature: "",
        };
        let text = |offer: &Offer<'_>| {
            format!(
                "{} {} {} {} {:?}",
                offer.site, offer.version, offer.not_before, offer.expires, offer.policy
            )
            .into_bytes()
        };
        if sign {
            change(&mut offer);
        }
        let mut signed = text(&offer);
        let signature =
            URL_SAFE_NO_PAD.encode(Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap().sign(&signed));
        offer.signature = &signature;
        if !sign {
            change(&mut offer);
            signed = text(&offer);
        }
        offer.signed_text = &signed;
        let key = public();
        let expected = Expectation { public_key: &key, site: "shop", newest: 5, now: 150 };
        accept(&offer, &expected).map(|accepted| accepted.version)
    }

    #[test]
    fn a_good_one_is_taken_and_taken_again() {
        assert_eq!(offered(true, |_| {}), Ok(5));
        assert_eq!(offered(true, |offer| offer.version = 6), Ok(6));
    }

    #[test]
    fn older_foreign_untimely_and_broken_ones_are_refused() {
        assert_eq!(offered(true, |offer| offer.version = 4), Err(Refusal::Older { found: 4, newest: 5 }));
        assert_eq!(offered(true, |offer| offer.site = "other"), Err(Refusal::Foreign));
        assert_eq!(offered(true, |offer| offer.for_this_function = false), Err(Refusal::Foreign));
        assert_eq!(offered(true, |offer| offer.not_before = 151), Err(Refusal::NotYet));
        assert_eq!(offered(true, |offer| offer.expires = 150), Err(Refusal::Expired));
        assert!(matches!(offered(true, |offer| offer.policy = b"{}"), Err(Refusal::Broken(_))));
    }

    #[test]
    fn what_was_changed_after_signing_is_refused() {
        for change in [
            |offer: &mut Offer<'_>| offer.version = 9,
            |offer: &mut Offer<'_>| offer.expires = 9_999,
            |offer: &mut Offer<'_>| offer.policy = b"{\"picket\":1}",
            |offer: &mut Offer<'_>| offer.signature = "AAAA",
            |offer: &mut Offer<'_>| offer.signature = "",
            |offer: &mut Offer<'_>| offer.signature = "*",
        ] {
            assert_eq!(offered(false, change), Err(Refusal::Unsigned));
        }
    }
}

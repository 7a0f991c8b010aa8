//! Whether a request came through the owner's edge: from one of its addresses, with a secret that it adds, or both.
//!
//! It may not know headers other than the one that it asks for, nor what happens to a request that came another way; that it came another
//! way is the signal [`BYPASS`]. A policy holds no secret, only its SHA-256.

use std::net::IpAddr;

use ipnet::IpNet;
use ring::digest;
use serde::Deserialize;

use crate::{forms, limits};

/// The signal of a request that came around the edge.
pub const BYPASS: &str = "ORIGIN-BYPASS";

/// What shows that a request came through the edge, as a policy holds it. All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The list of the edge's addresses, by its name.
    #[serde(default)]
    pub list: Option<String>,
    /// The edge's addresses: what stands on that list.
    #[serde(skip)]
    pub ranges: Vec<IpNet>,
    /// The header in which the edge sends a secret.
    #[serde(default)]
    pub header: Option<String>,
    /// SHA-256 of the secret, in hexadecimal; several while it is rotated.
    #[serde(default, deserialize_with = "forms::one_or_many")]
    pub sha256: Vec<String>,
}

/// What is wrong with a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// It would let everybody in.
    #[error("expected the edge's addresses, or a header and the SHA-256 of its secret")]
    Open,
    /// Header and digest belong together.
    #[error("`header` and `sha256` go together: one says where the secret stands, the other what it is")]
    Half,
    /// A digest is none.
    #[error("expected the SHA-256 of the secret as 64 hexadecimal digits")]
    Digest,
    /// More digests than a rotation needs.
    #[error("expected at most {} digests", limits::ORIGIN_DIGESTS)]
    Digests,
}

/// The lock, ready to be asked.
#[derive(Clone, Debug)]
pub struct OriginLock {
    ranges: Vec<IpNet>,
    header: Option<String>,
    digests: Vec<[u8; digest::SHA256_OUTPUT_LEN]>,
}

impl OriginLock {
    /// Reads a lock.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn new(config: &Config) -> Result<Self, LockError> {
        if config.header.is_some() == config.sha256.is_empty() {
            return Err(LockError::Half);
        }
        if config.ranges.is_empty() && config.header.is_none() {
            return Err(LockError::Open);
        }
        if config.sha256.len() > limits::ORIGIN_DIGESTS {
            return Err(LockError::Digests);
        }
        let digests = config.sha256.iter().map(|text| hexadecimal(text).ok_or(LockError::Digest));
        Ok(Self {
            ranges: config.ranges.clone(),
            header: config.header.as_ref().map(|name| name.to_ascii_lowercase()),
            digests: digests.collect::<Result<_, _>>()?,
        })
    }

    /// The header that carries the secret, in lower case.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// Whether a request came through the edge. `peer` is the address that the platform saw, before any hop is believed; `values` are those of
    /// the header.
    #[must_use]
    pub fn admits<'v>(&self, peer: Option<IpAddr>, values: impl IntoIterator<Item = &'v [u8]>) -> bool {
        let near = self.ranges.is_empty()
            || peer.is_some_and(|peer| self.ranges.iter().any(|range| range.contains(&peer.to_canonical())));
        let knows = self.header.is_none()
            || values.into_iter().take(limits::ORIGIN_VALUES).any(|value| self.is_secret(value));
        near && knows
    }

    /// Compares digests, each to its end: how long it takes says nothing about the secret.
    fn is_secret(&self, value: &[u8]) -> bool {
        let given = digest::digest(&digest::SHA256, value.trim_ascii());
        self.digests.iter().fold(false, |known, digest| {
            let differing =
                digest.iter().zip(given.as_ref()).fold(0, |sum, (one, other)| sum | (one ^ other));
            known | (differing == 0)
        })
    }
}

fn hexadecimal(text: &str) -> Option<[u8; digest::SHA256_OUTPUT_LEN]> {
    let text = text.trim().as_bytes();
    let mut out = [0; digest::SHA256_OUTPUT_LEN];
    if text.len() != 2 * out.len() {
        return None;
    }
    for (byte, digits) in out.iter_mut().zip(text.chunks(2)) {
        let digit = |at: usize| digits.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `abc` (FIPS 180-4).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn config(ranges: &[&str], header: Option<&str>, digests: &[&str]) -> Config {
        Config {
            list: None,
            ranges: ranges.iter().map(|range| range.parse().unwrap()).collect(),
            header: header.map(str::to_owned),
            sha256: digests.iter().map(|digest| (*digest).to_owned()).collect(),
        }
    }

    #[test]
    fn everything_that_is_given_must_hold() {
        let by_address = OriginLock::new(&config(&["192.0.2.0/24", "2001:db8::/32"], None, &[])).unwrap();
        let zero = "0".repeat(64);
        let by_secret = OriginLock::new(&config(&[], Some("X-Edge"), &[&zero, &ABC.to_uppercase()])).unwrap();
        let by_both = OriginLock::new(&config(&["192.0.2.0/24"], Some("x-edge"), &[ABC])).unwrap();
        let near = "192.0.2.7".parse().ok();
        let mapped = "::ffff:192.0.2.7".parse().ok();
        let far = "198.51.100.7".parse().ok();
        let secret: &[&[u8]] = &[b"abc"];
        for (peer, values, address, header) in [
            (near, secret, true, true),
            (mapped, secret, true, true),
            (far, secret, false, true),
            (None, secret, false, true),
            (near, &[], true, false),
            (near, &[b"abd".as_slice()], true, false),
            (near, &[b""], true, false),
            (far, &[b"ABC"], false, false),
            (far, &[b"nothing", b" abc "], false, true),
        ] {
            let values = || values.iter().copied();
            assert_eq!(by_address.admits(peer, values()), address, "{peer:?}");
            assert_eq!(by_secret.admits(peer, values()), header, "{peer:?}");
            assert_eq!(by_both.admits(peer, values()), address && header, "{peer:?}");
        }
        assert_eq!(by_secret.header(), Some("x-edge"));
    }

    #[test]
    fn a_secret_behind_many_others_is_not_looked_for() {
        let lock = OriginLock::new(&config(&[], Some("x-edge"), &[ABC])).unwrap();
        let values = [&b"x"[..]].repeat(limits::ORIGIN_VALUES);
        assert!(!lock.admits(None, values.into_iter().chain([&b"abc"[..]])));
    }

    #[test]
    fn a_lock_that_locks_nothing_is_refused() {
        for (wrong, error) in [
            (config(&[], None, &[]), LockError::Open),
            (config(&["192.0.2.0/24"], Some("x-edge"), &[]), LockError::Half),
            (config(&[], None, &[ABC]), LockError::Half),
            (config(&[], Some("x-edge"), &["abc"]), LockError::Digest),
            (config(&[], Some("x-edge"), &[&format!("{}g", ABC.get(1..).unwrap())]), LockError::Digest),
            (config(&[], Some("x-edge"), &[ABC; limits::ORIGIN_DIGESTS + 1]), LockError::Digests),
        ] {
            assert_eq!(OriginLock::new(&wrong).map(|_| ()).unwrap_err(), error);
        }
    }
}

//! What tells clients apart. An address stands for itself; everything else exists only as a keyed hash, because a
//! header or cookie that tells clients apart is a secret as often as not.

use std::{fmt, net::IpAddr, net::Ipv6Addr};

use ring::hmac;

use crate::{
    Field,
    canonical::KeyPart,
    rules::facts::{Facts, name_hash},
};

/// The secret under which keys are hashed. Environments that are to count together share it.
pub struct KeySecret(hmac::Key);

impl KeySecret {
    /// A secret of these bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }
}

impl KeySecret {
    /// A client under this secret: what may leave, and is the same wherever the secret is.
    pub(crate) fn digest(&self, client: &ClientKey) -> Option<[u8; 16]> {
        match client {
            ClientKey::Hashed(hash) => Some(*hash),
            ClientKey::Address(address) => {
                let mut context = hmac::Context::with_key(&self.0);
                feed(&mut context, 0, address.to_string().as_bytes());
                context.sign().as_ref().first_chunk().copied()
            }
        }
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret")
    }
}

/// A client, as it is counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientKey {
    /// An address; of IPv6 the first of its /64.
    Address(IpAddr),
    /// The first half of a keyed hash (HMAC-SHA256).
    Hashed([u8; 16]),
}

impl ClientKey {
    /// An address as it is counted.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_none() => {
                Self::Address(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)))
            }
            other => Self::Address(other.to_canonical()),
        }
    }

    /// The client that these parts make; `None` where one of them is missing, so that it is not counted.
    pub(crate) fn from_parts(parts: &[KeyPart], facts: &Facts<'_>, secret: &KeySecret) -> Option<Self> {
        if let [KeyPart::Client] = parts {
            return facts.subject.request.client.addr.map(Self::of);
        }
        let mut context = hmac::Context::with_key(&secret.0);
        for part in parts {
            match part {
                KeyPart::Client => match Self::of(facts.subject.request.client.addr?) {
                    Self::Address(address) => feed(&mut context, 0, address.to_string().as_bytes()),
                    Self::Hashed(_) => return None,
                },
                KeyPart::Header(name) => feed(&mut context, 1, value(facts, Field::Header, name)?),
                KeyPart::Cookie(name) => feed(&mut context, 2, value(facts, Field::Cookie, name)?),
                KeyPart::Parameter(name) => feed(
                    &mut context,
                    3,
                    value(facts, Field::Query, name)
                        .or_else(|| value(facts, Field::Form, name))
                        .or_else(|| value(facts, Field::Json, name))?,
                ),
                KeyPart::JwtClaim(name) => feed(&mut context, 4, value(facts, Field::JwtClaim, name)?),
            }
        }
        let tag = context.sign();
        let half = tag.as_ref().first_chunk()?;
        Some(Self::Hashed(*half))
    }
}

/// Parts are told apart by kind and length, so that no two pairs give the same text.
fn feed(context: &mut hmac::Context, kind: u8, bytes: &[u8]) {
    context.update(&[kind]);
    context.update(&(bytes.len() as u64).to_be_bytes());
    context.update(bytes);
}

/// The first value of this name.
fn value<'a>(facts: &Facts<'a>, field: Field, name: &str) -> Option<&'a [u8]> {
    let name = if field == Field::Header { name.to_ascii_lowercase() } else { name.to_owned() };
    let all = facts.named(field, Some(name_hash(field, name.as_bytes())));
    all.iter().find_map(|named| {
        let (found, bytes, _) = facts.value_of(named)?;
        let same = if field == Field::Header {
            found.eq_ignore_ascii_case(name.as_bytes())
        } else {
            found == name.as_bytes()
        };
        same.then_some(bytes)
    })
}

impl fmt::Display for ClientKey {
    /// As it goes to the engine: an address as it is, anything else as `hashed:` and hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V4(v4)) => v4.fmt(f),
            Self::Address(IpAddr::V6(v6)) => write!(f, "{v6}/64"),
            Self::Hashed(hash) => {
                f.write_str("hashed:")?;
                hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(_) => f.write_str("ClientKey::Address"),
            Self::Hashed(_) => f.write_str("ClientKey::Hashed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_its_network_and_a_mapped_one_its_ipv4_address() {
        for (address, shown) in [
            ("2001:db8::1", "2001:db8::/64"),
            ("2001:db8::ffff:1", "2001:db8::/64"),
            ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(ClientKey::of(address.parse().unwrap()).to_string(), shown);
        }
    }
}

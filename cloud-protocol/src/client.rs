//! The key under which a client is counted and flagged. Knows addresses; not who may be flagged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits;

/// What a client key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// One IPv4 address, or the /64 network of an IPv6 address: who is counted by default.
    Address,
    /// A network that the owner flagged by hand.
    Range,
    /// An address that the agent hashed before it left.
    Hashed,
    /// An address together with a session.
    Session,
    /// The key of one of policy's rate limits.
    Rate,
    /// A kind that a later version knows. It is passed on and matches nothing.
    Unknown,
}

/// One client. As text: `198.51.100.7`, `2001:db8:1:2::/64`, `hashed:<hex>`, `<address>+<hex of a session>`,
/// `rate:<rule>:<hex>`, and for flags set by hand a network such as `192.0.2.0/24`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey(String);

impl ClientKey {
    /// The key of an address: IPv4 as it is, also where it is mapped into IPv6, and the /64 network of IPv6.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_string()),
            IpAddr::V6(address) => Self(format!("{}/64", network6(address, 64))),
        }
    }

    /// The key of an address of which only a digest may leave.
    #[must_use]
    pub fn hashed(digest: &[u8]) -> Self {
        Self(format!("hashed:{}", hex(digest)))
    }

    /// This client within one session, of which only a digest leaves.
    #[must_use]
    pub fn with_session(&self, digest: &[u8]) -> Self {
        Self(format!("{}+{}", self.0, hex(digest)))
    }

    /// The key of a rate limit: the digest of whatever its rule counts by.
    #[must_use]
    pub fn rate(rule: &str, digest: &[u8]) -> Self {
        Self(format!("rate:{rule}:{}", hex(digest)))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it stands for. A key that is none of the known shapes is [`ClientKind::Unknown`].
    #[must_use]
    pub fn kind(&self) -> ClientKind {
        let text = self.0.as_str();
        if let Some(digest) = text.strip_prefix("hashed:") {
            return match digest.split_once('+') {
                Some((digest, session)) if is_hex(digest) && is_hex(session) => ClientKind::Session,
                None if is_hex(digest) => ClientKind::Hashed,
                _ => ClientKind::Unknown,
            };
        }
        if let Some(rest) = text.strip_prefix("rate:") {
            return match rest.rsplit_once(':') {
                Some((rule, digest)) if is_name(rule) && is_hex(digest) => ClientKind::Rate,
                _ => ClientKind::Unknown,
            };
        }
        if let Some((address, session)) = text.split_once('+') {
            let whole = address_kind(address) == ClientKind::Address && is_hex(session);
            return if whole { ClientKind::Session } else { ClientKind::Unknown };
        }
        address_kind(text)
    }

    /// The network that it stands for, as first address and prefix length; none where the address is hashed or a rate
    /// limit's key.
    #[must_use]
    pub fn network(&self) -> Option<(IpAddr, u8)> {
        let address = self.0.split('+').next().unwrap_or_default();
        match address_kind(address) {
            ClientKind::Address | ClientKind::Range => network_of(address),
            _ => None,
        }
    }

    /// The rule that a rate limit's key belongs to.
    #[must_use]
    pub fn rate_rule(&self) -> Option<&str> {
        let (rule, _) = self.0.strip_prefix("rate:")?.rsplit_once(':')?;
        Some(rule)
    }

    /// Whether an address lies in the network that this key stands for. A session's key covers no address by itself.
    #[must_use]
    pub fn covers(&self, address: IpAddr) -> bool {
        if !matches!(self.kind(), ClientKind::Address | ClientKind::Range) {
            return false;
        }
        match (self.network(), address.to_canonical()) {
            (Some((IpAddr::V4(first), length)), IpAddr::V4(address)) => network4(address, length) == first,
            (Some((IpAddr::V6(first), length)), IpAddr::V6(address)) => network6(address, length) == first,
            _ => false,
        }
    }
}

fn network4(address: Ipv4Addr, length: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() & mask)
}

fn network6(address: Ipv6Addr, length: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

fn network_of(text: &str) -> Option<(IpAddr, u8)> {
    let Some((address, length)) = text.split_once('/') else {
        let address: Ipv4Addr = text.parse().ok()?;
        return Some((IpAddr::V4(address), 32));
    };
    // Rust reads `+8` as a number.
    let length: u8 = length.bytes().all(|byte| byte.is_ascii_digit()).then(|| length.parse().ok())??;
    match address.parse().ok()? {
        IpAddr::V4(address) if length <= 32 && network4(address, length) == address => {
            Some((IpAddr::V4(address), length))
        }
        IpAddr::V6(address) if length <= 128 && network6(address, length) == address => {
            Some((IpAddr::V6(address), length))
        }
        _ => None,
    }
}

/// One spelling for each network, so that no client is counted under two names.
fn address_kind(text: &str) -> ClientKind {
    let Some((address, length)) = network_of(text) else { return ClientKind::Unknown };
    let written = if text.contains('/') { format!("{address}/{length}") } else { address.to_string() };
    if written != text {
        return ClientKind::Unknown;
    }
    match (address, text.contains('/')) {
        (IpAddr::V4(_), false) => ClientKind::Address,
        (IpAddr::V6(_), _) if length == 64 => ClientKind::Address,
        _ => ClientKind::Range,
    }
}

fn is_hex(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_name(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=48).contains(&text.len()) && text.bytes().all(word)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect()
}

/// The text is empty, too long, or holds something besides visible ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientKeyError;

impl fmt::Display for ClientKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a client key is 1 to 128 visible ASCII characters")
    }
}

impl std::error::Error for ClientKeyError {}

impl FromStr for ClientKey {
    type Err = ClientKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=limits::CLIENT_BYTES).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ClientKeyError)
        }
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address is personal data, so only its kind is shown.
impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKey({:?})", self.kind())
    }
}

impl Serialize for ClientKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ClientKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ClientKey {
        text.parse().unwrap()
    }

    #[test]
    fn each_shape_is_told_apart() {
        let table = [
            ("198.51.100.7", ClientKind::Address),
            ("2001:db8:1:2::/64", ClientKind::Address),
            ("192.0.2.0/24", ClientKind::Range),
            ("198.51.100.7/32", ClientKind::Range),
            ("2001:db8::/32", ClientKind::Range),
            ("hashed:00112233445566778899aabbccddeeff", ClientKind::Hashed),
            ("198.51.100.7+00112233", ClientKind::Session),
            ("2001:db8:1:2::/64+00112233", ClientKind::Session),
            ("hashed:00112233+44556677", ClientKind::Session),
            ("rate:login:00112233", ClientKind::Rate),
            // One client under a second name would be counted twice, or be flagged and not blocked.
            ("198.51.100.07", ClientKind::Unknown),
            ("2001:DB8:1:2::/64", ClientKind::Unknown),
            ("2001:db8:1:2::1/64", ClientKind::Unknown),
            ("2001:db8:1:2::1", ClientKind::Unknown),
            ("192.0.2.1/24", ClientKind::Unknown),
            ("192.0.2.0/+24", ClientKind::Unknown),
            ("192.0.2.0/024", ClientKind::Unknown),
            ("hashed:", ClientKind::Unknown),
            ("hashed:0011223G", ClientKind::Unknown),
            ("rate:login", ClientKind::Unknown),
            ("rate::00112233", ClientKind::Unknown),
            ("192.0.2.0/24+00112233", ClientKind::Unknown),
            ("a-later-kind:x", ClientKind::Unknown),
        ];
        for (text, kind) in table {
            assert_eq!(key(text).kind(), kind, "{text}");
        }
    }

    #[test]
    fn addresses_become_keys_of_their_kind() {
        let table = [
            ("198.51.100.7", "198.51.100.7"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ];
        for (address, expected) in table {
            let key = ClientKey::of(address.parse().unwrap());
            assert_eq!((key.as_str(), key.kind()), (expected, ClientKind::Address), "{address}");
            assert!(key.covers(address.parse().unwrap()), "{address}");
        }
        assert_eq!(ClientKey::hashed(&[7; 16]).kind(), ClientKind::Hashed);
        assert_eq!(key("198.51.100.7").with_session(&[7; 8]).kind(), ClientKind::Session);
        assert_eq!(ClientKey::rate("login", &[7; 16]).kind(), ClientKind::Rate);
        assert_eq!(ClientKey::rate("login", &[7; 16]).rate_rule(), Some("login"));
    }

    #[test]
    fn a_network_covers_its_own_addresses_and_no_other() {
        let range = key("192.0.2.0/24");
        assert!(range.covers("192.0.2.255".parse().unwrap()));
        assert!(range.covers("::ffff:192.0.2.9".parse().unwrap()));
        assert!(!range.covers("192.0.3.0".parse().unwrap()));
        assert!(key("0.0.0.0/0").covers("203.0.113.1".parse().unwrap()));
        assert!(!key("0.0.0.0/0").covers("2001:db8::1".parse().unwrap()));
        assert!(!key("198.51.100.7+00112233").covers("198.51.100.7".parse().unwrap()));
    }

    #[test]
    fn debug_output_holds_no_address() {
        assert_eq!(format!("{:?}", key("198.51.100.7")), "ClientKey(Address)");
    }

    #[test]
    fn what_is_no_visible_text_is_no_key() {
        for text in ["", " ", "a b", "a\n", "é", &"x".repeat(129)] {
            assert!(text.parse::<ClientKey>().is_err(), "{text:?}");
        }
    }
}

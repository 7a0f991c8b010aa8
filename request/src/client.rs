//! Who sent a request, and how far that can be believed.

use std::net::IpAddr;

/// Where a client address comes from, which decides whether it may be counted against its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// AWS itself observed the connection (`requestContext…sourceIp`, the last hop that an ALB appended).
    Platform,
    /// A hop that the owner configured as trusted named it.
    ConfiguredHop,
    /// Anybody could have written it; it is never counted or flagged.
    #[default]
    Unverified,
}

/// A client address with its trust.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientAddr {
    /// The address, if one was found and parsed.
    pub addr: Option<IpAddr>,
    /// How it is known.
    pub trust: Trust,
}

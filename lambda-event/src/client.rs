//! The client's address and how far it can be believed, from what the platform saw and the hops that were configured.
//!
//! It may not know headers other than the values of `X-Forwarded-For` that it is given.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use picket_request::{ClientAddr, Trust};

use crate::limits;

/// Addresses that are not clients, by configuration. No header decides what belongs here.
#[derive(Clone, Debug, Default)]
pub struct Hops {
    /// Proxies of the owner's own: what they say of the client is believed.
    pub trusted: Vec<IpNet>,
    /// Ranges of a CDN that anybody can send through (CloudFront's, as published in ip-ranges.json): the client behind
    /// them is read, for the log, and never believed.
    pub cdn: Vec<IpNet>,
}

impl Hops {
    /// The client behind `peer`, the address that the platform saw. `forwarded` are the values of `X-Forwarded-For` in
    /// the order in which they came.
    pub(crate) fn client(&self, peer: &[u8], forwarded: &[&[u8]]) -> ClientAddr {
        let Some(mut addr) = parse(peer) else { return ClientAddr::default() };
        let mut hops = forwarded.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b',')).peekable();
        // Platforms append the peer itself before they hand the header on.
        hops.next_if(|hop| parse(hop) == Some(addr));
        let mut trust = Trust::Platform;
        for _ in 0..limits::HOPS {
            let cdn = contains(&self.cdn, addr);
            if !cdn && !contains(&self.trusted, addr) {
                return ClientAddr { addr: Some(addr), trust };
            }
            match hops.next().and_then(parse) {
                Some(hop) => addr = hop,
                // A proxy that does not say for whom it speaks must not be held to account for its clients.
                None => return ClientAddr { addr: Some(addr), trust: Trust::Unverified },
            }
            if cdn {
                return ClientAddr { addr: Some(addr), trust: Trust::Unverified };
            }
            trust = Trust::ConfiguredHop;
        }
        ClientAddr { addr: Some(addr), trust: Trust::Unverified }
    }

    /// The client where the platform names no peer but appends it to `X-Forwarded-For` (ALB: only the last hop is its
    /// own word).
    pub(crate) fn appended_client(&self, forwarded: &[&[u8]]) -> ClientAddr {
        appended(forwarded).map_or_else(ClientAddr::default, |peer| self.client(peer, forwarded))
    }
}

/// The hop that was appended last.
pub(crate) fn appended<'h>(forwarded: &[&'h [u8]]) -> Option<&'h [u8]> {
    forwarded.last().and_then(|value| value.rsplit(|byte| *byte == b',').next())
}

fn contains(ranges: &[IpNet], addr: IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(&addr))
}

/// An address as proxies write it: plain, with a port, or in brackets.
pub(crate) fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim().trim_matches('"');
    let plain = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    plain
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        .ok()
        .map(|addr| addr.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hops() -> Hops {
        Hops {
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            cdn: vec!["130.176.0.0/16".parse().unwrap(), "2600:9000::/28".parse().unwrap()],
        }
    }

    #[test]
    fn trust_follows_the_hops() {
        for (why, peer, forwarded, addr, trust) in [
            ("seen by the platform", "203.0.113.9", &[][..], "203.0.113.9", Trust::Platform),
            (
                "a header changes nothing",
                "203.0.113.9",
                &["1.1.1.1, 203.0.113.9"],
                "203.0.113.9",
                Trust::Platform,
            ),
            (
                "behind a proxy of ours",
                "10.1.2.3",
                &["6.6.6.6, 198.51.100.7, 10.1.2.3"],
                "198.51.100.7",
                Trust::ConfiguredHop,
            ),
            ("two of ours", "10.1.2.3", &["198.51.100.7", "10.9.9.9"], "198.51.100.7", Trust::ConfiguredHop),
            (
                "behind the CDN",
                "130.176.1.1",
                &["198.51.100.7, 130.176.1.1"],
                "198.51.100.7",
                Trust::Unverified,
            ),
            (
                "the CDN, then ours",
                "10.1.2.3",
                &["198.51.100.7, 130.176.1.1"],
                "198.51.100.7",
                Trust::Unverified,
            ),
            ("the CDN alone", "130.176.1.1", &[], "130.176.1.1", Trust::Unverified),
            ("a proxy that says nothing", "10.1.2.3", &[], "10.1.2.3", Trust::Unverified),
            ("rubbish in the header", "10.1.2.3", &["unknown"], "10.1.2.3", Trust::Unverified),
            ("a port", "203.0.113.9:443", &[], "203.0.113.9", Trust::Platform),
            ("IPv6 in brackets", "[2001:db8::1]:443", &[], "2001:db8::1", Trust::Platform),
            ("IPv4 in IPv6", "::ffff:203.0.113.9", &[], "203.0.113.9", Trust::Platform),
        ] {
            let forwarded: Vec<&[u8]> = forwarded.iter().map(|value: &&str| value.as_bytes()).collect();
            let client = hops().client(peer.as_bytes(), &forwarded);
            assert_eq!((client.addr, client.trust), (Some(addr.parse().unwrap()), trust), "{why}");
        }
        assert_eq!(hops().client(b"test-invoke-source-ip", &[]), ClientAddr::default());
    }

    #[test]
    fn an_alb_is_believed_about_the_last_hop_only() {
        let client = Hops::default().appended_client(&[b"1.1.1.1", b"6.6.6.6, 203.0.113.9"]);
        assert_eq!((client.addr, client.trust), (Some("203.0.113.9".parse().unwrap()), Trust::Platform));
        assert_eq!(Hops::default().appended_client(&[]), ClientAddr::default());
    }

    #[test]
    fn a_long_chain_of_trusted_hops_ends() {
        let chain = "10.0.0.1, ".repeat(1000);
        let client = hops().client(b"10.0.0.2", &[chain.as_bytes()]);
        assert_eq!(client.trust, Trust::Unverified);
    }
}

//! The policy's rule about the client's address: which header names it, and how many hops are the owner's own.

use picket_request::{ClientAddr, Place, Request, Trust};

use crate::{canonical::ClientRule, limits};

impl ClientRule {
    /// The client of a request by this rule; `None` where the rule says nothing about headers or does not concern the
    /// request, and what the reader found stands.
    ///
    /// With `trusted` ranges a header is believed only from these: the reader then has said that the address in front
    /// was not the client's own.
    #[must_use]
    pub fn client(&self, request: &Request) -> Option<ClientAddr> {
        if self.header.is_none() && self.hops.is_none() {
            return None;
        }
        let in_front = request.client.trust == Trust::Platform;
        if in_front && !(self.trusted.is_empty() && self.cdn.is_empty()) {
            return None;
        }
        let name = self.header.as_deref().unwrap_or("x-forwarded-for");
        let forwarded = name == "x-forwarded-for";
        let values = request.values().iter().filter(|value| {
            value.place == Place::Header && request.bytes(value.name).eq_ignore_ascii_case(name.as_bytes())
        });
        let mut hops: Vec<_> =
            values.flat_map(|value| request.bytes(value.text).split(|byte| *byte == b',')).collect();
        // Only the right end is the work of the owner's hops; a long left one is a client's.
        let kept = hops.len().saturating_sub(limits::HOPS);
        hops.drain(..kept);
        let mut hops = hops.into_iter().rev().map(address).peekable();
        if forwarded && in_front {
            // Platforms append the address in front of them before they hand the header on.
            hops.next_if(|hop| *hop == request.client.addr);
        }
        // The nearest of the owner's hops is the address in front; each further one stands in the header.
        let skip = usize::from(self.hops.unwrap_or(1)).saturating_sub(1);
        match hops.nth(skip).flatten() {
            Some(addr) => Some(ClientAddr { addr: Some(addr), trust: Trust::ConfiguredHop }),
            // A hop that does not say for whom it speaks must not be held to account for its clients.
            None => Some(ClientAddr { trust: Trust::Unverified, ..request.client }),
        }
    }
}

fn address(text: &[u8]) -> Option<std::net::IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim().trim_matches('"');
    let plain = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    let socket = || text.parse::<std::net::SocketAddr>().map(|socket| socket.ip());
    plain.parse().or_else(|_| socket()).ok().map(|addr: std::net::IpAddr| addr.to_canonical())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use picket_content::{Options, RawHttp, http_request};

    use super::*;

    fn seen(rule: &ClientRule, peer: &str, headers: &[(&[u8], &[u8])]) -> Option<(String, Trust)> {
        let mut request = Request::new(Bytes::new());
        http_request(&mut request, &RawHttp { headers, ..RawHttp::default() }, &Options::default());
        request.client = ClientAddr { addr: peer.parse().ok(), trust: Trust::Platform };
        rule.client(&request).map(|client| (client.addr.unwrap().to_string(), client.trust))
    }

    #[test]
    fn the_header_is_read_from_the_right() {
        let of = |header: Option<&str>, hops| ClientRule {
            header: header.map(str::to_owned),
            hops,
            ..ClientRule::default()
        };
        let believed = |addr: &str| Some((addr.to_owned(), Trust::ConfiguredHop));
        let forwarded: [(&[u8], &[u8]); 1] =
            [(b"X-Forwarded-For", b"1.1.1.1, 203.0.113.9, 10.0.0.1, 192.0.2.1")];
        assert_eq!(seen(&of(None, Some(1)), "192.0.2.1", &forwarded), believed("10.0.0.1"));
        assert_eq!(seen(&of(None, Some(2)), "192.0.2.1", &forwarded), believed("203.0.113.9"));
        assert_eq!(
            seen(&of(None, Some(9)), "192.0.2.1", &forwarded),
            Some(("192.0.2.1".to_owned(), Trust::Unverified))
        );
        let own: [(&[u8], &[u8]); 1] = [(b"True-Client-IP", b"[2001:db8::1]:443")];
        assert_eq!(seen(&of(Some("true-client-ip"), None), "192.0.2.1", &own), believed("2001:db8::1"));
        assert_eq!(
            seen(&of(Some("true-client-ip"), None), "192.0.2.1", &[(b"true-client-ip", b"rubbish")]),
            Some(("192.0.2.1".to_owned(), Trust::Unverified))
        );
        assert_eq!(seen(&ClientRule::default(), "192.0.2.1", &forwarded), None);
    }

    #[test]
    fn a_header_from_elsewhere_than_the_owners_hops_says_nothing() {
        let rule = ClientRule {
            header: Some("true-client-ip".to_owned()),
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            ..ClientRule::default()
        };
        assert_eq!(seen(&rule, "192.0.2.1", &[(b"true-client-ip", b"203.0.113.9")]), None);
    }
}

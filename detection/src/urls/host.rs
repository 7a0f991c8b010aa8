//! The address behind a host: dotted, short, decimal, octal, hexadecimal, mixed, IPv6 with an IPv4 address inside,
//! look-alike digits, and names that resolve to the inside.
//!
//! Sources: inet_aton(3), the WHATWG URL standard (IPv4 parser), RFC 4291 section 2.5.5, RFC 6890.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The machine itself.
    Loopback,
    /// Networks that are nobody's but the owner's.
    Private,
    /// Link-local addresses other than those of metadata services.
    LinkLocal,
    /// A metadata service of AWS, or its credentials endpoints.
    AwsMetadata,
    /// A metadata service of another cloud.
    Metadata,
}

/// A target on the inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where it leads.
    pub reach: Reach,
    /// Whether it is spelled as no person spells it.
    pub disguised: bool,
}

/// The target behind a host, or `None` where it is public or no host.
pub(crate) fn target(host: &[u8]) -> Option<Target> {
    if host.is_empty() || host.len() > 128 {
        return None;
    }
    if host.starts_with(b"[") || memchr::memchr_iter(b':', host).count() > 1 {
        return ipv6(host);
    }
    let mut folded = [0_u8; 128];
    let (host, mut disguised) = fold(host, &mut folded);
    if let Some((address, odd)) = ipv4(host) {
        disguised |= odd;
        return of_ipv4(address).map(|reach| Target { reach, disguised });
    }
    name(host).map(|(reach, odd)| Target { reach, disguised: disguised || odd })
}

/// Lower case, ideographic and full-width dots and digits as ASCII.
fn fold<'b>(host: &[u8], buffer: &'b mut [u8; 128]) -> (&'b [u8], bool) {
    let (mut used, mut at, mut odd) = (0, 0, false);
    while let Some(rest) = host.get(at..).filter(|rest| !rest.is_empty()) {
        let (byte, len) = match *rest {
            [0xe3, 0x80, 0x82, ..] | [0xef, 0xbd, 0xa1, ..] | [0xef, 0xbc, 0x8e, ..] => (b'.', 3),
            // Full-width digits and letters.
            [0xef, 0xbc, low @ 0x90..=0x99, ..] => (b'0' + (low - 0x90), 3),
            [0xef, 0xbd, low @ 0x81..=0x9a, ..] => (b'a' + (low - 0x81), 3),
            // Circled digits and letters.
            [0xe2, 0x91, low @ 0xa0..=0xa8, ..] => (b'1' + (low - 0xa0), 3),
            [0xe2, 0x93, 0xaa, ..] => (b'0', 3),
            [0xe2, 0x93, low @ 0x90..=0xa9, ..] => (b'a' + (low - 0x90), 3),
            [first, ..] => (first.to_ascii_lowercase(), 1),
            [] => break,
        };
        odd |= len > 1;
        if let Some(slot) = buffer.get_mut(used) {
            *slot = byte;
            used += 1;
        }
        at += len;
    }
    (buffer.get(..used).unwrap_or_default().trim_ascii(), odd)
}

/// An IPv4 address as inet_aton reads it, and whether it is not the usual dotted decimal.
fn ipv4(host: &[u8]) -> Option<(Ipv4Addr, bool)> {
    let host = host.strip_suffix(b".").unwrap_or(host);
    let mut values = [0_u64; 4];
    let (mut count, mut odd) = (0, false);
    for part in host.split(|byte| *byte == b'.') {
        let (value, plain) = number(part)?;
        *values.get_mut(count)? = value;
        odd |= !plain;
        count += 1;
    }
    let last = *values.get(count.checked_sub(1)?)?;
    let mut address = 0_u64;
    for (index, value) in values.iter().take(count - 1).enumerate() {
        if *value > 255 {
            return None;
        }
        address |= value << (24 - 8 * index);
    }
    if last >= 1 << (8 * (5 - count)) {
        return None;
    }
    address |= last;
    Some((Ipv4Addr::from(u32::try_from(address).ok()?), odd || count < 4))
}

/// One part of an address, and whether it is plain decimal.
fn number(part: &[u8]) -> Option<(u64, bool)> {
    let (digits, radix) = match part {
        [b'0', b'x', digits @ ..] => (digits, 16),
        [b'0', b'o', digits @ ..] => (digits, 8),
        [b'0', digits @ ..]
            if !digits.is_empty() && digits.iter().all(|byte| (b'0'..=b'7').contains(byte)) =>
        {
            (digits, 8)
        }
        digits => (digits, 10),
    };
    if digits.is_empty() || digits.len() > 20 {
        return None;
    }
    let mut value = 0_u64;
    for byte in digits {
        value = value.checked_mul(radix.into())?.checked_add(char::from(*byte).to_digit(radix)?.into())?;
    }
    Some((value, radix == 10))
}

fn of_ipv4(address: Ipv4Addr) -> Option<Reach> {
    match address.octets() {
        [169, 254, 169, 254 | 253 | 250 | 123] | [169, 254, 170, 2 | 23] | [169, 254, 100, 1] => {
            Some(Reach::AwsMetadata)
        }
        [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => Some(Reach::Metadata),
        [127 | 0, ..] => Some(Reach::Loopback),
        [169, 254, ..] => Some(Reach::LinkLocal),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Some(Reach::Private),
        _ => None,
    }
}

fn ipv6(host: &[u8]) -> Option<Target> {
    let inner = host.strip_prefix(b"[").unwrap_or(host);
    let end = inner.iter().position(|byte| matches!(byte, b']' | b'%')).unwrap_or(inner.len());
    let address: Ipv6Addr = std::str::from_utf8(inner.get(..end)?).ok()?.parse().ok()?;
    let segments = address.segments();
    // Mapped, compatible, translated (64:ff9b::/96) and 6to4 addresses hold an IPv4 address.
    let inside = match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] if high != 0 => Some((high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = inside {
        let reach = of_ipv4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))?;
        return Some(Target { reach, disguised: true });
    }
    let reach = match segments {
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, _] => Reach::AwsMetadata,
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Reach::Loopback,
        [first, ..] if first & 0xffc0 == 0xfe80 => Reach::LinkLocal,
        [first, ..] if first & 0xfe00 == 0xfc00 => Reach::Private,
        _ => return None,
    };
    Some(Target { reach, disguised: false })
}

/// Names that lead inside, and whether they are a trick of their own.
fn name(host: &[u8]) -> Option<(Reach, bool)> {
    const LOCAL: &[&[u8]] = &[
        b"localhost",
        b"ip6-localhost",
        b"ip6-loopback",
        b"localhost.localdomain",
        b"loopback",
        b"localhost6",
    ];
    const TRICKS: &[&[u8]] = &[
        b"localtest.me",
        b"lvh.me",
        b"vcap.me",
        b"lacolhost.com",
        b"yoogle.com",
        b"localho.st",
        b"local.sisteminha.com",
    ];
    const CLOUD: &[&[u8]] = &[
        b"metadata.google.internal",
        b"metadata",
        b"metadata.tencentyun.com",
        b"metadata.packet.net",
        b"metadata.platformequinix.com",
        b"metadata.azure.internal",
        b"metadata.internal",
        b"metadata.goog",
        b"rancher-metadata",
        b"api.metadata.cloud.ibm.com",
    ];
    const INSIDE: &[&[u8]] = &[
        b"kubernetes.default.svc",
        b"kubernetes.default",
        b"host.docker.internal",
        b"kubernetes",
        b"gateway.docker.internal",
    ];
    let host = host.strip_suffix(b".").unwrap_or(host);
    let below =
        |domain: &[u8]| host == domain || host.strip_suffix(domain).is_some_and(|head| head.ends_with(b"."));
    if LOCAL.contains(&host) || host.ends_with(b".localhost") {
        return Some((Reach::Loopback, false));
    }
    if CLOUD.contains(&host) {
        return Some((Reach::Metadata, false));
    }
    if matches!(host, b"instance-data" | b"instance-data.ec2.internal" | b"sandbox.localdomain") {
        return Some((Reach::AwsMetadata, false));
    }
    if INSIDE.contains(&host) || host.ends_with(b".svc.cluster.local") {
        return Some((Reach::Private, false));
    }
    if TRICKS.iter().any(|domain| below(domain)) {
        return Some((Reach::Loopback, true));
    }
    wildcard(host).map(|reach| (reach, true))
}

/// `127.0.0.1.nip.io`, `app-10-0-0-1.sslip.io`, `7f000001.nip.io`: the address stands in the name.
fn wildcard(host: &[u8]) -> Option<Reach> {
    const SERVICES: &[&[u8]] =
        &[b".nip.io", b".sslip.io", b".xip.io", b".traefik.me", b".rbndr.us", b".1u.ms"];
    let head = SERVICES.iter().find_map(|service| host.strip_suffix(*service))?;
    let mut octets = [0_u8; 4];
    let mut count = 0;
    for part in head.rsplit(|byte| matches!(byte, b'.' | b'-')) {
        let Some(value) = std::str::from_utf8(part).ok().and_then(|text| text.parse::<u8>().ok()) else {
            break;
        };
        if count < 4 {
            octets[3 - count] = value;
        }
        count += 1;
    }
    if count >= 4 {
        return of_ipv4(Ipv4Addr::from(octets));
    }
    let last = head.rsplit(|byte| matches!(byte, b'.' | b'-')).next()?;
    let value = (last.len() == 8)
        .then(|| std::str::from_utf8(last).ok().and_then(|text| u32::from_str_radix(text, 16).ok()))??;
    of_ipv4(Ipv4Addr::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_is_one_address() {
        for spelling in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "0o177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[0:0:0:0:0:ffff:7f00:1]",
            "::1",
            "localhost",
            "LOCALHOST",
            "a.localtest.me",
            "127.0.0.1.nip.io",
            "x-127-0-0-1.sslip.io",
            "7f000001.nip.io",
            "①②⑦.⓪.⓪.①",
            "127。0。0。1",
            "0",
            "0.0.0.0",
        ] {
            assert_eq!(
                target(spelling.as_bytes()).map(|target| target.reach),
                Some(Reach::Loopback),
                "{spelling}"
            );
        }
        for spelling in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "[::ffff:a9fe:a9fe]",
            "[fd00:ec2::254]",
            "169.254.43518",
            "0251.0376.0251.0376",
            "169.254.170.2",
        ] {
            assert_eq!(
                target(spelling.as_bytes()).map(|target| target.reach),
                Some(Reach::AwsMetadata),
                "{spelling}"
            );
        }
    }

    #[test]
    fn public_hosts_are_public() {
        for host in [
            "example.com",
            "8.8.8.8",
            "1.2",
            "134744072",
            "[2001:db8::1]",
            "metadata.example.com",
            "99999999999",
            "localhost.example.com",
            "10.example.com",
            "",
        ] {
            assert!(target(host.as_bytes()).is_none(), "{host}");
        }
    }
}

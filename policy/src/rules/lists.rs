//! Lists as they are looked up: sets of texts, wildcards, merged address ranges, numbers.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use ipnet::IpNet;

use super::{error::Broken, like::Like, value::Value};
use crate::{canonical, limits};

/// A list, ready to be asked.
#[derive(Clone, Debug)]
pub(crate) enum List {
    Texts(HashSet<Box<[u8]>>),
    Wildcards(Vec<Like>),
    Ranges(Ranges),
    Numbers(Vec<u32>),
}

impl List {
    pub(crate) fn has(&self, value: Value<'_>) -> bool {
        match self {
            Self::Texts(set) => value.text().is_some_and(|text| set.contains(text)),
            Self::Wildcards(all) => {
                value.text().is_some_and(|text| all.iter().any(|like| like.matches(text)))
            }
            Self::Ranges(ranges) => value.address().is_some_and(|address| ranges.contain(address)),
            Self::Numbers(all) => value
                .number()
                .and_then(|number| u32::try_from(number).ok())
                .is_some_and(|n| all.binary_search(&n).is_ok()),
        }
    }
}

/// Reads all lists of a policy.
pub(crate) fn read(lists: &BTreeMap<String, canonical::List>) -> Result<BTreeMap<String, List>, Broken> {
    if lists.len() > limits::LISTS {
        return Err(Broken::TooMany { what: "lists", limit: limits::LISTS });
    }
    let mut items = 0;
    let mut read = BTreeMap::new();
    for (name, list) in lists {
        items += match list {
            canonical::List::String(all)
            | canonical::List::Wildcard(all)
            | canonical::List::Country(all)
            | canonical::List::Signal(all) => all.len(),
            canonical::List::Cidr(all) => all.len(),
            canonical::List::Asn(all) => all.len(),
        };
        if items > limits::LIST_ITEMS {
            return Err(Broken::TooMany { what: "list items", limit: limits::LIST_ITEMS });
        }
        let texts = |all: &[String]| all.iter().map(|text| text.as_bytes().into()).collect();
        let list = match list {
            canonical::List::String(all) | canonical::List::Country(all) | canonical::List::Signal(all) => {
                List::Texts(texts(all))
            }
            canonical::List::Wildcard(all) => {
                List::Wildcards(all.iter().map(|text| Like::new(text, false)).collect())
            }
            canonical::List::Cidr(all) => List::Ranges(Ranges::new(all)),
            canonical::List::Asn(all) => {
                let mut all = all.clone();
                all.sort_unstable();
                List::Numbers(all)
            }
        };
        read.insert(name.clone(), list);
    }
    Ok(read)
}

/// Address ranges, merged and sorted, so that a look is one binary search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges {
    /// First and last address of each, as IPv6; IPv4 is mapped.
    spans: Vec<(u128, u128)>,
    /// The networks themselves, where they are few.
    nets: Option<Vec<(u128, u8)>>,
}

/// Networks that are kept one by one for the index.
const FEW: usize = 256;

/// An address as a number; IPv4 as its IPv4-mapped IPv6 address, so that both spellings of one client are one.
pub(crate) fn number_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl Ranges {
    pub(crate) fn new(nets: &[IpNet]) -> Self {
        let mut all: Vec<_> =
            nets.iter().map(|net| (number_of(net.network()), number_of(net.broadcast()))).collect();
        all.sort_unstable();
        let mut spans: Vec<(u128, u128)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match spans.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => spans.push((first, last)),
            }
        }
        let nets = (nets.len() <= FEW).then(|| nets.iter().map(super::gates::net_of).collect());
        Self { spans, nets }
    }

    /// The networks one by one, where they are few.
    pub(crate) fn nets(&self) -> Option<&[(u128, u8)]> {
        self.nets.as_deref()
    }

    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let number = number_of(address);
        let after = self.spans.partition_point(|(first, _)| *first <= number);
        after.checked_sub(1).and_then(|at| self.spans.get(at)).is_some_and(|(_, last)| number <= *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_addresses_and_no_other() {
        let nets: Vec<IpNet> =
            ["192.0.2.0/25", "192.0.2.128/25", "198.51.100.7/32", "2001:db8::/32", "10.0.0.0/8"]
                .iter()
                .map(|net| net.parse().unwrap())
                .collect();
        let ranges = Ranges::new(&nets);
        assert_eq!(ranges.spans.len(), 4, "neighbours are merged");
        for inside in
            ["192.0.2.0", "192.0.2.255", "198.51.100.7", "2001:db8::1", "10.255.255.255", "::ffff:10.0.0.1"]
        {
            assert!(ranges.contain(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["192.0.1.255", "192.0.3.0", "198.51.100.8", "2001:db9::", "11.0.0.0", "::", "0.0.0.0"]
        {
            assert!(!ranges.contain(outside.parse().unwrap()), "{outside}");
        }
        assert!(!Ranges::new(&[]).contain("10.0.0.1".parse().unwrap()));
        assert!(Ranges::new(&["::/0".parse().unwrap()]).contain("ffff::1".parse().unwrap()));
    }
}

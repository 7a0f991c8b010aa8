//! Which rules could apply at all: an index over what a request must have for a rule to hold.
//!
//! Of each condition one necessary part is chosen, the rarest (this path, a path that begins so, an address in these
//! ranges, a parameter of this name, this signal). A request is asked for what it has, and only rules that are found
//! that way are judged. A hash that falls together with another costs a needless look and nothing else.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    net::IpAddr,
};

use super::{
    condition::{Condition, Test, last_key},
    facts::{Facts, hash, name_hash, step},
    grams::Grams,
    lists::number_of,
    value::Value,
};
use crate::{Field, FieldKind};

/// Keys that one rule may be found by; a rule with more is judged for every request.
const KEYS: usize = 1_024;

const NAME: u8 = 0;
const EXACT: u8 = 1;
const PREFIX: u8 = 2;
const NET: u8 = 3;

/// An index over a set of rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gates {
    rules: usize,
    keys: HashMap<u64, Box<[u32]>, BuildHasherDefault<Hashed>>,
    /// Rules that are judged for every request, as bits.
    always: Vec<u64>,
    /// Fields of which some rule wants one exact text.
    fields: Vec<Field>,
    /// Lengths of the path prefixes, ascending.
    prefixes: Vec<usize>,
    /// Lengths of the networks, as of IPv6.
    nets: Vec<u8>,
    names: bool,
    response_names: bool,
    signals: bool,
    grams: Grams,
}

/// The keys are hashes already.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| step(hash, *byte));
    }

    fn write_u64(&mut self, key: u64) {
        // The upper bits of FNV-1a are the good ones, and the table takes its bucket from the lower.
        self.0 = key ^ key.rotate_left(32);
    }
}

/// What a rule is found by: the rank of its part, 0 the rarest, and the keys of which a request must have one.
#[derive(Clone, Debug)]
struct Gate {
    rank: u8,
    keys: Vec<Key>,
}

#[derive(Clone, Debug)]
struct Key {
    hash: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Text(Field),
    Prefix(usize),
    Net(u8),
    Name,
    ResponseName,
    Signal,
    Gram(Field, u32),
}

impl Gates {
    /// An index over these conditions; the number of a rule is its place.
    pub(crate) fn new<'c>(conditions: impl ExactSizeIterator<Item = &'c Condition>) -> Self {
        let mut gates = Self { rules: conditions.len(), ..Self::default() };
        gates.always = vec![0; gates.rules.div_ceil(64)];
        let mut keys: HashMap<u64, Vec<u32>> = HashMap::new();
        for (number, condition) in conditions.enumerate() {
            let Some(gate) = gate_of(condition).filter(|gate| gate.keys.len() <= KEYS) else {
                set(&mut gates.always, number);
                continue;
            };
            for key in gate.keys {
                gates.note(key.kind, number);
                let rules = keys.entry(key.hash).or_default();
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                if rules.last() != Some(&number) {
                    rules.push(number);
                }
            }
        }
        gates.prefixes.sort_unstable();
        gates.keys = keys.into_iter().map(|(key, rules)| (key, rules.into())).collect();
        gates
    }

    fn note(&mut self, kind: Kind, rule: usize) {
        fn once<T: PartialEq>(all: &mut Vec<T>, one: T) {
            if !all.contains(&one) {
                all.push(one);
            }
        }
        match kind {
            Kind::Text(field) => once(&mut self.fields, field),
            Kind::Prefix(length) => once(&mut self.prefixes, length),
            Kind::Net(length) => once(&mut self.nets, length),
            Kind::Name => self.names = true,
            Kind::ResponseName => self.response_names = true,
            Kind::Signal => self.signals = true,
            Kind::Gram(field, gram) => self.grams.add(field, gram, rule),
        }
    }

    /// Marks the rules that could apply to a request.
    pub(crate) fn find(&self, facts: &Facts<'_>, candidates: &mut Vec<u64>) {
        candidates.clear();
        candidates.extend_from_slice(&self.always);
        if self.keys.is_empty() {
            return;
        }
        for &field in &self.fields {
            if let Some(Value::Text(text)) = facts.single(field) {
                self.mark(hash(field, EXACT, text.iter().copied()), candidates);
            }
        }
        self.find_prefixes(facts.path, candidates);
        if let Some(address) = facts.subject.request.client.addr {
            for &length in &self.nets {
                self.mark(net_key(number_of(address), length), candidates);
            }
        }
        if self.names {
            let mut before = None;
            for named in facts.all_named() {
                if before != Some(named.hash) {
                    self.mark(named.hash, candidates);
                }
                before = Some(named.hash);
            }
        }
        if self.response_names
            && let Some(response) = facts.subject.response
        {
            for (name, _) in response.headers {
                self.mark(name_hash(Field::ResponseHeader, name), candidates);
            }
        }
        if self.signals {
            facts.signals(|signal| self.mark(signal_key(signal), candidates));
        }
        self.grams.find(facts, candidates, &mut |key, candidates| self.mark(key, candidates));
    }

    /// All prefixes at once: the hash of a longer one goes on where that of the shorter ended.
    fn find_prefixes(&self, path: &[u8], candidates: &mut [u64]) {
        let (mut at, mut so_far) = (0, hash(Field::Path, PREFIX, std::iter::empty()));
        for &length in &self.prefixes {
            let Some(further) = path.get(at..length) else { return };
            so_far = further.iter().fold(so_far, |hash, byte| step(hash, *byte));
            at = length;
            self.mark(so_far, candidates);
        }
    }

    /// Marks the rules that want a signal, once a rule before them gave it.
    pub(crate) fn given(&self, signal: &str, candidates: &mut [u64]) {
        if self.signals {
            self.mark(signal_key(signal), candidates);
        }
    }

    fn mark(&self, key: u64, candidates: &mut [u64]) {
        if let Some(rules) = self.keys.get(&key) {
            for &rule in rules {
                set(candidates, rule as usize);
            }
        }
    }
}

/// Sets a bit.
fn set(bits: &mut [u64], number: usize) {
    if let Some(word) = bits.get_mut(number / 64) {
        *word |= 1 << (number % 64);
    }
}

/// The lowest bit from `from` on that is set.
pub(crate) fn next(bits: &[u64], from: usize) -> Option<usize> {
    let mut index = from / 64;
    let mut word = bits.get(index)? & (u64::MAX << (from % 64));
    while word == 0 {
        index += 1;
        word = *bits.get(index)?;
    }
    Some(index * 64 + word.trailing_zeros() as usize)
}

fn signal_key(signal: &str) -> u64 {
    hash(Field::Signal, EXACT, signal.bytes())
}

fn net_key(address: u128, length: u8) -> u64 {
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    hash(Field::Client, NET, (address & mask).to_be_bytes().into_iter().chain([length]))
}

/// The rarest necessary part of a condition, or `None` where it may hold for any request.
fn gate_of(condition: &Condition) -> Option<Gate> {
    match condition {
        Condition::All(all) => all.iter().filter_map(gate_of).min_by_key(|gate| (gate.rank, gate.keys.len())),
        Condition::Any(all) => {
            let gates: Option<Vec<Gate>> = all.iter().map(gate_of).collect();
            let gates = gates?;
            let rank = gates.iter().map(|gate| gate.rank).max().unwrap_or(0);
            Some(Gate { rank, keys: gates.into_iter().flat_map(|gate| gate.keys).collect() })
        }
        Condition::Not(_) => None,
        Condition::Test(test) => gate_of_test(test),
    }
}

fn gate_of_test(test: &Test) -> Option<Gate> {
    let rare = gate_of_field(test);
    rare.or_else(|| {
        let texts = test.value.as_ref().filter(|_| Grams::reads(test.field))?.fragments()?;
        let keys = texts.into_iter().map(|text| {
            let (hash, gram) = Grams::key(test.field, text)?;
            Some(Key { hash, kind: Kind::Gram(test.field, gram) })
        });
        Some(Gate { rank: 9, keys: keys.collect::<Option<_>>()? })
    })
}

fn gate_of_field(test: &Test) -> Option<Gate> {
    let field = test.field;
    let texts = || test.value.as_ref().and_then(super::matcher::Matcher::texts);
    let exact = |rank: u8, kind: Kind| {
        let keys =
            texts()?.into_iter().map(|text| Key { hash: hash(field, EXACT, text.iter().copied()), kind });
        Some(Gate { rank, keys: keys.collect() })
    };
    match field {
        Field::Path => exact(0, Kind::Text(field)).or_else(|| {
            let prefixes = test.value.as_ref()?.prefixes()?;
            let shortest = prefixes.iter().map(|prefix| prefix.len()).min()?;
            let keys = prefixes.into_iter().map(|prefix| Key {
                hash: hash(field, PREFIX, prefix.iter().copied()),
                kind: Kind::Prefix(prefix.len()),
            });
            Some(Gate { rank: if shortest > 4 { 2 } else { 7 }, keys: keys.collect() })
        }),
        Field::Client => {
            let nets = test.value.as_ref()?.ranges()?.nets()?;
            let keys = nets
                .iter()
                .map(|(address, length)| Key { hash: net_key(*address, *length), kind: Kind::Net(*length) });
            Some(Gate { rank: 1, keys: keys.collect() })
        }
        Field::Signal => exact(3, Kind::Signal),
        Field::PathTemplate => exact(1, Kind::Text(field)),
        Field::Domain | Field::Tenant => exact(4, Kind::Text(field)),
        _ if field.kind() == FieldKind::Text => exact(8, Kind::Text(field)),
        _ if field.kind() == FieldKind::Named => {
            let names = test.name.as_ref()?.texts()?;
            let (rank, kind) = match field {
                Field::ResponseHeader => (6, Kind::ResponseName),
                // Most requests have the same headers.
                Field::Header => (6, Kind::Name),
                _ => (3, Kind::Name),
            };
            let keys =
                names.into_iter().map(|name| Key { hash: name_hash(field, last_key(field, name)), kind });
            Some(Gate { rank, keys: keys.collect() })
        }
        _ => None,
    }
}

const _: () = assert!(NAME != EXACT, "names and texts of one field have hashes of their own");

/// A network as its first address, as IPv6, and its length.
pub(crate) fn net_of(net: &ipnet::IpNet) -> (u128, u8) {
    let offset = match net.network() {
        IpAddr::V4(_) => 96,
        IpAddr::V6(_) => 0,
    };
    (number_of(net.network()), net.prefix_len() + offset)
}

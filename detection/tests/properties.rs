//! What holds for every input: the attacks and harmless texts of the fixtures are cut, joined, encoded and broken at
//! random (with a fixed seed), in every place, and inspected.
//!
//! An outcome is the same with fresh and with used memory, spans lie inside their view, fuel is not overdrawn, and a value
//! in the middle of others gives what it gives alone.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read fails the test")]
#![expect(clippy::panic, reason = "a broken fixture ends the test")]

use std::{fs, path::Path};

use bytes::Bytes;
use picket_detection::{Catalogue, Fuel, Outcome, Profile, Scratch, inspect, limits};
use picket_request::{LocationId, Part, Place, Request, Segment, Span};
use serde::Deserialize;

const CASES: usize = 4000;

const PLACES: &[Place] = &[
    Place::Path,
    Place::Query,
    Place::QueryKey,
    Place::QueryString,
    Place::Header,
    Place::Cookie,
    Place::Form,
    Place::Json,
    Place::JsonKey,
    Place::Xml,
    Place::Graphql,
    Place::Multipart,
    Place::FileName,
    Place::FileContent,
    Place::Body,
    Place::Event,
];

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    value: Option<String>,
}

fn texts(folder: &Path, out: &mut Vec<Vec<u8>>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            texts(&path, out);
        } else if path.extension().is_some_and(|ext| ext == "toml") {
            let text = fs::read_to_string(&path).unwrap();
            let file: File = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            out.extend(file.case.into_iter().filter_map(|case| case.value).map(String::into_bytes));
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound.max(1) as u64).unwrap()
    }

    fn of<'t, T>(&mut self, list: &'t [T]) -> &'t T {
        &list[self.below(list.len())]
    }

    fn mutated(&mut self, texts: &[Vec<u8>]) -> Vec<u8> {
        let mut text = self.of(texts).clone();
        for _ in 0..self.below(4) {
            let at = self.below(text.len() + 1);
            match self.below(8) {
                0 => text.truncate(at),
                1 => drop(text.drain(..at)),
                2 => text.extend_from_slice(self.of(texts).as_slice()),
                3 => text.insert(at, *self.of(b"'\"`<>(){}[]\\%&;|$#\0\xff\xc0\xef\n")),
                4 => text = text.iter().flat_map(|b| format!("%{b:02x}").into_bytes()).collect(),
                5 => text = text.iter().flat_map(|b| format!("&#{b};").into_bytes()).collect(),
                6 => text = text.iter().flat_map(|&b| [b, 0]).collect(),
                _ => {
                    if let Some(byte) = text.get_mut(at) {
                        *byte = u8::try_from(self.0 & 0xff).unwrap();
                    }
                }
            }
            text.truncate(4096);
        }
        text
    }
}

fn request(values: &[(Place, &[u8])]) -> Request {
    let all: Vec<u8> = values.iter().flat_map(|(_, text)| text.to_vec()).collect();
    let mut request = Request::new(Bytes::from(all));
    let location = request.locations.add(LocationId::ROOT, Segment::Part(Part::Query));
    let mut at = 0;
    for (place, text) in values {
        request.push_plain(Span::source(at, at + text.len()), *place, Span::EMPTY, location);
        at += text.len();
    }
    request
}

fn outcome(request: &Request, scratch: &mut Scratch) -> Outcome {
    let fuel = Fuel::for_bytes(request.source().len());
    let outcome = inspect(&Catalogue::built_in(), request, &Profile::default(), scratch, fuel);
    assert!(outcome.spent <= fuel.0);
    assert!(outcome.findings.len() <= limits::FINDINGS);
    for finding in &outcome.findings {
        let value = request.values()[finding.value as usize];
        assert!(finding.span.start <= finding.span.end);
        assert!(finding.facts.len() <= limits::FACTS && finding.chain.len() <= limits::CHAIN);
        if finding.chain.is_empty() {
            assert!(finding.span.end as usize <= value.text.len(), "{finding:?}");
        }
    }
    outcome
}

fn signals(outcome: &Outcome, value: u32) -> Vec<String> {
    let of_value =
        outcome.findings.iter().filter(|finding| finding.value == value && finding.signal.is_attack());
    let mut signals: Vec<_> =
        of_value.map(|f| format!("{:?} {:?} {:?}", f.signal, f.tier, f.chain)).collect();
    signals.sort();
    signals
}

#[test]
fn what_holds_for_every_input() {
    let mut seeds = Vec::new();
    texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut seeds);
    assert!(seeds.len() > 50);
    let (mut random, mut used) = (Random(1), Scratch::default());
    for case in 0..CASES {
        let text = random.mutated(&seeds);
        let place = *random.of(PLACES);
        let alone = request(&[(place, &text)]);
        let first = outcome(&alone, &mut used);
        let again = outcome(&alone, &mut used);
        let fresh = outcome(&alone, &mut Scratch::default());
        let shown = String::from_utf8_lossy(&text);
        assert_eq!(format!("{first:?}"), format!("{fresh:?}"), "case {case}, {place:?}: {shown}");
        assert_eq!(format!("{first:?}"), format!("{again:?}"), "case {case}, {place:?}: {shown}");
        let among = request(&[(Place::Header, b"text/html"), (place, &text), (Place::Query, b"42")]);
        let among = outcome(&among, &mut used);
        assert_eq!(signals(&first, 0), signals(&among, 1), "case {case}, {place:?}: {shown}");
    }
}

/// Found by fuzzing: a header that was known to be clean left its share of the fuel to others.
#[test]
fn what_was_inspected_before_gives_nobody_more_fuel() {
    let head = b"\x06+0\x00\xc0\xc0\xc0\xc0\xc0\xc0\xc0%\x1100\xc0\xc0%01111111111(11`d/\xd0#+(/11111111111111111111`d/\xd0#+(/ddddd1111111111111111111c\x96\x96\x96111111110\xd9\x5cX\x0000";
    let text = [&head[..], &[b'W'; 82], b";z("].concat();
    let values: [(Place, &[u8]); 5] = [
        (Place::Header, b"application/json"),
        (Place::Header, b"Mozilla/5.0"),
        (Place::QueryString, &text),
        (Place::QueryKey, &text),
        (Place::Body, &text),
    ];
    let request = request(&values);
    let look = |scratch: &mut Scratch, fuel| {
        inspect(&Catalogue::built_in(), &request, &Profile::default(), scratch, Fuel(fuel))
    };
    let (mut used, mut short) = (Scratch::default(), 0);
    drop(look(&mut used, 1 << 20));
    for fuel in (0..90_000).step_by(1_997) {
        let (again, fresh) = (look(&mut used, fuel), look(&mut Scratch::default(), fuel));
        assert_eq!(format!("{again:?}"), format!("{fresh:?}"), "fuel {fuel}");
        short += u32::from(fresh.unexamined > 0);
    }
    assert!(short > 10, "the fuel was enough");
}

//! Runs every fixture file: one for each detector, with attacks, benign look-alikes and evasions.
//!
//! A case is `[[case]]` with `why`, `value` (or `bytes`, with `\xNN` escapes), `expect` (the tier of the detector's
//! signal: `certain`, `likely`, `possible` or `none`; `possible-` means at most possible), and optionally `place`
//! (default `query`), `name` and `signal` (where it is not the detector's own). What is in `fixtures/benign/` goes to every
//! detector, in each of the places where people type where the case names none: nothing there may be certain, and
//! `likely` needs `allow = "likely"` in the case.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::string_slice,
    reason = "a broken fixture ends the test"
)]

use std::{collections::BTreeMap, fs, path::Path};

use bytes::Bytes;
use picket_detection::{Catalogue, Fuel, Profile, Scratch, Tier, inspect};
use picket_request::{LocationId, Part, Place, Request, Segment, Span};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    why: String,
    value: Option<String>,
    bytes: Option<String>,
    #[serde(default = "none")]
    expect: String,
    place: Option<String>,
    #[serde(default)]
    name: String,
    signal: Option<String>,
    allow: Option<String>,
}

fn none() -> String {
    "none".to_owned()
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        match (&self.value, &self.bytes) {
            (Some(value), None) => value.clone().into_bytes(),
            (None, Some(escaped)) => unescape(escaped),
            _ => panic!("{}: give either value or bytes", self.why),
        }
    }

    /// The place that the case names, and `default` where it names none.
    fn place(&self, default: Place) -> Place {
        match self.place.as_deref() {
            None => default,
            Some(name) => self.place_of(name),
        }
    }

    fn place_of(&self, name: &str) -> Place {
        match name {
            "path" => Place::Path,
            "query" => Place::Query,
            "query-key" => Place::QueryKey,
            "query-string" => Place::QueryString,
            "header" => Place::Header,
            "cookie" => Place::Cookie,
            "form" => Place::Form,
            "form-key" => Place::FormKey,
            "json" => Place::Json,
            "json-key" => Place::JsonKey,
            "xml" => Place::Xml,
            "xml-markup" => Place::XmlMarkup,
            "graphql" => Place::Graphql,
            "multipart" => Place::Multipart,
            "file-name" => Place::FileName,
            "file-content" => Place::FileContent,
            "file-type" => Place::FileType,
            "body" => Place::Body,
            "event" => Place::Event,
            other => panic!("{}: unknown place {other}", self.why),
        }
    }
}

/// `\xNN` is a byte; everything else stands for itself.
fn unescape(text: &str) -> Vec<u8> {
    let (mut out, bytes, mut at) = (Vec::new(), text.as_bytes(), 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"\\x") && at + 4 <= bytes.len() {
            out.push(u8::from_str_radix(&text[at + 2..at + 4], 16).expect("two hex digits"));
            at += 4;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// The strongest tier of each signal that is found in one value.
fn findings(case: &Case, default: Place) -> BTreeMap<&'static str, (Tier, String)> {
    let (bytes, name) = (case.bytes(), case.name.as_bytes());
    let source = Bytes::from([bytes.as_slice(), name].concat());
    let mut request = Request::new(source);
    let (text, name) = (Span::source(0, bytes.len()), Span::source(bytes.len(), bytes.len() + name.len()));
    let location = request.locations.add(LocationId::ROOT, Segment::Part(Part::Query));
    assert!(request.push_plain(text, case.place(default), name, location));
    let fuel = Fuel::for_bytes(bytes.len());
    let outcome =
        inspect(&Catalogue::built_in(), &request, &Profile::default(), &mut Scratch::default(), fuel);
    let mut strongest = BTreeMap::new();
    for finding in outcome.findings {
        assert!(finding.span.start <= finding.span.end, "{}: span is reversed", case.why);
        let facts: Vec<_> =
            finding.facts.iter().map(|fact| format!("{} {}", fact.name, fact.weight)).collect();
        let explained = format!("{:?} {}", finding.tier, facts.join(", "));
        let entry = strongest.entry(finding.signal.id()).or_insert((finding.tier, explained.clone()));
        if entry.0 < finding.tier {
            *entry = (finding.tier, explained);
        }
    }
    strongest
}

fn load(path: &Path) -> Vec<Case> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!file.case.is_empty(), "{} has no case", path.display());
    file.case
}

#[test]
fn every_detector_does_what_its_fixtures_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let (mut loaded, mut ran, mut wrong) = (0, 0, Vec::new());
    for detector in Catalogue::built_in().iter() {
        let cases = load(&folder.join(format!("{}.toml", detector.name)));
        loaded += cases.len();
        assert!(
            cases.iter().any(|case| case.expect == "none" || case.expect.ends_with('-')),
            "{}: no look-alike",
            detector.name
        );
        assert!(cases.iter().any(|case| case.expect != "none"), "{}: no attack", detector.name);
        for case in &cases {
            let found = findings(case, Place::Query);
            let signal = case.signal.as_deref().unwrap_or(detector.signal.id());
            let got = found.get(signal);
            let tier = got.map_or("none", |(tier, _)| tier.name());
            let fits = match case.expect.strip_suffix('-') {
                Some("possible") => matches!(tier, "none" | "possible"),
                Some("likely") => tier != "certain",
                Some(other) => panic!("{}: unknown expectation {other}-", case.why),
                None => tier == case.expect,
            };
            if !fits {
                wrong.push(format!(
                    "{}: {}: expected {}, got {tier} ({})\n    {}",
                    detector.name,
                    case.why,
                    case.expect,
                    got.map_or("nothing", |(_, explained)| explained),
                    String::from_utf8_lossy(&case.bytes()).chars().take(200).collect::<String>(),
                ));
            }
            ran += 1;
        }
    }
    assert_eq!(ran, loaded);
    assert!(wrong.is_empty(), "{} of {ran} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn harmless_texts_stay_harmless_for_every_detector() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/benign");
    let (mut ran, mut wrong) = (0, Vec::new());
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files {
        for case in load(file) {
            ran += 1;
            let allowed = match case.allow.as_deref() {
                Some("likely") => Tier::Likely,
                None => Tier::Possible,
                Some(other) => panic!("{}: cannot allow {other}", case.why),
            };
            let typed = [Place::Query, Place::Form, Place::Json, Place::Multipart];
            let places = if case.place.is_some() { typed.get(..1).unwrap_or_default() } else { &typed };
            for &place in places {
                for (signal, (tier, explained)) in findings(&case, place) {
                    if tier > allowed {
                        wrong.push(format!(
                            "{}: {} ({place:?}): {signal} {explained}",
                            file.display(),
                            case.why
                        ));
                    }
                }
            }
        }
    }
    assert!(ran > 0, "no benign case ran");
    assert!(
        wrong.is_empty(),
        "{} of {ran} harmless texts raise an alarm:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

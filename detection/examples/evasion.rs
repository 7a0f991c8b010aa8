//! The evasion tester: rewrites the attacks of every detector's fixtures in ways that reach the target unchanged, and
//! reports for each detector the share that is still found, apart for padding and for code blocks around attacks that break
//! out of a context, and each that is lost with `--lost`.
//!
//! The rewriters are code of their own and call no decoder. `cargo run --release -p picket-detection --example evasion`
//! takes names of detectors as arguments; without any it tests all.

#![expect(clippy::panic, reason = "a broken fixture ends the test")]

use std::{collections::BTreeMap, fs, path::Path};

use bytes::Bytes;
use picket_detection::{Catalogue, FactKind, Fuel, Outcome, Profile, Scratch, Signal, Tier, inspect};
use picket_request::{LocationId, Part, Place, Request, Segment, Span};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    why: String,
    value: Option<String>,
    #[serde(default)]
    expect: String,
    #[serde(default)]
    place: String,
    #[serde(default)]
    name: String,
    signal: Option<String>,
}

/// What a rewriter means for an attack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// Every attack survives it.
    All,
    /// Attacks in languages without regard to case.
    AnyCase,
    /// SQL.
    Sql,
    /// Markup.
    Markup,
    /// Shells.
    Shell,
}

struct Rewriter {
    name: &'static str,
    suits: For,
    rewrite: fn(&str) -> Vec<u8>,
}

impl Rewriter {
    fn suits(&self, signal: Signal) -> bool {
        match self.suits {
            For::All => true,
            For::AnyCase | For::Sql => signal == Signal::Sqli,
            For::Markup => signal == Signal::Xss,
            For::Shell => signal == Signal::Cmdexe,
        }
    }
}

fn each(text: &str, mut write: impl FnMut(char, &mut String)) -> Vec<u8> {
    let mut out = String::new();
    for c in text.chars() {
        write(c, &mut out);
    }
    out.into_bytes()
}

/// Rewrites ASCII punctuation and spaces, and leaves the rest.
fn marks(text: &str, code: impl Fn(u32) -> String) -> Vec<u8> {
    each(text, |c, out| {
        if c.is_ascii() && !c.is_ascii_alphanumeric() {
            out.push_str(&code(u32::from(c)));
        } else {
            out.push(c);
        }
    })
}

/// Rewrites every byte.
fn bytes(text: &str, code: impl Fn(u8) -> String) -> Vec<u8> {
    text.bytes().map(code).collect::<String>().into_bytes()
}

fn spaces(text: &str, with: &str) -> Vec<u8> {
    text.replace(' ', with).into_bytes()
}

fn alternate(text: &str) -> Vec<u8> {
    let mut upper = false;
    each(text, |c, out| {
        if c.is_ascii_alphabetic() {
            upper = !upper;
        }
        out.push(if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
    })
}

fn base64(text: &[u8], alphabet: &[u8; 64], pad: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for group in text.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, &b| bits << 8 | u32::from(b)) << (8 * (3 - group.len()));
        for index in 0..=group.len() {
            out.push(alphabet[(bits >> (18 - 6 * index)) as usize & 63]);
        }
        if pad {
            out.extend(std::iter::repeat_n(b'=', 3 - group.len()));
        }
    }
    out
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const PROSE: &str = "We visited the new shop on Saturday and were happy with the service. The staff took their time, \
    and it was easy to find what we had been looking for. Delivery to our home is planned for the end of the week. ";

fn prose() -> String {
    PROSE.repeat(2048 / PROSE.len() + 1)
}

fn joined(before: &str, text: &str, after: &str) -> Vec<u8> {
    [before, text, after].concat().into_bytes()
}

const REWRITERS: &[Rewriter] = &[
    Rewriter { name: "as it is", suits: For::All, rewrite: |t| t.as_bytes().to_vec() },
    Rewriter { name: "upper case", suits: For::AnyCase, rewrite: |t| t.to_uppercase().into_bytes() },
    Rewriter { name: "alternating case", suits: For::AnyCase, rewrite: alternate },
    Rewriter { name: "percent", suits: For::All, rewrite: |t| marks(t, |c| format!("%{c:02x}")) },
    Rewriter { name: "percent, each byte", suits: For::All, rewrite: |t| bytes(t, |b| format!("%{b:02X}")) },
    Rewriter {
        name: "percent, twice more",
        suits: For::All,
        rewrite: |t| marks(t, |c| format!("%25{c:02x}")),
    },
    Rewriter { name: "%u", suits: For::All, rewrite: |t| marks(t, |c| format!("%u{c:04x}")) },
    Rewriter { name: "decimal entities", suits: For::All, rewrite: |t| marks(t, |c| format!("&#{c};")) },
    Rewriter {
        name: "hexadecimal entities",
        suits: For::All,
        rewrite: |t| marks(t, |c| format!("&#x{c:x};")),
    },
    Rewriter {
        name: "entities, zeros, bare",
        suits: For::All,
        rewrite: |t| marks(t, |c| format!("&#{c:07};")),
    },
    Rewriter { name: "\\u escapes", suits: For::All, rewrite: |t| marks(t, |c| format!("\\u{c:04x}")) },
    Rewriter { name: "\\x escapes", suits: For::All, rewrite: |t| marks(t, |c| format!("\\x{c:02x}")) },
    Rewriter { name: "octal escapes", suits: For::All, rewrite: |t| marks(t, |c| format!("\\{c:03o}")) },
    Rewriter { name: "base64", suits: For::All, rewrite: |t| base64(t.as_bytes(), STANDARD, true) },
    Rewriter {
        name: "base64url, unpadded",
        suits: For::All,
        rewrite: |t| base64(t.as_bytes(), URL_SAFE, false),
    },
    Rewriter {
        name: "base64 of base64",
        suits: For::All,
        rewrite: |t| base64(&base64(t.as_bytes(), STANDARD, true), STANDARD, true),
    },
    Rewriter {
        name: "hexadecimal",
        suits: For::All,
        rewrite: |t| [b"0x".to_vec(), bytes(t, |b| format!("{b:02x}"))].concat(),
    },
    Rewriter {
        name: "full width",
        suits: For::All,
        rewrite: |t| {
            each(t, |c, out| {
                let wide = char::from_u32(u32::from(c) + 0xfee0).filter(|_| c.is_ascii_graphic());
                out.push(wide.unwrap_or(c));
            })
        },
    },
    Rewriter {
        name: "overlong UTF-8",
        suits: For::All,
        rewrite: |t| {
            let mut out = Vec::new();
            for b in t.bytes() {
                if b.is_ascii_punctuation() {
                    out.extend([0xc0 | b >> 6, 0x80 | b & 0x3f]);
                } else {
                    out.push(b);
                }
            }
            out
        },
    },
    Rewriter {
        name: "UTF-16",
        suits: For::All,
        rewrite: |t| t.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    },
    Rewriter { name: "NUL at the end", suits: For::All, rewrite: |t| joined("", t, "\0") },
    Rewriter {
        name: "zero-width spaces",
        suits: For::All,
        rewrite: |t| each(t, |c, out| out.extend([c, '\u{200b}'])),
    },
    Rewriter { name: "comments for spaces", suits: For::Sql, rewrite: |t| spaces(t, "/**/") },
    Rewriter { name: "line ends for spaces", suits: For::Sql, rewrite: |t| spaces(t, "\n") },
    Rewriter { name: "tabs for spaces", suits: For::Sql, rewrite: |t| spaces(t, "\t") },
    Rewriter { name: "line comments for spaces", suits: For::Sql, rewrite: |t| spaces(t, "--x\n") },
    Rewriter { name: "no-break spaces", suits: For::Sql, rewrite: |t| spaces(t, "\u{a0}") },
    Rewriter { name: "slashes for spaces", suits: For::Markup, rewrite: |t| spaces(t, "/") },
    Rewriter { name: "form feeds for spaces", suits: For::Markup, rewrite: |t| spaces(t, "\x0c") },
    Rewriter { name: "${IFS}", suits: For::Shell, rewrite: |t| spaces(t, "${IFS}") },
    Rewriter { name: "$IFS$9", suits: For::Shell, rewrite: |t| spaces(t, "$IFS$9") },
    Rewriter { name: "8 KB of junk before", suits: For::All, rewrite: |t| joined(&"a".repeat(8192), t, "") },
    Rewriter { name: "8 KB of mixed junk before", suits: For::All, rewrite: |t| joined(&junk(8192), t, "") },
    Rewriter {
        name: "8 KB of junk words before",
        suits: For::All,
        rewrite: |t| joined(&"xq ".repeat(2731), t, ""),
    },
    Rewriter { name: "2 KB of prose before", suits: For::All, rewrite: |t| joined(&prose(), t, "") },
    Rewriter {
        name: "2 KB of prose after",
        suits: For::All,
        rewrite: |t| joined("", t, &format!(" {}", prose())),
    },
    Rewriter { name: "in a fence", suits: For::All, rewrite: |t| joined("```\n", t, "\n```") },
    Rewriter { name: "in <pre>", suits: For::All, rewrite: |t| joined("<pre>", t, "</pre>") },
];

/// Code blocks show code, so only attacks that break out of a context are counted in them, under names of their own.
const BLOCKS: &[(&str, &str)] =
    &[("in a fence", "in a fence, breaking out"), ("in <pre>", "in <pre>, breaking out")];

fn place(case: &Case) -> Place {
    match case.place.as_str() {
        "" | "query" => Place::Query,
        "path" => Place::Path,
        "query-key" => Place::QueryKey,
        "header" => Place::Header,
        "cookie" => Place::Cookie,
        "form" => Place::Form,
        "json" => Place::Json,
        "json-key" => Place::JsonKey,
        "xml" => Place::Xml,
        "file-name" => Place::FileName,
        "file-content" => Place::FileContent,
        "body" => Place::Body,
        _ => Place::Event,
    }
}

/// Letters and digits without an order.
fn junk(length: usize) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(LETTERS[(state >> 33) as usize % LETTERS.len()])
    };
    (0..length).map(|_| next()).collect()
}

fn is_certain(outcome: &Outcome) -> bool {
    outcome.strongest().is_some_and(|finding| finding.tier == Tier::Certain)
}

/// Whether what makes an attack certain leaves a context, as a value or behind a quote or a bracket.
fn breaks_out(value: &str, outcome: &Outcome) -> bool {
    let certain = outcome.findings.iter().filter(|finding| finding.tier == Tier::Certain);
    certain.flat_map(|finding| &finding.facts).any(|fact| fact.kind == FactKind::Breakout)
        || value.trim_start().starts_with(['\'', '"', ')', ']', '}', '>', ';', '|'])
}

/// What is found in one value, with `around` harmless values before and after it.
fn look(text: &[u8], name: &[u8], place: Place, around: usize, scratch: &mut Scratch) -> Outcome {
    let junk = b"size=42&colour=dark+blue%21";
    let mut request = Request::new(Bytes::from([text, name, junk].concat()));
    let (start, end) = (text.len(), text.len() + name.len());
    let location = request.locations.add(LocationId::ROOT, Segment::Part(Part::Query));
    let filler = Span::source(end, end + junk.len());
    for _ in 0..around {
        request.push_plain(filler, Place::Query, Span::EMPTY, location);
    }
    request.push_plain(Span::source(0, start), place, Span::source(start, end), location);
    for _ in 0..around {
        request.push_plain(filler, Place::Query, Span::EMPTY, location);
    }
    let raw = text.len() + 2 * around * junk.len();
    inspect(&Catalogue::built_in(), &request, &Profile::default(), scratch, Fuel::for_bytes(raw))
}

/// Attacks tried and found.
#[derive(Clone, Copy, Default)]
struct Count {
    tried: usize,
    found: usize,
}

impl Count {
    fn add(&mut self, found: bool) {
        self.tried += 1;
        self.found += usize::from(found);
    }

    fn share(self) -> String {
        if self.tried == 0 {
            "–".to_owned()
        } else {
            format!("{:.1} %", 100.0 * self.found as f64 / self.tried as f64)
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let show_lost = arguments.iter().any(|argument| argument == "--lost");
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut scratch = Scratch::default();
    let mut by_rewriter: BTreeMap<&str, Count> = BTreeMap::new();
    let (mut by_detector, mut lost) = (Vec::new(), Vec::new());
    for detector in Catalogue::built_in().iter() {
        if !wanted.is_empty() && !wanted.iter().any(|name| *name == detector.name) {
            continue;
        }
        let path = folder.join(format!("{}.toml", detector.name));
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let file: File = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let certain = |case: &&Case| {
            case.expect == "certain"
                && case.value.is_some()
                && case.signal.as_ref().is_none_or(|s| s == detector.signal.id())
        };
        let attacks: Vec<&Case> = file.case.iter().filter(certain).collect();
        let (mut all, mut padded, mut blocks) = (Count::default(), Count::default(), Count::default());
        for (index, case) in attacks.iter().enumerate() {
            let value = case.value.as_deref().unwrap_or_default();
            let name = case.name.as_bytes();
            let mut count = |rewriter: &'static str, found: bool| {
                by_rewriter.entry(rewriter).or_default().add(found);
                if !found {
                    lost.push(format!("{}: {rewriter}: {}", detector.name, case.why));
                }
            };
            let leaves = breaks_out(value, &look(value.as_bytes(), name, place(case), 0, &mut scratch));
            for rewriter in REWRITERS.iter().filter(|rewriter| rewriter.suits(detector.signal)) {
                let rewritten = (rewriter.rewrite)(value);
                let found = is_certain(&look(&rewritten, name, place(case), 0, &mut scratch));
                if rewriter.name.contains(" KB of ") {
                    padded.add(found);
                }
                if let Some(only) =
                    BLOCKS.iter().find(|(block, _)| *block == rewriter.name).map(|(_, only)| *only)
                {
                    if leaves {
                        blocks.add(found);
                        count(only, found);
                    }
                } else {
                    all.add(found);
                    count(rewriter.name, found);
                }
            }
            if index < 3 {
                let found = is_certain(&look(value.as_bytes(), name, place(case), 5000, &mut scratch));
                padded.add(found);
                count("10,000 parameters around", found);
            }
        }
        by_detector.push((detector.name, attacks.len(), all, padded, blocks));
    }
    println!(
        "| detector | attacks | rewritten | still found | padded | in code blocks, those that break out |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for (name, attacks, all, padded, blocks) in by_detector.iter().filter(|row| row.2.tried > 0) {
        let (tried, found) = (all.tried, all.share());
        println!("| {name} | {attacks} | {tried} | {found} | {} | {} |", padded.share(), blocks.share());
    }
    println!("\n| rewriter | attacks | still found | share |\n|---|---:|---:|---:|");
    for (name, count) in by_rewriter {
        println!("| {name} | {} | {} | {} |", count.tried, count.found, count.share());
    }
    if show_lost {
        println!("\nLost:");
        for line in lost {
            println!("* {line}");
        }
    }
}

//! # What it detects
//!
//! The address of a remote file where a local one is meant: a URL as a whole value that ends so that what the program
//! appends is cut off (a bare `?`, a NUL), or that names a file of code on a host that no person would type.
//!
//! # Why it matters
//!
//! A program that includes what a parameter names runs the attacker's file.
//!
//! # Example
//!
//! `?template=http://192.0.2.7/x.txt?`
//!
//! # Known false positives
//!
//! URLs in parameters are ordinary: redirects, referrers, webhooks. A URL alone is nothing; only its form decides.
//!
//! # Evasions covered
//!
//! Any scheme that an include follows, quotes and an equals sign around the URL, IP addresses as numbers, encodings through the decoders.
//!
//! # References
//!
//! CWE-98, CAPEC-193; PHP manual, allow_url_include.

use picket_request::Place;

use crate::{
    Class, Detector, Evidence, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    urls::{Url, is, is_address},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Rfi, name: "rfi", version: 1, gate: Gate::With(&[Class::Colon], gate), run };

static WHOLE: Fact = Fact::new("the whole value is a URL", FactKind::Structure, 20);
static CUT: Fact = Fact::new("an empty query cuts what is appended", FactKind::Breakout, 50);
static NUL: Fact = Fact::new("a NUL cuts what is appended", FactKind::Breakout, 80);
static CODE: Fact = Fact::new("a file of code", FactKind::Structure, 35);
static INERT: Fact = Fact::new("a text that an include would run", FactKind::Structure, 38);
static ADDRESS: Fact = Fact::new("a host without a name", FactKind::Structure, 50);
static TRANSFER: Fact = Fact::new("a scheme for files", FactKind::Structure, 50);
static ROOT: Fact = Fact::new("in the root of its host", FactKind::Structure, 42);
static PICTURE: Fact = Fact::new("a picture", FactKind::Structure, 10);
static COMMAND: Fact = Fact::new("a query that commands", FactKind::Structure, 45);

fn gate(input: &Input<'_>) -> bool {
    input.classes.has(Class::Colon)
        && input.classes.has(Class::Slash)
        && input.classes.has(Class::Dot)
        && input.bytes.len() < 512
        && matches!(input.place, Place::Query | Place::Form | Place::Cookie | Place::Multipart | Place::Header | Place::QueryKey | Place::Json)
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let skip = input.bytes.iter().take_while(|byte| matches!(byte, b' ' | b'=' | b'"' | b'\'' | b'\n')).count();
    let value = input.bytes.get(skip..).unwrap_or_default();
    let Some(url) = Url::find(value, 0) else { return };
    if url.start != 0 || !is(url.scheme, &[b"http", b"https", b"ftp", b"ftps", b"sftp", b"ssh2", b"smb"]) || header_of_its_own(input) {
        return;
    }
    let rest = value.get(url.end..).unwrap_or_default();
    if !rest.iter().all(|byte| matches!(byte, b'"' | b'\'' | b' ' | b'\r' | b'\n' | b'\t')) {
        return;
    }
    let (path, query) = split(url.path());
    let nul = url.rest.contains(&0);
    let name = path.split(|byte| *byte == 0).next().unwrap_or_default();
    let file = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let extension = file.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let dotted = file.len() > extension.len() + 1;
    let (host, _) = url.host_and_port();
    let mut facts = Evidence::default();
    facts.add(&WHOLE);
    facts.add_if(nul, &NUL);
    let inert = dotted && is(extension, &[b"txt", b"inc", b"dat", b"text"]) && !well_known(file);
    let code = dotted && (is(extension, CODE_FILES) || extension.starts_with(b"php"));
    facts.add_if(inert, &INERT);
    facts.add_if(code, &CODE);
    facts.add_if(dotted && is(extension, &[b"gif", b"jpg", b"png"]), &PICTURE);
    facts.add_if(query.is_some_and(|query| query.iter().all(|byte| *byte == b'?')) && (inert || code), &CUT);
    facts.add_if((inert || code) && query.is_some_and(commands), &COMMAND);
    facts.add_if((inert || code) && is_address(host), &ADDRESS);
    facts.add_if(dotted && url.scheme.first().is_some_and(|byte| matches!(byte | 0x20, b'f' | b's')), &TRANSFER);
    let root = name.iter().filter(|byte| **byte == b'/').count() == 1;
    facts.add_if(root && inert && query.is_none_or(|query| query.iter().all(|byte| *byte == b'?')) && input.place != Place::Json, &ROOT);
    facts.with(|facts| sink.report(skip..input.bytes.len(), facts));
}

static CODE_FILES: &[&[u8]] = &[b"php", b"phtml", b"phar", b"asp", b"aspx", b"jsp", b"cgi", b"pl", b"cfm", b"sh"];

/// Headers whose value is a URL by right.
fn header_of_its_own(input: &Input<'_>) -> bool {
    input.place == Place::Header && is(input.name, &[b"referer", b"origin", b"location", b"content-location", b"host", b"link", b"from", b"user-agent"])
}

fn split(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'?', path) {
        Some(at) => (path.get(..at).unwrap_or_default(), Some(path.get(at + 1..).unwrap_or_default())),
        None => (path, None),
    }
}

/// Texts that sites publish under a fixed name.
fn well_known(file: &[u8]) -> bool {
    is(file, &[
        b"robots.txt", b"ads.txt", b"app-ads.txt", b"sellers.txt", b"humans.txt", b"security.txt", b"license.txt", b"licence.txt", b"readme.txt", b"changelog.txt",
        b"llms.txt", b"llms-full.txt", b"sitemap.txt", b"copying.txt", b"index.txt", b"requirements.txt", b"version.txt",
    ])
}

/// `cmd=ls`, `exec=id`, `?ls`.
fn commands(query: &[u8]) -> bool {
    let name = query.split(|byte| *byte == b'=').next().unwrap_or_default();
    is(name, &[b"cmd", b"exec", b"command", b"c", b"e", b"ls", b"id", b"dir", b"shell", b"run"])
}

//! Executable uploads.
//!
//! # What it detects
//! Files that a server would run, under their own name or another's: script extensions alone, doubled, cut off or dressed
//! up; server configuration files; server-side script inside images and archives; drawings with script; names that leave
//! the folder for uploads.
//!
//! # Why it matters
//! A script that lands in a folder that the web server runs is a web shell.
//!
//! # Example
//! `avatar.php.jpg` whose content begins `GIF89a<?php system($_GET['c']);`
//!
//! # Known false positives
//! Code hosting, where people upload scripts on purpose: a script's name without server-side content is only likely.
//!
//! # Evasions covered
//! Double extensions, trailing dots and spaces, NUL and control characters, alternate data streams, `.phtml` and its kin,
//! image magic before the script, declared types that contradict the content.
//!
//! # References
//! OWASP File Upload Cheat Sheet; CWE-434.

use picket_request::Place;

use crate::{
    Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    bytes::{contains_ignore_case, find_ignore_case},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Upload, name: "upload", version: 1, gate: Gate::Any(gate), run };

static SCRIPT_NAME: Fact = Fact::new("the name of a server-side script", FactKind::Effect, 100);
static DISGUISED: Fact = Fact::new("a server-side script's name in disguise", FactKind::Effect, 105);
static CONFIGURATION: Fact = Fact::new("a web server's configuration file", FactKind::Effect, 100);
static SESSION_FILE: Fact = Fact::new("the file of a PHP session", FactKind::Effect, 100);
static LEAVES: Fact = Fact::new("a file name that leaves its folder", FactKind::Breakout, 100);
static SERVER_CODE: Fact = Fact::new("server-side script in the content", FactKind::Effect, 100);
static HIDDEN_CODE: Fact = Fact::new("server-side script inside an image or archive", FactKind::Effect, 110);
static MARKED_IMAGE: Fact = Fact::new("a drawing with script", FactKind::Effect, 100);
static ARCHIVED: Fact = Fact::new("an archive with a script whose name leaves its folder", FactKind::Effect, 100);
static MASKED_PATH: Fact = Fact::new("a server-side script as a path, with a tail that hides it from the server", FactKind::Effect, 100);
static EXECUTABLE: Fact = Fact::new("a program", FactKind::Structure, 40);

/// Extensions that web servers run.
const SCRIPTS: &[&[u8]] = &[
    b"php", b"php2", b"php3", b"php4", b"php5", b"php6", b"php7", b"php8", b"phps", b"pht", b"phtm", b"phtml", b"phpt", b"pgif", b"phar", b"inc", b"hphp", b"ctp", b"module",
    b"jsp", b"jspx", b"jspa", b"jsw", b"jsv", b"jspf", b"jtml", b"jhtml", b"wss", b"do", b"action", b"asp", b"aspx", b"config", b"cer", b"asa", b"ashx", b"asmx", b"ascx",
    b"axd", b"cshtml", b"vbhtml", b"soap", b"rem", b"cfm", b"cfml", b"cfc", b"dbm", b"cgi", b"shtml", b"shtm", b"stm",
];
/// The part of them that has a use outside web servers, so that a name alone says little.
const SHARED: &[&[u8]] = &[b"inc", b"module", b"do", b"action", b"config", b"rem", b"soap", b"cer", b"wss", b"jsv", b"ctp", b"stm", b"dbm", b"jsw"];
const CONFIGURATIONS: &[&[u8]] = &[b".htaccess", b".htpasswd", b"web.config", b".user.ini", b"php.ini", b"httpd.conf", b"crossdomain.xml"];
const PROGRAMS: &[&[u8]] = &[b"exe", b"dll", b"scr", b"com", b"bat", b"cmd", b"ps1", b"vbs", b"hta", b"msi", b"war", b"jar"];

fn gate(input: &Input<'_>) -> bool {
    matches!(input.place, Place::FileName | Place::FileContent)
        || input.place == Place::Header && is_name_header(input.name)
        || is_name_parameter(input)
        || input.place == Place::Path
}

/// A parameter that names the file to be stored: `fileName=x.jsp`. A path is what error reports have there.
fn is_name_parameter(input: &Input<'_>) -> bool {
    matches!(input.place, Place::Query | Place::Form | Place::Multipart | Place::Xml)
        && input.name.len() >= 8
        && input.bytes.len() < 128
        && contains_ignore_case(input.name, b"filename")
        && (memchr::memchr2(b'/', b':', input.bytes).is_none() || memchr::memmem::find(input.bytes, b"../").is_some())
}

/// Headers in which upload scripts hand on a file's name.
fn is_name_header(name: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[b"x-filename", b"x_filename", b"x.filename", b"x-file-name", b"x_file_name", b"x.file.name", b"x-file.name"];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    match input.place {
        Place::FileName => name(input.bytes, sink),
        Place::Header if is_name_header(input.name) => name(input.bytes, sink),
        _ if is_name_parameter(input) => name(input.bytes, sink),
        Place::FileContent => content(input.bytes, sink),
        Place::Path => path(input.bytes, sink),
        _ => {}
    }
}

/// `/shell.jsp/`, `/shell.jsp%20`, `/page.asp::$DATA`: the server that maps extensions to its script engine sees none, and
/// stores or shows the file. PHP is left out, because `index.php/` is how its own routers are called.
fn path(bytes: &[u8], sink: &mut Sink<'_>) {
    const ENGINES: &[&[u8]] = &[b".jsp", b".jspx", b".asp", b".aspx"];
    let tails: &[&[u8]] = &[b"/", b" ", b"%20", b"::$data", b"::$DATA", b"\0", b"%00"];
    let Some(script) = tails.iter().find_map(|tail| bytes.strip_suffix(*tail)) else { return };
    let is = |end: &&[u8]| script.len() >= end.len() && script.get(script.len() - end.len()..).is_some_and(|tail| tail.eq_ignore_ascii_case(end));
    if ENGINES.iter().any(is) {
        sink.report(0..bytes.len(), &[&MASKED_PATH]);
    }
}

fn name(bytes: &[u8], sink: &mut Sink<'_>) {
    let whole = 0..bytes.len();
    if memchr::memmem::find(bytes, b"../").is_some() || memchr::memmem::find(bytes, b"..\\").is_some() {
        sink.report(whole.clone(), &[&LEAVES]);
    }
    let file = bytes.rsplit(|b| matches!(b, b'/' | b'\\')).next().unwrap_or(bytes);
    if CONFIGURATIONS.iter().any(|known| known.eq_ignore_ascii_case(file.trim_ascii())) {
        sink.report(whole, &[&CONFIGURATION]);
        return;
    }
    let session = file.get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"sess_")) && file.len() >= 25;
    if session && file.get(5..).is_some_and(|id| id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b',' | b'-'))) {
        sink.report(whole, &[&SESSION_FILE]);
        return;
    }
    // What servers and file systems cut off, and what only looks like an end.
    let cut = file.iter().position(|&b| b == 0 || b == b';' || b == b':' || b == b'%').unwrap_or(file.len());
    let shown = file.get(..cut).unwrap_or_default();
    let trimmed = {
        let end = shown.iter().rposition(|&b| !(b == b'.' || b <= b' ' || matches!(b, b'"' | b'\'' | b')' | b'}'))).map_or(0, |at| at + 1);
        shown.get(..end).unwrap_or_default()
    };
    let odd = trimmed.len() != file.len();
    let mut parts = trimmed.split(|&b| b == b'.').skip(1).peekable();
    let mut inner = None;
    let mut last = None;
    while let Some(part) = parts.next() {
        let clean: Vec<u8> = part.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
        let script = SCRIPTS.iter().any(|known| known.eq_ignore_ascii_case(&clean));
        let shared = SHARED.iter().any(|known| known.eq_ignore_ascii_case(&clean));
        let dressed = clean.len() != part.len();
        if script && parts.peek().is_none() {
            last = Some((shared, dressed || odd));
        } else if script && !shared {
            inner = Some(parts.peek().copied().unwrap_or_default());
        } else if parts.peek().is_none() && PROGRAMS.iter().any(|known| known.eq_ignore_ascii_case(&clean)) {
            sink.report(whole.clone(), &[&EXECUTABLE]);
        }
    }
    // `report.php.txt` is a listing; `avatar.php.jpg` claims to be an image.
    let claims_image = inner.is_some_and(|end: &[u8]| {
        [&b"jpg"[..], b"jpeg", b"png", b"gif", b"bmp", b"webp", b"svg", b"ico", b"pdf"].iter().any(|image| image.eq_ignore_ascii_case(end))
    });
    match last {
        Some((false, true)) => sink.report(whole, &[&DISGUISED]),
        Some((false, false)) => sink.report(whole, &[&SCRIPT_NAME]),
        _ if claims_image => sink.report(whole, &[&DISGUISED]),
        _ => {}
    }
}

fn content(bytes: &[u8], sink: &mut Sink<'_>) {
    let image = is_binary(bytes);
    let span = |at: usize| at..bytes.len().min(at + 80);
    if let Some(at) = server_code(bytes, image) {
        sink.report(span(at), &[if image { &HIDDEN_CODE } else { &SERVER_CODE }]);
    }
    let head = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    if let Some(at) = find_ignore_case(head, b"<svg").filter(|_| !contains_ignore_case(head, b"<html"))
        && (contains_ignore_case(bytes, b"<script") || contains_ignore_case(bytes, b"onload=") || contains_ignore_case(bytes, b"javascript:"))
    {
        sink.report(span(at), &[&MARKED_IMAGE]);
    }
    // The first field of a tar archive is a file's name.
    if bytes.starts_with(b"../") && bytes.len() > 100 {
        sink.report(0..3, &[&ARCHIVED]);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        let names = bytes.get(..bytes.len().min(8192)).unwrap_or_default();
        if memchr::memmem::find(names, b"../").is_some() || memchr::memmem::find(names, b"..\\").is_some() {
            sink.report(0..4, &[&ARCHIVED]);
        }
    }
}

fn is_binary(bytes: &[u8]) -> bool {
    const MAGICS: &[&[u8]] = &[b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"BM", b"RIFF", b"PK\x03\x04", b"%PDF", b"\x1f\x8b", b"Rar!", b"II*\x00", b"MM\x00*"];
    MAGICS.iter().any(|magic| bytes.starts_with(magic))
}

/// Where server-side script begins. In compressed data two or three bytes occur by chance, so a tag must be followed by
/// what would run.
fn server_code(bytes: &[u8], binary: bool) -> Option<usize> {
    for at in memchr::memchr_iter(b'<', bytes) {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let window = rest.get(..rest.len().min(200)).unwrap_or_default();
        let printable = window.iter().take(12).all(|&b| b.is_ascii_graphic() || b.is_ascii_whitespace());
        if window.get(..4).is_some_and(|tag| tag.eq_ignore_ascii_case(b"?php"))
            && window.get(4).is_none_or(u8::is_ascii_whitespace)
        {
            return Some(at);
        }
        if window.starts_with(b"?=") && printable && window.iter().any(|b| matches!(b, b'$' | b'(' | b'`')) {
            return Some(at);
        }
        if window.starts_with(b"%") && printable && (!binary || window.len() > 20) {
            const CALLS: &[&[u8]] = &[
                b"out.print", b"request.", b"response.", b"runtime", b"java.", b"server.", b"eval", b"execute", b"page ", b"@page", b"import=", b"createobject", b"new ", b"system.",
            ];
            if CALLS.iter().any(|call| contains_ignore_case(window, call)) {
                return Some(at);
            }
        }
        if window.get(..6).is_some_and(|tag| tag.eq_ignore_ascii_case(b"script")) {
            let tag = window.get(..memchr::memchr(b'>', window).unwrap_or(0)).unwrap_or_default();
            if contains_ignore_case(tag, b"runat") || contains_ignore_case(tag, b"php") {
                return Some(at);
            }
        }
        if window.get(..4).is_some_and(|tag| tag.eq_ignore_ascii_case(b"jsp:")) || window.get(..10).is_some_and(|tag| tag.eq_ignore_ascii_case(b"cfexecute ")) {
            return Some(at);
        }
    }
    None
}

//! # What it detects
//!
//! A value that leaves the folder it is meant for (`../../x` in any spelling), that names a file of the system or of
//! a server by its absolute path, or that reads through a file scheme or stream wrapper (`file:///`, `php://filter`).
//!
//! # Why it matters
//!
//! A function that opens a file by a name from the request gives away its code, its environment variables (and with
//! them its credentials) and everything that its layers hold.
//!
//! # Example
//!
//! `?file=..%2f..%2fproc%2fself%2fenviron`
//!
//! # Known false positives
//!
//! Developers send each other relative imports (`../../lib/x.js`) and absolute paths of configuration files. In a text or a
//! document such a path is structure only, and doubt lowers it; it decides only where the path is the whole value.
//!
//! # Evasions covered
//!
//! Dots and slashes in percent encoding (repeated, broken apart, `%u`), overlong UTF-8 with sloppy continuation bytes,
//! full-width and mathematical look-alikes, backslashes, path parameters (`..;/`), tripled dots and doubled slashes for
//! filters that remove `../` once, NUL and control bytes inside, `0x2f`, a lost percent sign (`..2f`), a prefix that is
//! walked out of again, a NUL suffix.
//!
//! # References
//!
//! CWE-22, CWE-36, CWE-73, CAPEC-126; RFC 3986 section 5.2.4; OWASP Web Security Testing Guide, directory traversal.

use picket_request::Place;

use crate::{
    Class, Detector, Evidence, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    paths::{BREAKS, Fold, Sensitivity, Unit, Walk, is_system_folder, sensitivity, sensitivity_above, walk},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Traversal, name: "traversal", version: 1, gate: Gate::With(&[Class::Slash, Class::Backslash, Class::Percent, Class::Dot, Class::High], gate), run };

static CLIMB_ONE: Fact = Fact::new("leaves its folder", FactKind::Structure, 45);
static CLIMB_TWO: Fact = Fact::new("leaves its folder by two steps", FactKind::Breakout, 100);
static CLIMB_FAR: Fact = Fact::new("leaves its folder by three steps or more", FactKind::Breakout, 100);
static TEXT_CLIMB: Fact = Fact::new("a relative path in a text", FactKind::Structure, 30);
static TEXT_FAR: Fact = Fact::new("a path that climbs very far", FactKind::Structure, 60);
static TARGET_DOTS: Fact = Fact::new("steps up in the request's own path", FactKind::Breakout, 100);
static DISGUISED: Fact = Fact::new("dots or slashes in disguise", FactKind::Effect, 70);
static BENT: Fact = Fact::new("steps up that survive a filter", FactKind::Effect, 40);
static SECRET: Fact = Fact::new("a file that gives secrets away", FactKind::Effect, 100);
static SECRET_IN_TEXT: Fact = Fact::new("a telling file in a text", FactKind::Lexical, 40);
static SYSTEM: Fact = Fact::new("a file of the system by its absolute path", FactKind::Effect, 100);
static NUL: Fact = Fact::new("the path ends in a NUL", FactKind::Breakout, 100);
static WRAPPER: Fact = Fact::new("a stream wrapper", FactKind::Effect, 100);
static FILE_SCHEME: Fact = Fact::new("a file scheme", FactKind::Effect, 100);
static SERVER_SIDE: Fact = Fact::new("a file that only the server reads", FactKind::Effect, 60);
static ADMIN_SHARE: Fact = Fact::new("an administrative share", FactKind::Effect, 100);
static ONLY_DOTS: Fact = Fact::new("nothing but dots and separators", FactKind::Breakout, 100);
static UNC: Fact = Fact::new("a share of another machine", FactKind::Structure, 60);
static RELATIVE_LINK: Fact = Fact::new("an ordinary relative link", FactKind::Doubt, 40);

fn gate(input: &Input<'_>) -> bool {
    input.bytes.len() >= 4
        && (input.classes.any(&[Class::Slash, Class::Backslash])
            || (input.classes.has(Class::Percent) && input.bytes.len() >= 6)
            || (input.classes.has(Class::Dot) && input.classes.has(Class::Control))
            || (input.classes.has(Class::Dot) && has_dots(input.bytes))
            || (input.classes.has(Class::High) && has_disguise(input.bytes)))
}

/// Bytes that no valid UTF-8 holds, and the full-width slash.
fn has_disguise(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| matches!(byte, 0xc0 | 0xc1 | 0xf8 | 0xfc))
        || memchr::memmem::find(bytes, "／".as_bytes()).is_some()
        || memchr::memmem::find(bytes, b"\x80\x80").is_some()
}

fn has_dots(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'.', bytes).any(|at| bytes.get(at + 1) == Some(&b'.'))
}

/// A path found in a view.
struct Token {
    start: usize,
    end: usize,
    /// Disguised units among its dots and separators.
    odd: u32,
    /// Dots that follow a dot, and separators.
    dots: u32,
    separators: u32,
    nul: bool,
    /// Whether percent signs were lost in it.
    eaten: bool,
    /// Whether hexadecimal literals stand in it.
    literal: bool,
}

/// Bytes that stand for themselves in every spelling of a path.
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8, b'a'..=b'z' | b'A'..=b'Z' | b'1' | b'3' | b'4' | b'6'..=b'9' | b'-' | b'_' | b':' | b'~' | b'@' | b'+');
        byte += 1;
    }
    table
};

/// Bytes that neither end a word nor take part in a step or a separator in any spelling.
static DULL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let telling = matches!(byte as u8, b'/' | b'\\' | b'.' | b'%' | b'?' | b'0' | 0..=0x1f | 0x7f | 0xc0..);
        table[byte] = !telling && !BREAKS[byte];
        byte += 1;
    }
    table
};

/// How long the word is that begins here, with the byte that ends it, if it cannot be a path: most of a text is such words.
fn dull_word(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().take_while(|byte| DULL[**byte as usize]).count();
        match bytes.get(at..)? {
            [] => return Some(at),
            [byte, ..] if BREAKS[*byte as usize] => return Some(at + 1),
            // A dot within a word, or at its end.
            [b'.', next @ ..] if at > 0 && next.first() != Some(&b'.') => at += 1,
            [b'0', next @ ..] if !matches!(next.first(), Some(b'x' | b'X')) => at += 1,
            _ => return None,
        }
    }
}

/// The one folder with a blank that matters.
fn names_program_files(path: &[u8], rest: &[u8]) -> bool {
    let program = |tail: &[u8]| tail.eq_ignore_ascii_case(b"/program");
    path.len().checked_sub(8).and_then(|at| path.get(at..)).is_some_and(program)
        && rest.get(1..6).is_some_and(|next| next.eq_ignore_ascii_case(b"files"))
}

fn run(input: &Input<'_>, scratch: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    let path = &mut scratch.path;
    let mut at = 0;
    while at < bytes.len() {
        if let Some(word) = bytes.get(at..).and_then(dull_word) {
            at += word.max(1);
            continue;
        }
        path.clear();
        let mut token = Token { start: at, end: at, odd: 0, dots: 0, separators: 0, nul: false, eaten: false, literal: false };
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let plain = rest.iter().take_while(|byte| PLAIN[**byte as usize]).count();
            if plain > 0 {
                path.extend_from_slice(rest.get(..plain).unwrap_or_default());
                at += plain;
                continue;
            }
            // What most paths are made of, and what no spelling before it changes.
            match rest.first() {
                Some(b'.') => {
                    token.dots += u32::from(path.last() == Some(&b'.'));
                    path.push(b'.');
                    at += 1;
                    continue;
                }
                Some(b'/' | b'\\') => {
                    token.separators += 1;
                    path.push(b'/');
                    at += 1;
                    continue;
                }
                Some(digit @ (b'2' | b'5')) if !token.eaten && !path.ends_with(b"..") => {
                    path.push(*digit);
                    at += 1;
                    continue;
                }
                _ => {}
            }
            token.literal |= [&b"0x2e"[..], b"0x2f", b"0x5c"].iter().any(|literal| rest.starts_with(literal));
            let fold = if token.literal && rest.starts_with(b"0x") {
                Fold::literal(rest)
            } else if token.eaten { Fold::eaten_percent(rest) } else { Fold::read(rest, path) };
            let fold = if fold.odd { fold } else { Fold::read(rest, path) };
            at += fold.len;
            match fold.unit {
                Unit::Break if rest.starts_with(b" ") && names_program_files(path, rest) => path.push(b' '),
                Unit::Break => break,
                Unit::Separator => {
                    token.separators += 1;
                    token.odd += u32::from(fold.odd);
                    token.eaten |= fold.odd && matches!(rest, [b'2' | b'5', ..]);
                    path.push(b'/');
                }
                Unit::Dot => {
                    token.dots += u32::from(path.last() == Some(&b'.'));
                    token.odd += u32::from(fold.odd);
                    path.push(b'.');
                }
                Unit::Nul => {
                    token.nul = true;
                    path.push(0);
                }
                Unit::Skip => token.odd += 1,
                Unit::Byte(byte) => path.push(byte),
            }
            token.end = at;
        }
        token.end = at.max(token.start);
        if (token.separators > 0 || token.dots > 1 || path.starts_with(b".")) && path.len() > 2 {
            judge(input, path, &token, sink);
        }
    }
}

/// Whether the path is all that the value is, but for blanks around it.
fn is_whole(input: &Input<'_>, token: &Token, path: &[u8]) -> bool {
    let leads = input.bytes.get(..token.start).is_some_and(|head| head.trim_ascii().is_empty());
    let drive = matches!(path, [letter, b':', b'/', ..] if letter.is_ascii_alphabetic());
    let tail = input.bytes.get(token.end..).unwrap_or_default();
    let drive = drive || path.get(..9).is_some_and(|head| head.eq_ignore_ascii_case(b"/program "));
    let deep = || path.iter().filter(|byte| **byte == b'/').count() >= 2 || memchr::memchr2(b'/', b'\\', tail).is_some();
    leads && (drive && deep() || input.bytes.get(token.end..).is_some_and(|tail| tail.trim_ascii().is_empty()))
}

fn judge(input: &Input<'_>, path: &[u8], token: &Token, sink: &mut Sink<'_>) {
    let mut facts = Evidence::default();
    let mut add = |fact: &'static Fact| facts.add(fact);
    let whole = is_whole(input, token, path);
    let target = input.place == Place::Path;
    let (scheme, path) = split_scheme(path);
    let walked = walk(path);
    let disguised = token.odd > 0 && walked.ups > 0;
    let document = matches!(input.place, Place::FileContent | Place::Body | Place::Xml | Place::XmlMarkup | Place::Graphql);
    // The text of an element that climbs from the root is a path, and no link of a document.
    let document = document && !(input.place == Place::Xml && whole && path.starts_with(b"/.."));
    climbs(input, &walked, whole && !document, path, &mut add);
    if disguised {
        add(&DISGUISED);
    }
    if walked.bent > 0 && walked.escapes > 0 && walked.bent == walked.ups && (whole || target) {
        add(&BENT);
    }
    let above = if walked.escapes > 1 { sensitivity_above(path) } else { None };
    match sensitivity(path).max(above) {
        Some(Sensitivity::Secret) if whole || target || walked.escapes > 0 || token.odd > 0 => add(&SECRET),
        Some(Sensitivity::Secret) => add(&SECRET_IN_TEXT),
        Some(Sensitivity::System) if walked.escapes > 0 || (whole && !target) => add(&SYSTEM),
        _ if walked.escapes > 1 && path.windows(3).rposition(|window| window == b"../").is_some_and(|at| is_system_folder(path.get(at + 2..).unwrap_or_default())) => {
            add(&SYSTEM);
        }
        _ => {}
    }
    let only_dots = walked.names == 0 && path.len() > 3 && path.iter().filter(|byte| **byte == b'.').count() > 2 && path.iter().all(|byte| matches!(byte, b'.' | b'/' | b';'));
    if whole && !document && only_dots && (token.odd > 0 || walked.bent > 0 || input.classes.has(Class::Backslash) || walked.ups > 0) {
        add(&ONLY_DOTS);
    }
    if walked.escapes > 0 && whole && input.place != Place::Json && server_side(path) {
        add(&SERVER_SIDE);
    }
    if token.nul && (whole || target) && path.contains(&b'/') {
        add(&NUL);
    }
    match scheme {
        Some(Scheme::Wrapper) if whole || target || starts_value(input, token) => add(&WRAPPER),
        Some(Scheme::File) if whole || target => add(&FILE_SCHEME),
        _ => {}
    }
    if whole && !document && input.bytes.starts_with(b"\\\\") && walked.names >= 2 {
        add(if path.contains(&b'$') { &ADMIN_SHARE } else { &UNC });
    }
    facts.with(|facts| sink.report(token.start..token.end, facts));
}

fn starts_value(input: &Input<'_>, token: &Token) -> bool {
    input.bytes.get(..token.start).is_some_and(|head| head.trim_ascii().is_empty())
}

fn climbs(input: &Input<'_>, walked: &Walk, whole: bool, path: &[u8], add: &mut impl FnMut(&'static Fact)) {
    if walked.ups == 0 {
        return;
    }
    if input.place == Place::Path {
        add(&TARGET_DOTS);
        return;
    }
    if walked.escapes == 0 {
        return;
    }
    let ordinary = walked.bent == 0 && !path.starts_with(b"/") && ordinary_link(path);
    let json = input.place == Place::Json;
    match (whole, walked.escapes) {
        (true, _) if input.place == Place::FileName || path.starts_with(b"/..") => add(&CLIMB_FAR),
        (true, 1) => add(&CLIMB_ONE),
        (true, 2) if json && walked.names > 0 => add(&CLIMB_ONE),
        (true, 2) if !ordinary || !json => add(&CLIMB_TWO),
        (true, 3..) if !ordinary || !json => add(&CLIMB_FAR),
        (_, 5..) => add(&TEXT_FAR),
        _ => add(&TEXT_CLIMB),
    }
    if ordinary && !server_side(path) {
        add(&RELATIVE_LINK);
    }
}

/// Extensions of what web pages, packages and build files link to.
static LINKED: &[&[u8]] = &[
    b"js", b"ts", b"mjs", b"cjs", b"tsx", b"jsx", b"json", b"css", b"scss", b"less", b"html", b"htm", b"md", b"png", b"jpg",
    b"jpeg", b"gif", b"svg", b"webp", b"woff", b"woff2", b"ttf", b"eot", b"vue", b"map", b"pdf", b"tf", b"py", b"rs", b"go",
    b"ico", b"mp4", b"mp3", b"yml", b"yaml", b"toml", b"csv", b"rst",
];

/// Whether a relative path leads where pages, packages and build files link to.
fn ordinary_link(path: &[u8]) -> bool {
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let mut parts = last.rsplit(|byte| *byte == b'.');
    let extension = parts.next().unwrap_or_default();
    let folder = parts.next().is_none() && last.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'@'));
    folder || LINKED.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

/// Whether a file is one that servers run or read and never link to.
fn server_side(path: &[u8]) -> bool {
    const RUN: &[&[u8]] = &[
        b"php", b"jsp", b"jspx", b"asp", b"aspx", b"ashx", b"asmx", b"cfm", b"config", b"properties", b"ini", b"conf", b"cnf", b"log",
        b"sql", b"db", b"sqlite", b"mdb", b"bak", b"env", b"pem", b"key", b"inc", b"pl", b"cgi", b"htaccess", b"htpasswd", b"dat",
    ];
    let end = path.iter().position(|byte| matches!(byte, 0 | b'?' | b'#' | b';')).unwrap_or(path.len());
    let last = path.get(..end).unwrap_or_default().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let extension = last.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    last.contains(&b'.') && RUN.iter().any(|known| known.eq_ignore_ascii_case(extension)) || last.eq_ignore_ascii_case(b"web-inf")
}

#[derive(Clone, Copy)]
enum Scheme {
    /// Reads a file of the machine.
    File,
    /// A wrapper of a language runtime.
    Wrapper,
}

/// Splits `file:` and stream wrappers off a folded path.
fn split_scheme(path: &[u8]) -> (Option<Scheme>, &[u8]) {
    const WRAPPERS: &[&[u8]] = &[
        b"php", b"expect", b"phar", b"zip", b"glob", b"compress.zlib", b"compress.bzip2", b"rar", b"ogg", b"ssh2.exec",
        b"ssh2.shell", b"zlib", b"netdoc",
    ];
    let path = path.strip_prefix(b"url:").or_else(|| path.strip_prefix(b"jar:")).unwrap_or(path);
    let Some(colon) = path.iter().take(15).position(|byte| *byte == b':') else { return (None, path) };
    let (name, rest) = (path.get(..colon).unwrap_or_default(), path.get(colon + 1..).unwrap_or_default());
    let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    if name.eq_ignore_ascii_case(b"file") && rest.starts_with(b"/") {
        let mut rest = rest;
        while let [b'/', tail @ ..] = rest
            && tail.starts_with(b"/")
        {
            rest = tail;
        }
        return (Some(Scheme::File), rest);
    }
    if name.eq_ignore_ascii_case(b"data") && (rest.starts_with(b"//") || rest.starts_with(b"application/x-httpd-php")) {
        return (Some(Scheme::Wrapper), rest);
    }
    if rest.starts_with(b"//") && WRAPPERS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return (Some(Scheme::Wrapper), rest);
    }
    (None, path)
}

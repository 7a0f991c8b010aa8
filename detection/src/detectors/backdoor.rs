//! Web shells and their parameters.
//!
//! # What it detects
//! Requests for the files under which web shells are usually installed, and the parameters by which they are driven.
//!
//! # Why it matters
//! Such a request asks whether somebody else's break-in can be used, or uses one's own.
//!
//! # Example
//! `/uploads/c99.php?act=ls`
//!
//! # Known false positives
//! A site that keeps a file of that name on purpose.
//!
//! # Evasions covered
//! Case, any folder, any script extension.
//!
//! # References
//! MITRE ATT&CK T1505.003.

use picket_request::Place;

use crate::{Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Backdoor, name: "backdoor", version: 1, gate: Gate::Any(gate), run };

static SHELL: Fact = Fact::new("the file of a known web shell", FactKind::Lexical, 100);
static HEADER: Fact = Fact::new("a header that a known backdoor answers to", FactKind::Lexical, 100);

/// Stems of web shells that have no other use.
const STEMS: &[&[u8]] = &[
    b"c99", b"c99shell", b"c100", b"r57", b"r57shell", b"b374k", b"wso", b"wso2", b"alfa", b"alfashell", b"alfav4", b"antichat", b"weevely", b"webshell", b"backdoor",
    b"c0derz", b"cmdshell", b"cmdasp", b"cmdjsp", b"jspspy", b"aspxspy", b"aspydrv", b"ntdaddy", b"php-backdoor", b"simple-backdoor", b"qsd-php-backdoor", b"phpspy",
    b"angelshell", b"indoxploit", b"marijuana", b"gecko-new", b"p0wny-shell", b"p0wny", b"sadrazam", b"locus7s", b"safe0ver", b"dhshell", b"megabor", b"lolipop", b"mini-shell",
    b"minishell", b"bypass403", b"wp-shell", b"tiny-shell", b"0byt3m1n1", b"fx29shell", b"gfs_sh", b"kacak", b"zaco", b"egyspider", b"nstview", b"remview", b"stunshell",
];

const EXTENSIONS: &[&[u8]] = &[b"php", b"php3", b"php4", b"php5", b"php7", b"phtml", b"asp", b"aspx", b"jsp", b"jspx", b"cfm", b"cgi", b"pl", b"ashx", b"phar"];

fn gate(input: &Input<'_>) -> bool {
    input.place == Place::Path || input.place == Place::HeaderName
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    if input.place == Place::HeaderName {
        if bytes.eq_ignore_ascii_case(b"x_key") || bytes.eq_ignore_ascii_case(b"x_file") || bytes.eq_ignore_ascii_case(b"user-agentt") {
            sink.report(0..bytes.len(), &[&HEADER]);
        }
        return;
    }
    if input.place != Place::Path {
        return;
    }
    let mut at = 0;
    for segment in bytes.split(|&b| b == b'/') {
        let start = at;
        at += segment.len() + 1;
        let Some(dot) = memchr::memrchr(b'.', segment) else { continue };
        let (stem, extension) = (segment.get(..dot).unwrap_or_default(), segment.get(dot + 1..).unwrap_or_default());
        let known = |table: &[&[u8]], word: &[u8]| table.iter().any(|entry| entry.eq_ignore_ascii_case(word));
        if stem.len() <= 20 && known(EXTENSIONS, extension) && known(STEMS, stem) {
            sink.report(start..start + segment.len(), &[&SHELL]);
        }
    }
}

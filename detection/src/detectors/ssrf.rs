//! # What it detects
//!
//! A URL aimed at the inside: loopback, private and link-local addresses and metadata services, in every spelling of an
//! address, and schemes that speak other protocols for the attacker (`gopher:`, `dict:`, `jar:` …).
//!
//! # Why it matters
//!
//! A function in a VPC reaches what the internet does not; a function that fetches URLs lends that reach to anybody.
//!
//! # Example
//!
//! `?url=http://0x7f.1:6379/`
//!
//! # Known false positives
//!
//! Developers register `http://localhost:3000/callback` with login providers, and tools listen on a high port of the
//! loopback address: such a URL is likely at most. A URL in a text is possible at most.
//!
//! # Evasions covered
//!
//! Decimal, octal, hexadecimal, short and mixed IPv4; IPv4 in IPv6; circled and full-width digits, ideographic full stops; wildcard
//! DNS services; user parts, backslashes and fragments that clients read differently; missing slashes; wrapped schemes.
//!
//! # References
//!
//! CWE-918, CAPEC-664; RFC 6890; WHATWG URL standard, host parsing; OWASP Server-Side Request Forgery Prevention.

use picket_request::Place;

use crate::{
    Class, Detector, Evidence, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    urls::{Reach, Target, URLS, Url, is},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Ssrf, name: "ssrf", version: 1, gate: Gate::With(&[Class::Colon, Class::Slash, Class::Backslash], gate), run };

static INSIDE: Fact = Fact::new("aimed at the inside", FactKind::Structure, 40);
static METADATA: Fact = Fact::new("aimed at a metadata service", FactKind::Structure, 100);
static DISGUISED: Fact = Fact::new("an address in disguise", FactKind::Effect, 60);
static WHOLE: Fact = Fact::new("the whole value is that URL", FactKind::Structure, 30);
static WELL_KNOWN_PORT: Fact = Fact::new("a service's own port", FactKind::Structure, 35);
static ADMINISTRATIVE: Fact = Fact::new("a page by which a service is administered", FactKind::Structure, 35);
static PROTOCOL: Fact = Fact::new("a scheme that speaks for the attacker", FactKind::Effect, 60);
static SCHEMELESS: Fact = Fact::new("without a scheme, and with a path", FactKind::Structure, 35);
static QUOTED: Fact = Fact::new("quoted in a text", FactKind::Doubt, 80);
static TEXT: Fact = Fact::new("a URL in a text", FactKind::Doubt, 40);

fn gate(input: &Input<'_>) -> bool {
    input.classes.any(&[Class::Slash, Class::Backslash, Class::Digit])
        && (input.classes.has(Class::Colon) || names_the_inside(input) || input.bytes.starts_with(b"//") || input.bytes.starts_with(b"\\\\"))
        && input.bytes.len() >= 8
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    if says_where_it_comes_from(input) {
        return;
    }
    if names_the_inside(input) {
        sink.report(0..input.bytes.len(), &[&INSIDE, &WHOLE, &SCHEMELESS]);
    }
    if let Some(url) = Url::relative(input.bytes) {
        judge(input, &url, sink);
    }
    let mut from = 0;
    for _ in 0..URLS {
        let Some(url) = Url::find(input.bytes, from) else { break };
        judge(input, &url, sink);
        // What follows the scheme may be a URL again: `jar:http://…`, `https://proxy/?url=http://…`.
        from = (url.start + url.scheme.len() + 1).max(from + 1);
    }
}

/// Headers in which a client names itself or the page that it was on, never a target.
fn says_where_it_comes_from(input: &Input<'_>) -> bool {
    input.place == Place::Header && is(input.name, &[b"host", b"origin", b"referer", b"referrer", b"x-forwarded-host", b"forwarded", b"x-forwarded-for", b":authority"])
}

/// `localhost/`, `kubernetes.default.svc.cluster.local/x`: a name that only the inside resolves, with a path and nothing else.
fn names_the_inside(input: &Input<'_>) -> bool {
    if !matches!(input.place, Place::Query | Place::Form | Place::Multipart | Place::Json | Place::Xml | Place::Cookie) || input.bytes.len() > 128 {
        return false;
    }
    let Some(slash) = memchr::memchr(b'/', input.bytes) else { return false };
    let host = input.bytes.get(..slash).unwrap_or_default();
    const NAMES: &[&[u8]] = &[
        b"localhost", b"localhost4", b"localhost6", b"localhost.localdomain", b"localhost4.localdomain4", b"localhost6.localdomain6", b"ip6-localhost", b"ip6-loopback",
        b"ipv6-localhost", b"ipv6-loopback", b"host.docker.internal", b"gateway.docker.internal", b"kubernetes.docker.internal", b"kubernetes.default",
        b"kubernetes.default.svc", b"kubernetes.default.svc.cluster.local", b"metadata.google.internal", b"instance-data",
    ];
    is(host, NAMES) && (input.place != Place::Json || host.len() > 9)
}

fn judge(input: &Input<'_>, url: &Url<'_>, sink: &mut Sink<'_>) {
    const PROTOCOLS: &[&[u8]] = &[b"gopher", b"dict", b"tftp", b"ldap", b"ldaps", b"netdoc", b"jar", b"sftp", b"smb", b"imap", b"pop3", b"telnet", b"mysql", b"redis", b"ssh", b"xri"];
    let mut facts = Evidence::default();
    let head = input.bytes.get(..url.start).unwrap_or_default().trim_ascii();
    let tail = input.bytes.get(url.end..).unwrap_or_default();
    let wrapped = head.ends_with(b":") && head.len() < 16;
    let whole = head.is_empty() || wrapped || head.ends_with(b"=");
    let spelled_twice = whole && tail.starts_with(b" =");
    let alone = whole && tail.trim_ascii().is_empty();
    let protocol = is(url.scheme, PROTOCOLS) || (wrapped && is(head.strip_suffix(b":").unwrap_or_default(), PROTOCOLS));
    let found = url.reaches(tail);
    // `jdbc:mysql://localhost:3306/x` says where a program of the sender's keeps its data.
    let connection = head.eq_ignore_ascii_case(b"jdbc:");
    if protocol && whole && !connection && (found.is_some() || is(url.scheme, &[b"gopher", b"dict", b"netdoc", b"tftp"]) || wrapped) {
        facts.add(&PROTOCOL);
        if found.is_none() {
            facts.add(&INSIDE);
        }
    }
    if let Some(Target { reach, disguised }) = found {
        let plain_web = is(url.scheme, &[b"http", b"https", b"ws", b"wss", b""]) && !disguised;
        match reach {
            Reach::AwsMetadata | Reach::Metadata => facts.add(&METADATA),
            Reach::Loopback | Reach::Private | Reach::LinkLocal => facts.add(&INSIDE),
        }
        if disguised {
            facts.add(&DISGUISED);
        }
        if whole {
            facts.add(&WHOLE);
            let path = url.path();
            let root = path.is_empty() || path == b"/";
            let low = match url.host_and_port().1 {
                Some(port) => port < 1024 || (is_service(port) && !path.starts_with(b"/auth")),
                None => root,
            };
            if connection {
                // Every database has its own scheme and port.
            } else if low || !plain_web {
                facts.add(&WELL_KNOWN_PORT);
            } else if is_administrative(path) {
                facts.add(&ADMINISTRATIVE);
            }
        }
    }
    if facts.is_empty() {
        return;
    }
    let metadata = found.is_some_and(|target| matches!(target.reach, Reach::AwsMetadata | Reach::Metadata));
    if !whole {
        facts.add(&QUOTED);
    } else if !alone && !spelled_twice && !metadata {
        facts.add(&TEXT);
    }
    facts.with(|facts| sink.report(url.start..url.end.min(input.bytes.len()), facts));
}

/// Whether a path begins with what administers a service or tells its insides; nobody is sent back to it.
fn is_administrative(path: &[u8]) -> bool {
    const PAGES: &[&[u8]] = &[
        b"admin", b"administrator", b"manager", b"console", b"jmx-console", b"web-console", b"actuator", b"server-status", b"server-info", b"metrics", b"debug", b"env", b"jolokia",
        b"phpmyadmin", b"containers", b"_cat", b"_cluster", b"_nodes", b"solr", b"shutdown", b"script", b"heapdump", b"config",
    ];
    let first = path.strip_prefix(b"/").unwrap_or(path).split(|byte| matches!(byte, b'/' | b'?' | b'#' | b';')).next().unwrap_or_default();
    is(first, PAGES)
}

/// Ports above 1023 on which databases and control planes listen, and nobody's callback does.
const fn is_service(port: u16) -> bool {
    matches!(port, 1433 | 1521 | 2375 | 2376 | 2379 | 3306 | 5432 | 5984 | 6379 | 6443 | 8500 | 9001 | 9200 | 9300 | 10250 | 10255 | 11211 | 27017)
}

//! Session fixation.
//!
//! # What it detects
//! A session id that somebody else chose: a parameter with the name of a framework's session cookie on a request that came
//! from another site, and script or markup that sets such a cookie.
//!
//! # Why it matters
//! Who knows the id of a session before its owner logs in is logged in with them.
//!
//! # Example
//! `https://shop.example/login?PHPSESSID=abc123`, followed from `https://evil.example/`
//!
//! # Known false positives
//! Single sign-on partners that hand over a framework's session id by link; general names (`session_id`) are only likely.
//!
//! # Evasions covered
//! Case, prefixes (`__Host-`, `__Secure-`), cookies set by `document.cookie`, by a meta element, or with a foreign domain.
//!
//! # References
//! OWASP Session Fixation; RFC 6265 section 8.4; CWE-384.

use picket_request::Place;

use crate::{
    Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    bytes::{contains_ignore_case, find_ignore_case, starts_ignore_case},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::SessionFixation, name: "session_fixation", version: 1, gate: Gate::Any(gate), run };

static FRAMEWORK: Fact = Fact::new("a parameter with the name of a framework's session cookie", FactKind::Lexical, 50);
static GENERAL: Fact = Fact::new("a parameter with the name of a session id", FactKind::Lexical, 30);
static FOREIGN: Fact = Fact::new("the request comes from another site", FactKind::Structure, 60);
static NO_REFERRER: Fact = Fact::new("the request names no page that it comes from", FactKind::Structure, 5);
static SETS_COOKIE: Fact = Fact::new("script or markup that sets a cookie", FactKind::Effect, 70);
static SESSION_COOKIE: Fact = Fact::new("the cookie is a session's, or for a domain or a time", FactKind::Effect, 40);

/// Names of session cookies by their frameworks, lower case, without prefixes.
const FRAMEWORKS: &[&[u8]] = &[
    b"phpsessid", b"phpsession", b"jsessionid", b"jsession", b"jservsession", b"jwsession", b"aspsession", b"asp.net_sessionid", b".aspxauth", b".aspnetcore.session",
    b"cfid", b"cftoken", b"cfsid", b"connect.sid", b"koa.sess", b"koa:sess", b"laravel_session", b"ci_session", b"cakephp", b"zend_session_id",
    b"symfony", b"_session_id", b"_rails_session", b"rack.session", b"_flask_session", b"django_session", b"sailssid", b"sails.sid", b"meteor_login_token",
    b"next-auth.session-token", b"authjs.session-token", b"shiny-token", b"shinysession", b"weblogicsession", b"websphere_session", b"wlsession", b"play_session",
    b"beaker.session.id", b"viewstateuserkey", b"servlet_session", b"zenid", b"mojolicious", b"dancer.session", b"plack_session",
];

/// Names that frameworks and telemetry share: foreign only in a navigation, which asks for a page.
const SHARED_NAMES: &[&[u8]] = &[b"sessionid", b"session-id"];

/// Names that applications also give to harmless things, such as the checkout session of a payment.
const GENERAL_NAMES: &[&[u8]] = &[b"session_id", b"sessid", b"session", b"sid", b"session-token", b"session_token"];

/// Names that say what they are, whoever gave them: `APPSESSID`, `shop_session_id`. Telemetry has such names as well, so they
/// count where a page was asked for and the browser says so.
fn is_session_name(name: &[u8]) -> bool {
    const ENDS: [&[u8]; 4] = [b"sessid", b"sessionid", b"session_id", b"session-id"];
    (7..=48).contains(&name.len())
        && ENDS.iter().any(|end| {
            name.len().checked_sub(end.len()).filter(|at| *at > 0).and_then(|at| name.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
        })
}

fn gate(input: &Input<'_>) -> bool {
    matches!(input.place, Place::Query | Place::Form | Place::Json | Place::Multipart) && !input.bytes.is_empty()
        && (is_framework(input.name) || is_session_name(input.name) || SHARED_NAMES.iter().any(|name| input.name.eq_ignore_ascii_case(name)))
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    sets_cookie(input, sink);
    if !matches!(input.place, Place::Query | Place::Form | Place::Json | Place::Multipart) || input.bytes.is_empty() {
        return;
    }
    let shared = SHARED_NAMES.iter().any(|name| input.name.eq_ignore_ascii_case(name));
    let named = is_session_name(input.name);
    let framework = is_framework(input.name) || shared && is_navigation(input, true) || named && is_navigation(input, false);
    if !framework && !shared && !named && !GENERAL_NAMES.iter().any(|name| input.name.eq_ignore_ascii_case(name)) {
        return;
    }
    let name = if framework { &FRAMEWORK } else { &GENERAL };
    match comes_from_elsewhere(input) {
        Some(true) => sink.report(0..input.bytes.len(), &[name, &FOREIGN]),
        None => sink.report(0..input.bytes.len(), &[name, &NO_REFERRER]),
        Some(false) => {}
    }
}

fn is_framework(name: &[u8]) -> bool {
    // The shortest is four bytes, the longest with a prefix below forty.
    if name.len() < 4 || name.len() > 48 {
        return false;
    }
    const PREFIXES: [&[u8]; 2] = [b"__host-", b"__secure-"];
    let prefix = PREFIXES.iter().find(|prefix| starts_ignore_case(name, prefix)).map_or(0, |prefix| prefix.len());
    let bare = name.get(prefix..).unwrap_or_default();
    FRAMEWORKS.iter().any(|known| bare.eq_ignore_ascii_case(known)) || starts_ignore_case(bare, b"aspsession")
}

/// Whether the request asks for a page, as following a link or sending a form does and a browser's beacon does not;
/// what no browser sent says nothing of it, and `silent` is what that means.
fn is_navigation(input: &Input<'_>, silent: bool) -> bool {
    input.place != Place::Json
        && input.request.is_some_and(|request| {
            let accept = request.values().iter().find(|value| {
                value.place == Place::Header && request.bytes(value.name).eq_ignore_ascii_case(b"accept")
            });
            accept.map_or(silent, |value| contains_ignore_case(request.bytes(value.text), b"text/html"))
        })
}

/// Whether the referrer names another host than the request; `None` without a referrer.
fn comes_from_elsewhere(input: &Input<'_>) -> Option<bool> {
    let request = input.request?;
    let referrer = request.values().iter().find(|value| {
        value.place == Place::Header && request.bytes(value.name).eq_ignore_ascii_case(b"referer")
    })?;
    let from = authority(request.bytes(referrer.text))?;
    let host = request.bytes(request.host);
    let host = host.split(|&b| b == b':').next().unwrap_or_default();
    Some(!host.is_empty() && !from.eq_ignore_ascii_case(host))
}

/// The host of a URL.
fn authority(url: &[u8]) -> Option<&[u8]> {
    let start = memchr::memmem::find(url, b"://")? + 3;
    let rest = url.get(start..)?;
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let authority = rest.get(..end)?.rsplit(|&b| b == b'@').next()?;
    authority.split(|&b| b == b':').next().filter(|host| !host.is_empty())
}

fn sets_cookie(input: &Input<'_>, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    let script = find_ignore_case(bytes, b"cookie").and_then(|at| {
        let before = bytes.get(at.saturating_sub(24)..at)?;
        let rest = bytes.get(at + 6..)?.trim_ascii_start();
        let assigned = rest.first() == Some(&b'=') && rest.get(1) != Some(&b'=');
        let document = contains_ignore_case(before, b"document");
        let meta = contains_ignore_case(before, b"set-") && contains_ignore_case(bytes, b"http-equiv");
        (document && assigned || meta).then_some(at)
    });
    let Some(at) = script else { return };
    let rest = bytes.get(at..bytes.len().min(at + 200)).unwrap_or_default();
    let marked = [&b"domain"[..], b"expires", b"sess", b"path=", b"sid="].iter().any(|word| contains_ignore_case(rest, word));
    let facts = [&SETS_COOKIE, &SESSION_COOKIE];
    sink.report(at..at + 6, facts.get(..1 + usize::from(marked)).unwrap_or_default());
}

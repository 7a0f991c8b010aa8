//! Which pieces of markup run script: the walk over the tokens of a value that lands in one context.

use std::ops::Range;

use super::{
    css::{Style, style},
    tables::{EVENTS, URL_ATTRIBUTES, contains},
    tokenizer::{Start, Token, Tokenizer, is_cut_script},
    url::{Follow, follow, unit},
};
use crate::{
    Fact, FactKind,
    script::{Effect, effect},
};

pub(crate) static SCRIPT_TEXT: Fact = Fact::new("a script element with code", FactKind::Effect, 105);
static SCRIPT_SOURCE: Fact = Fact::new("a script element that loads code", FactKind::Effect, 100);
static SCRIPT_OPEN: Fact = Fact::new("a script element begins", FactKind::Structure, 100);
static SCRIPT_NAMED: Fact = Fact::new("a script's start tag, and words behind it", FactKind::Structure, 60);
static SCRIPT_EMPTY: Fact = Fact::new("an empty script element", FactKind::Structure, 70);
static HANDLER: Fact = Fact::new("an event handler in a tag", FactKind::Effect, 100);
static HANDLER_EMPTY: Fact = Fact::new("an event handler without code", FactKind::Structure, 50);
static HANDLER_UNKNOWN: Fact =
    Fact::new("an attribute that looks like an event handler", FactKind::Structure, 100);
static FRAMEWORK: Fact = Fact::new("a template framework's attribute with code", FactKind::Effect, 100);
static SCRIPT_URL: Fact = Fact::new("a script URL in an attribute", FactKind::Effect, 105);
static DOCUMENT_URL: Fact =
    Fact::new("a URL that carries a document, followed by an attribute", FactKind::Effect, 100);
static SRCDOC: Fact = Fact::new("markup that runs inside an attribute", FactKind::Effect, 100);
static STYLE_RUNS: Fact = Fact::new("a style that runs script", FactKind::Effect, 100);
pub(crate) static STYLE_IMPORTS: Fact =
    Fact::new("a style that imports a foreign sheet", FactKind::Effect, 100);
static REFRESH: Fact = Fact::new("a meta element that navigates", FactKind::Effect, 100);
static META_EFFECT: Fact = Fact::new(
    "a meta element that sets a cookie, a link or a charset to smuggle script",
    FactKind::Effect,
    100,
);
static BASE: Fact = Fact::new("a base element that moves every relative URL", FactKind::Effect, 100);
static IMPORT: Fact = Fact::new("an import of a document", FactKind::Effect, 100);
pub(crate) static SHEET: Fact = Fact::new("a foreign style sheet", FactKind::Effect, 100);
static SECURE_SHEET: Fact = Fact::new("a foreign style sheet over HTTPS", FactKind::Structure, 60);
pub(crate) static PLAIN_FRAME: Fact =
    Fact::new("a foreign document over plain HTTP in a frame", FactKind::Effect, 100);
static BARE_FRAME: Fact =
    Fact::new("a foreign document in a frame, its address without quotes", FactKind::Effect, 100);
pub(crate) static FRAME: Fact =
    Fact::new("a foreign document in a frame, or a page that loads one", FactKind::Structure, 60);
static ANIMATED: Fact = Fact::new("an animation that sets an event handler or a link", FactKind::Effect, 100);
static BEHAVIOUR: Fact = Fact::new("an element of an old browser that loads code", FactKind::Effect, 100);
static DANGLING: Fact = Fact::new("an attribute left open to swallow what follows", FactKind::Structure, 40);
static PROCESSING: Fact = Fact::new("a processing instruction that loads script", FactKind::Effect, 100);

/// The strongest piece of markup of one walk.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    /// What it is.
    pub(crate) fact: &'static Fact,
    /// Where it stands.
    pub(crate) span: Range<usize>,
    /// The attribute's value, where an attribute decided; empty otherwise.
    pub(crate) value: Range<usize>,
    /// Whether it stands inside an element that shows code (`pre`, `code`, `textarea`).
    pub(crate) shown: bool,
}

/// How deep markup inside attributes is followed.
const DEPTH: usize = 2;

/// Which element is open, as far as its attributes mean something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Element {
    #[default]
    Other,
    Script,
    Meta,
    Base,
    Link,
    Frame,
    Image,
    Animation,
    Style,
    OldLoader,
    XmlEvents,
}

/// Walks from `at` until the value, or for [`Start::Tag`] the tag, ends. `visit` sees every hit; the offset where the
/// walk stopped is returned.
pub(crate) fn walk(bytes: &[u8], at: usize, start: Start, visit: &mut dyn FnMut(Hit)) -> usize {
    walk_nested(bytes, at, start, 0, visit)
}

#[derive(Debug, Default)]
struct Open {
    element: Element,
    at: usize,
    /// `http-equiv`, `rel`, `attributeName`.
    kind: Range<usize>,
    /// `content`, `href`, `to`.
    target: Range<usize>,
    sourced: bool,
}

fn walk_nested(bytes: &[u8], at: usize, start: Start, depth: usize, visit: &mut dyn FnMut(Hit)) -> usize {
    let mut tokenizer = Tokenizer::new(bytes, at, start);
    let mut open = Open { at, ..Open::default() };
    let (mut in_style, mut shown) = (false, 0_u32);
    let text = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
    while let Some(token) = tokenizer.next_token() {
        let mut hit = |fact: &'static Fact, span: Range<usize>| {
            visit(Hit { fact, span, value: 0..0, shown: shown > 0 });
        };
        match token {
            Token::Text(range) => {
                if in_style {
                    match style(text(&range)) {
                        Style::Runs => hit(&STYLE_RUNS, range),
                        Style::Imports => hit(&STYLE_IMPORTS, range),
                        Style::Harmless => {}
                    }
                }
            }
            Token::Open(name) => {
                open = Open { element: element(text(&name)), at: name.start - 1, ..Open::default() };
                in_style = open.element == Element::Style;
                shown += u32::from(shows_code(text(&name)));
            }
            Token::End(name) => {
                in_style = false;
                shown -= u32::from(shown > 0 && shows_code(text(&name)));
            }
            Token::Attribute { name, value, closed } => {
                let span = open.at..value.end.max(name.end);
                note(&mut open, text(&name), &name, &value);
                let cut =
                    !closed && value.is_empty() && bytes.get(value.start.wrapping_sub(1)) == Some(&b'"');
                if let Some(fact) = judge(open.element, text(&name), if cut { b"-" } else { text(&value) }) {
                    visit(Hit { fact, span: span.clone(), value: value.clone(), shown: shown > 0 });
                }
                let mut hit = |fact: &'static Fact, span: Range<usize>| {
                    visit(Hit { fact, span, value: value.clone(), shown: shown > 0 });
                };
                if depth < DEPTH && memchr::memchr(b'<', text(&value)).is_some() {
                    let mut inner = None;
                    walk_nested(text(&value), 0, Start::Data, depth + 1, &mut |found| inner = Some(found));
                    if inner.is_some_and(|found| matches!(found.fact.kind, FactKind::Effect)) {
                        hit(&SRCDOC, span.clone());
                    }
                }
                if text(&name).eq_ignore_ascii_case(b"srcdoc") && srcdoc_runs(text(&value), depth) {
                    hit(&SRCDOC, span.clone());
                }
                if !closed
                    && value.len() > 8
                    && follow(text(&value)) == Follow::Foreign
                    && matches!(bytes.get(value.start.wrapping_sub(1)), Some(b'"' | b'\''))
                {
                    hit(&DANGLING, span);
                }
            }
            Token::Close(whole) => {
                let quoted = matches!(bytes.get(open.target.start.wrapping_sub(1)), Some(b'"' | b'\''));
                if let Some(fact) = close(&open, text(&open.kind), text(&open.target), whole) {
                    // Editors and people who paste a player quote its address.
                    let fact = if std::ptr::eq(fact, &FRAME) && !quoted { &BARE_FRAME } else { fact };
                    hit(fact, open.at..tokenizer.position());
                }
                if start == Start::Tag && open.at == at {
                    return tokenizer.position();
                }
            }
            Token::Script(range) => {
                let code = text(&range).trim_ascii();
                let span = open.at..range.end;
                if open.sourced || is_data(text(&open.kind)) {
                    // Judged with its attributes, or read by nobody but the page's own script.
                } else if range.end == bytes.len() && is_words(code) {
                    hit(&SCRIPT_NAMED, span);
                } else if code.is_empty() {
                    hit(&SCRIPT_EMPTY, span);
                } else {
                    hit(&SCRIPT_TEXT, span);
                }
            }
            Token::Bogus(range) => {
                let head = text(&range);
                if head.starts_with(b"<?") && processing_runs(head) {
                    hit(&PROCESSING, range);
                }
            }
        }
    }
    tokenizer.position()
}

fn element(name: &[u8]) -> Element {
    let local = name.rsplit(|&b| b == b':').next().unwrap_or(name);
    let is = |words: &[&[u8]]| words.iter().any(|word| local.eq_ignore_ascii_case(word));
    if is(&[b"script"]) || local.starts_with("ſ".as_bytes()) || is_cut_script(local) {
        Element::Script
    } else if is(&[b"meta"]) {
        Element::Meta
    } else if is(&[b"base"]) {
        Element::Base
    } else if is(&[b"link"]) {
        Element::Link
    } else if is(&[b"iframe", b"frame", b"embed", b"object", b"applet", b"portal", b"fencedframe"]) {
        Element::Frame
    } else if is(&[b"img", b"image", b"source", b"video", b"audio", b"picture", b"track", b"feimage"]) {
        Element::Image
    } else if is(&[b"animate", b"set", b"animatemotion", b"animatetransform", b"animatecolor"]) {
        Element::Animation
    } else if is(&[b"style"]) {
        Element::Style
    } else if is(&[b"listener", b"handler"]) {
        Element::XmlEvents
    } else if is(&[b"layer", b"ilayer", b"bgsound", b"xml", b"scriptlet"]) {
        Element::OldLoader
    } else {
        Element::Other
    }
}

/// Whether the type of a script element makes it a block of data (HTML, section 4.12.1).
fn is_data(kind: &[u8]) -> bool {
    let kind = kind.trim_ascii();
    let lower = kind.get(..kind.len().min(48)).unwrap_or_default().to_ascii_lowercase();
    let has = |word: &[u8]| memchr::memmem::find(&lower, word).is_some();
    memchr::memchr(b'/', kind).is_some()
        && ![&b"script"[..], b"babel", b"jsx", b"&", b"\\"].iter().any(|word| has(word))
}

/// Whether a text that no end tag closes is made of words and punctuation, with nothing that would run.
fn is_words(code: &[u8]) -> bool {
    let run = |byte: &u8| b"()=[]{}`\"';/\\+:<>$&|0123456789".contains(byte);
    code.contains(&b' ') && !code.iter().any(run)
}

fn shows_code(name: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[b"pre", b"code", b"samp", b"kbd", b"textarea", b"xmp", b"listing", b"tt"];
    WORDS.iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// Remembers the attributes that mean something only together.
fn note(open: &mut Open, name: &[u8], name_at: &Range<usize>, value: &Range<usize>) {
    let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
    match open.element {
        Element::Meta if is(b"http-equiv") => open.kind = value.clone(),
        Element::Meta if is(b"content") => open.target = value.clone(),
        Element::Link if is(b"rel") => open.kind = value.clone(),
        Element::Link | Element::Base if is(b"href") => open.target = value.clone(),
        Element::Animation if is(b"attributename") => open.kind = value.clone(),
        Element::Animation if is(b"to") || is(b"values") || is(b"from") => open.target = value.clone(),
        Element::Frame if is(b"src") || is(b"data") || is(b"code") || is(b"codebase") || is(b"archive") => {
            open.target = value.clone();
        }
        Element::XmlEvents
            if local_name(name).eq_ignore_ascii_case(b"event")
                || is(b"handler")
                || is(b"id")
                || is(b"type") =>
        {
            open.target = value.clone();
        }
        Element::OldLoader if is(b"src") || is(b"id") => open.target = value.clone(),
        Element::Script if is(b"type") => open.kind = value.clone(),
        Element::Script
            if local_name(name).eq_ignore_ascii_case(b"src")
                || local_name(name).eq_ignore_ascii_case(b"href") =>
        {
            open.sourced = !value.is_empty() || name_at.end < value.start;
        }
        _ => {}
    }
}

fn local_name(name: &[u8]) -> &[u8] {
    name.rsplit(|&b| b == b':').next().unwrap_or(name)
}

/// What one attribute does.
fn judge(element: Element, name: &[u8], value: &[u8]) -> Option<&'static Fact> {
    let blank = value.trim_ascii().is_empty();
    if let Some(event) = name.get(2..).filter(|_| name.len() > 3 && name[..2].eq_ignore_ascii_case(b"on")) {
        if contains(EVENTS, event) {
            return Some(if blank { &HANDLER_EMPTY } else { &HANDLER });
        }
        let word = [&b"ce"[..], b"ly", b"line", b"to", b"going", b"e"]
            .iter()
            .any(|word| event.eq_ignore_ascii_case(word));
        if event.iter().all(u8::is_ascii_alphabetic) && !blank && !word {
            let strong = effect(value, 0).effect > Effect::None;
            return Some(if strong { &HANDLER } else { &HANDLER_UNKNOWN });
        }
    }
    if blank {
        return None;
    }
    let says = |word: &[u8]| value.trim_ascii().eq_ignore_ascii_case(word);
    if name.eq_ignore_ascii_case(b"dataformatas") && says(b"html")
        || name.eq_ignore_ascii_case(b"allowscriptaccess") && !says(b"never")
        || element == Element::Style && name.eq_ignore_ascii_case(b"type") && says(b"text/javascript")
        || name.eq_ignore_ascii_case(b"classid")
            && value.trim_ascii().get(..6).is_some_and(|head| head.eq_ignore_ascii_case(b"clsid:"))
        || name.eq_ignore_ascii_case(b"xmlns") && value.starts_with(b"x-schema:")
        || element == Element::Frame && name.eq_ignore_ascii_case(b"type") && says(b"text/x-scriptlet")
    {
        return Some(&BEHAVIOUR);
    }
    if name.eq_ignore_ascii_case(b"style") && style(value) == Style::Runs {
        return Some(&STYLE_RUNS);
    }
    if contains(URL_ATTRIBUTES, local_name(name)) {
        match follow(value) {
            Follow::Script => return Some(&SCRIPT_URL),
            Follow::Document | Follow::Picture if !matches!(element, Element::Image) => {
                return Some(&DOCUMENT_URL);
            }
            _ => {}
        }
        if element == Element::Script
            && matches!(local_name(name).to_ascii_lowercase().as_slice(), b"src" | b"href")
        {
            return Some(&SCRIPT_SOURCE);
        }
    }
    let framework = name.starts_with(b"@")
        || name.starts_with(b":")
        || [&b"v-"[..], b"ng-", b"x-", b"data-ng-", b"hx-on", b"data-bind", b"*ng", b"("]
            .iter()
            .any(|prefix| name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix)));
    if framework && effect(value, 0).effect == Effect::Strong {
        return Some(&FRAMEWORK);
    }
    None
}

/// What a whole tag does.
fn close(open: &Open, kind: &[u8], target: &[u8], whole: bool) -> Option<&'static Fact> {
    match open.element {
        Element::Script if !whole && !open.sourced => Some(&SCRIPT_OPEN),
        Element::Meta => {
            let is = |word: &[u8]| kind.trim_ascii().eq_ignore_ascii_case(word);
            if is(b"refresh") {
                let lower = target.to_ascii_lowercase();
                let url = memchr::memmem::find(&lower, b"url").and_then(|at| {
                    let rest = target.get(at + 3..)?;
                    let from = rest.iter().position(|b| !matches!(b, b'=' | b' ' | b'\'' | b'"'))?;
                    rest.get(from..)
                });
                let bare = target
                    .iter()
                    .position(|b| matches!(b, b';' | b','))
                    .and_then(|at| target.get(at + 1..))
                    .is_some_and(|rest| follow(rest) > Follow::Idle);
                let hidden = bare || memchr::memmem::find(&lower, b"javascript:").is_some();
                match url.map(follow) {
                    Some(Follow::Script | Follow::Document | Follow::Picture) => Some(&SCRIPT_URL),
                    _ if hidden => Some(&SCRIPT_URL),
                    Some(Follow::Foreign) => Some(&REFRESH),
                    _ => None,
                }
            } else if is(b"set-cookie")
                || is(b"link")
                || memchr::memmem::find(&target.to_ascii_lowercase(), b"utf-7").is_some()
            {
                Some(&META_EFFECT)
            } else {
                None
            }
        }
        Element::Base => (follow(target) == Follow::Foreign).then_some(&BASE),
        Element::Link => {
            let lower = kind.to_ascii_lowercase();
            if memchr::memmem::find(&lower, b"import").is_some() && !target.is_empty() {
                Some(&IMPORT)
            } else if memchr::memmem::find(&lower, b"stylesheet").is_some() {
                let data = target
                    .trim_ascii_start()
                    .get(..5)
                    .is_some_and(|head| head.eq_ignore_ascii_case(b"data:"));
                match follow(target) {
                    Follow::Foreign if is_secure(target) => Some(&SECURE_SHEET),
                    Follow::Foreign => Some(&SHEET),
                    Follow::Harmless if !data => None,
                    _ => Some(&IMPORT),
                }
            } else {
                None
            }
        }
        Element::Animation => {
            let kind = local_name(kind).trim_ascii();
            let matters = kind.get(..2).is_some_and(|head| head.eq_ignore_ascii_case(b"on"))
                || kind.eq_ignore_ascii_case(b"href") && follow(target) > Follow::Harmless
                || kind.eq_ignore_ascii_case(b"innerhtml");
            (matters && !target.is_empty()).then_some(&ANIMATED)
        }
        Element::Frame => {
            let plain =
                target.trim_ascii_start().get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"http:"));
            (follow(target) == Follow::Foreign).then_some(if plain { &PLAIN_FRAME } else { &FRAME })
        }
        Element::OldLoader | Element::XmlEvents => (!target.is_empty()).then_some(&BEHAVIOUR),
        _ => None,
    }
}

fn is_secure(url: &[u8]) -> bool {
    url.trim_ascii_start().get(..6).is_some_and(|head| head.eq_ignore_ascii_case(b"https:"))
}

/// Whether a `srcdoc` value, with its entities undone, runs script.
fn srcdoc_runs(value: &[u8], depth: usize) -> bool {
    if depth >= DEPTH || memchr::memchr(b'&', value).is_none() {
        return false;
    }
    let (mut decoded, mut at) = (Vec::with_capacity(value.len()), 0);
    while let Some(rest) = value.get(at..).filter(|rest| !rest.is_empty()) {
        let (byte, used) = unit(rest);
        decoded.push(byte.unwrap_or(rest[0]));
        at += used;
    }
    let mut runs = false;
    walk_nested(&decoded, 0, Start::Data, depth + 1, &mut |hit| {
        runs |= matches!(hit.fact.kind, FactKind::Effect);
    });
    runs
}

fn processing_runs(text: &[u8]) -> bool {
    let lower = text.get(..text.len().min(256)).unwrap_or_default().to_ascii_lowercase();
    let has = |word: &[u8]| memchr::memmem::find(&lower, word).is_some();
    has(b"javascript:")
        || (has(b"xml-stylesheet") && (has(b"data:") || has(b"\"#") || has(b"'#")))
        || (has(b"import") && has(b"implementation"))
}

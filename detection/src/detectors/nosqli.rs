//! Injection into document stores and key-value stores.
//!
//! # What it detects
//!
//! Query operators where a plain value was meant: MongoDB's `$ne`, `$gt`, `$regex`, `$where` and their kin as a JSON key
//! or in a bracketed parameter name; objects and clauses with operators inside a text; JavaScript predicates that leave a
//! string or number; a line break followed by a command of Redis or memcached.
//!
//! # Why it matters
//!
//! `{"$ne": null}` in place of a password signs in as somebody else; `$where` runs JavaScript in the database; a second
//! line in a cache key runs a second command.
//!
//! # Example
//!
//! `password[$ne]=x`, or `', $where: 'sleep(9000)`.
//!
//! # Known false positives
//!
//! Interfaces that take filters with operators on purpose (Feathers, some admin tools): an operator on a field that is no
//! credential is at most likely.
//!
//! # Evasions covered
//!
//! Quoted and bare operators, white space around them, bracketed and JSON spelling, `&&` and `||` predicates, statements
//! after a semicolon, and the encodings that the decoders undo.
//!
//! # References
//!
//! CWE-943; OWASP Testing Guide WSTG-INPV-05.6; MongoDB manual, query and projection operators; Redis protocol
//! specification; memcached protocol.txt.

use picket_request::Place;

use crate::{
    Class, Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    bytes::{is_word, skip_space, starts_ignore_case as starts_with},
};

/// The detector.
pub(crate) static DETECTOR: Detector =
    Detector { signal: Signal::Nosqli, name: "nosqli", version: 1, gate: Gate::With(&[Class::Dollar, Class::Newline], gate), run };

use FactKind::{Breakout, Effect, Lexical, Structure};

static CODE_KEY: Fact = Fact::new("an operator that runs code as a key", Effect, 100);
static OPERATOR_KEY: Fact = Fact::new("a query operator as a key", Structure, 40);
static BRACKETED: Fact = Fact::new("in a bracketed parameter name", Structure, 20);
static CREDENTIAL: Fact = Fact::new("on a field that identifies somebody", Effect, 60);
static BARE_OPERATOR: Fact = Fact::new("the value is an object that compares", Structure, 100);
static CLAUSE: Fact = Fact::new("adds a clause to the host's query", Breakout, 100);
static CLAUSE_WITHIN: Fact = Fact::new("holds a query with operators", Lexical, 30);
static LEAVES: Fact = Fact::new("leaves a string or number of JavaScript", Breakout, 60);
static STATEMENT: Fact = Fact::new("a statement of JavaScript", Effect, 40);
static PREDICATE: Fact = Fact::new("a predicate on the document", Effect, 40);
static LOOP: Fact = Fact::new("waits in a loop", Effect, 40);
static SHELL: Fact = Fact::new("calls the database's shell", Effect, 70);
static AGAIN: Fact = Fact::new("and goes on with another statement", Effect, 40);
static CALL_KEY: Fact = Fact::new("a call on the document as a parameter's name", Effect, 100);
static SPLIT: Fact = Fact::new("a line break and a command of a cache", Breakout, 100);

/// Operators that compare or join, and those that run code.
const OPERATORS: &[&str] = &[
    "ne", "eq", "gt", "gte", "lt", "lte", "in", "nin", "regex", "exists", "not", "or", "nor", "and", "all", "size",
    "type", "mod", "elemMatch", "text", "options", "comment", "slice",
];
const CODE: &[&str] = &["where", "function", "accumulator", "expr"];
/// Fields that identify or prove somebody.
const CREDENTIALS: &[&str] = &[
    "user", "username", "userid", "user_id", "uname", "login", "email", "mail", "pass", "password", "passwd", "passw", "pwd",
    "token", "secret", "pin", "otp", "code", "apikey", "api_key", "key", "hash", "session", "sessionid", "auth", "uid",
];

fn gate(input: &Input<'_>) -> bool {
    input.classes.any(&[Class::Dollar, Class::Newline])
}

fn run(input: &Input<'_>, _scratch: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    if input.place.is_key() {
        key(input, sink);
        document_call(bytes, sink);
    }
    if input.classes.has(Class::Dollar) {
        operators(bytes, sink);
    }
    if input.classes.has(Class::Newline) {
        commands(bytes, sink);
    }
    predicates(input, sink);
}

/// The operator that begins at a `$`, and whether it runs code.
fn operator(bytes: &[u8]) -> Option<(usize, bool)> {
    let name = bytes.strip_prefix(b"$")?;
    let len = name.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let name = name.get(..len)?;
    let known = |list: &[&str]| list.iter().any(|known| known.as_bytes() == name);
    if known(CODE) {
        Some((1 + len, true))
    } else if known(OPERATORS) {
        Some((1 + len, false))
    } else {
        None
    }
}

fn key(input: &Input<'_>, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    let Some(at) = memchr::memchr(b'$', bytes) else { return };
    let Some((len, code)) = operator(bytes.get(at..).unwrap_or_default()) else { return };
    let bracketed = at > 0 && bytes.get(at - 1) == Some(&b'[') && bytes.get(at + len) == Some(&b']');
    if !bracketed && (at > 0 || at + len != bytes.len()) {
        return;
    }
    // `login[$ne]` names its field; a JSON key stands in the field's object.
    let field = if bracketed { bytes.get(..at - 1).unwrap_or_default() } else { input.name };
    let field = field.strip_suffix(b"]").unwrap_or(field);
    let field = field.rsplit(|byte| matches!(byte, b'[' | b'.')).next().unwrap_or_default();
    let credential = CREDENTIALS.iter().any(|known| field.eq_ignore_ascii_case(known.as_bytes()));
    let mut facts: [&'static Fact; 3] = [if code { &CODE_KEY } else { &OPERATOR_KEY }; 3];
    let mut used = 1;
    for (holds, fact) in [(bracketed, &BRACKETED), (credential, &CREDENTIAL)] {
        if holds {
            facts[used] = fact;
            used += 1;
        }
    }
    let facts = facts.get(..used).unwrap_or_default();
    // `$expr` and `$function` are words that configuration uses too; in a key they count where nothing else is.
    if code && !bracketed && input.place != Place::JsonKey {
        return;
    }
    sink.report(at..at + len, facts);
}

/// `this.name.match(/…/)`: `' && this…` in a query is taken apart at its ampersands.
fn document_call(bytes: &[u8], sink: &mut Sink<'_>) {
    let start = skip_space(bytes, 0);
    let Some(path) = bytes.get(start..).and_then(|rest| rest.strip_prefix(b"this.")) else { return };
    let len = path.iter().take_while(|byte| is_word(**byte) || **byte == b'.').count();
    let dotted = path.get(..len).is_some_and(|path| path.contains(&b'.'));
    if dotted && path.get(len) == Some(&b'(') && path.contains(&b')') {
        sink.report(start..start + 5 + len, &[&CALL_KEY]);
    }
}

/// `{ $ne: 1 }`, `', $or: [`, `[$ne]=1` in a text.
fn operators(bytes: &[u8], sink: &mut Sink<'_>) {
    const MANY: usize = 64;
    for at in memchr::memchr_iter(b'$', bytes).take(MANY) {
        let Some((len, code)) = operator(bytes.get(at..).unwrap_or_default()) else { continue };
        let end = at + len;
        let before = bytes.get(..at).unwrap_or_default().trim_ascii_end();
        if before == b"[" && bytes.get(end..end + 2).is_some_and(|rest| rest == b"]=") {
            sink.report(at..end, &[&BARE_OPERATOR]);
            return;
        }
        let quoted = before.last().is_some_and(|byte| matches!(byte, b'"' | b'\''))
            && bytes.get(end) == before.last();
        let colon = skip_space(bytes, end + usize::from(quoted));
        if bytes.get(colon) != Some(&b':') {
            continue;
        }
        // GraphQL declares its variables in the same way: `$type: Kind!`. A query has a value there.
        let value = bytes.get(skip_space(bytes, colon + 1)..).unwrap_or_default();
        let valued = value.first().is_none_or(|byte| !byte.is_ascii_alphabetic())
            || ["true", "false", "null", "new ", "function", "this"].iter().any(|word| starts_with(value, word.as_bytes()));
        if !valued {
            continue;
        }
        let before = if quoted { before.get(..before.len() - 1).unwrap_or_default().trim_ascii_end() } else { before };
        if before == b"{" && !quoted {
            sink.report(at..end, &[&BARE_OPERATOR]);
            return;
        }
        let Some((&b',', head)) = before.split_last() else {
            if before.is_empty() && code && !quoted {
                sink.report(at..end, &[&CLAUSE]);
                return;
            }
            if before == b"{" && !code && is_vacuous(value) {
                sink.report(at..end, &[&BARE_OPERATOR]);
                return;
            }
            if before.ends_with(b"{") {
                sink.report(at..end, &[&CLAUSE_WITHIN]);
            }
            continue;
        };
        // A clause after a comma belongs to the value's own object, or, where none is open, to the host's.
        let open = head.iter().filter(|byte| **byte == b'{').count();
        let closed = head.iter().filter(|byte| **byte == b'}').count();
        let breaks = open <= closed && head.len() <= 256;
        sink.report(at..end, &[if breaks && !quoted { &CLAUSE } else { &CLAUSE_WITHIN }]);
        if breaks {
            return;
        }
    }
}

/// Whether a comparison with such an operand, without a field, holds for whatever the host compares.
fn is_vacuous(operand: &[u8]) -> bool {
    const EMPTY: &[&[u8]] =
        &[b"null", b"true", b"undefined", b"\"\"", b"''", b"[]", b"\".*\"", b"\"^\"", b"\"^.*\"", b"'.*'", b"\".+\"", b"[\"\"]"];
    EMPTY.iter().any(|empty| {
        operand.strip_prefix(*empty).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"}"))
    })
}

/// JavaScript that leaves the string or number it was put into.
fn predicates(input: &Input<'_>, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    let mut start = skip_space(bytes, 0);
    if input.place == Place::Path {
        // The last segment before the code is the host's number.
        let head = memchr::memchr(b';', bytes).and_then(|end| bytes.get(..end)).unwrap_or_default();
        start = memchr::memrchr(b'/', head).map_or(start, |slash| slash + 1);
    }
    let number = bytes.iter().skip(start).take_while(|byte| byte.is_ascii_digit()).count();
    let mut beginnings = [None; 3];
    beginnings[0] = memchr::memchr(b'\'', bytes).map(|at| at + 1);
    beginnings[1] = memchr::memchr(b'"', bytes).map(|at| at + 1);
    beginnings[2] = Some(start + number);
    for (index, from) in beginnings.into_iter().enumerate() {
        let Some(from) = from else { continue };
        let at = skip_space(bytes, from);
        let rest = bytes.get(at..).unwrap_or_default();
        let left = index < 2 || number > 0 || matches!(rest.first(), Some(b'|' | b'&'));
        if !left {
            continue;
        }
        if rest.first() == Some(&b';') {
            let code = bytes.get(skip_space(bytes, at + 1)..).unwrap_or_default();
            if is_statement(code) {
                let waits = contains(code, b"while(") || contains(code, b"while (");
                let facts: &[&'static Fact] =
                    if waits { &[&LEAVES, &STATEMENT, &LOOP] } else { &[&LEAVES, &STATEMENT] };
                sink.report(from..bytes.len(), facts);
                return;
            }
        }
        if matches!(rest.get(..2), Some(b"||" | b"&&")) {
            let code = bytes.get(skip_space(bytes, at + 2)..).unwrap_or_default();
            let document = starts_with(code, b"this.") || starts_with(code, b"obj.") || starts_with(code, b"this[");
            if document || is_constant_comparison(code) {
                sink.report(from..bytes.len(), &[&LEAVES, &PREDICATE]);
                return;
            }
        }
    }
    shell(bytes, sink);
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(bytes, needle).is_some()
}

fn is_statement(code: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[b"return", b"var", b"let", b"const", b"while", b"do", b"throw", b"for"];
    let word = code.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let name = code.get(..word).unwrap_or_default();
    let after = code.get(skip_space(code, word)).copied();
    if WORDS.contains(&name) {
        // What follows must fit: prose goes on with a word where code has a sign.
        return match name {
            b"var" | b"let" | b"const" => contains(code.get(..code.len().min(64)).unwrap_or_default(), b"="),
            b"while" | b"for" => after == Some(b'('),
            b"do" => after == Some(b'{'),
            _ => after.is_some_and(|byte| b"('\"!-0123456789".contains(&byte))
                || contains(code.get(..code.len().min(48)).unwrap_or_default(), b"true")
                || contains(code.get(..code.len().min(48)).unwrap_or_default(), b"=="),
        };
    }
    (name == b"sleep" && after == Some(b'(')) || starts_with(code, b"db.") || starts_with(code, b"this.")
}

/// `1==1`, `'a'=='a`, followed by nothing, a comment or a NUL.
fn is_constant_comparison(code: &[u8]) -> bool {
    let Some((left, at)) = constant(code, 0) else { return false };
    let signs = code.iter().skip(at).take_while(|byte| matches!(byte, b'=' | b' ')).count();
    let equals = code.get(at..at + signs).unwrap_or_default().iter().filter(|byte| **byte == b'=').count();
    if !(2..=3).contains(&equals) {
        return false;
    }
    let Some((right, end)) = constant(code, at + signs) else { return false };
    let tail = code.get(end..).unwrap_or_default().trim_ascii_start();
    left == right && (tail.is_empty() || tail.starts_with(b"//") || tail.starts_with(b"\0") || tail.starts_with(b"%00"))
}

fn constant(code: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let first = *code.get(at)?;
    if matches!(first, b'\'' | b'"') {
        let body = code.get(at + 1..)?;
        let len = memchr::memchr(first, body).unwrap_or(body.len());
        return Some((body.get(..len)?, (at + 2 + len).min(code.len())));
    }
    let len = code.iter().skip(at).take_while(|byte| byte.is_ascii_digit()).count();
    (len > 0).then(|| (code.get(at..at + len).unwrap_or_default(), at + len))
}

/// `db.users.insert({…})` where the value begins.
fn shell(bytes: &[u8], sink: &mut Sink<'_>) {
    const METHODS: &[&[u8]] = &[
        b"insert", b"find", b"findOne", b"drop", b"remove", b"update", b"mapReduce", b"aggregate", b"eval", b"count",
        b"deleteMany", b"insertOne", b"updateMany", b"getCollectionNames", b"dropDatabase", b"distinct",
    ];
    let start = skip_space(bytes, 0);
    let Some(path) = bytes.get(start..).and_then(|rest| rest.strip_prefix(b"db.")) else { return };
    let len = path.iter().take_while(|byte| is_word(**byte) || **byte == b'.').count();
    let method = path.get(..len).unwrap_or_default().rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    if path.get(len) != Some(&b'(') || !METHODS.contains(&method) {
        return;
    }
    let goes_on = contains(path, b";return") || contains(path, b"; return") || contains(path, b";db.");
    let facts: &[&'static Fact] = if goes_on { &[&SHELL, &AGAIN] } else { &[&SHELL] };
    sink.report(start..start + 3 + len, facts);
}

/// A line break, and behind it what Redis or memcached read as a command.
fn commands(bytes: &[u8], sink: &mut Sink<'_>) {
    const MANY: usize = 256;
    for at in memchr::memchr_iter(b'\n', bytes).take(MANY) {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let window = rest.get(..rest.len().min(160)).unwrap_or_default();
        let line = window.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        if at > 0 && bytes.get(at - 1) == Some(&b'\r') && is_command(line, window) {
            sink.report(at - 1..at + 1 + line.len(), &[&SPLIT]);
            return;
        }
    }
}

fn is_command(line: &[u8], window: &[u8]) -> bool {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let Some(first) = words.next() else { return false };
    let rest: [&[u8]; 4] = std::array::from_fn(|_| words.next().unwrap_or_default());
    let number = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    // Redis in its own framing: `*3`, line break, `$3`.
    if first.strip_prefix(b"*").is_some_and(number) && rest[0].is_empty() {
        let next = window.get(line.len()..).unwrap_or_default().trim_ascii_start();
        return next.first() == Some(&b'$') && next.get(1).is_some_and(u8::is_ascii_digit);
    }
    let stores = ["set", "add", "replace", "append", "prepend", "cas"].iter().any(|name| is(first, name));
    (stores && !rest[0].is_empty() && number(rest[1]) && number(rest[2]) && number(rest[3]))
        || ["flushall", "flushdb", "flush_all", "bgsave"].iter().any(|name| is(first, name))
        || (is(first, "config") && (is(rest[0], "set") || is(rest[0], "get")) && !rest[1].is_empty())
        || ((is(first, "slaveof") || is(first, "replicaof")) && number(rest[1]))
        || (is(first, "eval") && rest[0].first().is_some_and(|byte| matches!(byte, b'"' | b'\'')))
        || (is(first, "module") && is(rest[0], "load"))
}

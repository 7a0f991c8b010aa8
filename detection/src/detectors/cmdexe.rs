//! # What it detects
//!
//! A value that would run a command when it lands in a command line: it ends the word it is put into and starts a
//! command (`;`, `|`, `&&`, a newline, `$(…)`, backticks), or it is a command line with an effect as a whole. A command
//! counts only with arguments that it takes, so words that happen to be command names do not.
//!
//! # Why it matters
//!
//! One command in a function's environment reads its credentials and can act with its role.
//!
//! # Example
//!
//! `?host=192.0.2.1;cat${IFS}/proc/self/environ`
//!
//! # Known false positives
//!
//! Shell code that people post on purpose: scripts, Dockerfiles, workflows, Markdown with commands. In a document of
//! code the structure is doubted; only what leaves a quote or is disguised is certain there.
//!
//! # Evasions covered
//!
//! Quotes, backslashes and carets inside words, `$@`, `$()`, `${IFS}`, `$'\x63at'`, brace lists, globbed paths, introducing
//! words (`sudo`, `time`, `env`), assignments, variables that the line itself sets, alternatives inside words, redirections for blanks, base64 and hexadecimal through the decoders.
//!
//! # References
//!
//! CWE-77, CWE-78, CAPEC-88; POSIX Shell Command Language, section 2; OWASP Command Injection.

use std::cell::OnceCell;

use picket_request::Place;

use crate::{
    Class, Detector, Evidence, Fact, FactKind, Gate, Input, Scratch, Signal, Sink, doubt,
    shell::{Command, Effect, batch_statement, blanks, cmdlet, command, fork_bomb, holds_command, may_start},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Cmdexe, name: "cmdexe", version: 1, gate: Gate::With(&[Class::Dash, Class::Colon, Class::Semicolon, Class::Pipe, Class::Ampersand, Class::Backtick, Class::Newline, Class::Backslash, Class::Brace, Class::Dollar, Class::Space, Class::Slash], gate), run };

static SEPARATOR: Fact = Fact::new("ends a command and starts another", FactKind::Breakout, 40);
static NEWLINE: Fact = Fact::new("starts a command on a new line", FactKind::Breakout, 25);
static LEADING: Fact = Fact::new("nothing but a separator before it", FactKind::Breakout, 30);
static QUOTE: Fact = Fact::new("closes a quote first", FactKind::Breakout, 30);
static SUBSTITUTION: Fact = Fact::new("a command substitution", FactKind::Breakout, 40);
static WHOLE: Fact = Fact::new("the whole value is a command line", FactKind::Structure, 20);
static KNOWN: Fact = Fact::new("a known command in command position", FactKind::Structure, 35);
static FITS: Fact = Fact::new("with arguments that it takes", FactKind::Structure, 30);
static LOCATED: Fact = Fact::new("named by the path of its file", FactKind::Structure, 40);
static DISGUISED: Fact = Fact::new("a disguised command", FactKind::Effect, 60);
static MASKED: Fact = Fact::new("of a file whose path is left to the shell", FactKind::Structure, 45);
static INTERPRETER: Fact = Fact::new("piped into an interpreter", FactKind::Structure, 40);
static BATCH: Fact = Fact::new("a batch statement", FactKind::Structure, 100);
static NAMED: Fact = Fact::new("runs what the line itself has put into a variable", FactKind::Structure, 70);
static PIPELINE: Fact = Fact::new("the whole value is a pipeline into an interpreter", FactKind::Structure, 60);
static BOMB: Fact = Fact::new("a function that calls itself twice at once", FactKind::Effect, 100);
static INTRODUCED: Fact = Fact::new("run by another command", FactKind::Structure, 20);
static CALL: Fact = Fact::new("a call that runs a command", FactKind::Structure, 60);
static CMDLET: Fact = Fact::new("a PowerShell cmdlet", FactKind::Structure, 40);
static INFORM: Fact = Fact::new("tells about the machine", FactKind::Structure, 20);
static READ: Fact = Fact::new("reads the system", FactKind::Structure, 30);
static WRITE: Fact = Fact::new("writes a file", FactKind::Structure, 25);
static DELAY: Fact = Fact::new("delays", FactKind::Effect, 45);
static NETWORK: Fact = Fact::new("talks to another machine", FactKind::Structure, 35);
static SECRET: Fact = Fact::new("reads a file of secrets", FactKind::Effect, 60);
static SHELL: Fact = Fact::new("runs code", FactKind::Structure, 40);
static CODE: Fact = Fact::new("a document of code", FactKind::Doubt, 120);
static SCRIPT: Fact = Fact::new("what stands before is a command line too", FactKind::Doubt, 80);
static LINE: Fact = Fact::new("what stands before is a command line too, in a single line", FactKind::Doubt, 5);
static LIST: Fact = Fact::new("looks like a list of names", FactKind::Doubt, 90);
static OPTION: Fact = Fact::new("an option by which a program runs another", FactKind::Structure, 100);
static IDLE: Fact = Fact::new("a filter that is given nothing of the machine to read", FactKind::Doubt, 50);
static TOLD: Fact = Fact::new("a command without effect in a sentence", FactKind::Doubt, 50);
static QUOTED_CODE: Fact = Fact::new("inline code in a text", FactKind::Doubt, 80);

fn gate(input: &Input<'_>) -> bool {
    input.bytes.len() >= 3
        && (matches!(input.bytes, [b'-', b'o' | b'O' | b'-', ..] | [b'e', b'x', b't', b':', ..])
            || input.classes.any(&[Class::Semicolon, Class::Pipe, Class::Ampersand, Class::Backtick, Class::Newline, Class::Backslash])
            || (input.classes.has(Class::Brace) && input.classes.any(&[Class::Mark, Class::Paren]))
            || (input.classes.has(Class::Dollar) && input.classes.any(&[Class::Paren, Class::Brace]))
            || (input.classes.any(&[Class::Space, Class::Slash, Class::Brace]) && may_start(input.bytes)))
}

/// How the position of a command was reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entrance {
    Start,
    Separator,
    Newline,
    Substitution,
    Backtick,
}

/// What the value is like around its commands.
struct Surroundings {
    /// A script, Markdown or another document of code.
    code: bool,
    /// Inline code in a text.
    inline: bool,
    /// A word at least stands outside of backticks.
    worded: bool,
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    if matches!(input.place, Place::FileContent | Place::Body) && input.classes.has(Class::Control) {
        // Not a text.
        return;
    }
    if hands_on_a_command(bytes) {
        sink.report(0..bytes.len(), &[&OPTION]);
        return;
    }
    // Looking around costs a pass over the value, so it is done once and only where a command was found.
    let around = OnceCell::new();
    let first = beginning(input);
    let function = || bytes.len() < 256 && input.classes.has(Class::Brace) && input.classes.has(Class::Paren) && memchr::memmem::find(bytes.get(..bytes.len().min(32)).unwrap_or_default(), b"(){").is_some();
    if bytes.get(first..).is_some_and(may_start) || function() {
        judge(input, &around, 0, first, Entrance::Start, sink);
    }
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(skip) = rest.iter().position(|byte| STARTS[*byte as usize]) else { break };
        let from = at + skip;
        let rest = bytes.get(from..).unwrap_or_default();
        let (entrance, len) = match *rest {
            [b'$' | b'<' | b'>', b'(', b'(', ..] => (None, 3),
            [b'$' | b'<' | b'>', b'(', ..] => (Some(Entrance::Substitution), 2),
            [b'\\', b'n' | b'r', ..] => (Some(Entrance::Newline), 2),
            [b'$' | b'<' | b'>' | b'\\', ..] => (None, 1),
            [b'`', ..] => (Some(Entrance::Backtick), 1),
            [b'&', ..] if entity(rest) > 0 => (None, entity(rest)),
            [b'\n' | b'\r', ..] => (Some(Entrance::Newline), 1),
            _ => (Some(Entrance::Separator), 1),
        };
        at = from + len;
        // What a page that escaped its `&` twice or never undid it leaves in names: `amp;cc`.
        if rest.starts_with(b";") && bytes.get(..from).is_some_and(|head| head.ends_with(b"amp")) {
            continue;
        }
        let Some(mut entrance) = entrance else { continue };
        // A run of separators and blanks is one entrance; the strongest of its signs counts.
        while let Some(next) = bytes.get(at) {
            match next {
                b';' | b'|' | b'&' => entrance = if entrance == Entrance::Newline { Entrance::Separator } else { entrance },
                b' ' | b'\t' | b'\n' | b'\r' => {}
                _ => break,
            }
            at += 1;
        }
        if bytes.get(at..).is_some_and(may_start) {
            judge(input, &around, from, at, entrance, sink);
        }
    }
}

/// Whether a value begins with an option, or the address of a transport, by which a known program runs what stands behind it.
fn hands_on_a_command(bytes: &[u8]) -> bool {
    const OPTIONS: &[&[u8]] = &[
        b"-oproxycommand=", b"-olocalcommand=", b"--upload-pack=", b"--receive-pack=", b"--use-askpass=", b"--gpu-launcher=", b"--renderer-cmd-prefix=", b"--checkpoint-action=exec",
        b"--to-command=", b"--use-compress-program=", b"--rsh=", b"--rsh-command=", b"--open-files-in-pager=", b"ext::sh ", b"ext::bash ",
    ];
    matches!(bytes.first(), Some(b'-' | b'e'))
        && bytes.len() < 512
        && OPTIONS.iter().any(|option| bytes.len() > option.len() && bytes.get(..option.len()).is_some_and(|head| head.eq_ignore_ascii_case(option)))
}

/// Where a command line would begin: behind a quote that nothing closes, the prompt of a shell, or the name of an option
/// that a program hands on.
fn beginning(input: &Input<'_>) -> usize {
    let bytes = input.bytes;
    match bytes {
        [quote @ (b'\'' | b'"'), rest @ ..] if bytes.len() < 256 && memchr::memchr(*quote, rest).is_none() => 1,
        [b'-', b'-', rest @ ..] => {
            let name = rest.iter().take(40).take_while(|byte| byte.is_ascii_lowercase() || **byte == b'-').count();
            if name > 2 && rest.get(name) == Some(&b'=') { name + 3 } else { 0 }
        }
        _ if input.classes.has(Class::At) && input.classes.has(Class::Colon) => {
            let head = bytes.get(..bytes.len().min(64)).unwrap_or_default();
            let prompt = memchr::memmem::find(head, b"$ ").or_else(|| memchr::memmem::find(head, b"# "));
            let word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.@:~/".contains(byte);
            match prompt.filter(|at| head.get(..*at).is_some_and(|host| host.contains(&b'@') && host.contains(&b':') && host.iter().all(word))) {
                Some(at) => at + 2,
                None => 0,
            }
        }
        _ => 0,
    }
}

/// `c=cat; $c …`: whether the statement runs a variable that `head` has set, and how long its name is.
fn runs_a_variable(head: &[u8], statement: &[u8]) -> Option<usize> {
    let name = statement.strip_prefix(b"$")?;
    let name = name.get(..name.iter().take(24).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count())?;
    let near = head.get(head.len().saturating_sub(200)..)?;
    let set = !name.is_empty()
        && memchr::memmem::find_iter(near, name).any(|at| {
            let before = at.checked_sub(1).and_then(|at| near.get(at));
            near.get(at + name.len()) == Some(&b'=')
                && near.get(at + name.len() + 1).is_some_and(|byte| !matches!(byte, b'=' | b' ' | b'&' | b';'))
                && before.is_none_or(|byte| matches!(byte, b';' | b'&' | b'|' | b' ' | b'\n'))
        });
    set.then_some(name.len() + 1)
}

static STARTS: [bool; 256] = {
    let mut table = [false; 256];
    let starts = b";|&\n\r`$<>\\";
    let mut at = 0;
    while at < starts.len() {
        table[starts[at] as usize] = true;
        at += 1;
    }
    table
};

/// `&amp;`, `&#38;`: how long a character reference is.
fn entity(rest: &[u8]) -> usize {
    let name = rest.iter().skip(1).take(10).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'#').count();
    if name >= 2 && rest.get(name + 1) == Some(&b';') { name + 2 } else { 0 }
}

/// `system('id')`, `exec("ls")`: a call of a function that runs commands, with a string.
fn call(statement: &[u8]) -> Option<usize> {
    const CALLS: &[&[u8]] = &[b"system", b"exec", b"shell_exec", b"passthru", b"popen", b"proc_open", b"phpinfo", b"pcntl_exec"];
    let open = statement.iter().take(16).position(|byte| *byte == b'(')?;
    let name = statement.get(..open)?;
    let known = CALLS.iter().any(|known| known.eq_ignore_ascii_case(name));
    (known && matches!(statement.get(open + 1), Some(b'\'' | b'"' | b')'))).then_some(open + 2)
}

/// Words outside of backticks, up to a few.
fn outside_words(bytes: &[u8]) -> usize {
    bytes
        .split(|byte| *byte == b'`')
        .step_by(2)
        .flat_map(|part| part.split(|byte| byte.is_ascii_whitespace() || *byte == b'+'))
        .filter(|word| word.len() > 1 && word.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b',' | b'.' | b'\'' | b'?' | b'!')))
        .take(3)
        .count()
}

fn surroundings(input: &Input<'_>) -> Surroundings {
    let shape = input.shape();
    // A short line that is the whole body is a value like any other.
    let document = match input.place {
        Place::FileContent | Place::Graphql => true,
        Place::Body => shape.lines > 1 || input.bytes.len() > 128,
        _ => false,
    };
    // The strings of a JSON text are looked at as values of their own.
    let script = input.bytes.starts_with(b"#!") || document || doubt::is_patch(input.bytes) || is_json(input.bytes);
    let code = script || shape.fenced || (shape.lines > 3 && !shape.is_prose()) || (shape.lines > 6);
    let outside = outside_words(input.bytes);
    Surroundings { code, inline: outside >= 3, worded: outside > 0 }
}

/// Whether a value is a JSON text with keys.
fn is_json(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii();
    let object = text.strip_prefix(b"[").unwrap_or(text).trim_ascii_start();
    object.strip_prefix(b"{").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"")) && matches!(text.last(), Some(b'}' | b']'))
}

fn judge(input: &Input<'_>, around: &OnceCell<Surroundings>, from: usize, at: usize, entrance: Entrance, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else { return };
    let mut facts = Evidence::default();
    let mut add = |fact: &'static Fact| facts.add(fact);
    let head = bytes.get(..from).unwrap_or_default();
    let leading = head.trim_ascii().iter().all(|byte| matches!(byte, b'"' | b'\'' | b')' | b'}' | b']' | b';' | b'|' | b'&' | b'$' | b'\\' | b'+'));
    let quote = head.trim_ascii_end().last().is_some_and(|byte| matches!(byte, b'"' | b'\'' | b')'));
    match entrance {
        Entrance::Start => {}
        Entrance::Separator | Entrance::Newline => {
            add(if entrance == Entrance::Newline { &NEWLINE } else { &SEPARATOR });
            if leading {
                add(&LEADING);
            }
        }
        Entrance::Substitution | Entrance::Backtick => add(&SUBSTITUTION),
    }
    let (gap, _) = blanks(rest);
    let statement = rest.get(gap..).unwrap_or_default();
    let end;
    let mut mere = false;
    if let Some(found) = command(rest).filter(|found| found.fits || (found.disguised && found.arguments == 0 && found.closed)) {
        end = at + found.len;
        // A bare name that does nothing by itself: in backticks, a text speaks of it.
        mere = found.arguments == 0 && found.effect.is_none() && !found.disguised && !found.located;
        if !weigh(input, &found, entrance, leading || quote, from, at, &mut add) {
            return;
        }
    } else if let Some(len) = batch_statement(statement) {
        end = at + gap + len;
        add(&BATCH);
    } else if let Some(len) = call(statement).filter(|_| entrance == Entrance::Separator) {
        end = at + gap + len;
        add(&CALL);
    } else if let Some(len) = runs_a_variable(head, statement).filter(|_| matches!(entrance, Entrance::Separator | Entrance::Newline)) {
        end = at + gap + len;
        add(&NAMED);
    } else if let Some(len) = fork_bomb(statement) {
        end = at + gap + len;
        add(&BOMB);
    } else if let Some((len, acts)) = cmdlet(statement) {
        if entrance == Entrance::Start && acts && !is_argument(statement.get(len..).unwrap_or_default()) {
            return;
        }
        end = at + gap + len;
        add(&CMDLET);
        add(if entrance == Entrance::Start { &WHOLE } else { &FITS });
        if acts {
            add(&SHELL);
        }
    } else {
        return;
    }
    if entrance == Entrance::Newline && input.shape().lines > 4 {
        return;
    }
    let around = around.get_or_init(|| surroundings(input));
    if quote && !leading && !around.code && matches!(entrance, Entrance::Separator | Entrance::Newline) {
        add(&QUOTE);
    }
    if around.code {
        add(&CODE);
    } else if entrance == Entrance::Backtick && (around.inline || (mere && around.worded)) {
        add(&QUOTED_CODE);
    }
    facts.with(|facts| sink.report(from..end.min(bytes.len()), facts));
}

/// Whether what follows a cmdlet is one of its arguments rather than the next word of a sentence.
fn is_argument(rest: &[u8]) -> bool {
    let word = rest.trim_ascii_start().split(u8::is_ascii_whitespace).next().unwrap_or_default();
    match word.first() {
        None => true,
        Some(b'-' | b'"' | b'\'' | b'$' | b'(' | b'{' | b'@' | b'|' | b';') => word.len() > 1,
        _ => memchr::memmem::find(word, b"://").is_some() || word.contains(&b'\\') || word.iter().rev().skip(1).any(|byte| *byte == b'.'),
    }
}

/// Adds what a command says of itself; `false` where it is too common a word to be one.
fn weigh(
    input: &Input<'_>,
    found: &Command,
    entrance: Entrance,
    set_apart: bool,
    from: usize,
    at: usize,
    add: &mut impl FnMut(&'static Fact),
) -> bool {
    let run_by_another = found.introduced && !found.common;
    let told_apart = found.located || found.disguised || run_by_another || found.effect == Some(Effect::Write);
    let bare_word = found.arguments == 0 && !told_apart;
    let tail = input.bytes.get(at + found.len..).unwrap_or_default();
    if entrance == Entrance::Start {
        // A whole value that is one word, or that merely starts like a command, is no command line.
        if bare_word && found.effect.is_none_or(|effect| effect == Effect::Inform) {
            return false;
        }
        if !tail.trim_ascii().is_empty() && !found.closed {
            return false;
        }
        if found.loose && found.effect.is_none() && !found.masked {
            return false;
        }
        add(&WHOLE);
    }
    add(&KNOWN);
    if found.fits {
        add(&FITS);
    }
    // Telemetry and job descriptions name programs by their files.
    if found.located && !(entrance == Entrance::Start && input.place == Place::Json && found.effect.is_none()) {
        add(&LOCATED);
    }
    if found.introduced && !found.common {
        add(&INTRODUCED);
    }
    if found.disguised {
        add(&DISGUISED);
    }
    if found.masked {
        add(&MASKED);
    }
    if found.interpreter && bare_word && input.bytes.get(from) == Some(&b'|') {
        add(&INTERPRETER);
    }
    match found.effect {
        Some(Effect::Inform) => add(&INFORM),
        Some(Effect::Read) => add(&READ),
        Some(Effect::Write) => add(&WRITE),
        Some(Effect::Delay) => add(&DELAY),
        Some(Effect::Network) if entrance == Entrance::Start && input.place == Place::Json => {}
        Some(Effect::Network) => add(&NETWORK),
        Some(Effect::Secret) => add(&SECRET),
        Some(Effect::Shell) => add(&SHELL),
        None if !told_apart && !found.masked => {
            if found.idle && matches!(entrance, Entrance::Separator | Entrance::Newline) {
                add(&IDLE);
            }
            if input.shape().is_prose() {
                add(&TOLD);
            }
        }
        None => {}
    }
    let head = input.bytes.get(..from).unwrap_or_default();
    // A command line from the first word to the last is not a sentence that tells of one.
    let line = matches!(
        input.place,
        Place::Query | Place::QueryKey | Place::Form | Place::FormKey | Place::Cookie | Place::Header | Place::Xml | Place::Body
    ) && input.bytes.len() < 160
        && !head.contains(&b'\n')
        && command(head).is_some_and(|first| first.fits);
    let pipeline = line && found.interpreter && bare_word && input.bytes.get(from) == Some(&b'|');
    if pipeline {
        add(&PIPELINE);
    }
    if matches!(entrance, Entrance::Separator | Entrance::Newline) && !set_apart && holds_command(head) {
        add(if line { &LINE } else { &SCRIPT });
    }
    if bare_word && !set_apart && matches!(entrance, Entrance::Separator | Entrance::Newline) && in_a_list(input, from, found.common, tail) {
        add(&LIST);
    }
    true
}

/// Whether the word after the separator at `from` is one of a list of words: `name|id|date`.
fn in_a_list(input: &Input<'_>, from: usize, common: bool, tail: &[u8]) -> bool {
    let head = input.bytes.get(..from).unwrap_or_default().trim_ascii_end();
    let segment = head.rsplit(|byte| matches!(byte, b'|' | b';' | b'&' | b' ' | b'(' | b',')).next().unwrap_or_default();
    let plain = segment.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let ends = !tail.is_empty() && tail.iter().all(|byte| matches!(byte, b'|' | b';' | b'&' | b' '));
    let agent = common && input.place == Place::Header;
    agent || (plain && !ends && !segment.is_empty() && (common || input.bytes.get(from) == Some(&b'|')) && (segment.len() > 1 || head.len() > 2))
}

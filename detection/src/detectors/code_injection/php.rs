//! PHP: tags, wrappers, calls, variable functions and settings.

use std::ops::Range;

use super::names::{Power, SETTINGS, php};
use picket_request::Place;

use crate::{
    Class, Fact, FactKind, Input, Sink,
    bytes::{find_ignore_case, is_one_text, starts_ignore_case},
    doubt,
};

static TAG: Fact = Fact::new("a PHP tag with code", FactKind::Structure, 105);
static TAG_ALONE: Fact = Fact::new("a PHP tag", FactKind::Structure, 60);
static WRAPPER: Fact = Fact::new("a PHP stream wrapper", FactKind::Lexical, 105);
static WORDS_ONLY: Fact = Fact::new("a PHP stream wrapper around words", FactKind::Lexical, 60);
static CALL_RUNS: Fact = Fact::new("is a call that runs code or a command", FactKind::Effect, 105);
static CALL_REACHES: Fact = Fact::new("is a call that reaches files, the network or the runtime", FactKind::Structure, 100);
static CALL_ORDINARY: Fact = Fact::new("is a call of a PHP function", FactKind::Structure, 100);
static TITLE: Fact = Fact::new("may be a call, or a word with a remark", FactKind::Structure, 60);
static CALL_INSIDE: Fact = Fact::new("calls what runs code or a command", FactKind::Structure, 70);
static BREAKS_OUT: Fact = Fact::new("behind the end of a string or a statement", FactKind::Breakout, 60);
static NESTED: Fact = Fact::new("calls nested to hide what runs", FactKind::Effect, 100);
static JOINED: Fact = Fact::new("a call joined into a string that it leaves", FactKind::Breakout, 105);
static VARIABLE_CALL: Fact = Fact::new("calls what a variable names", FactKind::Structure, 100);
static STRING_CALL: Fact = Fact::new("calls what a string names", FactKind::Effect, 100);
static SUPERGLOBAL: Fact = Fact::new("reads PHP's request variables", FactKind::Structure, 100);
static SETTING: Fact = Fact::new("sets PHP's configuration", FactKind::Structure, 100);

pub(super) fn look(input: &Input<'_>, sink: &mut Sink<'_>) {
    tags(input, sink);
    wrappers(input, sink);
    calls(input, sink);
    variables(input, sink);
    settings(input, sink);
}

fn tags(input: &Input<'_>, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    for at in memchr::memmem::find_iter(bytes, b"<?") {
        let rest = bytes.get(at + 2..).unwrap_or_default();
        let span = at..bytes.len().min(at + 80);
        let long = starts_ignore_case(rest, b"php")
            && !rest.get(3).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-');
        let code = rest.get(usize::from(long) * 3..rest.len().min(200)).unwrap_or_default();
        if (long || rest.first() == Some(&b'=')) && code.iter().any(|b| matches!(b, b'(' | b'$' | b';' | b'`')) {
            doubt::unless_shown(input, sink, span, &[&TAG]);
        } else if long || rest.first() == Some(&b'=') && rest.len() > 2 {
            doubt::report(input, sink, span, &[&TAG]);
        } else if starts_ignore_case(rest, b"xml") {
            // `<?xml :code;` is a short tag with a label, not a declaration.
            let inner = rest.get(3..).unwrap_or_default();
            if inner.first().is_some_and(u8::is_ascii_whitespace) && inner.trim_ascii_start().first() == Some(&b':') {
                doubt::report(input, sink, span, &[&TAG]);
            }
        } else if rest.is_empty() {
            doubt::report(input, sink, span, &[&TAG_ALONE]);
        } else if rest[0].is_ascii_whitespace() && begins_statement(rest.trim_ascii_start()) {
            doubt::report(input, sink, span, &[&TAG]);
        }
    }
    if !input.classes.any(&[Class::Bracket, Class::Brace]) {
        return;
    }
    for tag in [&b"[php]"[..], b"[/php]", b"{/php}", b"[\\php]"] {
        if let Some(at) = find_ignore_case(bytes, tag) {
            doubt::report(input, sink, at..at + tag.len(), &[&TAG]);
        }
    }
}

/// Whether what follows a short tag is a statement.
fn begins_statement(text: &[u8]) -> bool {
    [&b"echo"[..], b"print", b"include", b"require", b"eval", b"if", b"for", b"while", b"system", b"$"]
        .iter()
        .any(|word| starts_ignore_case(text, word))
        || text.iter().take(200).any(|b| matches!(b, b'(' | b'$' | b';'))
}

fn wrappers(input: &Input<'_>, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    // PHP reads `data:` without slashes too. Pages send files so in bodies, and nobody in a query or as a name.
    let named = matches!(input.place, Place::Query | Place::QueryKey | Place::FormKey | Place::JsonKey | Place::XmlMarkup);
    if named && bytes.len() < 1024 && starts_ignore_case(bytes, b"data:text/plain") {
        let text = memchr::memchr(b',', bytes).map_or(bytes, |at| bytes.get(at + 1..).unwrap_or_default());
        let words = text.len() < bytes.len() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b" .,!-".contains(byte));
        let encoded = find_ignore_case(bytes, b";base64").is_some();
        sink.report(0..bytes.len(), &[if words && !encoded { &WORDS_ONLY } else { &WRAPPER }]);
    }
    let mut at = 0;
    while let Some(found) = memchr::memmem::find(bytes.get(at..).unwrap_or_default(), b"://") {
        let end = at + found;
        at = end + 3;
        let before = bytes.get(end.saturating_sub(24)..end).unwrap_or_default();
        let start = before.iter().rposition(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'2'))).map_or(0, |p| p + 1);
        let scheme = before.get(start..).unwrap_or_default().to_ascii_lowercase();
        let rest = bytes.get(at..).unwrap_or_default();
        let known = match scheme.as_slice() {
            b"php" => [&b"input"[..], b"filter", b"std", b"output", b"memory", b"temp", b"fd"].iter().any(|word| starts_ignore_case(rest, word)),
            b"expect" | b"phar" | b"zlib" | b"glob" | b"compress.zlib" | b"compress.bzip2" | b"rar" | b"ogg" | b"zip" => !rest.is_empty(),
            b"data" => rest.iter().take(40).any(|b| matches!(b, b',' | b';')),
            _ => scheme.starts_with(b"ssh2."),
        };
        if known {
            let span = end - (before.len() - start)..bytes.len().min(end + 60);
            doubt::unless_shown(input, sink, span, &[&WRAPPER]);
        }
    }
}

/// Skips white space and comments forward.
fn skip(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match rest {
            [b, ..] if b.is_ascii_whitespace() => at += 1,
            [b'/', b'*', inner @ ..] => at += memchr::memmem::find(inner, b"*/").map_or(rest.len(), |end| end + 4),
            [b'/', b'/', ..] | [b'#', ..] => at += memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
            _ => return at,
        }
    }
}

/// Finds where white space and comments end. All of them together may cost a few times the length of the value: behind many comments
/// without an end, only ends that are near are found.
struct Gaps {
    left: usize,
}

impl Gaps {
    const FACTOR: usize = 4;
    const NEAR: usize = 64;

    const fn new(bytes: &[u8]) -> Self {
        Self { left: bytes.len() * Self::FACTOR }
    }

    fn skip(&mut self, bytes: &[u8], at: usize) -> usize {
        // Most names stand directly before a sign.
        if !matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'/' | b'#')) {
            return at;
        }
        let window = bytes.len().min(at + self.left.max(Self::NEAR));
        let end = skip(bytes.get(..window).unwrap_or_default(), at);
        self.left = self.left.saturating_sub(end - at);
        end
    }
}

fn is_name(byte: u8) -> bool {
    NAME[byte as usize]
}

static NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_';
        byte += 1;
    }
    table
};

fn calls(input: &Input<'_>, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    let segment = match input.place {
        Place::Path => memchr::memrchr(b'/', bytes).map_or(0, |at| at + 1),
        _ => 0,
    };
    let trimmed = segment + bytes.get(segment..).unwrap_or_default().iter().position(|b| !(b.is_ascii_whitespace() || matches!(b, b';' | b'@' | b'!' | b'(' | b'{'))).unwrap_or(0);
    let led = lead(bytes.get(segment..).unwrap_or_default());
    let trimmed = if led > 0 { segment + led } else { trimmed };
    let (mut at, mut depth_of_names, mut last_end) = (0, 0_u32, 0);
    // Behind the last sign that makes a call of a name there is none.
    let Some(last) = memchr::memrchr2(b'(', b'=', bytes) else { return };
    let mut gaps = Gaps::new(bytes);
    while let Some(found) = bytes.get(at..last).and_then(|rest| rest.iter().position(|byte| is_name(*byte))) {
        let start = at + found;
        at = start + bytes.iter().skip(start).take_while(|byte| is_name(**byte)).count();
        let open = gaps.skip(bytes, at);
        if !matches!(bytes.get(open), Some(b'(' | b'=')) {
            continue;
        }
        if at > start + 1 && open == at && bytes.get(open) == Some(&b'(') && joins(bytes, start, open) {
            doubt::unless_shown(input, sink, start..bytes.len().min(open + 60), &[&JOINED]);
            return;
        }
        let Some(power) = bytes.get(start..at).filter(|name| name.len() >= 2).and_then(php) else { continue };
        if bytes.get(open) != Some(&b'(') {
            // `echo "x"`, `print 'x'` and a call cut short by an assignment: `Shell_exec=(x)`.
            let assigned = power == Power::Runs && bytes.get(open) == Some(&b'=') && bytes.get(open + 1) == Some(&b'(');
            if assigned && start == trimmed {
                doubt::report(input, sink, start..open, &[&CALL_RUNS]);
            }
            continue;
        }
        let before = bytes.get(..start).unwrap_or_default().trim_ascii_end().last().copied();
        // `obj.exec(`, `->exec(` and `pattern.exec(` are methods of other things.
        if matches!(before, Some(b'.' | b'>')) && bytes.get(start.wrapping_sub(1)) == before.as_ref() {
            continue;
        }
        let span = start..bytes.len().min(open + 60);
        // A name directly inside another one's parenthesis: eval(base64_decode(
        depth_of_names = if start == last_end { depth_of_names + 1 } else { 1 };
        last_end = open + 1;
        if depth_of_names >= 2 && power != Power::Ordinary {
            doubt::unless_shown(input, sink, span.clone(), &[&NESTED]);
        }
        if start == trimmed && is_call_to_the_end(bytes, open) {
            let fact = match power {
                // `System (Linux)` is a title.
                _ if is_title(bytes, at, open) => &TITLE,
                // `print("hello")` is the first line of many languages.
                Power::Ordinary if says(bytes, start, at) && bytes.get(open + 1..).is_some_and(is_one_text) => &TITLE,
                Power::Runs => &CALL_RUNS,
                Power::Reaches => &CALL_REACHES,
                Power::Ordinary => &CALL_ORDINARY,
            };
            doubt::report(input, sink, span, &[fact]);
        } else if power != Power::Ordinary {
            let breaks = matches!(before, Some(b';' | b'\'' | b'"' | b'}' | b')' | b'|' | b'&' | b'?' | b'@'))
                || before == Some(b'.') && bytes.get(start.wrapping_sub(1)) != Some(&b'.');
            let touching = bytes.get(open.wrapping_sub(1)).copied().is_some_and(is_name);
            if breaks && touching && closes_something(bytes, start) {
                doubt::unless_shown(input, sink, span, &[&CALL_INSIDE, &BREAKS_OUT]);
            } else if power == Power::Runs && touching {
                doubt::report(input, sink, span, &[&CALL_INSIDE]);
            }
        }
    }
}

/// Whether a name is that of a function which only writes what it is given.
fn says(bytes: &[u8], start: usize, end: usize) -> bool {
    let name = bytes.get(start..end).unwrap_or_default();
    [&b"print"[..], b"printf", b"echo"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a name and a parenthesis are set apart by plain space, with bare words in the parenthesis.
fn is_title(bytes: &[u8], end: usize, open: usize) -> bool {
    let gap = bytes.get(end..open).unwrap_or_default();
    let words = bytes.get(open + 1..).unwrap_or_default();
    const ENGLISH: &[&[u8]] = &[
        b"system", b"exec", b"file", b"link", b"mail", b"copy", b"exit", b"print", b"touch", b"include", b"require", b"extract", b"join", b"rename", b"constant",
        b"assert", b"eval", b"define", b"die", b"glob", b"implode", b"sleep", b"echo", b"unlink", b"dl",
    ];
    let start = bytes.get(..end).unwrap_or_default().iter().rposition(|&b| !is_name(b)).map_or(0, |at| at + 1);
    let name = bytes.get(start..end).unwrap_or_default();
    !gap.is_empty()
        && ENGLISH.iter().any(|word| word.eq_ignore_ascii_case(name))
        && gap.iter().all(|&b| b == b' ')
        && words.first().is_some_and(u8::is_ascii_alphanumeric)
        && words.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b')' | b'.' | b',' | b'-'))
}

/// Whether what stands before `at` closes a string or a statement that it did not open.
fn closes_something(bytes: &[u8], at: usize) -> bool {
    const NEAR: usize = 24;
    let before = bytes.get(at.saturating_sub(NEAR)..at).unwrap_or_default();
    let lead = before
        .iter()
        .rposition(|b| !(b.is_ascii_whitespace() || matches!(b, b';' | b'\'' | b'"' | b')' | b'}' | b'.' | b'|' | b'&' | b'?' | b'>' | b'@' | b'/')))
        .map_or(before, |end| before.get(end + 1..).unwrap_or_default());
    lead.iter().any(|b| matches!(b, b'\'' | b'"')) || lead.first() == Some(&b';') && at <= NEAR
        || lead.last() == Some(&b';') && bytes.get(at.wrapping_sub(1)) == Some(&b';')
}

/// Whether from the parenthesis on the value is the rest of one call or of a chain of them.
fn is_call_to_the_end(bytes: &[u8], open: usize) -> bool {
    let close = memchr::memrchr(b')', bytes);
    let Some(close) = close.filter(|&close| close > open) else { return true };
    let tail = bytes.get(close + 1..).unwrap_or_default();
    let tail = tail.get(skip(tail, 0)..).unwrap_or_default();
    tail.is_empty()
        || matches!(tail[0], b';' | b'[' | b'}' | b'.' | b'?' | b'\'' | b'"' | b'/' | b'#' | b',' | b')' | b'-' | b'|' | b'&' | b'\\')
}

/// `echo `, `print `, `{if:`: what a statement or the tag of a template puts before a call.
fn lead(text: &[u8]) -> usize {
    for word in [&b"echo "[..], b"print ", b"return ", b"die "] {
        if starts_ignore_case(text, word) {
            return word.len();
        }
    }
    let Some(tag) = text.strip_prefix(b"{") else { return 0 };
    let name = tag.iter().take(12).take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
    if name > 0 && tag.get(name) == Some(&b':') { name + 2 } else { 0 }
}

/// `x'.name(…).'`: a call that is joined to a string on both sides, where the string before it was opened by somebody else.
fn joins(bytes: &[u8], start: usize, open: usize) -> bool {
    if bytes.len() >= 512 {
        return false;
    }
    let head = bytes.get(..start).unwrap_or_default();
    let Some(head) = head.trim_ascii_end().strip_suffix(b".") else { return false };
    let Some(&quote @ (b'\'' | b'"')) = head.trim_ascii_end().last() else { return false };
    let odd = memchr::memchr_iter(quote, head).count() % 2 == 1;
    let tail = bytes.get(open..).unwrap_or_default();
    odd
        && memchr::memchr_iter(b')', tail).any(|close| {
            let rest = tail.get(close + 1..).unwrap_or_default().trim_ascii_start();
            rest.strip_prefix(b".").is_some_and(|rest| rest.trim_ascii_start().first() == Some(&quote))
        })
}

fn variables(input: &Input<'_>, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    let mut gaps = Gaps::new(bytes);
    for at in memchr::memchr_iter(b'$', bytes) {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let length = rest.iter().take(64).take_while(|&&b| is_name(b) || b == b'$').count();
        let name = rest.get(..length).unwrap_or_default();
        const GLOBALS: &[&[u8]] = &[b"_GET", b"_POST", b"_REQUEST", b"_SERVER", b"_COOKIE", b"_FILES", b"_ENV", b"_SESSION", b"GLOBALS", b"HTTP_RAW_POST_DATA"];
        if GLOBALS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            if rest.get(length) == Some(&b'[') {
                doubt::unless_shown(input, sink, at..at + 1 + length, &[&SUPERGLOBAL]);
            } else {
                doubt::report(input, sink, at..at + 1 + length, &[&SUPERGLOBAL]);
            }
            continue;
        }
        // `${@name}(…)`, `$ {'name'}`: the braces hold an expression.
        let brace = gaps.skip(rest, 0);
        if length == 0 && rest.get(brace) == Some(&b'{') {
            let inner = rest.get(brace + 1..).unwrap_or_default();
            let close = memchr::memchr(b'}', inner.get(..inner.len().min(200)).unwrap_or_default());
            let body = inner.get(..close.unwrap_or(0)).unwrap_or_default().trim_ascii();
            let called = close.is_some_and(|close| {
                let mut end = gaps.skip(inner, close + 1);
                while let Some(b'[') = inner.get(end) {
                    let window = inner.get(end..inner.len().min(end + 80)).unwrap_or_default();
                    let Some(found) = memchr::memchr(b']', window) else { break };
                    end = gaps.skip(inner, end + found + 1);
                }
                inner.get(end) == Some(&b'(')
            });
            let alone = bytes.trim_ascii().len() <= inner.len() + 4 && inner.len() < 40;
            let evaluated = (brace > 0 || alone) && matches!(body.first(), Some(b'\'' | b'"')) || body.starts_with(b"@") && body.len() > 1;
            if called && !body.is_empty() || evaluated {
                doubt::report(input, sink, at..bytes.len().min(at + 60), &[&VARIABLE_CALL]);
            }
            continue;
        }
        let first = name.first().copied().unwrap_or(0);
        if length == 0 || first.is_ascii_digit() {
            continue;
        }
        // Indexes, each in brackets or braces, then a call. jQuery's `$name(` in a longer text is doubted by its lines.
        let mut end = gaps.skip(rest, length);
        let mut indexed = false;
        while let Some(&open @ (b'[' | b'{')) = rest.get(end) {
            let close = if open == b'[' { b']' } else { b'}' };
            let window = rest.get(end..rest.len().min(end + 80)).unwrap_or_default();
            let Some(found) = memchr::memchr(close, window) else { break };
            indexed = true;
            end = gaps.skip(rest, end + found + 1);
            // `$a[$b[0]](…)`
            while rest.get(end) == Some(&close) {
                end += 1;
            }
        }
        if rest.get(end) == Some(&b'(') {
            let lead = bytes.get(..at).unwrap_or_default().trim_ascii_end().last().copied();
            let whole = bytes.len() < 400
                && matches!(lead, None | Some(b'@' | b'(' | b'{' | b'$' | b';' | b'\'' | b'"' | b'=' | b'.' | b'&' | b'|' | b'!' | b','));
            let ends = bytes.trim_ascii_end().last().is_some_and(|b| matches!(b, b')' | b';' | b'}' | b'/'));
            if whole && ends || indexed {
                doubt::report(input, sink, at..bytes.len().min(at + 60), &[&VARIABLE_CALL]);
            }
        }
    }
    // `("system")("id")`, `'sys'.'tem'('id')`, `(system)(ls)`, `Foo::$x()`.
    for at in memchr::memchr_iter(b'(', bytes) {
        let before = bytes.get(..at).unwrap_or_default();
        let blank = before.len() - before.trim_ascii_end().len();
        let Some(&last) = before.trim_ascii_end().last() else { continue };
        let near = bytes.get(at.saturating_sub(96)..at).unwrap_or_default();
        let holds = |names: &[&[u8]]| names.iter().any(|name| find_ignore_case(near, name).is_some());
        const CALLED: &[&[u8]] = &[b"system", b"exec", b"passthru", b"popen", b"phpinfo", b"assert", b"eval", b"print_r", b"uname"];
        let callable = matches!(last, b'"' | b'\'' | b')' | b']' | b'}') && blank < 16;
        if callable && (holds(CALLED) || joined(near)) && bytes.len() < 300 && !near.starts_with(b"<") && is_string_call(near) {
            doubt::unless_shown(input, sink, at.saturating_sub(32)..bytes.len().min(at + 40), &[&STRING_CALL]);
            return;
        }
    }
    if let Some(at) = memchr::memmem::find(bytes, b"::$") {
        doubt::report(input, sink, at..at + 3, &[&VARIABLE_CALL]);
    }
}

/// Whether short strings are joined by dots: `'sys'.'tem'`, `(sy.(st).em)`.
fn joined(near: &[u8]) -> bool {
    [&b"'.'"[..], b"\".\"", b".(", b"'.\"", b").", b"' . '", b"\" . \""].iter().any(|join| memchr::memmem::find(near, join).is_some())
}

/// Whether the text that would be called is a string in quotes or alone in parentheses, rather than a call's result.
fn is_string_call(near: &[u8]) -> bool {
    let near = near.trim_ascii_end();
    match near.last() {
        Some(b'"' | b'\'') => true,
        Some(b')') => {
            let Some(open) = memchr::memrchr(b'(', near) else { return false };
            let lead = near.get(..open).unwrap_or_default().trim_ascii_end();
            !lead.last().copied().is_some_and(|b| is_name(b) || b == b'$')
        }
        Some(b']' | b'}') => {
            let lead = near.first().copied().unwrap_or(0);
            near.iter().any(|b| matches!(b, b'\'' | b'"' | b'(')) || lead == b'['
        }
        _ => false,
    }
}

fn settings(input: &Input<'_>, sink: &mut Sink<'_>) {
    let report = |sink: &mut Sink<'_>, span: Range<usize>| doubt::report(input, sink, span, &[&SETTING]);
    for text in [input.bytes, input.name] {
        let Some(name) = text.get(..text.iter().position(|b| !(is_name(*b) || *b == b'.')).unwrap_or(text.len())) else { continue };
        const FAMILIES: &[&[u8]] = &[b"mbstring.", b"opcache.", b"suhosin.", b"xdebug.", b"zend.", b"session.save_"];
        let known = || SETTINGS.iter().any(|known| known.eq_ignore_ascii_case(name))
            || FAMILIES.iter().any(|family| starts_ignore_case(name, family));
        let assigned = text.get(name.len()..).unwrap_or_default().trim_ascii_start().first() == Some(&b'=');
        if assigned && known() {
            report(sink, 0..name.len());
            return;
        }
    }
    if !input.classes.has(Class::Equals) {
        return;
    }
    // The form in which CGI takes them: `-d allow_url_include=1`.
    for setting in [&b"allow_url_include"[..], b"auto_prepend_file"] {
        if let Some(at) = find_ignore_case(input.bytes, setting)
            && input.bytes.get(at + setting.len()..).unwrap_or_default().trim_ascii_start().first() == Some(&b'=')
        {
            report(sink, at..at + setting.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Gaps;

    /// Each of many comments without an end reaches to the end of the value: read anew from every name, they would cost its square.
    #[test]
    fn comments_cost_no_more_than_a_few_times_the_length() {
        for unit in ["a#", "a//", "a/*", "a#\n#"] {
            let bytes = unit.repeat(5000).into_bytes();
            let mut gaps = Gaps::new(&bytes);
            let names: Vec<_> = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'a').map(|(at, _)| at + 1).collect();
            let read: usize = names.iter().map(|&at| gaps.skip(&bytes, at) - at).sum();
            let bound = bytes.len() * (Gaps::FACTOR + 1) + names.len() * Gaps::NEAR;
            assert!(read <= bound, "{unit:?}: {read} bytes read, {bound} are allowed");
        }
    }

    #[test]
    fn behind_a_flood_near_ends_are_found() {
        let flood = "a/*".repeat(5000);
        let bytes = format!("{flood}*/ exec /* x */ (").into_bytes();
        let mut gaps = Gaps::new(&bytes);
        for at in 0..flood.len() {
            gaps.skip(&bytes, at);
        }
        let name = flood.len() + "*/ exec".len();
        assert_eq!(gaps.skip(&bytes, name), bytes.len() - 1);
    }
}

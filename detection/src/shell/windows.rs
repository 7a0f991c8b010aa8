//! What only Windows shells have: batch statements and PowerShell cmdlets.

/// Whether `rest` starts with a `for` or `if` statement of cmd.exe; answers its length up to the command that it runs.
pub(crate) fn batch_statement(rest: &[u8]) -> Option<usize> {
    // Nearly every word is neither of the two.
    if !matches!(rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'))?, b'f' | b'F' | b'i' | b'I') {
        return None;
    }
    let mut words = Words { rest, at: 0 };
    let first = words.next()?;
    if first.eq_ignore_ascii_case(b"for") {
        return for_statement(words);
    }
    if first.eq_ignore_ascii_case(b"if") {
        return if_statement(words);
    }
    None
}

struct Words<'r> {
    rest: &'r [u8],
    at: usize,
}

impl<'r> Words<'r> {
    fn next(&mut self) -> Option<&'r [u8]> {
        let gap =
            self.rest.get(self.at..)?.iter().take(64).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let start = self.at + gap;
        let tail = self.rest.get(start..)?;
        tail.first()?;
        let mut quoted = false;
        let end = |byte: &u8| {
            quoted ^= *byte == b'"';
            !quoted && matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'(')
        };
        let len = tail.iter().take(128).position(end).unwrap_or(tail.len().min(128)).max(1);
        self.at = start + len;
        tail.get(..len)
    }
}

/// `FOR [/D|/R|/L|/F] … %x IN (…) DO …`
fn for_statement(mut words: Words<'_>) -> Option<usize> {
    for _ in 0..6 {
        let word = words.next()?;
        if word.starts_with(b"%") {
            // `%x` or `%%x`.
            let name = word.iter().skip_while(|byte| **byte == b'%').count();
            let named = word.iter().skip(word.len() - name).all(u8::is_ascii_alphanumeric);
            let known = ((2..=3).contains(&word.len()) || (1..=12).contains(&name) && named)
                && words.next()?.eq_ignore_ascii_case(b"in")
                && words.next()? == b"(";
            return known.then_some(words.at);
        }
        let option = word.starts_with(b"\\\"")
            || matches!(word, [b'/', letter] if matches!(letter | 0x20, b'd' | b'r' | b'l' | b'f'));
        if !(option || word.starts_with(b"\"") || word.get(1) == Some(&b':')) {
            return None;
        }
    }
    None
}

/// `IF [/I] [NOT] EXIST name …`, `IF … "a"=="b" …`, `IF ERRORLEVEL n …`
fn if_statement(mut words: Words<'_>) -> Option<usize> {
    let mut word = words.next()?;
    while word.eq_ignore_ascii_case(b"/i") || word.eq_ignore_ascii_case(b"not") {
        word = words.next()?;
    }
    const TESTS: &[&[u8]] = &[b"exist", b"defined", b"errorlevel", b"cmdextversion"];
    const COMPARISONS: &[&[u8]] = &[b"==", b"EQU", b"NEQ", b"LSS", b"LEQ", b"GTR", b"GEQ"];
    let is = |list: &[&[u8]], word: &[u8]| list.iter().any(|known| known.eq_ignore_ascii_case(word));
    if is(TESTS, word) {
        let shouted = word.iter().all(u8::is_ascii_uppercase);
        let argument = words.next()?;
        let numeric = argument.iter().all(u8::is_ascii_digit);
        let path = argument.iter().any(|byte| matches!(byte, b'.' | b'\\' | b'/' | b'%' | b'"' | b'*'));
        let next = words.next()?;
        let sets =
            word.eq_ignore_ascii_case(b"defined") && (next.eq_ignore_ascii_case(b"set") || next == b"(");
        return (numeric || path || shouted || sets).then_some(words.at);
    }
    let marked = |word: &[u8]| word.iter().any(|byte| matches!(byte, b'%' | b'"' | b'!' | b'[' | b'('));
    if let Some(at) = memchr::memmem::find(word, b"==") {
        return (at > 0 && at + 2 < word.len() && words.next().is_some()).then_some(words.at);
    }
    // The operator stands apart: `"%a%" == "b"`, `%n% GTR 3`.
    let mut quoted = marked(word);
    for _ in 0..3 {
        let next = words.next()?;
        if is(COMPARISONS, next) {
            let right = words.next()?;
            quoted |= marked(right);
            return (quoted && words.next().is_some()).then_some(words.at);
        }
        quoted |= marked(next);
    }
    None
}

/// Whether `rest` starts with a function that calls itself twice at once: `f(){ f|f& };f`.
pub(crate) fn fork_bomb(rest: &[u8]) -> Option<usize> {
    let open = memchr::memchr(b'(', rest.get(..rest.len().min(40))?)?;
    let name = rest.get(..open)?.trim_ascii();
    let blank = |byte: &u8| byte.is_ascii_whitespace();
    let marks = rest.get(open..)?.iter().filter(|byte| !blank(byte)).take(3);
    if !marks.eq(b"(){") {
        return None;
    }
    let head: Vec<u8> = rest.get(open..)?.iter().take(120).copied().filter(|byte| !blank(byte)).collect();
    let body = head.strip_prefix(b"(){")?.strip_prefix(name)?;
    let body = body.strip_prefix(b"()").unwrap_or(body);
    let again = body.strip_prefix(b"|").or_else(|| body.strip_prefix(b"&"))?.strip_prefix(name)?;
    (!name.is_empty()
        && name.len() <= 24
        && !name.contains(&b' ')
        && again.iter().take(6).any(|byte| matches!(byte, b'&' | b'}')))
    .then_some(open + 3)
}

/// Whether `rest` starts with a PowerShell cmdlet (`Verb-Noun`) or one of its notorious aliases; answers its length, and
/// whether it runs, fetches or changes something.
pub(crate) fn cmdlet(rest: &[u8]) -> Option<(usize, bool)> {
    const VERBS: &[&[u8]] = &[
        b"add",
        b"clear",
        b"compress",
        b"convertfrom",
        b"convertto",
        b"copy",
        b"disable",
        b"enable",
        b"enter",
        b"expand",
        b"export",
        b"find",
        b"foreach",
        b"format",
        b"get",
        b"import",
        b"install",
        b"invoke",
        b"join",
        b"measure",
        b"move",
        b"new",
        b"out",
        b"pop",
        b"push",
        b"read",
        b"remove",
        b"rename",
        b"resolve",
        b"restart",
        b"resume",
        b"select",
        b"send",
        b"set",
        b"show",
        b"sort",
        b"split",
        b"start",
        b"stop",
        b"tee",
        b"test",
        b"trace",
        b"uninstall",
        b"update",
        b"wait",
        b"where",
        b"write",
    ];
    const NOUNS: &[&[u8]] = &[
        b"process",
        b"service",
        b"item",
        b"childitem",
        b"content",
        b"object",
        b"expression",
        b"webrequest",
        b"restmethod",
        b"command",
        b"wmiobject",
        b"ciminstance",
        b"computer",
        b"location",
        b"host",
        b"output",
        b"file",
        b"csv",
        b"string",
        b"module",
        b"help",
        b"variable",
        b"aduser",
        b"localuser",
        b"eventlog",
        b"acl",
        b"netipaddress",
        b"itemproperty",
        b"job",
        b"psdrive",
        b"history",
        b"sleep",
        b"member",
        b"type",
        b"path",
        b"date",
        b"archive",
        b"mppreference",
        b"executionpolicy",
        b"netconnection",
        b"connection",
        b"wmimethod",
    ];
    let name = rest.iter().take(40).take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-').count();
    let word = rest.get(..name)?;
    if [b"iex".as_slice(), b"iwr", b"iwmi", b"irm", b"saps", b"icm"]
        .iter()
        .any(|alias| alias.eq_ignore_ascii_case(word))
        && matches!(rest.get(name), Some(b' ' | b'('))
    {
        return Some((name, true));
    }
    let dash = word.iter().position(|byte| *byte == b'-')?;
    let (verb, noun) = (word.get(..dash)?, word.get(dash + 1..)?);
    let is = |list: &[&[u8]], word: &[u8]| list.iter().any(|known| known.eq_ignore_ascii_case(word));
    let acts = is(&[b"invoke", b"start", b"stop", b"remove", b"set", b"restart", b"new", b"uninstall"], verb);
    (is(VERBS, verb) && is(NOUNS, noun)).then_some((name, acts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_statements_are_told_from_prose() {
        for text in [
            "FOR %a IN (1,2) DO calc",
            "for /l %%i in (1,1,5) do x",
            "IF EXIST a.txt del a.txt",
            "if /i not \"a\"==\"b\" cmd",
            "if errorlevel 1 goto x",
        ] {
            assert!(batch_statement(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "for example in (2)",
            "for 5% in (2)",
            "if not now when",
            "if exist then fine",
            "if a == b then c",
        ] {
            assert!(batch_statement(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn cmdlets_are_a_verb_and_a_noun() {
        assert_eq!(cmdlet(b"Get-Process x"), Some((11, false)));
        assert_eq!(cmdlet(b"get-together"), None);
    }
}

//! What the body of a template expression would do: fill in a variable, or compute, call and reach.

use super::Kind;
use crate::bytes::{contains_ignore_case, starts_ignore_case};

/// What a body does, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Body {
    /// It fills in a name, or is no expression.
    Placeholder,
    /// It is a statement of a template (a loop, a condition), as templates that are passed as text have.
    Statement,
    /// It calls a method or applies a filter with arguments.
    Call,
    /// It computes with constants, which only a probe does.
    Computes,
    /// It reaches the insides of the language or of the template engine.
    Reaches,
}

/// Words in lower case that lead out of a template, whatever stands around them.
const REACHING: &[&[u8]] = &[
    b"__class__",
    b"__mro__",
    b"__subclasses__",
    b"__globals__",
    b"__init__",
    b"__builtins__",
    b"__base__",
    b"__import__",
    b"_templatereference",
    b"getclass",
    b"forname(",
    b"getruntime",
    b"processbuilder",
    b"classloader",
    b"java.lang",
    b"java.io",
    b"java.net",
    b"javax.script",
    b"t(java",
    b"freemarker.template",
    b"?new()",
    b"?new(",
    b"?api",
    b"newinstance",
    b".exec(",
    b"exec(",
    b"system(",
    b"popen(",
    b"passthru(",
    b"shell_exec(",
    b"subprocess",
    b"child_process",
    b"mainmodule",
    b"constructor._load",
    b"constructor.constructor",
    b"require(",
    b"global.process",
    b"config.items",
    b"config.from",
    b"os.environ",
    b"self._",
    b"self.module",
    b"self.template",
    b"self.attr",
    b"self.context",
    b"cycler.",
    b"joiner.",
    b"lipsum",
    b"get_flashed_messages",
    b"request.application",
    b"request|attr",
    b"|attr(",
    b"|attr (",
    b"|map('system",
    b"|filter('system",
    b"|map(\"system",
    b"|filter(\"system",
    b"|sort('system",
    b"_self.env",
    b"registerundefinedfiltercallback",
    b"app.request",
    b"dump(app",
    b"file_excerpt",
    b"request.get_",
    b"get_user_file",
    b"settings.secret",
    b"pagecontext",
    b"facescontext",
    b"sessionscope",
    b"applicationscope",
    b"requestscope",
    b"#_memberaccess",
    b"#context",
    b"@java",
    b"ognl",
    b"file.open",
    b"file.read",
    b"dir.entries",
    b"io.popen",
    b"`id`",
    b"`ls",
    b"`whoami`",
    b"kernel.",
    b"eval(",
    b"evaluate(",
    b".execute()",
    b"new java",
    b"new file(",
    b"groovy",
    b"smarty.version",
    b"smarty.template",
    b"getstreamvariable",
    b"writefile(",
    b"include('/",
    b"include(\"/",
    b"class.inspect",
    b"class.module",
    b"protectiondomain",
    b"inspect(",
    b"phpinfo",
    b"response.write",
    b"import os",
    b"import=",
    b"getenv",
    b"process.env",
    b"setattribute(",
    b"getsession()",
    b"java.util",
    b"string.valueof",
    b"core::",
    b"%env",
    b"system '",
    b"system \"",
    b"open(f",
    b"debugger",
    b"print_r(",
    b"fread(",
    b"file_get_contents",
    b"_.version",
    b"_.templatesettings",
    b"get_admin_log",
    b"signer.key",
    b"messages.storages",
    b"config.iter",
    b"lookup string",
    b"sleep(",
    b"@print(",
    b"open3",
    b"md5(",
    b"string.sub",
    b"createobject",
];

/// What a body does.
pub(crate) fn judge(kind: Kind, body: &[u8]) -> Body {
    let text = body.trim_ascii();
    let text = text.strip_prefix(b"=").or_else(|| text.strip_prefix(b"-")).unwrap_or(text).trim_ascii();
    let text = text.strip_suffix(b"-").unwrap_or(text).trim_ascii();
    if text.is_empty() {
        return Body::Placeholder;
    }
    // Perl interpolates a list: `@{[ … ]}`. A shell's backticks run in ERB and in Groovy.
    let list = kind == Kind::Razor && text.starts_with(b"[");
    let ticks = matches!(kind, Kind::Angle | Kind::Hash)
        && (memchr::memchr(b'`', text).is_some() || contains_ignore_case(text, b"%x"));
    if list || ticks || hands_on_a_function(text) {
        return Body::Reaches;
    }
    // A plain name is filled in; only a few names lead somewhere by themselves.
    let plain = text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b' ' | b'-'));
    let leads = plain && memchr::memmem::find(text, b"__").is_none() && memchr::memchr(b'.', text).is_none();
    if leads && kind != Kind::Statement && !contains_ignore_case(text, b"lipsum") && !computes(text) {
        return if matches!(kind, Kind::Smarty) { Body::Computes } else { Body::Placeholder };
    }
    if REACHING.iter().any(|word| contains_ignore_case(text, word)) {
        return Body::Reaches;
    }
    if computes(text) {
        return Body::Computes;
    }
    match kind {
        Kind::Statement => {
            // A condition that is always the same asks whether conditions are evaluated.
            let condition = text.strip_prefix(b"if ").map(<[u8]>::trim_ascii).unwrap_or_default();
            let fixed = [&b"true"[..], b"false", b"1", b"0", b"1==1", b"not 0"]
                .iter()
                .any(|word| condition.eq_ignore_ascii_case(word));
            if fixed || text.eq_ignore_ascii_case(b"debug") { Body::Computes } else { Body::Statement }
        }
        Kind::Velocity | Kind::Freemarker => directive(kind, text),
        Kind::Smarty => Body::Computes,
        Kind::Percent
        | Kind::Hash
        | Kind::Dollar
        | Kind::Angle
        | Kind::DoubleBrace
        | Kind::Razor
        | Kind::Selection
        | Kind::Bracket => {
            if calls(text) {
                Body::Call
            } else {
                Body::Placeholder
            }
        }
    }
}

/// Whether a filter is given a function by its name: `[…]|map('system')`.
fn hands_on_a_function(text: &[u8]) -> bool {
    [&b"|map("[..], b"|filter(", b"|reduce(", b"|sort(", b"| map(", b"| filter(", b"| reduce(", b"| sort("]
        .iter()
        .any(|filter| {
            memchr::memmem::find(text, filter)
                .is_some_and(|at| matches!(text.get(at + filter.len()), Some(b'\'' | b'"')))
        })
}

/// Whether a text is arithmetic on constants, or repeats or joins a constant: `7*7`, `'a'*5`, `3-1`, `"a"|upper`.
fn computes(text: &[u8]) -> bool {
    const LONGEST: usize = 64;
    if text.len() > LONGEST {
        return false;
    }
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    let operators = text.iter().filter(|b| matches!(b, b'*' | b'+' | b'/' | b'%' | b'-')).count();
    let plain = text.iter().all(|b| {
        b.is_ascii_digit()
            || matches!(
                b,
                b'*' | b'+'
                    | b'/'
                    | b'%'
                    | b'-'
                    | b' '
                    | b'('
                    | b')'
                    | b'.'
                    | b'\''
                    | b'"'
                    | b'_'
                    | b'\\'
                    | b'\t'
            )
    });
    // A date (`2024-01-02`) or a path of numbers is no sum.
    let date = operators > 0
        && text.iter().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'/' | b'.'))
        && text.iter().filter(|&&b| matches!(b, b'-' | b'/')).count() == 2
        && digits >= 6;
    if plain && digits >= 2 && operators >= 1 && !date {
        return true;
    }
    // `'a'*7`, `"a".upper()`, `[1,2]|join`, `(1).x`.
    let constant = match text {
        [b'\'' | b'"', ..] => true,
        [b'[' | b'(', next, ..] => next.is_ascii_digit() || matches!(next, b'\'' | b'"' | b']' | b')'),
        _ => false,
    };
    constant
        && text.iter().any(|b| matches!(b, b'*' | b'.' | b'|' | b'+'))
        && memchr::memchr(b':', text).is_none()
}

fn directive(kind: Kind, text: &[u8]) -> Body {
    if kind == Kind::Velocity
        && text.starts_with(b"$")
        && memchr::memmem::find(text, b"=").is_some()
        && calls(text)
    {
        return Body::Reaches;
    }
    if kind == Kind::Velocity {
        return if text.starts_with(b"$") && text.iter().any(|b| matches!(b, b'=' | b'.'))
            || text.starts_with(b"\"")
        {
            Body::Computes
        } else {
            Body::Placeholder
        };
    }
    const WORDS: &[&[u8]] = &[
        b"assign",
        b"include",
        b"import",
        b"macro",
        b"global",
        b"local",
        b"function",
        b"setting",
        b"list",
        b"if",
        b"attempt",
        b"ftl",
    ];
    if WORDS.iter().any(|word| {
        starts_ignore_case(text, word) && text.get(word.len()).is_none_or(u8::is_ascii_whitespace)
    }) {
        Body::Computes
    } else {
        Body::Placeholder
    }
}

/// Whether a body calls something: a name directly before a parenthesis.
fn calls(text: &[u8]) -> bool {
    memchr::memchr_iter(b'(', text)
        .any(|at| at > 0 && text.get(at - 1).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_probes() {
        assert_eq!(judge(Kind::DoubleBrace, b" name "), Body::Placeholder);
        assert_eq!(judge(Kind::DoubleBrace, b"user.first_name | upcase"), Body::Placeholder);
        assert_eq!(judge(Kind::Dollar, b"HOME"), Body::Placeholder);
        assert_eq!(judge(Kind::Dollar, b"2024-01-02"), Body::Placeholder);
        assert_eq!(judge(Kind::DoubleBrace, b"7*7"), Body::Computes);
        assert_eq!(judge(Kind::DoubleBrace, b"7*'7'"), Body::Computes);
        assert_eq!(judge(Kind::DoubleBrace, b"''.__class__"), Body::Reaches);
        assert_eq!(judge(Kind::Velocity, b"$x=$y.z"), Body::Computes);
    }
}

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
    b"request.environ",
    b"handler.settings",
    b"handler.application",
    b"'constructor'",
    b"\"constructor\"",
    b"system.io.",
    b"system.diagnostics.",
    b"system.environment.",
    b"system.reflection.",
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
    let environment = kind == Kind::Angle && memchr::memmem::find(text, b"ENV").is_some();
    if list || ticks || environment || hands_on_a_function(text) || is_scope(kind, text) {
        return Body::Reaches;
    }
    // `<%! … %>` declares a member of the page's class, `${.version}` names what Freemarker keeps for itself, and a
    // template in Go calls a function with a constant.
    let special = kind == Kind::Angle && text.starts_with(b"!")
        || kind == Kind::Dollar && matches!(text, [b'.', next, ..] if next.is_ascii_alphabetic())
        || kind == Kind::DoubleBrace
            && (calls_with_a_constant(text) || text.starts_with(b"#with \"") || text.starts_with(b"#with '"));
    if special {
        return Body::Computes;
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
            let fixed =
                [&b"true"[..], b"false", b"not 0"].iter().any(|word| condition.eq_ignore_ascii_case(word))
                    || !condition.is_empty()
                        && condition.iter().all(|b| b.is_ascii_digit() || b"=<>!+-*/%() .'\"".contains(b));
            if fixed || text.eq_ignore_ascii_case(b"debug") { Body::Computes } else { Body::Statement }
        }
        Kind::Velocity | Kind::Freemarker => directive(kind, text),
        // Templates include each other by name; by an absolute path or a scheme, something else is read.
        Kind::Smarty if starts_ignore_case(text, b"include ") => {
            let resource =
                text.iter().position(|b| matches!(b, b'"' | b'\'')).and_then(|at| text.get(at + 1..));
            let foreign =
                |name: &[u8]| name.starts_with(b"/") || name.starts_with(b"..") || name.contains(&b':');
            if resource.is_some_and(foreign) { Body::Reaches } else { Body::Placeholder }
        }
        Kind::Smarty => Body::Computes,
        Kind::Percent
        | Kind::Hash
        | Kind::Dollar
        | Kind::Angle
        | Kind::DoubleBrace
        | Kind::Razor
        | Kind::Selection
        | Kind::Bracket => {
            if calls(text) && !is_looked_up(text) {
                Body::Call
            } else {
                Body::Placeholder
            }
        }
    }
}

/// The maps in which expression languages of Java keep what an application holds.
fn is_scope(kind: Kind, text: &[u8]) -> bool {
    const SCOPES: &[&[u8]] = &[
        b"applicationscope",
        b"sessionscope",
        b"requestscope",
        b"pagescope",
        b"pagecontext",
        b"initparam",
        b"headervalues",
        b"paramvalues",
        b"facescontext",
    ];
    matches!(kind, Kind::Dollar | Kind::Hash | Kind::Selection)
        && SCOPES.iter().any(|scope| text.eq_ignore_ascii_case(scope))
}

/// `printf "%s" "x"`, `html "x"`, `readFile "/x"`: functions of Go's templates that are given a constant first.
fn calls_with_a_constant(text: &[u8]) -> bool {
    const FUNCTIONS: &[&[u8]] = &[
        b"printf ",
        b"println ",
        b"print ",
        b"html ",
        b"js ",
        b"urlquery ",
        b"env ",
        b"readfile ",
        b"exec ",
        b"define ",
        b"getenv ",
    ];
    FUNCTIONS.iter().any(|name| {
        starts_ignore_case(text, name)
            && matches!(text.get(name.len()..).map(<[u8]>::trim_ascii_start), Some([b'"' | b'`', ..]))
    })
}

/// `'CART.TITLE' | translate`: a key that one filter without arguments turns into a text.
fn is_looked_up(text: &[u8]) -> bool {
    let Some((quote @ (b'"' | b'\''), rest)) = text.split_first() else { return false };
    let Some(end) = memchr::memchr(*quote, rest) else { return false };
    let key = rest.get(..end).unwrap_or_default();
    const TRANSLATE: &[&[u8]] = &[b"trans(", b"t(", b"translate(", b"format(", b"date(", b"replace("];
    let filter = rest
        .get(end + 1..)
        .unwrap_or_default()
        .trim_ascii_start()
        .strip_prefix(b"|")
        .unwrap_or_default()
        .trim_ascii();
    key.len() > 1
        && key.iter().all(|b| b.is_ascii_alphanumeric() || b"_-. ".contains(b))
        && !filter.is_empty()
        && (filter.iter().all(|b| b.is_ascii_alphabetic() || *b == b'_')
            || filter.ends_with(b")") && TRANSLATE.iter().any(|name| starts_ignore_case(filter, name)))
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
        && !is_looked_up(text)
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

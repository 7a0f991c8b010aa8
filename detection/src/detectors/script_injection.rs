//! Code injection for Node.js, Python, Ruby and Perl.
//!
//! # What it detects
//! Calls that load a module, run a command or walk to the interpreter's insides, statements that are the whole value, and
//! references into modules in the replies of server components.
//!
//! # Why it matters
//! A value that ends up in `eval`, `exec` or a deserialiser of code runs with the rights of the function.
//!
//! # Example
//! `require('child_process').execSync('id')`
//!
//! # Known false positives
//! Posts of one line of code outside a code block.
//!
//! # Evasions covered
//! White space, quotes and joins between the parts of a call, brackets instead of dots, escapes by way of the decoders.
//!
//! # References
//! OWASP Server-Side JavaScript Injection; CVE-2025-55182; CWE-94; CWE-95.

use crate::{
    Class, Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    bytes::{find_ignore_case, is_one_text, starts_ignore_case},
    doubt,
};

static NODE: Fact = Fact::new("loads a module or reaches the process in Node.js", FactKind::Structure, 105);
static PYTHON: Fact = Fact::new("imports, runs or walks to the insides in Python", FactKind::Structure, 105);
static RUBY: Fact = Fact::new("runs a command in Ruby", FactKind::Structure, 105);
static PERL: Fact = Fact::new("evaluates or runs a command in Perl", FactKind::Structure, 105);
static VBSCRIPT: Fact = Fact::new("runs VBScript on the server", FactKind::Structure, 105);
static LOOP: Fact = Fact::new("a loop without end as the whole value", FactKind::Effect, 100);
static STATEMENT: Fact = Fact::new("is a statement of a server's JavaScript", FactKind::Structure, 100);
static FLIGHT: Fact = Fact::new("a reference into a module in a server component's reply", FactKind::Effect, 105);

/// Literals in lower case. White space and quotes are left out of the text before they are sought.
const NODE_CALLS: &[&[u8]] = &[
    b"require(child_process", b"require(fs).", b"require(net).", b"require(os).", b"require(vm).", b"process.mainmodule", b"process.binding(", b"process[mainmodule",
    b"process[env", b"global.process", b"globalthis.process", b"require.main", b"module.exports=", b"constructor._load(", b"this.constructor.constructor", b"child_process.exec", b"child_process).exec",
    b"child_process).spawn", b"process.kill(", b"process.exit(", b".execsync(", b"newfunction(", b"require[", b"module.constructor", b"process.dlopen", b"=require;",
];
const PYTHON_CALLS: &[&[u8]] = &[
    b"__import__(", b"__builtins__", b"__subclasses__", b"__globals__", b"__mro__", b"os.system(", b"os.popen(", b"subprocess.popen(", b"subprocess.call(", b"subprocess.check_output(",
    b"subprocess.run(", b"subprocess.getoutput(", b"eval(compile(", b"importlib.import_module(", b"builtins.exec", b"pickle.loads(", b"pty.spawn(", b"__class__.__base", b"__class__.__init", b"os.execl(",
    b"exec(import", b"importos;", b"importos\nos.", b"codecs.decode(", b"__getattribute__", b"__class__.mro", b"func_globals",
];
const RUBY_CALLS: &[&[u8]] = &[
    b"kernel.exec", b"kernel.system", b"kernel.open", b"io.popen(", b"process.spawn(", b"open3.", b"%x(", b"%x{", b"%x[", b"instance_eval(", b"class_eval(", b"file.read(/etc", b"send(:system", b"send(:eval", b"dir.glob(", b"io.read(",
];
const PERL_CALLS: &[&[u8]] = &[b"qx{", b"qx(", b"qx/", b"@{[system", b"io::socket", b"perl-e", b"core::system", b"core::exec", b"use io::"];

/// Classic ASP, whose joins by `&` a query splits: what stays whole is enough.
const VBSCRIPT_CALLS: &[&[u8]] =
    &[b"server.scripttimeout", b"onerrorresumenext", b"server.createobject(", b"createobject(wscript", b"execute(request", b"eval(request", b"executeglobal"];

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::CodeInjection, name: "script_injection", version: 1, gate: Gate::Never, run };

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    if memchr::memchr3(b'.', b'(', b'_', bytes).is_none() && memchr::memchr2(b'{', b'[', bytes).is_none() {
        return;
    }
    // In compressed data short forms such as `%x{` occur by chance.
    if input.classes.has(Class::Control) && std::str::from_utf8(bytes).is_err() {
        return;
    }
    // A copy without white space and quotes: `require ( "child" + "_process" )` reads the same.
    const LONGEST: usize = 16 * 1024;
    let bare: Vec<u8> = bytes
        .iter()
        .take(LONGEST)
        .filter(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\'' | b'"' | b'`' | b'+'))
        .map(u8::to_ascii_lowercase)
        .collect();
    for (calls, fact) in [(NODE_CALLS, &NODE), (PYTHON_CALLS, &PYTHON), (RUBY_CALLS, &RUBY), (PERL_CALLS, &PERL), (VBSCRIPT_CALLS, &VBSCRIPT)] {
        let there = |call: &&&[u8]| {
            memchr::memmem::find(&bare, call).is_some() && (!call.starts_with(b"qx") || has_word(bytes, *b"qx"))
        };
        if let Some(call) = calls.iter().find(there) {
            let head = call.get(..call.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(call.len())).unwrap_or_default();
            let at = find_ignore_case(bytes, head).unwrap_or(0);
            let span = at..bytes.len().min(at + 60);
            // Workflow files and modules hold such calls; a parameter has no reason to.
            if input.shape().lines >= doubt::DOCUMENT_LINES {
                doubt::report(input, sink, span, &[fact]);
            } else {
                doubt::unless_shown(input, sink, span, &[fact]);
            }
        }
    }
    whole(input, &bare, sink);
    if let Some(at) = memchr::memmem::find(&bare, b":__proto__:").or_else(|| memchr::memmem::find(&bare, b":constructor:").or_else(|| memchr::memmem::find(&bare, b":prototype")))
        && bare.get(..at).unwrap_or_default().iter().rev().take(24).any(|&b| b == b'$')
    {
        sink.report(0..bytes.len(), &[&FLIGHT]);
    }
}

/// Whether two letters stand as a word of their own: `qx/` is Perl, and the end of `http://example.qx/` is not.
fn has_word(bytes: &[u8], word: [u8; 2]) -> bool {
    bytes.windows(2).enumerate().any(|(at, pair)| {
        pair.eq_ignore_ascii_case(&word)
            && at.checked_sub(1).and_then(|before| bytes.get(before)).is_none_or(|&before| {
                !(before.is_ascii_alphanumeric() || matches!(before, b'_' | b'.' | b'-' | b'/'))
            })
    })
}

/// Statements that mean something only when they are all there is.
fn whole(input: &Input<'_>, bare: &[u8], sink: &mut Sink<'_>) {
    if bare.len() > 200 {
        return;
    }
    if let Some(condition) = bare.strip_prefix(b"while(").or_else(|| bare.strip_prefix(b"for("))
        && !condition.is_empty()
        && condition.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'!' | b'-' | b'+' | b'(' | b'[' | b']' | b')' | b';' | b'{' | b'}' | b'~' | b'\n'))
        && memchr::memchr(b')', condition).is_some()
    {
        sink.report(0..input.bytes.len(), &[&LOOP]);
    }
    let console = [&b"console.log"[..], b"console.info", b"console.error", b"console.debug", b"console.warn", b"console.trace", b"console["]
        .iter()
        .any(|start| starts_ignore_case(bare, start));
    let environment = starts_ignore_case(bare, b"process.env") && !input.bytes.trim_ascii().contains(&b' ');
    // `console.log('hello')` alone shows what anybody may write, and runs nothing.
    let greets = |open: usize| input.bytes.get(open + 1..).is_some_and(is_one_text);
    let console = console && memchr::memchr(b'(', bare).is_some() && !memchr::memchr(b'(', input.bytes).is_some_and(greets);
    if environment || console {
        doubt::report(input, sink, 0..input.bytes.len(), &[&STATEMENT]);
    }
}

//! Java code injection.
//!
//! # What it detects
//! Java classes named to be loaded, calls that run commands or reach classes by reflection, request parameters bound to
//! the class loader, and OGNL expressions.
//!
//! # Why it matters
//! Frameworks that evaluate such a value run commands with the rights of the function.
//!
//! # Example
//! `class.module.classLoader.resources.context.parent.pipeline.first.pattern=x`
//!
//! # Known false positives
//! Management interfaces that take class names as parameters.
//!
//! # Evasions covered
//! Case, names standing alone in keys, headers and cookies, reflection instead of a call.
//!
//! # References
//! CVE-2022-22965; CVE-2017-5638; OWASP Expression Language Injection; CWE-917; CWE-470.

use picket_request::Place;

use crate::{
    Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    bytes::{contains_ignore_case, find_ignore_case, starts_ignore_case},
    doubt,
};

static RUNS: Fact = Fact::new("runs a command or a script in Java", FactKind::Structure, 110);
static REFLECTS: Fact = Fact::new("reaches a Java class by reflection", FactKind::Structure, 105);
static CLASS_LOADER: Fact = Fact::new("binds a request parameter to the class loader", FactKind::Effect, 110);
static OGNL: Fact = Fact::new("an OGNL expression that reaches its context or a static member", FactKind::Effect, 105);
static CLASS_NAME: Fact = Fact::new("a Java class as the whole value", FactKind::Lexical, 100);
static LOGGED: Fact = Fact::new("a Java class as the whole value of a JSON text", FactKind::Lexical, 50);
static DANGEROUS_CLASS: Fact = Fact::new("a Java class that attacks load", FactKind::Lexical, 100);
static GADGET: Fact = Fact::new("a class of a known chain of Java objects", FactKind::Lexical, 105);

/// Packages of the language and of libraries that attacks load classes from.
const PACKAGES: &[&[u8]] = &[
    b"java.", b"javax.", b"com.sun.", b"sun.", b"jdk.", b"org.apache.commons", b"org.apache.struts", b"org.omg.corba", b"com.opensymphony.", b"org.springframework.",
    b"freemarker.", b"ognl.", b"com.mchange.", b"org.codehaus.groovy", b"groovy.", b"org.mozilla.javascript", b"bsh.", b"org.apache.xalan", b"org.apache.velocity",
];

/// Packages long enough to mean something alone.
const WHOLE_PACKAGES: &[&[u8]] = &[b"com.opensymphony.xwork2", b"com.sun.org.apache", b"org.apache.commons", b"org.omg.corba", b"java.lang.reflect", b"org.apache.struts2"];

/// Classes that no harmless parameter names.
const DANGEROUS: &[&[u8]] = &[
    b"java.lang.runtime", b"java.lang.processbuilder", b"java.lang.processimpl", b"javax.script.scriptenginemanager", b"java.lang.reflect.", b"java.net.urlclassloader", b"java.rmi.",
    b"javax.naming.initialcontext", b"java.beans.xmldecoder", b"java.io.fileoutputstream", b"bsh.interpreter", b"groovy.lang.groovyshell", b"freemarker.template.utility", b"com.opensymphony.xwork2",
    b"ognl.ognlcontext", b"com.sun.rowset.jdbcrowsetimpl", b"org.apache.commons.io.ioutils", b"java.lang.system", b"jdk.jshell", b"sun.misc.unsafe", b"classpathxmlapplicationcontext", b"filesystemxmlapplicationcontext", b"xsltc.trax.templatesimpl", b".util.runtimeutil",
];

const GADGETS: &[&[u8]] = &[
    b"clonetransformer", b"forclosure", b"instantiatefactory", b"instantiatetransformer", b"invokertransformer", b"prototypeclonefactory", b"prototypeserializationfactory",
    b"whileclosure", b"chainedtransformer", b"constanttransformer", b"tiedmapentry", b"beancomparator", b"templatesimpl", b"hotswappabletargetsource", b"methodclosure", b"convertedclosure",
    b"jndirefforwardingdatasource", b"wrapperconnectionpooldatasource", b"badattributevalueexpexception",
];

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::CodeInjection, name: "java_injection", version: 1, gate: Gate::Never, run };

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    // `class.module.classLoader.resources…`, as a parameter's name.
    if let Some(at) = find_ignore_case(bytes, b"classloader")
        && (starts_ignore_case(bytes.trim_ascii_start(), b"class.") || starts_ignore_case(bytes.trim_ascii_start(), b"class['") || contains_ignore_case(bytes, b"class.module.") || contains_ignore_case(bytes, b"['class']"))
        && bytes.iter().take(at).all(u8::is_ascii_graphic)
    {
        sink.report(at..at + 11, &[&CLASS_LOADER]);
    }
    if memchr::memchr3(b'.', b'(', b'#', bytes).is_none() {
        return;
    }
    ognl(input, sink);
    calls(input, sink);
    if let Some(at) = GADGETS.iter().find_map(|gadget| find_ignore_case(bytes, gadget)) {
        doubt::report(input, sink, at..bytes.len().min(at + 40), &[&GADGET]);
    }
    class_names(input, sink);
}

fn ognl(input: &Input<'_>, sink: &mut Sink<'_>) {
    const MARKS: &[&[u8]] = &[
        b"#_memberaccess", b"#context[", b"#context.", b"@java.lang.", b"@org.apache.", b"@ognl.", b"#application", b"#session.", b"#parameters.", b"#request.", b"(#a=", b"#attr[", b"#container=",
        b"@com.opensymphony", b"allowstaticmethodaccess", b"denymethodexecution", b"#ognlutil", b"xwork.methodaccessor", b"@java.util.", b"@java.io.",
    ];
    if memchr::memchr2(b'#', b'@', input.bytes).is_none() && !contains_ignore_case(input.bytes, b"xwork") {
        return;
    }
    if let Some(at) = MARKS.iter().find_map(|mark| find_ignore_case(input.bytes, mark)) {
        let expression = memchr::memchr2(b'(', b'=', input.bytes).is_some();
        if expression {
            doubt::unless_shown(input, sink, at..input.bytes.len().min(at + 60), &[&OGNL]);
        }
    }
}

fn calls(input: &Input<'_>, sink: &mut Sink<'_>) {
    const RUNNING: &[&[u8]] = &[
        b"getruntime()", b".getruntime(", b"new processbuilder", b"new java.lang.", b"processbuilder(", b"getenginebyname(", b"new urlclassloader", b".exec(new ", b"@groovy.transform.asttest", b"t(java.",
        b"new groovy", b"new initialcontext(", b"new gro", b"jshell.create(", b"$ref=jndi", b"templatesimpl", b"bsh.interpreter",
    ];
    const REFLECTING: &[&[u8]] = &[
        b".getclass().forname(", b"class.forname(", b"getclass().getclassloader", b".getdeclaredmethod", b".getdeclaredconstructor", b".getmethod(", b".newinstance(", b"getclass().getprotectiondomain",
        b".class.protectiondomain", b"setaccessible(true", b".getclass().", b".defineclass(", b"getconstructor(", b"['class']", b".class.forname",
    ];
    let bytes = input.bytes;
    if let Some(at) = RUNNING.iter().find_map(|call| find_ignore_case(bytes, call)) {
        doubt::unless_shown(input, sink, at..bytes.len().min(at + 60), &[&RUNS]);
    } else if let Some(at) = REFLECTING.iter().find_map(|call| find_ignore_case(bytes, call)) {
        doubt::unless_shown(input, sink, at..bytes.len().min(at + 60), &[&REFLECTS]);
    }
}

/// Where a class stands other than as a frame of a stack trace (`at java.rmi.X.f(X.java:1)`) or as a failure.
fn find_used(bytes: &[u8], class: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = find_ignore_case(bytes.get(from..)?, class) {
        let at = from + found;
        let rest = bytes.get(at..).unwrap_or_default();
        let name = rest.iter().take(160).take_while(|&&b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b'/' | b'<' | b'>')).count();
        let word = rest.get(..name).unwrap_or_default();
        let place = rest.get(name..).and_then(|rest| rest.strip_prefix(b"(")).unwrap_or_default();
        let place = place.iter().take(80).position(|&b| b == b')').and_then(|end| place.get(..end)).unwrap_or_default();
        let frame = [&b".java:"[..], b".kt:", b".scala:", b".groovy:", b"native method", b"unknown source"].iter().any(|mark| contains_ignore_case(place, mark));
        let failure = word.ends_with(b"Exception") || word.ends_with(b"Error");
        if !frame && !failure {
            return Some(at);
        }
        from = at + class.len();
    }
    None
}

/// `java.lang.ProcessBuilder` and its like: as the whole value, or anywhere for those that nobody names harmlessly.
/// Exceptions are what error reports name.
fn class_names(input: &Input<'_>, sink: &mut Sink<'_>) {
    let bytes = input.bytes.trim_ascii();
    let text = bytes.split(|&b| b == b'=').next_back().unwrap_or(bytes);
    let name = |text: &[u8]| {
        text.len() < 160 && text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b'[' | b']' | b';'))
    };
    let is_failure = [&b"exception"[..], b"error", b"throwable"].iter().any(|end| contains_ignore_case(text, end));
    if name(text) && bytes.len() < 200 && !is_failure {
        let dots = text.iter().filter(|&&b| b == b'.').count();
        let package = PACKAGES.iter().find(|package| starts_ignore_case(text, package));
        let evil = (contains_ignore_case(text, b"runtime") || contains_ignore_case(text, b"processbuilder")) && starts_ignore_case(text, b"java.");
        let ends_in_class = text.rsplit(|&b| b == b'.').next().is_some_and(|last| last.first().is_some_and(u8::is_ascii_uppercase));
        let whole = WHOLE_PACKAGES.iter().any(|known| text.eq_ignore_ascii_case(known));
        if whole || evil || package.is_some() && dots >= 2 && ends_in_class {
            // Loggers and threads are named after classes; what is dangerous is known below.
            let core = [&b"java.io."[..], b"java.lang.", b"java.net.", b"javax.script."].iter().any(|package| starts_ignore_case(text, package));
            let logged = input.place == Place::Json && !whole && !evil && !core;
            sink.report(0..input.bytes.len(), &[if logged { &LOGGED } else { &CLASS_NAME }]);
            if !logged {
                return;
            }
        }
    }
    if let Some(at) = DANGEROUS.iter().find_map(|class| find_used(input.bytes, class)) {
        doubt::report(input, sink, at..input.bytes.len().min(at + 40), &[&DANGEROUS_CLASS]);
    }
}

//! Serialised objects of a dangerous kind.
//!
//! # What it detects
//! Objects in the formats of Java (raw and base64 at every alignment), PHP, .NET, Python's pickle, YAML with language
//! tags, Ruby's Marshal and node-serialize, and JSON or XML that names the class to build.
//!
//! # Why it matters
//! Building such an object runs its class's code, and chains of ordinary classes are known that end in a command.
//!
//! # Example
//! `O:8:"Evil\Job":1:{s:3:"cmd";s:2:"id";}`
//!
//! # Known false positives
//! Applications that pass serialised state through the browser: they should not, and can exclude the parameter.
//!
//! # Evasions covered
//! Base64 at each of its three alignments, signs in PHP lengths, spaces in JSON type names, YAML tags in their long form.
//!
//! # References
//! OWASP Deserialization Cheat Sheet; Java Object Serialization Specification section 6; MS-NRBF; PEP 307; CWE-502.

use crate::{
    Class, Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    bytes::{contains_ignore_case, find_ignore_case},
    doubt,
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Deserialization, name: "deserialization", version: 1, gate: Gate::Any(gate), run };

static JAVA: Fact = Fact::new("a serialised Java object", FactKind::Effect, 105);
static JAVA_TEXT: Fact = Fact::new("the start of a serialised Java object in base64", FactKind::Effect, 105);
static PHP: Fact = Fact::new("a serialised PHP object", FactKind::Effect, 105);
static NET: Fact = Fact::new("a serialised .NET object", FactKind::Effect, 105);
static NET_TYPE: Fact = Fact::new("JSON that names a .NET class to build", FactKind::Effect, 100);
static TYPE_NAME: Fact = Fact::new("JSON that names a class to build", FactKind::Structure, 60);
static JAVA_TYPE: Fact = Fact::new("JSON that names a Java class to build", FactKind::Effect, 100);
static PICKLE: Fact = Fact::new("a pickle that calls a function", FactKind::Effect, 105);
static YAML: Fact = Fact::new("a YAML tag that builds an object", FactKind::Effect, 100);
static NODE: Fact = Fact::new("a function in node-serialize's format", FactKind::Effect, 110);
static RUBY: Fact = Fact::new("a serialised Ruby object", FactKind::Effect, 100);
static JAVA_XML: Fact = Fact::new("XML that builds and calls Java objects", FactKind::Effect, 100);

fn gate(input: &Input<'_>) -> bool {
    let bytes = input.bytes;
    input.classes.has(Class::Control)
        || input.classes.has(Class::Colon)
            && input.classes.has(Class::DoubleQuote)
            && input.classes.has(Class::Brace)
            && memchr::memmem::find(bytes.get(..bytes.len().min(1024)).unwrap_or_default(), b":\"").is_some()
        || input.name.first() == Some(&b'@') && input.name == b"@type"
        || input.name == b"$type"
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    let whole = 0..bytes.len();
    // The second form went through a conversion from Latin-1 to UTF-8.
    if bytes.starts_with(b"\xac\xed\x00\x05")
        || bytes.starts_with(b"\xc2\xac\xc3\xad\x00\x05") || contains_ignore_case(bytes.get(..8.min(bytes.len())).unwrap_or_default(), b"aced0005") {
        sink.report(whole.clone(), &[&JAVA]);
    }
    // The magic at the three alignments that base64 can give it; at the first one only where a text begins.
    for at in memchr::memmem::find_iter(bytes, b"rO0AB") {
        if at == 0 || bytes.get(at - 1).is_some_and(|&b| !is_base64(b)) {
            sink.report(at..bytes.len(), &[&JAVA_TEXT]);
        }
    }
    for magic in [&b"KztAAU"[..], b"Cs7QAF"] {
        if let Some(at) = memchr::memmem::find(bytes, magic) {
            sink.report(at..bytes.len(), &[&JAVA_TEXT]);
        }
    }
    if let Some(at) = php_object(bytes) {
        sink.report(at..bytes.len(), &[&PHP]);
    }
    net(input, sink);
    if is_pickle(bytes) {
        sink.report(whole.clone(), &[&PICKLE]);
    }
    // What base64 makes of a binary pickle is no text, so no decoder hands it on.
    let texts: [&[u8]; 4] = [b"gAN", b"gAS", b"gAV", b"gAJ"];
    if bytes.len() > 16 && texts.iter().any(|magic| bytes.starts_with(magic)) && is_pickle(&undo_base64(bytes)) {
        sink.report(whole.clone(), &[&PICKLE]);
    }
    yaml(input, sink);
    if let Some(at) = memchr::memmem::find(bytes, b"_$$ND_FUNC$$_") {
        sink.report(at..bytes.len(), &[&NODE]);
    }
    let ruby = bytes.starts_with(b"\x04\x08o:") || bytes.starts_with(b"BAhv") || bytes.starts_with(b"\x04\x08") && memchr::memmem::find(bytes, b"Gem::").is_some();
    if ruby {
        sink.report(whole.clone(), &[&RUBY]);
    }
    if input.name == b"@type" && !input.place.is_key() {
        java_type(bytes, sink);
    }
    // JSON that does not parse, or is text in a text.
    if !input.place.is_key() {
        for at in memchr::memmem::find_iter(bytes, b"\"@type\"").take(64) {
            let rest = bytes.get(at + 7..).unwrap_or_default().trim_ascii_start();
            let literal = rest
                .strip_prefix(b":")
                .map(<[u8]>::trim_ascii_start)
                .and_then(|rest| rest.strip_prefix(b"\""));
            if let Some(literal) = literal {
                let length =
                    literal.iter().take(200).position(|&b| b == b'"').unwrap_or(literal.len().min(200));
                java_type(literal.get(..length).unwrap_or_default(), sink);
            }
        }
    }
    const GADGETS: &[&[u8]] = &[b"<dynamic-proxy", b"java.beans.xmldecoder", b"<serializable", b"javax.imageio.imageio$containsfilter"];
    let calls = find_ignore_case(bytes, b"<void ").or_else(|| find_ignore_case(bytes, b"<object class=\"java"));
    if let Some(at) = calls.filter(|_| contains_ignore_case(bytes, b"class=\"java") || contains_ignore_case(bytes, b"class='java"))
        .or_else(|| GADGETS.iter().find_map(|gadget| find_ignore_case(bytes, gadget)))
    {
        doubt::report(input, sink, at..bytes.len().min(at + 80), &[&JAVA_XML]);
    }
}

/// The first bytes of what base64 or base64url stands for.
fn undo_base64(bytes: &[u8]) -> Vec<u8> {
    const LONGEST: usize = 2048;
    let (mut out, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for &byte in bytes.iter().take(LONGEST) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' | b' ' => 62,
            b'/' | b'_' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    out
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// `O:4:"Name":1:{` or `C:4:"Name":1:{`, where a serialised value may begin.
fn php_object(bytes: &[u8]) -> Option<usize> {
    memchr::memchr2_iter(b'O', b'C', bytes).find(|&at| {
        let starts = at == 0 || !bytes.get(at - 1).is_some_and(u8::is_ascii_alphanumeric);
        let rest = bytes.get(at + 1..).unwrap_or_default();
        starts && rest.starts_with(b":") && {
            let sign = usize::from(rest.get(1) == Some(&b'+'));
            let digits = rest.get(1 + sign..).unwrap_or_default();
            let count = digits.iter().take(6).take_while(|b| b.is_ascii_digit()).count();
            let name = digits.get(count..).unwrap_or_default();
            let name = name.strip_prefix(b":\"").or_else(|| name.strip_prefix(b":\\\""));
            count > 0
                && name.is_some_and(|name| {
                    let length = name.iter().take(128).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'\\' | 0x80..)).count();
                    length > 0 && name.get(length).is_none_or(|&b| b == b'"')
                })
        }
    })
}

fn net(input: &Input<'_>, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    const MAGICS: &[&[u8]] = &[b"AAEAAAD/////", b"AAQAAAD/////", b"AAQAAAP////8B", b"AABAAAA/////wE", b"\x00\x01\x00\x00\x00\xff\xff\xff\xff\x01\x00\x00\x00"];
    if let Some(at) = MAGICS.iter().find_map(|magic| memchr::memmem::find(bytes, magic)) {
        sink.report(at..bytes.len(), &[&NET]);
    }
    const GADGETS: &[&[u8]] = &[
        b"objectdataprovider", b"windowsidentity", b"claimsidentity", b"claimsprincipal", b"axhoststate", b"settingspropertyvalue",
        b"assemblyinstaller", b"expandedwrapper", b"system.diagnostics.process", b"presentationframework", b"system.management.automation",
        b"system.configuration.install", b"system.windows.data", b"typeconfusedelegate", b"textformattingrunproperties", b"system.web.security.roleprincipal",
    ];
    let typed = input.name == b"$type" || find_ignore_case(bytes, b"$type").is_some() || find_ignore_case(bytes, b"xmlns:").is_some();
    if typed && GADGETS.iter().any(|gadget| contains_ignore_case(bytes, gadget)) {
        sink.report(0..bytes.len(), &[&NET_TYPE]);
    } else if input.name == b"$type" && bytes.starts_with(b"System.") {
        sink.report(0..bytes.len(), &[&TYPE_NAME]);
    }
}

/// A pickle that imports and calls: a GLOBAL or STACK_GLOBAL opcode and a REDUCE, with a module that acts.
fn is_pickle(bytes: &[u8]) -> bool {
    const MODULES: &[&[u8]] =
        &[b"os", b"posix", b"nt", b"subprocess", b"builtins", b"__builtin__", b"commands", b"pty", b"socket", b"sys", b"shutil", b"importlib", b"runpy", b"timeit", b"webbrowser"];
    let binary = bytes.len() > 4 && bytes[0] == 0x80 && matches!(bytes[1], 2..=5);
    if binary {
        let head = bytes.get(..bytes.len().min(2048)).unwrap_or_default();
        let calls = memchr::memchr(b'R', head).is_some();
        let stacked = memchr::memchr(0x93, head).is_some();
        return calls
            && MODULES.iter().any(|module| {
                memchr::memmem::find_iter(head, module).any(|at| {
                    let after = head.get(at + module.len()).copied();
                    let before = at.checked_sub(1).and_then(|at| head.get(at)).copied();
                    before == Some(b'c') && after == Some(b'\n')
                        || stacked && before == u8::try_from(module.len()).ok() && after == Some(0x94)
                })
            });
    }
    // Protocol 0 is text: `cos\nsystem\n(S'id'\ntR.`
    memchr::memchr_iter(b'c', bytes).any(|at| {
        let starts = at == 0 || bytes.get(at - 1).is_some_and(|b| matches!(b, b'\n' | b'(' | b'.' | b'\'' | b'"'));
        let rest = bytes.get(at + 1..).unwrap_or_default();
        starts && MODULES.iter().any(|module| {
            rest.strip_prefix(*module).and_then(|rest| rest.strip_prefix(b"\n")).is_some_and(|rest| {
                let name = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                name > 0 && rest.get(name) == Some(&b'\n')
            })
        })
    })
}

fn yaml(input: &Input<'_>, sink: &mut Sink<'_>) {
    const TAGS: &[&[u8]] = &[
        b"!!python/object", b"!!python/name", b"!!python/module", b"!python/object", b"!!javax.", b"!!java.", b"!!com.", b"!!org.", b"!!ruby/", b"!ruby/object", b"!ruby/hash",
        b"!ruby/struct", b"!ruby/class", b"tag:yaml.org,2002:python/", b"tag:yaml.org,2002:java", b"!!js/function", b"!!ch.qos.",
    ];
    if memchr::memchr(b'!', input.bytes).is_none() && memchr::memmem::find(input.bytes, b"tag:").is_none() {
        return;
    }
    if let Some(at) = TAGS.iter().find_map(|tag| memchr::memmem::find(input.bytes, tag)) {
        doubt::report(input, sink, at..input.bytes.len().min(at + 60), &[&YAML]);
    }
}

/// `"@type": "package.Class"` as Fastjson reads it. JSON-LD has words there, and protobuf a URL.
fn java_type(bytes: &[u8], sink: &mut Sink<'_>) {
    const PACKAGES: &[&[u8]] = &[
        b"java.", b"javax.", b"com.sun.", b"sun.", b"jdk.", b"org.apache.", b"com.mchange.", b"org.springframework.", b"com.alibaba.", b"ch.qos.",
        b"com.mysql.", b"org.h2.", b"com.zaxxer.", b"org.hibernate.", b"br.com.", b"net.sf.", b"groovy.", b"[com.", b"ljava.", b"oracle.", b"com.ibatis.",
    ];
    let lower = bytes.get(..bytes.len().min(200)).unwrap_or_default().to_ascii_lowercase();
    let dots = lower.iter().filter(|&&b| b == b'.').count();
    if PACKAGES.iter().any(|package| lower.starts_with(package)) {
        sink.report(0..bytes.len(), &[&JAVA_TYPE]);
    } else if dots >= 2 && lower.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$')) {
        sink.report(0..bytes.len(), &[&TYPE_NAME]);
    }
}

//! Runs parsers of real runtimes beside ours: no string that they yield may go uninspected.
//!
//! It is shared by the test and the fuzz target. A peer is a child process that answers line by line.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use picket_lambda_event::EventReader;
use picket_request::Request;
use serde_json::{Value, json};

/// What a text stands for in its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Query,
    Form,
    Cookie,
    Multipart,
    Base64,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Json, Self::Query, Self::Form, Self::Cookie, Self::Multipart, Self::Base64];

    const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Query => "query",
            Self::Form => "form",
            Self::Cookie => "cookie",
            Self::Multipart => "multipart",
            Self::Base64 => "base64",
        }
    }

    /// The content type that a text of this kind is sent with.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
            Self::Multipart => "multipart/form-data; boundary=\"b\"",
            _ => "text/plain",
        }
    }
}

/// A parser of another runtime.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a peer, or says why not.
    pub(crate) fn start(name: &'static str, program: &str, script: &str) -> Result<Self, String> {
        let script = format!("{}/tests/differential/{script}", env!("CARGO_MANIFEST_DIR"));
        let script = script.replace("/fuzz/tests/", "/lambda-event/tests/");
        let mut child = Command::new(program)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let input = child.stdin.take().ok_or("no stdin")?;
        let output = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut peer = Self { name, child, input, output };
        // A first question tells a missing interpreter behind a shim from a working one.
        match peer.ask(Kind::Json, b"[\"ready\"]").as_deref() {
            Some([text, ..]) if text == b"ready" => Ok(peer),
            _ => Err(format!("{program} does not answer")),
        }
    }

    /// Both peers that are there; each that is not, with a printed reason.
    pub(crate) fn all() -> Vec<Self> {
        let started =
            [Self::start("Python", "python3", "peer.py"), Self::start("Node.js", "node", "peer.js")];
        let keep =
            |peer: Result<Self, String>| peer.map_err(|reason| eprintln!("skipped a peer: {reason}")).ok();
        started.into_iter().filter_map(keep).collect()
    }

    /// The strings that this runtime reads out of a text.
    pub(crate) fn ask(&mut self, kind: Kind, text: &[u8]) -> Option<Vec<Vec<u8>>> {
        let question =
            json!({ "kind": kind.name(), "data": BASE64.encode(text), "type": kind.content_type() });
        writeln!(self.input, "{question}").ok()?;
        self.input.flush().ok()?;
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        let answer: Vec<String> = serde_json::from_str(&line).ok()?;
        answer.into_iter().map(|text| BASE64.decode(text).ok()).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// The event of a Function URL that carries the text.
fn event(kind: Kind, text: &[u8]) -> Bytes {
    let lossy = String::from_utf8_lossy(text);
    let mut event = json!({
        "version": "2.0", "rawPath": "/", "rawQueryString": "", "headers": { "content-type": kind.content_type() },
        "requestContext": { "http": { "method": "POST", "sourceIp": "203.0.113.7" },
                            "domainName": "x.lambda-url.eu-west-1.on.aws" },
        "isBase64Encoded": true,
    });
    match kind {
        Kind::Query => event["rawQueryString"] = lossy.into(),
        Kind::Cookie => event["headers"]["cookie"] = lossy.into(),
        Kind::Base64 => event["body"] = lossy.into(),
        Kind::Json | Kind::Form | Kind::Multipart => event["body"] = BASE64.encode(text).into(),
    }
    Bytes::from(event.to_string())
}

/// What is compared: how bytes that are not ASCII are mended is each runtime's own, so they are left out on both sides.
fn ascii(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(u8::is_ascii).collect()
}

/// The text without backslashes and percent-encoding, which detection undoes in every value.
fn plainer(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let digits = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| byte == b'%');
        at += if code.is_some() { 3 } else { 1 };
        if byte != b'\\' {
            out.push(code.unwrap_or(byte));
        }
    }
    out
}

/// Whether some value of ours holds a string, or, where it is a JSON text as a whole, every key and string in it.
fn holds(ours: &[Vec<u8>], string: &[u8]) -> bool {
    let held = |text: &[u8]| {
        let wanted = ascii(text.trim_ascii());
        wanted.is_empty() || ours.iter().any(|text| memchr::memmem::find(text, &wanted).is_some())
    };
    if held(string) {
        return true;
    }
    let Ok(json @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice(string) else {
        return false;
    };
    let mut rest = vec![json];
    while let Some(value) = rest.pop() {
        match value {
            Value::String(text) if !held(text.as_bytes()) => return false,
            Value::Array(items) => rest.extend(items),
            Value::Object(members) => {
                for (key, value) in members {
                    rest.extend([Value::String(key), value]);
                }
            }
            _ => {}
        }
    }
    true
}

/// A string that a peer read and no value of ours holds.
pub(crate) struct Gap {
    pub(crate) peer: &'static str,
    pub(crate) string: Vec<u8>,
    pub(crate) values: Vec<String>,
}

/// What every peer reads and we do not inspect.
pub(crate) fn gaps(peers: &mut [Peer], kind: Kind, text: &[u8]) -> (usize, Vec<Gap>) {
    let event = event(kind, text);
    let mut request = Request::default();
    EventReader::default().read(&event, &mut request, None);
    let mut ours: Vec<Vec<u8>> = Vec::new();
    for value in request.values() {
        ours.push(ascii(request.bytes(value.text)));
        if value.raw != value.text {
            ours.push(ascii(request.bytes(value.raw)));
        }
        if kind == Kind::Multipart {
            ours.push(ascii(&plainer(request.bytes(value.text))));
        }
    }
    let (mut strings, mut gaps) = (0, Vec::new());
    for peer in peers {
        let answer =
            peer.ask(kind, text).unwrap_or_else(|| unreachable!("{} does not answer any more", peer.name));
        for string in answer {
            strings += 1;
            if !holds(&ours, &string) {
                gaps.push(Gap {
                    peer: peer.name,
                    string,
                    values: ours.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect(),
                });
            }
        }
    }
    (strings, gaps)
}

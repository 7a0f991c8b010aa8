//! # What it detects
//!
//! A URL aimed at AWS itself: the instance and container metadata services in every spelling, the Lambda Runtime,
//! Extensions and Telemetry APIs on the loopback address, and the paths that only they serve.
//!
//! # Why it matters
//!
//! These endpoints hand out the role's credentials, and the Runtime API hands out other users' events.
//!
//! # Example
//!
//! `?avatar=http://127.0.0.1:9001/2018-06-01/runtime/invocation/next`
//!
//! # Known false positives
//!
//! Texts about AWS that quote such a URL: possible there, certain only as a whole value or in disguise.
//!
//! # Evasions covered
//!
//! Everything that SSRF covers: decimal, octal, hexadecimal and short addresses, IPv4 in IPv6, look-alike digits, wildcard DNS.
//!
//! # References
//!
//! CWE-918; AWS: Lambda Runtime API, Extensions API, Telemetry API; EC2 instance metadata; ECS and EKS container credentials.

use crate::{
    Class, Detector, Evidence, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    urls::{Reach, URLS, Url},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::AwsSsrf, name: "aws_ssrf", version: 1, gate: Gate::With(&[Class::Slash], gate), run };

static METADATA: Fact = Fact::new("aimed at AWS's metadata service", FactKind::Structure, 100);
static DISGUISED: Fact = Fact::new("its address in disguise", FactKind::Effect, 100);
static RUNTIME: Fact = Fact::new("a path of the Lambda Runtime, Extensions or Telemetry API", FactKind::Effect, 60);
static LOOPBACK: Fact = Fact::new("on the loopback address", FactKind::Effect, 60);
static CREDENTIALS: Fact = Fact::new("a path that serves credentials", FactKind::Structure, 40);
static TEXT: Fact = Fact::new("a URL in a text", FactKind::Doubt, 70);

fn gate(input: &Input<'_>) -> bool {
    input.classes.has(Class::Slash) && input.classes.has(Class::Colon) && input.bytes.len() >= 10
}

/// Paths that only the APIs of a Lambda execution environment serve.
static RUNTIME_PATHS: &[&[u8]] = &[
    b"/2018-06-01/runtime/", b"/2020-01-01/extension/", b"/2020-08-15/logs", b"/2022-07-01/telemetry", b"/2018-06-01/runtime",
];

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let mut from = 0;
    for _ in 0..URLS {
        let Some(url) = Url::find(input.bytes, from) else { break };
        from = url.start + url.scheme.len() + 1;
        judge(input, &url, sink);
    }
    if let Some(path) = RUNTIME_PATHS.iter().find(|path| input.bytes.starts_with(path)) {
        sink.report(0..path.len(), &[&RUNTIME]);
    }
}

fn judge(input: &Input<'_>, url: &Url<'_>, sink: &mut Sink<'_>) {
    let path = url.path();
    let runtime = RUNTIME_PATHS.iter().any(|known| path.starts_with(known));
    let target = url.reaches(input.bytes.get(url.end..).unwrap_or_default());
    let mut facts = Evidence::default();
    match target.map(|target| target.reach) {
        Some(Reach::AwsMetadata) => facts.add(&METADATA),
        Some(Reach::Loopback) if runtime => facts.add(&LOOPBACK),
        _ if runtime => {}
        _ => return,
    }
    if runtime {
        facts.add(&RUNTIME);
    }
    if target.is_some_and(|target| target.disguised) {
        facts.add(&DISGUISED);
    }
    if memchr::memmem::find(path, b"/meta-data/iam").is_some() || path.starts_with(b"/v2/credentials") || path.starts_with(b"/v1/credentials") {
        facts.add(&CREDENTIALS);
    }
    if !input.bytes.get(..url.start).unwrap_or_default().trim_ascii().is_empty() {
        facts.add(&TEXT);
    }
    facts.with(|facts| sink.report(url.start..url.end.min(input.bytes.len()), facts));
}

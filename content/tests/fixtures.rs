//! Runs every case of `fixtures/*.toml`: requests with what must be found in them. A case says why it is there.
//!
//! It may not know how anything is read: it sees values and anomalies alone.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read must fail the test")]

use std::{fs, path::Path};

use base64::Engine as _;
use bytes::Bytes;
use picket_content::{HttpParts, Options, Query, Text, read_http};
use picket_request::{Request, Span};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    why: String,
    #[serde(default)]
    path: String,
    /// The platform decoded the path.
    #[serde(default)]
    decoded: bool,
    #[serde(default)]
    parameters: Vec<(String, String)>,
    query: Option<String>,
    pairs: Option<Vec<(String, String)>>,
    /// The pairs are still encoded.
    #[serde(default)]
    encoded: bool,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// The content type.
    r#type: Option<String>,
    #[serde(default)]
    cookies: Vec<String>,
    body: Option<String>,
    /// The body's bytes, for those that are no text.
    body_base64: Option<String>,
    /// Line ends of the body are CR LF.
    #[serde(default)]
    crlf: bool,
    /// What the event says about base64.
    flag: Option<bool>,
    now: Option<u64>,
    /// No user agent is added.
    #[serde(default)]
    bare: bool,
    /// Values that must be there, as `Place location = text`.
    has: Vec<String>,
    /// Values that must not be there.
    #[serde(default)]
    lacks: Vec<String>,
    /// How many values there are besides the user agent and the content type.
    count: Option<usize>,
    /// Exactly the anomalies.
    #[serde(default)]
    anomalies: Vec<String>,
}

fn request(case: &Case) -> Request {
    let mut source = Vec::new();
    let mut lay = |bytes: &[u8]| {
        let start = source.len();
        source.extend_from_slice(bytes);
        Span::source(start, source.len())
    };
    let mut pair = |(a, b): &(String, String)| (lay(a.as_bytes()), lay(b.as_bytes()));
    let mut headers: Vec<_> = case.headers.iter().map(&mut pair).collect();
    if !case.bare {
        headers.push(pair(&("User-Agent".into(), "x".into())));
    }
    if let Some(kind) = &case.r#type {
        headers.push(pair(&("Content-Type".into(), kind.clone())));
    }
    let path_parameters = case.parameters.iter().map(&mut pair).collect();
    let pairs: Option<Vec<_>> = case.pairs.as_ref().map(|pairs| pairs.iter().map(&mut pair).collect());
    let query = case.query.as_ref().map(|query| lay(query.as_bytes()));
    let body = match (&case.body, &case.body_base64) {
        (Some(text), _) if case.crlf => Some(text.replace('\n', "\r\n").into_bytes()),
        (Some(text), _) => Some(text.clone().into_bytes()),
        (None, Some(text)) => Some(base64::engine::general_purpose::STANDARD.decode(text).unwrap()),
        (None, None) => None,
    };
    let parts = HttpParts {
        method: Span::EMPTY,
        path: Text { span: lay(case.path.as_bytes()), encoded: !case.decoded },
        query: match (query, pairs) {
            (None, None) => Query::None,
            (Some(raw), None) => Query::Raw(raw),
            (None, Some(pairs)) => Query::Pairs { pairs, encoded: case.encoded },
            (Some(raw), Some(pairs)) => Query::Both { raw, pairs, encoded: case.encoded },
        },
        headers,
        cookies: case.cookies.iter().map(|cookie| lay(cookie.as_bytes())).collect(),
        path_parameters,
        body: body.map(|body| lay(&body)),
        body_base64: case.flag,
    };
    let mut request = Request::new(Bytes::from(source));
    read_http(&mut request, &parts, &Options { now: case.now, ..Options::default() });
    request
}

fn run(file: &str, case: &Case) {
    let request = request(case);
    let shown: Vec<String> = request
        .values()
        .iter()
        .map(|v| {
            let text = String::from_utf8_lossy(request.bytes(v.text)).into_owned();
            format!("{:?} {} = {text}", v.place, request.render(v.location))
        })
        .filter(|line| {
            line != "Header header.User-Agent = x" && !line.starts_with("Header header.Content-Type = ")
        })
        .collect();
    let why = format!("{file}: {}\n{}", case.why, shown.join("\n"));
    for wanted in &case.has {
        let wanted = if case.crlf { wanted.replace('\n', "\r\n") } else { wanted.clone() };
        assert!(shown.contains(&wanted), "missing `{wanted}` in {why}");
    }
    for unwanted in &case.lacks {
        assert!(!shown.contains(unwanted), "`{unwanted}` in {why}");
    }
    if let Some(count) = case.count {
        assert_eq!(shown.len(), count, "{why}");
    }
    let mut anomalies: Vec<_> = request.anomalies.iter().map(|(anomaly, _)| anomaly.id()).collect();
    anomalies.sort_unstable();
    let mut expected = case.anomalies.clone();
    expected.sort_unstable();
    assert_eq!(anomalies, expected, "{why}");
}

#[test]
fn every_fixture_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let (mut loaded, mut ran) = (0, 0);
    let mut failures = Vec::new();
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!file.case.is_empty(), "{name} holds no case");
        loaded += text.matches("[[case]]").count();
        for case in &file.case {
            assert!(!case.why.is_empty(), "{name}: a case without a why");
            if let Err(failure) = std::panic::catch_unwind(|| run(&name, case)) {
                failures.push(failure.downcast_ref::<String>().cloned().unwrap_or_default());
            }
            ran += 1;
        }
    }
    assert!(ran > 0 && ran == loaded, "{ran} of {loaded} ran");
    assert!(failures.is_empty(), "{} of {ran} failed:\n\n{}", failures.len(), failures.join("\n\n"));
}

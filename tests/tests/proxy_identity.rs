//! Identity: thousands of generated exchanges, recorded on raw sockets on both sides, are the same with and without the proxy.
//!
//! What may differ is listed in `picket_runtime_proxy::exchange`, and [`Side::comparable`] allows that and nothing else. The seed is
//! printed; `PICKET_IDENTITY_SEED` sets another one, `PICKET_IDENTITY_EXCHANGES` another number.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test that they help")]

use std::net::{SocketAddr, TcpListener, TcpStream};

use picket_runtime_proxy::{
    AnswerDecision, Decision, HeldAnswer, InspectError, Inspector, Invocation, Passthrough, Watch,
};
use picket_tests::double::wire::MessageReader;
use picket_tests::double::{Double, Endpoint, Framing, Message, RawClient, chunked};
use picket_tests::proxied::Proxied;

const EXCHANGES: usize = 3000;
const SEED: u64 = 20_261_122;
const ERROR_TRAILERS: [&str; 2] =
    ["lambda-runtime-function-error-type", "lambda-runtime-function-error-body"];

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// Mostly short, sometimes long.
    fn length(&mut self) -> usize {
        match self.below(40) {
            0 => 0,
            1 => self.below(1_500_000),
            2..=6 => self.below(100_000),
            _ => self.below(3000),
        }
    }
}

struct Exchange {
    endpoint: Endpoint,
    method: String,
    request: Vec<u8>,
    reply: Vec<u8>,
    /// The reply ends with its connection.
    close: bool,
}

fn name_in_some_case(random: &mut Random, name: &str) -> String {
    match random.below(3) {
        0 => name.to_owned(),
        1 => name.to_ascii_lowercase(),
        _ => name.to_ascii_uppercase(),
    }
}

fn some_value(random: &mut Random) -> Vec<u8> {
    match random.below(30) {
        0 => Vec::new(),
        1 => "Grüße, 世界".as_bytes().to_vec(),
        2 => vec![0x80, 0xFF, b'x', b'\t', b'y'],
        3 => vec![b'v'; 70_000],
        5 => br#"{"a": [1, "b\u0000"], "c":  "d"}"#.to_vec(),
        _ => random.next().to_string().into_bytes(),
    }
}

fn some_headers(random: &mut Random, into: &mut Vec<u8>) {
    const NAMES: [&str; 12] = [
        "X-Amzn-Trace-Id",
        "Lambda-Runtime-Features",
        "Lambda-Runtime-Something-New",
        "Accept",
        "X-One",
        "x-two",
        "X-THREE",
        "Lambda-Runtime-Client-Context",
        "Cookie",
        "Set-Cookie",
        "x_under.score",
        "User-Agent",
    ];
    for _ in 0..random.below(9) {
        let name = *random.pick(&NAMES);
        let name = name_in_some_case(random, name);
        into.extend_from_slice(name.as_bytes());
        into.extend_from_slice(b": ");
        let value = some_value(random);
        into.extend_from_slice(&value);
        into.extend_from_slice(b"\r\n");
    }
    // As large as a runtime's X-Ray cause may be.
    if random.one_in(100) {
        into.extend_from_slice(b"Lambda-Runtime-Function-XRay-Error-Cause: ");
        into.extend_from_slice(&vec![b'w'; 1024 * 1024]);
        into.extend_from_slice(b"\r\n");
    }
}

fn chunk_sizes(random: &mut Random) -> Vec<usize> {
    (0..=random.below(5)).map(|_| 1 + random.below(20_000)).collect()
}

/// Ends a head, and adds a body in one of the framings. Gives whether it was chunked.
fn body(
    random: &mut Random,
    bytes: &mut Vec<u8>,
    content: &[u8],
    chunks: bool,
    trailers: &[(&str, Vec<u8>)],
) {
    if chunks {
        bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        let mut lines = String::new();
        for (name, value) in trailers {
            lines.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value)));
        }
        bytes.extend_from_slice(&chunked(content, &chunk_sizes(random), &lines));
    } else {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", content.len()).as_bytes());
        bytes.extend_from_slice(content);
    }
}

fn reply(random: &mut Random, method: &str, status_line: &str, extra: &str, te: bool) -> (Vec<u8>, bool) {
    let mut bytes = format!("{status_line}\r\n{extra}").into_bytes();
    if random.one_in(2) {
        bytes.extend_from_slice(b"Content-Type: application/json\r\n");
    }
    some_headers(random, &mut bytes);
    let status = status_line.split(' ').nth(1).unwrap();
    let length = random.length();
    if method == "HEAD" {
        bytes.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
        return (bytes, false);
    }
    if status == "204" || status == "304" {
        bytes.extend_from_slice(b"\r\n");
        return (bytes, false);
    }
    let content = random.bytes(length);
    match random.below(8) {
        0 => {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(&content);
            (bytes, true)
        }
        1..=3 => {
            let trailers = if te {
                bytes.extend_from_slice(b"Trailer: X-Checksum\r\n");
                vec![("X-Checksum", random.next().to_string().into_bytes())]
            } else {
                Vec::new()
            };
            body(random, &mut bytes, &content, true, &trailers);
            (bytes, false)
        }
        _ => {
            body(random, &mut bytes, &content, false, &[]);
            (bytes, false)
        }
    }
}

const STATUS_LINES: [&str; 14] = [
    "HTTP/1.1 200 OK",
    "HTTP/1.1 202 Accepted",
    "HTTP/1.1 200 Fine by me",
    "HTTP/1.1 201 Created",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 302 Found",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1 400 Bad Request",
    "HTTP/1.1 403 Forbidden",
    "HTTP/1.1 404 Not Found",
    "HTTP/1.1 410 Gone",
    "HTTP/1.1 413 Request Entity Too Large",
    "HTTP/1.1 500 Internal Server Error",
    "HTTP/1.1 599 Odd",
];

/// Any call, known or not.
fn any_exchange(random: &mut Random) -> Exchange {
    const TARGETS: [(&str, Endpoint); 14] = [
        ("/2018-06-01/ping", Endpoint::Other),
        ("/2022-07-01/telemetry?x=%2F&y=a+b", Endpoint::Other),
        ("/2099-12-31/runtime/invocation/next?a=b&&c=%00", Endpoint::Other),
        ("/2018-06-01/runtime/invocation/next/", Endpoint::Other),
        ("/2018-06-01/runtime/unheard/of", Endpoint::Other),
        ("//double//slash/../x", Endpoint::Other),
        ("/a;b=c,d/%7e%2e%2E?", Endpoint::Other),
        ("/?", Endpoint::Other),
        ("/2021-04-23/credentials", Endpoint::Other),
        ("/2020-08-15/logs", Endpoint::Other),
        ("/2020-01-01/extension/register", Endpoint::Register),
        ("/2018-06-01/runtime/init/error", Endpoint::InitError),
        ("/2018-06-01/runtime/restore/error?z", Endpoint::RestoreError),
        ("/2018-06-01/runtime/invocation/unknown-id/response", Endpoint::Response),
    ];
    const METHODS: [&str; 9] =
        ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW", "M-SEARCH"];
    let (target, endpoint) = *random.pick(&TARGETS);
    let method = if endpoint == Endpoint::Other { *random.pick(&METHODS) } else { "POST" };
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: runtime\r\n").into_bytes();
    let te = random.one_in(6);
    if te {
        request.extend_from_slice(b"TE: trailers\r\n");
    }
    some_headers(random, &mut request);
    let length = random.length();
    let content = random.bytes(length);
    if method == "GET" || method == "HEAD" || random.one_in(6) {
        request.extend_from_slice(b"\r\n");
    } else {
        let chunks = random.one_in(2);
        let mut trailers = Vec::new();
        if chunks && random.one_in(2) {
            request.extend_from_slice(b"Trailer: X-Sum, X-Other\r\n");
            trailers = vec![("X-Sum", some_trailer(random)), ("X-Other", some_trailer(random))];
        }
        body(random, &mut request, &content, chunks, &trailers);
    }
    let line = *random.pick(&STATUS_LINES);
    let (reply, close) = reply(random, method, line, "", te);
    Exchange { endpoint, method: method.to_owned(), request, reply, close }
}

fn some_trailer(random: &mut Random) -> Vec<u8> {
    let length = if random.one_in(4) { 60_000 } else { random.below(200) };
    vec![b'A' + u8::try_from(random.below(26)).unwrap(); length]
}

/// An event and the answer to it.
fn invocation(random: &mut Random, number: usize) -> [Exchange; 2] {
    let id = format!("id-{number}");
    let mut ask = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n".to_vec();
    some_headers(random, &mut ask);
    ask.extend_from_slice(b"\r\n");
    let mut event = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: {id}\r\nLambda-Runtime-Deadline-Ms: \
         33000000000000\r\nLambda-Runtime-Invocation-Id: attempt-{number}\r\n"
    )
    .into_bytes();
    some_headers(random, &mut event);
    let content = match random.below(3) {
        // What a parser would not give back as it was.
        0 => br#" {"a":1.0,"a":2e400, "b":"\u0000\ud800" , "n":12345678901234567890 }"#.to_vec(),
        _ => {
            let length = random.length();
            random.bytes(length)
        }
    };
    let chunks = random.one_in(3);
    body(random, &mut event, &content, chunks, &[]);

    let is_error = random.one_in(5);
    let end = if is_error { "error" } else { "response" };
    let mut answer = format!(
        "POST /2018-06-01/runtime/invocation/{id}/{end} HTTP/1.1\r\nHost: runtime\r\nLambda-Runtime-Invocation-Id: attempt-{number}\r\n"
    )
    .into_bytes();
    some_headers(random, &mut answer);
    if is_error {
        answer.extend_from_slice(b"Lambda-Runtime-Function-Error-Type: Function.Oops\r\n");
    }
    let length = random.length();
    let content = if random.one_in(3) {
        br#"{"statusCode":200,"headers":{"a":"b"},"body":"c"}"#.to_vec()
    } else {
        random.bytes(length)
    };
    let chunks = random.one_in(2);
    let mut trailers = Vec::new();
    if chunks && !is_error {
        answer.extend_from_slice(b"Lambda-Runtime-Function-Response-Mode: streaming\r\n");
        if random.one_in(2) {
            trailers = vec![
                ("Lambda-Runtime-Function-Error-Type", b"Runtime.Oops".to_vec()),
                ("Lambda-Runtime-Function-Error-Body", some_trailer(random)),
            ];
            // Declared in two lines, in one, or not at all.
            match random.below(3) {
                0 => answer.extend_from_slice(
                    b"Trailer: Lambda-Runtime-Function-Error-Type\r\nTrailer: Lambda-Runtime-Function-Error-Body\r\n",
                ),
                1 => answer.extend_from_slice(
                    b"trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n",
                ),
                _ => {}
            }
        }
    }
    body(random, &mut answer, &content, chunks, &trailers);
    let line = *random.pick(&[
        "HTTP/1.1 202 Accepted",
        "HTTP/1.1 410 Gone",
        "HTTP/1.1 413 Request Entity Too Large",
        "HTTP/1.1 500 Oh",
    ]);
    let (accepted, close) = reply(random, "POST", line, "", false);
    let endpoint = if is_error { Endpoint::Error } else { Endpoint::Response };
    [
        Exchange {
            endpoint: Endpoint::Next,
            method: "GET".to_owned(),
            request: ask,
            reply: event,
            close: false,
        },
        Exchange { endpoint, method: "POST".to_owned(), request: answer, reply: accepted, close },
    ]
}

fn exchanges(seed: u64, count: usize) -> Vec<Exchange> {
    let mut random = Random(seed);
    let mut all = Vec::new();
    while all.len() < count {
        if random.one_in(2) {
            all.push(any_exchange(&mut random));
        } else {
            all.extend(invocation(&mut random, all.len()));
        }
    }
    all
}

/// What one exchange looked like from both ends.
struct Recorded {
    at_platform: Message,
    at_runtime: Message,
}

/// Runs the exchanges, one after another, and records both ends.
fn record(double: &Double, address: SocketAddr, exchanges: &[Exchange]) -> Vec<Recorded> {
    let mut client = None;
    exchanges
        .iter()
        .map(|exchange| {
            double.reply(exchange.endpoint, exchange.reply.clone(), exchange.close);
            let mut connection = client.take().unwrap_or_else(|| RawClient::connect(address).unwrap());
            connection.send(&exchange.request).unwrap();
            let at_runtime = connection.receive(&exchange.method).unwrap_or_else(|error| {
                panic!(
                    "no answer to {}\nwhich is {}: {error}",
                    shown(&exchange.request),
                    shown(&exchange.reply)
                )
            });
            let mut calls = double.calls();
            double.forget_calls();
            assert_eq!(calls.len(), 1, "one call makes one call");
            if !exchange.close {
                client = Some(connection);
            }
            Recorded { at_platform: calls.remove(0).message, at_runtime }
        })
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Platform,
    Runtime,
}

impl Side {
    /// A message with what may differ taken out.
    fn comparable(self, message: &Message) -> Message {
        let mut message = message.clone();
        message.head.clear();
        // Chunk sizes are each hop's own.
        message.chunks.clear();
        if message.framing == Framing::Close {
            message.start = message.start.replacen("HTTP/1.1", "HTTP/1.0", 1);
        }
        let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
        for (name, value) in &message.headers {
            if ["host", "connection", "date"].iter().any(|hop| name.eq_ignore_ascii_case(hop)) {
                continue;
            }
            if self == Side::Platform
                && name.eq_ignore_ascii_case("trailer")
                && declares_error_trailers_only(value)
            {
                continue;
            }
            // Lines of one name stand together.
            let place = headers
                .iter()
                .rposition(|(other, _)| other.eq_ignore_ascii_case(name))
                .map_or(headers.len(), |at| at + 1);
            headers.insert(place, (name.clone(), value.clone()));
        }
        message.headers = headers;
        let lines = message.trailer_lines();
        message.trailers =
            lines.iter().flat_map(|(name, value)| [name.as_bytes(), b": ", value, b"\n"].concat()).collect();
        message
    }
}

fn declares_error_trailers_only(value: &[u8]) -> bool {
    String::from_utf8_lossy(value)
        .split(',')
        .all(|name| ERROR_TRAILERS.contains(&name.trim().to_ascii_lowercase().as_str()))
}

fn shown(bytes: &[u8]) -> String {
    format!("{} bytes: {}", bytes.len(), String::from_utf8_lossy(&bytes[..bytes.len().min(120)]))
}

/// Every way in which two recordings of one exchange differ.
fn differences(plain: &Recorded, proxied: &Recorded) -> Vec<String> {
    let mut found = Vec::new();
    for (side, one, other) in [
        (Side::Platform, &plain.at_platform, &proxied.at_platform),
        (Side::Runtime, &plain.at_runtime, &proxied.at_runtime),
    ] {
        let (one, other) = (side.comparable(one), side.comparable(other));
        if one.start != other.start {
            found.push(format!("{side:?}: first line {:?} became {:?}", one.start, other.start));
        }
        if one.headers != other.headers {
            let lines = |message: &Message| {
                message
                    .headers
                    .iter()
                    .map(|(name, value)| format!("\n  {name}: {}", shown(value)))
                    .collect::<String>()
            };
            found.push(format!("{side:?}: headers{}\nbecame{}", lines(&one), lines(&other)));
        }
        if one.framing != other.framing {
            found.push(format!("{side:?}: framing {:?} became {:?}", one.framing, other.framing));
        }
        if one.body != other.body {
            found.push(format!("{side:?}: body of {} became {}", shown(&one.body), shown(&other.body)));
        }
        if one.trailers != other.trailers {
            found.push(format!(
                "{side:?}: trailers {} became {}",
                shown(&one.trailers),
                shown(&other.trailers)
            ));
        }
        if one.complete != other.complete {
            found.push(format!("{side:?}: complete {} became {}", one.complete, other.complete));
        }
    }
    found
}

#[expect(clippy::disallowed_methods, reason = "a test's own switches; nothing else reads them")]
fn switch(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn identical_with(inspector: impl Inspector, count: usize) {
    let seed = switch("PICKET_IDENTITY_SEED").unwrap_or(SEED);
    let count = switch("PICKET_IDENTITY_EXCHANGES").map_or(count, |count| usize::try_from(count).unwrap());
    println!("PICKET_IDENTITY_SEED={seed}, {count} exchanges");
    let exchanges = exchanges(seed, count);
    assert!(exchanges.len() >= count && count > 0);
    let alone = Double::start();
    let plain = record(&alone, alone.address().parse().unwrap(), &exchanges);
    let behind = Double::start();
    let proxy = Proxied::with(&behind, inspector);
    let proxied = record(&behind, proxy.address(), &exchanges);
    for (number, ((one, other), exchange)) in plain.iter().zip(&proxied).zip(&exchanges).enumerate() {
        let found = differences(one, other);
        assert!(
            found.is_empty(),
            "exchange {number} of seed {seed}:\n{}\nrequest {}",
            found.join("\n"),
            shown(&exchange.request)
        );
    }
    // The comparison is of something: events, answers and trailers were among it.
    let saw = |test: &dyn Fn(&Recorded) -> bool| plain.iter().filter(|recorded| test(recorded)).count();
    assert!(saw(&|recorded| !recorded.at_platform.trailers.is_empty()) > 0);
    assert!(saw(&|recorded| recorded.at_runtime.header("lambda-runtime-aws-request-id").is_some()) > 0);
    for framing in [Framing::None, Framing::Length, Framing::Chunked, Framing::Close] {
        assert!(saw(&|recorded| recorded.at_runtime.framing == framing) > 0, "{framing:?}");
    }
    assert_eq!(proxy.counters().upstream_failures, 0);
}

#[test]
fn exchanges_are_identical_with_an_inspector_that_does_nothing() {
    identical_with(Passthrough, EXCHANGES);
}

/// Fails in a different way for each event, and watches every answer.
struct Faulty;

impl Inspector for Faulty {
    fn inspect(&self, invocation: &Invocation, _event: &bytes::Bytes) -> Result<Decision, InspectError> {
        match invocation.key.request_id.len()
            + usize::from(invocation.key.request_id.as_bytes().last().is_some_and(|byte| byte % 2 == 0))
        {
            length if length % 2 == 0 => Err("an inspection that fails".into()),
            _ => {
                std::panic::resume_unwind(Box::new("an inspection that panics, without a message on stderr"))
            }
        }
    }

    fn answered(&self, _invocation: &Invocation, _observation: &picket_runtime_proxy::Observation) {
        std::panic::resume_unwind(Box::new("an observation that panics"));
    }
}

#[test]
fn exchanges_are_identical_with_an_inspector_that_fails() {
    identical_with(Faulty, EXCHANGES / 3);
}

/// Watches answers in every way in turn, and fails to judge those that it had held.
struct Watchful;

impl Inspector for Watchful {
    fn inspect(&self, _invocation: &Invocation, _event: &bytes::Bytes) -> Result<Decision, InspectError> {
        Ok(Decision::Forward)
    }

    fn watches(&self, invocation: &Invocation) -> Watch {
        match invocation.key.request_id.as_bytes().last().map_or(0, |byte| byte % 4) {
            0 => Watch::Status,
            1 => Watch::Whole,
            _ => Watch::Hold,
        }
    }

    fn judge(&self, _invocation: &Invocation, answer: &HeldAnswer) -> Result<AnswerDecision, InspectError> {
        match answer.body.len() % 3 {
            0 => Ok(AnswerDecision::Forward),
            1 => Err("a judgement that fails".into()),
            _ => std::panic::resume_unwind(Box::new("a judgement that panics")),
        }
    }
}

#[test]
fn exchanges_are_identical_with_an_inspector_that_watches_and_holds() {
    identical_with(Watchful, EXCHANGES / 2);
}

/// A proxy that is broken in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breakage {
    Nothing,
    DropsAHeader,
    ChangesAValue,
    ReordersHeaders,
    LowersNames,
    ReserialisesTheEvent,
    ChangesTheFraming,
    LosesTrailers,
    WrongTrailer,
    ChangesTheTarget,
    ChangesTheStatus,
    ChangesTheReason,
    CutsTheBody,
}

/// Writes a message as it was read, but for the breakage.
fn rewritten(message: &Message, breakage: Breakage, request: bool) -> Vec<u8> {
    let mut message = message.clone();
    match breakage {
        Breakage::DropsAHeader => message.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("x-one")),
        Breakage::ChangesAValue => {
            if let Some((_, value)) =
                message.headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("x-one"))
            {
                value.push(b'!');
            }
        }
        Breakage::ReordersHeaders => message.headers.reverse(),
        Breakage::LowersNames => message.headers.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase()),
        Breakage::ReserialisesTheEvent if !request => {
            message.body = message.body.iter().copied().filter(|byte| *byte != b' ').collect();
        }
        Breakage::CutsTheBody => {
            message.body.pop();
        }
        Breakage::ChangesTheFraming if message.framing == Framing::Chunked => {
            message.framing = Framing::Length;
            message.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("transfer-encoding"));
            message.headers.push(("Content-Length".to_owned(), Vec::new()));
        }
        Breakage::LosesTrailers => message.trailers.clear(),
        Breakage::WrongTrailer if !message.trailers.is_empty() => {
            let at = message.trailers.len() - 3;
            message.trailers[at] ^= 1;
        }
        Breakage::ChangesTheTarget if request => message.start = message.start.replacen('/', "//", 1),
        Breakage::ChangesTheStatus if !request => message.start = message.start.replacen("202", "200", 1),
        Breakage::ChangesTheReason if !request => {
            message.start = message.start.replacen("Accepted", "Taken", 1);
        }
        _ => {}
    }
    let mut bytes = format!("{}\r\n", message.start).into_bytes();
    for (name, value) in &message.headers {
        let length = message.body.len().to_string().into_bytes();
        let value = if name.eq_ignore_ascii_case("content-length") && message.framing == Framing::Length {
            &length
        } else {
            value
        };
        bytes.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    if message.framing == Framing::Chunked {
        bytes.extend_from_slice(&chunked(
            &message.body,
            &[7000],
            &String::from_utf8_lossy(&message.trailers),
        ));
    } else {
        bytes.extend_from_slice(&message.body);
    }
    bytes
}

/// Serves connections with a broken proxy, until the test ends.
fn broken_proxy(upstream: String, breakage: Breakage) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let upstream = upstream.clone();
            std::thread::spawn(move || {
                let stream: TcpStream = stream.unwrap();
                let mut runtime = MessageReader::new(stream.try_clone().unwrap());
                let mut platform = RawClient::connect(upstream).unwrap();
                while let Ok(Some(mut request)) = runtime.head() {
                    runtime.request_body(&mut request, None).unwrap();
                    platform.send(&rewritten(&request, breakage, true)).unwrap();
                    let Ok(response) = platform.receive(request.method()) else { return };
                    std::io::Write::write_all(&mut &stream, &rewritten(&response, breakage, false)).unwrap();
                    if response.framing == Framing::Close {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_broken_proxy_is_found_out() {
    let exchanges = exchanges(SEED, 300);
    let alone = Double::start();
    let plain = record(&alone, alone.address().parse().unwrap(), &exchanges);
    let found = |breakage| {
        let double = Double::start();
        let broken = record(&double, broken_proxy(double.address(), breakage), &exchanges);
        plain.iter().zip(&broken).flat_map(|(one, other)| differences(one, other)).collect::<Vec<_>>()
    };
    assert_eq!(found(Breakage::Nothing), Vec::<String>::new(), "the relay itself changes nothing");
    for breakage in [
        Breakage::DropsAHeader,
        Breakage::ChangesAValue,
        Breakage::ReordersHeaders,
        Breakage::LowersNames,
        Breakage::ReserialisesTheEvent,
        Breakage::ChangesTheFraming,
        Breakage::LosesTrailers,
        Breakage::WrongTrailer,
        Breakage::ChangesTheTarget,
        Breakage::ChangesTheStatus,
        Breakage::ChangesTheReason,
        Breakage::CutsTheBody,
    ] {
        assert!(!found(breakage).is_empty(), "{breakage:?} went unnoticed");
    }
}

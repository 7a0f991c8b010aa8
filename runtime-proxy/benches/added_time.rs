//! What the proxy adds to an invocation: no proxy, a no-op hyper proxy and Picket's, in one run and in turns, each in a process of its own.
//!
//! `cargo bench -p picket-runtime-proxy --bench added_time`; `-- --quick` takes a tenth of the rounds. An invocation is one `/next` and one
//! `/response` on one keep-alive connection. *Added* is a quantile with a proxy less the same quantile without. It may not know what an
//! inspection does: Picket's figures here are of the way through the inspecting thread, with an inspector that decides at once.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing to say")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use picket_runtime_proxy::{Decision, InspectError, Inspector, Invocation, Proxy, ProxyConfig, Watch, desk};

const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nAccept: */*\r\n\r\n";
const RESPONSE_HEAD: &str = "POST /2018-06-01/runtime/invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd/response HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                             User-Agent: bench/1\r\nContent-Type: application/json\r\nLambda-Runtime-Invocation-Id: a-1\r\n";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--serve") => serve(&arguments[2], &arguments[3]),
        _ => measure(arguments.iter().any(|argument| argument == "--quick")),
    }
}

/// An event of API Gateway HTTP API v2 of about this many bytes.
fn event(bytes: usize) -> Vec<u8> {
    let head = "{\"version\":\"2.0\",\"routeKey\":\"POST /orders\",\"rawPath\":\"/orders\",\"rawQueryString\":\"page=2&sort=asc\",\"headers\":\
                {\"accept\":\"application/json\",\"content-type\":\"application/json\",\"user-agent\":\"Mozilla/5.0 (X11; Linux x86_64)\",\
                \"x-forwarded-for\":\"198.51.100.7\",\"cookie\":\"session=0123456789abcdef\"},\"requestContext\":{\"accountId\":\"123456789012\",\
                \"http\":{\"method\":\"POST\",\"path\":\"/orders\",\"protocol\":\"HTTP/1.1\",\"sourceIp\":\"198.51.100.7\"},\"requestId\":\"id\",\
                \"stage\":\"$default\"},\"body\":\"";
    let tail = "\",\"isBase64Encoded\":false}";
    let filler = "customer 42 ordered three lamps and a table; ";
    let room = bytes.saturating_sub(head.len() + tail.len());
    let body: String = filler.chars().cycle().take(room).collect();
    format!("{head}{body}{tail}").into_bytes()
}

/// A platform that answers at once, on a thread for each connection.
fn platform(event: &[u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let deadline = u64::MAX / 4;
    let mut next = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
         Lambda-Runtime-Deadline-Ms: {deadline}\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:123456789012:function:f\r\n\
         Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n\
         Lambda-Runtime-Invocation-Id: a-1\r\nDate: Sun, 22 Nov 2026 08:00:00 GMT\r\nContent-Length: {}\r\n\r\n",
        event.len()
    )
    .into_bytes();
    next.extend_from_slice(event);
    let next = Arc::new(next);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut connection, next) = (Wire::new(stream.unwrap()), Arc::clone(&next));
            std::thread::spawn(move || {
                while let Some(head) = connection.message() {
                    let answer: &[u8] = if head.starts_with(b"GET") {
                        &next
                    } else {
                        b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nDate: Sun, 22 Nov 2026 08:00:00 GMT\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n"
                    };
                    if connection.stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Reads whole messages with a length, and keeps nothing of their bodies.
struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Wire {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: vec![0; 256 * 1024], filled: 0 }
    }

    /// The next message's head; None at the end.
    fn message(&mut self) -> Option<Vec<u8>> {
        let end = loop {
            if let Some(at) = memchr::memmem::find(&self.buffer[..self.filled], b"\r\n\r\n") {
                break at + 4;
            }
            let count = self.stream.read(&mut self.buffer[self.filled..]).ok().filter(|count| *count > 0)?;
            self.filled += count;
        };
        let head = self.buffer[..end].to_vec();
        let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let length: usize = text
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next())
            .map_or(0, |value| value.parse().unwrap());
        let mut missing = length.saturating_sub(self.filled - end);
        self.filled = 0;
        while missing > 0 {
            let count = self.stream.read(&mut self.buffer).ok().filter(|count| *count > 0)?;
            missing = missing.saturating_sub(count);
        }
        Some(head)
    }
}

/// A runtime with one connection.
struct Runtime {
    wire: Wire,
    response: Vec<u8>,
}

impl Runtime {
    fn connect(address: SocketAddr) -> Self {
        let body = "{\"statusCode\":200,\"headers\":{\"content-type\":\"application/json\"},\"body\":\"{\\\"ok\\\":true}\"}";
        let response = format!("{RESPONSE_HEAD}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
        Self { wire: Wire::new(TcpStream::connect(address).unwrap()), response }
    }

    fn invocation(&mut self) {
        self.wire.stream.write_all(NEXT).unwrap();
        assert!(self.wire.message().unwrap().starts_with(b"HTTP/1.1 200"));
        self.wire.stream.write_all(&self.response).unwrap();
        assert!(self.wire.message().unwrap().starts_with(b"HTTP/1.1 202"));
    }
}

/// Decides at once; watches answers if told to.
struct Quick {
    watch: Watch,
}

impl Inspector for Quick {
    fn inspect(&self, _invocation: &Invocation, _event: &Bytes) -> Result<Decision, InspectError> {
        Ok(Decision::Forward)
    }

    fn watches(&self, _invocation: &Invocation) -> Watch {
        self.watch
    }
}

/// What the inspector of a kind of proxy wants of answers.
fn watch_of(kind: &str) -> Watch {
    match kind.split('-').next() {
        Some("observing") => Watch::Whole,
        Some("glancing") => Watch::Status,
        Some("holding") => Watch::Hold,
        _ => Watch::Nothing,
    }
}

/// One proxy, in this process, until it is killed. The first line on standard output is its address.
fn serve(kind: &str, upstream: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if kind == "noop" {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        println!("{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        runtime.block_on(noop(listener, upstream.to_owned()));
        return;
    }
    let mut config = ProxyConfig::new(0, upstream);
    config.concurrent = kind.ends_with("concurrent");
    let proxy = Proxy::bind(config).unwrap();
    println!("{}", proxy.local_addr());
    let inspector = Arc::new(Quick { watch: watch_of(kind) });
    desk::run(runtime, |desk| async move { proxy.by(desk).serve(inspector).await.unwrap() });
}

/// The least that a proxy on hyper can be: a connection to the platform for each of the runtime's, and bodies that stream.
async fn noop(listener: TcpListener, upstream: String) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let upstream = upstream.clone();
        tokio::spawn(async move {
            let platform = tokio::net::TcpStream::connect(upstream).await.unwrap();
            platform.set_nodelay(true).unwrap();
            let (sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(platform)).await.unwrap();
            tokio::spawn(connection);
            let sender = Arc::new(std::sync::Mutex::new(Some(sender)));
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let slot = Arc::clone(&sender);
                async move {
                    let mut sender = slot.lock().unwrap().take().unwrap();
                    sender.ready().await?;
                    let response: Result<Response<Incoming>, hyper::Error> =
                        sender.send_request(request).await;
                    *slot.lock().unwrap() = Some(sender);
                    response
                }
            });
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

/// A proxy in a process of its own.
struct Served {
    child: Child,
    address: SocketAddr,
}

impl Served {
    fn start(kind: &str, upstream: SocketAddr) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program)
            .args(["--serve", kind, &upstream.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap() }
    }

    /// Processor time of all its threads so far, in microseconds.
    fn processor(&self) -> f64 {
        let tasks =
            std::fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let spent = tasks.filter_map(|task| {
            std::fs::read_to_string(task.path().join("schedstat"))
                .ok()?
                .split(' ')
                .next()?
                .parse::<f64>()
                .ok()
        });
        spent.sum::<f64>() / 1000.0
    }

    /// A field of `/proc/<pid>/status`, in KiB.
    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default().to_owned();
        line.split_whitespace().nth(1).and_then(|value| value.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn quantile(sorted: &[Duration], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a sample"
    )]
    let at = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[at].as_secs_f64() * 1e6
}

/// Runs the variants in turns and prints what each adds.
fn added(name: &str, bytes: usize, rounds: usize, batch: usize) {
    let upstream = platform(&event(bytes));
    let proxies = ["noop", "picket", "observing"].map(|kind| Served::start(kind, upstream));
    let addresses = [upstream, proxies[0].address, proxies[1].address, proxies[2].address];
    let mut runtimes = addresses.map(Runtime::connect);
    let mut samples = [const { Vec::new() }; 4];
    let mut warm = [0.0; 3];
    for round in 0..=rounds {
        if round == 1 {
            warm = [proxies[0].processor(), proxies[1].processor(), proxies[2].processor()];
        }
        for (runtime, sample) in runtimes.iter_mut().zip(&mut samples) {
            for _ in 0..batch {
                let start = Instant::now();
                runtime.invocation();
                if round > 0 {
                    sample.push(start.elapsed());
                }
            }
        }
    }
    println!("\n{name}: {} invocations each", samples[0].len());
    let mut base = (0.0, 0.0);
    let mut noop = (0.0, 0.0);
    for (index, (label, sample)) in ["no proxy", "no-op hyper proxy", "picket", "picket, watching answers"]
        .iter()
        .zip(&mut samples)
        .enumerate()
    {
        sample.sort_unstable();
        let (p50, p99) = (quantile(sample, 0.5), quantile(sample, 0.99));
        let plus = (p50 - base.0, p99 - base.1);
        match index {
            0 => base = (p50, p99),
            1 => noop = plus,
            _ => {}
        }
        print!("  {label:<26} p50 {p50:>9.1} us  p99 {p99:>9.1} us");
        if index > 0 {
            print!("   added {:>8.1} / {:>8.1} us", plus.0, plus.1);
        }
        if index > 1 {
            print!("   {:.2} x / {:.2} x the no-op's", plus.0 / noop.0, plus.1 / noop.1);
        }
        println!();
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of some thousands")]
    let count = samples[0].len() as f64;
    let first = proxies[0].processor();
    for ((label, served), before) in
        ["no-op hyper proxy", "picket", "picket, watching answers"].iter().zip(&proxies).zip(warm)
    {
        let spent = served.processor() - before;
        println!(
            "  {label:<26} processor {:>8.1} us each, {:.2} x the no-op's; resident {} KiB, peak {} KiB",
            spent / count,
            spent / (first - warm[0]),
            served.memory("VmRSS"),
            served.memory("VmHWM")
        );
    }
}

/// Invocations in a second with so many connections.
fn throughput(connections: usize, length: Duration) {
    let upstream = platform(&event(2048));
    let proxies =
        ["noop", "picket-concurrent", "observing-concurrent"].map(|kind| Served::start(kind, upstream));
    println!("\nthroughput, {connections} connections, 2 KB event");
    let variants = [
        ("no proxy", upstream),
        ("no-op hyper proxy", proxies[0].address),
        ("picket", proxies[1].address),
        ("picket, watching answers", proxies[2].address),
    ];
    for (label, address) in variants {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads: Vec<_> = (0..connections)
            .map(|_| {
                let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
                std::thread::spawn(move || {
                    let mut runtime = Runtime::connect(address);
                    while !stop.load(Ordering::Relaxed) {
                        runtime.invocation();
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        std::thread::park_timeout(length);
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap();
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of some thousands")]
        let rate = count.load(Ordering::Relaxed) as f64 / length.as_secs_f64();
        println!("  {label:<26} {rate:>9.0} invocations/s");
    }
}

fn measure(quick: bool) {
    let share = if quick { 10 } else { 1 };
    added("2 KB API Gateway event", 2048, 200 / share, 50);
    added("5 MB API Gateway event", 5 * 1024 * 1024, 40 / share, 5);
    for connections in [1, 32] {
        throughput(connections, Duration::from_secs(2) / share as u32);
    }
}

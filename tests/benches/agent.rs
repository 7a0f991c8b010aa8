//! What the built agent costs a function: time added to an invocation, time to start, memory, size, throughput. The
//! same runs without a proxy and with the smallest hyper proxy stand beside it, so that ratios mean something.
//!
//! Run: `cargo build --release --bins && cargo bench -p picket-tests --bench agent`

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use picket_tests::{
    agent::{Agent, free_port},
    double::{Double, Endpoint, Event, RawClient},
    layout,
};
use serde_json::json;

const WARM_UP: usize = 300;
const ROUNDS: usize = 3_000;
/// Invocations that one of several proxies has before it is another one's turn.
const BATCH: usize = 20;

fn main() {
    println!("{:<58} {:>12} {:>12}", "added time per invocation, 2 KB API Gateway event", "p50 µs", "p99 µs");
    added_time("prose", &gateway_event(), None);
    added_time("an order of short fields", &order(), None);
    println!("\nthe same under a CPU quota of 0.07 core, as a 128 MB function has it");
    match Quota::new(0.07) {
        Ok(quota) => added_time("0.07 core", &gateway_event(), Some(&quota)),
        Err(why) => println!("  not measured: {why}"),
    }
    println!();
    large_event();
    start();
    memory();
    throughput();
    sizes();
}

/// A clean API Gateway REST event of 2 KB, a quarter of it prose with an apostrophe in each sentence: each of them might begin an injection.
fn gateway_event() -> Vec<u8> {
    let note = "A chair with four legs, sold by O'Brien & Sons; delivered on 5 May. ".repeat(8);
    gateway(&json!({"name": "chair", "tags": ["wood", "kitchen"], "price": 49.90, "note": note}))
}

/// The same with a body as interfaces send each other: many short fields.
fn order() -> Vec<u8> {
    let line = |n: u32| json!({"sku": format!("SKU-{}", 1000 + n), "qty": n, "price": 12.5, "gift": false, "note": "blue, large"});
    let lines: Vec<_> = (1..=5).map(line).collect();
    gateway(&json!({
        "customer": {"id": "c-83624", "email": "jane.doe@example.com", "name": "Jane Doe"}, "lines": lines, "currency": "EUR", "coupon": null,
    }))
}

fn gateway(body: &serde_json::Value) -> Vec<u8> {
    json!({
        "resource": "/items/{id}", "path": "/items/42", "httpMethod": "POST",
        "headers": {
            "Accept": "application/json, text/plain, */*", "Accept-Encoding": "gzip, deflate, br", "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
            "Content-Type": "application/json", "Host": "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com",
            "User-Agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            "X-Forwarded-For": "198.51.100.23", "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https",
        },
        "multiValueHeaders": null, "queryStringParameters": {"page": "2", "sort": "name"},
        "multiValueQueryStringParameters": {"page": ["2"], "sort": ["name"]}, "pathParameters": {"id": "42"}, "stageVariables": null,
        "requestContext": {
            "resourceId": "123456", "resourcePath": "/items/{id}", "httpMethod": "POST", "path": "/prod/items/42", "accountId": "123456789012",
            "protocol": "HTTP/1.1", "stage": "prod", "domainName": "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com", "requestTimeEpoch": 1_795_334_400_000_u64,
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef", "identity": {"sourceIp": "198.51.100.23", "userAgent": "Mozilla/5.0"}, "apiId": "a1b2c3d4e5",
        },
        "body": body.to_string(),
        "isBase64Encoded": false,
    })
    .to_string()
    .into_bytes()
}

/// One invocation through a runtime's connection, in microseconds.
fn invocation(double: &Double, runtime: &mut RawClient, event: &[u8]) -> f64 {
    double.queue(Event::new(event));
    let began = Instant::now();
    let message = runtime.next_event().unwrap();
    runtime.respond(&message, b"{\"statusCode\":200,\"body\":\"ok\"}").unwrap();
    began.elapsed().as_secs_f64() * 1e6
}

/// One invocation after another through an address; gives the time of each in microseconds, sorted.
fn invoke(double: &Double, address: SocketAddr, event: &[u8], rounds: usize) -> Vec<f64> {
    let mut runtime = RawClient::connect(address).unwrap();
    let mut times = Vec::with_capacity(rounds);
    for round in 0..WARM_UP.min(rounds / 5) + rounds {
        let took = invocation(double, &mut runtime, event);
        if round >= WARM_UP.min(rounds / 5) {
            times.push(took);
        }
        if round % 256 == 0 {
            double.forget_calls();
        }
    }
    times.sort_by(f64::total_cmp);
    times
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)]
}

fn added_time(label: &str, event: &[u8], quota: Option<&Quota>) {
    let rounds = if quota.is_some() { 400 } else { ROUNDS };
    let doubles = [Double::start(), Double::start(), Double::start()];
    let yardstick = Yardstick::start(&doubles[1]);
    let agent = Agent::start(&doubles[2], &[("PICKET_MODE", "block")]);
    drop(agent.connect());
    if let Some(quota) = quota {
        quota.hold(yardstick.child.id());
        quota.hold(agent.id());
    }
    let addresses =
        [doubles[0].address().parse().unwrap(), yardstick.address, ([127, 0, 0, 1], agent.port()).into()];
    let mut runtimes = addresses.map(|address: SocketAddr| RawClient::connect(address).unwrap());
    let mut samples = [const { Vec::new() }; 3];
    let warm_up = (WARM_UP / BATCH).min(rounds / BATCH / 5).max(1);
    // The three take turns, so that a busy moment of the machine falls on all of them.
    for round in 0..warm_up + rounds / BATCH {
        for ((double, runtime), sample) in doubles.iter().zip(&mut runtimes).zip(&mut samples) {
            for _ in 0..BATCH {
                let took = invocation(double, runtime, event);
                if round >= warm_up {
                    sample.push(took);
                }
            }
            double.forget_calls();
        }
    }
    for times in &mut samples {
        times.sort_by(f64::total_cmp);
    }
    let [direct, noop, picket] = samples;
    for (name, times) in
        [("no proxy", &direct), ("no-op hyper proxy", &noop), ("picket, mode block", &picket)]
    {
        println!(
            "  {:<56} {:>12.1} {:>12.1}",
            format!("{name} ({label})"),
            percentile(times, 0.5),
            percentile(times, 0.99)
        );
    }
    let ratio = |share| {
        (percentile(&picket, share) - percentile(&direct, share))
            / (percentile(&noop, share) - percentile(&direct, share))
    };
    println!(
        "  {:<56} {:>12.2} {:>12.2}",
        format!("picket's added time / the no-op proxy's ({label})"),
        ratio(0.5),
        ratio(0.99)
    );
}

fn large_event() {
    let mut event: serde_json::Value = serde_json::from_slice(&gateway_event()).unwrap();
    let text = "All work and no play makes Jack a dull boy, said O'Brien; 1 < 2 & 3 > 2. "
        .repeat(5 * 1024 * 1024 / 73);
    event["body"] = json!(json!({"text": text}).to_string());
    let event = event.to_string().into_bytes();
    let double = Double::start();
    let direct = invoke(&double, double.address().parse().unwrap(), &event, 15);
    let yardstick = Yardstick::start(&double);
    let noop = invoke(&double, yardstick.address, &event, 15);
    drop(yardstick);
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block")]);
    drop(agent.connect());
    let picket = invoke(&double, ([127, 0, 0, 1], agent.port()).into(), &event, 15);
    println!("a clean event of {:.1} MB", event.len() as f64 / 1e6);
    for (name, times) in
        [("no proxy", &direct), ("no-op hyper proxy", &noop), ("picket, mode block", &picket)]
    {
        println!("  {:<56} {:>9.1} ms", name, percentile(times, 0.5) / 1e3);
    }
    println!("  {:<56} {:>9.1} MB", "picket's peak memory", status(agent.id(), "VmHWM"));
    println!("  {:<56} {:>9.1} MB\n", "picket's memory afterwards", status(agent.id(), "VmRSS"));
}

fn start() {
    let mut times: Vec<f64> = (0..40)
        .map(|_| {
            let double = Double::start();
            let began = Instant::now();
            let _agent = Agent::start(&double, &[]);
            double.wait_calls(Endpoint::Register, 1);
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{:<58} {:>9.2} ms p50 {:>9.2} ms best",
        "exec to registered",
        percentile(&times, 0.5),
        times[0]
    );
}

fn memory() {
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block")]);
    drop(agent.connect());
    let address = ([127, 0, 0, 1], agent.port()).into();
    let event = gateway_event();
    invoke(&double, address, &event, 5);
    println!(
        "{:<58} {:>9.1} MB",
        "resident memory, idle after the first events",
        status(agent.id(), "VmRSS")
    );
    invoke(&double, address, &event, 10_000);
    println!("{:<58} {:>9.1} MB", "  after 10,000 events", status(agent.id(), "VmRSS"));
    invoke(&double, address, &event, 90_000);
    println!("{:<58} {:>9.1} MB", "  after 100,000 events", status(agent.id(), "VmRSS"));
}

fn throughput() {
    for concurrent in [1, 32] {
        let double = Double::managed();
        let agent = Agent::start(
            &double,
            &[("PICKET_MODE", "block"), ("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances")],
        );
        drop(agent.connect());
        let event = gateway_event();
        let each = 3_200 / concurrent;
        for _ in 0..each * concurrent {
            double.queue(Event::new(event.as_slice()));
        }
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..concurrent {
                scope.spawn(|| {
                    let mut runtime = RawClient::connect(("127.0.0.1", agent.port())).unwrap();
                    for _ in 0..each {
                        let message = runtime.next_event().unwrap();
                        runtime.respond(&message, b"{}").unwrap();
                    }
                });
            }
        });
        let rate = (each * concurrent) as f64 / began.elapsed().as_secs_f64();
        println!("{:<58} {:>9.0} events/s", format!("throughput with {concurrent} concurrent /next"), rate);
    }
}

fn sizes() {
    let size = |path: &Path| fs::metadata(path).map(|file| file.len() as f64 / 1e6);
    let built = layout::binary("picket-agent").ok().and_then(|path| size(&path).ok());
    if let Some(megabytes) = built {
        println!("{:<58} {megabytes:>9.2} MB", "binary, as built here (the layer's is smaller)");
    }
    for name in ["picket-x86_64.zip", "picket-arm64.zip"] {
        match size(&layout::target().join("layer").join(name)) {
            Ok(megabytes) => println!("{:<58} {megabytes:>9.2} MB", format!("layer {name}")),
            Err(_) => println!("{:<58} not built: `cargo xtask layer`", format!("layer {name}")),
        }
    }
}

/// A field of /proc/PID/status, in megabytes.
fn status(pid: u32, field: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

struct Yardstick {
    child: Child,
    address: SocketAddr,
}

impl Yardstick {
    fn start(double: &Double) -> Self {
        let port = free_port();
        let program = layout::binary("noop_proxy").unwrap();
        let child = Command::new(program)
            .arg(port.to_string())
            .arg(double.address())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let address = ([127, 0, 0, 1], port).into();
        let end = Instant::now() + Duration::from_secs(5);
        while RawClient::connect(address).is_err() {
            assert!(Instant::now() < end, "the no-op proxy does not listen");
        }
        Self { child, address }
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A control group with a share of one core, for the proxies alone.
struct Quota {
    folder: std::path::PathBuf,
}

impl Quota {
    fn new(cores: f64) -> Result<Self, String> {
        let micros = (cores * 100_000.0) as u64;
        let name = format!("picket-bench-{}", std::process::id());
        let (folder, file, value) = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            (Path::new("/sys/fs/cgroup").join(name), "cpu.max", format!("{micros} 100000"))
        } else {
            (Path::new("/sys/fs/cgroup/cpu").join(name), "cpu.cfs_quota_us", micros.to_string())
        };
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let quota = Self { folder };
        fs::write(quota.folder.join(file), value).map_err(|error| format!("{file}: {error}"))?;
        Ok(quota)
    }

    fn hold(&self, pid: u32) {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // The group is empty once the proxies have ended.
        fs::remove_dir(&self.folder).ok();
    }
}

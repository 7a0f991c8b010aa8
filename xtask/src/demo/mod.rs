//! `cargo xtask demo`: a protected function behind a local address. Knows what is shown and in which order; the requests and the
//! way to the function have modules of their own.

mod fleet;
mod gateway;
mod requests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use picket_tests::clients::{Client, Function};
use picket_tests::layout;
use picket_tests::rie::layer::Layer;
use picket_tests::rie::{Emulator, Environment, PATIENCE};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use crate::{command, setup};
use requests::{SAMPLES, Sample};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// End after the demo's own requests, with status 0 only if each went as it should
    #[arg(long)]
    once: bool,
    /// Leave out the engine, which is built and shown flagging a client across several environments
    #[arg(long)]
    no_engine: bool,
    /// The local port to serve on
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

/// Shows the engine flagging a client, then mode `log` and mode `block`, and stays up.
///
/// # Errors
/// When something is missing that the demo needs, or a request did not go as it should.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    setup::only("rie")?;
    setup::only("python")?;
    println!("building the agent and the wrapper");
    command::show(
        command::cargo()
            .args(["build", "--quiet", "--package", "picket-extension", "--package", "picket-wrapper"])
            .current_dir(layout::repository()),
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let listener = listener(options.port).map_err(|error| format!("no local port can be had: {error}"))?;
    let mut wrong = Vec::new();
    if !options.no_engine {
        wrong.extend(fleet::show().err());
    }
    for mode in ["log", "block"] {
        let demo = Demo::start(&runtime, mode, &listener)
            .map_err(|error| format!("the demo could not start: {error}"))?;
        println!("\nPICKET_MODE={mode}: a Python function behind http://{}\n", demo.address);
        for sample in SAMPLES {
            let seen = demo.send(&runtime, sample).map_err(|error| format!("{}: {error}", sample.what))?;
            print!("{}", seen.told(sample));
            wrong.extend(
                seen.complaint(sample, mode).map(|why| format!("mode {mode}, {}: {why}", sample.what)),
            );
        }
        if mode == "block" && !options.once {
            demo.stay(&runtime);
        }
    }
    if wrong.is_empty() {
        println!(
            "\nall {} requests went as they should, in both modes{}",
            SAMPLES.len(),
            if options.no_engine { "" } else { ", and so did the engine" }
        );
        Ok(())
    } else {
        Err(format!("\n{}", wrong.join("\n")))
    }
}

/// A protected function and the address it is reached at.
struct Demo {
    emulator: Arc<Emulator>,
    address: SocketAddr,
    serving: AbortHandle,
}

impl Drop for Demo {
    fn drop(&mut self) {
        // The next mode listens on the same port, with another function behind it.
        self.serving.abort();
    }
}

/// The wanted port, or any other where somebody has it.
fn listener(port: u16) -> io::Result<std::net::TcpListener> {
    let wanted = std::net::TcpListener::bind(("127.0.0.1", port));
    let listener = wanted.or_else(|_taken| std::net::TcpListener::bind(("127.0.0.1", 0)))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// What became of one request.
struct Seen {
    status: u16,
    body: String,
    reached_the_handler: bool,
    verdicts: Vec<Value>,
}

impl Demo {
    fn start(runtime: &Runtime, mode: &str, listener: &std::net::TcpListener) -> io::Result<Self> {
        let python = Client::Python.function().map_err(io::Error::other)?;
        let function = Function { task: layout::repository().join("tests/functions/demo"), ..python };
        let environment = Environment { layer: Layer::built()?, function, variables: vec![] };
        let emulator = Arc::new(environment.with("PICKET_MODE", mode).start()?);
        let address = listener.local_addr()?;
        let listener = runtime.block_on(async { TcpListener::from_std(listener.try_clone()?) })?;
        let serving = runtime.spawn(gateway::serve(listener, Arc::clone(&emulator))).abort_handle();
        Ok(Self { emulator, address, serving })
    }

    fn send(&self, runtime: &Runtime, sample: &Sample) -> io::Result<Seen> {
        let (calls, lines) = (self.emulator.handler_calls(), verdict_lines(&self.emulator.log()).len());
        let url = format!("http://{}{}", self.address, sample.target);
        let (method, body) = (sample.method, sample.body);
        let asked =
            runtime.block_on(async { tokio::task::spawn_blocking(move || ask(method, &url, body)).await });
        let (status, body) = asked.map_err(io::Error::other)??;
        let log = self.settled_log(status, lines);
        Ok(Seen {
            status,
            body,
            reached_the_handler: self.emulator.handler_calls() > calls,
            verdicts: verdict_lines(&log).split_off(lines),
        })
    }

    /// The log, once nothing more is expected for this request: what the agent prints may come after the answer.
    #[expect(clippy::disallowed_methods, reason = "the demo's own thread forwards no events")]
    fn settled_log(&self, status: u16, lines: usize) -> String {
        let start = Instant::now();
        let wanted = if status == 200 { Duration::from_millis(300) } else { PATIENCE };
        while start.elapsed() < wanted && verdict_lines(&self.emulator.log()).len() == lines {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.emulator.log()
    }

    /// Serves the reader's own requests, and prints what Picket says of them, until the reader ends it.
    fn stay(&self, runtime: &Runtime) {
        println!("\nIt stays up, in mode block. Try for yourself, in another terminal:\n");
        println!("    curl -i 'http://{}/search?q=blue+bicycle'", self.address);
        println!("    curl -i 'http://{}/search?q=1%27+OR+1=1--+'", self.address);
        println!("    curl -i -d 'text=<img src=x onerror=alert(1)>' http://{}/comments\n", self.address);
        println!("Ctrl-C ends it.\n");
        let mut shown = self.emulator.log().len();
        runtime.block_on(async {
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let log = self.emulator.log();
                let whole = log.rfind('\n').map_or(0, |end| end + 1);
                for line in log.get(shown..whole).unwrap_or_default().lines() {
                    if line.contains("handler-called") || verdict_of(line).is_some() {
                        println!("{line}");
                    }
                }
                shown = shown.max(whole);
            }
        });
    }
}

impl Seen {
    /// What the reader is shown.
    fn told(&self, sample: &Sample) -> String {
        let mut text = format!("{} {}\n    {}\n", sample.method, sample.target, sample.what);
        if let Some((_, body)) = sample.body {
            text.push_str(&format!("    body: {body}\n"));
        }
        let reached =
            if self.reached_the_handler { "reached the handler" } else { "never reached the handler" };
        text.push_str(&format!("    -> {} {reached}\n", self.status));
        for verdict in &self.verdicts {
            let word = verdict["verdict"].as_str().unwrap_or_default();
            for signal in verdict["signals"].as_array().into_iter().flatten() {
                text.push_str(&format!(
                    "    Picket: {word}: {} ({}) in {} {}\n",
                    signal["id"].as_str().unwrap_or_default(),
                    signal["tier"].as_str().unwrap_or_default(),
                    signal["location"].as_str().unwrap_or_default(),
                    signal["excerpt"].as_str().unwrap_or_default(),
                ));
            }
        }
        if !self.reached_the_handler {
            text.push_str(&format!("    the client gets: {}\n", self.body.trim()));
        }
        text
    }

    /// What did not go as it should.
    fn complaint(&self, sample: &Sample, mode: &str) -> Option<String> {
        let verdict = |word: &str| self.verdicts.iter().any(|line| line["verdict"] == word);
        let ok = match (sample.hostile, mode) {
            (false, _) => {
                self.status == 200 && self.reached_the_handler && !verdict("block") && !verdict("would_block")
            }
            (true, "block") => self.status == 406 && !self.reached_the_handler && verdict("block"),
            (true, _) => self.status == 200 && self.reached_the_handler && verdict("would_block"),
        };
        let told: Vec<String> = self.verdicts.iter().map(|line| line["verdict"].to_string()).collect();
        (!ok).then(|| {
            format!(
                "status {}, reached the handler: {}, verdicts: {told:?}",
                self.status, self.reached_the_handler
            )
        })
    }
}

/// The agent's verdict lines in a log.
fn verdict_lines(log: &str) -> Vec<Value> {
    log.lines().filter_map(verdict_of).collect()
}

fn verdict_of(line: &str) -> Option<Value> {
    let line: Value = serde_json::from_str(line).ok()?;
    line.get("verdict")?;
    Some(line)
}

fn ask(method: &str, url: &str, body: Option<(&str, &str)>) -> io::Result<(u16, String)> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let request = http::Request::builder().method(method).uri(url).header("user-agent", "picket-demo");
    let answer = match body {
        Some((kind, body)) => {
            agent.run(request.header("content-type", kind).body(body.to_owned()).map_err(io::Error::other)?)
        }
        None => agent.run(request.body(()).map_err(io::Error::other)?),
    };
    let mut answer = answer.map_err(io::Error::other)?;
    let body = answer.body_mut().read_to_string().map_err(io::Error::other)?;
    Ok((answer.status().as_u16(), body))
}

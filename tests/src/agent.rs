//! The built agent as a child process with an environment of its own. It may not use any crate of the agent.

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    double::{Double, RawClient},
    layout,
};

/// How long a test waits for something before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

type Lines = (Mutex<Vec<String>>, Condvar);

/// A running agent. It is killed when it is dropped.
pub struct Agent {
    child: Child,
    port: u16,
    lines: Arc<Lines>,
    readers: Vec<JoinHandle<()>>,
}

impl Agent {
    /// Starts the agent in front of a double, with these settings and nothing else in its environment.
    pub fn start(double: &Double, settings: &[(&str, &str)]) -> Self {
        Self::start_on(free_port(), &double.address(), settings)
    }

    /// The same on a port of the test's choice, and with any address as the platform's.
    #[expect(clippy::panic, reason = "a test without its binary has failed, and says how to build it")]
    #[expect(clippy::expect_used, reason = "a test whose child cannot start has failed")]
    pub fn start_on(port: u16, platform: &str, settings: &[(&str, &str)]) -> Self {
        let program = layout::binary("picket-agent").unwrap_or_else(|error| panic!("{error}"));
        let mut child = Command::new(program)
            // The name of the file in /opt/extensions is the extension's name.
            .arg0("/opt/extensions/picket")
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", platform)
            .env("PICKET_PORT", port.to_string())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the agent starts");
        let lines: Arc<Lines> = Arc::default();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|out| Box::new(out) as _),
            child.stderr.take().map(|err| Box::new(err) as _),
        ];
        let read = |output: Box<dyn Read + Send>| {
            let lines = Arc::clone(&lines);
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    lines.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                    lines.1.notify_all();
                }
            })
        };
        let readers = outputs.into_iter().flatten().map(read).collect();
        Self { child, port, lines, readers }
    }

    /// The port on which it listens for the runtime.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A runtime's connection, made as soon as the agent listens.
    #[expect(
        clippy::panic,
        reason = "a test that waits in vain has failed, and says what was logged instead"
    )]
    pub fn connect(&self) -> RawClient {
        let end = Instant::now() + PATIENCE;
        loop {
            match RawClient::connect(("127.0.0.1", self.port)) {
                Ok(client) => return client,
                Err(error) if Instant::now() > end => {
                    panic!("no listener: {error}; logged: {:?}", self.lines())
                }
                Err(_) => wait(Duration::from_millis(2)),
            }
        }
    }

    /// Every line that was written until now: the agent is killed, and its outputs are read to their end. A test that says what was *not*
    /// written asks here, since a line that is on its way is missing from [`Self::lines`].
    pub fn written(mut self) -> Vec<String> {
        self.child.kill().ok();
        self.rest()
    }

    /// Every line that it wrote, after it has ended by itself.
    pub fn written_to_its_end(mut self) -> Vec<String> {
        self.wait_exit();
        self.rest()
    }

    fn rest(&mut self) -> Vec<String> {
        self.child.wait().ok();
        for reader in self.readers.drain(..) {
            reader.join().ok();
        }
        self.lines()
    }

    /// The lines that were read so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line that holds a text.
    #[expect(
        clippy::panic,
        reason = "a test that waits in vain has failed, and says what was logged instead"
    )]
    pub fn line_with(&self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        let mut lines = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(line) = lines.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                panic!("no line with {text:?} among {lines:?}");
            }
            lines = self.lines.1.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the verdict line of a request.
    #[expect(clippy::panic, reason = "a line that is no JSON fails the test")]
    pub fn verdict_of(&self, request_id: &str) -> Value {
        let line = self.line_with(&format!("\"requestId\":\"{request_id}\""));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Sends a signal by its name, for instance `STOP`.
    #[expect(clippy::expect_used, reason = "a test that cannot send signals has failed")]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(sent.expect("kill runs").success(), "kill -{name}");
    }

    /// Waits for the end of the process.
    #[expect(
        clippy::panic,
        reason = "a test that waits in vain has failed, and says what was logged instead"
    )]
    pub fn wait_exit(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return status,
                Ok(None) if Instant::now() > end => panic!("it lives on; logged: {:?}", self.lines()),
                Ok(None) => wait(Duration::from_millis(2)),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Whether the process lives.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port that was free a moment ago, below those that the system gives to connections, so that it stays free; and no other test of
/// this program gets the same.
#[expect(clippy::expect_used, reason = "a machine without a free port cannot run tests")]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let program = u16::try_from(std::process::id() % 190).unwrap_or_default();
    let ports = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed) % 19_000);
    let mut ports = ports.map(|nth| 13_000 + (program * 100 + nth) % 19_000).take(19_000);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

#[expect(clippy::disallowed_methods, reason = "a test waits; no event passes through this thread")]
fn wait(time: Duration) {
    thread::sleep(time);
}

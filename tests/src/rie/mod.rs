//! AWS's own Runtime Interface Emulator, with a layer on /opt and a function on /var/task. Knows processes, ports and files; not
//! what is asked of the function.
//!
//! Each emulator has a mount namespace and a process namespace of its own: several run side by side, nothing of the machine's
//! /opt, /var/task and /tmp is touched, and ending the outermost process ends everything that it started.

pub mod layer;
mod process;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clients::Function;
use crate::layout;
use layer::Layer;

/// How long anything may take before a test gives up. Generous: it only bounds a hang.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The emulator's path of invocation.
const INVOKE: &str = "/2015-03-31/functions/function/invocations";

/// What a managed runtime's bootstrap does before it starts the runtime, which the emulator leaves to it.
const BOOTSTRAP: &str =
    "#!/bin/sh\nexport LAMBDA_TASK_ROOT=/var/task\nexec ${AWS_LAMBDA_EXEC_WRAPPER:-} \"$@\"\n";

/// What one emulated environment is made of.
#[derive(Debug)]
pub struct Environment {
    /// What lands in /opt.
    pub layer: Layer,
    /// What lands in /var/task, and how it is started.
    pub function: Function,
    /// Environment variables of the function, as its owner would set them.
    pub variables: Vec<(String, String)>,
}

/// A running emulator. Dropping it ends every process inside.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    scratch: PathBuf,
    address: String,
    picket_port: u16,
    /// Kept because its folder is in use until every process has ended.
    _layer: Layer,
    one_at_a_time: Mutex<()>,
}

/// What an invocation gave.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status of the emulator's own HTTP answer: 200 whenever the function answered, an error of its own included.
    pub status: u16,
    /// The body that the function posted, byte for byte.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, or null.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// `statusCode` of an HTTP-shaped answer.
    #[must_use]
    pub fn status_code(&self) -> Option<u64> {
        self.json().get("statusCode")?.as_u64()
    }
}

impl Environment {
    /// The same with one more variable.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.variables.retain(|(name, _)| name != key);
        self.variables.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Starts the emulator; extensions and runtime start with the first invocation.
    ///
    /// # Errors
    /// When the emulator is not provisioned, a namespace is refused, or it does not listen in time.
    pub fn start(self) -> io::Result<Emulator> {
        let picket_port = free_port()?;
        self.start_on(picket_port)
    }

    /// The same, with the agent's port given (for instance one that a test has already taken).
    ///
    /// # Errors
    /// As [`Environment::start`].
    pub fn start_on(self, picket_port: u16) -> io::Result<Emulator> {
        let emulator = layout::tool(layout::EMULATOR).map_err(io::Error::other)?;
        let scratch = scratch()?;
        let bootstrap = scratch.join("bootstrap");
        fs::write(&bootstrap, BOOTSTRAP)?;
        fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755))?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let log = File::create(scratch.join("log"))?;

        let mut command = Command::new("unshare");
        if process::is_root() {
            command.arg("-m");
        } else {
            command.arg("-Urm");
        }
        command
            .args(["-p", "-f", "--kill-child", "sh", "-c", include_str!("enter.sh"), "enter.sh"])
            .arg(&scratch)
            .arg(self.layer.folder())
            .arg(&self.function.task)
            .arg(kept_in_tmp(&[
                &scratch,
                self.layer.folder(),
                &self.function.task,
                &layout::target(),
                layout::repository(),
            ]))
            .arg(emulator)
            .args(["--runtime-interface-emulator-address", &address])
            .args(["--runtime-api-address", &format!("127.0.0.1:{}", free_port()?)])
            .args(["--log-level", "info"]);
        if self.function.managed {
            command.arg(&bootstrap);
        }
        command.args(&self.function.command);
        command
            .env_remove("AWS_LAMBDA_RUNTIME_API")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "example")
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", "60")
            .env("PICKET_PORT", picket_port.to_string());
        if self.function.managed {
            command.env("AWS_LAMBDA_EXEC_WRAPPER", layer::WRAPPER);
        }
        for (key, value) in self.function.variables.iter().chain(&self.variables) {
            command.env(key, value);
        }
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut started = Emulator {
            child,
            scratch,
            address,
            picket_port,
            _layer: self.layer,
            one_at_a_time: Mutex::new(()),
        };
        started.wait_until_listening()?;
        Ok(started)
    }
}

impl Emulator {
    /// The port that the agent was told to listen on.
    #[must_use]
    pub fn picket_port(&self) -> u16 {
        self.picket_port
    }

    /// Invokes the function and waits for its answer. Overlapping calls are put in a line: two at once end this emulator.
    ///
    /// # Errors
    /// When the emulator cannot be reached or its answer cannot be read.
    pub fn invoke(&self, event: &[u8]) -> io::Result<Answer> {
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        let mut answer =
            agent.post(format!("http://{}{INVOKE}", self.address)).send(event).map_err(io::Error::other)?;
        let mut body = Vec::new();
        answer.body_mut().as_reader().read_to_end(&mut body)?;
        Ok(Answer { status: answer.status().as_u16(), body })
    }

    /// Everything that the emulator, the agent and the function have printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.scratch.join("log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until the log has a line with this text, and gives the whole log.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn log_with(&self, text: &str) -> io::Result<String> {
        let mut log = String::new();
        process::wait_for(PATIENCE, || {
            log = self.log();
            log.contains(text)
        })
        .map_err(|_late| io::Error::other(format!("no {text:?} in the log:\n{log}")))?;
        Ok(log)
    }

    /// How often the handler says that it was called, by the line that each example handler prints.
    #[must_use]
    pub fn handler_calls(&self) -> usize {
        self.log().matches("handler-called ").count()
    }

    /// Waits until the handler has been called so often.
    ///
    /// # Errors
    /// When it is not called in time.
    pub fn wait_for_calls(&self, count: usize) -> io::Result<()> {
        process::wait_for(PATIENCE, || self.handler_calls() >= count)
    }

    /// The agent's process ids inside this environment, by the name of its file.
    #[must_use]
    pub fn agents(&self) -> Vec<u32> {
        process::descendants(self.child.id())
            .into_iter()
            .filter(|id| process::name(*id).as_deref() == Some("picket"))
            .collect()
    }

    /// Ends the agent as the kernel's out-of-memory killer would.
    ///
    /// # Errors
    /// When there is no agent, or it does not end.
    pub fn kill_agent(&self) -> io::Result<()> {
        let agents = self.agents();
        if agents.is_empty() {
            return Err(io::Error::other("no agent is running"));
        }
        for id in &agents {
            process::signal("KILL", *id)?;
        }
        process::wait_for(PATIENCE, || agents.iter().all(|id| process::is_gone(*id)))
    }

    /// Asks the emulator to shut the environment down, and waits until it has.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn terminate(&mut self) -> io::Result<String> {
        let inside = process::children(self.child.id());
        for id in &inside {
            process::signal("TERM", *id)?;
        }
        let child = &mut self.child;
        process::wait_for(PATIENCE, || matches!(child.try_wait(), Ok(Some(_))))?;
        Ok(self.log())
    }

    fn wait_until_listening(&mut self) -> io::Result<()> {
        let start = Instant::now();
        loop {
            if std::net::TcpStream::connect(&self.address).is_ok() {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() || start.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("the emulator did not start:\n{}", self.log())));
            }
            process::pause();
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // `unshare --kill-child` takes the whole process namespace with it.
        let _gone_already = self.child.kill();
        let _reaped_already = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the emulator ---\n{}", self.log());
        }
        let _left_over = fs::remove_dir_all(&self.scratch);
    }
}

/// A port that nobody listens on, and that nobody else is given: each call of this process gets another one, all of them below the
/// range from which the kernel takes the near ends of connections.
///
/// # Errors
/// When the machine has no loopback interface, or no port is free.
pub fn free_port() -> io::Result<u16> {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes that run side by side start far from each other.
    let start = std::process::id().wrapping_mul(7919);
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _try in 0..COUNT {
        let number = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + number % COUNT).map_err(io::Error::other)?;
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_released) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A new folder for one environment.
fn scratch() -> io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = layout::target().join("tmp/rie").join(format!("{}-{number}", std::process::id()));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The entries of /tmp that must stay visible, because something that is needed lies below them.
fn kept_in_tmp(needed: &[&Path]) -> String {
    let mut names: Vec<String> = needed
        .iter()
        .filter_map(|path| path.strip_prefix("/tmp").ok()?.components().next())
        .map(|name| name.as_os_str().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.dedup();
    names.join(" ")
}

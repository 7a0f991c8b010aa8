//! The built engine as a child process, and an honest agent's way to speak to it. It may not use any crate of the engine but
//! the wire's types.
#![expect(clippy::disallowed_methods, reason = "these threads have nothing else to do than to wait")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, write::GzEncoder};
use picket_cloud_protocol::{BATCHES, Batch, HEADER, Reply, Secret, Signature, signing_text};
use ring::signature::Ed25519KeyPair;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::layout;

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the engine keeps everything.
#[derive(Clone, Debug)]
pub enum Kept {
    /// In a folder with a SQLite file.
    Folder(std::path::PathBuf),
    /// In a DynamoDB table at this endpoint.
    Table {
        /// The table.
        name: String,
        /// The endpoint.
        endpoint: String,
    },
}

/// A running engine. It is killed when it is dropped.
pub struct Engine {
    child: Child,
    kept: Kept,
    address: String,
    /// The agents' secret, as the first start printed it.
    pub secret: Secret,
    /// The first owner's token, likewise.
    pub token: String,
    /// The private key that the site's policies are signed with, likewise; empty where another start printed it.
    pub policy_seed: Vec<u8>,
}

/// The seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn command(kept: &Kept, arguments: &[&str]) -> Result<Command, String> {
    let mut command = Command::new(layout::binary("picket-engine")?);
    command.env_clear().env("PICKET_ENGINE_LOG", "warn").args(arguments);
    match kept {
        Kept::Folder(folder) => {
            command.arg("--data").arg(folder);
        }
        Kept::Table { name, endpoint } => {
            command
                .args(["--table", name])
                .env("AWS_REGION", "us-east-1")
                .env("AWS_ACCESS_KEY_ID", "test")
                .env("AWS_SECRET_ACCESS_KEY", "test")
                .env("AWS_ENDPOINT_URL", endpoint);
        }
    }
    command.stdin(Stdio::null());
    Ok(command)
}

fn free_address() -> Result<String, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.to_string()).map_err(|error| error.to_string())
}

impl Engine {
    /// Starts one for the first time, on a free port.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn first(kept: Kept) -> Result<Self, String> {
        if matches!(kept, Kept::Table { .. }) {
            let made = command(&kept, &["init", "--create-table", "--site", "unused"])?
                .output()
                .map_err(|error| error.to_string())?;
            if !made.status.success() {
                return Err(String::from_utf8_lossy(&made.stderr).into_owned());
            }
        }
        let address = free_address()?;
        let mut child = Self::spawn(&kept, &address, Stdio::piped())?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|error| error.to_string())?;
        }
        let told: Value = serde_json::from_str(&line)
            .map_err(|error| format!("the first start printed {line:?}: {error}"))?;
        let secret =
            serde_json::from_value(told["agentSecret"].clone()).map_err(|error| error.to_string())?;
        let token = told["adminToken"].as_str().unwrap_or_default().to_owned();
        let seed = told["policyPrivateKey"].as_str().unwrap_or_default();
        let policy_seed = URL_SAFE_NO_PAD.decode(seed).unwrap_or_default();
        let engine = Self { child, kept, address, secret, token, policy_seed };
        engine.wait()?;
        Ok(engine)
    }

    /// Starts one over what another has kept, with the secret and the token that were printed then.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn over(kept: Kept, secret: Secret, token: String) -> Result<Self, String> {
        let address = free_address()?;
        let child = Self::spawn(&kept, &address, Stdio::null())?;
        let engine = Self { child, kept, address, secret, token, policy_seed: Vec::new() };
        engine.wait().map(|()| engine)
    }

    fn spawn(kept: &Kept, address: &str, stdout: Stdio) -> Result<Child, String> {
        command(kept, &["serve", "--listen", address])?
            .stdout(stdout)
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| error.to_string())
    }

    fn wait(&self) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if TcpStream::connect(&self.address).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err("the engine does not listen".to_owned())
    }

    /// Kills it as nothing can be caught (SIGKILL), and starts it anew over what it has kept.
    ///
    /// # Errors
    /// Why it does not start again.
    pub fn kill_and_start(&mut self) -> Result<(), String> {
        self.child.kill().map_err(|error| error.to_string())?;
        self.child.wait().map_err(|error| error.to_string())?;
        self.start_again()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A folder's path, where everything lies in one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.kept {
            Kept::Folder(folder) => Some(folder),
            Kept::Table { .. } => None,
        }
    }

    /// Asks the admin API as the first owner.
    ///
    /// # Errors
    /// What went wrong, or the status.
    pub fn admin(&self, path: &str) -> Result<Value, String> {
        let mut response = ureq::get(format!("http://{}{path}", self.address))
            .header("authorization", format!("Bearer {}", self.token))
            .call()
            .map_err(|error| error.to_string())?;
        let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// Tells the admin API something as the first owner, with this method (`POST` or `PUT`).
    ///
    /// # Errors
    /// What went wrong, or the status.
    pub fn tell(&self, method: &str, path: &str, what: &Value) -> Result<Value, String> {
        let url = format!("http://{}{path}", self.address);
        let request = if method == "PUT" { ureq::put(url) } else { ureq::post(url) };
        let mut response = request
            .header("authorization", format!("Bearer {}", self.token))
            .send(what.to_string())
            .map_err(|error| error.to_string())?;
        let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn stop(&mut self) -> Result<std::process::ExitStatus, String> {
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .map_err(|error| error.to_string())?;
        if !asked.success() {
            return Err("kill failed".to_owned());
        }
        self.child.wait().map_err(|error| error.to_string())
    }

    /// Starts it anew over what it has kept, after [`Engine::stop`].
    ///
    /// # Errors
    /// Why it does not start again.
    pub fn start_again(&mut self) -> Result<(), String> {
        self.child = Self::spawn(&self.kept, &self.address, Stdio::null())?;
        self.wait()
    }

    /// A counter of `/metrics`; 0 where there is none.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn metric(&self, name: &str) -> Result<u64, String> {
        let mut response = ureq::get(format!("http://{}/metrics", self.address))
            .call()
            .map_err(|error| error.to_string())?;
        let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An honest agent.
pub struct Reporter {
    secret: Secret,
    key: Ed25519KeyPair,
    address: String,
    agent: ureq::Agent,
}

impl Reporter {
    /// With the secret of an engine.
    ///
    /// # Errors
    /// When the secret is none.
    pub fn new(secret: &Secret, address: &str) -> Result<Self, String> {
        let seed = URL_SAFE_NO_PAD.decode(&secret.private_key).map_err(|error| error.to_string())?;
        let key = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| error.to_string())?;
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(20)))
            .http_status_as_error(false)
            .build()
            .into();
        Ok(Self { secret: secret.clone(), key, address: address.to_owned(), agent })
    }

    /// A batch as it goes over the wire: the header's value and the body, signed now.
    ///
    /// # Errors
    /// Never in practice.
    pub fn sealed(&self, batch: &Batch) -> Result<(String, Vec<u8>), String> {
        let json = serde_json::to_vec(batch).map_err(|error| error.to_string())?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&json).map_err(|error| error.to_string())?;
        let body = encoder.finish().map_err(|error| error.to_string())?;
        let time = now();
        let digest: [u8; 32] = Sha256::digest(&body).into();
        let text = signing_text("POST", BATCHES, "", &self.secret.audience, time, &digest);
        let sig = self.key.sign(text.as_bytes());
        let sig = sig.as_ref().try_into().map_err(|_length| "a signature of another length".to_owned())?;
        Ok((Signature { kid: self.secret.id.clone(), time, sig }.to_header(), body))
    }

    /// Sends a batch once.
    ///
    /// # Errors
    /// What went wrong, or the status.
    pub fn send(&self, batch: &Batch) -> Result<Reply, String> {
        let (header, body) = self.sealed(batch)?;
        let mut response = self
            .agent
            .post(format!("http://{}{BATCHES}", self.address))
            .header(HEADER, header)
            .header("content-encoding", "gzip")
            .send(&body)
            .map_err(|error| error.to_string())?;
        let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
        if response.status() != 200 {
            return Err(format!("{}: {text}", response.status()));
        }
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// Sends a batch and cuts the connection, after some of its bytes or before the answer.
    ///
    /// # Errors
    /// When it cannot even connect.
    pub fn cut_off(&self, batch: &Batch, bytes: usize) -> Result<(), String> {
        let (header, body) = self.sealed(batch)?;
        let mut request = format!(
            "POST {BATCHES} HTTP/1.1\r\nhost: {}\r\n{HEADER}: {header}\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        )
        .into_bytes();
        request.extend(body);
        request.truncate(bytes.max(1));
        TcpStream::connect(&self.address)
            .and_then(|mut stream| stream.write_all(&request))
            .map_err(|error| error.to_string())
    }
}

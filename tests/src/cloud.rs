//! A double of the cloud on this machine: the engine, Secrets Manager and the endpoint for credentials under SnapStart, with
//! faults on demand. It may not know Picket's code: it holds what docs/protocol.md says, and checks signatures itself.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::read::GzDecoder;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    bundle,
    double::{Message, wire::MessageReader},
};

/// How long a test waits for something before it fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the engine calls itself.
const AUDIENCE: &str = "test-engine";

/// How the engine answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Answer {
    /// As documented.
    #[default]
    Well,
    /// With this status.
    Status(u16),
    /// After ten seconds, and then as documented.
    Slow,
    /// With bytes that are no HTTP.
    Garbage,
    /// With an answer that never ends.
    Endless,
    /// By closing the connection.
    HangUp,
    /// It takes what comes, and waits for [`Cloud::release`] before it hangs up without a word.
    TakeAndWait,
}

/// How Secrets Manager answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SecretAnswer {
    /// With the secret.
    #[default]
    Well,
    /// With `AccessDeniedException`.
    Denied,
    /// After ten seconds.
    Slow,
    /// With something else than the secret.
    Garbage,
}

/// A call that came to the engine.
#[derive(Debug, Clone)]
pub struct Post {
    /// Its target.
    pub target: String,
    /// Its head, for what is not looked at otherwise.
    pub head: String,
    /// The body as it came.
    pub body: Vec<u8>,
    /// The body inflated and parsed; null where there is none.
    pub json: Value,
    /// Whether its signature held for the key that is valid now.
    pub signed: bool,
}

#[derive(Debug, Default)]
struct State {
    answer: Answer,
    secret_answer: SecretAnswer,
    /// The seed of the key in the secret, and of the one that the engine takes.
    secret_seed: u8,
    /// Another text in its place.
    kept: Option<String>,
    valid_seed: u8,
    secrets_asked: usize,
    credentials_asked: Vec<String>,
    posts: Vec<Post>,
    /// Batches that were counted, by id, in order.
    counted: Vec<Value>,
    flags: Vec<Value>,
    /// The signed policy that is handed out.
    bundle: Option<Value>,
    /// Answers of the engine that were sent whole.
    answered: usize,
    gate: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stopping: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running double; it stops when it is dropped.
#[derive(Debug)]
pub struct Cloud {
    shared: Arc<Shared>,
    address: SocketAddr,
    folder: PathBuf,
}

impl Cloud {
    /// An engine, Secrets Manager and credentials on one free port, and an empty folder for what the agent keeps.
    #[expect(clippy::expect_used, reason = "a test without its double cannot go on")]
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopping.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&accepting);
                thread::spawn(move || drop(serve(&shared, stream, address)));
            }
        });
        let folder =
            std::env::temp_dir().join(format!("picket-cloud-{}-{}", std::process::id(), address.port()));
        std::fs::create_dir_all(&folder).expect("a folder of the test's own");
        Self { shared, address, folder }
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the agent keeps its spool.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The environment of an agent that reports here, with further settings behind it.
    pub fn settings(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let url = self.url();
        let folder = self.folder.display().to_string();
        let own = [
            ("PICKET_SECRET", "picket/agent"),
            ("AWS_ENDPOINT_URL", &url),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDTEST"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_LAMBDA_FUNCTION_NAME", "shop"),
            ("TMPDIR", &folder),
        ];
        own.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// Lets the engine answer so from now on.
    pub fn answer(&self, answer: Answer) {
        self.shared.lock().answer = answer;
    }

    /// Lets Secrets Manager answer so from now on.
    pub fn secret_answer(&self, answer: SecretAnswer) {
        self.shared.lock().secret_answer = answer;
    }

    /// Puts another key into the secret, and lets the engine take that one alone.
    pub fn rotate(&self) {
        let mut state = self.shared.lock();
        state.secret_seed += 1;
        state.valid_seed = state.secret_seed;
    }

    /// Puts another text into Secrets Manager: the secret of an engine that is no double.
    pub fn keep_secret(&self, text: String) {
        self.shared.lock().kept = Some(text);
    }

    /// What Secrets Manager would hold now.
    pub fn secret(&self) -> String {
        secret_text(self.shared.lock().secret_seed, self.address)
    }

    /// Flags a client for an hour.
    pub fn flag(&self, client: &str) {
        let mut state = self.shared.lock();
        let version = state.flags.len() + 1;
        state
            .flags
            .push(json!({"client": client, "until": now_s() + 3600, "why": "test", "version": version}));
    }

    /// Hands this signed policy out from now on: see [`crate::bundle::sign`].
    pub fn policy(&self, bundle: Value) {
        self.shared.lock().bundle = Some(bundle);
    }

    /// Lets those go on that wait in [`Answer::TakeAndWait`].
    pub fn release(&self) {
        self.shared.lock().gate = true;
        self.shared.changed.notify_all();
    }

    /// Every call that came to the engine.
    pub fn posts(&self) -> Vec<Post> {
        self.shared.lock().posts.clone()
    }

    /// Every batch that was counted.
    pub fn batches(&self) -> Vec<Value> {
        self.shared.lock().counted.clone()
    }

    /// How often the secret was asked for.
    pub fn secrets_asked(&self) -> usize {
        self.shared.lock().secrets_asked
    }

    /// The authorization tokens of those who asked for credentials.
    pub fn credentials_asked(&self) -> Vec<String> {
        self.shared.lock().credentials_asked.clone()
    }

    /// The sum of what was counted of a signal.
    pub fn count_of(&self, signal: &str) -> u64 {
        count_of(&self.batches(), signal)
    }

    /// Waits until the engine has answered for the first time: the agent knows its key and has asked for flags.
    pub fn wait_first_answer(&self) {
        self.wait("the first poll", |cloud| cloud.shared.lock().answered > 0);
    }

    /// Waits until the engine has answered so many calls.
    pub fn wait_answers(&self, calls: usize) {
        self.wait("the calls of the start", |cloud| cloud.shared.lock().answered >= calls);
    }

    /// Waits until this holds of the double.
    #[expect(clippy::panic, reason = "a test that waits in vain has failed, and says what came instead")]
    pub fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            if Instant::now() > end {
                let posts: Vec<_> =
                    self.posts().iter().map(|post| (post.target.clone(), post.signed)).collect();
                panic!(
                    "waited in vain for {what}; secrets asked: {}; calls: {posts:?}",
                    self.secrets_asked()
                );
            }
            let state = self.shared.lock();
            drop(self.shared.changed.wait_timeout(state, Duration::from_millis(10)));
        }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.release();
        drop(TcpStream::connect(self.address));
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// The sum of what batches count of a signal.
pub fn count_of(batches: &[Value], signal: &str) -> u64 {
    batches
        .iter()
        .filter_map(|batch| batch["counts"].as_array())
        .flatten()
        .filter(|count| count["signal"] == signal)
        .filter_map(|count| count["n"].as_u64())
        .sum()
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The key of a seed.
fn pair(seed: u8) -> Ed25519KeyPair {
    pair_of(&[seed; 32])
}

#[expect(clippy::expect_used, reason = "any 32 bytes are a seed")]
fn pair_of(seed: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed")
}

fn serve(shared: &Shared, stream: TcpStream, address: SocketAddr) -> std::io::Result<()> {
    let mut answering = stream.try_clone()?;
    let mut reader = MessageReader::new(stream);
    while let Some(mut message) = reader.head()? {
        reader.request_body(&mut message, None)?;
        let target = message.target().to_owned();
        let body = if target.starts_with("/v1/") {
            let post = post_of(shared, &message);
            match engine(shared, &post, &mut answering)? {
                Some(answer) => answer,
                None => return answering.shutdown(Shutdown::Both),
            }
        } else if target.starts_with("/credentials") {
            let token = message.header("authorization").unwrap_or_default().to_owned();
            shared.lock().credentials_asked.push(token);
            (
                200,
                json!({"AccessKeyId": "ASIATEST", "SecretAccessKey": "test", "Token": "t",
                         "Expiration": "2099-01-01T00:00:00Z"}),
            )
        } else {
            secret(shared, address)
        };
        respond(&mut answering, body.0, &body.1)?;
        shared.lock().answered += usize::from(target.starts_with("/v1/"));
        shared.changed.notify_all();
    }
    Ok(())
}

fn respond(stream: &mut TcpStream, status: u16, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())
}

fn post_of(shared: &Shared, message: &Message) -> Post {
    let mut text = String::new();
    let inflated = GzDecoder::new(message.body.as_slice()).read_to_string(&mut text).is_ok();
    let post = Post {
        target: message.target().to_owned(),
        head: String::from_utf8_lossy(&message.head).into_owned(),
        body: message.body.clone(),
        json: if inflated { serde_json::from_str(&text).unwrap_or(Value::Null) } else { Value::Null },
        signed: is_signed(message, shared.lock().valid_seed),
    };
    shared.lock().posts.push(post.clone());
    shared.changed.notify_all();
    post
}

/// Whether `Picket-Signature` holds for this message: see docs/protocol.md.
fn is_signed(message: &Message, seed: u8) -> bool {
    let Some(header) = message.header("picket-signature") else { return false };
    let part = |name: &str| {
        let rest = header.strip_prefix("v1 ")?;
        rest.split(',').find_map(|part| part.strip_prefix(name)).map(str::to_owned)
    };
    let (Some(time), Some(sig)) = (part("t="), part("sig=")) else { return false };
    let (path, query) = message.target().split_once('?').unwrap_or((message.target(), ""));
    let digest: String = Sha256::digest(&message.body).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("picket-v1\n{}\n{path}\n{query}\n{AUDIENCE}\n{time}\n{digest}", message.method());
    let fresh = time.parse::<u64>().is_ok_and(|time| time.abs_diff(now_s()) <= 300);
    let sig = URL_SAFE_NO_PAD.decode(sig).unwrap_or_default();
    let key = pair(seed);
    let key = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref());
    fresh && key.verify(text.as_bytes(), &sig).is_ok()
}

/// The engine's answer; none where it hangs up.
fn engine(shared: &Shared, post: &Post, stream: &mut TcpStream) -> std::io::Result<Option<(u16, Value)>> {
    let answer = shared.lock().answer;
    match answer {
        Answer::Well => {}
        Answer::Status(status) => return Ok(Some((status, json!({"error": "test"})))),
        Answer::Slow => {
            let state = shared.lock();
            let slow = Duration::from_secs(10);
            drop(shared.changed.wait_timeout_while(state, slow, |state| state.answer == Answer::Slow));
        }
        Answer::Garbage => {
            stream.write_all(b"\x00\xffnot http at all\r\n\r\n")?;
            return Ok(None);
        }
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            loop {
                stream.write_all(b"1000\r\n")?;
                stream.write_all(&[b' '; 0x1000])?;
                stream.write_all(b"\r\n")?;
            }
        }
        Answer::HangUp => return Ok(None),
        Answer::TakeAndWait => {
            count(shared, post);
            let state = shared.lock();
            drop(shared.changed.wait_while(state, |state| !state.gate));
            return Ok(None);
        }
    }
    let iam = post.head.to_ascii_lowercase().contains("authorization: aws4-hmac-sha256");
    if !post.signed && !iam {
        return Ok(Some((401, json!({"error": "signature"}))));
    }
    let delta = |state: &State| json!({"full": true, "cursor": format!("c{}", state.flags.len()), "set": state.flags, "unset": []});
    if post.target.starts_with("/v1/batches") {
        let new = count(shared, post);
        let state = shared.lock();
        return Ok(Some((
            200,
            json!({"ack": if new { "counted" } else { "duplicate" }, "delta": delta(&state),
                   "policyVersion": state.bundle.as_ref().map_or(&Value::Null, |bundle| &bundle["version"]).as_u64().unwrap_or(0),
                   "hints": {"nextPollS": if state.bundle.is_some() { 5 } else { 60 }, "upload": "all"}, "serverTime": now_s()}),
        )));
    }
    if post.target.starts_with("/v1/flags") {
        return Ok(Some((200, delta(&shared.lock()))));
    }
    let bundle = shared.lock().bundle.clone().filter(|_| post.target.starts_with("/v1/policy"));
    Ok(Some(bundle.map_or_else(|| (404, json!({"error": "nothing here"})), |bundle| (200, bundle))))
}

/// Counts a batch, unless its id was counted before.
fn count(shared: &Shared, post: &Post) -> bool {
    let mut state = shared.lock();
    let new = post.json.is_object()
        && !state.counted.iter().any(|counted| counted["batchId"] == post.json["batchId"]);
    if new {
        state.counted.push(post.json.clone());
    }
    shared.changed.notify_all();
    new
}

/// Secrets Manager's answer.
fn secret(shared: &Shared, address: SocketAddr) -> (u16, Value) {
    let (answer, seed) = {
        let mut state = shared.lock();
        state.secrets_asked += 1;
        (state.secret_answer, state.secret_seed)
    };
    match answer {
        SecretAnswer::Denied => {
            return (400, json!({"__type": "AccessDeniedException", "Message": "no"}));
        }
        SecretAnswer::Garbage => return (200, json!({"SecretString": "hunter2", "Name": "n"})),
        SecretAnswer::Slow => {
            let state = shared.lock();
            drop(shared.changed.wait_timeout_while(state, Duration::from_secs(10), |state| {
                state.secret_answer == SecretAnswer::Slow
            }));
        }
        SecretAnswer::Well => {}
    }
    let text = shared.lock().kept.clone().unwrap_or_else(|| secret_text(seed, address));
    let kept: HashMap<&str, Value> =
        HashMap::from([("SecretString", json!(text)), ("Name", json!("picket/agent"))]);
    (200, json!(kept))
}

/// The agent's secret, as docs/protocol.md has it.
fn secret_text(seed: u8, address: SocketAddr) -> String {
    json!({
        "id": format!("key-{seed}"),
        "privateKey": URL_SAFE_NO_PAD.encode([seed; 32]),
        "policyPublicKey": URL_SAFE_NO_PAD.encode(pair_of(&bundle::SEED).public_key().as_ref()),
        "url": format!("http://{address}"),
        "audience": AUDIENCE,
    })
    .to_string()
}

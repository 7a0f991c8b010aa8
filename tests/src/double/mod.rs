//! A double of the Lambda platform on this machine: the Runtime API and the Extensions API on raw sockets, with faults on demand. It may not
//! know Picket.
//!
//! It keeps what it was sent byte for byte, follows the platform's state machine (an event that is out is handed out again, an answer
//! to another id is refused, a stale invocation id gets 410), and misbehaves exactly where a test says so.
//!
//! ```no_run
//! use picket_tests::double::{Double, Endpoint, Event, Fault};
//!
//! let double = Double::start();
//! let id = double.queue(Event::new(b"{}").header("X-Extra", "1"));   // one event for the next `/next`
//! double.fault(Endpoint::Response, Fault::Status(500));              // the next `/response` gets 500, once
//! // ... point a runtime at double.address() ...
//! let answer = double.outcome(&id);                                  // waits for `/response` or `/error`
//! assert_eq!(answer.message.body, b"{}");
//! for call in double.calls() { println!("{}", call.message.start); } // everything that came, in order of arrival
//! ```
//!
//! - [`Double::start`] hands events out one at a time; [`Double::managed`] hands out several, as Managed Instances do.
//! - [`Double::queue`] adds an event and gives its request id; with [`Event::request_id`] ids can be reused, every attempt has its own
//!   invocation id unless [`Event::without_invocation_id`] says otherwise.
//! - [`Double::fault`] arms a [`Fault`] for the next call to an [`Endpoint`]; faults of one endpoint are used up in order.
//! - [`Double::reply`] scripts raw bytes as the answer to the next call to an endpoint, past every rule of the platform.
//! - [`Double::release`] opens a [`Fault::Gate`].
//! - [`Double::shut_down`] gives every registered extension its SHUTDOWN.
//! - Waiting is by condition and ends after 20 s with a panic that says what came until then.

mod serve;
pub mod wire;

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use wire::{Framing, Message, RawClient, chunked};

/// How long a test waits for something before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running double; it stops when it is dropped.
#[derive(Debug)]
pub struct Double {
    shared: Arc<Shared>,
    address: SocketAddr,
}

/// What a call was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `GET /2018-06-01/runtime/invocation/next`.
    Next,
    /// `POST .../response`.
    Response,
    /// `POST .../{id}/error`.
    Error,
    /// `POST /2018-06-01/runtime/init/error`.
    InitError,
    /// `GET /2018-06-01/runtime/restore/next`.
    RestoreNext,
    /// `POST /2018-06-01/runtime/restore/error`.
    RestoreError,
    /// `POST /2020-01-01/extension/register`.
    Register,
    /// `GET /2020-01-01/extension/event/next`.
    ExtensionNext,
    /// `POST /2020-01-01/extension/{init,exit}/error`.
    ExtensionError,
    /// Anything else.
    Other,
}

/// A way to misbehave, once.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Reads the head of the call and resets the connection.
    Reset,
    /// Reads the whole call and closes the connection without a word.
    Close,
    /// Reads this many bytes of the body and resets the connection.
    ResetMidUpload(usize),
    /// Answers with this status before the body was read, and closes.
    EarlyStatus(u16),
    /// Waits, and then answers as usual.
    Slow(Duration),
    /// Waits for [`Double::release`], and then answers as usual.
    Gate,
    /// Answers with this status and the platform's kind of error body; nothing changes its state.
    Status(u16),
    /// Sends this much of the answer's bytes, head included, and closes.
    Truncate(usize),
    /// Leaves out this much of the answer's end, and closes.
    CutShort(usize),
    /// As [`Fault::Truncate`], and resets.
    TruncateAndReset(usize),
    /// Sends the answer in pieces of this many bytes with a pause after each.
    Drip(usize, Duration),
}

/// An event for the runtime.
#[derive(Debug, Clone)]
pub struct Event {
    body: Vec<u8>,
    headers: Vec<(String, String)>,
    request_id: Option<String>,
    invocation_id: bool,
    chunks: Option<Vec<usize>>,
    deadline: Duration,
    content_type: Option<String>,
}

impl Event {
    /// An event with this body and the headers that the platform sends.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            headers: Vec::new(),
            request_id: None,
            invocation_id: true,
            chunks: None,
            deadline: Duration::from_secs(60),
            content_type: Some("application/json".to_owned()),
        }
    }

    /// One header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A request id of the test's choice; otherwise it is a new one.
    #[must_use]
    pub fn request_id(mut self, id: &str) -> Self {
        self.request_id = Some(id.to_owned());
        self
    }

    /// As a platform before July 2026: no `Lambda-Runtime-Invocation-Id`.
    #[must_use]
    pub fn without_invocation_id(mut self) -> Self {
        self.invocation_id = false;
        self
    }

    /// Sent chunked, in these sizes, instead of with a length.
    #[must_use]
    pub fn chunked(mut self, sizes: &[usize]) -> Self {
        self.chunks = Some(sizes.to_vec());
        self
    }

    /// Time until the deadline; 60 s otherwise.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Another content type.
    #[must_use]
    pub fn content_type(mut self, content_type: &str) -> Self {
        self.content_type = Some(content_type.to_owned());
        self
    }
}

/// A call that came.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which connection it came on, counted from 1 in the order of their acceptance.
    pub connection: u64,
    /// What it was for.
    pub endpoint: Endpoint,
    /// What came.
    pub message: Message,
    /// The status that it was answered with; 0 when it was not.
    pub status: u16,
}

/// How an invocation ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// [`Endpoint::Response`] or [`Endpoint::Error`].
    pub endpoint: Endpoint,
    /// The call that ended it.
    pub message: Message,
}

#[derive(Debug)]
struct Shared {
    managed: bool,
    state: Mutex<State>,
    changed: Condvar,
    stopping: AtomicBool,
    connections: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    queued: VecDeque<Queued>,
    out: Vec<Queued>,
    outcomes: HashMap<String, Vec<Outcome>>,
    calls: Vec<Call>,
    /// Calls that were forgotten, so that the places of the others stay valid.
    forgotten: usize,
    faults: Vec<(Endpoint, Fault)>,
    replies: Vec<Reply>,
    gates: usize,
    /// Calls for an event that wait now.
    waiting: usize,
    /// Calls that got an event that was out already.
    redelivered: usize,
    /// Calls for an event whose client went away.
    abandoned: usize,
    ids: u64,
    extensions: Vec<Extension>,
    shutdown: Option<String>,
    restored: bool,
}

#[derive(Debug, Clone)]
struct Queued {
    request_id: String,
    invocation_id: Option<String>,
    event: Event,
}

#[derive(Debug, Clone)]
struct Extension {
    name: String,
    identifier: String,
    events: String,
    told: bool,
}

#[derive(Debug, Clone)]
struct Reply {
    endpoint: Endpoint,
    bytes: Vec<u8>,
    close: bool,
}

impl Double {
    /// A platform that has one event out at a time.
    pub fn start() -> Self {
        Self::with(false)
    }

    /// A platform that has as many events out as there are calls for them.
    pub fn managed() -> Self {
        Self::with(true)
    }

    #[expect(clippy::expect_used, reason = "a test without its double cannot go on")]
    fn with(managed: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            managed,
            state: Mutex::default(),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
            connections: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopping.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let connection = accepting.connections.fetch_add(1, Ordering::Relaxed) + 1;
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || serve::connection(&shared, stream, connection));
            }
        });
        Self { shared, address }
    }

    /// What `AWS_LAMBDA_RUNTIME_API` is: host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Adds an event, and gives its request id.
    pub fn queue(&self, event: Event) -> String {
        let mut state = self.shared.lock();
        state.ids += 1;
        let number = state.ids;
        let request_id =
            event.request_id.clone().unwrap_or_else(|| format!("00000000-0000-4000-8000-{number:012}"));
        let invocation_id = event.invocation_id.then(|| format!("attempt-{number}"));
        state.queued.push_back(Queued { request_id: request_id.clone(), invocation_id, event });
        self.shared.changed.notify_all();
        request_id
    }

    /// Arms a fault for the next call to an endpoint.
    pub fn fault(&self, endpoint: Endpoint, fault: Fault) {
        self.shared.lock().faults.push((endpoint, fault));
    }

    /// Answers the next call to an endpoint with these bytes, whatever the state is, and then closes if asked to. Replies to one endpoint
    /// are used up in order.
    pub fn reply(&self, endpoint: Endpoint, bytes: impl Into<Vec<u8>>, close: bool) {
        self.shared.lock().replies.push(Reply { endpoint, bytes: bytes.into(), close });
    }

    /// Opens one gate, now or when it is reached.
    pub fn release(&self) {
        self.shared.lock().gates += 1;
        self.shared.changed.notify_all();
    }

    /// Lets `restore/next` return.
    pub fn restore(&self) {
        self.shared.lock().restored = true;
        self.shared.changed.notify_all();
    }

    /// Gives every extension its SHUTDOWN event, with this reason.
    pub fn shut_down(&self, reason: &str) {
        self.shared.lock().shutdown = Some(reason.to_owned());
        self.shared.changed.notify_all();
    }

    /// Everything that came, in order of arrival of its last byte.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// What came to one endpoint.
    pub fn calls_to(&self, endpoint: Endpoint) -> Vec<Call> {
        self.shared.lock().calls.iter().filter(|call| call.endpoint == endpoint).cloned().collect()
    }

    /// Forgets the calls that came.
    pub fn forget_calls(&self) {
        let mut state = self.shared.lock();
        state.forgotten += state.calls.len();
        state.calls.clear();
    }

    /// Waits until so many calls came to an endpoint, and gives them.
    pub fn wait_calls(&self, endpoint: Endpoint, count: usize) -> Vec<Call> {
        self.wait(&format!("{count} calls to {endpoint:?}"), |state| {
            let calls: Vec<_> =
                state.calls.iter().filter(|call| call.endpoint == endpoint).cloned().collect();
            (calls.len() >= count).then_some(calls)
        })
    }

    /// Waits for the end of an invocation; with a reused request id, for the first end that was not asked for yet.
    pub fn outcome(&self, request_id: &str) -> Outcome {
        self.wait(&format!("an answer to {request_id}"), |state| {
            let outcomes = state.outcomes.get_mut(request_id)?;
            (!outcomes.is_empty()).then(|| outcomes.remove(0))
        })
    }

    /// Waits until so many calls for an event are waiting, no more and no fewer.
    pub fn wait_waiting(&self, count: usize) {
        self.wait(&format!("{count} waiting calls for an event"), |state| {
            (state.waiting == count).then_some(())
        });
    }

    /// Calls for an event that wait now.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting
    }

    /// Calls that got an event which was out already.
    pub fn redelivered(&self) -> usize {
        self.shared.lock().redelivered
    }

    /// Waits until so many clients went away while they waited for an event.
    pub fn wait_abandoned(&self, count: usize) {
        self.wait(&format!("{count} abandoned calls"), |state| (state.abandoned >= count).then_some(()));
    }

    /// Connections that were accepted.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Waits for an extension of this name and gives the events that it registered for, as the JSON it sent.
    pub fn registered(&self, name: &str) -> String {
        self.wait(&format!("extension {name}"), |state| {
            state
                .extensions
                .iter()
                .find(|extension| extension.name == name)
                .map(|extension| extension.events.clone())
        })
    }

    #[expect(clippy::panic, reason = "a test that waits in vain has failed, and says what came instead")]
    fn wait<T>(&self, what: &str, mut found: impl FnMut(&mut State) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        loop {
            if let Some(value) = found(&mut state) {
                return value;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let calls: Vec<_> = state
                    .calls
                    .iter()
                    .map(|call| format!("{} -> {}", call.message.start, call.status))
                    .collect();
                panic!("waited in vain for {what}; waiting calls: {}; calls: {calls:#?}", state.waiting);
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.changed.notify_all();
        // Wakes the accepting thread, so that it sees that it is over.
        drop(std::net::TcpStream::connect(self.address));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds since 1970.
fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

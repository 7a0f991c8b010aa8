//! The runtime proxy as a library, served on a thread of the test's own process. It may not know the agent's binary.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use picket_runtime_proxy::{
    Abuse, AnswerDecision, Counters, CountersSnapshot, Decision, Fault, Glance, HeldAnswer, Hold,
    InspectError, Inspector, Invocation, NextCall, Observation, Passthrough, PostKind, Proxy, ProxyConfig,
    SyntheticPost, Watch, desk,
};
use tokio::sync::oneshot;

use crate::double::{Double, RawClient};

/// A proxy that serves until it is dropped.
#[derive(Debug)]
pub struct Proxied {
    address: SocketAddr,
    counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxied {
    /// In front of a double, on demand, with an inspector that does nothing.
    pub fn plain(double: &Double) -> Self {
        Self::with(double, Passthrough)
    }

    /// In front of a double, on demand, with time enough for an inspection on a busy machine.
    pub fn with(double: &Double, inspector: impl Inspector) -> Self {
        let mut config = ProxyConfig::new(0, double.address());
        config.inspection_budget = Duration::from_secs(20);
        Self::start(config, inspector)
    }

    /// With a configuration of the test's own.
    #[expect(clippy::expect_used, reason = "a test without its proxy cannot go on")]
    pub fn start(config: ProxyConfig, inspector: impl Inspector) -> Self {
        let proxy = Proxy::bind(config).expect("a free port on loopback");
        let (address, counters) = (proxy.local_addr(), proxy.counters());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an async runtime");
            desk::run(runtime, |desk| async move {
                tokio::select! {
                    served = proxy.by(desk).serve(Arc::new(inspector)) => served.expect("a listener that can be served"),
                    _ = stopped => {}
                }
            });
        });
        Self { address, counters, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new connection to it.
    #[expect(clippy::expect_used, reason = "a test that cannot connect has failed")]
    pub fn client(&self) -> RawClient {
        RawClient::connect(self.address).expect("the proxy accepts")
    }

    /// Its counts now.
    pub fn counters(&self) -> CountersSnapshot {
        self.counters.snapshot()
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A proxy that has ended already does not listen.
            let _already_over = stop.send(()).is_err();
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// What an inspector was told, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Of an event, with its attempt.
    Inspect(String),
    /// Of a fault of its own.
    Fault(Fault),
    /// Of an answer of the handler.
    Answered(String, Box<Observation>),
    /// Of the status of an answer.
    Glanced(String, Glance),
    /// Of an answer that is held.
    Judge(String, Box<HeldAnswer>),
    /// Of a call for the next event: its ordinal, and whether it follows a block.
    Next(u64, bool),
    /// Of a restore.
    Restored,
    /// Of an abuse, and the attempt that was out.
    Abuse(Abuse, Option<String>),
}

/// What an inspector was told so far.
#[derive(Debug, Default)]
pub struct Journal {
    told: Mutex<Vec<Told>>,
    more: Condvar,
}

impl Journal {
    fn lock(&self) -> MutexGuard<'_, Vec<Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, told: Told) {
        self.lock().push(told);
        self.more.notify_all();
    }

    /// Everything until now.
    pub fn told(&self) -> Vec<Told> {
        self.lock().clone()
    }

    /// Waits for the first entry that `wanted` makes something of; 20 s at most.
    #[expect(clippy::panic, reason = "a test that waits in vain has failed")]
    pub fn wait<T>(&self, wanted: impl Fn(&Told) -> Option<T>) -> T {
        let told = self.lock();
        let (told, _) = self
            .more
            .wait_timeout_while(told, Duration::from_secs(20), |told| {
                !told.iter().any(|entry| wanted(entry).is_some())
            })
            .unwrap_or_else(PoisonError::into_inner);
        told.iter()
            .find_map(&wanted)
            .unwrap_or_else(|| panic!("waited in vain; the inspector was told {told:#?}"))
    }

    /// Waits for what the handler answered to an attempt.
    pub fn answered(&self, attempt: &str) -> Observation {
        self.wait(|told| match told {
            Told::Answered(key, observation) if key == attempt => Some((**observation).clone()),
            _ => None,
        })
    }
}

type Judge = dyn Fn(&Invocation, &Bytes) -> Result<Decision, InspectError> + Send + Sync;
type Censor = dyn Fn(&HeldAnswer) -> Result<AnswerDecision, InspectError> + Send + Sync;
type Holder = dyn Fn(&NextCall<'_>) -> Option<Hold> + Send + Sync;

/// An inspector that decides as a test says, and keeps a journal.
pub struct Scripted {
    judge: Box<Judge>,
    holder: Box<Holder>,
    censor: Box<Censor>,
    watch: Watch,
    closed: bool,
    journal: Arc<Journal>,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Scripted").field("journal", &self.journal).finish_non_exhaustive()
    }
}

impl Scripted {
    /// Decides with this function.
    pub fn new(
        judge: impl Fn(&Invocation, &Bytes) -> Result<Decision, InspectError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            judge: Box::new(judge),
            holder: Box::new(|_| None),
            censor: Box::new(|_| Ok(AnswerDecision::Forward)),
            watch: Watch::Whole,
            closed: false,
            journal: Arc::default(),
        }
    }

    /// Lets everything pass.
    pub fn passing() -> Self {
        Self::new(|_, _| Ok(Decision::Forward))
    }

    /// Answers every event that contains `attack` with this post.
    pub fn blocking(post: SyntheticPost) -> Self {
        Self::new(move |_, event| {
            let hostile = event.windows(6).any(|window| window == b"attack");
            Ok(if hostile { Decision::Answer(post.clone()) } else { Decision::Forward })
        })
    }

    /// Holds calls for the next event with this function.
    #[must_use]
    pub fn holding(mut self, holder: impl Fn(&NextCall<'_>) -> Option<Hold> + Send + Sync + 'static) -> Self {
        self.holder = Box::new(holder);
        self
    }

    /// Watches answers this way.
    #[must_use]
    pub fn watching(mut self, watch: Watch) -> Self {
        self.watch = watch;
        self
    }

    /// Holds answers and judges them with this function.
    #[must_use]
    pub fn judging(
        mut self,
        censor: impl Fn(&HeldAnswer) -> Result<AnswerDecision, InspectError> + Send + Sync + 'static,
    ) -> Self {
        self.censor = Box::new(censor);
        self.watching(Watch::Hold)
    }

    /// Answers, rather than forwards, what could not be inspected.
    #[must_use]
    pub fn closed(mut self) -> Self {
        self.closed = true;
        self
    }

    /// The journal, to read while the inspector works.
    pub fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.journal)
    }
}

impl Inspector for Scripted {
    fn inspect(&self, invocation: &Invocation, event: &Bytes) -> Result<Decision, InspectError> {
        self.journal.note(Told::Inspect(invocation.key.to_string()));
        (self.judge)(invocation, event)
    }

    fn unexamined(&self, _invocation: &Invocation, _event: &Bytes, fault: Fault) -> Decision {
        self.journal.note(Told::Fault(fault));
        if self.closed { Decision::Answer(refusal()) } else { Decision::Forward }
    }

    fn watches(&self, _invocation: &Invocation) -> Watch {
        self.watch
    }

    fn glanced(&self, invocation: &Invocation, glance: Glance) {
        self.journal.note(Told::Glanced(invocation.key.to_string(), glance));
    }

    fn judge(&self, invocation: &Invocation, answer: &HeldAnswer) -> Result<AnswerDecision, InspectError> {
        self.journal.note(Told::Judge(invocation.key.to_string(), Box::new(answer.clone())));
        (self.censor)(answer)
    }

    fn answered(&self, invocation: &Invocation, observation: &Observation) {
        self.journal.note(Told::Answered(invocation.key.to_string(), Box::new(observation.clone())));
    }

    fn before_next(&self, call: &NextCall<'_>) -> Option<Hold> {
        self.journal.note(Told::Next(call.ordinal, call.after_block));
        (self.holder)(call)
    }

    fn restored(&self) {
        self.journal.note(Told::Restored);
    }

    fn abuse(&self, abuse: Abuse, invocation: Option<&Invocation>) {
        self.journal.note(Told::Abuse(abuse, invocation.map(|invocation| invocation.key.to_string())));
    }
}

/// A buffered answer that refuses.
pub fn refusal() -> SyntheticPost {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    SyntheticPost {
        kind: PostKind::Response { streaming: false },
        headers,
        body: Bytes::from_static(b"{\"statusCode\":406,\"body\":\"no\"}"),
    }
}

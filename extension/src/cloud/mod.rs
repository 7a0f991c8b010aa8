//! The cloud's side of the agent: what is reported, how it leaves, and what comes back. Everything that waits for a network
//! runs on a thread of its own; nothing here ever makes an event wait, but for one bounded case: an attack, in an
//! environment that has no flags yet, or whose newest ones are on their way.

mod budget;
pub(crate) mod config;
mod courier;
mod credentials;
mod engine;
mod flags;
pub(crate) mod rates;
mod secret;

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use picket_cloud_protocol::{Agent, Bundle, ClientKey, EventAction};
use picket_detection::Outcome;
use picket_https::Limits;
use picket_report::{About, Outbox, Redactor, Sealer};
use picket_request::{Request, Trust};
use picket_runtime_proxy::{Hold, Invocation};
use tokio::sync::{mpsc, oneshot, watch};

use self::{budget::Budget, config::Config, courier::Courier, flags::Flags};
use crate::{counters::Counters, log::Log};

/// What one call to AWS may cost.
const AWS_LIMITS: Limits = Limits { timeout: Duration::from_secs(5), response_bytes: 256 * 1024 };
/// Calls that may wait for the courier. A further one is not needed: those that wait will see to everything.
const CALLS: usize = 8;
/// Clients with attacks that are remembered until their report is delivered.
const ATTACKERS: usize = 64;

/// What the courier is called for.
#[derive(Debug)]
enum Call {
    /// See whether something is due.
    Tend,
    /// Tell of an attack at once, and learn what that made of the flags.
    Report,
    /// Send what there is, and say whether it was delivered.
    Send(oneshot::Sender<bool>),
}

/// What inspecting threads, the proxy and the courier share.
#[derive(Debug)]
struct Shared {
    outbox: Mutex<Outbox>,
    flags: Flags,
    budget: Mutex<Budget>,
    attackers: Mutex<HashSet<String>>,
    /// Lives since the start: it grows with each restore from a snapshot.
    life: AtomicU64,
    /// Until when the engine is left alone after failures, in Unix milliseconds.
    quiet_until: AtomicU64,
    /// When flags are to be asked for again, in Unix seconds.
    poll_at: AtomicU64,
    log: Arc<Log>,
    counters: Arc<Counters>,
    steering: Option<Steering>,
}

impl Shared {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attackers(&self) -> MutexGuard<'_, HashSet<String>> {
        self.attackers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_quiet(&self, now_ms: u64) -> bool {
        now_ms < self.quiet_until.load(Ordering::Relaxed)
    }
}

/// Judges a signed policy with the key that it must be signed with, and says whether it was taken.
pub(crate) type Offer = Box<dyn Fn(&Bundle, &[u8; 32]) -> bool + Send + Sync>;

/// Takes a secret.
pub(crate) type Share = Box<dyn Fn(&[u8; 32]) + Send + Sync>;

/// Where signed policies go: who judges and keeps them is told from outside.
pub(crate) struct Steering {
    /// The version of the signed policy that was taken last; 0 for none.
    pub(crate) version: Box<dyn Fn() -> u64 + Send + Sync>,
    /// The mode that holds for the function now.
    pub(crate) mode: Box<dyn Fn() -> String + Send + Sync>,
    /// Takes a policy, or not, given the key that policies are signed with.
    pub(crate) offer: Offer,
    /// Takes the secret under which all environments with this key hash what rate limits count by.
    pub(crate) share: Share,
}

impl std::fmt::Debug for Steering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Steering").finish_non_exhaustive()
    }
}

/// The agent's hold on the cloud.
pub(crate) struct Cloud {
    shared: Arc<Shared>,
    calls: mpsc::Sender<Call>,
    finish: watch::Sender<Option<u64>>,
    courier: Mutex<Option<Courier>>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
    sealer: Option<Sealer>,
    concurrent: bool,
    report_interval_s: u64,
    flag_wait: Duration,
}

/// A hold that is going on. Its end is noted also where the proxy cuts it off.
struct Held {
    shared: Arc<Shared>,
    allowed: Duration,
    began: Instant,
    in_time: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.budget().used(now_ms(), self.allowed, self.began.elapsed(), self.in_time);
    }
}

/// Who sent a request, as the engine knows them.
#[derive(Debug)]
pub(crate) struct Known {
    key: ClientKey,
    session: Option<[u8; 8]>,
    /// Whether the client is flagged at this moment.
    pub(crate) flagged: bool,
}

/// What became of an inspected request.
pub(crate) struct Seen<'a> {
    pub(crate) request: &'a Request,
    pub(crate) invocation: &'a Invocation,
    pub(crate) outcome: &'a Outcome,
    pub(crate) action: EventAction,
    pub(crate) reason: &'a str,
    /// The status that a blocked client got.
    pub(crate) status: u16,
    pub(crate) took: Duration,
    /// Signals that rules raised.
    pub(crate) raised: &'a [String],
    /// Whether it may be kept as a single request.
    pub(crate) kept: bool,
}

impl Known {
    /// The client, as the engine knows it.
    pub(crate) const fn key(&self) -> &ClientKey {
        &self.key
    }
}

impl Cloud {
    /// Nothing begins before [`Cloud::start`].
    pub(crate) fn new(
        config: Config,
        sealer: Option<Sealer>,
        log: Arc<Log>,
        counters: Arc<Counters>,
        steering: Option<Steering>,
    ) -> Self {
        let agent = Agent {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            function: config.function.clone(),
            function_version: config.function_version.clone(),
            region: config.region.clone().unwrap_or_default(),
            architecture: if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }.to_owned(),
            ..Agent::default()
        };
        let shared = Arc::new(Shared {
            outbox: Mutex::new(Outbox::new(agent)),
            flags: Flags::new(config.flag_wait),
            budget: Mutex::new(Budget::new(config.hold, now_ms())),
            attackers: Mutex::default(),
            life: AtomicU64::new(0),
            quiet_until: AtomicU64::new(0),
            poll_at: AtomicU64::new(0),
            log,
            counters,
            steering,
        });
        let (calls, called) = mpsc::channel(CALLS);
        let (finish, finishing) = watch::channel(None);
        let (end, ended) = oneshot::channel();
        let (concurrent, report_interval_s) = (config.concurrent, config.report_interval_s);
        let flag_wait = config.flag_wait;
        let courier = Courier::new(config, Arc::clone(&shared), called, finishing, end);
        Self {
            shared,
            calls,
            finish,
            courier: Mutex::new(Some(courier)),
            ended: Mutex::new(Some(ended)),
            sealer,
            concurrent,
            report_interval_s,
            flag_wait,
        }
    }

    /// Lets the courier begin, on a thread of its own. Called once the agent has registered: what comes now competes with
    /// nobody who waits for it.
    pub(crate) fn start(&self) {
        let Some(courier) = self.courier.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        // Where no thread can be had the courier is dropped, which ends all waiting for it.
        drop(std::thread::Builder::new().name("picket-cloud".to_owned()).spawn(move || courier.live()));
    }

    /// Counts and single requests that were given up so far.
    pub(crate) fn given_up(&self) -> u64 {
        self.shared.outbox().given_up()
    }

    /// Who sent this request, and whether they are flagged. Where the request carries an attack and this environment has no
    /// flags yet, or a report is under way whose answer brings newer ones, it waits for them, within the owner's bound.
    pub(crate) fn recognise(&self, request: &Request, redactor: &Redactor, attacked: bool) -> Known {
        let client = request.client;
        let (key, session) = (redactor.client(client.addr), redactor.session(request));
        let verified = client.trust != Trust::Unverified && client.addr.is_some();
        if attacked && verified {
            self.shared.flags.wait_first();
        }
        let session_of = session.as_ref().map(<[u8; 8]>::as_slice);
        let is_flagged = || self.shared.flags.is_flagged(&key, client.addr, session_of, now_s());
        let mut flagged = verified && is_flagged();
        if attacked && verified && !flagged && self.waited_for_flags() {
            flagged = is_flagged();
        }
        Known { key, session, flagged }
    }

    /// Waits for a report that is under way, if there is one: a frozen environment reads its answer only now. Whether there
    /// may be news.
    fn waited_for_flags(&self) -> bool {
        if self.concurrent || !self.shared.flags.is_coming() {
            return false;
        }
        let Some(allowed) = self.shared.budget().lend(now_ms(), self.flag_wait) else { return false };
        let mut held =
            Held { shared: Arc::clone(&self.shared), allowed, began: Instant::now(), in_time: false };
        held.in_time = self.shared.flags.wait_coming(allowed);
        true
    }

    /// Notes a request for the next report, and sees whether something is due: while the handler works, sending costs
    /// nobody anything.
    pub(crate) fn record(&self, known: &Known, redactor: &Redactor, seen: &Seen<'_>) {
        let now_ms = now_ms();
        let now = now_ms / 1000;
        let about = About {
            at_ms: now_ms,
            action: seen.action,
            reason: seen.reason,
            status: seen.status,
            request_id: &seen.invocation.key.request_id,
            trace_id: seen.invocation.trace_id.as_deref().map_or("", crate::verdict_line::root_of),
            findings: &seen.outcome.findings,
            raised: seen.raised,
            kept: seen.kept,
            sealer: self.sealer.as_ref(),
        };
        let took = u64::try_from(seen.took.as_micros()).unwrap_or(u64::MAX);
        let mut outbox = self.shared.outbox();
        let attacked = outbox.record(redactor, &known.key, known.session, seen.request, &about, took);
        let due = outbox.age(now) >= self.report_interval_s || outbox.is_full();
        if outbox.is_full() {
            outbox.close(now, self.shared.flags.cursor().as_deref());
        }
        drop(outbox);
        if attacked {
            let mut attackers = self.shared.attackers();
            if attackers.len() < ATTACKERS {
                attackers.insert(known.key.as_str().to_owned());
            }
        }
        // What a flagged client does changes no flag, so it can wait.
        if attacked && !known.flagged && !self.shared.is_quiet(now_ms) && self.shared.budget().prompt(now_ms)
        {
            self.report();
        } else if due {
            self.tend();
        }
    }

    /// An event came: flags and policy are asked for again where they are old. Nobody waits for that.
    pub(crate) fn invoked(&self) {
        if now_s() >= self.shared.poll_at.load(Ordering::Relaxed) {
            self.tend();
        }
    }

    /// Counts signals of an answer. They never flag a client: they say what the function did.
    pub(crate) fn raise<'s>(&self, known: &Known, signals: impl Iterator<Item = &'s str>) {
        let now = now_s();
        let mut outbox = self.shared.outbox();
        for signal in signals {
            outbox.count(now, &known.key, signal, false);
        }
    }

    /// Says what runs the handler, and as which account.
    pub(crate) fn describe(&self, runtime: &str, function_arn: Option<&str>) {
        let mut outbox = self.shared.outbox();
        let agent = outbox.agent_mut();
        if agent.runtime.is_empty() {
            agent.runtime = runtime.chars().filter(|c| !c.is_control()).take(64).collect();
        }
        if let Some(account) =
            function_arn.and_then(|arn| arn.split(':').nth(4)).filter(|_| agent.account.is_empty())
        {
            agent.account = account.chars().filter(char::is_ascii_digit).take(12).collect();
        }
    }

    /// Tells that the function runs without protection. At once: no invocation passes by here that would take the report along, and
    /// not every environment comes to a SHUTDOWN.
    pub(crate) fn unprotected(&self) {
        self.shared.outbox().note(now_s(), |stats| stats.unprotected += 1);
        self.report();
    }

    /// Has the courier tell of an attack while the handler works, when it costs nobody time.
    fn report(&self) {
        self.shared.flags.exchange_begins();
        if self.calls.try_send(Call::Report).is_err() {
            self.shared.flags.exchange_ends();
        }
    }

    fn tend(&self) {
        // Where the courier has enough calls it will see what this one is about.
        drop(self.calls.try_send(Call::Tend));
    }

    /// The runtime asks for its next event: whether that call should wait, because a report should leave before the
    /// environment is frozen.
    pub(crate) fn before_next(&self) -> Option<Hold> {
        let (now_s, now_ms) = (now_s(), now_ms());
        let due = {
            let outbox = self.shared.outbox();
            // An attack may be in the open batch, or in one that is being sent at this moment.
            let attacked = outbox.has_attack() || !self.shared.attackers().is_empty();
            !outbox.is_empty()
                && (attacked || outbox.is_full() || outbox.age(now_s) >= self.report_interval_s)
        };
        if !due || self.shared.is_quiet(now_ms) {
            return None;
        }
        if self.concurrent {
            // There is no freeze to come before.
            self.tend();
            return None;
        }
        let known = {
            let attackers = self.shared.attackers();
            // Several clients at once are no single one that was told of already.
            if attackers.len() == 1 { attackers.iter().next().cloned() } else { None }
        };
        let allowed = self.shared.budget().allow(now_ms, known.as_deref())?;
        let (done, waited) = oneshot::channel();
        if self.calls.try_send(Call::Send(done)).is_err() {
            self.shared.budget().used(now_ms, allowed, Duration::ZERO, true);
            return None;
        }
        let held = Held { shared: Arc::clone(&self.shared), allowed, began: Instant::now(), in_time: false };
        Some(Box::pin(async move {
            let mut held = held;
            // A refusal within the time costs no more than that time; only what had to be cut off is slow.
            held.in_time = tokio::time::timeout(allowed, waited).await.is_ok();
        }))
    }

    /// Another life begins: nothing of the one before is used again.
    pub(crate) fn restored(&self) {
        self.shared.outbox().renew();
        self.shared.flags.renew();
        self.shared.attackers().clear();
        self.shared.quiet_until.store(0, Ordering::Relaxed);
        self.shared.poll_at.store(0, Ordering::Relaxed);
        self.shared.life.fetch_add(1, Ordering::Relaxed);
        self.tend();
    }

    /// The environment ends: what can still be sent until this deadline (Unix milliseconds) is sent, the rest is spooled.
    pub(crate) async fn finish(&self, deadline_ms: u64) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        let started = self.courier.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if let Some(ended) = ended.filter(|_| started) {
            self.finish.send_replace(Some(deadline_ms));
            let left = Duration::from_millis(deadline_ms.saturating_sub(now_ms()));
            drop(tokio::time::timeout(left, ended).await);
        }
    }
}

/// The wall clock in Unix milliseconds.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The wall clock in Unix seconds.
fn now_s() -> u64 {
    now_ms() / 1000
}

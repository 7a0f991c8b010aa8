//! The one who goes to the engine: with reports, for flags and for the key. It lives on a thread of its own, does one thing
//! at a time, and is interrupted only by the end of the environment.
//!
//! Batches go in the order of their numbers, each until the engine has it. A send that was frozen half way is made once more
//! at once, on a new connection and with a new signature; the batch keeps its id, so that nothing is counted twice.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use picket_cloud_protocol::{BATCHES, Bundle, FALLEN_BACK, FLAGS, FlagDelta, Hints, POLICY, Reply};
use picket_https::{Client, PlainHttp};
use picket_report::{Signer, Spool, SpoolKey, digest};
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Call, Shared,
    config::Config,
    credentials::Role,
    engine::{Auth, Engine, ExchangeError},
    now_ms, now_s, secret,
};
use crate::settings::{self, LogLevel};

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much longer than that it must have taken for the process to have been frozen.
const FROZEN_MS: u64 = 2_000;
/// Seconds between two looks at the secret.
const KEY_PAUSE_S: u64 = 60;
/// The longest pause after failures, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 60_000;
/// Deltas that are read one after another.
const DELTAS: usize = 16;
/// What the end of an environment leaves for sending, and for the file.
const LAST_SEND: Duration = Duration::from_millis(1_200);
const FOR_THE_SPOOL_MS: u64 = 300;

pub(super) struct Courier {
    config: Config,
    shared: Arc<Shared>,
    calls: mpsc::Receiver<Call>,
    finish: watch::Receiver<Option<u64>>,
    end: Option<oneshot::Sender<()>>,
    engine: Option<Engine>,
    /// The life that the engine belongs to.
    life: u64,
    /// When the secret was asked for in vain, in Unix seconds.
    asked_for_key: Option<u64>,
    /// When it was read again because the engine refused the key, in Unix seconds.
    reread: Option<u64>,
    failures: u32,
    /// The version of the policy that was refused last: it is not asked for with each answer again, only with each poll.
    refused: u64,
    /// Seconds between two polls, as the engine said last.
    poll_s: u32,
    adopted: bool,
    /// What was said last, so that one state is one line.
    said: Option<&'static str>,
    fail_open_told: u64,
}

impl Drop for Courier {
    fn drop(&mut self) {
        // Nobody waits for flags that nobody fetches.
        self.shared.flags.settle();
    }
}

impl Courier {
    pub(super) fn new(
        config: Config,
        shared: Arc<Shared>,
        calls: mpsc::Receiver<Call>,
        finish: watch::Receiver<Option<u64>>,
        end: oneshot::Sender<()>,
    ) -> Self {
        Self {
            config,
            shared,
            calls,
            finish,
            end: Some(end),
            engine: None,
            life: 0,
            asked_for_key: None,
            reread: None,
            failures: 0,
            refused: 0,
            poll_s: Hints::default().next_poll_s,
            adopted: false,
            said: None,
            fail_open_told: 0,
        }
    }

    /// The courier's whole life, on the thread that calls it.
    pub(super) fn live(mut self) {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                runtime.block_on(self.run());
                runtime.shutdown_background();
            }
            Err(error) => self.say("no runtime", LogLevel::Error, &error.to_string()),
        }
    }

    async fn run(&mut self) {
        let mut finish = self.finish.clone();
        let mut call = Some(Call::Tend);
        loop {
            if let Some(call) = call.take() {
                tokio::select! {
                    biased;
                    _ = finish.changed() => break,
                    () = self.answer(call) => {}
                }
            }
            let tick = tokio::time::sleep(Duration::from_secs(self.config.report_interval_s.clamp(1, 30)));
            tokio::select! {
                biased;
                _ = finish.changed() => break,
                next = self.calls.recv() => match next {
                    Some(next) => call = Some(next),
                    None => break,
                },
                // Where nothing is ever frozen a timer is as good as an event.
                () = tick, if self.config.concurrent => call = Some(Call::Tend),
            }
        }
        let deadline = (*self.finish.borrow()).unwrap_or(0);
        self.finish(deadline).await;
        if let Some(end) = self.end.take() {
            // Whoever waited may have given up.
            end.send(()).ok();
        }
    }

    async fn answer(&mut self, call: Call) {
        let life = self.shared.life.load(Ordering::Relaxed);
        if self.config.snapshot && life == 0 {
            if matches!(call, Call::Report) {
                self.shared.flags.exchange_ends();
            }
            return;
        }
        if self.life != life {
            // Keys, connections and TLS state of a snapshot are in every copy of it.
            self.life = life;
            self.engine = None;
            self.asked_for_key = None;
            self.reread = None;
            self.failures = 0;
        }
        match call {
            Call::Tend => self.tend().await,
            Call::Report => {
                self.send().await;
                self.shared.flags.exchange_ends();
                self.tend().await;
            }
            Call::Send(done) => {
                let delivered = self.send().await;
                // A hold that was cut off does not listen any more.
                done.send(delivered).ok();
            }
        }
    }

    /// Does what is due by the wall clock.
    async fn tend(&mut self) {
        if self.shared.is_quiet(now_ms()) {
            return;
        }
        if !self.ready().await {
            return;
        }
        let now = now_s();
        let due = {
            let outbox = self.shared.outbox();
            outbox.has_attack() && self.config.concurrent
                || outbox.is_full()
                || outbox.parcels().next().is_some()
                || outbox.age(now) >= self.config.report_interval_s
        };
        if due {
            self.send().await;
        }
        if now_s() >= self.shared.poll_at.load(Ordering::Relaxed) {
            self.refresh().await;
        }
    }

    /// Whether there is an engine to speak with; the first time, its key is fetched.
    async fn ready(&mut self) -> bool {
        if self.engine.is_some() {
            return true;
        }
        let now = now_s();
        if self.asked_for_key.is_some_and(|asked| now.abs_diff(asked) < KEY_PAUSE_S) {
            return false;
        }
        self.asked_for_key = Some(now);
        match self.introduce().await {
            Ok(engine) => {
                self.engine = Some(engine);
                self.adopt();
                true
            }
            Err(why) => {
                self.say(
                    "no key for the engine: detection goes on with the policy at hand, and reports are kept",
                    LogLevel::Warn,
                    &why,
                );
                self.shared.flags.settle();
                false
            }
        }
    }

    /// Finds out where the engine is and how to sign.
    async fn introduce(&self) -> Result<Engine, String> {
        let mut options = self.config.https.clone();
        if let Some(file) = &self.config.ca_file {
            let pem = std::fs::read(file).map_err(|error| format!("PICKET_CA_FILE: {error}"))?;
            options.authorities = Some(pem);
        }
        let client = Client::new(&options).map_err(|error| error.to_string())?;
        let aws = client.clone().allowing(PlainHttp::LinkLocal);
        match self.config.auth {
            settings::Auth::Iam => {
                let url = self.config.engine.clone().ok_or("PICKET_ENGINE is not set")?;
                let region = self.config.region.clone().ok_or("AWS_REGION is not set")?;
                let role = Role::new(Arc::clone(&self.config.role), aws);
                let service = Config::service(&url);
                Ok(Engine::new(client, &url, Auth::Role { role, region, service }))
            }
            settings::Auth::Key => {
                let name = self.config.secret.as_deref().ok_or("PICKET_SECRET is not set")?;
                let mut secret = secret::fetch(name, &self.config, &aws).await?;
                if let Some(audience) = &self.config.audience {
                    secret.audience.clone_from(audience);
                }
                let signer = Signer::new(&secret).map_err(|error| error.to_string())?;
                if let Some(steering) = &self.shared.steering {
                    (steering.share)(signer.rate_secret());
                }
                let url = self.config.engine.as_deref().unwrap_or(&secret.url);
                Ok(Engine::new(client, url, Auth::Key(signer)))
            }
        }
    }

    fn spool_key(&self) -> Option<SpoolKey> {
        match self.config.auth {
            settings::Auth::Iam => Some(SpoolKey::without_key()),
            settings::Auth::Key => self.engine.as_ref()?.signer().map(Signer::spool_key),
        }
    }

    /// Takes in what an earlier life of this environment left.
    fn adopt(&mut self) {
        if std::mem::replace(&mut self.adopted, true) {
            return;
        }
        let Some(key) = self.spool_key() else { return };
        let (parcels, unbelievable) = Spool::new(&self.config.spool).take(&key, now_s());
        if unbelievable > 0 {
            let fields = [("dropped", json!(unbelievable))];
            self.shared.log.line(LogLevel::Warn, "what lay in the spool could not be believed", &fields);
            self.shared.outbox().note(now_s(), |stats| stats.dropped += unbelievable);
        }
        self.shared.outbox().adopt(parcels);
    }

    /// Closes the open batch and sends all that is closed. Whether nothing is left.
    async fn send(&mut self) -> bool {
        if self.shared.is_quiet(now_ms()) || !self.ready().await {
            return false;
        }
        self.close();
        self.deliver_all().await
    }

    fn close(&mut self) {
        let failed = self.shared.counters.fail_open.load(Ordering::Relaxed);
        let new = failed.saturating_sub(std::mem::replace(&mut self.fail_open_told, failed));
        let (cursor, now) = (self.shared.flags.cursor(), now_s());
        let steered = self.shared.steering.as_ref().map(|steering| ((steering.version)(), (steering.mode)()));
        let mut outbox = self.shared.outbox();
        if let Some((policy, mode)) = steered {
            let agent = outbox.agent_mut();
            let fell = mode == FALLEN_BACK && agent.mode != mode;
            (agent.policy, agent.mode) = (policy, mode);
            if fell {
                outbox.note(now, |stats| stats.fallen_back += 1);
            }
        }
        if new > 0 {
            outbox.note(now, |stats| stats.fail_open += new);
        }
        outbox.close(now, cursor.as_deref());
    }

    async fn deliver_all(&mut self) -> bool {
        loop {
            let first = self.shared.outbox().first();
            let Some(parcel) = first else { break };
            match self.deliver(parcel.body.clone()).await {
                Ok(reply) => {
                    self.shared.outbox().delivered(&parcel.id);
                    self.heard(reply).await;
                }
                Err(ExchangeError::Status(status)) if is_final(status) => {
                    // It would be refused for ever, and everything behind it would wait.
                    self.shared.outbox().refuse(&parcel.id);
                    self.say("the engine refused a report", LogLevel::Error, &status.to_string());
                }
                Err(error) => {
                    self.failed(&error);
                    return false;
                }
            }
        }
        let told: Vec<String> = self.shared.attackers().drain().collect();
        let mut budget = self.shared.budget();
        for client in told {
            budget.reported(now_ms(), &client);
        }
        true
    }

    /// Sends one batch; once more where the key was refused and there is a newer one, or where the process was frozen.
    async fn deliver(&mut self, body: Bytes) -> Result<Reply, ExchangeError> {
        let started = now_ms();
        let mut answer = self.post(body.clone()).await;
        if let Err(ExchangeError::Status(StatusCode::UNAUTHORIZED)) = &answer
            && self.has_new_key().await
        {
            answer = self.post(body.clone()).await;
        }
        let long = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX) + FROZEN_MS;
        if matches!(answer, Err(ExchangeError::Send(_))) && now_ms().saturating_sub(started) > long {
            answer = self.post(body).await;
        }
        serde_json::from_slice(&answer?).map_err(|_| ExchangeError::Garbled)
    }

    async fn post(&self, body: Bytes) -> Result<Bytes, ExchangeError> {
        let engine = self.engine.as_ref().ok_or(ExchangeError::Address)?;
        engine.post(BATCHES, body, PATIENCE).await
    }

    /// Reads the secret again, at most once a minute. Whether there is a key to try.
    async fn has_new_key(&mut self) -> bool {
        let now = now_s();
        if matches!(self.config.auth, settings::Auth::Iam)
            || self.reread.is_some_and(|asked| now.abs_diff(asked) < KEY_PAUSE_S)
        {
            return false;
        }
        self.reread = Some(now);
        match self.introduce().await {
            Ok(engine) => {
                self.engine = Some(engine);
                true
            }
            Err(why) => {
                self.say("the key was refused, and no newer one could be read", LogLevel::Warn, &why);
                false
            }
        }
    }

    /// Asks for flags.
    async fn refresh(&mut self) {
        for _ in 0..DELTAS {
            match self.ask_flags().await {
                Ok(delta) => {
                    let more = delta.more;
                    self.shared.flags.apply(delta);
                    self.well();
                    if !more {
                        break;
                    }
                }
                Err(error) => {
                    self.failed(&error);
                    break;
                }
            }
        }
        self.shared.flags.sweep(now_s());
        self.schedule(self.poll_s);
        if self.failures == 0 {
            self.fetch_policy().await;
        }
    }

    /// Asks for a newer policy, and hands it to those who judge it.
    async fn fetch_policy(&mut self) {
        let shared = Arc::clone(&self.shared);
        let (Some(steering), Some(key)) = (&shared.steering, self.policy_key()) else { return };
        let query = format!("have={}&function={}", (steering.version)(), encoded(&self.config.function));
        match self.get(POLICY, &query).await {
            Ok(Some(body)) => match serde_json::from_slice::<Bundle>(&body) {
                // Whoever judges it says so in the log.
                Ok(bundle) => {
                    self.refused =
                        if (steering.offer)(&bundle, &key) { 0 } else { bundle.version.max(self.refused) };
                }
                Err(_) => self.failed(&ExchangeError::Garbled),
            },
            // There is none, or none newer.
            Ok(None) | Err(ExchangeError::Status(StatusCode::NOT_FOUND)) => {}
            Err(error) => self.failed(&error),
        }
    }

    /// The key that policies are signed with: the setting's, or the secret's.
    fn policy_key(&self) -> Option<[u8; 32]> {
        self.config.policy_key.or_else(|| Some(self.engine.as_ref()?.signer()?.policy_key))
    }

    async fn ask_flags(&mut self) -> Result<FlagDelta, ExchangeError> {
        let query = self.shared.flags.cursor().map(|cursor| format!("cursor={}", encoded(&cursor)));
        let query = query.unwrap_or_default();
        let mut answer = self.get(FLAGS, &query).await;
        if let Err(ExchangeError::Status(StatusCode::UNAUTHORIZED)) = &answer
            && self.has_new_key().await
        {
            answer = self.get(FLAGS, &query).await;
        }
        match answer? {
            Some(body) => serde_json::from_slice(&body).map_err(|_| ExchangeError::Garbled),
            None => Ok(FlagDelta::default()),
        }
    }

    async fn get(&self, path: &str, query: &str) -> Result<Option<Bytes>, ExchangeError> {
        let engine = self.engine.as_ref().ok_or(ExchangeError::Address)?;
        engine.get(path, query, PATIENCE).await
    }

    /// Takes over what the engine said.
    async fn heard(&mut self, reply: Reply) {
        self.well();
        self.shared.outbox().set_upload(reply.hints.upload);
        let more = reply.delta.as_ref().is_some_and(|delta| delta.more);
        if let Some(delta) = reply.delta {
            self.shared.flags.apply(delta);
        }
        self.shared.flags.settle();
        self.poll_s = reply.hints.next_poll_s;
        self.schedule(self.poll_s);
        let have = self.shared.steering.as_ref().map_or(u64::MAX, |steering| (steering.version)());
        if more {
            self.refresh().await;
        } else if reply.policy_version > have.max(self.refused) {
            self.fetch_policy().await;
        }
    }

    /// Sets the time of the next poll: with jitter, because a deployment starts thousands at once.
    fn schedule(&self, seconds: u32) {
        let base = u64::from(seconds.clamp(5, 3600));
        let random = digest(format!("{}{}", self.shared.outbox().env(), now_ms()).as_bytes());
        let percent = 75 + u64::from(random.first().copied().unwrap_or(0)) * 50 / 255;
        self.shared.poll_at.store(now_s() + base * percent / 100, Ordering::Relaxed);
    }

    fn well(&mut self) {
        self.failures = 0;
        self.shared.quiet_until.store(0, Ordering::Relaxed);
        if self.said.take().is_some() {
            self.shared.log.line(LogLevel::Info, "the engine is reached again", &[]);
        }
    }

    fn failed(&mut self, error: &ExchangeError) {
        self.failures = self.failures.saturating_add(1);
        let pause = (1_000 << self.failures.min(6)).min(LONGEST_PAUSE_MS);
        self.shared.quiet_until.store(now_ms() + pause, Ordering::Relaxed);
        self.shared.outbox().note(now_s(), |stats| stats.send_failures += 1);
        self.shared.flags.settle();
        self.say(
            "the engine cannot be reached: detection goes on, and reports are kept",
            LogLevel::Warn,
            &error.to_string(),
        );
    }

    /// Says something once, until there is something else to say.
    fn say(&mut self, what: &'static str, level: LogLevel, why: &str) {
        if self.said.replace(what) != Some(what) {
            let why: String = why.chars().filter(|c| !c.is_control()).take(300).collect();
            self.shared.log.line(level, what, &[("why", json!(why))]);
        }
    }

    /// Sends what can be sent until the end, and leaves the rest to the next life.
    async fn finish(&mut self, deadline_ms: u64) {
        let left = deadline_ms.saturating_sub(now_ms()).saturating_sub(FOR_THE_SPOOL_MS);
        self.shared.quiet_until.store(0, Ordering::Relaxed);
        self.asked_for_key = None;
        // The snapshot of an environment that never lived has nothing to tell.
        let alive = !self.config.snapshot || self.shared.life.load(Ordering::Relaxed) > 0;
        self.close();
        let something = self.shared.outbox().parcels().next().is_some();
        if something && alive {
            drop(tokio::time::timeout(LAST_SEND.min(Duration::from_millis(left)), self.send()).await);
        }
        let key = self.spool_key();
        let mut outbox = self.shared.outbox();
        let content: u64 = outbox.parcels().map(|parcel| parcel.content).sum();
        let batches = outbox.parcels().count();
        let lost = outbox.dropped();
        if batches == 0 && lost == 0 {
            return;
        }
        let left_out = match (key, batches) {
            (_, 0) => 0,
            (Some(key), _) => Spool::new(&self.config.spool).write(&key, outbox.parcels()).unwrap_or(content),
            // Without a key nobody could tell later whose words these are.
            (None, _) => content,
        };
        outbox.lose(left_out);
        drop(outbox);
        let fields = [
            ("batches", json!(batches)),
            ("spooled", json!(content - left_out)),
            ("dropped", json!(lost + left_out)),
        ];
        self.shared.log.line(LogLevel::Warn, "reports were not delivered", &fields);
    }
}

/// Whether the same batch will be refused again.
fn is_final(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
    )
}

/// A text as the value of a query parameter.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_encoded_as_it_is_signed() {
        assert_eq!(encoded("a-1.~_"), "a-1.~_");
        assert_eq!(encoded("a+b/=&"), "a%2Bb%2F%3D%26");
    }

    #[test]
    fn only_what_stays_wrong_is_given_up() {
        for code in [400, 413, 415, 422] {
            assert!(is_final(StatusCode::from_u16(code).unwrap()), "{code}");
        }
        for code in [401, 403, 404, 409, 429, 500, 502, 503] {
            assert!(!is_final(StatusCode::from_u16(code).unwrap()), "{code}");
        }
    }
}

//! Giving up blocking where it seems to hurt: what [`picket_policy::fallback`] counts, told loudly once.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use picket_detection::Outcome as Found;
use picket_policy::{
    Action, Mode, Policy, Reason, Verdict,
    fallback::{Fallback, Fallen, Outcome},
};
use picket_request::{Request, Trust};
use serde_json::json;

use crate::{log::Log, settings::LogLevel};

/// Watches what blocking does in this environment.
pub(crate) struct Retreat {
    counts: Option<Mutex<Fallback>>,
    fallen: AtomicBool,
    log: Arc<Log>,
}

impl Retreat {
    /// Begins to watch where the policy says so. What a floor sets to `block` is never given up.
    pub(crate) fn new(policy: &Policy, log: Arc<Log>) -> Self {
        let config = policy.checks.fallback().filter(|_| policy.floor_mode != Some(Mode::Block));
        let counts = config.map(|config| Mutex::new(Fallback::new(config.clone())));
        Self { counts, fallen: AtomicBool::new(false), log }
    }

    /// Whether it counts.
    pub(crate) fn is_armed(&self) -> bool {
        self.counts.is_some() && !self.has_fallen()
    }

    /// Whether blocking was given up.
    pub(crate) fn has_fallen(&self) -> bool {
        self.fallen.load(Ordering::Relaxed)
    }

    /// Takes a block back where blocking was given up.
    pub(crate) fn apply(&self, verdict: &mut Verdict) {
        if self.has_fallen() && verdict.action == Action::Block {
            verdict.action = Action::WouldBlock;
            verdict.mode = Mode::Log;
        }
    }

    /// Notes what became of a request.
    pub(crate) fn note(&self, request: &Request, outcome: &Found, verdict: &Verdict, attacked: bool) {
        let Some(client) = verified(request).filter(|_| self.is_armed()) else { return };
        let became = match verdict.action {
            Action::Block => {
                let mut hasher = DefaultHasher::new();
                verdict.rule.hash(&mut hasher);
                if let Reason::Finding(index) = verdict.reason
                    && let Some(finding) = outcome.findings.get(index)
                {
                    finding.signal.id().hash(&mut hasher);
                    request.render(finding.location).hash(&mut hasher);
                }
                Outcome::Blocked(hasher.finish())
            }
            Action::Allow | Action::WouldBlock if attacked => Outcome::Suspicious,
            Action::Allow | Action::WouldBlock => Outcome::Clean,
        };
        self.count(|counts, now| counts.request(client, became, now));
    }

    /// Notes how a request without an attack was answered.
    pub(crate) fn answer(&self, client: IpAddr, status: u16) {
        self.count(|counts, now| counts.answer(client, status, now));
    }

    fn count(&self, note: impl FnOnce(&mut Fallback, u64) -> Option<Fallen>) {
        let Some(counts) = self.counts.as_ref().filter(|_| !self.has_fallen()) else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let fallen = note(&mut counts.lock().unwrap_or_else(PoisonError::into_inner), now);
        let Some(Fallen { why, share, allowed, clients }) = fallen else { return };
        self.fallen.store(true, Ordering::Relaxed);
        let fields = [
            ("why", json!(why.name())),
            ("share", json!(share)),
            ("allowed", json!(allowed)),
            ("clients", json!(clients)),
        ];
        let message = "FALLEN BACK TO LOG: blocking seems to hurt clients that did nothing wrong; this environment only logs from now on, until it \
                       ends or gets another policy";
        self.log.line(LogLevel::Error, message, &fields);
    }
}

/// The client's address, where it can be believed.
pub(crate) fn verified(request: &Request) -> Option<IpAddr> {
    request.client.addr.filter(|_| request.client.trust != Trust::Unverified)
}

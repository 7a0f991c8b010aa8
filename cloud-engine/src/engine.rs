//! The engine: a store, a clock, what is remembered for some seconds, and what is counted about the engine itself.
//! Knows sites; the modules beside it know what is done for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use picket_cloud_protocol::Refusal;

use crate::metrics::Metrics;
use crate::names::{self, Site};
use crate::settings::Settings;
use crate::store::{Item, Key, Query, Store, StoreError, When, Write};
use crate::{limits, random};

/// Why the engine does not do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The credential is unknown, wrong or stale.
    #[error("unauthorized")]
    Unauthorized,
    /// The credential is good, and not for this.
    #[error("forbidden")]
    Forbidden,
    /// A batch has no shape that an agent could have sent.
    #[error("refused: {0}")]
    Shape(#[from] Refusal),
    /// What an administrator asks for makes no sense; the text says why.
    #[error("{0}")]
    Invalid(String),
    /// It is not there.
    #[error("not found")]
    NotFound,
    /// Somebody else changed it in the meantime.
    #[error("changed in the meantime")]
    Conflict,
    /// It is larger than it may be.
    #[error("too large")]
    TooLarge,
    /// There is too much to do.
    #[error("busy")]
    Busy,
    /// The store or the machine failed.
    #[error("internal error")]
    Internal(String),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Condition(_) => Self::Conflict,
            StoreError::Busy => Self::Busy,
            StoreError::Failed(why) => Self::Internal(why),
        }
    }
}

impl From<random::NoRandom> for Refused {
    fn from(error: random::NoRandom) -> Self {
        Self::Internal(error.to_string())
    }
}

/// What one process is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the engine calls itself in signatures.
    pub audience: String,
    /// Where agents find it.
    pub url: String,
    /// The time.
    pub clock: Clock,
}

/// Where the time comes from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine.
    #[default]
    System,
    /// A number that a test moves.
    Held(Arc<AtomicU64>),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            audience: "picket-engine".to_owned(),
            url: "http://127.0.0.1".to_owned(),
            clock: Clock::System,
        }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What is known of a site for some seconds.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) settings: Settings,
    /// Policy's rate limits: rule to limit, minutes and seconds of the flag.
    pub(crate) rates: BTreeMap<String, Rate>,
    /// Newest policies by the functions they are for, the newest first.
    pub(crate) policies: Vec<(u64, Vec<String>)>,
    read: u64,
}

/// A rate limit of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) limit: u64,
    pub(crate) minutes: u64,
    pub(crate) seconds: u64,
}

/// What this process has seen, so that it need not be written again. Losing it costs some writes and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) hour: u64,
    pub(crate) buckets: BTreeSet<(Site, u64)>,
    pub(crate) sessions: BTreeSet<(Site, String)>,
    pub(crate) signals: BTreeSet<(Site, String)>,
    pub(crate) functions: BTreeSet<(Site, String)>,
    /// Where and in which ten minutes it was told last that flagging has stopped.
    pub(crate) stopped: Option<(Site, String)>,
}

/// The engine.
#[derive(Debug)]
pub struct Engine<S> {
    /// Where everything is.
    pub store: S,
    /// What it was told at its start.
    pub config: Config,
    /// What it counts about itself.
    pub metrics: Metrics,
    known: Mutex<HashMap<Site, Known>>,
    pub(crate) seen: Mutex<Seen>,
    pub(crate) cache: Mutex<crate::auth::Cache>,
    pub(crate) load: crate::load::Load,
}

/// A lock whose holder panicked holds nothing that could be half done.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Store> Engine<S> {
    /// An engine over a store.
    pub fn new(store: S, config: Config) -> Self {
        Self {
            store,
            config,
            metrics: Metrics::default(),
            known: Mutex::default(),
            seen: Mutex::default(),
            cache: Mutex::default(),
            load: crate::load::Load::default(),
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> u64 {
        match &self.config.clock {
            Clock::System => now(),
            Clock::Held(time) => time.load(Ordering::Relaxed),
        }
    }

    /// Makes a site, and nothing where it is there already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn create_site(&self, site: &Site, policy_public_key: &str) -> Result<bool, Refused> {
        let meta = Item::new(site.meta())
            .int("version", 0)
            .text("epoch", random::hex::<6>()?)
            .text("policyKey", policy_public_key)
            .int("created", self.now());
        let listed = Item::new(Key::new(names::sites(), site.as_str()));
        let writes = vec![Write::Put(meta, When::Absent), Write::Put(listed, When::Always)];
        match self.store.write(writes).await {
            Ok(()) => Ok(true),
            Err(StoreError::Condition(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The sites.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sites(&self) -> Result<Vec<Site>, Refused> {
        let listed = self.store.query(Query::prefix(names::sites(), "", 10_000)).await?;
        Ok(listed.iter().filter_map(|item| Site::new(&item.key.sk)).collect())
    }

    /// What the owner of a site set, with the revision of it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn settings(&self, site: &Site) -> Result<(Settings, u64), Refused> {
        let Some(item) = self.store.get(site.settings()).await? else {
            return Ok((Settings::default(), 0));
        };
        let settings = serde_json::from_str(item.get_text("json"))
            .map_err(|_unreadable| Refused::Internal("the site's settings cannot be read".to_owned()))?;
        Ok((settings, item.get_int("revision")))
    }

    /// Sets them, on condition that they are still those of a revision.
    ///
    /// # Errors
    /// When they make no sense, were changed in the meantime, or the store fails.
    pub async fn set_settings(
        &self,
        site: &Site,
        settings: &Settings,
        revision: u64,
        by: &str,
    ) -> Result<u64, Refused> {
        settings.check().map_err(Refused::Invalid)?;
        let text = serde_json::to_string(settings).map_err(|error| Refused::Internal(error.to_string()))?;
        if text.len() > limits::POLICY_ITEM {
            return Err(Refused::TooLarge);
        }
        let when = if revision == 0 { When::Absent } else { When::Equals("revision".to_owned(), revision) };
        let (before, _) = self.settings(site).await?;
        let change = serde_json::json!({ "before": before, "after": settings });
        let item = Item::new(site.settings()).text("json", text).int("revision", revision + 1);
        let audit = self.audit_item(site, by, "settings", &change)?;
        self.store.write(vec![Write::Put(item, when), Write::Put(audit, When::Always)]).await?;
        locked(&self.known).remove(site);
        Ok(revision + 1)
    }

    /// The same, as it was some seconds ago at most, with what policy says to the engine.
    pub(crate) async fn known(&self, site: &Site) -> Result<Known, Refused> {
        let now = self.now();
        if let Some(known) = locked(&self.known).get(site)
            && now.abs_diff(known.read) < limits::CACHE_SECONDS
        {
            return Ok(known.clone());
        }
        let (settings, _) = self.settings(site).await?;
        let (policies, rates) = self.policy_facts(site).await?;
        let known = Known { settings, rates, policies, read: now };
        let mut all = locked(&self.known);
        if all.len() >= limits::CACHED {
            all.clear();
        }
        all.insert(site.clone(), known.clone());
        Ok(known)
    }

    /// Forgets what is known of a site, because it has just changed.
    pub(crate) fn forget(&self, site: &Site) {
        locked(&self.known).remove(site);
    }

    /// An entry of the audit.
    pub(crate) fn audit_item(
        &self,
        site: &Site,
        by: &str,
        what: &str,
        details: &serde_json::Value,
    ) -> Result<Item, Refused> {
        let now = self.now();
        let mut text = details.to_string();
        if text.len() > 100_000 {
            text = r#"{"omitted":"too long"}"#.to_owned();
        }
        let key = Key::new(
            site.audit(&crate::time::month(now)),
            format!("{}#{}", names::minute_text(now), random::hex::<6>()?),
        );
        Ok(Item::new(key).int("at", now).text("by", by).text("what", what).text("details", text))
    }
}

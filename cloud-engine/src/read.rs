//! What the owner looks at: counts over time, single requests, the fleet, the audit. Knows how they lie; changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::engine::{Engine, Refused};
use crate::ingest::{STATS, day_of};
use crate::names::{Site, minute_text};
use crate::store::{Field, Item, Pages, Query, Store};
use crate::{limits, time};

/// Counts of one signal, or of what happened, by the first second of a step.
pub type Series = BTreeMap<String, BTreeMap<u64, u64>>;

/// A span of time in Unix seconds, and the length of a step.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The first second.
    pub from: u64,
    /// The second behind the last.
    pub to: u64,
    /// Seconds of a step: at least a minute.
    pub step: u64,
}

/// What single requests are looked for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The first second.
    pub from: u64,
    /// The second behind the last.
    pub to: u64,
    /// With this signal.
    pub signal: Option<String>,
    /// From this client.
    pub client: Option<String>,
    /// To this function.
    pub function: Option<String>,
    /// What became of it: `block`, `would_block` or `allow`.
    pub action: Option<String>,
    /// Whose path begins so.
    pub path: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// Where the last page ended.
    pub cursor: Option<String>,
}

/// A page of single requests, the newest first.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Page {
    /// The requests.
    pub events: Vec<Value>,
    /// Where the next page begins; none where there is no more.
    pub cursor: Option<String>,
}

/// What is known of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Function {
    /// Its name.
    pub function: String,
    /// Its version or alias.
    pub function_version: String,
    /// The agent's version.
    pub agent: String,
    /// What runs the handler.
    pub runtime: String,
    /// The agent's mode.
    pub mode: String,
    /// The policy in force; 0 is the built-in one.
    pub policy: u64,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// The region.
    pub region: String,
    /// The account.
    pub account: String,
    /// When it last reported, in Unix seconds.
    pub seen: u64,
    /// What happened, summed: inspected, blocked, wouldBlock, failOpen, unprotected, panics, dropped, sendFailures, fallenBack.
    pub sums: BTreeMap<String, u64>,
    /// Batches of environments seen within the day that never came.
    pub missing_batches: u64,
}

/// An entry of the audit.
#[derive(Clone, Debug, Serialize)]
pub struct AuditRecord {
    /// When, in Unix seconds.
    pub at: u64,
    /// Who: `engine`, or an administrator's credential.
    pub by: String,
    /// What was done.
    pub what: String,
    /// The particulars.
    pub details: Value,
}

impl<S: Store> Engine<S> {
    /// Counts over time: each signal under its name, and under `~inspected` and the like what happened.
    ///
    /// # Errors
    /// When the span is too long, or the store fails.
    pub async fn series(&self, site: &Site, span: Span) -> Result<Series, Refused> {
        check_span(span.from, span.to)?;
        if span.step < 60 {
            return Err(Refused::Invalid(format!("step: {}, expected at least 60 seconds", span.step)));
        }
        let now = self.now();
        let (first, last) = (span.from / 60, (span.to - 1) / 60);
        let mut series = Series::new();
        for day in day_of(first)..=day_of(last) {
            let (from, to) = (minute_text(first), format!("{}\u{7f}", minute_text(last)));
            let mut pages = Pages::of(Query::between(site.series(day), from, to, usize::MAX));
            while let Some(items) = pages.next(&self.store).await? {
                for item in items.iter().filter(|item| is_kept(item, now)) {
                    add_to(&mut series, item, span.step);
                }
            }
        }
        Ok(series)
    }

    /// A page of single requests.
    ///
    /// # Errors
    /// When the span is too long, the cursor is not one of ours, or the store fails.
    pub async fn events(&self, site: &Site, search: &Search) -> Result<Page, Refused> {
        check_span(search.from, search.to)?;
        let limit = search.limit.clamp(1, limits::PAGE);
        let (mut from, mut to) =
            (format!("{:015}", search.from * 1_000), format!("{:015}", search.to * 1_000));
        if let Some(cursor) = &search.cursor {
            let sound = cursor.len() <= 100 && cursor.bytes().all(|byte| byte.is_ascii_graphic());
            let millis = cursor.split('#').next().and_then(|at| at.parse::<u64>().ok());
            if !sound || millis.is_none() {
                return Err(Refused::Invalid("the cursor is not one of ours".to_owned()));
            }
            // A cursor of one's own making leads nowhere that the search itself does not.
            to = to.min(cursor.clone());
        }
        from.push(' ');
        let now = self.now();
        let mut page = Page::default();
        let mut scanned = 0;
        let millis =
            |text: &str| text.split('#').next().and_then(|at| at.trim().parse::<u64>().ok()).unwrap_or(0);
        let (first, last) = (search.from / 86_400, (millis(&to) / 86_400_000).min(search.to / 86_400));
        for day in (first..=last).rev() {
            loop {
                let query = Query::between(site.events(day), from.clone(), to.clone(), 500).backwards();
                let items = self.store.query(query).await?;
                let whole = items.len() < 500;
                for item in &items {
                    // The place where the last page ended belongs to that page.
                    if search.cursor.as_ref() == Some(&item.key.sk) || item.key.sk == to {
                        continue;
                    }
                    scanned += 1;
                    to.clone_from(&item.key.sk);
                    if let Some(event) = is_kept(item, now).then(|| matching(item, search)).flatten() {
                        page.events.push(event);
                    }
                    if page.events.len() == limit || scanned == limits::SCANNED {
                        page.cursor = Some(to);
                        return Ok(page);
                    }
                }
                if whole {
                    break;
                }
            }
        }
        Ok(page)
    }

    /// Every function that reported within the last 30 days.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn fleet(&self, site: &Site) -> Result<Vec<Function>, Refused> {
        let missing = self.missing_batches(site).await?;
        let mut functions: BTreeMap<(String, String), Function> = BTreeMap::new();
        let mut pages = Pages::of(Query::prefix(site.fleet(), "", usize::MAX));
        while let Some(items) = pages.next(&self.store).await? {
            for item in items.iter().filter(|item| is_kept(item, self.now())) {
                add_function(&mut functions, item, &missing);
            }
        }
        Ok(functions.into_values().collect())
    }
    /// Batches that were numbered and never came, by function.
    async fn missing_batches(&self, site: &Site) -> Result<BTreeMap<String, u64>, Refused> {
        let mut missing: BTreeMap<String, u64> = BTreeMap::new();
        let mut counted: Option<Item> = None;
        let mut pages = Pages::of(Query::prefix(site.environments(), "", usize::MAX));
        while let Some(items) = pages.next(&self.store).await? {
            for item in items {
                // The last number of an environment lies directly behind what was counted of it.
                let Some(env) = item.key.sk.strip_suffix("#last") else {
                    counted = Some(item);
                    continue;
                };
                if let Some(of) = counted.take().filter(|of| of.key.sk == env) {
                    let gap = item.get_int("seq").saturating_sub(of.get_int("batches"));
                    *missing.entry(of.get_text("function").to_owned()).or_default() += gap;
                }
            }
        }
        Ok(missing)
    }

    /// A month's audit, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit(
        &self,
        site: &Site,
        month: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AuditRecord>, Refused> {
        let month = month.map_or_else(|| time::month(self.now()), str::to_owned);
        if month.len() != 7 || !month.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            return Err(Refused::Invalid("a month is written 2026-11".to_owned()));
        }
        let query = Query::prefix(site.audit(&month), "", limit.clamp(1, 1_000)).backwards();
        let items = self.store.query(query).await?;
        let record = |item: &Item| AuditRecord {
            at: item.get_int("at"),
            by: item.get_text("by").to_owned(),
            what: item.get_text("what").to_owned(),
            details: serde_json::from_str(item.get_text("details")).unwrap_or_default(),
        };
        Ok(items.iter().map(record).collect())
    }
}

/// A span is some time within a week, in years that can be written.
fn check_span(from: u64, to: u64) -> Result<(), Refused> {
    if from < to && to - from <= limits::SEARCH_DAYS * 86_400 && to <= limits::LAST_SECOND {
        return Ok(());
    }
    Err(Refused::Invalid(format!(
        "from {from} to {to}: expected Unix seconds, at least one and at most {} days of them",
        limits::SEARCH_DAYS
    )))
}

/// Adds one item of a signal, minute and shard to the step that it belongs to.
fn add_to(series: &mut Series, item: &Item, step: u64) {
    let mut parts = item.key.sk.split('#');
    let (Some(minute), Some(signal)) = (parts.next(), parts.next()) else { return };
    let Ok(minute) = minute.parse::<u64>() else { return };
    let second = minute * 60;
    let begin = second - second % step;
    for (name, field) in &item.fields {
        let Field::Int(n) = field else { continue };
        let name = if signal == STATS { format!("~{name}") } else { signal.to_owned() };
        let sum = series.entry(name).or_default().entry(begin).or_default();
        *sum = sum.saturating_add(u64::try_from(*n).unwrap_or(0));
    }
}

/// Adds what one shard holds of a function: its counts, and where it was told last, what it is.
fn add_function(
    functions: &mut BTreeMap<(String, String), Function>,
    item: &Item,
    missing: &BTreeMap<String, u64>,
) {
    let text = |name: &str| item.get_text(name).to_owned();
    let number = |name: &str| item.get_text(name).parse().unwrap_or(0);
    let function = functions.entry((text("function"), text("functionVersion"))).or_default();
    if number("seen") >= function.seen {
        *function = Function {
            function: text("function"),
            function_version: text("functionVersion"),
            agent: text("agent"),
            runtime: text("runtime"),
            mode: text("mode"),
            policy: number("policy"),
            architecture: text("architecture"),
            region: text("region"),
            account: text("account"),
            seen: number("seen"),
            missing_batches: missing.get(item.get_text("function")).copied().unwrap_or(0),
            sums: std::mem::take(&mut function.sums),
        };
    }
    for (name, field) in &item.fields {
        if let Field::Int(n) = field {
            let sum = function.sums.entry(name.clone()).or_default();
            *sum = sum.saturating_add(u64::try_from(*n).unwrap_or(0));
        }
    }
}

/// Whether an item's time is not over: a store may delete it days later, and nobody is to see it until then.
fn is_kept(item: &Item, now: u64) -> bool {
    item.expires.is_none_or(|expires| expires > now)
}

/// The request, if it is one of those looked for.
fn matching(item: &Item, search: &Search) -> Option<Value> {
    let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
    if !is(&search.client, item.get_text("client")) || !is(&search.function, item.get_text("function")) {
        return None;
    }
    if let Some(signal) = &search.signal {
        let signals: BTreeSet<&String> = item.get_set("signals").collect();
        if !signals.contains(signal) {
            return None;
        }
    }
    let mut event: Value = serde_json::from_str(item.get_text("json")).ok()?;
    if !is(&search.action, event["action"].as_str().unwrap_or_default()) {
        return None;
    }
    let path = event["path"].as_str().unwrap_or_default();
    if !search.path.as_deref().is_none_or(|prefix| path.starts_with(prefix)) {
        return None;
    }
    event["function"] = item.get_text("function").into();
    event["env"] = item.get_text("env").into();
    Some(event)
}

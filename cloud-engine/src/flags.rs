//! Flags: set, taken away, and told to agents. `docs/flags.md` says what is promised; the contract suite holds it.
//!
//! Each change raises the site's version and writes the flag under that version in one transaction, on condition that nobody
//! else raised it in between. So a version that exists has its change, and a writer that stops halfway has written nothing.

use std::collections::BTreeSet;

use picket_cloud_protocol::{ClientKey, Flag, FlagDelta, limits as wire};
use serde::Serialize;

use crate::engine::{Engine, Refused};
use crate::names::{self, Site, version_text};
use crate::store::{Item, Key, Query, Store, StoreError, When, Write};
use crate::{limits, random};

/// A flag with all that the owner may know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagRecord {
    /// Who.
    pub client: ClientKey,
    /// Since when, in Unix seconds.
    pub since: u64,
    /// Until when.
    pub until: u64,
    /// Why, in words.
    pub why: String,
    /// The site's version that set it.
    pub version: u64,
    /// Who set it: `engine`, or an administrator's credential.
    pub by: String,
    /// Functions whose requests led to it.
    pub functions: Vec<String>,
    /// Environments whose requests led to it.
    pub environments: Vec<String>,
    /// Keys that reported these requests.
    pub keys: Vec<String>,
}

/// A change of the flags that is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Until when; `None` takes the flag away.
    pub until: Option<u64>,
    /// Why.
    pub why: String,
    /// `engine`, or an administrator's credential.
    pub by: String,
    /// See [`FlagRecord`].
    pub functions: BTreeSet<String>,
    /// See [`FlagRecord`].
    pub environments: BTreeSet<String>,
    /// See [`FlagRecord`].
    pub keys: BTreeSet<String>,
    /// The key whose report leads to it: none that is revoked in the meantime sets a flag.
    pub reporter: Option<String>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It was done, under this version.
    Now(u64),
    /// Nothing had to be done.
    Already,
    /// Too many clients were flagged automatically within ten minutes, or there are too many flags. The number is how
    /// many.
    Stopped(u64),
}

/// Who asks for a flag without anybody's hand.
pub(crate) const ENGINE: &str = "engine";

fn is_on(item: &Item, now: u64) -> bool {
    item.get_int("on") == 1 && item.get_int("until") > now
}

fn record(item: &Item) -> Option<FlagRecord> {
    let list = |name: &str| item.get_set(name).cloned().collect();
    Some(FlagRecord {
        client: item.get_text("client").parse().ok()?,
        since: item.get_int("since"),
        until: item.get_int("until"),
        why: item.get_text("why").to_owned(),
        version: item.get_int("version"),
        by: item.get_text("by").to_owned(),
        functions: list("functions"),
        environments: list("environments"),
        keys: list("keys"),
    })
}

/// What an agent holds, as an opaque text: the life of the store, the version it has, the version at the start of the full
/// set that it began with, and when it was told so.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cursor {
    epoch: String,
    version: u64,
    base: u64,
    told: u64,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let epoch = parts.next()?.to_owned();
        let mut number = || parts.next()?.parse().ok();
        let cursor = Self { epoch, version: number()?, base: number()?, told: number()? };
        parts.next().is_none().then_some(cursor)
    }

    fn text(&self) -> String {
        format!("{}.{}.{}.{}", self.epoch, self.version, self.base, self.told)
    }
}

impl<S: Store> Engine<S> {
    /// Sets or takes away a flag.
    ///
    /// # Errors
    /// When the store fails, or others change flags all the time.
    pub async fn change_flag(
        &self,
        site: &Site,
        client: &ClientKey,
        wanted: &Wanted,
    ) -> Result<Changed, Refused> {
        for attempt in 0..limits::FLAG_TRIES {
            match self.try_change(site, client, wanted).await {
                Err(Refused::Conflict) => {
                    let spread = u64::from(random::byte()) * (1 + attempt as u64) / 16;
                    tokio::time::sleep(std::time::Duration::from_millis(1 + spread.min(200))).await;
                }
                other => return other,
            }
        }
        Err(Refused::Busy)
    }

    async fn try_change(&self, site: &Site, client: &ClientKey, wanted: &Wanted) -> Result<Changed, Refused> {
        let now = self.now();
        let meta = self.store.get(site.meta()).await?.ok_or(Refused::NotFound)?;
        let version = meta.get_int("version");
        let place = Key::new(site.flags(), client.as_str());
        let old = self.store.get(place.clone()).await?;
        let was_on = old.as_ref().is_some_and(|old| is_on(old, now));
        let automatic = wanted.by == ENGINE;
        if (wanted.until.is_none() && !was_on) || (automatic && wanted.until.is_some() && was_on) {
            return Ok(Changed::Already);
        }
        let new = version + 1;
        let mut writes = vec![Write::Add(
            Item::new(site.meta()).int("version", 1),
            When::Equals("version".to_owned(), version),
        )];
        // Others may remember for some seconds that the key is good. Whoever revokes it looks for its flags afterwards, so it
        // is either found there or not written.
        let vouched = self.still_good(wanted.reporter.as_deref()).await?;
        let vouches = vouched.is_some();
        writes.splice(0..0, vouched);
        if automatic && wanted.until.is_some() {
            let count = site.automatic(now);
            let flagged = self.store.get(count.clone()).await?.map_or(0, |item| item.get_int("n"));
            let known = self.known(site).await?;
            let seen = self.clients_seen(site).await?;
            let share = flagged * 100 / seen.max(1);
            let many = seen >= known.settings.share_from && share >= known.settings.most_share;
            if flagged >= known.settings.most_flags || many {
                return Ok(Changed::Stopped(flagged));
            }
            writes.push(Write::Add(Item::new(count).int("n", 1).until(now + 3_600), When::Always));
        }
        if wanted.until.is_some() && !was_on {
            let in_force = self.flags(site).await?.len() as u64;
            if in_force >= limits::FLAGS {
                return Ok(Changed::Stopped(in_force));
            }
        }
        let on = u64::from(wanted.until.is_some());
        let until = wanted.until.unwrap_or(0);
        let gone = if on == 1 { until + 3_600 } else { now + limits::REMOVAL_SECONDS };
        let few =
            |set: &BTreeSet<String>| set.iter().take(limits::CONTRIBUTORS).cloned().collect::<BTreeSet<_>>();
        let item = |key: Key| {
            Item::new(key)
                .text("client", client.as_str())
                .int("on", on)
                .int("until", until)
                .int("version", new)
                .text("why", wanted.why.chars().take(256).collect::<String>())
                .until(gone)
        };
        let flag = item(place)
            .int("since", now)
            .text("by", &wanted.by)
            .set("functions", few(&wanted.functions))
            .set("environments", few(&wanted.environments))
            .set("keys", few(&wanted.keys));
        let when = match &old {
            None => When::Absent,
            Some(old) => {
                let stale = old.get_int("version");
                let place = Key::new(site.versions(), version_text(stale));
                writes.push(Write::Delete(place, When::Always));
                When::Equals("version".to_owned(), stale)
            }
        };
        writes.push(Write::Put(flag, when));
        writes.push(Write::Put(item(Key::new(site.versions(), version_text(new))), When::Absent));
        let what = if on == 1 { "flag" } else { "unflag" };
        let details = serde_json::json!({
            "client": client, "until": wanted.until, "why": wanted.why, "version": new,
            "functions": few(&wanted.functions), "environments": few(&wanted.environments),
        });
        writes.push(Write::Put(self.audit_item(site, &wanted.by, what, &details)?, When::Always));
        writes.extend(
            self.notification(site, what, &details).await?.map(|item| Write::Put(item, When::Always)),
        );
        match self.store.write(writes).await {
            Err(StoreError::Condition(0)) if vouches => return Err(Refused::Unauthorized),
            written => written?,
        }
        self.metrics.flag_changed(on == 1);
        Ok(Changed::Now(new))
    }

    /// The write that holds only while an agent's key is not revoked; none for those who have no key here.
    async fn still_good(&self, key: Option<&str>) -> Result<Option<Write>, Refused> {
        let Some(key) = key.map(names::agent_key) else { return Ok(None) };
        let Some(item) = self.store.get(key.clone()).await? else { return Ok(None) };
        if item.get_int("revoked") != 0 {
            return Err(Refused::Unauthorized);
        }
        let counted = Item::new(key).int("flags", 1);
        Ok(Some(Write::Add(counted, When::Equals("revoked".to_owned(), 0))))
    }

    /// The flag of a client, if one is in force.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn flag(&self, site: &Site, client: &ClientKey) -> Result<Option<FlagRecord>, Refused> {
        let item = self.store.get(Key::new(site.flags(), client.as_str())).await?;
        Ok(item.filter(|item| is_on(item, self.now())).as_ref().and_then(record))
    }

    /// From when on a client's counts may flag it: never while a flag is in force, and not for what it did before its flag
    /// was taken away, or every unflagged client would be flagged again by its next request.
    pub(crate) async fn counts_from(&self, site: &Site, client: &ClientKey) -> Result<Option<u64>, Refused> {
        let Some(item) = self.store.get(Key::new(site.flags(), client.as_str())).await? else {
            return Ok(Some(0));
        };
        let taken_away = item.get_int("on") == 0;
        let from = if taken_away { item.get_int("since") + 1 } else { 0 };
        Ok((!is_on(&item, self.now())).then_some(from))
    }

    /// All flags in force.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn flags(&self, site: &Site) -> Result<Vec<FlagRecord>, Refused> {
        let now = self.now();
        // Flags that are over, or were taken away, lie there until they are purged, so more is read than can be in force.
        let most = usize::try_from(limits::FLAGS * 4).unwrap_or(usize::MAX);
        let items = self.store.query(Query::prefix(site.flags(), "", most)).await?;
        Ok(items.iter().filter(|item| is_on(item, now)).filter_map(record).collect())
    }

    /// What changed since a cursor; `None` where nothing did.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delta(&self, site: &Site, cursor: Option<&str>) -> Result<Option<FlagDelta>, Refused> {
        let now = self.now();
        let meta = self.store.get(site.meta()).await?.ok_or(Refused::NotFound)?;
        let (version, epoch) = (meta.get_int("version"), meta.get_text("epoch"));
        let held = cursor.and_then(Cursor::parse).filter(|held| {
            let recent = now.saturating_sub(held.told) < limits::REMOVAL_SECONDS - 86_400;
            held.epoch == epoch && held.version <= version && recent
        });
        let full = held.is_none();
        let held =
            held.unwrap_or_else(|| Cursor { epoch: epoch.to_owned(), version: 0, base: version, told: now });
        if !full && held.version == version {
            return Ok(None);
        }
        let from = version_text(held.version + 1);
        // Changes that come while this is read may be seen or not, so they are passed on, and told again next time.
        let query = Query::between(site.versions(), from, version_text(u64::MAX), wire::DELTA_FLAGS + 1);
        let mut items = self.store.query(query).await?;
        let more = items.len() > wire::DELTA_FLAGS;
        items.truncate(wire::DELTA_FLAGS);
        let reached = match items.last() {
            Some(last) if more => last.get_int("version").min(version),
            _ => version,
        };
        let mut delta = FlagDelta { full, more, ..FlagDelta::default() };
        for item in &items {
            let Ok(client) = item.get_text("client").parse::<ClientKey>() else { continue };
            let of = item.get_int("version");
            if is_on(item, now) {
                let (until, why) = (item.get_int("until"), item.get_text("why").to_owned());
                delta.set.push(Flag { client, until, why, version: of });
            } else if item.get_int("on") == 0 && of > held.base && !full {
                delta.unset.push(client);
            }
        }
        delta.cursor = Cursor { version: reached, told: now, ..held }.text();
        Ok(Some(delta))
    }

    /// Takes away every flag to which a key has contributed, and says how many those were.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn unflag_of_key(&self, site: &Site, key: &str, by: &str) -> Result<usize, Refused> {
        let mut taken = 0;
        for flag in self.flags(site).await? {
            if flag.keys.iter().any(|of| of == key) {
                let why = format!("the key {key} was revoked");
                let wanted = Wanted { why, by: by.to_owned(), ..Wanted::default() };
                if let Changed::Now(_) = self.change_flag(site, &flag.client, &wanted).await? {
                    taken += 1;
                }
            }
        }
        Ok(taken)
    }

    /// About how many clients were seen within this hour and the last.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn clients_seen(&self, site: &Site) -> Result<u64, StoreError> {
        let hour = self.now() / 3_600;
        let mut buckets = BTreeSet::new();
        for hour in [hour.saturating_sub(1), hour] {
            if let Some(item) = self.store.get(site.seen(hour)).await? {
                buckets.extend(item.get_set("buckets").cloned());
            }
        }
        Ok(estimate(buckets.len() as u64))
    }
}

/// How many clients fill so many buckets on average (linear counting).
fn estimate(filled: u64) -> u64 {
    let size = limits::SKETCH as f64;
    let empty = (size - filled as f64).max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is at most 16,000")]
    let clients = (-size * (empty / size).ln()).round() as u64;
    clients
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor { epoch: "0badcafe".to_owned(), version: 7, base: 3, told: 9 };
        assert_eq!(Cursor::parse(&cursor.text()), Some(cursor));
        for text in ["", "a", "a.1", "a.1.2", "a.1.2.3.4", "a.x.2.3", "a.-1.2.3"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_sketch_is_about_right() {
        for clients in [1_u64, 10, 100, 1_000] {
            let filled: BTreeSet<u64> = (0..clients)
                .map(|client| {
                    let digest = crate::text::sha256(&client.to_be_bytes());
                    u64::from(u16::from_be_bytes([digest[0], digest[1]])) % limits::SKETCH
                })
                .collect();
            let estimate = estimate(filled.len() as u64);
            assert!(estimate.abs_diff(clients) <= 1 + clients / 10, "{clients}: {estimate}");
        }
    }
}

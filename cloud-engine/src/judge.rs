//! Whether what was counted passes a limit, and what then happens: a flag, an alert, or word that flagging has stopped. Knows windows
//! and the site's limits; not how counts are written.

use std::collections::{BTreeMap, BTreeSet};

use picket_cloud_protocol::{Batch, ClientKey, Count};

use crate::engine::{Engine, Known, Refused, locked};
use crate::flags::{Changed, ENGINE, Wanted};
use crate::ingest::Sender;
use crate::limits;
use crate::names::{Site, minute_text};
use crate::settings::AlertAction;
use crate::store::{Field, Item, Key, Query, Store, StoreError, When, Write};
use crate::window::{Passed, Slots, passed};

/// The name under which counts towards a flag are summed.
const ATTACKS: &str = "*";

impl<S: Store> Engine<S> {
    /// Flags every client of a batch whose counts pass a limit, and does what the site's alerts say.
    pub(crate) async fn decide(&self, sender: &Sender, known: &Known, batch: &Batch) -> Result<(), Refused> {
        let mut clients: BTreeMap<&ClientKey, BTreeSet<String>> = BTreeMap::new();
        for count in &batch.counts {
            let watched = watched(known, count);
            if !watched.is_empty() {
                clients.entry(&count.client).or_default().extend(watched);
            }
        }
        for (client, watched) in clients {
            self.judge(sender, known, client, &watched).await?;
        }
        Ok(())
    }

    async fn judge(
        &self,
        sender: &Sender,
        known: &Known,
        client: &ClientKey,
        watched: &BTreeSet<String>,
    ) -> Result<(), Refused> {
        let site = &sender.site;
        if !known.settings.may_flag(client) {
            return Ok(());
        }
        let Some(since) = self.counts_from(site, client).await? else { return Ok(()) };
        let now = self.now();
        let from = minute_text(now.saturating_sub(limits::WINDOW_SECONDS) / 60);
        let to = format!("{}~", minute_text(now / 60 + 1));
        let query = Query::between(site.client(client), from, to, limits::WINDOW_ITEMS);
        let items = self.store.query(query).await?;
        for what in watched {
            let mut slots = slots_of(&items, what);
            slots.retain(|slot, _| *slot >= since);
            if let Some(rule) = client.rate_rule() {
                if let Some(rate) = known.rates.get(rule)
                    && let Some(passed) = passed(&slots, [(rate.minutes, rate.limit + 1)])
                {
                    let why = format!(
                        "rate limit {rule}: {} in {} min, {} allowed",
                        passed.n, passed.minutes, rate.limit
                    );
                    self.flag_for(sender, client, &items, why, rate.seconds).await?;
                }
            } else if what == ATTACKS {
                let limits = |factor| {
                    let thresholds = known.settings.thresholds.iter();
                    thresholds.map(move |threshold| (threshold.minutes, threshold.limit * factor))
                };
                // Who passes no limit of a single client need not be looked at as a shared address.
                if passed(&slots, limits(1)).is_none() {
                    continue;
                }
                let (factor, note) = self.sharing(site, known, client).await?;
                if let Some(passed) = passed(&slots, limits(factor)) {
                    let why = format!("{}{note}", reason("attack signals", passed));
                    self.flag_for(sender, client, &items, why, known.settings.flag_seconds).await?;
                }
            } else {
                self.alert(sender, known, client, what, &slots, &items).await?;
            }
        }
        Ok(())
    }

    async fn alert(
        &self,
        sender: &Sender,
        known: &Known,
        client: &ClientKey,
        signal: &str,
        slots: &Slots,
        items: &[Item],
    ) -> Result<(), Refused> {
        let site = &sender.site;
        for alert in known.settings.alerts.iter().filter(|alert| alert.signal == signal) {
            let Some(passed) = passed(slots, [(alert.minutes, alert.limit)]) else { continue };
            let why = format!("alert {}: {}", alert.id, reason(signal, passed));
            if alert.action == AlertAction::Flag {
                self.flag_for(sender, client, items, why, alert.seconds).await?;
                continue;
            }
            // Once for a client within the alert's time, whoever comes first.
            let now = self.now();
            let bucket = now / alert.seconds.max(1);
            let key = Key::new(site.client(client), format!("alert#{}#{bucket}", alert.id));
            let mark = Item::new(key).until(now + alert.seconds + 3_600);
            let details = serde_json::json!({ "client": client, "why": why, "alert": alert.id });
            let audit = self.audit_item(site, ENGINE, "alert", &details)?;
            let mut writes = vec![Write::Put(mark, When::Absent), Write::Put(audit, When::Always)];
            if alert.action == AlertAction::Notify {
                let told = self.notification(site, "alert", &details).await?;
                writes.extend(told.map(|item| Write::Put(item, When::Always)));
            }
            match self.store.write(writes).await {
                Ok(()) | Err(StoreError::Condition(0)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// By how much an address's limits are raised because many people share it, and what is noted then.
    async fn sharing(
        &self,
        site: &Site,
        known: &Known,
        client: &ClientKey,
    ) -> Result<(u64, String), Refused> {
        let hour = self.now() / 3_600;
        let mut sessions = BTreeSet::new();
        for hour in [hour.saturating_sub(1), hour] {
            if let Some(item) = self.store.get(site.sessions(client, hour)).await? {
                sessions.extend(item.get_set("sessions").take(limits::SESSIONS).cloned());
            }
        }
        let n = sessions.len() as u64;
        if n < known.settings.shared_from {
            return Ok((1, String::new()));
        }
        Ok((known.settings.shared_factor, format!("; shared address, {n} sessions within the hour")))
    }

    async fn flag_for(
        &self,
        sender: &Sender,
        client: &ClientKey,
        items: &[Item],
        why: String,
        seconds: u64,
    ) -> Result<(), Refused> {
        let mut wanted = Wanted {
            until: Some(self.now() + seconds),
            why,
            by: ENGINE.to_owned(),
            reporter: Some(sender.key.clone()),
            ..Wanted::default()
        };
        for by in items.iter().flat_map(|item| item.get_set("by")) {
            let mut parts = by.splitn(3, '|').map(str::to_owned);
            wanted.keys.extend(parts.next());
            wanted.functions.extend(parts.next());
            wanted.environments.extend(parts.next());
        }
        if wanted.environments.len() > 1 {
            wanted.why.push_str(&format!("; from {} environments", wanted.environments.len()));
        }
        match self.change_flag(&sender.site, client, &wanted).await? {
            Changed::Now(_) | Changed::Already => Ok(()),
            Changed::Stopped(flagged) => self.tell_stopped(&sender.site, flagged).await,
        }
    }

    /// Says once in ten minutes that flagging has stopped.
    async fn tell_stopped(&self, site: &Site, flagged: u64) -> Result<(), Refused> {
        self.metrics.flagging_stopped();
        let mut key = site.automatic(self.now());
        // This process has told of it already, so the store need not be asked.
        let mark = (site.clone(), key.sk.clone());
        if locked(&self.seen).stopped.as_ref() == Some(&mark) {
            return Ok(());
        }
        key.sk.push_str("#told");
        let told = Item::new(key).until(self.now() + 3_600);
        let details = serde_json::json!({ "flagged": flagged, "why": "too many clients were flagged within ten minutes" });
        let mut writes = vec![
            Write::Put(told, When::Absent),
            Write::Put(self.audit_item(site, ENGINE, "flagging-stopped", &details)?, When::Always),
        ];
        let told = self.notification(site, "flagging-stopped", &details).await?;
        writes.extend(told.map(|item| Write::Put(item, When::Always)));
        match self.store.write(writes).await {
            Ok(()) | Err(StoreError::Condition(0)) => {}
            Err(error) => return Err(error.into()),
        }
        locked(&self.seen).stopped = Some(mark);
        Ok(())
    }
}

fn reason(what: &str, passed: Passed) -> String {
    format!("{} {what} in {} min, limit {}", passed.n, passed.minutes, passed.limit)
}

/// Under which names a count is summed for its client: none where nothing watches it.
pub(crate) fn watched(known: &Known, count: &Count) -> Vec<String> {
    let mut names = Vec::new();
    if count.flags {
        names.push(ATTACKS.to_owned());
    }
    if known.settings.alerts.iter().any(|alert| alert.signal == count.signal) {
        names.push(count.signal.clone());
    }
    names
}

/// The slots of one name among a client's counters.
fn slots_of(items: &[Item], what: &str) -> Slots {
    let mut slots = Slots::new();
    for item in items {
        let minute: Option<u64> = item.key.sk.split('#').next().and_then(|minute| minute.parse().ok());
        let Some(minute) = minute else { continue };
        for (name, field) in &item.fields {
            if let (Some((slot, of)), Field::Int(n)) = (name.split_once(':'), field)
                && of == what
                && let Ok(slot) = slot.parse::<u64>()
            {
                let sum = slots.entry(minute * 60 + slot * 10).or_default();
                *sum = sum.saturating_add(u64::try_from(*n).unwrap_or(0));
            }
        }
    }
    slots
}

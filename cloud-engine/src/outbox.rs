//! Notifications wait in the store, in the transaction of what they tell of, until they are delivered: at least once.
//! Knows when to try again; `notify/` knows how each target is told.

use std::collections::BTreeSet;
use std::time::Instant;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use crate::engine::{Engine, Refused};
use crate::metrics::Metrics;
use crate::names::{Site, minute_text};
use crate::notify::{Notice, Notifier};
use crate::store::{Item, Key, Pages, Query, Store, StoreError, When, Write};
use crate::{limits, random};

/// Seconds that one attempt may take before another process may try.
const CLAIM: u64 = 60;

impl<S: Store> Engine<S> {
    /// The item to be written with a change, so that it is told of; none where nobody is to be told.
    pub(crate) async fn notification(
        &self,
        site: &Site,
        what: &str,
        details: &Value,
    ) -> Result<Option<Item>, Refused> {
        let known = self.known(site).await?;
        if known.settings.notify.is_empty() {
            return Ok(None);
        }
        let now = self.now();
        let id = random::hex::<8>()?;
        let notice = json!({ "id": id, "site": site.as_str(), "at": now, "what": what, "details": details });
        let key = Key::new(site.outbox(), format!("{}#{id}", minute_text(now)));
        Ok(Some(Item::new(key).text("notice", notice.to_string()).int("tries", 0).int("due", now)))
    }

    /// Delivers what waits, of every site, some notices at once so that a slow target delays few, and says how many were
    /// delivered.
    ///
    /// # Errors
    /// When the store fails. A target that fails is tried again later.
    pub async fn deliver(&self, notifier: &Notifier) -> Result<usize, Refused> {
        let begun = Instant::now();
        let mut due = Vec::new();
        for site in self.sites().await? {
            due.extend(self.due(&site).await?.into_iter().map(|item| (site.clone(), item)));
        }
        let each = due.into_iter().map(|(site, item)| async move {
            if begun.elapsed() > notifier.round {
                Ok(false)
            } else {
                self.deliver_one(&site, item, notifier).await
            }
        });
        let mut delivered = 0;
        let mut under_way = stream::iter(each).buffer_unordered(limits::DELIVERING);
        while let Some(done) = under_way.next().await {
            delivered += usize::from(done?);
        }
        Ok(delivered)
    }

    /// Notices of a site whose time has come, the oldest first. Those that wait for another attempt hide none behind them.
    async fn due(&self, site: &Site) -> Result<Vec<Item>, Refused> {
        let now = self.now();
        let mut due = Vec::new();
        let mut pages = Pages::of(Query::prefix(site.outbox(), "", limits::WAITING));
        while let Some(items) = pages.next(&self.store).await? {
            due.extend(items.into_iter().filter(|item| item.get_int("due") <= now));
            if due.len() >= limits::ROUND {
                due.truncate(limits::ROUND);
                break;
            }
        }
        Ok(due)
    }

    async fn deliver_one(&self, site: &Site, item: Item, notifier: &Notifier) -> Result<bool, Refused> {
        let tries = item.get_int("tries");
        let is_ours = || When::Equals("tries".to_owned(), tries);
        let due = self.now() + CLAIM;
        let claimed = item.clone().int("tries", tries + 1).int("due", due);
        match self.store.write(vec![Write::Put(claimed.clone(), is_ours())]).await {
            Ok(()) => {}
            Err(StoreError::Condition(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let notice: Value = serde_json::from_str(item.get_text("notice")).unwrap_or_default();
        let notice = Notice::from_json(&notice);
        let mut reached = claimed.clone();
        let mut told = item.get_set("done").cloned().collect::<BTreeSet<_>>();
        let targets = self.known(site).await?.settings.notify;
        let named = targets.iter().map(|target| (serde_json::to_string(target).unwrap_or_default(), target));
        let missing = named.filter(|(name, _)| !told.contains(name)).collect::<Vec<_>>();
        let tell = |(name, target)| {
            let notice = &notice;
            async move { (name, notifier.tell(target, notice).await) }
        };
        let mut failed = false;
        for (name, result) in join_all(missing.into_iter().map(tell)).await {
            match result {
                Ok(()) => {
                    Metrics::one(&self.metrics.notified);
                    told.insert(name);
                }
                Err(why) => {
                    Metrics::one(&self.metrics.notify_failures);
                    tracing::warn!(site = site.as_str(), notice = notice.id, %why, "a notification was not delivered");
                    failed = true;
                }
            }
        }
        let after = || When::Equals("tries".to_owned(), tries + 1);
        if !failed {
            let written = self.store.write(vec![Write::Delete(item.key, after())]).await;
            return written.map(|()| true).or_else(passing);
        }
        if tries + 1 >= limits::DELIVERIES {
            Metrics::one(&self.metrics.notify_lost);
            let audit = self.audit_item(site, "engine", "notification-lost", &json!({ "id": notice.id }))?;
            let writes = vec![Write::Delete(item.key, after()), Write::Put(audit, When::Always)];
            return self.store.write(writes).await.map(|()| false).or_else(passing);
        }
        let wait = 5_u64 << tries.min(10);
        reached = reached.set("done", told).int("due", self.now() + wait);
        self.store.write(vec![Write::Put(reached, after())]).await.map(|()| false).or_else(passing)
    }
}

/// Another process went on with it.
fn passing(error: StoreError) -> Result<bool, Refused> {
    match error {
        StoreError::Condition(_) => Ok(false),
        other => Err(other.into()),
    }
}

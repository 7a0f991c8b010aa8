//! Notifications wait in the store, in the transaction of what they tell of, until they are delivered: at least once.
//! Knows when to try again; `notify/` knows how each target is told.

use serde_json::{Value, json};

use crate::engine::{Engine, Refused};
use crate::metrics::Metrics;
use crate::names::{Site, minute_text};
use crate::notify::{Notice, Notifier};
use crate::store::{Item, Key, Query, Store, StoreError, When, Write};
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

    /// Delivers what waits, of every site, and says how many notices have been delivered.
    ///
    /// # Errors
    /// When the store fails. A target that fails is tried again later.
    pub async fn deliver(&self, notifier: &Notifier) -> Result<usize, Refused> {
        let mut delivered = 0;
        for site in self.sites().await? {
            let waiting = self.store.query(Query::prefix(site.outbox(), "", limits::ROUND)).await?;
            let due = waiting.into_iter().filter(|item| item.get_int("due") <= self.now());
            for item in due.collect::<Vec<_>>() {
                if self.deliver_one(&site, item, notifier).await? {
                    delivered += 1;
                }
            }
        }
        Ok(delivered)
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
        let done: Vec<String> = item.get_set("done").cloned().collect();
        let mut reached = claimed.clone();
        let mut told = item.get_set("done").cloned().collect::<std::collections::BTreeSet<_>>();
        let mut failed = false;
        for target in &self.known(site).await?.settings.notify {
            let name = serde_json::to_string(target).unwrap_or_default();
            if done.contains(&name) {
                continue;
            }
            match notifier.tell(target, &notice).await {
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

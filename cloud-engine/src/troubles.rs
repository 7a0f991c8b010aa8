//! What agents report of themselves that somebody should hear of: a function that runs without protection, and blocking that was
//! given up. Knows batches; `outbox` knows how a notice is delivered.

use picket_cloud_protocol::Batch;

use crate::engine::{Engine, Refused};
use crate::flags::ENGINE;
use crate::names::Site;
use crate::store::{Item, Store, StoreError, When, Write};

impl<S: Store> Engine<S> {
    /// Writes into the audit what a batch says went wrong, and tells of it: once an hour for each function and kind.
    pub(crate) async fn tell_of_troubles(&self, site: &Site, batch: &Batch) -> Result<(), Refused> {
        let troubles = [
            (
                "unprotected",
                batch.stats.unprotected,
                "it runs without Picket: the runtime does not come to the agent",
            ),
            (
                "fallen-back",
                batch.stats.fallen_back,
                "it gave blocking up, because blocking seemed to hurt clients that did nothing wrong",
            ),
        ];
        for (what, n, why) in troubles {
            if n > 0 {
                self.tell_of(site, batch, what, why).await?;
            }
        }
        Ok(())
    }

    async fn tell_of(&self, site: &Site, batch: &Batch, what: &str, why: &str) -> Result<(), Refused> {
        let now = self.now();
        let function = &batch.agent.function;
        let why = format!("{function}: {why}");
        let details = serde_json::json!({ "function": function, "environment": batch.env, "why": why });
        let mark = Item::new(site.trouble(what, function, now)).until(now + 2 * 3_600);
        let audit = self.audit_item(site, ENGINE, what, &details)?;
        let mut writes = vec![Write::Put(mark, When::Absent), Write::Put(audit, When::Always)];
        let notice = self.notification(site, what, &details).await?;
        writes.extend(notice.map(|item| Write::Put(item, When::Always)));
        match self.store.write(writes).await {
            Ok(()) | Err(StoreError::Condition(0)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

//! What the engine counts about itself, as Prometheus text and as CloudWatch's embedded metric format.
//! Knows numbers; no client, path or key is ever a label.

use std::sync::atomic::{AtomicU64, Ordering};

use picket_cloud_protocol::{Ack, Batch};

macro_rules! counters {
    ($($(#[doc = $help:literal])+ $name:ident = $metric:literal;)+) => {
        /// Counters of one process, since its start.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[doc = $help])+ pub(crate) $name: AtomicU64,)+
            /// The slowest 99th percentile of decisions that an agent reported since the last line of metrics, in microseconds.
            agent_slowest: AtomicU64,
        }

        impl Metrics {
            fn each(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$(($metric, concat!($($help),+), self.$name.load(Ordering::Relaxed)),)+]
            }
        }
    };
}

counters! {
    /// Batches that were counted.
    batches = "BatchesCounted";
    /// Batches that had been counted before.
    duplicates = "BatchesDuplicate";
    /// Batches that were too old to be counted.
    late = "BatchesLate";
    /// Requests that were refused for their shape.
    refused = "Refused";
    /// Requests whose credential was unknown, wrong or stale.
    unauthorized = "Unauthorized";
    /// Requests that were turned away because there was too much to do.
    busy = "Busy";
    /// Requests that failed for a fault of the engine or its store.
    failures = "Failures";
    /// Signals counted.
    signals = "Signals";
    /// Requests that agents inspected.
    inspected = "AgentInspected";
    /// Requests that agents blocked.
    agent_blocked = "AgentBlocked";
    /// Requests that agents in mode log would have blocked.
    agent_would_block = "AgentWouldBlock";
    /// Single requests kept.
    events = "Events";
    /// Reports that agents gave up before they could be sent.
    agent_dropped = "AgentDropped";
    /// Requests that passed because of a fault of an agent.
    agent_fail_open = "AgentFailOpen";
    /// Functions that ran without protection: the runtime never asked the agent for an event.
    agent_unprotected = "AgentUnprotected";
    /// Environments that gave blocking up by themselves.
    agent_fallen_back = "AgentFallenBack";
    /// Flags set.
    flags_set = "FlagsSet";
    /// Flags taken away.
    flags_unset = "FlagsUnset";
    /// Flags that were not set because there were too many.
    flags_stopped = "FlaggingStopped";
    /// Notifications delivered.
    notified = "NotificationsDelivered";
    /// Attempts to deliver a notification that failed.
    notify_failures = "NotificationFailures";
    /// Notifications that were given up.
    notify_lost = "NotificationsLost";
    /// Items that were deleted because they had expired.
    purged = "Purged";
}

impl Metrics {
    /// One more.
    pub(crate) fn one(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn batch(&self, ack: Ack, batch: &Batch) {
        Self::one(match ack {
            Ack::Counted => &self.batches,
            Ack::Late => &self.late,
            Ack::Duplicate | Ack::Other => &self.duplicates,
        });
        if ack != Ack::Counted {
            return;
        }
        let signals = batch.counts.iter().fold(0_u64, |sum, count| sum.saturating_add(count.n));
        let told = [
            (&self.signals, signals),
            (&self.inspected, batch.stats.inspected),
            (&self.agent_blocked, batch.stats.blocked),
            (&self.agent_would_block, batch.stats.would_block),
            (&self.events, batch.events.len() as u64),
            (&self.agent_dropped, batch.stats.dropped),
            (&self.agent_fail_open, batch.stats.fail_open),
            (&self.agent_unprotected, batch.stats.unprotected),
            (&self.agent_fallen_back, batch.stats.fallen_back),
        ];
        for (counter, n) in told {
            counter.fetch_add(n, Ordering::Relaxed);
        }
        self.agent_slowest.fetch_max(batch.stats.decision_p99_us, Ordering::Relaxed);
    }

    pub(crate) fn flag_changed(&self, set: bool) {
        Self::one(if set { &self.flags_set } else { &self.flags_unset });
    }

    /// So many items were deleted because they had expired.
    pub fn note_purged(&self, rows: u64) {
        self.purged.fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn flagging_stopped(&self) {
        Self::one(&self.flags_stopped);
    }

    /// In Prometheus' text format.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        for (name, help, value) in self.each() {
            let mut metric = "picket_engine".to_owned();
            for letter in name.chars() {
                if letter.is_ascii_uppercase() {
                    metric.push('_');
                }
                metric.push(letter.to_ascii_lowercase());
            }
            metric.push_str("_total");
            text.push_str(&format!(
                "# HELP {metric} {}\n# TYPE {metric} counter\n{metric} {value}\n",
                help.trim()
            ));
        }
        text
    }

    /// One line of CloudWatch's embedded metric format for a site, with what happened since `before`, which it brings up to
    /// date; none where nothing happened.
    #[must_use]
    pub fn emf(&self, site: &str, before: &mut Vec<u64>, millis: u64) -> Option<String> {
        let all = self.each();
        before.resize(all.len(), 0);
        let mut root = serde_json::Map::new();
        let mut metrics = Vec::new();
        for ((name, _, value), before) in all.into_iter().zip(before.iter_mut()) {
            let change = value.saturating_sub(*before);
            *before = value;
            if change > 0 {
                metrics.push(serde_json::json!({ "Name": name, "Unit": "Count" }));
                root.insert(name.to_owned(), change.into());
            }
        }
        let slowest = self.agent_slowest.swap(0, Ordering::Relaxed);
        if slowest > 0 {
            metrics.push(serde_json::json!({ "Name": "AgentDecisionP99", "Unit": "Microseconds" }));
            root.insert("AgentDecisionP99".to_owned(), slowest.into());
        }
        if metrics.is_empty() {
            return None;
        }
        root.insert("Site".to_owned(), site.into());
        let directive = serde_json::json!([{ "Namespace": "PicketEngine", "Dimensions": [["Site"]], "Metrics": metrics }]);
        root.insert(
            "_aws".to_owned(),
            serde_json::json!({ "Timestamp": millis, "CloudWatchMetrics": directive }),
        );
        Some(serde_json::Value::Object(root).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_text_has_a_type_and_a_value_for_each() {
        let metrics = Metrics::default();
        Metrics::one(&metrics.batches);
        let text = metrics.prometheus();
        assert!(text.contains("# TYPE picket_engine_batches_counted_total counter\n"), "{text}");
        assert!(text.contains("\npicket_engine_batches_counted_total 1\n"), "{text}");
        assert_eq!(text.lines().count() % 3, 0);
    }

    #[test]
    fn embedded_metrics_name_only_what_happened() {
        let metrics = Metrics::default();
        let mut before = Vec::new();
        assert_eq!(metrics.emf("shop", &mut before, 1), None);
        Metrics::one(&metrics.flags_set);
        let line: serde_json::Value =
            serde_json::from_str(&metrics.emf("shop", &mut before, 7).unwrap()).unwrap();
        assert_eq!(line["FlagsSet"], 1);
        assert_eq!(line["_aws"]["Timestamp"], 7);
        let told = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!(
            (&line["Site"], &line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]),
            (&"shop".into(), &serde_json::json!([["Site"]]))
        );
        assert_eq!(metrics.emf("shop", &mut before, 8), None);
    }
}

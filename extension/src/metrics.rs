//! Counts and decision times for CloudWatch, as lines in its Embedded Metric Format: one line for a stretch of time, never one for
//! a request.
//!
//! It may not see a request. What would make a metric of its own for each client, path or request is no dimension here, and cannot
//! become one: see [`MetricsForm`].

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use crate::{
    counters::Counters,
    limits::{METRIC_VALUES, METRICS_INTERVAL, METRICS_URGENT},
    settings::{LogLevel, MetricsForm},
};

/// The namespace of every metric.
pub(crate) const NAMESPACE: &str = "Picket";

/// The name of the one metric that is no count.
const DECISION_TIME: &str = "DecisionTime";

/// The counters that become metrics; docs/cloudwatch.md says what each one means. A count of zero is left out, because CloudWatch
/// asks a price for it too.
const COUNTS: [&str; 6] = ["Inspected", "Blocked", "WouldBlock", "Flagged", "FailOpen", "Dropped"];

/// The counts that somebody waits for: a line with one of them does not wait for the interval to pass.
const URGENT: [&str; 2] = ["Blocked", "FailOpen"];

/// Collects between two lines.
#[derive(Debug)]
pub(crate) struct Metrics {
    form: MetricsForm,
    site: String,
    function: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    written: Option<SystemTime>,
    told: [u64; COUNTS.len()],
    times: Times,
}

impl Metrics {
    /// Metrics of this function of this site.
    pub(crate) fn new(form: MetricsForm, site: &str, function: &str) -> Self {
        Self { form, site: site.to_owned(), function: function.to_owned(), state: Mutex::default() }
    }

    /// Takes the time of one decision into account.
    pub(crate) fn decided(&self, took: Duration) {
        if self.form != MetricsForm::Off {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.state.lock().unwrap_or_else(PoisonError::into_inner).times.add(micros);
        }
    }

    /// The line that is due at `now`, or whose time never comes again because the environment is at its `end`.
    ///
    /// The wall clock is asked at each event, because no timer runs while the environment is frozen. A clock that was set back is
    /// taken for one that is far enough.
    pub(crate) fn line(&self, counters: &Counters, now: SystemTime, end: bool) -> Option<String> {
        if self.form == MetricsForm::Off {
            return None;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = counts(counters);
        let news: Vec<(&str, u64)> = COUNTS
            .iter()
            .zip(counted.iter().zip(state.told))
            .map(|(name, (count, told))| (*name, count.saturating_sub(told)))
            .filter(|(_, count)| *count > 0)
            .collect();
        if news.is_empty() {
            return None;
        }
        let urgent = news.iter().any(|(name, _)| URGENT.contains(name));
        let wait = if urgent { METRICS_URGENT } else { METRICS_INTERVAL };
        // The first line of an environment waits like every other, so that a crowd of short-lived ones does not write one each
        // for its first event; what is urgent does not.
        let Some(written) = state.written.or_else(|| (urgent || end).then_some(UNIX_EPOCH)) else {
            state.written = Some(now);
            return None;
        };
        if !end && now.duration_since(written).is_ok_and(|age| age < wait) {
            return None;
        }
        state.written = Some(now);
        state.told = counted;
        let times = std::mem::take(&mut state.times).values();
        drop(state);
        Some(self.document(now, &news, &times).to_string())
    }

    fn document(&self, now: SystemTime, news: &[(&str, u64)], times: &[u64]) -> Value {
        let mut metrics: Vec<Value> =
            news.iter().map(|(name, _)| json!({ "Name": name, "Unit": "Count" })).collect();
        if !times.is_empty() {
            metrics.push(json!({ "Name": DECISION_TIME, "Unit": "Microseconds" }));
        }
        let dimensions = match self.form {
            MetricsForm::Function if !self.function.is_empty() => json!([["Site"], ["Site", "FunctionName"]]),
            _ => json!([["Site"]]),
        };
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let directive = json!({ "Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": metrics });
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
                "CloudWatchMetrics": [directive],
            }),
        );
        // Lambda drops lines of a level below the one that was set; these are as important as any other word at this level.
        line.insert("level".to_owned(), json!(LogLevel::Info.name()));
        line.insert("message".to_owned(), json!("picket: metrics"));
        line.insert("Site".to_owned(), json!(self.site));
        if !self.function.is_empty() {
            line.insert("FunctionName".to_owned(), json!(self.function));
        }
        line.extend(news.iter().map(|(name, count)| ((*name).to_owned(), json!(count))));
        if !times.is_empty() {
            line.insert(DECISION_TIME.to_owned(), json!(times));
        }
        Value::Object(line)
    }
}

/// The running counts, in the order of [`COUNTS`].
fn counts(counters: &Counters) -> [u64; COUNTS.len()] {
    [
        &counters.inspected,
        &counters.blocked,
        &counters.would_block,
        &counters.flagged,
        &counters.fail_open,
        &counters.dropped,
    ]
    .map(|counter| counter.load(std::sync::atomic::Ordering::Relaxed))
}

/// An even sample of times, and the longest of all: what CloudWatch makes percentiles of.
///
/// The format admits a hundred values. When they are full, every second one is given up and from then on only every second time
/// is taken, so that no stretch of the minute weighs more than another.
#[derive(Debug)]
struct Times {
    kept: Vec<u64>,
    seen: u64,
    stride: u64,
    longest: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self { kept: Vec::new(), seen: 0, stride: 1, longest: 0 }
    }
}

impl Times {
    fn add(&mut self, micros: u64) {
        self.longest = self.longest.max(micros);
        if self.seen.is_multiple_of(self.stride) {
            if self.kept.len() == METRIC_VALUES {
                let mut odd = false;
                self.kept.retain(|_| {
                    odd = !odd;
                    odd
                });
                self.stride *= 2;
            }
            if self.seen.is_multiple_of(self.stride) {
                self.kept.push(micros);
            }
        }
        self.seen += 1;
    }

    fn values(mut self) -> Vec<u64> {
        if !self.kept.contains(&self.longest) {
            if self.kept.len() == METRIC_VALUES {
                self.kept.pop();
            }
            self.kept.push(self.longest);
        }
        if self.seen == 0 { Vec::new() } else { self.kept }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    const START: SystemTime = UNIX_EPOCH;

    fn at(seconds: u64) -> SystemTime {
        START + Duration::from_secs(1_795_334_400 + seconds)
    }

    fn parsed(line: Option<String>) -> Value {
        serde_json::from_str(&line.expect("a line")).expect("JSON")
    }

    #[test]
    fn a_line_is_written_by_age_and_at_the_end_and_never_for_each_request() {
        let metrics = Metrics::new(MetricsForm::Function, "shop", "checkout");
        let counters = Counters::default();
        assert_eq!(metrics.line(&counters, at(0), true), None, "nothing happened");
        let mut lines = 0;
        for second in 0..600 {
            counters.inspected.fetch_add(1, Ordering::Relaxed);
            lines += u32::from(metrics.line(&counters, at(second), false).is_some());
        }
        assert_eq!(lines, 9, "one a minute, after the first");
        let last = parsed(metrics.line(&counters, at(600), true));
        assert_eq!(last["Inspected"], 59);
        assert_eq!(metrics.line(&counters, at(601), true), None, "nothing is told twice");
    }

    #[test]
    fn what_is_urgent_waits_less_but_cannot_fill_the_log() {
        let metrics = Metrics::new(MetricsForm::Site, "shop", "checkout");
        let counters = Counters::default();
        let mut lines = Vec::new();
        for second in 0..60 {
            counters.inspected.fetch_add(1, Ordering::Relaxed);
            counters.fail_open.fetch_add(1, Ordering::Relaxed);
            lines.extend(metrics.line(&counters, at(second), false).map(|_| second));
        }
        assert_eq!(lines, [0, 10, 20, 30, 40, 50]);
    }

    #[test]
    fn zero_is_left_out_and_every_name_stands_at_the_root() {
        let metrics = Metrics::new(MetricsForm::Function, "shop", "checkout");
        let counters = Counters::default();
        counters.inspected.store(3, Ordering::Relaxed);
        counters.blocked.store(1, Ordering::Relaxed);
        metrics.decided(Duration::from_micros(70));
        let line = parsed(metrics.line(&counters, at(0), true));
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        let names: Vec<&str> = directive["Metrics"]
            .as_array()
            .expect("metrics")
            .iter()
            .filter_map(|metric| metric["Name"].as_str())
            .collect();
        assert_eq!(names, ["Inspected", "Blocked", "DecisionTime"]);
        assert_eq!(directive["Dimensions"], json!([["Site"], ["Site", "FunctionName"]]));
        assert_eq!((&line["Site"], &line["FunctionName"]), (&json!("shop"), &json!("checkout")));
        assert_eq!(line["DecisionTime"], json!([70]));
        assert!(line.get("WouldBlock").is_none() && line.get("FailOpen").is_none(), "{line}");
        assert_eq!(line["_aws"]["Timestamp"], 1_795_334_400_000_u64);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_silence_it() {
        let metrics = Metrics::new(MetricsForm::Site, "shop", "checkout");
        let counters = Counters::default();
        counters.inspected.store(1, Ordering::Relaxed);
        assert_eq!(metrics.line(&counters, at(100), false), None);
        assert!(metrics.line(&counters, at(0), false).is_some());
    }

    #[test]
    fn off_is_off() {
        let metrics = Metrics::new(MetricsForm::Off, "shop", "checkout");
        let counters = Counters::default();
        counters.fail_open.store(1, Ordering::Relaxed);
        metrics.decided(Duration::from_micros(70));
        assert_eq!(metrics.line(&counters, at(0), true), None);
    }

    #[test]
    fn times_are_an_even_sample_with_the_longest() {
        let mut times = Times::default();
        for micros in 1..=100_000 {
            times.add(micros);
        }
        times.add(7);
        let values = times.values();
        assert!(values.len() <= METRIC_VALUES, "{}", values.len());
        assert!(values.len() > METRIC_VALUES / 2 - 2, "{}", values.len());
        assert_eq!(values.iter().max(), Some(&100_000));
        let below = values.iter().filter(|micros| **micros <= 50_000).count();
        assert!(below.abs_diff(values.len() / 2) <= 2, "half of the times lie below the middle: {below}");
        assert_eq!(Times::default().values(), Vec::<u64>::new());
    }
}

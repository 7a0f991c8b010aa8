//! The bounds of what the agent writes, each with its reason.

use std::time::Duration;

/// Between two lines of metrics of one environment: CloudWatch keeps a minute as its smallest unit anyway.
pub(crate) const METRICS_INTERVAL: Duration = Duration::from_secs(60);

/// The same where something was blocked or let through uninspected, which an alarm may wait for.
pub(crate) const METRICS_URGENT: Duration = Duration::from_secs(10);

/// Values of one metric in one line: the specification of the Embedded Metric Format admits no more.
pub(crate) const METRIC_VALUES: usize = 100;

/// Verdict lines a minute of one environment beyond which the owner must say that the price is known.
pub(crate) const VERDICT_LINES_UNASKED: u32 = 600;

/// Flagged clients that one environment tells of; more of them are an attack by many, which the engine tells.
pub(crate) const FLAGS_TOLD: usize = 256;

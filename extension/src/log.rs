//! The agent's own lines in the function's log: few, bounded, and each written in one piece.
//!
//! It may not see a request: what a sender wrote comes here only as redacted text inside a verdict line.

use std::{
    io::Write,
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use crate::settings::{LogFormat, LogLevel};

/// Writes lines that are at least as important as the level that was set.
#[derive(Debug)]
pub(crate) struct Log {
    level: LogLevel,
    format: LogFormat,
    minute: Mutex<Minute>,
    verdicts_per_minute: u32,
}

#[derive(Debug, Default)]
struct Minute {
    number: u64,
    written: u32,
    suppressed: u64,
}

impl Log {
    /// A log with this level, form and cap on verdict lines.
    pub(crate) fn new(level: LogLevel, format: LogFormat, verdicts_per_minute: u32) -> Self {
        Self { level, format, minute: Mutex::default(), verdicts_per_minute }
    }

    /// Whether lines of this level are written.
    pub(crate) fn wants(&self, level: LogLevel) -> bool {
        level <= self.level
    }

    /// Writes one line of words, with fields behind them.
    pub(crate) fn line(&self, level: LogLevel, message: &str, fields: &[(&str, Value)]) {
        if !self.wants(level) {
            return;
        }
        let line = match self.format {
            LogFormat::Json => {
                let mut object = Map::new();
                object.insert("timestamp".to_owned(), json!(timestamp(SystemTime::now())));
                object.insert("level".to_owned(), json!(level.name()));
                object.insert("message".to_owned(), json!(format!("picket: {message}")));
                for (name, value) in fields {
                    object.insert((*name).to_owned(), value.clone());
                }
                Value::Object(object).to_string()
            }
            LogFormat::Text => {
                let mut line = format!("[picket] {} {message}", level.name());
                for (name, value) in fields {
                    line.push_str(&format!(" {name}={value}"));
                }
                line
            }
        };
        write(line);
    }

    /// Writes a line of metrics.
    pub(crate) fn metrics(&self, line: Option<String>) {
        if let Some(line) = line.filter(|_| self.wants(LogLevel::Info)) {
            write(line);
        }
    }

    /// Writes a verdict line, unless the minute already has its share; what is left out is counted and summed up by
    /// [`Self::sum_up`]. Says whether it was written.
    pub(crate) fn verdict(&self, json: String) -> bool {
        self.sum_up(false);
        if let Ok(mut minute) = self.minute.lock() {
            if minute.written >= self.verdicts_per_minute {
                minute.suppressed += 1;
                return false;
            }
            minute.written += 1;
        }
        write(json);
        true
    }

    /// Says how many verdict lines the last minute left out, once it is over or `now`.
    ///
    /// The wall clock is asked at each event, because no timer runs while the environment is frozen.
    pub(crate) fn sum_up(&self, now: bool) {
        let number = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 60);
        let suppressed = match self.minute.lock() {
            Ok(mut minute) if now || minute.number != number => {
                std::mem::replace(&mut *minute, Minute { number, ..Minute::default() }).suppressed
            }
            _ => 0,
        };
        if suppressed > 0 {
            let fields = [("suppressed", json!(suppressed)), ("cap", json!(self.verdicts_per_minute))];
            self.line(LogLevel::Warn, "verdict lines were left out to keep the log small", &fields);
        }
    }
}

/// Writes a line in one piece, so that the runtime's lines cannot stand in its middle. A closed log is no reason to
/// stop protecting.
fn write(mut line: String) {
    line.push('\n');
    drop(std::io::stdout().lock().write_all(line.as_bytes()));
}

/// RFC 3339 in UTC with milliseconds, as Lambda's own lines have it.
fn timestamp(time: SystemTime) -> String {
    chrono::DateTime::<chrono::Utc>::from(time).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// The present time.
pub(crate) fn now() -> String {
    timestamp(SystemTime::now())
}

/// The present time in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_lines_are_capped() {
        let log = Log::new(LogLevel::Info, LogFormat::Json, 2);
        // A minute may turn between two of the calls, which begins a new share.
        let written = (0..10).filter(|_| log.verdict("{}".to_owned())).count();
        assert!((2..=4).contains(&written), "{written}");
        assert!(!Log::new(LogLevel::Info, LogFormat::Json, 0).verdict("{}".to_owned()));
    }

    #[test]
    fn levels_are_ordered_as_lambda_orders_them() {
        let log = Log::new(LogLevel::Warn, LogFormat::Text, 1);
        assert!(log.wants(LogLevel::Error) && log.wants(LogLevel::Warn) && !log.wants(LogLevel::Info));
    }

    #[test]
    fn times_are_written_as_rfc_3339() {
        assert_eq!(timestamp(UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
    }
}

//! Verdict lines summed up by signal and place, and by client. Knows the fields of a line; judges nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use super::{CLIENTS, GROUPS, lines::Line};

/// A signal at a place, with its indices as wildcards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) signal: String,
    pub(super) location: String,
}

/// What was seen at one place.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) requests: u64,
    pub(super) blocked: u64,
    pub(super) clients: HashMap<String, u64>,
    pub(super) paths: BTreeSet<String>,
    pub(super) tiers: BTreeSet<String>,
    pub(super) decoders: BTreeSet<String>,
    pub(super) examples: BTreeSet<String>,
    /// The setting by which the agent would let it pass.
    pub(super) allowed_by: Option<String>,
    pub(super) first: Option<String>,
    pub(super) last: Option<String>,
}

/// Everything that the lines said.
#[derive(Debug, Default)]
pub(super) struct Tally {
    exclude: Vec<String>,
    pub(super) groups: BTreeMap<Place, Group>,
    /// How many places each client was seen at.
    pub(super) places_of: HashMap<String, HashSet<Place>>,
    pub(super) would_block: u64,
    pub(super) blocked: u64,
    pub(super) excluded: u64,
    pub(super) inspected: u64,
    pub(super) fail_open: u64,
    pub(super) suppressed: u64,
    pub(super) left_out: u64,
    pub(super) first: Option<String>,
    pub(super) last: Option<String>,
}

impl Tally {
    pub(super) fn new(exclude: &[String]) -> Self {
        let exclude = exclude.iter().map(|pair| pair.trim().trim_start_matches("PICKET_EXCLUDE=").to_owned());
        Self { exclude: exclude.collect(), ..Self::default() }
    }

    /// Takes one line into account, if it is Picket's.
    pub(super) fn take(&mut self, line: &Line) {
        match line {
            Line::Words(words) => {
                if words.contains("verdict lines were left out") {
                    self.suppressed += number_after(words, "suppressed=");
                }
                if words.contains("passed without a verdict") {
                    self.fail_open += 1;
                }
            }
            Line::Json(line) if line["_aws"].is_object() => {
                self.inspected += line["Inspected"].as_u64().unwrap_or(0);
                let time = line["_aws"]["Timestamp"].as_u64().and_then(rfc_3339);
                self.see(time.as_deref());
            }
            Line::Json(line) if line["class_uid"] == 4002 => self.verdict(&plain(line)),
            Line::Json(line) if line["verdict"].is_string() => self.verdict(line),
            Line::Json(line) => {
                let words = line["message"].as_str().unwrap_or_default();
                if words.contains("verdict lines were left out") {
                    self.suppressed += line["suppressed"].as_u64().unwrap_or(0);
                }
                if words.contains("passed without a verdict") {
                    self.fail_open += 1;
                }
            }
        }
    }

    fn verdict(&mut self, line: &Value) {
        let time = line["timestamp"].as_str();
        self.see(time);
        let blocked = match line["verdict"].as_str() {
            Some("block") => true,
            Some("would_block") => false,
            _ => return,
        };
        let Some(signal) = line["signals"].get(0) else {
            // Blocked by a rule of the owner's, or because a bound was reached: no detector to judge.
            *(if blocked { &mut self.blocked } else { &mut self.would_block }) += 1;
            return;
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let place = Place {
            signal: text(&signal["id"]).unwrap_or_default(),
            location: folded(signal["location"].as_str().unwrap_or_default()),
        };
        if self.exclude.contains(&format!("{}@{}", place.signal, place.location)) {
            self.excluded += 1;
            return;
        }
        *(if blocked { &mut self.blocked } else { &mut self.would_block }) += 1;
        let client = text(&line["client"]).unwrap_or_else(|| "unknown".to_owned());
        if self.places_of.len() < CLIENTS || self.places_of.contains_key(&client) {
            self.places_of.entry(client.clone()).or_default().insert(place.clone());
        }
        if self.groups.len() >= GROUPS && !self.groups.contains_key(&place) {
            self.left_out += 1;
            return;
        }
        let group = self.groups.entry(place).or_default();
        group.requests += 1;
        group.blocked += u64::from(blocked);
        if group.clients.len() < CLIENTS || group.clients.contains_key(&client) {
            *group.clients.entry(client).or_default() += 1;
        }
        let keep = |set: &mut BTreeSet<String>, value: Option<String>, most: usize| {
            if let Some(value) = value.filter(|value| !value.is_empty() && set.len() < most) {
                set.insert(value);
            }
        };
        keep(&mut group.paths, text(&line["path"]), 200);
        keep(&mut group.tiers, text(&signal["tier"]), 8);
        keep(&mut group.examples, text(&signal["excerpt"]), 3);
        for decoder in signal["decoded"].as_array().into_iter().flatten() {
            keep(&mut group.decoders, text(decoder), 16);
        }
        group.allowed_by = text(&line["allowedBy"]).or_else(|| group.allowed_by.take());
        widen(&mut group.first, &mut group.last, time);
    }

    fn see(&mut self, time: Option<&str>) {
        widen(&mut self.first, &mut self.last, time);
    }
}

/// Times of one form sort as texts do.
fn widen(first: &mut Option<String>, last: &mut Option<String>, time: Option<&str>) {
    let Some(time) = time else { return };
    if first.as_deref().is_none_or(|first| time < first) {
        *first = Some(time.to_owned());
    }
    if last.as_deref().is_none_or(|last| time > last) {
        *last = Some(time.to_owned());
    }
}

/// An event of HTTP Activity as Picket's own line.
fn plain(event: &Value) -> Value {
    let mut line = event["unmapped"].clone();
    if line.is_object() {
        line["client"] = event["src_endpoint"]["ip"].clone();
        line["path"] = event["http_request"]["url"]["path"].clone();
        if let Some(time) = event["time"].as_u64().and_then(rfc_3339) {
            line["timestamp"] = Value::String(time);
        }
    }
    line
}

/// A location with `[*]` for each index, as an exclusion names it.
fn folded(location: &str) -> String {
    let mut text = String::with_capacity(location.len());
    let mut rest = location;
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        match after.split_at_checked(digits) {
            Some((index, tail)) if !index.is_empty() && tail.starts_with(']') => {
                text.push_str("[*]");
                rest = tail.strip_prefix(']').unwrap_or(tail);
            }
            _ => {
                text.push('[');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

fn number_after(words: &str, key: &str) -> u64 {
    let digits = words.split(key).nth(1).unwrap_or_default();
    digits.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

/// Milliseconds since 1970 in the form of the other lines.
pub(super) fn rfc_3339(ms: u64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(i64::try_from(ms).ok()?)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Days between two times of that form.
pub(super) fn days_between(first: &str, last: &str) -> f64 {
    let parsed = |time: &str| DateTime::parse_from_rfc3339(time).ok();
    let seconds = parsed(first).zip(parsed(last)).map_or(0, |(first, last)| (last - first).num_seconds());
    // A span of years is far from where a float loses seconds.
    #[expect(clippy::cast_precision_loss, reason = "days are shown with one digit")]
    let days = seconds as f64 / 86_400.0;
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_fold_as_exclusions_write_them() {
        assert_eq!(folded("body.items[3].tags[12]"), "body.items[*].tags[*]");
        assert_eq!(folded("form.a[]"), "form.a[]");
        assert_eq!(folded("form.a[b][1]"), "form.a[b][*]");
        assert_eq!(folded("query.[x"), "query.[x");
    }

    #[test]
    fn times_are_written_and_compared() {
        assert_eq!(rfc_3339(1_795_334_400_000).as_deref(), Some("2026-11-22T08:00:00.000Z"));
        assert_eq!(rfc_3339(951_782_399_999).as_deref(), Some("2000-02-28T23:59:59.999Z"));
        let days = days_between("2026-02-27T12:00:00.000Z", "2026-03-02T00:00:00.000Z");
        assert!((days - 2.5).abs() < 0.01, "{days}");
        let days = days_between("2026-12-31T00:00:00.000Z", "2027-01-01T00:00:00.000Z");
        assert!((days - 1.0).abs() < 0.01, "{days}");
    }
}

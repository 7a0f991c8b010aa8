//! What the owner of a site sets: thresholds, alerts, who is never flagged, who is told. Knows what is sensible; not how it is stored.

use std::net::IpAddr;

use http::Uri;
use picket_cloud_protocol::{ClientKey, ClientKind, Upload};
use serde::{Deserialize, Serialize};

use crate::limits;

/// What the owner of a site set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Attack signals of one client, summed, that make a flag.
    pub thresholds: Vec<Threshold>,
    /// Seconds that such a flag lasts.
    pub flag_seconds: u64,
    /// Limits of single signals.
    pub alerts: Vec<Alert>,
    /// Clients and networks that are never flagged.
    pub allow: Vec<ClientKey>,
    /// Flags that may be set within ten minutes without anybody's hand; beyond it, flagging stops and the owner is told.
    pub most_flags: u64,
    /// The same as a share of the clients seen within the hour, in percent, once there are at least `share_from` of them.
    pub most_share: u64,
    /// See `most_share`.
    pub share_from: u64,
    /// Distinct sessions within an hour that make an address a shared one.
    pub shared_from: u64,
    /// By what a shared address's thresholds are multiplied.
    pub shared_factor: u64,
    /// Who is told of flags and alerts.
    pub notify: Vec<Target>,
    /// Days that single requests are kept.
    pub event_days: u64,
    /// Days that counts over time are kept.
    pub series_days: u64,
    /// How much agents are asked to send.
    pub upload: Upload,
    /// Seconds after which agents are asked to look for flags while nothing happens.
    pub poll_seconds: u32,
}

/// A limit within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Threshold {
    /// 1, 10 or 60.
    pub minutes: u64,
    /// The number that is too many.
    pub limit: u64,
}

/// A limit of one signal, for each client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alert {
    /// Its name.
    pub id: String,
    /// The signal.
    pub signal: String,
    /// The number that is too many.
    pub limit: u64,
    /// 1, 10 or 60.
    pub minutes: u64,
    /// What then happens.
    pub action: AlertAction,
    /// Seconds that a flag lasts, and within which the same client alerts once.
    #[serde(default = "day")]
    pub seconds: u64,
}

/// What an alert does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertAction {
    /// The client is flagged.
    Flag,
    /// It is written into the audit.
    Log,
    /// The owner is told.
    Notify,
}

/// Where notifications go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Target {
    /// A POST of JSON.
    Webhook {
        /// Where to; https, except on this machine in tests.
        url: String,
    },
    /// A topic of Amazon SNS.
    Sns {
        /// The topic's ARN.
        topic: String,
    },
    /// A bus of Amazon EventBridge.
    EventBridge {
        /// The bus's name or ARN.
        bus: String,
    },
}

const fn day() -> u64 {
    24 * 60 * 60
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            thresholds: [(1, 50), (10, 350), (60, 1_800)]
                .map(|(minutes, limit)| Threshold { minutes, limit })
                .to_vec(),
            flag_seconds: day(),
            alerts: Vec::new(),
            allow: Vec::new(),
            most_flags: 200,
            most_share: 20,
            share_from: 50,
            shared_from: 10,
            shared_factor: 5,
            notify: Vec::new(),
            event_days: 30,
            series_days: 30,
            upload: Upload::All,
            poll_seconds: 60,
        }
    }
}

impl Settings {
    /// Whether all of it makes sense.
    ///
    /// # Errors
    /// What does not, in words for the owner.
    pub fn check(&self) -> Result<(), String> {
        at_most("thresholds", self.thresholds.len(), 10)?;
        for (index, threshold) in self.thresholds.iter().enumerate() {
            check_window(&format!("thresholds[{index}]"), threshold.minutes, threshold.limit)?;
        }
        within("flagSeconds", self.flag_seconds, 1, LONGEST)?;
        at_most("alerts", self.alerts.len(), limits::ALERTS)?;
        for (index, alert) in self.alerts.iter().enumerate() {
            let at = format!("alerts[{index}]");
            let named =
                (1..=64).contains(&alert.id.len()) && alert.id.bytes().all(|byte| byte.is_ascii_graphic());
            demand(named, &format!("{at}.id"), &alert.id, "1 to 64 visible ASCII characters")?;
            // What an alert did last is kept under its name.
            let alone = self.alerts.iter().take(index).all(|other| other.id != alert.id);
            demand(alone, &format!("{at}.id"), &alert.id, "a name that no other alert has")?;
            let signal = (1..=64).contains(&alert.signal.len());
            demand(signal, &format!("{at}.signal"), &alert.signal, "1 to 64 characters")?;
            check_window(&at, alert.minutes, alert.limit)?;
            within(&format!("{at}.seconds"), alert.seconds, 1, LONGEST)?;
        }
        at_most("allow", self.allow.len(), limits::ALLOWED)?;
        for (index, client) in self.allow.iter().enumerate() {
            let known = client.kind() != ClientKind::Unknown;
            let expected = "an address, a network or a client key, in its one spelling";
            demand(known, &format!("allow[{index}]"), client.as_str(), expected)?;
        }
        within("mostShare", self.most_share, 0, 100)?;
        within("sharedFactor", self.shared_factor, 1, 1_000)?;
        at_most("notify", self.notify.len(), limits::TARGETS)?;
        for (index, target) in self.notify.iter().enumerate() {
            target.check(&format!("notify[{index}]"))?;
        }
        within("eventDays", self.event_days, 1, 400)?;
        within("seriesDays", self.series_days, 1, 400)?;
        within("pollSeconds", u64::from(self.poll_seconds), 5, 3_600)
    }

    /// Whether a client may be flagged without anybody's hand: not if the owner allows it, nor if its address is a
    /// private one, behind which anybody may be.
    #[must_use]
    pub fn may_flag(&self, client: &ClientKey) -> bool {
        let network = client.network();
        let allowed = self
            .allow
            .iter()
            .any(|allowed| allowed == client || network.is_some_and(|(address, _)| allowed.covers(address)));
        !allowed && !network.is_some_and(|(address, _)| is_private(address))
    }
}

/// Seconds of a year: the longest that anything may last.
const LONGEST: u64 = 31_556_900;

fn demand(holds: bool, at: &str, value: &str, expected: &str) -> Result<(), String> {
    if holds {
        return Ok(());
    }
    let value: String = value.chars().take(80).collect();
    Err(format!("{at}: {value:?}, expected {expected}"))
}

fn within(at: &str, value: u64, least: u64, most: u64) -> Result<(), String> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(format!("{at}: {value}, expected {least} to {most}"))
    }
}

fn at_most(at: &str, len: usize, most: usize) -> Result<(), String> {
    if len <= most { Ok(()) } else { Err(format!("{at}: {len} entries, expected at most {most}")) }
}

fn check_window(at: &str, minutes: u64, limit: u64) -> Result<(), String> {
    if !matches!(minutes, 1 | 10 | 60) {
        return Err(format!("{at}.minutes: {minutes}, expected 1, 10 or 60"));
    }
    within(&format!("{at}.limit"), limit, 1, 100_000)
}

impl Target {
    /// Whether it can be told at all; whether it answers shows when it is.
    fn check(&self, at: &str) -> Result<(), String> {
        let arn =
            |text: &str, service: &str| text.starts_with("arn:") && text.split(':').nth(2) == Some(service);
        let (name, text, holds, expected) = match self {
            Self::Webhook { url } => {
                let uri: Option<Uri> = url.parse().ok();
                let holds = uri.is_some_and(|uri| {
                    matches!(uri.scheme_str(), Some("https" | "http"))
                        && uri.host().is_some_and(|host| !host.is_empty())
                });
                ("url", url, holds, "a URL, https://host/path")
            }
            Self::Sns { topic } => ("topic", topic, arn(topic, "sns"), "the ARN of a topic of Amazon SNS"),
            Self::EventBridge { bus } => {
                let name = bus.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_.-".contains(&byte));
                ("bus", bus, name || arn(bus, "events"), "the name or ARN of a bus of Amazon EventBridge")
            }
        };
        let holds = holds && (1..=2_048).contains(&text.len());
        demand(holds, &format!("{at}.{name}"), text, expected)
    }
}

/// Addresses that are nobody's own on the Internet.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_multicast()
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(address) => {
            let [first, ..] = address.segments();
            address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfe80
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_sensible_and_survive_json() {
        let settings = Settings::default();
        assert_eq!(settings.check(), Ok(()));
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        assert!(serde_json::from_str::<Settings>(r#"{"flagSecond":1}"#).is_err(), "a typo is told");
    }

    #[test]
    fn nonsense_is_refused() {
        let table = [
            (r#"{"thresholds":[{"minutes":2,"limit":5}]}"#, "thresholds[0].minutes: 2, expected 1, 10 or 60"),
            (r#"{"thresholds":[{"minutes":1,"limit":0}]}"#, "thresholds[0].limit: 0, expected 1 to 100000"),
            (r#"{"flagSeconds":0}"#, "flagSeconds: 0, expected 1 to 31556900"),
            (
                r#"{"allow":["192.0.2.1","192.0.2.1/24"]}"#,
                "allow[1]: \"192.0.2.1/24\", expected an address, a network or a client key, in its one spelling",
            ),
            (
                r#"{"alerts":[{"id":"a","signal":"SQLI","limit":5,"minutes":7,"action":"flag"}]}"#,
                "alerts[0].minutes: 7, expected 1, 10 or 60",
            ),
            (
                r#"{"alerts":[{"id":"a","signal":"SQLI","limit":5,"minutes":1,"action":"flag"},
                              {"id":"a","signal":"XSS","limit":5,"minutes":1,"action":"log"}]}"#,
                "alerts[1].id: \"a\", expected a name that no other alert has",
            ),
            (r#"{"eventDays":0}"#, "eventDays: 0, expected 1 to 400"),
            (r#"{"pollSeconds":1}"#, "pollSeconds: 1, expected 5 to 3600"),
            (r#"{"sharedFactor":0}"#, "sharedFactor: 0, expected 1 to 1000"),
            (
                r#"{"notify":[{"kind":"webhook","url":"hooks.example/x"}]}"#,
                "notify[0].url: \"hooks.example/x\", expected a URL, https://host/path",
            ),
            (
                r#"{"notify":[{"kind":"sns","topic":"alarms"}]}"#,
                "notify[0].topic: \"alarms\", expected the ARN of a topic of Amazon SNS",
            ),
            (
                r#"{"notify":[{"kind":"eventbridge","bus":"my bus"}]}"#,
                "notify[0].bus: \"my bus\", expected the name or ARN of a bus of Amazon EventBridge",
            ),
        ];
        for (text, expected) in table {
            let settings: Settings = serde_json::from_str(text).unwrap();
            assert_eq!(settings.check(), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn the_innocent_are_never_flagged() {
        let settings = Settings {
            allow: vec!["192.0.2.0/24".parse().unwrap(), "hashed:00112233".parse().unwrap()],
            ..Settings::default()
        };
        let table = [
            ("192.0.2.9", false),
            ("192.0.3.9", true),
            ("192.0.2.9+00112233", false),
            ("hashed:00112233", false),
            ("hashed:00112234", true),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("fd00::/64", false),
            ("fe80::/64", false),
            ("2001:db8::/64", true),
            ("198.51.100.7", true),
        ];
        for (client, expected) in table {
            assert_eq!(settings.may_flag(&client.parse().unwrap()), expected, "{client}");
        }
    }
}

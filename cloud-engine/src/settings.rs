//! What the owner of a site sets: thresholds, alerts, who is never flagged, who is told. Knows what is sensible; not how it is stored.

use std::net::IpAddr;

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
        let demand = |holds: bool, why: &str| if holds { Ok(()) } else { Err(why.to_owned()) };
        let window = |minutes| matches!(minutes, 1 | 10 | 60);
        let limit = |limit| (1..=100_000).contains(&limit);
        demand(self.thresholds.len() <= 10, "thresholds: at most 10")?;
        for threshold in &self.thresholds {
            demand(window(threshold.minutes), "thresholds: minutes are 1, 10 or 60")?;
            demand(limit(threshold.limit), "thresholds: a limit is 1 to 100000")?;
        }
        let seconds = |seconds| (1..=31_556_900).contains(&seconds);
        demand(seconds(self.flag_seconds), "flagSeconds: 1 to 31556900")?;
        demand(self.alerts.len() <= limits::ALERTS, "alerts: at most 50")?;
        for alert in &self.alerts {
            let named =
                (1..=64).contains(&alert.id.len()) && alert.id.bytes().all(|byte| byte.is_ascii_graphic());
            demand(named, "alerts: an id is 1 to 64 visible characters")?;
            demand((1..=64).contains(&alert.signal.len()), "alerts: a signal is 1 to 64 characters")?;
            demand(window(alert.minutes), "alerts: minutes are 1, 10 or 60")?;
            demand(limit(alert.limit), "alerts: a limit is 1 to 100000")?;
            demand(seconds(alert.seconds), "alerts: seconds are 1 to 31556900")?;
        }
        demand(self.allow.len() <= limits::ALLOWED, "allow: at most 1000")?;
        let known = self.allow.iter().all(|client| client.kind() != ClientKind::Unknown);
        demand(known, "allow: an address, a network or a client key, in its one spelling")?;
        demand(self.most_share <= 100, "mostShare: percent")?;
        demand((1..=1_000).contains(&self.shared_factor), "sharedFactor: 1 to 1000")?;
        demand(self.notify.len() <= limits::TARGETS, "notify: at most 20")?;
        for target in &self.notify {
            let (Target::Webhook { url: text }
            | Target::Sns { topic: text }
            | Target::EventBridge { bus: text }) = target;
            demand((1..=2_048).contains(&text.len()), "notify: 1 to 2048 characters")?;
        }
        demand((1..=400).contains(&self.event_days), "eventDays: 1 to 400")?;
        demand((1..=400).contains(&self.series_days), "seriesDays: 1 to 400")?;
        demand((5..=3_600).contains(&self.poll_seconds), "pollSeconds: 5 to 3600")
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
            r#"{"thresholds":[{"minutes":2,"limit":5}]}"#,
            r#"{"thresholds":[{"minutes":1,"limit":0}]}"#,
            r#"{"flagSeconds":0}"#,
            r#"{"allow":["192.0.2.1/24"]}"#,
            r#"{"alerts":[{"id":"a","signal":"SQLI","limit":5,"minutes":7,"action":"flag"}]}"#,
            r#"{"eventDays":0}"#,
            r#"{"pollSeconds":1}"#,
            r#"{"sharedFactor":0}"#,
        ];
        for text in table {
            let settings: Settings = serde_json::from_str(text).unwrap();
            assert!(settings.check().is_err(), "{text}");
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

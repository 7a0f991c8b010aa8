//! Falling back from blocking to logging by itself, where blocking seems to hurt those who should not be hurt.
//!
//! It counts clients, not requests, so that nobody can switch blocking off by sending much: a client counts once for its blocks and a few
//! times for its answers. Only verified addresses count, and only answers to requests that carried no attack. It may not read a clock.
//!
//! What it knows is one environment's, and ends with it.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use serde::Deserialize;

use crate::{forms, limits};

/// When to fall back, as a policy holds it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Seconds over which shares are taken.
    #[serde(deserialize_with = "forms::seconds")]
    pub window: u64,
    /// The share of 4xx and 5xx among the handler's answers to requests without attacks.
    #[serde(default)]
    pub error_share: Option<f64>,
    /// The share of clients that were blocked though they look clean otherwise.
    #[serde(default)]
    pub blocked_clean_share: Option<f64>,
    /// How many requests a window must hold before a share counts.
    #[serde(default = "requests")]
    pub requests: u32,
}

const fn requests() -> u32 {
    50
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed and carried no attack.
    Clean,
    /// It passed and carried one.
    Suspicious,
    /// It was blocked, for this reason: the same number for the same signal at the same place.
    Blocked(u64),
}

/// Why blocking was given up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fallen {
    /// The measure that was passed.
    pub why: Why,
    /// The share that was seen.
    pub share: f64,
    /// The share that the policy allows.
    pub allowed: f64,
    /// Clients that it was taken over.
    pub clients: usize,
}

/// A measure of harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The function answers more and more requests with errors.
    Errors,
    /// Clients that look clean are blocked.
    BlockedClean,
}

impl Why {
    /// The stable word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Errors => "error-share",
            Self::BlockedClean => "blocked-clean-share",
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Client {
    clean: u32,
    blocked: u32,
    suspicious: u32,
    /// The reason of its blocks, as long as there is one only.
    reason: Option<u64>,
    answered: u32,
    failed: u32,
}

/// Watches what blocking does.
#[derive(Debug)]
pub struct Fallback {
    config: Config,
    start: u64,
    requests: u32,
    blocked: u32,
    clients: HashMap<IpAddr, Client>,
    fallen: Option<Fallen>,
}

/// Answers of one client that count.
const ANSWERS_OF_A_CLIENT: u32 = 8;
/// Clients below which a share says nothing.
const FEWEST_CLIENTS: usize = 10;
/// Clients that must have been hurt, whatever the share.
const FEWEST_HURT: usize = 3;

impl Fallback {
    /// Begins to watch.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, start: 0, requests: 0, blocked: 0, clients: HashMap::new(), fallen: None }
    }

    /// Why blocking was given up, if it was.
    #[must_use]
    pub const fn fallen(&self) -> Option<Fallen> {
        self.fallen
    }

    /// Notes a request of a verified client. An answer is given once, when blocking is to be given up now.
    pub fn request(&mut self, client: IpAddr, outcome: Outcome, now: u64) -> Option<Fallen> {
        let counted = self.client(client, now)?;
        match outcome {
            Outcome::Clean => counted.clean = counted.clean.saturating_add(1),
            Outcome::Suspicious => counted.suspicious = counted.suspicious.saturating_add(1),
            Outcome::Blocked(reason) => {
                if counted.blocked == 0 {
                    counted.reason = Some(reason);
                } else if counted.reason != Some(reason) {
                    counted.reason = None;
                }
                counted.blocked = counted.blocked.saturating_add(1);
                self.blocked = self.blocked.saturating_add(1);
            }
        }
        self.requests = self.requests.saturating_add(1);
        self.judge()
    }

    /// Notes the status of the handler's answer to a request without an attack.
    pub fn answer(&mut self, client: IpAddr, status: u16, now: u64) -> Option<Fallen> {
        let counted = self.client(client, now)?;
        if counted.answered < ANSWERS_OF_A_CLIENT {
            counted.answered += 1;
            counted.failed += u32::from(status >= 400);
        }
        self.judge()
    }

    /// The client's count in the present window. `None` once it is decided, and where no further client is counted.
    fn client(&mut self, client: IpAddr, now: u64) -> Option<&mut Client> {
        if self.fallen.is_some() {
            return None;
        }
        // A clock that was set back begins a new window too.
        if now >= self.start.saturating_add(self.config.window) || now < self.start {
            self.start = now;
            (self.requests, self.blocked) = (0, 0);
            self.clients.clear();
        }
        let key = network(client);
        if self.clients.len() >= limits::FALLBACK_CLIENTS && !self.clients.contains_key(&key) {
            return None;
        }
        Some(self.clients.entry(key).or_default())
    }

    fn judge(&mut self) -> Option<Fallen> {
        // Where nothing is blocked, blocking does no harm.
        if self.blocked == 0 || self.requests < self.config.requests || self.clients.len() < FEWEST_CLIENTS {
            return None;
        }
        // A look at all clients is only needed now and then.
        if !self.requests.is_multiple_of(8) {
            return None;
        }
        let clients = self.clients.len();
        let (mut answered, mut failed, mut failing, mut hurt) = (0_u32, 0_u32, 0_usize, 0_usize);
        for client in self.clients.values() {
            answered += client.answered;
            failed += client.failed;
            failing += usize::from(client.failed > 0);
            // One reason, few times, among clean requests: that is somebody who uses the site.
            let looks_clean = client.clean > 0 && client.suspicious == 0 && client.reason.is_some();
            hurt += usize::from(
                client.blocked > 0 && looks_clean && client.blocked <= client.clean.saturating_add(2),
            );
        }
        let share = |part: u32, whole: u32| f64::from(part) / f64::from(whole.max(1));
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let measures = [
            (Why::Errors, share(failed, answered), self.config.error_share, failing),
            (Why::BlockedClean, share(narrow(hurt), narrow(clients)), self.config.blocked_clean_share, hurt),
        ];
        self.fallen = measures.into_iter().find_map(|(why, share, allowed, hurt)| {
            let allowed = allowed?;
            (share >= allowed && hurt >= FEWEST_HURT).then_some(Fallen { why, share, allowed, clients })
        });
        if self.fallen.is_some() {
            self.clients = HashMap::new();
        }
        self.fallen
    }
}

/// What counts as one client: an IPv4 address, or the /64 of an IPv6 one.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(errors: Option<f64>, blocked: Option<f64>) -> Config {
        Config { window: 600, error_share: errors, blocked_clean_share: blocked, requests: 50 }
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + number).to_be_bytes())
    }

    /// Sends rounds of one clean request of each of twenty clients, with something else between.
    fn rounds(
        fallback: &mut Fallback,
        count: u32,
        mut each: impl FnMut(&mut Fallback, u32) -> Option<Fallen>,
    ) -> Option<Fallen> {
        for _ in 0..count {
            for client in 0..20 {
                let fallen =
                    fallback.request(address(client), Outcome::Clean, 1000).or(each(fallback, client));
                if fallen.is_some() {
                    return fallen;
                }
            }
        }
        None
    }

    #[test]
    fn clients_that_look_clean_and_are_blocked_end_it_and_it_stays_so() {
        let mut fallback = Fallback::new(config(None, Some(0.2)));
        let fallen = rounds(&mut fallback, 20, |fallback, client| {
            (client % 4 == 0).then(|| fallback.request(address(client), Outcome::Blocked(7), 1000)).flatten()
        });
        let fallen = fallen.expect("a quarter of all clients is hurt");
        assert_eq!((fallen.why, fallen.clients, fallback.fallen()), (Why::BlockedClean, 20, Some(fallen)));
        assert!(fallen.share >= 0.2);
        assert_eq!(fallback.request(address(1), Outcome::Clean, 1_000_000), None, "it is said once");
        assert_eq!(fallback.fallen(), Some(fallen), "a later window changes nothing");
    }

    #[test]
    fn errors_after_blocks_end_it() {
        let mut fallback = Fallback::new(config(Some(0.3), None));
        let fallen = rounds(&mut fallback, 20, |fallback, client| {
            if client == 0 {
                fallback.request(address(900), Outcome::Blocked(1), 1000);
            }
            fallback.answer(address(client), if client < 10 { 502 } else { 200 }, 1000)
        });
        assert_eq!(fallen.map(|fallen| fallen.why), Some(Why::Errors));
    }

    #[test]
    fn one_who_sends_much_cannot_end_it() {
        // Attacks of every kind, refused pages by the thousand, from one address.
        let mut fallback = Fallback::new(config(Some(0.3), Some(0.05)));
        let fallen = rounds(&mut fallback, 50, |fallback, client| {
            let attacker = address(7777);
            (0_u64..10)
                .find_map(|turn| {
                    fallback
                        .request(attacker, Outcome::Blocked(turn % 3), 1000)
                        .or_else(|| fallback.request(attacker, Outcome::Clean, 1000))
                        .or_else(|| fallback.answer(attacker, 404, 1000))
                })
                .or_else(|| fallback.answer(address(client), 200, 1000))
        });
        assert_eq!(fallen, None);
    }

    #[test]
    fn attackers_do_not_look_clean() {
        let mut fallback = Fallback::new(config(None, Some(0.05)));
        let fallen = rounds(&mut fallback, 20, |fallback, client| {
            // Several reasons; or one reason again and again; or suspicious besides.
            let attacker = address(500 + client % 9);
            match client % 3 {
                0 => fallback.request(attacker, Outcome::Blocked(u64::from(client)), 1000),
                1 => fallback.request(attacker, Outcome::Blocked(1), 1000),
                _ => fallback.request(attacker, Outcome::Suspicious, 1000),
            }
        });
        assert_eq!(fallen, None);
    }

    #[test]
    fn errors_without_blocks_are_somebody_elses_fault() {
        let mut fallback = Fallback::new(config(Some(0.1), Some(0.1)));
        assert_eq!(
            rounds(&mut fallback, 20, |fallback, client| fallback.answer(address(client), 500, 1000)),
            None
        );
    }

    #[test]
    fn a_few_requests_say_nothing_and_a_new_window_begins_anew() {
        let mut fallback = Fallback::new(config(None, Some(0.1)));
        for round in 0..40 {
            // Ten clients with two requests each in a window: too few, however many windows there are.
            for client in 0..10 {
                let now = 1000 + round * 600;
                assert_eq!(fallback.request(address(client), Outcome::Clean, now), None);
                assert_eq!(fallback.request(address(client), Outcome::Blocked(1), now), None);
            }
        }
    }

    #[test]
    fn memory_is_bounded_and_one_network_is_one_client() {
        let mut fallback = Fallback::new(config(None, Some(2.0)));
        for number in 0..20_000 {
            fallback.request(address(number), Outcome::Blocked(1), 1000);
        }
        assert_eq!(fallback.clients.len(), limits::FALLBACK_CLIENTS);
        let mut fallback = Fallback::new(config(None, Some(2.0)));
        for number in 0..100_u128 {
            let address = IpAddr::from((0x2001_0db8_u128 << 96 | number).to_be_bytes());
            fallback.request(address, Outcome::Clean, 1000);
        }
        assert_eq!(fallback.clients.len(), 1);
    }
}

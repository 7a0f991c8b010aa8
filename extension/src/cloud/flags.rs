//! The flags of the site as this environment knows them. It may not know how they came here.
//!
//! Each flag ends by the wall clock at the moment of a decision; nothing counts down, because nothing runs while the
//! environment is frozen. A delta is applied whole, and applying one twice is harmless.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Condvar, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use ipnet::IpNet;
use picket_cloud_protocol::{ClientKey, ClientKind, Flag, FlagDelta};

/// Flags that are kept. What lies beyond is not, which can only let a likely attack pass as it would without an engine.
const FLAGS: usize = 50_000;
/// Ranges that are kept; each is compared with each client.
const RANGES: usize = 1_000;

#[derive(Debug, Default)]
struct Known {
    cursor: Option<String>,
    flags: HashMap<ClientKey, Held>,
    ranges: Vec<(IpNet, ClientKey)>,
    has_sessions: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    until: u64,
    version: u64,
}

/// Whether this environment has asked for flags yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum First {
    #[default]
    Awaited,
    /// They came, or they will not come.
    Over,
}

/// The flags.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    known: RwLock<Known>,
    first: Mutex<First>,
    came: Condvar,
    /// What events of this environment may still wait for its first flags, all together.
    patience: Mutex<Duration>,
    /// Exchanges with the engine that were asked for and are not over, and how many are.
    exchanges: Mutex<Exchanges>,
    ended: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Exchanges {
    coming: u32,
    over: u64,
}

impl Flags {
    /// No flags yet; events that carry an attack may wait this long for the first ones.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience: Mutex::new(patience), ..Self::default() }
    }

    /// What to ask the engine with.
    pub(crate) fn cursor(&self) -> Option<String> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).cursor.clone()
    }

    /// Takes changes over.
    pub(crate) fn apply(&self, delta: FlagDelta) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if delta.full {
            *known = Known::default();
        }
        for client in &delta.unset {
            known.flags.remove(client);
            known.ranges.retain(|(_, range)| range != client);
        }
        for Flag { client, until, version, .. } in delta.set {
            if client.kind() == ClientKind::Unknown
                || known.flags.get(&client).is_some_and(|held| held.version > version)
                || known.flags.len() >= FLAGS && !known.flags.contains_key(&client)
            {
                continue;
            }
            if client.kind() == ClientKind::Range
                && known.ranges.len() < RANGES
                && !known.ranges.iter().any(|(_, range)| *range == client)
                && let Some((address, length)) = client.network()
                && let Ok(network) = IpNet::new(address, length)
            {
                known.ranges.push((network, client.clone()));
            }
            known.has_sessions |= client.kind() == ClientKind::Session;
            known.flags.insert(client, Held { until, version });
        }
        if !delta.cursor.is_empty() && delta.cursor.len() <= picket_cloud_protocol::limits::CURSOR_BYTES {
            known.cursor = Some(delta.cursor);
        }
        drop(known);
        self.settle();
    }

    /// The first flags came, or are given up; nobody waits for them any more.
    pub(crate) fn settle(&self) {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = First::Over;
        self.came.notify_all();
    }

    /// An exchange is asked for that will bring what has changed.
    pub(crate) fn exchange_begins(&self) {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).coming += 1;
    }

    /// It is over, or will not happen.
    pub(crate) fn exchange_ends(&self) {
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        exchanges.coming = exchanges.coming.saturating_sub(1);
        exchanges.over += 1;
        self.ended.notify_all();
    }

    /// Whether changes are on their way.
    pub(crate) fn is_coming(&self) -> bool {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).coming > 0
    }

    /// Waits for the end of an exchange that is under way, and says whether it came within the time.
    pub(crate) fn wait_coming(&self, longest: Duration) -> bool {
        let exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        let over = exchanges.over;
        let awaited = |now: &mut Exchanges| now.coming > 0 && now.over == over;
        self.ended
            .wait_timeout_while(exchanges, longest, awaited)
            .is_ok_and(|(_, waited)| !waited.timed_out())
    }

    /// Forgets everything: another life begins.
    pub(crate) fn renew(&self) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known::default();
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = First::Awaited;
    }

    /// Forgets what is over. Called now and then, so that a long life does not gather dead flags.
    pub(crate) fn sweep(&self, now_s: u64) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.flags.retain(|_, held| held.until > now_s);
        let Known { flags, ranges, .. } = &mut *known;
        ranges.retain(|(_, client)| flags.contains_key(client));
    }

    /// Whether a client is flagged at this moment: by its own key, with its session, or by a range it lies in.
    pub(crate) fn is_flagged(
        &self,
        client: &ClientKey,
        address: Option<IpAddr>,
        session: Option<&[u8]>,
        now_s: u64,
    ) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let holds = |key: &ClientKey| known.flags.get(key).is_some_and(|held| held.until > now_s);
        if known.flags.is_empty() {
            return false;
        }
        holds(client)
            || known.has_sessions && session.is_some_and(|session| holds(&client.with_session(session)))
            || address.is_some_and(|address| {
                let address = address.to_canonical();
                known.ranges.iter().any(|(range, key)| range.contains(&address) && holds(key))
            })
    }

    /// Until when (Unix seconds) a flag of exactly this client holds; none where there is none that holds now.
    pub(crate) fn until(&self, client: &ClientKey, now_s: u64) -> Option<u64> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.flags.get(client).map(|held| held.until).filter(|until| *until > now_s)
    }

    /// Waits for the first flags, as long as there is patience left in this environment.
    pub(crate) fn wait_first(&self) {
        let mut patience = self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        let started = Instant::now();
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.came.wait_timeout_while(first, *patience, |first| *first == First::Awaited));
        *patience = patience.saturating_sub(started.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(client: &str, until: u64, version: u64) -> Flag {
        Flag { client: client.parse().unwrap(), until, why: String::new(), version }
    }

    fn delta(full: bool, set: Vec<Flag>, unset: &[&str]) -> FlagDelta {
        let unset = unset.iter().map(|client| client.parse().unwrap()).collect();
        FlagDelta { full, cursor: "c1".to_owned(), set, unset, more: false }
    }

    fn is_flagged(flags: &Flags, address: &str, now: u64) -> bool {
        let address: IpAddr = address.parse().unwrap();
        flags.is_flagged(&ClientKey::of(address), Some(address), Some(&[7; 8]), now)
    }

    #[test]
    fn a_flag_holds_until_its_time_by_the_wall_clock() {
        let flags = Flags::default();
        flags.apply(delta(false, vec![flag("192.0.2.1", 100, 1), flag("2001:db8:1:2::/64", 100, 2)], &[]));
        assert!(is_flagged(&flags, "192.0.2.1", 99) && !is_flagged(&flags, "192.0.2.1", 100));
        assert!(is_flagged(&flags, "2001:db8:1:2:3::4", 99) && !is_flagged(&flags, "2001:db8:1:3::1", 99));
        assert!(is_flagged(&flags, "::ffff:192.0.2.1", 99));
        assert_eq!(flags.cursor().as_deref(), Some("c1"));
    }

    #[test]
    fn replays_are_harmless_and_a_full_set_replaces_all() {
        let flags = Flags::default();
        let one = delta(false, vec![flag("192.0.2.1", 100, 5)], &[]);
        flags.apply(one.clone());
        flags.apply(delta(false, vec![flag("192.0.2.1", 300, 4)], &["192.0.2.9"]));
        assert!(!is_flagged(&flags, "192.0.2.1", 200), "an older version does not come back");
        flags.apply(delta(false, Vec::new(), &["192.0.2.1"]));
        assert!(!is_flagged(&flags, "192.0.2.1", 50));
        flags.apply(one);
        flags.apply(delta(true, vec![flag("192.0.2.2", 100, 6)], &[]));
        assert!(!is_flagged(&flags, "192.0.2.1", 50) && is_flagged(&flags, "192.0.2.2", 50));
    }

    #[test]
    fn ranges_and_sessions_are_known() {
        let flags = Flags::default();
        let session = ClientKey::of("198.51.100.9".parse().unwrap()).with_session(&[7; 8]);
        flags.apply(delta(false, vec![flag("203.0.113.0/24", 100, 1), flag(session.as_str(), 100, 2)], &[]));
        assert!(is_flagged(&flags, "203.0.113.77", 50) && !is_flagged(&flags, "203.0.114.1", 50));
        assert!(is_flagged(&flags, "198.51.100.9", 50));
        let address = "198.51.100.9".parse().unwrap();
        assert!(!flags.is_flagged(&ClientKey::of(address), Some(address), None, 50));
        flags.apply(delta(false, Vec::new(), &["203.0.113.0/24"]));
        assert!(!is_flagged(&flags, "203.0.113.77", 50));
    }

    #[test]
    fn memory_is_bounded_and_the_dead_are_swept() {
        let flags = Flags::default();
        let many = (0..200_000_u32)
            .map(|n| flag(&std::net::Ipv4Addr::from_bits(n).to_string(), u64::from(n % 200), u64::from(n)));
        flags.apply(delta(false, many.collect(), &[]));
        assert_eq!(flags.known.read().unwrap().flags.len(), FLAGS);
        flags.sweep(100);
        let left = flags.known.read().unwrap().flags.len();
        assert!(left < FLAGS && left > 0, "{left}");
    }

    #[test]
    fn waiting_for_an_exchange_ends_with_it_and_there_is_none_where_nothing_is_under_way() {
        let flags = std::sync::Arc::new(Flags::default());
        assert!(flags.wait_coming(Duration::from_secs(60)), "nothing is under way");
        flags.exchange_begins();
        assert!(flags.is_coming() && !flags.wait_coming(Duration::ZERO));
        let ending = std::sync::Arc::clone(&flags);
        let thread = std::thread::spawn(move || ending.exchange_ends());
        assert!(flags.wait_coming(Duration::from_secs(60)));
        thread.join().unwrap();
        assert!(!flags.is_coming());
    }

    #[test]
    fn waiting_ends_when_the_first_flags_come_and_costs_its_time_once() {
        let flags = std::sync::Arc::new(Flags::new(Duration::from_secs(60)));
        let coming = std::sync::Arc::clone(&flags);
        let thread = std::thread::spawn(move || coming.apply(delta(true, Vec::new(), &[])));
        flags.wait_first();
        thread.join().unwrap();
        let impatient = Flags::new(Duration::from_millis(1));
        impatient.wait_first();
        assert_eq!(*impatient.patience.lock().unwrap(), Duration::ZERO);
        impatient.wait_first();
    }
}

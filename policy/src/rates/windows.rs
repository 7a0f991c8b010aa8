//! Counts in sliding windows, by buckets of a sixtieth of the window. Memory is bounded: where it is full, clients that
//! did not come for a window make room, then those that came least.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::key::{ClientKey, KeySecret};
use crate::limits;

/// Buckets of a window. A count is right to within a sixtieth of it.
const BUCKETS: u64 = 60;

/// How a client stands with a rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is limited.
    pub limited: bool,
    /// Requests within the window, this one included.
    pub count: u32,
    /// Seconds after which it is not limited any more, if it does not come again.
    pub retry_after: u32,
}

/// What is counted beyond this environment. A client is known there by a keyed hash alone, under a secret that all environments share.
pub trait Beyond: Send + Sync + fmt::Debug {
    /// Until when (seconds since 1970) a client is limited because of what all environments counted together.
    fn limited_until(&self, limit: &str, client: &[u8; 16], now: u64) -> Option<u64>;

    /// Is told of each request that was counted here, for the count of all environments.
    fn counted(&self, limit: &str, client: &[u8; 16], now: u64);
}

/// The counts of one environment.
pub struct Rates {
    secret: RwLock<KeySecret>,
    /// What counts beyond, once there is a secret that others have as well.
    beyond: OnceLock<Box<dyn Beyond>>,
    is_shared: AtomicBool,
    table: Mutex<Table>,
}

/// The counts, and what they may fill.
struct Table {
    clients: HashMap<(Arc<str>, ClientKey), Counts>,
    capacity: usize,
    /// Clients that had to make room while they were still counted.
    crowded_out: u64,
}

/// The counts of one client under one limit: bucket numbers ascending, each with its count.
#[derive(Debug, Default)]
struct Counts {
    buckets: Vec<(u64, u32)>,
    limited_until: u64,
    last: u64,
}

impl Counts {
    fn sum(&self) -> u32 {
        self.buckets.iter().fold(0, |sum: u32, (_, count)| sum.saturating_add(*count))
    }
}

impl Rates {
    /// No counts yet.
    #[must_use]
    pub fn new(secret: KeySecret) -> Self {
        let table = Table { clients: HashMap::new(), capacity: limits::COUNTED_KEYS, crowded_out: 0 };
        Self {
            secret: RwLock::new(secret),
            beyond: OnceLock::new(),
            is_shared: AtomicBool::new(false),
            table: Mutex::new(table),
        }
    }

    /// Lets the counts of all environments come in, once [`Self::share`] was called. The first call holds.
    pub fn set_beyond(&self, beyond: Box<dyn Beyond>) {
        drop(self.beyond.set(beyond));
    }

    /// From now on clients are hashed under this secret, which other environments have as well. What was counted under hashes of
    /// another one begins anew.
    pub fn share(&self, secret: KeySecret) {
        *self.secret.write().unwrap_or_else(PoisonError::into_inner) = secret;
        self.is_shared.store(true, Ordering::Relaxed);
        self.table().clients.retain(|(_, client), _| matches!(client, ClientKey::Address(_)));
    }

    /// What tells clients apart under the secret of this moment.
    pub(crate) fn under_secret<T>(&self, make: impl FnOnce(&KeySecret) -> T) -> T {
        make(&self.secret.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// No count is ever half written, so a panic elsewhere does not spoil them.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Clients that had to make room while they were still counted.
    #[must_use]
    pub fn crowded_out(&self) -> u64 {
        self.table().crowded_out
    }

    /// Forgets all counts: another policy decides, or the environment was restored from a snapshot.
    pub fn clear(&self) {
        self.table().clients.clear();
    }

    /// Clients that are counted, under all limits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table().clients.len()
    }

    /// Whether nobody is counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table().clients.is_empty()
    }

    /// Counts one request and says how its client stands. `window` and `hold` are in seconds. A clock that goes back
    /// counts into the newest bucket.
    pub(crate) fn hit(&self, limit: (&Arc<str>, u32, u32, u32), client: ClientKey, now: u64) -> Standing {
        let known = self.beyond.get().filter(|_| self.is_shared.load(Ordering::Relaxed)).and_then(|beyond| {
            let digest = self.under_secret(|secret| secret.digest(&client))?;
            let until = beyond.limited_until(limit.0, &digest, now);
            beyond.counted(limit.0, &digest, now);
            until
        });
        self.table().hit(limit, client, known.unwrap_or(0), now)
    }
}

impl Table {
    fn hit(
        &mut self,
        (id, limit, window, hold): (&Arc<str>, u32, u32, u32),
        client: ClientKey,
        elsewhere: u64,
        now: u64,
    ) -> Standing {
        let key = (Arc::clone(id), client);
        if !self.clients.contains_key(&key) {
            self.make_room(now);
        }
        let width = (u64::from(window) / BUCKETS).max(1);
        let counts = self.clients.entry(key).or_default();
        let newest = counts.buckets.last().map_or(0, |(bucket, _)| *bucket);
        let bucket = (now / width).max(newest);
        counts.last = counts.last.max(now);
        counts.buckets.retain(|(number, _)| bucket.saturating_sub(*number) < BUCKETS);
        match counts.buckets.last_mut() {
            Some((number, count)) if *number == bucket => *count = count.saturating_add(1),
            _ => counts.buckets.push((bucket, 1)),
        }
        let count = counts.sum();
        if count > limit {
            // A client that goes on while it is limited stays limited: a window must pass with fewer.
            counts.limited_until = counts.limited_until.max(now.saturating_add(hold.into()));
        }
        let until = counts.limited_until.max(elsewhere);
        let left = until.saturating_sub(now);
        Standing { limited: left > 0, count, retry_after: u32::try_from(left).unwrap_or(u32::MAX) }
    }

    /// Room for one more client.
    fn make_room(&mut self, now: u64) {
        const STALE: u64 = 3_600;
        if self.clients.len() < self.capacity {
            return;
        }
        self.clients
            .retain(|_, counts| counts.last.saturating_add(STALE) > now || counts.limited_until > now);
        if self.clients.len() < self.capacity {
            return;
        }
        // A quarter at once, so that a flood of new clients does not sort the table for each of them. The limited and
        // the busy stay: a flood of addresses must not wash out the one that is being counted.
        let mut standing: Vec<(bool, u32, u64)> = self
            .clients
            .values()
            .map(|counts| (counts.limited_until > now, counts.sum(), counts.last))
            .collect();
        let quarter = standing.len() / 4;
        let (_, bound, _) = standing.select_nth_unstable(quarter);
        let bound = *bound;
        let before = self.clients.len();
        let mut leave = quarter + 1;
        self.clients.retain(|_, counts| {
            let stays = (counts.limited_until > now, counts.sum(), counts.last) > bound || leave == 0;
            leave -= usize::from(!stays);
            stays
        });
        self.crowded_out += (before - self.clients.len()) as u64;
    }
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rates").field("clients", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates() -> Rates {
        Rates::new(KeySecret::new(b"secret"))
    }

    fn client(number: u32) -> ClientKey {
        ClientKey::of(std::net::Ipv4Addr::from(number).into())
    }

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn the_request_beyond_the_limit_is_limited_and_a_later_one_is_not() {
        let id: Arc<str> = "login".into();
        let rates = rates();
        let hit = |at| rates.hit((&id, 3, 60, 120), client(1), NOW + at);
        for at in [0, 1, 2] {
            assert!(!hit(at).limited, "{at}");
        }
        let beyond = hit(3);
        assert_eq!((beyond.limited, beyond.count, beyond.retry_after), (true, 4, 120));
        assert!(hit(100).limited, "it holds");
        assert!(!hit(400).limited, "it ends");
    }

    #[test]
    fn the_window_slides() {
        let id: Arc<str> = "w".into();
        for window in [60_u32, 600, 3600] {
            let rates = rates();
            let step = u64::from(window) / 4;
            // Four in a window, again and again, is not more than four.
            for turn in 0..20 {
                let standing = rates.hit((&id, 4, window, 1), client(1), NOW + turn * step);
                assert!(!standing.limited, "{window} {turn} {standing:?}");
            }
            // Twice as fast is.
            let limited = (0..20).any(|turn| {
                rates.hit((&id, 4, window, 1), client(1), NOW + 20 * step + turn * step / 2).limited
            });
            assert!(limited, "{window}");
        }
    }

    #[test]
    fn a_clock_that_goes_back_neither_panics_nor_forgets() {
        let id: Arc<str> = "w".into();
        let rates = rates();
        for now in [NOW, 0, NOW - 5, u64::MAX, 0] {
            rates.hit((&id, 2, 60, 60), client(1), now);
        }
        assert!(rates.hit((&id, 2, 60, 60), client(1), 1).count >= 1);
    }

    #[test]
    fn memory_is_bounded_and_the_busy_client_is_remembered() {
        let id: Arc<str> = "w".into();
        let rates = rates();
        rates.table().capacity = 100;
        for _ in 0..50 {
            rates.hit((&id, 10, 60, 600), client(7), NOW);
        }
        for number in 1_000..20_000 {
            rates.hit((&id, 10, 60, 600), client(number), NOW + 1);
            assert!(rates.len() <= 100);
        }
        assert!(rates.hit((&id, 10, 60, 600), client(7), NOW + 2).limited);
        assert!(rates.crowded_out() > 0);
    }

    #[derive(Debug)]
    struct Elsewhere(Mutex<Vec<(String, [u8; 16])>>);

    impl Beyond for &'static Elsewhere {
        fn limited_until(&self, limit: &str, client: &[u8; 16], _: u64) -> Option<u64> {
            let told = self.0.lock().unwrap();
            told.iter().any(|(known, of)| known == limit && of == client).then_some(NOW + 30)
        }

        fn counted(&self, limit: &str, client: &[u8; 16], _: u64) {
            self.0.lock().unwrap().push((limit.to_owned(), *client));
        }
    }

    #[test]
    fn what_all_environments_counted_comes_in_and_what_is_counted_here_goes_out() {
        let id: Arc<str> = "w".into();
        let elsewhere: &'static Elsewhere = Box::leak(Box::new(Elsewhere(Mutex::default())));
        let environment = |own: &[u8]| {
            let rates = Rates::new(KeySecret::new(own));
            rates.set_beyond(Box::new(elsewhere));
            rates
        };
        let (one, other) = (environment(b"one"), environment(b"other"));
        let hit = |rates: &Rates, client| rates.hit((&id, 10, 60, 60), client, NOW);
        assert!(!hit(&one, client(9)).limited);
        assert!(
            elsewhere.0.lock().unwrap().is_empty(),
            "nothing leaves under a secret of one environment alone"
        );
        for rates in [&one, &other] {
            rates.share(KeySecret::new(b"of all"));
        }
        assert!(!hit(&one, client(9)).limited);
        let standing = hit(&other, client(9));
        assert_eq!((standing.limited, standing.retry_after), (true, 30), "the same client by the same hash");
        assert!(!hit(&other, client(8)).limited);
        let told = elsewhere.0.lock().unwrap();
        assert!(told.iter().all(|(limit, client)| limit == "w" && client[..4] != [0, 0, 0, 9]));
    }
}

//! Counts in sliding windows, by buckets of a sixtieth of the window. Memory is bounded: where it is full, clients that
//! did not come for a window make room, then those that came least.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// What is counted beyond this environment.
pub trait Beyond: Send + fmt::Debug {
    /// Until when (seconds since 1970) a client is limited because of what all environments counted together.
    fn limited_until(&self, limit: &str, client: &ClientKey, now: u64) -> Option<u64>;

    /// Is told of each request that was counted here, for the count of all environments.
    fn counted(&mut self, limit: &str, client: &ClientKey, now: u64);
}

/// The counts of one environment.
pub struct Rates {
    pub(crate) secret: KeySecret,
    table: Mutex<Table>,
}

/// The counts, and what they may fill.
struct Table {
    clients: HashMap<(Arc<str>, ClientKey), Counts>,
    capacity: usize,
    beyond: Option<Box<dyn Beyond>>,
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
        let table =
            Table { clients: HashMap::new(), capacity: limits::COUNTED_KEYS, beyond: None, crowded_out: 0 };
        Self { secret, table: Mutex::new(table) }
    }

    /// Lets the counts of all environments come in.
    #[must_use]
    pub fn with_beyond(self, beyond: Box<dyn Beyond>) -> Self {
        self.table().beyond = Some(beyond);
        self
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
        self.table().hit(limit, client, now)
    }
}

impl Table {
    fn hit(
        &mut self,
        (id, limit, window, hold): (&Arc<str>, u32, u32, u32),
        client: ClientKey,
        now: u64,
    ) -> Standing {
        let elsewhere = self.beyond.as_ref().and_then(|beyond| beyond.limited_until(id, &client, now));
        if let Some(beyond) = &mut self.beyond {
            beyond.counted(id, &client, now);
        }
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
        let until = counts.limited_until.max(elsewhere.unwrap_or(0));
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
    struct Elsewhere(std::sync::mpsc::Sender<String>);

    impl Beyond for Elsewhere {
        fn limited_until(&self, _: &str, client: &ClientKey, _: u64) -> Option<u64> {
            (client.to_string() == "0.0.0.9").then_some(NOW + 30)
        }

        fn counted(&mut self, limit: &str, client: &ClientKey, _: u64) {
            self.0.send(format!("{limit} {client}")).unwrap();
        }
    }

    #[test]
    fn what_all_environments_counted_comes_in_and_what_is_counted_here_goes_out() {
        let id: Arc<str> = "w".into();
        let (sender, told) = std::sync::mpsc::channel();
        let rates = rates().with_beyond(Box::new(Elsewhere(sender)));
        let standing = rates.hit((&id, 10, 60, 60), client(9), NOW);
        assert_eq!((standing.limited, standing.retry_after), (true, 30));
        assert!(!rates.hit((&id, 10, 60, 60), client(8), NOW).limited);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["w 0.0.0.9", "w 0.0.0.8"]);
    }
}

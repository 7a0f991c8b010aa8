//! How long the runtime's call for the next event may be held to send a report. Pure: the clock is handed in.
//!
//! The caller has its answer by then, but the owner pays for the time. An attacker decides how often there is a reason, so
//! the time is bounded whatever the reasons: at most one hold in two seconds, a twentieth of the wall time, little for a
//! client that was told of already, and none at all while the engine is slow. What an event waits for flags that are on
//! their way is paid from the same time. Reports that leave while the handler works cost no time but a handshake each, so
//! their number is bounded too.

use std::{collections::HashMap, time::Duration};

/// Milliseconds between two holds.
const APART: u64 = 2_000;
/// A twentieth of the wall time may be spent.
const SHARE: u64 = 20;
/// Milliseconds that can be saved up.
const SAVED: u64 = 400;
/// The hold for a client that was reported within [`REPORTED`].
const AGAIN: Duration = Duration::from_millis(50);
/// Milliseconds for which a client counts as reported.
const REPORTED: u64 = 60_000;
/// Clients that are remembered.
const CLIENTS: usize = 256;
/// Milliseconds after which one more report may leave at once, and how many that can be in a row.
const PROMPT: u64 = 1_000;
const PROMPTS: u64 = 4;
/// Slow sends in a row that open the breaker.
const SLOW: u32 = 2;
/// Milliseconds for which it stays open at first, and at most.
const OPEN: (u64, u64) = (60_000, 600_000);

/// The budget of one environment.
#[derive(Debug)]
pub(crate) struct Budget {
    longest: Duration,
    /// What may be spent now, and when that was reckoned.
    left: u64,
    reckoned: u64,
    last: Option<u64>,
    slow: u32,
    open_for: u64,
    open_until: u64,
    /// The time before which all reports that left at once are paid for, in Unix milliseconds.
    prompted: u64,
    reported: HashMap<String, u64>,
}

impl Budget {
    /// A budget whose single holds last no longer than this; zero allows none.
    pub(crate) fn new(longest: Duration, now_ms: u64) -> Self {
        Self {
            longest,
            left: SAVED / 2,
            reckoned: now_ms,
            last: None,
            slow: 0,
            open_for: OPEN.0,
            open_until: 0,
            prompted: 0,
            reported: HashMap::new(),
        }
    }

    /// How long a hold may last now; none where there may be none. It counts as taken until [`Budget::used`] says how long it
    /// was.
    pub(crate) fn allow(&mut self, now_ms: u64, client: Option<&str>) -> Option<Duration> {
        self.reckon(now_ms);
        let too_soon = self.last.is_some_and(|last| now_ms >= last && now_ms - last < APART);
        if too_soon || now_ms < self.open_until || self.longest.is_zero() {
            return None;
        }
        let known = client.and_then(|client| self.reported.get(client));
        let again = known.is_some_and(|at| now_ms.saturating_sub(*at) < REPORTED);
        let wanted = if again { self.longest.min(AGAIN) } else { self.longest };
        let allowed = wanted.min(Duration::from_millis(self.left));
        // A hold that is too short for any network would be paid for and gain nothing.
        if allowed < wanted.min(AGAIN) {
            return None;
        }
        self.last = Some(now_ms);
        self.left = self.left.saturating_sub(millis(allowed));
        Some(allowed)
    }

    /// How long an event that carries an attack may wait for flags that are on their way; none where it may not. It counts as
    /// taken until [`Budget::used`] says how long it was.
    pub(crate) fn lend(&mut self, now_ms: u64, longest: Duration) -> Option<Duration> {
        self.reckon(now_ms);
        let allowed = longest.min(Duration::from_millis(self.left));
        if now_ms < self.open_until || allowed.is_zero() {
            return None;
        }
        self.left = self.left.saturating_sub(millis(allowed));
        Some(allowed)
    }

    /// Whether a report may leave at once, while the handler works. If so, it counts as one that did.
    pub(crate) fn prompt(&mut self, now_ms: u64) -> bool {
        // A clock that was set back owes nothing for the time that it repeats.
        let before = if self.prompted > now_ms.saturating_add(PROMPT) { 0 } else { self.prompted };
        let paid = before.max(now_ms.saturating_sub(PROMPT * (PROMPTS - 1)));
        if paid > now_ms || now_ms < self.open_until {
            return false;
        }
        self.prompted = paid + PROMPT;
        true
    }

    /// Adds what was earned since the last time.
    fn reckon(&mut self, now_ms: u64) {
        // A clock that was set back earns nothing, and is believed from now on.
        self.left = (self.left + now_ms.saturating_sub(self.reckoned) / SHARE).min(SAVED);
        if now_ms.saturating_sub(self.reckoned) >= SHARE || now_ms < self.reckoned {
            self.reckoned = now_ms;
        }
    }

    /// A hold is over: how long it was allowed and took, and whether the report was delivered within it.
    pub(crate) fn used(&mut self, now_ms: u64, allowed: Duration, took: Duration, delivered: bool) {
        self.left = (self.left + millis(allowed)).saturating_sub(millis(took)).min(SAVED);
        if delivered {
            self.slow = 0;
            self.open_for = OPEN.0;
            return;
        }
        self.slow += 1;
        if self.slow >= SLOW {
            self.slow = 0;
            self.open_until = now_ms.saturating_add(self.open_for);
            self.open_for = (self.open_for * 2).min(OPEN.1);
        }
    }

    /// A client is in a report that was delivered.
    pub(crate) fn reported(&mut self, now_ms: u64, client: &str) {
        if self.reported.len() >= CLIENTS && !self.reported.contains_key(client) {
            self.reported.retain(|_, at| now_ms.saturating_sub(*at) < REPORTED);
        }
        if self.reported.len() < CLIENTS {
            self.reported.insert(client.to_owned(), now_ms);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(200);

    #[test]
    fn an_attack_a_second_for_an_hour_costs_at_most_a_twentieth() {
        let mut budget = Budget::new(LONGEST, 0);
        let (mut spent, mut last) = (0, None);
        for now in (0..3_600_000).step_by(100) {
            if let Some(allowed) = budget.allow(now, None) {
                assert!(last.is_none_or(|last| now - last >= APART));
                last = Some(now);
                spent += millis(allowed);
                budget.used(now, allowed, allowed, true);
            }
        }
        assert!(spent <= 3_600_000 / SHARE + SAVED, "{spent}");
        assert!(spent > 3_600_000 / SHARE / 2, "{spent}: the budget is there to be used");
    }

    #[test]
    fn a_client_that_was_told_of_gets_little() {
        let mut budget = Budget::new(LONGEST, 0);
        assert_eq!(budget.allow(0, Some("a")), Some(LONGEST));
        budget.used(0, LONGEST, Duration::from_millis(20), true);
        budget.reported(0, "a");
        assert_eq!(budget.allow(10_000, Some("a")), Some(AGAIN));
        assert_eq!(budget.allow(20_000, Some("b")), Some(LONGEST));
        assert_eq!(budget.allow(70_000, Some("a")), Some(LONGEST));
    }

    #[test]
    fn two_slow_sends_open_the_breaker_for_longer_each_time() {
        let mut budget = Budget::new(LONGEST, 0);
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..6 {
            for _ in 0..SLOW {
                let allowed = budget.allow(now, None).unwrap();
                budget.used(now, allowed, allowed, false);
                now += 10_000;
            }
            let shut = now - 10_000;
            while budget.allow(now, None).is_none() {
                now += 1_000;
            }
            pauses.push((now - shut) / 1_000);
            budget.used(now, LONGEST, Duration::ZERO, false);
            budget.slow = 0;
            now += 10_000;
        }
        assert_eq!(pauses, [60, 120, 240, 480, 600, 600]);
        let allowed = budget.allow(now, None).unwrap();
        budget.used(now, allowed, Duration::from_millis(5), true);
        assert_eq!(budget.open_for, OPEN.0);
    }

    #[test]
    fn nothing_is_held_where_the_owner_wants_none_and_clocks_may_jump() {
        assert_eq!(Budget::new(Duration::ZERO, 0).allow(10_000, None), None);
        let mut budget = Budget::new(LONGEST, 1_000_000);
        assert_eq!(budget.allow(1_000_000, None), Some(LONGEST));
        assert_eq!(budget.allow(5, None), None, "a clock set back earns nothing");
        assert_eq!(budget.allow(10_000, None), Some(LONGEST));
        assert_eq!(budget.allow(u64::MAX, None), Some(LONGEST));
    }

    #[test]
    fn reports_leave_at_once_a_few_in_a_row_and_then_one_a_second() {
        let mut budget = Budget::new(LONGEST, 1_000_000);
        let at_once = (0..20).filter(|_| budget.prompt(1_000_000)).count();
        assert_eq!(at_once, 4);
        assert!(!budget.prompt(1_000_999) && budget.prompt(1_001_000) && !budget.prompt(1_001_000));
        let later = (2_000_000..2_060_000).step_by(50).filter(|now| budget.prompt(*now)).count();
        assert_eq!(later, 63, "four, and one for each second behind the first");
        assert!(budget.prompt(5_000), "a clock set back owes nothing");
        budget.open_until = 100_000;
        assert!(!budget.prompt(99_999) && budget.prompt(100_000), "not while the engine is slow");
    }

    #[test]
    fn waiting_for_flags_is_paid_from_the_same_time() {
        let mut budget = Budget::new(LONGEST, 0);
        let mut spent = 0;
        for now in (0..3_600_000).step_by(100) {
            let (lent, held) = (budget.lend(now, Duration::from_millis(100)), budget.allow(now, None));
            for allowed in [lent, held].into_iter().flatten() {
                spent += millis(allowed);
                budget.used(now, allowed, allowed, true);
            }
        }
        assert!(spent <= 3_600_000 / SHARE + SAVED, "{spent}");
        budget.open_until = 4_000_000;
        assert_eq!(budget.lend(3_999_999, LONGEST), None, "not while the engine is slow");
    }

    #[test]
    fn memory_is_bounded() {
        let mut budget = Budget::new(LONGEST, 0);
        for n in 0..10_000 {
            budget.reported(n, &n.to_string());
        }
        assert!(budget.reported.len() <= CLIENTS);
    }
}

//! Whether counts pass a limit within a window. Pure: slots in, an answer out.

use std::collections::BTreeMap;

use picket_cloud_protocol::SLOT_SECONDS;

/// Counts by the first second of their slot.
pub type Slots = BTreeMap<u64, u64>;

/// A limit that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// How many there were.
    pub n: u64,
    /// How many are too many.
    pub limit: u64,
    /// Within how many minutes.
    pub minutes: u64,
}

/// The first of the limits, the smallest window first, that any window within the slots reaches. Windows slide by slots, so
/// that what lies across a minute's border is seen, and what arrives late is judged in its own time.
#[must_use]
pub fn passed(slots: &Slots, limits: impl IntoIterator<Item = (u64, u64)>) -> Option<Passed> {
    let mut limits: Vec<(u64, u64)> = limits.into_iter().collect();
    limits.sort_unstable();
    limits.into_iter().find_map(|(minutes, limit)| {
        let n = most_within(slots, minutes * 60);
        (n >= limit).then_some(Passed { n, limit, minutes })
    })
}

/// The largest sum of any window of so many seconds.
fn most_within(slots: &Slots, seconds: u64) -> u64 {
    let (mut most, mut sum) = (0_u64, 0_u64);
    let mut first = slots.iter().peekable();
    for (&slot, &n) in slots {
        sum = sum.saturating_add(n);
        while let Some(&(&oldest, &leaving)) = first.peek() {
            if oldest + seconds > slot {
                break;
            }
            sum = sum.saturating_sub(leaving);
            first.next();
        }
        most = most.max(sum);
    }
    most
}

/// The slot that a count goes to: its own, unless that lies in the future or more than an hour ago.
#[must_use]
pub fn clamped(slot: u64, now: u64) -> u64 {
    let newest = now - now % SLOT_SECONDS;
    slot.clamp(newest.saturating_sub(crate::limits::WINDOW_SECONDS - SLOT_SECONDS), newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: [(u64, u64); 3] = [(60, 1_800), (1, 50), (10, 350)];

    #[test]
    fn limits_hold_in_their_windows() {
        type Case = (&'static str, &'static [(u64, u64)], Option<u64>);
        let table: &[Case] = &[
            ("one short", &[(0, 49)], None),
            ("the fiftieth", &[(0, 49), (10, 1)], Some(1)),
            ("across a minute's border", &[(40, 25), (60, 25)], Some(1)),
            ("the last slot within a minute", &[(0, 25), (50, 25)], Some(1)),
            ("a minute later is another minute", &[(0, 25), (60, 25)], None),
            (
                "slow, within ten minutes",
                &[
                    (0, 40),
                    (60, 40),
                    (120, 40),
                    (180, 40),
                    (240, 40),
                    (300, 40),
                    (360, 40),
                    (420, 40),
                    (480, 40),
                ],
                Some(10),
            ),
            ("late counts in the middle", &[(0, 30), (20, 30), (3_000, 1)], Some(1)),
        ];
        for (name, counts, minutes) in table {
            let slots: Slots = counts.iter().copied().collect();
            assert_eq!(passed(&slots, DEFAULT).map(|passed| passed.minutes), *minutes, "{name}");
        }
    }

    #[test]
    fn very_slow_is_seen_within_the_hour() {
        let slots: Slots = (0..60).map(|minute| (minute * 60, 30)).collect();
        assert_eq!(passed(&slots, DEFAULT), Some(Passed { n: 1_800, limit: 1_800, minutes: 60 }));
        let slots: Slots = (0..60).map(|minute| (minute * 60, 29)).collect();
        assert_eq!(passed(&slots, DEFAULT), None);
    }

    #[test]
    fn clocks_are_clamped_to_the_last_hour() {
        let now = 1_795_334_405;
        let newest = 1_795_334_400;
        let table = [
            (newest, newest),
            (newest + 10, newest),
            (u64::MAX, newest),
            (newest - 3_590, newest - 3_590),
            (newest - 3_600, newest - 3_590),
            (0, newest - 3_590),
        ];
        for (slot, expected) in table {
            assert_eq!(clamped(slot, now), expected, "{slot}");
        }
    }
}

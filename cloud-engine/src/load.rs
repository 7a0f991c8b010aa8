//! How many batches one process works on at once, and what it asks of agents for that: fewer single requests and rarer polls, so that
//! counts, which flags are made of, still get through. Knows numbers only.

use std::sync::atomic::{AtomicUsize, Ordering};

use picket_cloud_protocol::{Hints, Upload};

use crate::limits;

/// Batches that are worked on at the moment.
#[derive(Debug, Default)]
pub(crate) struct Load(AtomicUsize);

/// One batch, until it is dropped.
pub(crate) struct Working<'l>(&'l Load);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Load {
    /// One batch more.
    pub(crate) fn begin(&self) -> Working<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Working(self)
    }

    /// What is asked of agents, where the owner asks for `usual`. Never for more than that.
    pub(crate) fn hints(&self, usual: Hints) -> Hints {
        let (factor, most) = match self.0.load(Ordering::Relaxed) {
            0..limits::CROWDED => return usual,
            limits::CROWDED..limits::OVERRUN => (2, Upload::Attacks),
            _ => (4, Upload::Counts),
        };
        let upload = match (usual.upload, most) {
            (Upload::All, most) => most,
            (Upload::Attacks, Upload::Counts) => Upload::Counts,
            (usual, _) => usual,
        };
        Hints { next_poll_s: usual.next_poll_s.saturating_mul(factor), upload }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_there_is_to_do_the_less_is_asked_for() {
        let load = Load::default();
        let asked = |upload| {
            let hints = load.hints(Hints { next_poll_s: 60, upload });
            (hints.next_poll_s, hints.upload)
        };
        assert_eq!(asked(Upload::All), (60, Upload::All));
        let mut working: Vec<_> = (0..limits::CROWDED).map(|_| load.begin()).collect();
        assert_eq!(asked(Upload::All), (120, Upload::Attacks));
        assert_eq!(asked(Upload::Counts), (120, Upload::Counts), "never more than the owner asks for");
        working.extend((limits::CROWDED..limits::OVERRUN).map(|_| load.begin()));
        assert_eq!(asked(Upload::All), (240, Upload::Counts));
        assert_eq!(asked(Upload::Attacks), (240, Upload::Counts));
        assert_eq!(asked(Upload::None), (240, Upload::None));
        drop(working);
        assert_eq!(asked(Upload::All), (60, Upload::All), "and all of it again afterwards");
    }
}

//! Which invocations are out: handed to the runtime and not answered yet. It may not know HTTP, nor read a clock.
//!
//! Times are milliseconds since 1970, by the wall clock, because deadlines are and because a frozen environment's other clocks may stand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::invocation::{Invocation, InvocationKey};
use crate::limits;

#[derive(Default)]
pub(crate) struct Ledger {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In the order of delivery. On demand there is one, so a search is a look; Managed Instances have a few dozen.
    out: VecDeque<Arc<Invocation>>,
    last_answered: Option<Arc<Invocation>>,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an event goes to the runtime. True if the very same attempt was out already.
    pub(crate) fn deliver(&self, invocation: Arc<Invocation>, now_ms: u64) -> bool {
        let mut state = self.lock();
        let before = state.out.len();
        state.out.retain(|other| other.key != invocation.key);
        let twice = state.out.len() < before;
        // What is long past its deadline was ended by the platform and will never be answered.
        state.out.retain(|other| ends_ms(other, now_ms) > now_ms);
        if state.out.len() >= limits::OUTSTANDING {
            state.out.pop_front();
        }
        state.out.push_back(invocation);
        twice
    }

    /// The invocation that an answer is for, which is no longer out from now on. A runtime that does not echo the invocation id means the
    /// latest attempt.
    pub(crate) fn answer(&self, request_id: &str, invocation_id: Option<&str>) -> Option<Arc<Invocation>> {
        let mut state = self.lock();
        let position = state.out.iter().rposition(|invocation| {
            let key = &invocation.key;
            key.request_id == request_id
                && (invocation_id.is_none()
                    || key.invocation_id.is_none()
                    || key.invocation_id.as_deref() == invocation_id)
        })?;
        let invocation = state.out.remove(position)?;
        state.last_answered = Some(Arc::clone(&invocation));
        Some(invocation)
    }

    /// Takes back a delivery that did not reach the runtime.
    pub(crate) fn take_back(&self, key: &InvocationKey) {
        self.lock().out.retain(|invocation| invocation.key != *key);
    }

    /// An invocation that is out and still has time.
    pub(crate) fn pending(&self, now_ms: u64) -> Option<Arc<Invocation>> {
        self.lock().out.iter().rev().find(|invocation| ends_ms(invocation, now_ms) > now_ms).cloned()
    }

    pub(crate) fn last_answered(&self) -> Option<Arc<Invocation>> {
        self.lock().last_answered.clone()
    }

    /// Forgets everything: the environment begins a new life.
    pub(crate) fn clear(&self) {
        *self.lock() = State::default();
    }
}

/// When an invocation is over at the latest. One without a deadline stays until it is pushed out.
fn ends_ms(invocation: &Invocation, now_ms: u64) -> u64 {
    invocation.deadline_ms.unwrap_or(now_ms.saturating_add(limits::DEADLINE_UNKNOWN_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(request_id: &str, invocation_id: Option<&str>, deadline_ms: u64) -> Arc<Invocation> {
        let mut invocation = Invocation::synthetic(request_id);
        invocation.key.invocation_id = invocation_id.map(str::to_owned);
        invocation.deadline_ms = Some(deadline_ms);
        Arc::new(invocation)
    }

    #[test]
    fn two_attempts_at_one_request_are_two_invocations() {
        let ledger = Ledger::default();
        assert!(!ledger.deliver(invocation("r", Some("1"), 100), 0));
        assert!(!ledger.deliver(invocation("r", Some("2"), 100), 0));
        assert_eq!(ledger.answer("r", Some("1")).unwrap().key.invocation_id.as_deref(), Some("1"));
        assert_eq!(ledger.answer("r", Some("1")), None);
        assert_eq!(ledger.answer("r", None).unwrap().key.invocation_id.as_deref(), Some("2"));
        assert_eq!(ledger.pending(0), None);
    }

    #[test]
    fn the_deadline_ends_an_invocation() {
        let ledger = Ledger::default();
        ledger.deliver(invocation("r", None, 100), 0);
        assert!(ledger.pending(99).is_some());
        assert_eq!(ledger.pending(100), None);
    }

    #[test]
    fn memory_is_bounded() {
        let ledger = Ledger::default();
        for number in 0..=limits::OUTSTANDING {
            ledger.deliver(invocation(&number.to_string(), None, 100), 0);
        }
        assert_eq!(ledger.lock().out.len(), limits::OUTSTANDING);
        assert_eq!(ledger.answer("0", None), None);
    }

    #[test]
    fn the_same_attempt_twice_is_told() {
        let ledger = Ledger::default();
        assert!(!ledger.deliver(invocation("r", Some("1"), 100), 0));
        assert!(ledger.deliver(invocation("r", Some("1"), 100), 0));
    }
}

//! Threads that inspect, so that the proxy's own never waits for an inspection. It may not know what a job does.
//!
//! A job that hangs keeps its thread; another takes its place until [`Workers`] has as many as it may have. The threads stay, because
//! starting one costs more than most inspections.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::limits;

type Job = Box<dyn FnOnce() + Send>;

/// No thread is free and none may be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Saturated;

pub(crate) struct Workers {
    shared: Arc<Shared>,
    threads_max: usize,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle: usize,
    threads: usize,
    closed: bool,
}

impl Workers {
    pub(crate) fn new(threads_max: usize) -> Self {
        Self {
            shared: Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() }),
            threads_max: threads_max.max(1),
        }
    }

    /// Hands over a job. It runs once, unless it panics half way; a job that is refused never runs.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Saturated> {
        let mut state = self.shared.lock();
        if state.idle <= state.jobs.len() && state.threads < self.threads_max {
            let shared = Arc::clone(&self.shared);
            let started =
                std::thread::Builder::new().name("picket-inspect".to_owned()).spawn(move || shared.work());
            if started.is_ok() {
                state.threads += 1;
            }
        }
        // With every thread busy the queue is all that is left, and it is short: what waits in it uses up its own budget.
        if state.threads == 0 || state.jobs.len() >= limits::WORKER_QUEUE {
            return Err(Saturated);
        }
        state.jobs.push_back(Box::new(job));
        drop(state);
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, so a poisoned state is still a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A job tells its caller of a panic by dropping what it would have answered with.
                let _panicked = catch_unwind(AssertUnwindSafe(job)).is_err();
                state = self.lock();
                continue;
            }
            if state.closed {
                state.threads -= 1;
                return;
            }
            state.idle += 1;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_panicking_job_does_not_take_its_thread_along() {
        let workers = Workers::new(1);
        let (done, results) = mpsc::channel();
        workers.run(|| panic!("a job that fails")).unwrap();
        workers.run(move || done.send(7).unwrap()).unwrap();
        assert_eq!(results.recv().unwrap(), 7);
    }

    #[test]
    fn a_hanging_job_is_stood_in_for_until_the_limit() {
        let workers = Workers::new(2);
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let (started, starts) = mpsc::channel();
        for _ in 0..2 {
            let (held, started) = (Arc::clone(&held), started.clone());
            workers
                .run(move || {
                    started.send(()).unwrap();
                    held.lock().unwrap().recv().unwrap();
                })
                .unwrap();
        }
        starts.recv().unwrap();
        starts.recv().unwrap();
        for _ in 0..limits::WORKER_QUEUE {
            workers.run(|| {}).unwrap();
        }
        assert_eq!(workers.run(|| {}), Err(Saturated));
        release.send(()).unwrap();
        release.send(()).unwrap();
        // Once a thread is free again the queue drains, and there is room.
        let (done, results) = mpsc::channel();
        let mut job = Some(done);
        while let Some(done) = job.take() {
            let again = done.clone();
            if workers.run(move || done.send(()).unwrap()).is_err() {
                std::thread::yield_now();
                job = Some(again);
            }
        }
        results.recv().unwrap();
    }
}

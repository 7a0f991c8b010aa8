//! One thread for the event loop and for short jobs between its turns, and a second one that takes the loop over while a job takes long.
//!
//! A hop to another thread and back costs more than most inspections, since either end has to be woken. So a short job is laid on the
//! desk; the loop's thread leaves the async runtime, does the job, and goes back to the loop with its outcome. Meanwhile a second thread
//! looks at a clock now and then. A job that it finds at work twice is late: the second thread runs the loop from there, so that whoever
//! waits for the job can give it up, and the first thread gets the loop back once the job has returned, if it ever does. It may not know
//! what a job does.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::limits;

/// Work that is done outside the async runtime and told of inside it. Neither half panics.
pub(crate) trait Job: Send {
    /// Does the work, and keeps its outcome.
    fn work(&mut self);
    /// Hands the outcome to whoever waits for it.
    fn finish(self: Box<Self>);
}

/// Where the event loop's tasks lay their jobs. Clones are one desk.
#[derive(Clone, Default)]
pub struct Desk {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Odd while the loop's thread does a job, even otherwise; it only grows. Who makes an odd number even has the loop.
    turn: AtomicU64,
    /// True while the second thread is there to take over. Without it a job might stop the loop for ever.
    watched: AtomicBool,
    /// True while the second thread looks at no clock, because no job came for a while.
    dozing: AtomicBool,
    taken_over: Notify,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Box<dyn Job>>,
    /// Wakes whoever runs the loop.
    loop_waker: Option<Waker>,
    /// The first thread is back from a late job and wants the loop.
    is_back: bool,
    /// The first thread is gone for good.
    is_gone: bool,
    ended: bool,
}

/// Why the loop was left.
enum Turn {
    Work(Box<dyn Job>),
    HandBack,
    End,
}

/// Runs `main` on an async runtime of one thread until it ends. Jobs that are laid on the desk are done between the loop's turns.
///
/// Works where no second thread can be started, too: jobs are then not taken, and go where they would go without a desk.
pub fn run<F>(runtime: Runtime, main: impl FnOnce(Desk) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let desk = Desk::default();
    let ending = End(desk.clone());
    let main = main(desk.clone());
    runtime.spawn(async move {
        let _ends_even_by_a_panic = ending;
        main.await;
    });
    let runtime = Arc::new(runtime);
    let first = {
        let (desk, runtime) = (desk.clone(), Arc::clone(&runtime));
        std::thread::Builder::new().name("picket-loop".to_owned()).spawn(move || desk.lead(&runtime))
    };
    if first.is_err() {
        desk.lock().is_gone = true;
    }
    desk.stand_in(&runtime);
    if let Ok(runtime) = Arc::try_unwrap(runtime) {
        // What still runs is not waited for.
        runtime.shutdown_background();
    }
}

/// Ends the desk when `main` does, in whichever way.
struct End(Desk);

impl Drop for End {
    fn drop(&mut self) {
        self.0.change(|state| state.ended = true);
    }
}

/// Notes that the first thread has left, in whichever way.
struct Leave<'a>(&'a Desk);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.is_gone = true);
    }
}

impl Desk {
    /// Takes a job, or gives it back when nobody is there to stand in for a late one.
    pub(crate) fn take(&self, job: Box<dyn Job>) -> Result<(), Box<dyn Job>> {
        if !self.shared.watched.load(Ordering::Acquire) {
            return Err(job);
        }
        let mut state = self.lock();
        if state.jobs.len() >= limits::DESK_QUEUE {
            return Err(job);
        }
        state.jobs.push_back(job);
        let waker = state.loop_waker.clone();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Ends when a job is late that is laid down after this.
    pub(crate) fn late(&self) -> Notified<'_> {
        self.shared.taken_over.notified()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, so a poisoned state is still a whole one.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and tells both threads.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.lock();
            change(&mut state);
            state.loop_waker.clone()
        };
        self.shared.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits inside the loop for a reason to leave it. `finished` is told of here, because inside a woken task is only put in a queue;
    /// but not before the loop has seen what came meanwhile: a runtime that went away is to be missed before it is sent an event.
    async fn turn(&self, is_first: bool, mut finished: Option<Box<dyn Job>>) -> Turn {
        let mut is_loop_up_to_date = false;
        std::future::poll_fn(|context| {
            if finished.is_some() && !std::mem::replace(&mut is_loop_up_to_date, true) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(job) = finished.take() {
                job.finish();
            }
            let mut state = self.lock();
            if state.ended {
                return Poll::Ready(Turn::End);
            }
            if is_first {
                if let Some(job) = state.jobs.pop_front() {
                    return Poll::Ready(Turn::Work(job));
                }
            } else if state.is_back {
                return Poll::Ready(Turn::HandBack);
            }
            if !state.loop_waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                state.loop_waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// The first thread: the loop, and a job between two turns of it.
    fn lead(&self, runtime: &Runtime) {
        let _leave = Leave(self);
        let mut finished = None;
        loop {
            let mut job = match runtime.block_on(self.turn(true, finished.take())) {
                Turn::Work(job) => job,
                Turn::HandBack | Turn::End => return,
            };
            let busy = self.begin();
            job.work();
            let in_time =
                self.shared.turn.compare_exchange(busy, busy + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            if in_time {
                finished = Some(job);
                continue;
            }
            job.finish();
            if !self.take_back() {
                return;
            }
        }
    }

    /// Begins a job, and sees to it that the second thread looks at the clock.
    fn begin(&self) -> u64 {
        let shared = &self.shared;
        let busy = shared.turn.load(Ordering::SeqCst) + 1;
        shared.turn.store(busy, Ordering::SeqCst);
        if shared.dozing.swap(false, Ordering::SeqCst) {
            // The lock is taken so that the call does not fall between the other's last look and its sleep.
            drop(self.lock());
            shared.changed.notify_all();
        }
        busy
    }

    /// After a late job: waits until the second thread has left the loop. False when everything has ended meanwhile.
    fn take_back(&self) -> bool {
        self.change(|state| state.is_back = true);
        let state = self.lock();
        let state = self
            .shared
            .changed
            .wait_while(state, |state| state.is_back && !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        !state.ended
    }

    /// The second thread, until the end: it looks at the clock, and runs the loop while a job is late.
    fn stand_in(&self, runtime: &Runtime) {
        loop {
            if !self.watch() {
                return;
            }
            // What was laid down behind the late job is done elsewhere.
            let waiting = std::mem::take(&mut self.lock().jobs);
            for mut job in waiting {
                let work = move || {
                    job.work();
                    job.finish();
                };
                // Without a thread it stays undone, and who waits for it is told so by its end.
                drop(std::thread::Builder::new().name("picket-inspect".to_owned()).spawn(work));
            }
            self.shared.taken_over.notify_waiters();
            match runtime.block_on(self.turn(false, None)) {
                Turn::HandBack => self.change(|state| state.is_back = false),
                Turn::Work(_) | Turn::End => return,
            }
        }
    }

    /// Looks at the clock until a job is late (true) or everything has ended (false).
    fn watch(&self) -> bool {
        let shared = &self.shared;
        let mut state = self.lock();
        let mut seen = shared.turn.load(Ordering::SeqCst);
        let mut quiet = 0;
        shared.watched.store(!state.is_gone, Ordering::Release);
        let late = loop {
            if state.ended {
                break false;
            }
            if state.is_gone {
                break true;
            }
            let now = shared.turn.load(Ordering::SeqCst);
            let is_late = now == seen && now % 2 == 1;
            if is_late
                && shared.turn.compare_exchange(now, now + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
            {
                break true;
            }
            quiet = if now == seen { quiet + 1 } else { 0 };
            seen = now;
            state = if quiet < limits::DESK_QUIET_LOOKS {
                shared
                    .changed
                    .wait_timeout(state, limits::DESK_LOOK)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            } else {
                self.doze(state, seen)
            };
        };
        shared.watched.store(false, Ordering::Release);
        late
    }

    /// Sleeps until a job begins. A thread that looks at the clock all day costs a function that waits for its next event.
    fn doze<'s>(&self, mut state: MutexGuard<'s, State>, seen: u64) -> MutexGuard<'s, State> {
        let shared = &self.shared;
        shared.dozing.store(true, Ordering::SeqCst);
        // A job that began before that was seen does not wake anybody.
        if shared.turn.load(Ordering::SeqCst) == seen {
            let asleep =
                |state: &mut State| shared.dozing.load(Ordering::SeqCst) && !state.ended && !state.is_gone;
            state = shared.changed.wait_while(state, asleep).unwrap_or_else(PoisonError::into_inner);
        }
        shared.dozing.store(false, Ordering::SeqCst);
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread::ThreadId;
    use tokio::sync::oneshot;

    /// Waits for a word if told to, and says which thread did the job.
    struct Task {
        wait: Option<mpsc::Receiver<()>>,
        done: Option<oneshot::Sender<ThreadId>>,
        by: Option<ThreadId>,
    }

    impl Job for Task {
        fn work(&mut self) {
            if let Some(wait) = &self.wait {
                wait.recv().unwrap();
            }
            self.by = Some(std::thread::current().id());
        }

        fn finish(self: Box<Self>) {
            if let (Some(done), Some(by)) = (self.done, self.by) {
                done.send(by).ok();
            }
        }
    }

    fn task(wait: Option<mpsc::Receiver<()>>) -> (Box<dyn Job>, oneshot::Receiver<ThreadId>) {
        let (done, by) = oneshot::channel();
        (Box::new(Task { wait, done: Some(done), by: None }), by)
    }

    /// Lays a job down as soon as somebody is there to stand in for it.
    async fn lay(desk: &Desk, mut job: Box<dyn Job>) {
        while let Err(back) = desk.take(job) {
            job = back;
            tokio::task::yield_now().await;
        }
    }

    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_short_job_is_done_by_the_thread_of_the_loop() {
        run(runtime(), |desk| async move {
            for _ in 0..100 {
                let (job, by) = task(None);
                lay(&desk, job).await;
                assert_eq!(by.await.unwrap(), std::thread::current().id());
            }
        });
    }

    #[test]
    fn the_loop_goes_on_while_a_job_hangs_and_comes_back_after_it() {
        let (ended, told) = mpsc::channel();
        run(runtime(), |desk| async move {
            for _ in 0..3 {
                let first = std::thread::current().id();
                let (release, held) = mpsc::channel();
                let (job, mut by) = task(Some(held));
                let late = desk.late();
                lay(&desk, job).await;
                // A job behind the one that hangs does not wait for it.
                let (behind, behind_by) = task(None);
                desk.take(behind).unwrap_or_else(|_| unreachable!("there is room"));
                late.await;
                assert_ne!(std::thread::current().id(), first, "this task goes on, on another thread");
                assert!(desk.take(task(None).0).is_err(), "nobody would stand in for another one");
                behind_by.await.unwrap();
                assert!(by.try_recv().is_err());
                release.send(()).unwrap();
                assert_eq!(by.await.unwrap(), first);
                let (job, by) = task(None);
                lay(&desk, job).await;
                assert_eq!(by.await.unwrap(), first, "the first thread has the loop again");
            }
            ended.send(()).unwrap();
        });
        told.try_recv().unwrap();
    }

    #[test]
    fn a_job_after_a_long_silence_is_watched_again() {
        run(runtime(), |desk| async move {
            // Long enough for the second thread to stop looking; if it has not, the test shows less but holds.
            tokio::time::sleep(limits::DESK_LOOK * (limits::DESK_QUIET_LOOKS + 3)).await;
            let (release, held) = mpsc::channel();
            let (job, by) = task(Some(held));
            let late = desk.late();
            lay(&desk, job).await;
            late.await;
            release.send(()).unwrap();
            by.await.unwrap();
        });
    }

    #[test]
    fn the_end_is_not_held_up_by_a_job_that_hangs() {
        let (release, held) = mpsc::channel();
        run(runtime(), |desk| async move {
            let late = desk.late();
            lay(&desk, task(Some(held)).0).await;
            late.await;
        });
        release.send(()).unwrap();
    }

    #[test]
    fn a_panic_of_the_main_task_ends_the_run() {
        run(runtime(), |_| async { panic!("a main task that fails") });
    }
}

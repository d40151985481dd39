//! Work that is due at a moment: restarts after a crash, the end of a drain, the look for idle instances.
//!
//! One thread for a runtime, started with its first work. Tests have a timer whose clock they set.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// Short, and does not block.
type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs when they are due. What is not due when the last clone is dropped is never run.
#[derive(Clone)]
pub(crate) struct Timer(Arc<Inner>);

struct Inner {
    agenda: Mutex<Agenda>,
    bell: Condvar,
    /// `None` for the clock of the system.
    set: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Agenda {
    /// By moment, then in the order they came.
    jobs: BTreeMap<(Instant, u64), Job>,
    added: u64,
    /// Whether there is a thread for it.
    kept: bool,
}

impl Timer {
    /// A timer by the clock of the system.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner { agenda: Mutex::default(), bell: Condvar::new(), set: Mutex::new(None) }))
    }

    /// A timer whose clock stands until it is [advanced](Self::advance).
    #[cfg(test)]
    pub(crate) fn standing() -> Self {
        let timer = Self::new();
        *timer.0.set.lock() = Some(Instant::now());
        timer
    }

    /// Sets a standing clock forward and runs what is due, on this thread.
    #[cfg(test)]
    pub(crate) fn advance(&self, by: Duration) {
        let now = {
            let mut set = self.0.set.lock();
            let now = set.expect("a standing clock") + by;
            *set = Some(now);
            now
        };
        loop {
            let due = self.0.agenda.lock().due(now);
            let Some(job) = due else { return };
            job();
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.0.set.lock().unwrap_or_else(Instant::now)
    }

    /// Has `job` run at `when`. Where the system has no thread for it, it runs at once.
    pub(crate) fn at(&self, when: Instant, job: impl FnOnce() + Send + 'static) {
        let standing = self.0.set.lock().is_some();
        let mut agenda = self.0.agenda.lock();
        let number = agenda.added;
        agenda.added += 1;
        agenda.jobs.insert((when, number), Box::new(job));
        if agenda.kept || standing {
            self.0.bell.notify_one();
            return;
        }
        let inner = Arc::downgrade(&self.0);
        match thread::Builder::new().name("st-timer".into()).spawn(move || run(&inner)) {
            Ok(_) => agenda.kept = true,
            Err(error) => {
                tracing::error!("cannot start a thread for the timer: {error}");
                let job = agenda.jobs.remove(&(when, number));
                drop(agenda);
                if let Some(job) = job {
                    job();
                }
            }
        }
    }

    /// Waits until `when`.
    pub(crate) async fn sleep_until(&self, when: Instant) {
        if when <= self.now() {
            return;
        }
        let (over, when_over) = oneshot::channel::<()>();
        self.at(when, move || drop(over));
        let _ = when_over.await;
    }
}

impl Agenda {
    fn due(&mut self, now: Instant) -> Option<Job> {
        let first = self.jobs.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.bell.notify_all();
    }
}

/// How long the thread holds on to a timer whose owner may be gone.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long the thread stays without work.
const IDLE: Duration = Duration::from_secs(5);

/// Runs jobs until there were none for a while or the timer is gone.
fn run(timer: &Weak<Inner>) {
    let mut idle_since = Instant::now();
    loop {
        let Some(inner) = timer.upgrade() else { return };
        let mut agenda = inner.agenda.lock();
        let now = Instant::now();
        if let Some(job) = agenda.due(now) {
            drop(agenda);
            job();
            idle_since = Instant::now();
            continue;
        }
        let next = agenda.jobs.first_key_value().map(|((when, _), _)| *when);
        if next.is_none() && now.duration_since(idle_since) > IDLE {
            agenda.kept = false;
            return;
        }
        let until = (now + PATIENCE).min(next.unwrap_or(now + PATIENCE));
        inner.bell.wait_until(&mut agenda, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::tests::block_on;

    #[test]
    fn jobs_run_in_the_order_they_are_due() {
        let timer = Timer::standing();
        let ran = Arc::new(Mutex::new(Vec::new()));
        for seconds in [3, 1, 2, 1] {
            let ran = Arc::clone(&ran);
            timer.at(timer.now() + Duration::from_secs(seconds), move || ran.lock().push(seconds));
        }
        timer.advance(Duration::from_secs(2));
        assert_eq!(*ran.lock(), [1, 1, 2]);
        timer.advance(Duration::from_secs(1));
        assert_eq!(*ran.lock(), [1, 1, 2, 3]);
    }

    #[test]
    fn a_sleep_ends() {
        let timer = Timer::new();
        let until = Instant::now() + Duration::from_millis(5);
        block_on(timer.sleep_until(until));
        assert!(Instant::now() >= until);
    }
}

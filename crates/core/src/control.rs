//! The deadline and cancellation of the call in flight, read by guest code and by every wait in the host.
//!
//! One [`CallControl`] belongs to one instance. The thread that calls the guest brackets each call with
//! [`CallControl::enter`]; engines ask [`CallControl::check`] while guest code runs; host imports block only in
//! [`CallControl::wait`] and [`CallControl::blocking`]. Other threads cut a call with [`CallControl::cancel`] or
//! [`CallControl::stop`].

mod guest_time;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use self::guest_time::{GuestTime, thread_clock};
use crate::{
    error::{Trap, TrapKind},
    limits::Budget,
};

/// Cuts the calls made on behalf of one owner, such as a decoder session, and nobody else's.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Forgets an earlier cancellation, so that the owner's next call runs.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether the owner's call is to be cut.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The deadline and cancellation of the call in flight of one instance.
#[derive(Debug)]
pub struct CallControl {
    call: Mutex<Option<Call>>,
    bell: Condvar,
    stopped: AtomicBool,
    boundary: AtomicUsize,
}

#[derive(Debug)]
struct Call {
    budget: Budget,
    started: Instant,
    /// Time spent in host waits so far.
    host: Duration,
    guest: GuestTime,
    token: CancelToken,
}

impl Call {
    fn wall_deadline(&self) -> Instant {
        self.started + self.budget.wall
    }

    /// Time that passed outside of host waits.
    fn passed(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.host)
    }
}

/// Ends the call's deadline when dropped.
#[derive(Debug)]
#[must_use = "the call's deadline ends when this is dropped"]
pub struct CallScope<'a>(&'a CallControl);

impl CallScope<'_> {
    /// Ends the call and tells its guest time. Up to half of the budget that is what passed, and so at most too much; beyond,
    /// it is read from the thread's clock as for [`check`](CallControl::check).
    pub fn end(self) -> Duration {
        let mut call = self.0.call.lock();
        call.as_mut().map_or(Duration::ZERO, |call| {
            let passed = call.passed();
            if passed > call.budget.guest / 2 { call.guest.used(passed, thread_clock) } else { passed }
        })
    }
}

impl Drop for CallScope<'_> {
    fn drop(&mut self) {
        *self.0.call.lock() = None;
    }
}

impl Default for CallControl {
    fn default() -> Self {
        Self {
            call: Mutex::new(None),
            bell: Condvar::new(),
            stopped: AtomicBool::new(false),
            boundary: AtomicUsize::new(0),
        }
    }
}

impl CallControl {
    /// Starts the clocks of one call; they stop when the scope is dropped.
    pub fn enter(&self, budget: &Budget, token: &CancelToken) -> CallScope<'_> {
        self.boundary.store(budget.boundary_bytes, Ordering::Relaxed);
        let (started, guest) = (Instant::now(), GuestTime::new(budget.guest));
        *self.call.lock() = Some(Call { budget: *budget, started, host: Duration::ZERO, guest, token: token.clone() });
        CallScope(self)
    }

    /// Bytes the guest may hand over in the call in flight.
    pub fn boundary_bytes(&self) -> usize {
        self.boundary.load(Ordering::Relaxed)
    }

    /// Whether guest code may go on. Engines ask on the guest's own thread while guest code runs.
    ///
    /// # Errors
    /// A `Cancelled` or `Deadline` trap; the guest must be left at once. Outside a call there is no budget to
    /// run on, so that is a `Deadline` too.
    pub fn check(&self) -> Result<(), Trap> {
        let mut call = self.call.lock();
        self.alive(&call)?;
        if let Some(call) = call.as_mut()
            && call.guest.is_used_up(call.passed(), thread_clock)
        {
            let text = format!("used up its {:?} of guest time", call.budget.guest);
            return Err(Trap::new(TrapKind::Deadline, text));
        }
        Ok(())
    }

    /// Blocks inside a host import until `ready` yields, `until` passes (`None`) or the call is cut.
    ///
    /// `ready` is asked again after every [`ring`](Self::ring). It is called with the control locked: it must be
    /// short and must not call back into the control.
    ///
    /// # Errors
    /// A `Cancelled` or `Deadline` trap, which the host import passes on.
    pub fn wait<T>(&self, until: Option<Instant>, mut ready: impl FnMut() -> Option<T>) -> Result<Option<T>, Trap> {
        let began = Instant::now();
        let mut call = self.call.lock();
        let outcome = loop {
            if let Some(value) = ready() {
                break Ok(Some(value));
            }
            let deadline = match self.alive(&call) {
                Ok(call) => call.wall_deadline(),
                Err(trap) => break Err(trap),
            };
            if until.is_some_and(|until| Instant::now() >= until) {
                break Ok(None);
            }
            self.bell.wait_until(&mut call, until.map_or(deadline, |until| until.min(deadline)));
        };
        if let Some(call) = call.as_mut() {
            call.host += began.elapsed();
        }
        outcome
    }

    /// Runs a short blocking operation of the host, such as a read of a local file, outside the guest's time.
    ///
    /// # Errors
    /// A `Cancelled` or `Deadline` trap if the call was cut before or meanwhile.
    pub fn blocking<T>(&self, operation: impl FnOnce() -> T) -> Result<T, Trap> {
        self.alive(&self.call.lock())?;
        let began = Instant::now();
        let value = operation();
        let mut call = self.call.lock();
        if let Some(call) = call.as_mut() {
            call.host += began.elapsed();
        }
        self.alive(&call)?;
        Ok(value)
    }

    /// Makes a blocked [`wait`](Self::wait) look again. Called by whoever made something ready.
    pub fn ring(&self) {
        // The lock orders this ring after a waiter's look at `ready`, so that none is lost.
        let _call = self.call.lock();
        self.bell.notify_all();
    }

    /// Cuts the call in flight if it was entered with `token`.
    pub fn cancel(&self, token: &CancelToken) {
        token.0.store(true, Ordering::Release);
        self.ring();
    }

    /// Cuts the call in flight, whoever owns it; without one, does nothing to later calls.
    pub fn cut(&self) {
        let call = self.call.lock();
        if let Some(call) = &*call {
            call.token.0.store(true, Ordering::Release);
            self.bell.notify_all();
        }
    }

    /// Cuts the call in flight and every later one: the instance is being torn down.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.ring();
    }

    fn alive<'a>(&self, call: &'a MutexGuard<'_, Option<Call>>) -> Result<&'a Call, Trap> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(Trap::new(TrapKind::Cancelled, "the plugin is being stopped"));
        }
        let Some(call) = call.as_ref() else {
            return Err(Trap::new(TrapKind::Deadline, "guest code ran outside a call"));
        };
        if call.token.is_cancelled() {
            return Err(Trap::new(TrapKind::Cancelled, "the call was cancelled"));
        }
        if call.started.elapsed() > call.budget.wall {
            let text = format!("used up its {:?} of wall time", call.budget.wall);
            return Err(Trap::new(TrapKind::Deadline, text));
        }
        Ok(call)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn budget(guest: Duration, wall: Duration) -> Budget {
        Budget { guest, wall, boundary_bytes: 1 }
    }

    fn kind<T>(result: Result<T, Trap>) -> Option<TrapKind> {
        result.err().map(|trap| trap.kind)
    }

    /// Works as guest code does, asking now and then, until it is cut.
    fn spin(control: &CallControl) -> Trap {
        loop {
            if let Err(trap) = control.check() {
                return trap;
            }
            std::hint::black_box((0..1000).sum::<u64>());
        }
    }

    #[test]
    fn guest_time_excludes_host_waits() {
        let control = CallControl::default();
        let _scope = control.enter(&budget(Duration::from_millis(30), LONG), &CancelToken::default());
        let pause = Some(Instant::now() + Duration::from_millis(60));
        assert_eq!(control.wait(pause, || None::<()>), Ok(None));
        assert_eq!(control.check(), Ok(()));
        assert_eq!(spin(&control).kind, TrapKind::Deadline);
    }

    #[test]
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    fn only_what_the_processor_worked_is_guest_time() {
        let control = CallControl::default();
        let guest = Duration::from_millis(30);
        let _scope = control.enter(&budget(guest, LONG), &CancelToken::default());
        let clock = thread_clock().expect("the system tells");
        // As when others have the processor: before the first question, and between two.
        for _ in 0..4 {
            thread::sleep(2 * guest);
            assert_eq!(control.check(), Ok(()));
        }
        assert_eq!(spin(&control).message, "used up its 30ms of guest time");
        let worked = thread_clock().expect("the system tells").saturating_sub(clock);
        assert!(worked >= guest / 2, "cut after {worked:?} of work");
    }

    #[test]
    fn a_call_that_neither_works_nor_waits_ends_at_its_wall_deadline() {
        let control = CallControl::default();
        let wall = Duration::from_millis(20);
        let _scope = control.enter(&budget(LONG, wall), &CancelToken::default());
        thread::sleep(2 * wall);
        assert!(control.check().is_err_and(|trap| trap.message.contains("wall time")));
    }

    #[test]
    fn a_wait_ends_at_the_wall_deadline() {
        let control = CallControl::default();
        let _scope = control.enter(&budget(LONG, Duration::from_millis(20)), &CancelToken::default());
        assert_eq!(kind(control.wait(None, || None::<()>)), Some(TrapKind::Deadline));
    }

    #[test]
    fn a_wait_is_cancelled_from_another_thread() {
        let control = Arc::new(CallControl::default());
        let token = CancelToken::default();
        let _scope = control.enter(&budget(LONG, LONG), &token);
        let other = Arc::clone(&control);
        let thread = thread::spawn(move || other.cancel(&token));
        assert_eq!(kind(control.wait(None, || None::<()>)), Some(TrapKind::Cancelled));
        thread.join().expect("the canceller does not panic");
    }

    #[test]
    fn a_token_cuts_only_its_owners_call() {
        let control = CallControl::default();
        let (mine, other) = (CancelToken::default(), CancelToken::default());
        control.cancel(&other);
        let scope = control.enter(&budget(LONG, LONG), &mine);
        assert_eq!(control.check(), Ok(()));
        control.cancel(&mine);
        assert_eq!(kind(control.check()), Some(TrapKind::Cancelled));
        drop(scope);
        mine.reset();
        let _scope = control.enter(&budget(LONG, LONG), &mine);
        assert_eq!(control.check(), Ok(()));
    }

    #[test]
    fn a_stop_outlasts_the_call() {
        let control = CallControl::default();
        control.stop();
        let _scope = control.enter(&budget(LONG, LONG), &CancelToken::default());
        assert_eq!(kind(control.check()), Some(TrapKind::Cancelled));
        assert_eq!(kind(control.blocking(|| ())), Some(TrapKind::Cancelled));
    }

    #[test]
    fn a_ring_lets_a_wait_see_what_is_ready() {
        let control = Arc::new(CallControl::default());
        let slot = Arc::new(Mutex::new(None));
        let _scope = control.enter(&budget(LONG, LONG), &CancelToken::default());
        let (bell, filler) = (Arc::clone(&control), Arc::clone(&slot));
        let thread = thread::spawn(move || {
            *filler.lock() = Some(7);
            bell.ring();
        });
        assert_eq!(control.wait(None, || slot.lock().take()), Ok(Some(7)));
        thread.join().expect("the filler does not panic");
    }
}

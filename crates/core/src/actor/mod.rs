//! Owns instances, each on the one thread that started it; everybody else sends work there and awaits the answer.
//!
//! A *worker* is a thread that runs guests: it starts an instance, runs `on-enable`, then jobs, and at the end
//! `on-disable`. Each guest call is bracketed by its budget. A trap ends the guest: its instance is dropped at once, and
//! later work is answered with that trap. Not here: which worker a guest goes to, how many a component has, and which one
//! serves a session (`schedule`).

mod guest;
mod pace;
mod session;
mod stats;
#[cfg(test)]
pub(crate) mod tests;
mod worker;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::{broadcast, oneshot};

pub(crate) use guest::Guest;
pub(crate) use pace::Pace;
pub use session::Canceller;
pub(crate) use session::Session;
pub(crate) use stats::Counters;
pub use stats::{ComponentStats, Quantiles};
pub use worker::Priority;
pub(crate) use worker::{Newcomer, Worker, WorkerId, current};

use self::{guest::Gone, worker::NotTaken};
use crate::{
    control::CallControl,
    engine::Program,
    error::{Error, ErrorKind, Result, Trap},
    event::Event,
    host::Services,
    limits::{Budgets, Limits, PLUGIN_CALLS},
    table::ObjectId,
    types::DisableReason,
    wasi::LogSink,
};

/// What an instance is made from.
pub(crate) struct Setup {
    pub(crate) plugin_id: String,
    pub(crate) component_id: String,
    pub(crate) instance: u64,
    pub(crate) services: Services,
    pub(crate) limits: Limits,
    pub(crate) budgets: Arc<Budgets>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) log: Box<dyn LogSink>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) pace: Arc<Pace>,
    /// Jobs of the plugin that wait or run, over all of its guests.
    pub(crate) in_flight: Arc<AtomicUsize>,
    /// Called on the guest's thread, with no lock held.
    pub(crate) tell: Tell,
}

/// Hears how a guest fares.
pub(crate) type Tell = Box<dyn Fn(Report) + Send + Sync>;

/// How a guest fares. One of the last five is told, once, before the guest counts as gone; the others while it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// It can be used.
    Enabled,
    /// Its component's calls came close to their budgets for most of a window.
    Dripped,
    /// It ended as it was told to.
    Ended,
    /// It trapped after it was enabled.
    Trapped(Trap),
    /// It trapped before.
    NotStarted(Trap),
    /// Its `on-enable` said no.
    Refused(String),
    /// It was given up before it was started.
    Dropped,
}

/// A handle to a guest. The guest ends when the last one is dropped.
pub(crate) struct Actor {
    worker: Worker,
    seat: u64,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    pace: Arc<Pace>,
    in_flight: Arc<AtomicUsize>,
    started: Mutex<Option<oneshot::Receiver<Result<()>>>>,
}

/// What a guest's thread and everybody else share.
struct Shared {
    control: Arc<CallControl>,
    /// What `on-disable` will be told.
    reason: Mutex<Reason>,
    /// Whether it ends after the job in hand.
    ending: AtomicBool,
    /// Whether its last calls are made: closing, and `on-disable`.
    closing: AtomicBool,
    ready: AtomicBool,
    /// Objects whose owners are gone.
    orphans: Mutex<Vec<ObjectId>>,
    sessions: AtomicUsize,
    life: Mutex<Life>,
    changed: Condvar,
}

/// Why a guest ends, which what happens later does not change.
#[derive(Clone, Copy)]
enum Reason {
    /// If nothing else comes before it is left.
    SoFar(DisableReason),
    Settled(DisableReason),
}

impl Reason {
    fn get(self) -> DisableReason {
        let (Self::SoFar(reason) | Self::Settled(reason)) = self;
        reason
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Life {
    Running,
    Trapped(Trap),
    /// Nothing of it is left.
    Gone(Option<Trap>),
}

impl Actor {
    /// Has an instance started and enabled on the worker that `seat` takes it to; [`ready`](Self::ready) awaits that.
    ///
    /// # Errors
    /// Those of `seat`; nothing is left then but a report.
    pub(crate) fn start(
        program: Arc<dyn Program>,
        mut setup: Setup,
        seat: impl FnOnce(Newcomer) -> Result<(Worker, u64)>,
    ) -> Result<Arc<Self>> {
        let shared = Arc::new(Shared::new());
        let tell = std::mem::replace(&mut setup.tell, Box::new(|_| ()));
        let gone = Gone::new(Arc::clone(&shared), tell);
        let (counters, in_flight) = (Arc::clone(&setup.counters), Arc::clone(&setup.in_flight));
        let pace = Arc::clone(&setup.pace);
        let (ready, started) = oneshot::channel();
        let newcomer = Newcomer {
            plugin: setup.plugin_id.as_str().into(),
            shared: Arc::clone(&shared),
            start: Box::new(move || guest::start(&*program, setup, gone, ready)),
        };
        let (worker, seat) = seat(newcomer)?;
        Ok(Arc::new(Self { worker, seat, shared, counters, pace, in_flight, started: Mutex::new(Some(started)) }))
    }

    /// Awaits the end of the start. For whoever started it.
    ///
    /// # Errors
    /// What start or `on-enable` answered; `cancelled` where the guest was ended before.
    pub(crate) async fn ready(&self) -> Result<()> {
        let started = self.started.lock().take();
        match started {
            Some(started) => started.await.unwrap_or_else(|_| Err(self.ended())),
            None => Ok(()),
        }
    }

    /// Runs `job` on the guest's thread and awaits its answer.
    ///
    /// # Errors
    /// The job's; `busy` when too many wait; the trap that ended the guest; `cancelled` when it was ended.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        priority: Priority,
        job: impl FnOnce(&mut Guest) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Some(flight) = Flight::begin(&self.in_flight) else {
            self.counters.busy.add();
            return Err(busy());
        };
        let (answer, answered) = oneshot::channel();
        let (counters, queued) = (Arc::clone(&self.counters), Instant::now());
        let job: worker::Job = Box::new(move |guest| {
            counters.waited(queued.elapsed());
            // Whatever a job leaves half done belongs to a guest that is then gone.
            let result = catch_unwind(AssertUnwindSafe(|| job(guest))).unwrap_or_else(|_| Err(guest.panicked()));
            drop(flight);
            // A caller that no longer listens drops what it would have got, which releases it.
            let _ = answer.send(result);
        });
        match self.worker.push(self.seat, self.pace.priority(priority, queued), job) {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(self.ended())),
            Err(NotTaken::Full) => {
                self.counters.busy.add();
                Err(busy())
            }
            Err(NotTaken::Gone) => Err(self.ended()),
        }
    }

    /// Whether new sessions can be opened here.
    pub(crate) fn is_usable(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire) && self.may_be_used()
    }

    /// Whether new sessions can be opened here, now or when it is started.
    pub(crate) fn may_be_used(&self) -> bool {
        *self.shared.life.lock() == Life::Running && !self.shared.ending() && !self.shared.is_closing()
    }

    /// Sessions that are open here.
    pub(crate) fn sessions(&self) -> usize {
        self.shared.sessions.load(Ordering::Acquire)
    }

    /// The worker it lives on.
    pub(crate) fn worker(&self) -> WorkerId {
        self.worker.id()
    }

    /// What ends the guest, for whoever does not use it.
    pub(crate) fn exit(&self) -> Exit {
        Exit { worker: self.worker.clone(), shared: Arc::clone(&self.shared) }
    }

    fn ended(&self) -> Error {
        match &*self.shared.life.lock() {
            Life::Trapped(trap) | Life::Gone(Some(trap)) => trap.clone().into(),
            _ => Error::new(ErrorKind::Cancelled, "the plugin was stopped before it answered"),
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let mut reason = self.shared.reason.lock();
        *reason = Reason::Settled(reason.get());
        drop(reason);
        self.worker.leave(self.seat);
    }
}

/// Ends a guest without being one of its handles.
#[derive(Clone)]
pub(crate) struct Exit {
    worker: Worker,
    shared: Arc<Shared>,
}

impl Exit {
    /// Says why the guest will be disabled when its last handle is gone.
    pub(crate) fn retire(&self, reason: DisableReason) {
        if let Reason::SoFar(so_far) = &mut *self.shared.reason.lock() {
            *so_far = reason;
        }
    }

    /// Ends the guest after the job in hand; `on-disable` is told `reason`. Does not wait.
    pub(crate) fn end(&self, reason: DisableReason) {
        self.retire(reason);
        self.shared.ending.store(true, Ordering::Release);
        self.worker.ring();
    }

    /// Cuts the call in flight of a guest that should have ended, but not its last ones.
    pub(crate) fn cut(&self) {
        if !self.shared.is_closing() {
            self.shared.control.cut();
        }
    }

    /// Cuts whatever the guest does, for good.
    pub(crate) fn stop(&self) {
        self.shared.control.stop();
    }

    /// Whether nothing of the guest is left.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(*self.shared.life.lock(), Life::Gone(_))
    }

    /// Waits until the guest is gone, at most until `deadline`; says whether it is.
    pub(crate) fn wait_gone(&self, deadline: Instant) -> bool {
        let mut life = self.shared.life.lock();
        while !matches!(*life, Life::Gone(_)) {
            if self.shared.changed.wait_until(&mut life, deadline).timed_out() {
                break;
            }
        }
        matches!(*life, Life::Gone(_))
    }

    /// Whether it runs on that worker, which then cannot wait for it.
    pub(crate) fn is_on(&self, worker: Option<WorkerId>) -> bool {
        worker == Some(self.worker.id())
    }
}

impl Shared {
    fn new() -> Self {
        Self {
            control: Arc::default(),
            reason: Mutex::new(Reason::SoFar(DisableReason::HostDisable)),
            ending: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            orphans: Mutex::default(),
            sessions: AtomicUsize::new(0),
            life: Mutex::new(Life::Running),
            changed: Condvar::new(),
        }
    }

    fn ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn close_up(&self) {
        self.closing.store(true, Ordering::Release);
    }

    fn ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    fn gone(&self) {
        let mut life = self.life.lock();
        *life = match &*life {
            Life::Trapped(trap) => Life::Gone(Some(trap.clone())),
            _ => Life::Gone(None),
        };
        self.changed.notify_all();
    }
}

/// One job of a plugin that waits or runs.
struct Flight(Arc<AtomicUsize>);

impl Flight {
    /// Counts one more, unless there are too many.
    fn begin(in_flight: &Arc<AtomicUsize>) -> Option<Self> {
        let one_more = |flying: usize| (flying < PLUGIN_CALLS).then_some(flying + 1);
        let counted = in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        counted.is_ok().then(|| Self(Arc::clone(in_flight)))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn busy() -> Error {
    Error::new(ErrorKind::Busy, "the plugin has too many calls waiting").help("try again when some have finished")
}

//! Owns one instance on one thread; everybody else sends it work and awaits the answer.
//!
//! The thread starts the instance, runs `on-enable`, then jobs in the order they came, and at the end `on-disable`.
//! Each guest call is bracketed by its budget. A trap ends the actor: its instance is dropped at once, and later
//! work is answered with that trap. Not here: how many actors a component has, and which one serves a session
//! (`schedule`).

mod session;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::{broadcast, oneshot};

pub use session::Canceller;
pub(crate) use session::Session;

use crate::{
    control::{CallControl, CancelToken},
    engine::{Instance, Program},
    error::{CallError, CallResult, Error, ErrorKind, Result, Trap, TrapKind},
    event::Event,
    host::{Host, Services},
    limits::{Budgets, CallClass, Limits},
    table::ObjectId,
    types::DisableReason,
    wasi::LogSink,
};

/// Jobs that wait for one actor; a session sends one at a time, so this many sessions are served.
const QUEUE: usize = 64;

/// Stack of a worker: an engine's guest stack (512 KiB) and the host imports below it fit many times.
const STACK_BYTES: usize = 4 * 1024 * 1024;

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
}

/// A handle to a guest's thread. The guest is torn down when the last one is dropped.
pub(crate) struct Actor {
    jobs: SyncSender<Job>,
    shared: Arc<Shared>,
}

type Job = Box<dyn FnOnce(&mut Guest) + Send>;

struct Shared {
    control: Arc<CallControl>,
    /// What `on-disable` will be told.
    reason: Mutex<DisableReason>,
    /// Whether the actor ends after the job in hand.
    ending: AtomicBool,
    /// Objects whose owners are gone.
    orphans: Mutex<Vec<ObjectId>>,
    sessions: AtomicUsize,
    life: Mutex<Life>,
    changed: Condvar,
}

#[derive(Clone, PartialEq, Eq)]
enum Life {
    Running,
    Trapped(Trap),
    /// The thread is at its end and the instance dropped.
    Gone(Option<Trap>),
}

impl Actor {
    /// Starts an instance on a thread of its own and enables it.
    ///
    /// # Errors
    /// What start or `on-enable` answered; nothing is left running then.
    pub(crate) async fn start(program: Arc<dyn Program>, setup: Setup) -> Result<Arc<Self>> {
        let (jobs, queue) = sync_channel(QUEUE);
        let shared = Arc::new(Shared {
            control: Arc::default(),
            reason: Mutex::new(DisableReason::HostDisable),
            ending: AtomicBool::new(false),
            orphans: Mutex::default(),
            sessions: AtomicUsize::new(0),
            life: Mutex::new(Life::Running),
            changed: Condvar::new(),
        });
        let actor = Arc::new(Self { jobs, shared: Arc::clone(&shared) });
        let (ready, started) = oneshot::channel();
        thread::Builder::new()
            .name(thread_name(&setup.component_id))
            .stack_size(STACK_BYTES)
            .spawn(move || run(&*program, setup, &shared, &queue, ready))
            .map_err(|error| {
                Error::new(ErrorKind::Io, format!("cannot start a thread for the plugin: {error}")).source_error(error)
            })?;
        started.await.unwrap_or_else(|_| Err(lost()))?;
        Ok(actor)
    }

    /// Runs `job` on the guest's thread and awaits its answer.
    ///
    /// # Errors
    /// The job's; `busy` when the queue is full; the trap that ended the guest; `cancelled` when the actor closed.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Guest) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |guest| {
            // A caller that no longer listens drops what it would have got, which releases it.
            let _ = answer.send(job(guest));
        });
        match self.jobs.try_send(job) {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(self.ended())),
            Err(TrySendError::Full(_)) => Err(Error::new(ErrorKind::Busy, "the plugin has too many calls waiting")
                .help("try again when some have finished")),
            Err(TrySendError::Disconnected(_)) => Err(self.ended()),
        }
    }

    /// Whether new sessions can be opened here.
    pub(crate) fn is_usable(&self) -> bool {
        *self.shared.life.lock() == Life::Running && !self.shared.ending.load(Ordering::Acquire)
    }

    /// Sessions that are open here.
    pub(crate) fn sessions(&self) -> usize {
        self.shared.sessions.load(Ordering::Acquire)
    }

    /// Says why the guest will be disabled when its last session and handle are gone.
    pub(crate) fn retire(&self, reason: DisableReason) {
        *self.shared.reason.lock() = reason;
    }

    /// Ends the guest now: no further job runs, the call in flight is cut unless it ends within `grace`, then
    /// `on-disable(reason)` runs if the guest lives. Blocks until it is gone, at most until `deadline`; says whether it is.
    pub(crate) fn tear_down(&self, reason: DisableReason, grace: Duration, deadline: Instant) -> bool {
        self.retire(reason);
        self.shared.ending.store(true, Ordering::Release);
        // Wakes an idle thread; a busy one looks at `ending` after its job.
        let _ = self.jobs.try_send(Box::new(|_| ()));
        if self.wait_gone((Instant::now() + grace).min(deadline)) {
            return true;
        }
        self.shared.control.stop();
        self.wait_gone(deadline)
    }

    fn wait_gone(&self, deadline: Instant) -> bool {
        let mut life = self.shared.life.lock();
        while !matches!(*life, Life::Gone(_)) {
            if self.shared.changed.wait_until(&mut life, deadline).timed_out() {
                return matches!(*life, Life::Gone(_));
            }
        }
        true
    }

    fn ended(&self) -> Error {
        match &*self.shared.life.lock() {
            Life::Trapped(trap) | Life::Gone(Some(trap)) => trap.clone().into(),
            _ => Error::new(ErrorKind::Cancelled, "the plugin was stopped before it answered"),
        }
    }
}

/// The guest as its own thread sees it.
pub(crate) struct Guest {
    instance: Result<Box<dyn Instance>, Trap>,
    /// What sessions hold in the instance.
    objects: Vec<ObjectId>,
    shared: Arc<Shared>,
    plugin_id: String,
    component_id: String,
    budgets: Arc<Budgets>,
    events: broadcast::Sender<Event>,
}

impl Guest {
    /// Makes one guest call under the budget of its class.
    ///
    /// # Errors
    /// The guest's refusal, or the trap that ended it now or before, as the public error.
    pub(crate) fn call<T>(
        &mut self,
        operation: &'static str,
        class: CallClass,
        token: &CancelToken,
        call: impl FnOnce(&mut dyn Instance) -> CallResult<T>,
    ) -> Result<T> {
        self.raw_call(operation, class, token, call)
            .map_err(|error| Error::from(error).plugin(self.plugin_id.clone()).during(operation))
    }

    fn raw_call<T>(
        &mut self,
        operation: &'static str,
        class: CallClass,
        token: &CancelToken,
        call: impl FnOnce(&mut dyn Instance) -> CallResult<T>,
    ) -> CallResult<T> {
        let instance = self.instance.as_mut().map_err(|trap| trap.clone())?;
        let scope = self.shared.control.enter(self.budgets.of(class), token);
        let result = catch_unwind(AssertUnwindSafe(|| call(&mut **instance)))
            .unwrap_or_else(|_| Err(Trap::new(TrapKind::Host, "the host panicked during the call").into()));
        drop(scope);
        if let Err(CallError::Trap(trap)) = &result {
            self.discard(operation, trap.clone());
        }
        result
    }

    fn discard(&mut self, operation: &'static str, trap: Trap) {
        tracing::warn!(operation, kind = trap.kind.name(), "plugin stopped: {}", trap.message);
        *self.shared.life.lock() = Life::Trapped(trap.clone());
        self.instance = Err(trap.clone());
        let _ = self.events.send(Event::Stopped {
            plugin_id: self.plugin_id.clone(),
            component_id: self.component_id.clone(),
            trap,
        });
    }

    fn close_orphans(&mut self) {
        let orphans = std::mem::take(&mut *self.shared.orphans.lock());
        for object in orphans {
            self.objects.retain(|open| *open != object);
            self.close(object, CallClass::Stream);
        }
    }

    /// Closes an object that no session holds.
    pub(crate) fn close(&mut self, object: ObjectId, class: CallClass) {
        // A guest that is gone has nothing left to close, and a trap has been reported by the call.
        let _ = self.raw_call("close", class, &CancelToken::default(), |instance| Ok(instance.close(object)?));
    }

    /// Closes what is open, then runs `on-disable` (plugin contract 4.2).
    fn end(&mut self) {
        for object in std::mem::take(&mut self.objects) {
            self.close(object, CallClass::Disable);
        }
        if self.instance.is_ok() {
            let reason = *self.shared.reason.lock();
            self.disable(reason);
        }
    }

    fn disable(&mut self, reason: DisableReason) {
        let (operation, token) = ("on-disable", CancelToken::default());
        let Err(error) = self.raw_call(operation, CallClass::Disable, &token, |instance| instance.disable(reason))
        else {
            return;
        };
        tracing::warn!(operation, "the plugin's disable hook failed: {error}");
        let _ = self.events.send(Event::DisableFailed {
            plugin_id: self.plugin_id.clone(),
            component_id: self.component_id.clone(),
            reason: error.to_string(),
        });
    }
}

/// The actor's thread, from start to end.
fn run(
    program: &dyn Program,
    setup: Setup,
    shared: &Arc<Shared>,
    queue: &Receiver<Job>,
    ready: oneshot::Sender<Result<()>>,
) {
    let _gone = Gone(shared);
    let Setup { plugin_id, component_id, instance, services, limits, budgets, events, log } = setup;
    // At `error`, so that its fields are there at every log level.
    let span = tracing::error_span!("guest", plugin = plugin_id, component = component_id, instance);
    let _entered = span.enter();
    let control = Arc::clone(&shared.control);
    let host = Host::new(services, &limits, Arc::clone(&control), log);
    let token = CancelToken::default();
    let scope = control.enter(&budgets.start, &token);
    let started = program.start(host, &limits, Arc::clone(&control));
    drop(scope);
    let shared = Arc::clone(shared);
    let mut guest = Guest { instance: started, objects: Vec::new(), shared, plugin_id, component_id, budgets, events };
    if let Err(trap) = &guest.instance {
        let trap = trap.clone();
        let error = Error::from(trap.clone()).plugin(guest.plugin_id.clone()).during("start");
        guest.discard("start", trap);
        let _ = ready.send(Err(error));
        return;
    }
    if let Err(error) = guest.call("on-enable", CallClass::Enable, &token, |instance| instance.enable()) {
        let _ = ready.send(Err(error));
        return;
    }
    let _ = guest
        .events
        .send(Event::Started { plugin_id: guest.plugin_id.clone(), component_id: guest.component_id.clone() });
    let _ = ready.send(Ok(()));
    serve(&mut guest, queue);
    guest.end();
}

/// Runs jobs until the guest is gone, the actor is torn down, or nobody can send any more.
fn serve(guest: &mut Guest, queue: &Receiver<Job>) {
    let ending = |guest: &Guest| guest.shared.ending.load(Ordering::Acquire);
    while let Ok(job) = queue.recv() {
        guest.close_orphans();
        if guest.instance.is_err() || ending(guest) {
            return;
        }
        job(guest);
        if guest.instance.is_err() || ending(guest) {
            return;
        }
    }
    guest.close_orphans();
}

/// Marks the thread's end, however it came.
struct Gone<'a>(&'a Shared);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        let mut life = self.0.life.lock();
        *life = match &*life {
            Life::Trapped(trap) => Life::Gone(Some(trap.clone())),
            _ => Life::Gone(None),
        };
        self.0.changed.notify_all();
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::Internal, "the plugin's thread ended without an answer")
}

/// Linux shows 15 bytes of a thread's name.
fn thread_name(component_id: &str) -> String {
    format!("st-{component_id}").chars().take(15).collect()
}

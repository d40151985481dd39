//! A guest as its own thread sees it: its calls within their budgets, what is left open, its end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use tokio::sync::{broadcast, oneshot};

use super::{Counters, Life, Pace, Report, Setup, Shared, Tell, stats::Memory};
use crate::{
    control::CancelToken,
    engine::{Instance, Program},
    error::{CallError, CallResult, Error, Result, Trap, TrapKind},
    event::Event,
    host::Host,
    limits::{Budgets, CallClass},
    table::ObjectId,
    types::DisableReason,
};

/// The guest as its own thread sees it.
pub(crate) struct Guest {
    instance: Result<Box<dyn Instance>, Trap>,
    /// What sessions hold in the instance.
    pub(super) objects: Vec<ObjectId>,
    plugin_id: String,
    component_id: String,
    budgets: Arc<Budgets>,
    events: broadcast::Sender<Event>,
    counters: Arc<Counters>,
    pace: Arc<Pace>,
    memory: Memory,
    span: tracing::Span,
    /// Dropped last: who waits for the end must find nothing left of the guest.
    gone: Gone,
}

/// Starts and enables an instance; `None` when that failed and was told.
pub(super) fn start(
    program: &dyn Program,
    setup: Setup,
    mut gone: Gone,
    ready: oneshot::Sender<Result<()>>,
) -> Option<Guest> {
    let Setup { plugin_id, component_id, instance, services, limits, budgets, events, log, counters, pace, .. } = setup;
    // At `error`, so that its fields are there at every log level.
    let span = tracing::error_span!("guest", plugin = plugin_id, component = component_id, instance);
    let entered = span.clone().entered();
    counters.starts.add();
    let control = Arc::clone(&gone.shared.control);
    let host = Host::new(services, &limits, Arc::clone(&control), log);
    let token = CancelToken::default();
    let scope = control.enter(&budgets.start, &token);
    // A panic leaves nothing behind but the start's own values, which are dropped.
    let started = catch_unwind(AssertUnwindSafe(|| program.start(host, &limits, Arc::clone(&control))))
        .unwrap_or_else(|_| Err(panicked("the start")));
    drop(scope);
    drop(entered);
    gone.phase = Phase::Starting;
    let mut memory = Memory::new(&counters);
    if let Ok(instance) = &started {
        memory.is(instance.memory_bytes());
    }
    let mut guest = Guest {
        instance: started,
        objects: Vec::new(),
        plugin_id,
        component_id,
        budgets,
        events,
        counters,
        pace,
        memory,
        span,
        gone,
    };
    let enabled = match &guest.instance {
        Err(trap) => {
            let trap = trap.clone();
            let error = Error::from(trap.clone()).plugin(guest.plugin_id.clone()).during("start");
            guest.discard("start", trap);
            Err(error)
        }
        Ok(_) => {
            guest.call("on-enable", CallClass::Enable, &token, |instance| instance.enable()).inspect_err(|error| {
                // A trap was reported by the call.
                if guest.gone.phase == Phase::Starting {
                    guest.gone.report(Report::Refused(error.to_string()));
                }
            })
        }
    };
    match enabled {
        Ok(()) => {
            guest.gone.enabled();
            // Whoever asked may have gone; the guest is then there for the next.
            let _ = ready.send(Ok(()));
            Some(guest)
        }
        Err(error) => {
            drop(guest);
            let _ = ready.send(Err(error));
            None
        }
    }
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
        let span = tracing::error_span!(parent: &self.span, "call", call = operation).entered();
        let began = Instant::now();
        let budget = self.budgets.of(class);
        let scope = self.gone.shared.control.enter(budget, token);
        let result = catch_unwind(AssertUnwindSafe(|| call(&mut **instance)))
            .unwrap_or_else(|_| Err(panicked("the call").into()));
        let (guest, ended) = (scope.end(), Instant::now());
        let dripped = self.pace.called(guest, budget.guest, ended);
        self.counters.called(ended.saturating_duration_since(began));
        self.memory.is(instance.memory_bytes());
        match &result {
            Ok(_) => {}
            Err(CallError::Plugin(_)) => self.counters.refused(),
            Err(CallError::Trap(trap)) => self.discard(operation, trap.clone()),
        }
        // What was cut is told as a crash.
        if dripped && self.lives() {
            self.gone.dripped();
        }
        drop(span);
        result
    }

    /// Drops the instance, and with it what it held of the host.
    fn discard(&mut self, operation: &'static str, trap: Trap) {
        tracing::warn!(operation, kind = trap.kind.name(), "plugin stopped: {}", trap.message);
        self.counters.trapped(trap.kind);
        *self.gone.shared.life.lock() = Life::Trapped(trap.clone());
        self.instance = Err(trap.clone());
        self.memory.is(0);
        self.objects.clear();
        let _ = self.events.send(Event::Stopped {
            plugin_id: self.plugin_id.clone(),
            component_id: self.component_id.clone(),
            trap: trap.clone(),
        });
        self.gone.report(Report::Trapped(trap));
    }

    /// Whether calls can still be made.
    pub(super) fn lives(&self) -> bool {
        self.instance.is_ok()
    }

    /// A job of the host panicked: nobody knows what state it left the instance in.
    pub(super) fn panicked(&mut self) -> Error {
        let trap = panicked("a job");
        if self.lives() {
            self.discard("job", trap.clone());
        }
        Error::from(trap).plugin(self.plugin_id.clone())
    }

    /// Closes the objects whose owners are gone.
    pub(super) fn tidy(&mut self) {
        let orphans = std::mem::take(&mut *self.gone.shared.orphans.lock());
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

    /// Closes what is open, then runs `on-disable` (plugin contract 4.2). All closing together has the time of one call.
    pub(super) fn end(mut self) {
        self.gone.shared.close_up();
        let until = Instant::now() + self.budgets.of(CallClass::Disable).wall;
        for object in std::mem::take(&mut self.objects) {
            if Instant::now() < until {
                self.close(object, CallClass::Disable);
            }
        }
        if self.lives() {
            let reason = self.gone.shared.reason.lock().get();
            self.disable(reason);
        }
    }

    fn disable(&mut self, reason: DisableReason) {
        let (operation, token) = ("on-disable", CancelToken::default());
        let disabled = self.raw_call(operation, CallClass::Disable, &token, |instance| instance.disable(reason));
        let (plugin_id, component_id) = (self.plugin_id.clone(), self.component_id.clone());
        let event = match disabled {
            Ok(()) => Event::Ended { plugin_id, component_id, reason },
            Err(error) => {
                tracing::warn!(operation, "the plugin's disable hook failed: {error}");
                Event::DisableFailed { plugin_id, component_id, reason: error.to_string() }
            }
        };
        let _ = self.events.send(event);
    }
}

fn panicked(what: &str) -> Trap {
    Trap::new(TrapKind::Host, format!("the host panicked during {what}"))
}

/// How far a guest came, and so what its end is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its start was not tried.
    Waiting,
    Starting,
    Enabled,
    /// Its end has been told.
    Told,
}

/// Tells of the guest's end once, however it comes, and then marks it as gone.
pub(super) struct Gone {
    shared: Arc<Shared>,
    phase: Phase,
    tell: Tell,
}

impl Gone {
    pub(super) fn new(shared: Arc<Shared>, tell: Tell) -> Self {
        Self { shared, phase: Phase::Waiting, tell }
    }

    fn enabled(&mut self) {
        self.phase = Phase::Enabled;
        self.shared.ready();
        (self.tell)(Report::Enabled);
    }

    fn dripped(&self) {
        (self.tell)(Report::Dripped);
    }

    /// The first bad news is the end; what follows it is not told.
    fn report(&mut self, report: Report) {
        let report = match (self.phase, report) {
            (Phase::Told, _) => return,
            (Phase::Enabled, Report::Trapped(trap)) => Report::Trapped(trap),
            (_, Report::Trapped(trap)) => Report::NotStarted(trap),
            (_, other) => other,
        };
        self.phase = Phase::Told;
        // A trap of `on-disable` or of a last `close` ends a guest that was leaving anyway.
        let leaving = self.shared.is_closing() && matches!(report, Report::Trapped(_));
        self.shared.close_up();
        (self.tell)(if leaving { Report::Ended } else { report });
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        match self.phase {
            Phase::Enabled => self.report(Report::Ended),
            Phase::Waiting | Phase::Starting => self.report(Report::Dropped),
            Phase::Told => {}
        }
        self.shared.gone();
    }
}

//! Keeps a guest within its limits, and says in core's words what ended one.
//!
//! [`Clock`] makes running guest code ask its [`CallControl`] every few milliseconds, [`Limiter`] counts memory and
//! tables over a whole store, and [`run`] enters the guest and turns each of Wasmtime's failures into a [`Trap`].
//! Which deadline a call has is not decided here.

use std::{
    any::Any,
    io,
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    sync::{Arc, OnceLock},
    thread::{self, Thread},
    time::Duration,
};

use stellatune_plugin_core::{
    control::CallControl,
    error::{Trap, TrapKind},
    limits::{Limits, MEMORIES, TABLES},
};
use wasmtime::{Error, ResourceLimiter, Store, Trap as Code, UpdateDeadline};

use crate::program::State;

/// How often a running guest is asked whether it may go on: a cut comes at most this much late, plus what the
/// system takes to wake a thread.
const TICK: Duration = Duration::from_millis(4);

/// Ticks without a call after which the clock stops until the next one. A second: a player that plays calls more
/// often, one that is idle must not be woken 250 times a second.
const IDLE_TICKS: u32 = 250;

/// Ticks while calls are made: advances the epoch of an engine.
///
/// Entering and leaving a call costs an atomic addition each; the thread that ticks notices both by itself.
pub(crate) struct Clock {
    entered: AtomicU64,
    left: AtomicU64,
    stopped: AtomicBool,
    thread: OnceLock<Thread>,
}

/// A call in flight, to the clock.
pub(crate) struct Ticking<'a>(&'a Clock);

impl Clock {
    /// Starts a clock, whose thread lives as long as the process.
    pub(crate) fn start(tick: impl Fn() + Send + 'static) -> io::Result<&'static Self> {
        let clock: &'static Self = Box::leak(Box::new(Self {
            entered: AtomicU64::new(0),
            left: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            thread: OnceLock::new(),
        }));
        // A runaway guest is cut only while this thread lives, so a panic does not end it. // R10
        let ticking = move || while panic::catch_unwind(AssertUnwindSafe(|| clock.run(&tick))).is_err() {};
        let thread = thread::Builder::new().name("wasmtime-epoch".into()).spawn(ticking)?;
        clock.thread.get_or_init(|| thread.thread().clone());
        Ok(clock)
    }

    /// Makes the clock tick until the answer is dropped.
    pub(crate) fn enter(&self) -> Ticking<'_> {
        // Sequential consistency here and in `rest`: either the clock sees this call, or this call sees it stopped.
        self.entered.fetch_add(1, Ordering::SeqCst);
        if self.stopped.load(Ordering::SeqCst) {
            self.wake();
        }
        Ticking(self)
    }

    #[cold]
    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn run(&self, tick: &impl Fn()) {
        let (mut seen, mut idle) = (0, 0);
        loop {
            thread::sleep(TICK);
            tick();
            let entered = self.entered.load(Ordering::SeqCst);
            let busy = entered != seen || entered != self.left.load(Ordering::SeqCst);
            seen = entered;
            idle = if busy { 0 } else { idle + 1 };
            if idle == IDLE_TICKS {
                self.rest(seen);
                idle = 0;
            }
        }
    }

    /// Sleeps until a call after the `seen` first ones is entered.
    fn rest(&self, seen: u64) {
        self.stopped.store(true, Ordering::SeqCst);
        while self.entered.load(Ordering::SeqCst) == seen {
            thread::park();
        }
        self.stopped.store(false, Ordering::SeqCst);
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.left.fetch_add(1, Ordering::SeqCst);
    }
}

/// Puts `store` under `limits` for good, and under `control` while it runs.
pub(crate) fn confine(store: &mut Store<State>, limits: &Limits, control: Arc<CallControl>) {
    store.limiter(|state| &mut state.limiter);
    store.set_max_component_handles(limits.handles);
    store.epoch_deadline_callback(move |_| {
        control.check()?;
        Ok(UpdateDeadline::Continue(1))
    });
}

/// Runs guest code. Whatever ends it, a panic of the host included, comes back as a trap.
pub(crate) fn run<R>(
    clock: &Clock,
    store: &mut Store<State>,
    guest: impl FnOnce(&mut Store<State>) -> wasmtime::Result<R>,
) -> Result<R, Trap> {
    let boundary_bytes = store.data().host.control().boundary_bytes();
    store.set_hostcall_fuel(boundary_bytes);
    store.set_epoch_deadline(1);
    let _ticking = clock.enter();
    // The store is not entered again after a panic, so that nobody sees what it left half done.
    match panic::catch_unwind(AssertUnwindSafe(|| guest(store))) {
        Ok(result) => result.map_err(trap),
        Err(payload) => Err(panicked(&*payload)),
    }
}

/// What a store holds and may hold, over all of its memories and tables together.
pub(crate) struct Limiter {
    memory: Account,
    tables: Account,
    instances: usize,
}

/// Nothing is given back: memories live as long as their store, and a growth the system then refuses stays taken.
struct Account {
    used: usize,
    most: usize,
}

impl Account {
    /// Takes what a growth needs; `false` when that is too much or the type's own maximum forbids it.
    fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        let more = desired.saturating_sub(current);
        let fits = maximum.is_none_or(|maximum| desired <= maximum) && more <= self.most - self.used;
        if fits {
            self.used += more;
        }
        fits
    }
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: Account { used: 0, most: limits.memory_bytes },
            tables: Account { used: 0, most: limits.table_elements },
            instances: limits.core_instances,
        }
    }

    /// Bytes of all memories.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory.used
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.memory.grow(current, desired, maximum))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.tables.grow(current, desired, maximum))
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }
}

/// What ended a guest, from the error its call returned.
///
/// A trap of core's own (a deadline, a host import) comes through as it is.
pub(crate) fn trap(error: Error) -> Trap {
    match error.downcast::<Trap>() {
        Ok(trap) => trap,
        Err(error) => match error.downcast_ref::<Code>() {
            Some(code) => Trap::new(kind(*code), code.to_string()),
            None => without_code(&error),
        },
    }
}

/// What a host import that panicked does to the guest that called it.
fn panicked(payload: &(dyn Any + Send)) -> Trap {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    Trap::new(TrapKind::Host, format!("the host panicked: {}", text.unwrap_or("no message")))
}

fn kind(code: Code) -> TrapKind {
    match code {
        Code::StackOverflow => TrapKind::Stack,
        Code::MemoryOutOfBounds
        | Code::HeapMisaligned
        | Code::TableOutOfBounds
        | Code::IndirectCallToNull
        | Code::BadSignature
        | Code::NullReference
        | Code::ArrayOutOfBounds => TrapKind::Bounds,
        Code::IntegerOverflow | Code::IntegerDivisionByZero | Code::BadConversionToInteger => TrapKind::Arithmetic,
        Code::UnreachableCodeReached => TrapKind::Unreachable,
        Code::Interrupt | Code::OutOfFuel => TrapKind::Deadline,
        Code::AllocationTooLarge => TrapKind::Memory,
        // What is left are faults in the use of the canonical ABI.
        _ => TrapKind::Abi,
    }
}

/// Wasmtime reports breaches of the canonical ABI, of its limits, and what the system refuses as texts only; the latter two
/// are told by theirs, which tests pin to its exact version.
fn without_code(error: &Error) -> Trap {
    const LIMITS: [&str; 5] = [
        "fuel allocated for hostcalls has been exhausted",
        "store handle limit exceeded",
        "exceeds memory limits",
        "exceeds table limits",
        "resource limit exceeded",
    ];
    // No fault of the guest's: descriptors or address space are used up. // R04
    const SYSTEM: [&str; 2] = ["(os error ", "cannot create a memfd"];
    let text = format!("{error:#}");
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let kind = match () {
        () if says(&LIMITS) => TrapKind::Memory,
        () if says(&SYSTEM) => TrapKind::Host,
        () => TrapKind::Abi,
    };
    Trap::new(kind, text)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn wait_until(what: &str, mut come: impl FnMut() -> bool) {
        let began = Instant::now();
        while !come() {
            assert!(began.elapsed() < Duration::from_secs(60), "never came: {what}");
            thread::sleep(TICK);
        }
    }

    #[test]
    fn a_clock_ticks_during_calls_and_rests_without_them() {
        let ticks = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&ticks);
        let clock = Clock::start(move || _ = counter.fetch_add(1, Ordering::SeqCst)).expect("threads can be started");
        for _ in 0..2 {
            let call = clock.enter();
            let entered = ticks.load(Ordering::SeqCst);
            wait_until("ticks during a call", || ticks.load(Ordering::SeqCst) > entered + u64::from(IDLE_TICKS) + 1);
            drop(call);
            wait_until("rest after it", || clock.stopped.load(Ordering::SeqCst));
            let resting = ticks.load(Ordering::SeqCst);
            thread::sleep(8 * TICK);
            assert_eq!(ticks.load(Ordering::SeqCst), resting);
        }
    }

    #[test]
    fn a_clock_outlives_a_panic() {
        // R10
        let ticks = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&ticks);
        let tick = move || assert_ne!(counter.fetch_add(1, Ordering::SeqCst), 2, "forced");
        let clock = Clock::start(tick).expect("threads can be started");
        let call = clock.enter();
        wait_until("ticks after the panic", || ticks.load(Ordering::SeqCst) > 8);
        drop(call);
        wait_until("rest after the call", || clock.stopped.load(Ordering::SeqCst));
        let (resting, _call) = (ticks.load(Ordering::SeqCst), clock.enter());
        wait_until("ticks in the next call", || ticks.load(Ordering::SeqCst) > resting);
    }

    #[test]
    fn an_account_takes_only_what_fits() {
        let mut account = Account { used: 0, most: 10 };
        assert!(account.grow(0, 6, None));
        assert!(!account.grow(0, 5, None));
        assert!(!account.grow(6, 9, Some(8)));
        assert!(account.grow(6, 10, Some(10)));
        assert!(!account.grow(0, usize::MAX, None));
        assert_eq!(account.used, 10);
    }
}

//! A guest that is called as the runtime would, on the caller's thread: each call within its budget, none after a trap.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    control::{CallControl, CancelToken},
    engine::{Engine, Instance, Program},
    error::{CallError, CallResult, Trap, TrapKind},
    host::{Host, Services},
    limits::{Budgets, CallClass, Limits},
    manifest::{Component, Manifest, World},
    types::DisableReason,
    wasi::log::TracingLog,
};

/// A component that is ready to start, and its instance while that lives.
pub(super) struct Rig {
    engine: Arc<dyn Engine>,
    /// Where its package lies.
    root: PathBuf,
    program: Arc<dyn Program>,
    limits: Limits,
    budgets: Budgets,
    guest: Option<Guest>,
}

struct Guest {
    instance: Box<dyn Instance>,
    control: Arc<CallControl>,
}

impl Rig {
    pub(super) fn new(engine: Arc<dyn Engine>, program: Arc<dyn Program>, limits: Limits, root: PathBuf) -> Self {
        Self { engine, root, program, limits, budgets: Budgets::default(), guest: None }
    }

    pub(super) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Starts an instance, without its hook.
    pub(super) fn start(&mut self) -> Result<(), Trap> {
        let control = Arc::<CallControl>::default();
        let host = Host::new(Services::default(), &self.limits, Arc::clone(&control), Box::new(TracingLog));
        let scope = control.enter(&self.budgets.start, &CancelToken::default());
        let instance = self.program.start(host, &self.limits, Arc::clone(&control));
        drop(scope);
        self.guest = Some(Guest { instance: instance?, control });
        Ok(())
    }

    pub(super) fn enable(&mut self) -> CallResult<()> {
        self.call(CallClass::Enable, |instance| instance.enable())
    }

    /// Disables what is started, and ends it.
    pub(super) fn disable(&mut self) -> CallResult<()> {
        let disabled = self.call(CallClass::Disable, |instance| instance.disable(DisableReason::Unload));
        self.guest = None;
        disabled
    }

    /// Makes one call. After a trap it is made of another instance, as the runtime would.
    pub(super) fn call<T>(
        &mut self,
        class: CallClass,
        call: impl FnOnce(&mut dyn Instance) -> CallResult<T>,
    ) -> CallResult<T> {
        if self.guest.is_none() {
            self.start()?;
            self.enable()?;
        }
        let Some(guest) = &mut self.guest else {
            return Err(Trap::new(TrapKind::Host, "no instance was started").into());
        };
        let scope = guest.control.enter(self.budgets.of(class), &CancelToken::default());
        let result = catch_unwind(AssertUnwindSafe(|| call(&mut *guest.instance)))
            .unwrap_or_else(|_| Err(Trap::new(TrapKind::Host, "the host panicked during the call").into()));
        drop(scope);
        if matches!(result, Err(CallError::Trap(_))) {
            self.guest = None;
        }
        result
    }
}

/// What the runtime would allow the component.
pub(super) fn limits(manifest: &Manifest, component: &Component) -> Limits {
    let host = match component.world {
        World::Source | World::Lyrics => Limits::CATALOG,
        World::Decoder | World::OutputSink | World::Dsp => Limits::AUDIO,
    };
    manifest.limits.into_iter().chain(component.limits).fold(host, |limits, asked| asked.lower(limits))
}

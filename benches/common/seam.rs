//! A guest at the engine seam, called as core calls one.

use std::{sync::Arc, time::Duration};

use stellatune_plugin_core::{
    control::{CallControl, CancelToken},
    engine::{Engine, Instance, Program},
    error::{CallResult, PluginError},
    host::{Host, HostStream, Services},
    limits::{Budget, Limits},
    types::SeekWhence,
    wasi::LogSink,
};

const BUDGET: Budget =
    Budget { guest: Duration::from_secs(60), wall: Duration::from_secs(60), boundary_bytes: 8 << 20 };

/// A running guest and what its calls are entered with.
pub(crate) struct Seam {
    instance: Box<dyn Instance>,
    control: Arc<CallControl>,
    token: CancelToken,
}

impl Seam {
    pub(crate) fn start(engine: &dyn Engine, wasm: &[u8]) -> anyhow::Result<Self> {
        Self::of(&*engine.load(&engine.compile(wasm)?)?)
    }

    pub(crate) fn of(program: &dyn Program) -> anyhow::Result<Self> {
        let (control, token) = (Arc::<CallControl>::default(), CancelToken::default());
        let host = Host::new(Services::default(), &Limits::AUDIO, Arc::clone(&control), Box::new(Quiet));
        let instance = {
            let _scope = control.enter(&BUDGET, &token);
            program.start(host, &Limits::AUDIO, Arc::clone(&control))?
        };
        Ok(Self { instance, control, token })
    }

    /// One call within its budget.
    pub(crate) fn call<T>(&mut self, call: impl FnOnce(&mut dyn Instance) -> CallResult<T>) -> CallResult<T> {
        let _scope = self.control.enter(&BUDGET, &self.token);
        call(&mut *self.instance)
    }
}

/// A stream that nobody reads.
pub(crate) fn no_stream() -> Box<dyn HostStream> {
    Box::new(NoStream)
}

struct NoStream;

impl HostStream for NoStream {
    fn read(&mut self, _: u32, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        Ok(Vec::new())
    }

    fn seek(&mut self, _: i64, _: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
        Err(PluginError::Unsupported("nothing to seek in".into()).into())
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(0)
    }

    fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(0)
    }
}

/// Nothing measured here prints.
struct Quiet;

impl LogSink for Quiet {
    fn line(&mut self, _: bool, _: &str) {}
}

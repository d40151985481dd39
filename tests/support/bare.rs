//! A guest at the engine seam, with nothing done for the case: its instance, control and log.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use stellatune_plugin_core::{
    control::{CallControl, CallScope, CancelToken},
    engine::Instance,
    error::{CallError, CallResult, PluginError, Trap},
    host::{Host, HostStream, Services},
    limits::{Budget, Limits},
    types::SeekWhence,
    wasi::LogSink,
};

use super::{Subject, recording};

/// Longer than any call here takes on a loaded machine.
pub(crate) const AMPLE: Duration = Duration::from_secs(60);

/// How an instance is started.
pub(crate) struct Setup {
    pub(crate) services: Services,
    pub(crate) limits: Limits,
    pub(crate) budget: Budget,
}

impl Default for Setup {
    fn default() -> Self {
        let budget = Budget { guest: AMPLE, wall: AMPLE, boundary_bytes: 8 << 20 };
        Self { services: Services::default(), limits: Limits::AUDIO, budget }
    }
}

impl Setup {
    pub(crate) fn guest_time(guest: Duration) -> Self {
        let mut setup = Self::default();
        setup.budget.guest = guest;
        setup
    }

    /// Starts the component `wasm`, which links.
    pub(crate) fn start(self, subject: &Subject, wasm: &[u8]) -> Result<Running, Trap> {
        let program = subject.load(wasm).expect("the component links");
        let control = Arc::new(CallControl::default());
        let (token, lines) = (CancelToken::default(), Lines::default());
        let record = subject.record("a component made for the case");
        let services = recording::services(self.services, &record);
        let host = Host::new(services, &self.limits, Arc::clone(&control), Box::new(lines.clone()));
        let instance = {
            let _scope = control.enter(&self.budget, &token);
            recording::start(&*program, &record, host, &self.limits, Arc::clone(&control))?
        };
        Ok(Running { instance, control, token, budget: self.budget, lines })
    }

    /// Starts it with the time that this setup gives, and gives each call so much guest time.
    pub(crate) fn start_then(self, guest: Duration, subject: &Subject, wasm: &[u8]) -> Running {
        let mut running = self.start(subject, wasm).expect("it starts");
        running.budget.guest = guest;
        running
    }
}

/// An instance and what its calls are entered with.
pub(crate) struct Running {
    pub(crate) instance: Box<dyn Instance>,
    pub(crate) control: Arc<CallControl>,
    pub(crate) token: CancelToken,
    pub(crate) budget: Budget,
    pub(crate) lines: Lines,
}

impl Running {
    /// Makes one call within the budget.
    pub(crate) fn call<T>(&mut self, call: impl FnOnce(&mut dyn Instance) -> T) -> T {
        let _scope: CallScope<'_> = self.control.enter(&self.budget, &self.token);
        call(&mut *self.instance)
    }
}

/// Lines a guest printed, `true` for stderr.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<(bool, String)>>>);

impl Lines {
    pub(crate) fn all(&self) -> Vec<(bool, String)> {
        self.0.lock().expect("no test panics while logging").clone()
    }
}

impl LogSink for Lines {
    fn line(&mut self, error_output: bool, text: &str) {
        self.0.lock().expect("no test panics while logging").push((error_output, text.into()));
    }
}

/// A seekable stream of bytes in memory.
pub(crate) struct Memory {
    bytes: Vec<u8>,
    at: usize,
}

impl Memory {
    pub(crate) fn boxed(bytes: impl Into<Vec<u8>>) -> Box<dyn HostStream> {
        Box::new(Self { bytes: bytes.into(), at: 0 })
    }
}

impl HostStream for Memory {
    fn read(&mut self, max_bytes: u32, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        let read = rest[..rest.len().min(max_bytes as usize)].to_vec();
        self.at += read.len();
        Ok(read)
    }

    fn seek(&mut self, offset: i64, whence: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
        let base = match whence {
            SeekWhence::Start => 0,
            SeekWhence::Current => self.at,
            SeekWhence::End => self.bytes.len(),
        };
        let at = base.checked_add_signed(offset as isize);
        self.at = at.ok_or_else(|| PluginError::InvalidArg("before the start".into()))?;
        Ok(self.at as u64)
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(self.at as u64)
    }

    fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(self.bytes.len() as u64)
    }
}

pub(crate) fn trap_of<T>(result: CallResult<T>) -> Trap {
    match result {
        Err(CallError::Trap(trap)) => trap,
        Err(CallError::Plugin(error)) => panic!("the guest refused: {error}"),
        Ok(_) => panic!("the call succeeded"),
    }
}

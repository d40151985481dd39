//! A guest at the engine seam, called as the core calls one: each call within its budget, none after a trap.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use stellatune_plugin_core::{
    capability::Decoder,
    control::{CallControl, CancelToken},
    engine::{Instance, Program},
    error::{CallError, CallResult, PluginError, Trap, TrapKind},
    host::{Host, HostStream, Services},
    limits::{Budget, Limits},
    table::ObjectId,
    types::PcmF32Chunk,
    wasi::LogSink,
};

use super::{Subject, recording, show, transcript::Record};

const MIB: usize = 1024 * 1024;

/// More than any tame call takes on a busy machine.
pub(crate) const GENEROUS: Budget =
    Budget { guest: Duration::from_secs(30), wall: Duration::from_secs(60), boundary_bytes: 32 * MIB };

/// For guests that run for ever.
pub(crate) const SHORT: Budget = Budget { guest: Duration::from_millis(100), ..GENEROUS };

/// Frames asked for in one call.
const FRAMES: u32 = 4096;

/// What a guest is started with.
pub(crate) struct Options {
    pub(crate) limits: Limits,
    pub(crate) services: Services,
    pub(crate) start: Budget,
}

impl Default for Options {
    fn default() -> Self {
        Self { limits: Limits::AUDIO, services: Services::default(), start: GENEROUS }
    }
}

/// A started guest.
pub(crate) struct Guest {
    instance: Result<Box<dyn Instance>, Trap>,
    control: Arc<CallControl>,
    token: CancelToken,
    budget: Budget,
    log: Log,
}

impl Guest {
    /// Starts a fixture that starts.
    pub(crate) fn new(subject: &Subject, fixture: &str) -> Self {
        Self::with(subject, fixture, Options::default())
            .unwrap_or_else(|trap| panic!("{fixture} does not start: {trap}"))
    }

    /// Starts a fixture.
    pub(crate) fn with(subject: &Subject, fixture: &str, options: Options) -> Result<Self, Trap> {
        Self::start(subject, fixture, &*subject.program(fixture), options)
    }

    /// Starts a component that is no file.
    pub(crate) fn made(
        subject: &Subject,
        name: &str,
        make: impl FnOnce() -> Vec<u8>,
        options: Options,
    ) -> Result<Self, Trap> {
        Self::start(subject, name, &*subject.made(name, make), options)
    }

    /// Starts an instance of any program.
    pub(crate) fn start(subject: &Subject, name: &str, program: &dyn Program, options: Options) -> Result<Self, Trap> {
        let record = subject.record(name);
        let (control, token) = (Arc::<CallControl>::default(), CancelToken::default());
        let log = Log { record: record.clone(), lines: Arc::default() };
        let services = recording::services(options.services, &record);
        let host = Host::new(services, &options.limits, Arc::clone(&control), Box::new(log.clone()));
        let scope = control.enter(&options.start, &token);
        let instance = recording::start(program, &record, host, &options.limits, Arc::clone(&control))?;
        drop(scope);
        Ok(Self { instance: Ok(instance), control, token, budget: GENEROUS, log })
    }

    /// What later calls may take.
    pub(crate) fn budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// What cuts this guest's call in flight, from any thread.
    pub(crate) fn canceller(&self) -> impl Fn() + Send + 'static {
        let (control, token) = (Arc::clone(&self.control), self.token.clone());
        move || control.cancel(&token)
    }

    /// The lines of log so far: whether from stderr, and the text.
    pub(crate) fn log(&self) -> Vec<(bool, String)> {
        self.log.lines()
    }

    /// Drops the instance and gives all lines of its log.
    pub(crate) fn end(self) -> Vec<(bool, String)> {
        let Self { instance, log, .. } = self;
        drop(instance);
        log.lines()
    }

    /// Makes one call.
    pub(crate) fn call<T>(&mut self, call: impl FnOnce(&mut dyn Instance) -> CallResult<T>) -> CallResult<T> {
        let instance = self.instance.as_mut().unwrap_or_else(|trap| panic!("a call after {trap}"));
        self.token.reset();
        let scope = self.control.enter(&self.budget, &self.token);
        let answer = call(&mut **instance);
        drop(scope);
        if let Err(CallError::Trap(trap)) = &answer {
            self.instance = Err(trap.clone());
        }
        answer
    }

    /// Makes one call of the decoder.
    pub(crate) fn decoder<T>(&mut self, call: impl FnOnce(&mut dyn Decoder) -> CallResult<T>) -> CallResult<T> {
        self.call(|instance| call(instance.decoder().expect("the fixture is a decoder")))
    }

    /// Opens a session.
    pub(crate) fn open(&mut self, stream: Box<dyn HostStream>, ext: &str) -> CallResult<ObjectId> {
        self.decoder(|decoder| decoder.open(stream, Some(ext)))
    }

    /// Closes a session.
    pub(crate) fn close(&mut self, session: ObjectId) -> CallResult<()> {
        self.call(|instance| Ok(instance.close(session)?))
    }

    pub(crate) fn read(&mut self, session: ObjectId, frames: u32) -> CallResult<PcmF32Chunk> {
        self.decoder(|decoder| decoder.read_pcm_f32(session, frames))
    }

    /// Reads to the end, or to the first error.
    pub(crate) fn read_all(&mut self, session: ObjectId) -> (Vec<f32>, CallResult<()>) {
        let mut samples = Vec::new();
        loop {
            match self.read(session, FRAMES) {
                Ok(chunk) if chunk.interleaved_f32le.is_empty() => {
                    assert!(chunk.eof, "no samples, and not the end either");
                    return (samples, Ok(()));
                }
                Ok(chunk) => samples.extend(floats(&chunk)),
                Err(error) => return (samples, Err(error)),
            }
        }
    }

    /// All samples of a stream that decodes without a fault.
    pub(crate) fn decode(&mut self, stream: Box<dyn HostStream>, ext: &str) -> Vec<f32> {
        let session = self.open(stream, ext).expect("the stream opens");
        let (samples, end) = self.read_all(session);
        end.expect("the stream decodes to its end");
        self.close(session).expect("a session closes");
        samples
    }
}

/// The samples of a chunk.
pub(crate) fn floats(chunk: &PcmF32Chunk) -> impl Iterator<Item = f32> + '_ {
    assert_eq!(chunk.interleaved_f32le.len() % 4, 0, "samples have four bytes");
    chunk.interleaved_f32le.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// The kind of the trap that must have happened.
#[track_caller]
pub(crate) fn trap_kind<T: std::fmt::Debug>(answer: CallResult<T>) -> TrapKind {
    match answer {
        Err(CallError::Trap(trap)) => trap.kind,
        other => panic!("not a trap: {other:?}"),
    }
}

/// The refusal that must have happened.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(answer: CallResult<T>) -> PluginError {
    match answer {
        Err(CallError::Plugin(error)) => error,
        other => panic!("not a refusal: {other:?}"),
    }
}

#[derive(Clone)]
struct Log {
    record: Record,
    lines: Arc<Mutex<Vec<(bool, String)>>>,
}

impl Log {
    fn lines(&self) -> Vec<(bool, String)> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl LogSink for Log {
    fn line(&mut self, error_output: bool, text: &str) {
        self.record.host(format!("  {}: {}", if error_output { "stderr" } else { "stdout" }, show::text(text)));
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push((error_output, text.to_owned()));
    }
}

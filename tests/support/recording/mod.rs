//! Engines, instances and host services that write what happens into a [`Transcript`].
//!
//! They change nothing: what they are asked they pass on, and what they are answered they hand back.

mod host;
mod instance;

use std::sync::Arc;

use stellatune_plugin_core::{
    control::CallControl,
    engine::{Artifact, CodeFile, Engine, EngineError, EngineId, Guarantee, HotExports, HotModule, Instance, Program},
    error::Trap,
    host::Host,
    limits::Limits,
};

pub(crate) use host::services;
pub(crate) use instance::instance;

use super::{
    show,
    transcript::{Record, Transcript},
};

/// An engine whose instances are recorded.
pub(crate) struct RecordingEngine {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) transcript: Transcript,
}

impl Engine for RecordingEngine {
    fn id(&self) -> &EngineId {
        self.engine.id()
    }

    fn compile(&self, wasm: &[u8]) -> Result<Artifact, EngineError> {
        self.engine.compile(wasm)
    }

    fn load(&self, artifact: &Artifact) -> Result<Arc<dyn Program>, EngineError> {
        let program = self.engine.load(artifact)?;
        Ok(Arc::new(RecordingProgram { program, transcript: self.transcript.clone() }))
    }

    fn load_file(&self, code: CodeFile) -> Result<Arc<dyn Program>, EngineError> {
        let program = self.engine.load_file(code)?;
        Ok(Arc::new(RecordingProgram { program, transcript: self.transcript.clone() }))
    }

    fn hot(&self, wasm: &[u8], exports: &HotExports, limits: &Limits) -> Result<Box<dyn HotModule>, EngineError> {
        self.engine.hot(wasm, exports, limits)
    }

    fn guarantees(&self) -> &'static [Guarantee] {
        self.engine.guarantees()
    }
}

struct RecordingProgram {
    program: Arc<dyn Program>,
    transcript: Transcript,
}

impl Program for RecordingProgram {
    fn start(&self, host: Host, limits: &Limits, control: Arc<CallControl>) -> Result<Box<dyn Instance>, Trap> {
        start(&*self.program, &self.transcript.record("an instance of the runtime"), host, limits, control)
    }
}

/// Starts an instance that is recorded.
pub(crate) fn start(
    program: &dyn Program,
    record: &Record,
    host: Host,
    limits: &Limits,
    control: Arc<CallControl>,
) -> Result<Box<dyn Instance>, Trap> {
    record.call("start");
    match program.start(host, limits, control) {
        Ok(started) => {
            record.call("= started");
            Ok(instance(started, record.clone()))
        }
        Err(trap) => {
            record.call(format!("= {}", show::trapped(&trap)));
            Err(trap)
        }
    }
}

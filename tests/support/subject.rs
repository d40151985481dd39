//! The engine under test, remembering what it compiled: a fixture is compiled once a run, however many cases use it.
//!
//! Each trial has a [`Subject`] of its own, with a transcript of its own; what was compiled is shared.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use stellatune_plugin_core::{
    engine::{Artifact, CodeFile, Engine, EngineError, EngineId, Guarantee, HotExports, HotModule, Program},
    limits::Limits,
};

use super::{
    fixture,
    recording::RecordingEngine,
    transcript::{Record, Transcript},
};

/// What was made of a key, once; others wait for it meanwhile.
type Once<K, V> = Mutex<HashMap<K, Arc<OnceLock<V>>>>;

/// An engine, the fixtures it runs, and what happened meanwhile.
pub(crate) struct Subject {
    engine: Arc<Remembering>,
    programs: Arc<Once<String, Arc<dyn Program>>>,
    transcript: Transcript,
}

impl Subject {
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        let engine = Arc::new(Remembering { engine, artifacts: Mutex::default() });
        Self { engine, programs: Arc::default(), transcript: Transcript::default() }
    }

    /// The same engine, for one more trial.
    pub(crate) fn trial(&self) -> Self {
        let (engine, programs) = (Arc::clone(&self.engine), Arc::clone(&self.programs));
        Self { engine, programs, transcript: Transcript::default() }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.engine.id().name
    }

    /// What happened in this trial.
    pub(crate) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Begins the record of one more instance.
    pub(crate) fn record(&self, title: &str) -> Record {
        self.transcript.record(title)
    }

    /// The engine, for a runtime.
    pub(crate) fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(RecordingEngine { engine: Arc::clone(&self.engine) as _, transcript: self.transcript.clone() })
    }

    /// The engine, which remembers nothing.
    pub(crate) fn fresh(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.engine.engine)
    }

    /// A fixture, loaded.
    pub(crate) fn program(&self, name: &str) -> Arc<dyn Program> {
        self.made(name, || fixture::wasm(name))
    }

    /// A component that is made when it is first asked for, loaded.
    pub(crate) fn made(&self, name: &str, make: impl FnOnce() -> Vec<u8>) -> Arc<dyn Program> {
        let slot = Arc::clone(lock(&self.programs).entry(name.to_owned()).or_default());
        let load = || self.compiled(&make()).unwrap_or_else(|error| panic!("fixture {name}: {error}"));
        Arc::clone(slot.get_or_init(load))
    }

    /// Compiles and loads a component; how that ended is part of what must be the same.
    pub(crate) fn load(&self, wasm: &[u8]) -> Result<Arc<dyn Program>, EngineError> {
        let record = self.record("a component is loaded");
        let loaded = self.compiled(wasm);
        record.call(match &loaded {
            Ok(_) => "= loaded".to_owned(),
            Err(error) => format!("= refused: {:?}", error.phase),
        });
        loaded
    }

    fn compiled(&self, wasm: &[u8]) -> Result<Arc<dyn Program>, EngineError> {
        self.engine.load(&self.engine.compile(wasm)?)
    }
}

struct Remembering {
    engine: Arc<dyn Engine>,
    artifacts: Once<Vec<u8>, Result<Artifact, EngineError>>,
}

impl Engine for Remembering {
    fn id(&self) -> &EngineId {
        self.engine.id()
    }

    fn compile(&self, wasm: &[u8]) -> Result<Artifact, EngineError> {
        let slot = Arc::clone(lock(&self.artifacts).entry(wasm.to_vec()).or_default());
        slot.get_or_init(|| self.engine.compile(wasm)).clone()
    }

    fn load(&self, artifact: &Artifact) -> Result<Arc<dyn Program>, EngineError> {
        self.engine.load(artifact)
    }

    fn load_file(&self, code: CodeFile) -> Result<Arc<dyn Program>, EngineError> {
        self.engine.load_file(code)
    }

    fn hot(&self, wasm: &[u8], exports: &HotExports, limits: &Limits) -> Result<Box<dyn HotModule>, EngineError> {
        self.engine.hot(wasm, exports, limits)
    }

    fn guarantees(&self) -> &'static [Guarantee] {
        self.engine.guarantees()
    }
}

/// A case that failed elsewhere has spoilt nothing here.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The engine under test, remembering what it compiled: a fixture is compiled once a run, however many cases use it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use stellatune_plugin_core::{
    engine::{Artifact, Engine, EngineError, EngineId, Guarantee, HotExports, HotModule, Program},
    limits::Limits,
};

use super::fixture;

/// What was made of a key, once; others wait for it meanwhile.
type Once<K, V> = Mutex<HashMap<K, Arc<OnceLock<V>>>>;

/// An engine, and the fixtures it runs.
pub(crate) struct Subject {
    engine: Arc<Remembering>,
    programs: Once<String, Arc<dyn Program>>,
}

impl Subject {
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        let engine = Arc::new(Remembering { engine, artifacts: Mutex::default() });
        Self { engine, programs: Mutex::default() }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.engine.id().name
    }

    /// The engine, for a runtime.
    pub(crate) fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.engine) as _
    }

    /// A fixture, loaded.
    pub(crate) fn program(&self, name: &str) -> Arc<dyn Program> {
        let slot = Arc::clone(lock(&self.programs).entry(name.to_owned()).or_default());
        let load = || self.load(&fixture::wasm(name)).unwrap_or_else(|error| panic!("fixture {name}: {error}"));
        Arc::clone(slot.get_or_init(load))
    }

    /// Compiles and loads a component.
    pub(crate) fn load(&self, wasm: &[u8]) -> Result<Arc<dyn Program>, EngineError> {
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

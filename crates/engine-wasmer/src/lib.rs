//! Runs plugins on [Wasmer](wasmer), with a component layer of its own, which Wasmer does not have.
//!
//! [`WasmerEngine`] is the [`Engine`] of core's seam, and all that this
//! crate offers. Not here: any policy, such as deadlines, limits, grants and restarts (core).
//!
//! `compile` makes and reads compiled code, `program` links and starts, `exports` finds what is exported, `guest` calls
//! in, `imports` calls out, `guard` limits and cuts, `hot` runs hot-path modules; `component` instantiates components, `canon` passes
//! values.

mod canon;
mod compile;
mod component;
mod exports;
mod guard;
mod guest;
mod hot;
mod imports;
mod program;
#[cfg(feature = "testing")]
pub mod testing;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use imports::Imports;
use memmap2::MmapOptions;
use program::Linked;
use stellatune_plugin_core::{
    engine::{
        self, Artifact, CodeFile, Engine, EngineError, EngineId, Guarantee, HotExports, HotModule, Phase, Program,
    },
    limits::Limits,
};

/// The version of Wasmer this crate is made for; its manifest pins it.
const VERSION: &str = "7.3.0";

/// Wasmer as an engine for plugins. Copies share what is made once for the process.
#[derive(Clone, Copy)]
pub struct WasmerEngine(&'static Shared);

/// What all components share.
struct Shared {
    id: EngineId,
    imports: Imports,
}

impl WasmerEngine {
    /// The engine of this process, which the first call sets up.
    pub fn new() -> Self {
        static SHARED: OnceLock<Shared> = OnceLock::new();
        Self(SHARED.get_or_init(|| Shared {
            id: EngineId { name: "wasmer", version: VERSION.into(), configuration: compile::configuration() },
            imports: Imports::new(),
        }))
    }
}

impl WasmerEngine {
    /// # Safety
    /// That of [`compile::load`].
    unsafe fn link(&self, artifact: &Bytes) -> Result<Arc<dyn Program>, EngineError> {
        // SAFETY: the caller's promise.
        let loaded = unsafe { compile::load(artifact) };
        let compile::Loaded { engine, plan, modules } = loaded.map_err(|text| EngineError::new(Phase::Load, text))?;
        Ok(Arc::new(Linked::new(engine, &self.0.imports, plan, modules)?))
    }
}

impl Default for WasmerEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WasmerEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WasmerEngine").field(&self.0.id).finish()
    }
}

impl Engine for WasmerEngine {
    fn id(&self) -> &EngineId {
        &self.0.id
    }

    fn compile(&self, wasm: &[u8]) -> Result<Artifact, EngineError> {
        let code = engine::compiling(|| compile::compile(wasm))?;
        // SAFETY: this engine has just made the code.
        Ok(unsafe { Artifact::trusted(code) })
    }

    fn load(&self, artifact: &Artifact) -> Result<Arc<dyn Program>, EngineError> {
        // SAFETY: who made the artifact vouched that an engine of this id compiled it and that it is unchanged.
        unsafe { self.link(&artifact.bytes().to_vec().into()) }
    }

    /// Maps the file: of its megabytes only what runs is copied, to where it runs.
    fn load_file(&self, code: CodeFile) -> Result<Arc<dyn Program>, EngineError> {
        // SAFETY: who made the handle vouched that nobody writes to the file.
        let mapped = unsafe { MmapOptions::new().len(code.size()).map(code.file()) }
            .map_err(|error| EngineError::new(Phase::Load, format!("it cannot be mapped: {error}")))?;
        // SAFETY: as for `load`.
        unsafe { self.link(&Bytes::from_owner(mapped)) }
    }

    fn hot(&self, wasm: &[u8], exports: &HotExports, limits: &Limits) -> Result<Box<dyn HotModule>, EngineError> {
        hot::start(wasm, exports, limits)
    }

    fn guarantees(&self) -> &'static [Guarantee] {
        &GUARANTEES
    }
}

const fn held(name: &'static str, how: &'static str) -> Guarantee {
    Guarantee { name, held: true, how }
}

/// In docs/engines.md too; a test compares the two.
static GUARANTEES: [Guarantee; 8] = [
    held(
        "interrupt",
        "code is rewritten to ask its call's control about every half millisecond; host waits ask the same control",
    ),
    held(
        "memory",
        "the bytes of all memories of an instance are counted together, where they are made and where they grow",
    ),
    held(
        "tables",
        "the elements of all tables are counted together; those that grow share what is left, in equal parts",
    ),
    held("instances", "core instances, memories and tables of a component are counted before they are made"),
    held("handles", "the handles of an instance are counted together, and the guest traps at the limit"),
    held(
        "boundary bytes",
        "the bytes of the lists and strings of each transfer are counted before they are copied out",
    ),
    held("stack", "guest code has 512 KiB, on a stack of its own, and traps at a guard"),
    Guarantee {
        name: "component ABI",
        held: false,
        how: "this project's own, tested beside Wasmtime's; components composed of components are refused when they are compiled",
    },
];

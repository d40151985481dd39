//! Runs plugins on [Wasmtime](wasmtime): component loading and host imports on its own component model.
//!
//! [`WasmtimeEngine`] is the [`Engine`] of core's seam, and all that this
//! crate offers. Not here: any policy, such as deadlines, limits, grants and restarts (core).
//!
//! `program` links and starts, `guest` calls in, `imports` calls out, `hot` runs hot-path modules, `guard` limits and cuts, `convert` translates
//! types, `bindings` is generated.

mod bindings;
mod convert;
mod guard;
mod guest;
mod hot;
mod imports;
mod program;

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    os::fd::AsRawFd,
    sync::{Arc, OnceLock},
};

use guard::Clock;
use program::{Linked, State};
use stellatune_plugin_core::{
    engine::{
        self, Artifact, CodeFile, Engine, EngineError, EngineId, Guarantee, HotExports, HotModule, Phase, Program,
    },
    limits::Limits,
};
use wasmtime::{
    Config, InstanceAllocationStrategy, WasmFeatures,
    component::{Component, Linker},
};

/// The version of Wasmtime this crate is made for; its manifest pins it.
const VERSION: &str = "48.0.8";

/// Bytes of stack that guest code may use. Threads that call guests need this and what the host's imports take.
const WASM_STACK: usize = 512 * 1024;

/// What guests may be made of; every other proposal is code an attacker could reach and no toolchain needs.
const PROPOSALS: WasmFeatures =
    WasmFeatures::WASM2.union(WasmFeatures::EXTENDED_CONST).union(WasmFeatures::COMPONENT_MODEL);

/// Wasmtime as an engine for plugins. Copies share one engine of the process.
#[derive(Clone, Copy)]
pub struct WasmtimeEngine(&'static Shared);

/// What all components share. There is one in a process, so that objects of two engines cannot meet.
pub(crate) struct Shared {
    id: EngineId,
    engine: wasmtime::Engine,
    linker: Linker<State>,
    clock: &'static Clock,
}

/// Why this machine cannot run Wasmtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot set up Wasmtime: {}", self.0)
    }
}

impl std::error::Error for Unavailable {}

impl WasmtimeEngine {
    /// The engine of this process, which the first call sets up.
    ///
    /// # Errors
    /// When this machine's processor is not supported or no thread can be started; a later call does not try again.
    pub fn new() -> Result<Self, Unavailable> {
        static SHARED: OnceLock<Result<Shared, Unavailable>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Shared::new().map_err(|error| Unavailable(format!("{error:#}"))));
        shared.as_ref().map(Self).map_err(Clone::clone)
    }
}

impl fmt::Debug for WasmtimeEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WasmtimeEngine").field(&self.0.id).finish()
    }
}

impl Engine for WasmtimeEngine {
    fn id(&self) -> &EngineId {
        &self.0.id
    }

    fn compile(&self, wasm: &[u8]) -> Result<Artifact, EngineError> {
        let refuse = |message: String| EngineError::new(Phase::Compile, message);
        if wasmtime::Engine::detect_precompiled(wasm).is_some() {
            return Err(refuse("it is compiled already; only WebAssembly is accepted".into()));
        }
        if !wasm.starts_with(b"\0asm") {
            return Err(refuse("it is not a WebAssembly binary".into()));
        }
        let code =
            engine::compiling(|| self.0.engine.precompile_component(wasm).map_err(|error| format!("{error:#}")))?;
        // SAFETY: this engine has just made the code.
        Ok(unsafe { Artifact::trusted(code) })
    }

    fn load(&self, artifact: &Artifact) -> Result<Arc<dyn Program>, EngineError> {
        // SAFETY: who made the artifact vouched that an engine of this id compiled it and that it is unchanged.
        let component = unsafe { Component::deserialize(&self.0.engine, artifact.bytes()) }
            .map_err(|error| EngineError::new(Phase::Load, format!("{error:#}")))?;
        Ok(Arc::new(Linked::new(self.0, &component)?))
    }

    /// Maps the file, so that only what runs of megabytes of code is ever read into memory.
    fn load_file(&self, code: CodeFile) -> Result<Arc<dyn Program>, EngineError> {
        // Wasmtime wants a path; this one leads to the descriptor that was verified, whatever has the file's name by now.
        let path = format!("/dev/fd/{}", code.file().as_raw_fd());
        // SAFETY: as for `load`; and who made the handle vouched that nobody writes to the file.
        match unsafe { Component::deserialize_file(&self.0.engine, path) } {
            Ok(component) => Ok(Arc::new(Linked::new(self.0, &component)?)),
            // Without such paths a copy is loaded, and what else is wrong comes up there.
            Err(_) => self.load(&code.read().map_err(|error| EngineError::new(Phase::Load, error.to_string()))?),
        }
    }

    fn hot(&self, wasm: &[u8], exports: &HotExports, limits: &Limits) -> Result<Box<dyn HotModule>, EngineError> {
        hot::start(wasm, exports, limits)
    }

    fn guarantees(&self) -> &'static [Guarantee] {
        &GUARANTEES
    }
}

impl Shared {
    fn new() -> wasmtime::Result<Self> {
        let engine = wasmtime::Engine::new(&config())?;
        let linker = imports::linker(&engine)?;
        let ticking = engine.clone();
        let clock = Clock::start(move || ticking.increment_epoch())?;
        Ok(Self { id: id(&engine), engine, linker, clock })
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        // Another engine in this process may use Unix signals.
        .macos_use_mach_ports(false)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        // Wasmtime walks its frames by itself; these tables would only serve debuggers.
        .native_unwind_info(false)
        .concurrency_support(false)
        .gc_support(false);
    config.wasm_features(PROPOSALS.complement(), false);
    config
}

/// The hash covers the version, the target with the features of this CPU, and what changes the code.
fn id(engine: &wasmtime::Engine) -> EngineId {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let configuration = format!("{}-{:016x}", std::env::consts::ARCH, hasher.finish());
    EngineId { name: "wasmtime", version: VERSION.into(), configuration }
}

const fn held(name: &'static str, how: &'static str) -> Guarantee {
    Guarantee { name, held: true, how }
}

/// In docs/engines.md too; a test compares the two.
static GUARANTEES: [Guarantee; 8] = [
    held("interrupt", "running code asks its call's control every 4 ms (epochs); host waits ask the same control"),
    held("memory", "one limiter counts the bytes of all memories of an instance together"),
    held("tables", "the same limiter counts the elements of all tables together"),
    held("instances", "core instances, memories and tables of a component are counted before they are made"),
    held("handles", "Wasmtime counts the handles of an instance and traps at the limit"),
    held(
        "boundary bytes",
        "Wasmtime counts the bytes of the lists and strings of each transfer before it copies them out",
    ),
    held("stack", "guest code has 512 KiB and traps at a guard"),
    held("component ABI", "Wasmtime's own, which its makers fuzz"),
];

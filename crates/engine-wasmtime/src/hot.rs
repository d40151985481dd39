//! Hot-path modules: core modules on an engine of their own, without epochs, since a module is metered already and
//! epochs cost tight loops much (docs/performance.md).

use std::{ptr::NonNull, sync::OnceLock};

use stellatune_plugin_core::{
    engine::{EngineError, HotExports, HotModule, Phase},
    error::TrapKind,
    limits::Limits,
    meter,
};
use wasmtime::{Engine, Global, Instance, Memory, Module, Store, TypedFunc, Val};

use crate::guard::{self, Limiter};

/// Bytes of stack that a module's code may use: threads that call for audio have little.
const STACK: usize = 128 * 1024;

/// The engine of this process for hot-path modules.
fn engine() -> Result<&'static Engine, EngineError> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| {
        let mut config = crate::config();
        config.epoch_interruption(false).max_wasm_stack(STACK);
        // X06: what `Hot` knows of a memory's place stays true.
        config.memory_may_move(false);
        config.wasm_component_model(false);
        Engine::new(&config).map_err(|error| format!("{error:#}"))
    });
    engine.as_ref().map_err(|error| EngineError::new(Phase::Load, error.as_str()))
}

/// Where a module's memory is.
#[derive(Clone, Copy)]
struct Place(NonNull<[u8]>);

// SAFETY: it is of the module it lies in, and goes with it.
unsafe impl Send for Place {}

/// A module that runs, its exports resolved.
struct Hot {
    store: Store<Limiter>,
    memory: Memory,
    /// Where `memory` is, as long as it was when it last grew by `grow`: looking for it takes as long as all else around a small block.
    place: Place,
    counter: Global,
    init: TypedFunc<(u32, u32), i32>,
    process: TypedFunc<(i64, u32, u32, u32), (i32, u64)>,
    reset: Option<TypedFunc<(u32, u32), i32>>,
    drop: Option<TypedFunc<u32, ()>>,
}

/// Compiles and starts `wasm`.
pub(crate) fn start(wasm: &[u8], exports: &HotExports, limits: &Limits) -> Result<Box<dyn HotModule>, EngineError> {
    let engine = engine()?;
    let compile = |error: wasmtime::Error| EngineError::new(Phase::Compile, format!("{error:#}"));
    let link = |error: wasmtime::Error| EngineError::new(Phase::Link, format!("{error:#}"));
    let missing = |name: &str| EngineError::new(Phase::Link, format!("it does not export `{name}`"));
    let module = Module::from_binary(engine, wasm).map_err(compile)?;
    let mut store = Store::new(engine, Limiter::new(limits));
    store.limiter(|limiter| limiter);
    let instance = Instance::new(&mut store, &module, &[]).map_err(link)?;
    let memory = instance.get_memory(&mut store, &exports.memory).ok_or_else(|| missing(&exports.memory))?;
    let counter = instance.get_global(&mut store, meter::COUNTER).ok_or_else(|| missing(meter::COUNTER))?;
    let reset = exports.reset.as_ref().map(|name| instance.get_typed_func(&mut store, name)).transpose();
    let drop = exports.drop.as_ref().map(|name| instance.get_typed_func(&mut store, name)).transpose();
    Ok(Box::new(Hot {
        init: instance.get_typed_func(&mut store, &exports.init).map_err(link)?,
        process: instance.get_typed_func(&mut store, meter::ENTRY).map_err(link)?,
        reset: reset.map_err(link)?,
        drop: drop.map_err(link)?,
        place: Place(NonNull::from(memory.data_mut(&mut store))),
        store,
        memory,
        counter,
    }))
}

impl Hot {
    #[cold]
    fn trap(&mut self, error: wasmtime::Error) -> TrapKind {
        if self.counter() < 0 { TrapKind::Deadline } else { guard::trap(error).kind }
    }
}

impl HotModule for Hot {
    fn init(&mut self, args: u32, out_ctx: u32) -> Result<i32, TrapKind> {
        self.init.call(&mut self.store, (args, out_ctx)).map_err(|error| self.trap(error))
    }

    fn process(&mut self, units: i64, ctx: u32, frames: u32, answer: u32) -> Result<(i32, u64), TrapKind> {
        self.process.call(&mut self.store, (units, ctx, frames, answer)).map_err(|error| self.trap(error))
    }

    fn reset(&mut self, ctx: u32, flags: u32) -> Result<i32, TrapKind> {
        let Some(reset) = &self.reset else { return Ok(0) };
        reset.call(&mut self.store, (ctx, flags)).map_err(|error| self.trap(error))
    }

    fn drop_context(&mut self, ctx: u32) -> Result<(), TrapKind> {
        let Some(drop) = &self.drop else { return Ok(()) };
        drop.call(&mut self.store, ctx).map_err(|error| self.trap(error))
    }

    fn memory(&mut self) -> &mut [u8] {
        // SAFETY: the memory was there, and that long, when it was made or last grew by `grow`. Its engine never moves a memory that grows
        // (`memory_may_move`), memories never shrink, and this one lives as long as the store. Nobody else reaches it while the slice lives: the store
        // is this module's, which the slice borrows mutably.
        unsafe { self.place.0.as_mut() }
    }

    fn grow(&mut self, pages: u32) -> Option<usize> {
        let before = self.memory.data_size(&self.store);
        self.memory.grow(&mut self.store, pages.into()).ok()?;
        self.place = Place(NonNull::from(self.memory.data_mut(&mut self.store)));
        Some(before)
    }

    fn set_counter(&mut self, units: i64) {
        let set = self.counter.set(&mut self.store, Val::I64(units));
        debug_assert!(set.is_ok(), "the meter's counter is a mutable i64");
    }

    fn counter(&mut self) -> i64 {
        self.counter.get(&mut self.store).i64().unwrap_or(-1)
    }

    fn prepare_thread(&self) {
        Engine::tls_eager_initialize();
    }
}

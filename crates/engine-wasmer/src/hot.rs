//! Hot-path modules: core modules that are called for each block, on the audio thread.
//!
//! Each has an engine of its own, so that its code is freed with it, and a store under the same limits as a component's.

use std::ptr::{self, NonNull};

use stellatune_plugin_core::{
    engine::{EngineError, HotExports, HotModule, Phase},
    error::TrapKind,
    limits::Limits,
    meter,
};
use wasmer::{
    Engine, Function, Global, Instance, Memory, Module, ModuleInfo, RuntimeError, Store, TypedFunction, Value,
    WasmTypeList, imports,
};

use crate::{
    compile,
    component::plan::DeclaredTables,
    guard::{self, FIXED},
};

/// A store that may go to another thread.
struct Movable(Store);

// SAFETY: between calls nothing in the store refers to a thread, and `Hot` lets nobody use it from two at once: it is reached
// through `&mut` only. Wasmer withholds `Send` because a store may hold values of the host and a callback of whatever type. This one
// holds neither: its module imports nothing, and no handler of traps and no callback is ever set. What is left are tables of Wasmer's own
// objects, memory, and the engine, which is `Send`. What a call keeps for its thread (the store that runs, the place traps return to, the
// stack of the guest) is set up when it begins and taken down when it ends, trap or not. tests/moved.rs moves one.
unsafe impl Send for Movable {}

/// Where a module's memory is, until guest code runs or it grows.
#[derive(Clone, Copy)]
struct Place(NonNull<[u8]>);

// SAFETY: it is of the module it lies in, and goes with it.
unsafe impl Send for Place {}

/// A module that runs, its exports resolved.
struct Hot {
    store: Movable,
    /// What `store` runs on.
    engine: Engine,
    memory: Memory,
    /// Set where `memory` was looked for since it can have moved, which takes longer than the rest of a small block's overhead.
    place: Option<Place>,
    counter: Global,
    init: TypedFunction<(u32, u32), i32>,
    process: TypedFunction<(i64, u32, u32, u32), (i32, u64)>,
    reset: Option<TypedFunction<(u32, u32), i32>>,
    drop: Option<TypedFunction<u32, ()>>,
}

/// Compiles and starts `wasm`.
pub(crate) fn start(wasm: &[u8], exports: &HotExports, limits: &Limits) -> Result<Box<dyn HotModule>, EngineError> {
    let engine = compile::compiler();
    let module = Module::new(&engine, wasm).map_err(|error| EngineError::new(Phase::Compile, error.to_string()))?;
    let (engine, _) = guard::confined(&engine, declared(module.info()), limits);
    let mut store = Store::new(engine.clone());
    let instance = Instance::new(&mut store, &module, &imports! {})
        .map_err(|error| EngineError::new(Phase::Link, guard::not_instantiated(error).to_string()))?;
    let found = &instance.exports;
    let link = |error: wasmer::ExportError| EngineError::new(Phase::Link, error.to_string());
    Ok(Box::new(Hot {
        memory: found.get_memory(&exports.memory).map_err(link)?.clone(),
        place: None,
        counter: found.get_global(meter::COUNTER).map_err(link)?.clone(),
        init: function(&instance, &store, &exports.init)?,
        process: function(&instance, &store, meter::ENTRY)?,
        reset: exports.reset.as_ref().map(|name| function(&instance, &store, name)).transpose()?,
        drop: exports.drop.as_ref().map(|name| function(&instance, &store, name)).transpose()?,
        engine,
        store: Movable(store),
    }))
}

fn function<P: WasmTypeList, R: WasmTypeList>(
    instance: &Instance,
    store: &Store,
    name: &str,
) -> Result<TypedFunction<P, R>, EngineError> {
    let function = instance.exports.get_typed_function(store, name);
    function.map_err(|error| EngineError::new(Phase::Link, format!("`{name}`: {error}")))
}

/// Its tables, all of which are its own.
fn declared(module: &ModuleInfo) -> DeclaredTables {
    let mut declared = DeclaredTables { elements: 0, growing: 0 };
    for table in module.tables.values() {
        declared.elements += u64::from(table.minimum);
        let fixed = table.maximum == Some(table.minimum) || table.maximum == Some(FIXED);
        declared.growing += u32::from(!fixed);
    }
    declared
}

impl Hot {
    #[cold]
    fn trap(&mut self, error: &RuntimeError) -> TrapKind {
        if self.counter() < 0 { TrapKind::Deadline } else { guard::trap(error).kind }
    }
}

impl HotModule for Hot {
    fn init(&mut self, args: u32, out_ctx: u32) -> Result<i32, TrapKind> {
        self.place = None;
        self.init.call(&mut self.store.0, args, out_ctx).map_err(|error| self.trap(&error))
    }

    fn process(&mut self, units: i64, ctx: u32, frames: u32, answer: u32) -> Result<(i32, u64), TrapKind> {
        self.place = None;
        self.process.call(&mut self.store.0, units, ctx, frames, answer).map_err(|error| self.trap(&error))
    }

    fn reset(&mut self, ctx: u32, flags: u32) -> Result<i32, TrapKind> {
        let Some(reset) = &self.reset else { return Ok(0) };
        self.place = None;
        reset.call(&mut self.store.0, ctx, flags).map_err(|error| self.trap(&error))
    }

    fn drop_context(&mut self, ctx: u32) -> Result<(), TrapKind> {
        let Some(drop) = &self.drop else { return Ok(()) };
        self.place = None;
        drop.call(&mut self.store.0, ctx).map_err(|error| self.trap(&error))
    }

    fn memory(&mut self) -> &mut [u8] {
        let place = self.place.or_else(|| {
            let view = self.memory.view(&self.store.0);
            NonNull::new(ptr::slice_from_raw_parts_mut(view.data_ptr(), view.data_size() as usize)).map(Place)
        });
        self.place = place;
        let Some(Place(mut memory)) = place else { return &mut [] };
        // SAFETY: it is all of the store's memory where it is now: it moves and grows only in guest code and in `grow`, which forget the place
        // first. Nobody else reaches it: the store is this module's, which the slice borrows mutably.
        unsafe { memory.as_mut() }
    }

    fn grow(&mut self, pages: u32) -> Option<usize> {
        self.place = None;
        self.memory.grow(&mut self.store.0, pages).ok().map(|before| before.bytes().0)
    }

    fn set_counter(&mut self, units: i64) {
        let set = self.counter.set(&mut self.store.0, Value::I64(units));
        debug_assert!(set.is_ok(), "the meter's counter is a mutable i64");
    }

    fn counter(&mut self) -> i64 {
        self.counter.get(&mut self.store.0).i64().unwrap_or(-1)
    }

    /// A call of any function leaves behind on its thread what all later ones use: a stack for signals, one for guests, and a list of
    /// the stores that run. This one is a function of the host in a store of its own, so that the module does not notice.
    fn prepare_thread(&self) {
        let mut store = Store::new(self.engine.clone());
        let nothing = Function::new_typed(&mut store, || ());
        let called = nothing.typed::<(), ()>(&store).map(|nothing| nothing.call(&mut store));
        debug_assert!(matches!(called, Ok(Ok(()))), "a function that does nothing does it");
    }
}

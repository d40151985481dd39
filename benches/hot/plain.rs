//! What one would write by hand for one engine, with nothing that could stop the module.

use anyhow::{Result, bail, ensure};

/// A module, its function looked up once.
pub(crate) trait Plain {
    fn memory(&mut self) -> &mut [u8];

    /// Runs a block that lies in its memory.
    fn process(&mut self, frames: usize) -> Result<()>;
}

pub(crate) fn on(engine: &str, wasm: &[u8]) -> Result<Box<dyn Plain>> {
    match engine {
        "wasmtime" => Ok(Box::new(OnWasmtime::new(wasm).map_err(|error| anyhow::anyhow!("{error:#}"))?)),
        "wasmer" => Ok(Box::new(OnWasmer::new(wasm)?)),
        other => bail!("nothing is written by hand for {other}"),
    }
}

struct OnWasmtime {
    store: wasmtime::Store<()>,
    memory: wasmtime::Memory,
    process: wasmtime::TypedFunc<(u32, u32, u32, u32), i32>,
}

impl OnWasmtime {
    fn new(wasm: &[u8]) -> wasmtime::Result<Self> {
        let engine = wasmtime::Engine::default();
        let module = wasmtime::Module::new(&engine, wasm)?;
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = wasmtime::Instance::new(&mut store, &module, &[])?;
        let memory =
            instance.get_memory(&mut store, "memory").ok_or_else(|| wasmtime::Error::msg("it exports no memory"))?;
        let process = instance.get_typed_func(&mut store, "st_hot_process")?;
        Ok(Self { store, memory, process })
    }
}

impl Plain for OnWasmtime {
    fn memory(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    fn process(&mut self, frames: usize) -> Result<()> {
        let code = self.process.call(&mut self.store, (0, frames as u32, 8, 12));
        ensure!(code.is_ok_and(|code| code == 0), "the module fails");
        Ok(())
    }
}

struct OnWasmer {
    store: wasmer::Store,
    memory: wasmer::Memory,
    process: wasmer::TypedFunction<(u32, u32, u32, u32), i32>,
}

impl OnWasmer {
    fn new(wasm: &[u8]) -> Result<Self> {
        let engine: wasmer::Engine = wasmer::sys::EngineBuilder::new(wasmer::sys::Cranelift::default()).engine().into();
        let module = wasmer::Module::new(&engine, wasm)?;
        let mut store = wasmer::Store::new(engine);
        let instance = wasmer::Instance::new(&mut store, &module, &wasmer::imports! {})?;
        let memory = instance.exports.get_memory("memory")?.clone();
        let process = instance.exports.get_typed_function(&store, "st_hot_process")?;
        Ok(Self { store, memory, process })
    }
}

impl Plain for OnWasmer {
    fn memory(&mut self) -> &mut [u8] {
        let view = self.memory.view(&self.store);
        // SAFETY: the memory is there and that long until guest code runs, for which this must be borrowed again.
        unsafe { std::slice::from_raw_parts_mut(view.data_ptr(), view.data_size() as usize) }
    }

    fn process(&mut self, frames: usize) -> Result<()> {
        let code = self.process.call(&mut self.store, 0, frames as u32, 8, 12)?;
        ensure!(code == 0, "the module fails");
        Ok(())
    }
}

//! Compiled code: makes it of a component, and reads it again.
//!
//! An artifact holds the plan and the machine code of each core module, so that loading one translates nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stellatune_plugin_core::meter::{self, Form};
use wasmer::{
    Engine, ExportIndex, LocalFunctionIndex, Module, ModuleInfo, Type,
    sys::{
        CompilerConfig, Cranelift, EngineBuilder, Features, FunctionMiddleware, MiddlewareError, ModuleMiddleware,
        Target,
    },
};

use crate::{
    component::{
        plan::Plan,
        translate::{Translated, translate},
    },
    guard,
};

/// What an artifact begins with; changed whenever its form, the meter or the plan changes.
const MAGIC: &[u8] = b"stellatune wasmer 1\n";

/// What follows it.
#[derive(Serialize, Deserialize)]
struct Contents<'a> {
    plan: Plan,
    #[serde(borrow)]
    modules: Vec<&'a [u8]>,
}

/// Compiles a binary component.
///
/// # Errors
/// What is not a component, not valid, or needs what this engine does not do.
pub(crate) fn compile(wasm: &[u8]) -> Result<Vec<u8>, String> {
    if !wasm.starts_with(b"\0asm") {
        return Err(match wasm.starts_with(MAGIC) || wasm.starts_with(b"\x7fELF") {
            true => "it is compiled already; only WebAssembly is accepted".into(),
            false => "it is not a WebAssembly binary".into(),
        });
    }
    translate(wasm, |Translated { plan, modules }| {
        let engine = compiler();
        let mut compiled = Vec::with_capacity(modules.len());
        for module in modules {
            let metered = meter::meter(module, Form::Asking).map_err(|error| error.to_string())?;
            let module = Module::new(&engine, metered).map_err(|error| error.to_string())?;
            compiled.push(module.serialize().map_err(|error| error.to_string())?);
        }
        let contents = Contents { plan, modules: compiled.iter().map(|module| &**module).collect() };
        postcard::to_extend(&contents, MAGIC.to_vec()).map_err(|error| error.to_string())
    })
}

/// An artifact, read.
pub(crate) struct Loaded {
    pub(crate) engine: Engine,
    pub(crate) plan: Plan,
    pub(crate) modules: Vec<Module>,
}

/// Reads compiled code.
///
/// # Safety
/// [`compile`] of an engine of the same id made `bytes`, and they are unchanged.
///
/// # Errors
/// Something else.
pub(crate) unsafe fn load(bytes: &[u8]) -> Result<Loaded, String> {
    let contents = bytes.strip_prefix(MAGIC).ok_or("it is not code that this engine compiled")?;
    let Contents { plan, modules } =
        postcard::from_bytes(contents).map_err(|error| format!("it is damaged: {error}"))?;
    let engine: Engine = EngineBuilder::headless().engine().into();
    let mut loaded = Vec::with_capacity(modules.len());
    for module in modules {
        // SAFETY: the caller's promise.
        let module = unsafe { Module::deserialize_unchecked(&engine, module) };
        loaded.push(module.map_err(|error| error.to_string())?);
    }
    Ok(Loaded { engine, plan, modules: loaded })
}

/// Fingerprint of what compiled code depends on besides the versions: the target, the features of this CPU, and the form
/// of the artifact.
pub(crate) fn configuration() -> String {
    let target = Target::default();
    let mut features: Vec<String> = target.cpu_features().iter().map(|feature| feature.to_string()).collect();
    features.sort();
    let form = MAGIC.iter().rev().find(|byte| byte.is_ascii_digit()).copied().map_or('0', char::from);
    format!("{}-{}-{form}", target.triple(), features.join("+"))
}

/// An engine that compiles. Its code is dropped with it.
pub(crate) fn compiler() -> Engine {
    let mut config = Cranelift::default();
    config.push_middleware(Arc::new(OpenTables));
    EngineBuilder::new(config).set_features(Some(proposals())).engine().into()
}

/// As the translator validates: WebAssembly 2.0 with extended constants.
fn proposals() -> Features {
    Features {
        reference_types: true,
        simd: true,
        bulk_memory: true,
        multi_value: true,
        extended_const: true,
        threads: false,
        tail_call: false,
        module_linking: false,
        multi_memory: false,
        memory64: false,
        exceptions: false,
        relaxed_simd: false,
        wide_arithmetic: false,
    }
}

/// Makes compiled code look at function tables where they are.
///
/// Wasmer mirrors a function table whose maximum is its minimum into the instance that owns it, and only that instance's
/// writes refresh the mirror. Components have another module fill such a table, whose functions would then be missing. With
/// any other maximum there is no mirror; [`guard`] keeps such a table from growing.
#[derive(Debug)]
struct OpenTables;

impl ModuleMiddleware for OpenTables {
    fn generate_function_middleware<'a>(&self, _: LocalFunctionIndex) -> Box<dyn FunctionMiddleware<'a> + 'a> {
        Box::new(Unchanged)
    }

    fn transform_module_info(&self, info: &mut ModuleInfo) -> Result<(), MiddlewareError> {
        let imported = info.num_imported_tables;
        let exports: Vec<_> = info.exports.values().cloned().collect();
        for (position, (index, table)) in info.tables.iter_mut().enumerate() {
            if table.ty != Type::FuncRef {
                continue;
            }
            if position < imported {
                // Fits a table of any maximum.
                table.maximum = None;
            } else if table.maximum == Some(table.minimum) && exports.contains(&ExportIndex::Table(index)) {
                table.maximum = Some(guard::FIXED);
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Unchanged;

impl FunctionMiddleware<'_> for Unchanged {}

//! Compiled code: makes it of a component, and reads it again.
//!
//! An artifact holds the plan and the machine code of each core module, so that loading one translates nothing. The code is
//! used where it lies, in memory or in a mapped file, and only copied to where it runs.

use std::sync::Arc;

use bytes::Bytes;
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

/// What an artifact begins with; changed whenever its form, the meter or the plan changes. Behind it are the bytes of the
/// [`Index`] as 32 bits, the index, and the modules.
const MAGIC: &[u8] = b"stellatune wasmer 3\n";

/// Where each module begins: at a multiple of this, since Wasmer reads structures in it in place.
const ALIGN: usize = 64;

/// What an artifact has of a component, and the bytes of each of its modules.
#[derive(Serialize, Deserialize)]
struct Index {
    plan: Plan,
    modules: Vec<u32>,
}

/// Compiles a binary component.
///
/// # Errors
/// What is not a component, not valid, or needs what this engine does not do.
pub(crate) fn compile(wasm: &[u8]) -> Result<Vec<u8>, String> {
    compile_with(wasm, true)
}

/// The same, with or without the meter, without which nothing stops a guest.
///
/// # Errors
/// As [`compile`].
pub(crate) fn compile_with(wasm: &[u8], metered: bool) -> Result<Vec<u8>, String> {
    if !wasm.starts_with(b"\0asm") {
        return Err(match wasm.starts_with(MAGIC) || wasm.starts_with(b"\x7fELF") {
            true => "it is compiled already; only WebAssembly is accepted".into(),
            false => "it is not a WebAssembly binary".into(),
        });
    }
    translate(wasm, |Translated { mut plan, modules }| {
        plan.metered = metered;
        let engine = compiler();
        let mut compiled = Vec::with_capacity(modules.len());
        for module in modules {
            let module = if metered {
                Module::new(&engine, meter::meter(module, Form::Asking).map_err(|error| error.to_string())?)
            } else {
                Module::new(&engine, module)
            };
            let module = module.map_err(|error| error.to_string())?;
            compiled.push(module.serialize().map_err(|error| error.to_string())?);
        }
        pack(plan, &compiled)
    })
}

/// An artifact, read.
pub(crate) struct Loaded {
    pub(crate) engine: Engine,
    pub(crate) plan: Plan,
    pub(crate) modules: Vec<Module>,
}

/// Makes an artifact.
fn pack<M: AsRef<[u8]>>(plan: Plan, compiled: &[M]) -> Result<Vec<u8>, String> {
    let large = |_| "its machine code is too large".to_owned();
    let sizes = compiled.iter().map(|module| u32::try_from(module.as_ref().len()).map_err(large));
    let index = Index { plan, modules: sizes.collect::<Result<_, _>>()? };
    let index = postcard::to_allocvec(&index).map_err(|error| error.to_string())?;
    let mut artifact = MAGIC.to_vec();
    artifact.extend(u32::try_from(index.len()).map_err(large)?.to_le_bytes());
    artifact.extend(index);
    for module in compiled {
        artifact.resize(artifact.len().next_multiple_of(ALIGN), 0);
        artifact.extend(module.as_ref());
    }
    Ok(artifact)
}

/// The index of an artifact, and its modules.
fn unpack(artifact: &Bytes) -> Option<(Index, Vec<Bytes>)> {
    let rest = artifact.strip_prefix(MAGIC)?;
    let (size, rest) = rest.split_first_chunk()?;
    let index = rest.get(..u32::from_le_bytes(*size) as usize)?;
    let mut end = MAGIC.len() + size.len() + index.len();
    let index: Index = postcard::from_bytes(index).ok()?;
    let modules = index.modules.iter().map(|size| {
        let start = end.next_multiple_of(ALIGN);
        end = start.checked_add(*size as usize)?;
        (end <= artifact.len()).then(|| artifact.slice(start..end))
    });
    let modules = modules.collect::<Option<_>>()?;
    Some((index, modules))
}

/// Reads compiled code.
///
/// # Safety
/// [`compile`] of an engine of the same id made `artifact`, and it is and stays unchanged.
///
/// # Errors
/// Something else.
pub(crate) unsafe fn load(artifact: &Bytes) -> Result<Loaded, String> {
    let (index, modules) = unpack(artifact).ok_or("it is not code that this engine compiled, or damaged")?;
    let engine: Engine = EngineBuilder::headless().engine().into();
    let mut loaded = Vec::with_capacity(modules.len());
    for module in modules {
        // SAFETY: the caller's promise.
        let module = unsafe { Module::deserialize_unchecked(&engine, module) };
        loaded.push(module.map_err(|error| error.to_string())?);
    }
    Ok(Loaded { engine, plan: index.plan, modules: loaded })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_has_its_modules_where_they_can_be_read_in_place() {
        let modules = [vec![1; 3], Vec::new(), vec![2; 200]];
        let packed = pack(Plan::empty(), &modules).unwrap();
        let artifact = Bytes::from(packed.clone());
        let (_, unpacked) = unpack(&artifact).unwrap();
        assert_eq!(unpacked, modules);
        for module in &unpacked {
            assert_eq!((module.as_ptr() as usize - artifact.as_ptr() as usize) % ALIGN, 0);
        }
        for end in 0..packed.len() {
            assert!(unpack(&artifact.slice(..end)).is_none(), "cut off after {end} bytes");
        }
    }
}

//! Is this core module what its description says? Everything that its types tell, before it is compiled.

use wasmparser::{CompositeInnerType, ExternalKind, Parser, Payload, ValType};

use super::spec::{HotSpec, refused};
use crate::{
    error::{Error, Result},
    limits::Limits,
};

const PAGE: u64 = 65_536;

/// The parts of a module that the ABI has rules for.
#[derive(Default)]
struct Parts {
    /// Parameters and results of each type.
    types: Vec<(Vec<ValType>, Vec<ValType>)>,
    functions: Vec<u32>,
    exports: Vec<(String, ExternalKind, u32)>,
    /// Pages each memory begins with, and may grow to.
    memories: Vec<(u64, Option<u64>)>,
    imports: Vec<String>,
}

/// Checks `wasm`. *Requires*: it is valid. // X01 X07 X13
pub(super) fn check(wasm: &[u8], spec: &HotSpec, limits: &Limits) -> Result<()> {
    let parts = Parts::read(wasm).map_err(|error| refused(error.message()))?;
    if let Some(import) = parts.imports.first() {
        return Err(refused(format!("it imports {import}; hot-path modules import nothing")));
    }
    let [(pages, most)] = parts.memories.as_slice() else {
        return Err(refused(format!("it has {} memories, not one", parts.memories.len())));
    };
    let exports = &spec.exports;
    if parts.export(&exports.memory)?.0 != ExternalKind::Memory {
        return Err(refused(format!("its export `{}` is no memory", shown(&exports.memory))));
    }
    use ValType::I32;
    parts.function(&exports.init, &[I32; 2], &[I32])?;
    parts.function(&exports.process, &[I32; 4], &[I32])?;
    if let Some(name) = &exports.reset {
        parts.function(name, &[I32; 2], &[I32])?;
    }
    if let Some(name) = &exports.drop {
        parts.function(name, &[I32], &[])?;
    }
    // The page that the host adds for what it passes to `init`.
    let needed = (pages + 1) * PAGE;
    if most.is_some_and(|most| most <= *pages) {
        return Err(refused("its memory cannot grow by the one page that the host needs"));
    }
    if needed > limits.memory_bytes as u64 {
        return Err(refused(format!("it begins with {pages} pages of memory; {} bytes is all", limits.memory_bytes)));
    }
    for (name, offset) in [("in-offset", Some(spec.layout.input)), ("out-offset", spec.layout.output)] {
        let Some(offset) = offset else { continue };
        if u64::from(offset) + spec.layout.bytes() as u64 > pages * PAGE {
            let text = format!("the region at {name} {offset} ends outside the {} bytes of its memory", pages * PAGE);
            return Err(refused(text));
        }
    }
    Ok(())
}

impl Parts {
    fn read(wasm: &[u8]) -> wasmparser::Result<Self> {
        let mut parts = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for ty in group?.types() {
                            if let CompositeInnerType::Func(ty) = &ty.composite_type.inner {
                                parts.types.push((ty.params().to_vec(), ty.results().to_vec()));
                            }
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        parts.imports.push(format!("`{}` from `{}`", shown(import.name), shown(import.module)));
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        parts.functions.push(ty?);
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        let memory = memory?;
                        parts.memories.push((memory.initial, memory.maximum));
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        parts.exports.push((export.name.to_owned(), export.kind, export.index));
                    }
                }
                _ => {}
            }
        }
        Ok(parts)
    }

    fn export(&self, name: &str) -> Result<(ExternalKind, u32)> {
        let export = self.exports.iter().find(|(found, ..)| found == name);
        let (_, kind, index) = export.ok_or_else(|| refused(format!("it has no export `{}`", shown(name))))?;
        Ok((*kind, *index))
    }

    fn function(&self, name: &str, params: &[ValType], results: &[ValType]) -> Result<()> {
        let (kind, index) = self.export(name)?;
        // Nothing is imported, so that indices of functions are those of defined ones.
        let ty = self.functions.get(index as usize).and_then(|ty| self.types.get(*ty as usize));
        match ty {
            Some((has, gives)) if kind == ExternalKind::Func && has == params && gives == results => Ok(()),
            _ => Err(signature(name, params, results)),
        }
    }
}

fn signature(name: &str, params: &[ValType], results: &[ValType]) -> Error {
    let result = if results.is_empty() { "nothing" } else { "an i32" };
    refused(format!("its export `{}` is no function of {} i32 that returns {result}", shown(name), params.len()))
}

/// At most 80 characters of a name a plugin chose, without control characters.
fn shown(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}

//! Reads a binary component's structure, bounded: what it imports, exports and is made of.
//!
//! Everything but function bodies is validated, with only those WebAssembly features that every engine here offers and
//! plugins need. The counts keep a small file from costing much time and memory when it is compiled.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, Encoding,
    Instance, Parser, Payload, SectionLimited, ValidPayload, Validator, WasmFeatures, types::Types,
};

use crate::{
    error::{Error, ErrorKind, Result},
    limits::{COMPONENT_BYTES, MEMORIES, TABLES},
};

/// Types, imports, exports, aliases and canonical functions of all components together. A plugin written in Rust has
/// some 300, one in Python a few thousand.
pub(super) const COMPONENT_ITEMS: u32 = 20_000;

/// Types, imports, exports, globals and segments of all core modules together. Interpreters built of dynamic libraries
/// have tens of thousands.
pub(super) const CORE_ITEMS: u32 = 200_000;

/// Functions of all core modules together. A JavaScript engine has some 30,000.
pub(super) const FUNCTIONS: u32 = 100_000;

/// Bytes of one function. Compilers take more than linear time for one; the main loops of interpreters have some
/// 200 KiB.
pub(super) const FUNCTION_BYTES: usize = 1024 * 1024;

/// Components inside the component. Toolchains emit one for each exported interface.
pub(super) const COMPONENTS: u32 = 64;

/// Core modules. Toolchains emit three to six; interpreters one more for each library.
pub(super) const MODULES: u32 = 64;

/// Instances of components and of core modules that starting takes, each. A component that is instantiated several
/// times counts as often: nesting multiplies.
pub(super) const INSTANCES: u32 = 256;

/// What is on in core modules: what rustc and other toolchains emit for WASI 0.2, and what all engines here do. Off are
/// threads, shared memory, garbage collection, exceptions, 64-bit and several memories, tail calls, relaxed SIMD, custom
/// page sizes and stack switching.
pub(crate) const CORE_FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::FLOATS);

/// What is on in components: off is all of the component model beyond WASI 0.2 (async, values, maps, fixed-length lists).
const FEATURES: WasmFeatures = CORE_FEATURES.union(WasmFeatures::COMPONENT_MODEL);

/// A component whose structure is valid.
pub(super) struct Scanned<'a> {
    /// Its types.
    pub(super) types: Types,
    /// Names of its imports, in order.
    pub(super) imports: Vec<&'a str>,
    /// Names of its exports, in order.
    pub(super) exports: Vec<&'a str>,
}

/// Reads `wasm`.
pub(super) fn scan(wasm: &[u8]) -> Result<Scanned<'_>> {
    check_header(wasm)?;
    let mut validator = Validator::new_with_features(FEATURES);
    let mut counter = Counter::default();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut types = None;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(invalid)?;
        counter.before(&payload)?;
        let top = counter.frames.len() == 1;
        match &payload {
            Payload::ComponentImportSection(section) if top => {
                for import in section.clone() {
                    imports.push(import.map_err(invalid)?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if top => {
                for export in section.clone() {
                    exports.push(export.map_err(invalid)?.name.name);
                }
            }
            _ => {}
        }
        if let ValidPayload::End(ended) = validator.payload(&payload).map_err(invalid)? {
            types = Some(ended);
        }
        counter.after(&payload)?;
    }
    let types = types.ok_or_else(|| Error::rejected("invalid-wasm", "the component has no end"))?;
    Ok(Scanned { types, imports, exports })
}

/// At most 80 characters of a name a component chose, without control characters.
pub(super) fn short(text: &str) -> String {
    bounded(text, 80)
}

fn bounded(text: &str, characters: usize) -> String {
    let mut short: String = text.chars().take(characters).flat_map(char::escape_debug).collect();
    if text.chars().nth(characters).is_some() {
        short.push('…');
    }
    short
}

fn check_header(wasm: &[u8]) -> Result<()> {
    if wasm.len() > COMPONENT_BYTES {
        let text = format!("the component has {} bytes; the limit is {COMPONENT_BYTES}", wasm.len());
        return Err(Error::rejected("component-size", text));
    }
    if Parser::is_component(wasm) {
        return Ok(());
    }
    const NATIVE: [&[u8]; 6] =
        [b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa\xcf", b"wasmer-"];
    Err(if Parser::is_core_wasm(wasm) {
        Error::rejected("core-module", "the file is a core WebAssembly module, not a component")
            .help("build for wasm32-wasip2, or make a component of it with `wasm-tools component new`")
    } else if wasm.starts_with(b"\0asm") {
        Error::rejected("component-version", "the component has a version of the binary format that no host knows")
    } else if NATIVE.iter().any(|magic| wasm.starts_with(magic)) {
        Error::rejected("precompiled", "the file holds native or precompiled code, not a component")
            .help("put the component itself into the package; it is compiled on the machine it runs on")
    } else if wasm.trim_ascii_start().starts_with(b"(") {
        Error::rejected("not-wasm", "the file is WebAssembly text, not a binary component")
            .help("turn it into a binary with `wasm-tools parse`")
    } else {
        Error::rejected("not-wasm", "the file is not a binary WebAssembly component")
    })
}

#[allow(clippy::needless_pass_by_value, reason = "the shape `map_err` takes")]
fn invalid(error: wasmparser::Error) -> Error {
    let text = bounded(error.message(), 300);
    let place = format!("at byte {}", error.offset());
    if error.missing_wasm_feature().is_some() {
        Error::new(
            ErrorKind::Incompatible,
            format!("the component uses a WebAssembly feature that is off: {text} ({place})"),
        )
        .help("build for WebAssembly 2.0 and WASI 0.2, without threads, garbage collection, exceptions or async")
    } else {
        Error::rejected("invalid-wasm", format!("the component is invalid: {text} ({place})"))
    }
}

/// What instantiating a component takes.
#[derive(Clone, Copy, Default)]
struct Weight {
    components: u32,
    modules: u32,
}

/// A component or module that is being read.
enum Frame {
    Module,
    Component {
        weight: Weight,
        /// The component's index space of components.
        known: Vec<Weight>,
    },
}

/// Counts what a component is made of.
#[derive(Default)]
struct Counter {
    frames: Vec<Frame>,
    component_items: u32,
    core_items: u32,
    functions: u32,
    components: u32,
    modules: u32,
    memories: u32,
    tables: u32,
}

impl Counter {
    /// What must be known before the validator spends time on a payload.
    fn before(&mut self, payload: &Payload<'_>) -> Result<()> {
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => {
                self.frames.push(Frame::Module);
                add(&mut self.modules, 1, MODULES, "core modules")
            }
            Payload::Version { encoding: Encoding::Component, .. } => {
                self.frames.push(Frame::Component { weight: Weight::default(), known: Vec::new() });
                add(&mut self.components, 1, COMPONENTS, "components")
            }
            Payload::CoreTypeSection(section) => self.component(section),
            Payload::ComponentTypeSection(section) => self.component(section),
            Payload::ComponentImportSection(section) => self.component(section),
            Payload::ComponentExportSection(section) => self.component(section),
            Payload::ComponentAliasSection(section) => self.component(section),
            Payload::ComponentCanonicalSection(section) => self.component(section),
            Payload::ComponentInstanceSection(section) => self.component(section),
            Payload::InstanceSection(section) => self.component(section),
            Payload::TypeSection(section) => self.core(section),
            Payload::ImportSection(section) => self.core(section),
            Payload::ExportSection(section) => self.core(section),
            Payload::GlobalSection(section) => self.core(section),
            Payload::ElementSection(section) => self.core(section),
            Payload::DataSection(section) => self.core(section),
            Payload::FunctionSection(section) => add(&mut self.functions, section.count(), FUNCTIONS, "functions"),
            Payload::MemorySection(section) => add(&mut self.memories, section.count(), MEMORIES, "memories"),
            Payload::TableSection(section) => add(&mut self.tables, section.count(), TABLES, "tables"),
            Payload::CodeSectionEntry(body) if body.range().len() > FUNCTION_BYTES => {
                Err(too_many("bytes in one function", FUNCTION_BYTES))
            }
            _ => Ok(()),
        }
    }

    /// What can be read once the validator has found the payload's indices to be in range.
    fn after(&mut self, payload: &Payload<'_>) -> Result<()> {
        match payload {
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    if let Instance::Instantiate { .. } = instance.map_err(invalid)? {
                        self.start(Weight { components: 0, modules: 1 })?;
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance.map_err(invalid)? {
                        let inner = self.known(0, component_index)?;
                        self.start(Weight { components: inner.components + 1, ..inner })?;
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    match alias.map_err(invalid)? {
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                            return Err(passed_component());
                        }
                        ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                            let weight = self.known(count, index)?;
                            self.learn(weight);
                        }
                        _ => {}
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    if let ComponentTypeRef::Component(_) = import.map_err(invalid)?.ty {
                        return Err(passed_component());
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    if export.map_err(invalid)?.kind == ComponentExternalKind::Component {
                        return Err(passed_component());
                    }
                }
            }
            Payload::End(_) => {
                if let Some(Frame::Component { weight, .. }) = self.frames.pop() {
                    self.learn(weight);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn component<T>(&mut self, section: &SectionLimited<'_, T>) -> Result<()> {
        add(&mut self.component_items, section.count(), COMPONENT_ITEMS, "types, imports, exports and aliases")
    }

    fn core<T>(&mut self, section: &SectionLimited<'_, T>) -> Result<()> {
        add(&mut self.core_items, section.count(), CORE_ITEMS, "items in core modules")
    }

    /// Adds what an instantiation in the current component takes.
    fn start(&mut self, takes: Weight) -> Result<()> {
        if let Some(Frame::Component { weight, .. }) = self.frames.last_mut() {
            add(&mut weight.components, takes.components, INSTANCES, "component instances")?;
            add(&mut weight.modules, takes.modules, INSTANCES, "core instances")?;
        }
        Ok(())
    }

    /// Adds a component to the index space of the current one.
    fn learn(&mut self, component: Weight) {
        if let Some(Frame::Component { known, .. }) = self.frames.last_mut() {
            known.push(component);
        }
    }

    /// The component with this index, `out` components further out.
    fn known(&self, out: u32, index: u32) -> Result<Weight> {
        let frame = self.frames.iter().nth_back(out as usize);
        match frame {
            Some(Frame::Component { known, .. }) => known.get(index as usize).copied(),
            _ => None,
        }
        .ok_or_else(passed_component)
    }
}

fn add(count: &mut u32, more: u32, limit: u32, what: &str) -> Result<()> {
    *count = count.saturating_add(more);
    if *count > limit { Err(too_many(what, limit)) } else { Ok(()) }
}

fn too_many(what: &str, limit: impl std::fmt::Display) -> Error {
    Error::rejected("component-limit", format!("the component has more than {limit} {what}"))
}

/// Components as values could hide how much is instantiated; no toolchain makes use of them.
fn passed_component() -> Error {
    Error::rejected("component-limit", "the component imports, exports or aliases a component as a value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(text: &str) -> Vec<u8> {
        wat::parse_str(text).expect("the test's text is WebAssembly")
    }

    fn refusal(wasm: &[u8]) -> Error {
        scan(wasm).err().expect("it is refused")
    }

    fn rule(text: &str) -> Option<&'static str> {
        scan(&binary(text)).err().and_then(|error| error.rule())
    }

    #[test]
    fn what_is_no_component_is_named() {
        let cases: [(&[u8], &str); 8] = [
            (b"", "not-wasm"),
            (b"fLaC", "not-wasm"),
            (b"\n (component)", "not-wasm"),
            (b"\0asm\x01\0\0\0", "core-module"),
            (b"\0asm\x0e\0\x01\0", "component-version"),
            (b"\x7fELF\x02", "precompiled"),
            (b"wasmer-universal", "precompiled"),
            (b"\0asm\x0d\0\x01\0\x63", "invalid-wasm"),
        ];
        for (bytes, rule) in cases {
            assert_eq!(refusal(bytes).rule(), Some(rule), "{bytes:?}");
        }
        assert_eq!(refusal(&vec![0; COMPONENT_BYTES + 1]).rule(), Some("component-size"));
        assert!(scan(&binary("(component)")).is_ok());
    }

    // L10, L04
    #[test]
    fn features_that_are_off_are_refused() {
        let off = [
            "(memory 1 1 shared)",
            "(memory i64 1)",
            "(memory 1 (pagesize 1))",
            "(memory 1) (memory 1)",
            "(type (struct))",
            "(type (func (param externref)))",
            "(type $f (func)) (table 1 (ref null $f))",
            "(tag)",
            "(rec (type $f (func)) (type (cont $f)))",
        ];
        for module in off {
            let error = refusal(&binary(&format!("(component (core module {module}))")));
            assert!(
                error.kind() == ErrorKind::Incompatible || error.rule() == Some("invalid-wasm"),
                "{module}: {error} {:?}",
                error.kind()
            );
        }
        for item in ["(type (stream u8))", "(type (future))", "(type (func async))", "(type (list u8 4))"] {
            assert_eq!(refusal(&binary(&format!("(component {item})"))).kind(), ErrorKind::Incompatible, "{item}");
        }
        let on =
            "(memory 1) (table 2 funcref) (global (mut v128) (v128.const i64x2 0 0)) (type (func (result i32 i32)))
            (global (export \"g\") i32 (i32.add (i32.const 1) (i32.const 2)))";
        assert!(scan(&binary(&format!("(component (core module {on}))"))).is_ok());
    }

    // L02, L04
    #[test]
    fn counts_are_bounded() {
        let repeat = |item: &str, times: u32| format!("(component {})", item.repeat(times as usize));
        let modules = |item: &str, times: u32| repeat(&format!("(core module {item})"), times);
        let tables = "(table 1 funcref)".repeat(2);
        let cases = [
            (repeat("(type u8)", COMPONENT_ITEMS), repeat("(type u8)", COMPONENT_ITEMS + 1)),
            (repeat("(component)", COMPONENTS - 1), repeat("(component)", COMPONENTS)),
            (modules("", MODULES), modules("", MODULES + 1)),
            (modules("(memory 1)", MEMORIES), modules("(memory 1)", MEMORIES + 1)),
            (modules(&tables, TABLES / 2), modules(&tables, TABLES / 2 + 1)),
        ];
        for (most, more) in cases {
            assert_eq!(rule(&most), None, "{}", &most[..60]);
            assert_eq!(rule(&more), Some("component-limit"), "{}", &more[..60]);
        }
        let globals = "(global i32 (i32.const 0))".repeat(CORE_ITEMS as usize + 1);
        assert_eq!(rule(&modules(&globals, 1)), Some("component-limit"));
        let functions = "(func)".repeat(FUNCTIONS as usize + 1);
        assert_eq!(rule(&modules(&functions, 1)), Some("component-limit"));
        let function = format!("(func {})", "nop ".repeat(FUNCTION_BYTES));
        assert_eq!(rule(&modules(&function, 1)), Some("component-limit"));
    }

    #[test]
    fn instances_are_counted_as_often_as_they_are_made() {
        // Each level instantiates the one inside twice: 2^levels modules.
        let nested = |levels: usize| {
            let innermost = "(component (core module $m) (core instance (instantiate $m)))".to_owned();
            (0..levels).fold(innermost, |inner, _| {
                let named = inner.replacen("(component", "(component $c", 1);
                format!("(component {named} (instance (instantiate $c)) (instance (instantiate $c)))")
            })
        };
        assert_eq!(rule(&nested(6)), None);
        assert_eq!(rule(&nested(20)), Some("component-limit"));

        let by_alias = |times: usize| {
            let twice = "(instance (instantiate $a)) ".repeat(times);
            format!(
                "(component $top (component $m (core module $m) (core instance (instantiate $m)))
                    (component $n (alias outer $top $m (component $a)) {twice}) (instance (instantiate $n)))"
            )
        };
        assert_eq!(rule(&by_alias(INSTANCES as usize - 1)), None);
        assert_eq!(rule(&by_alias(INSTANCES as usize + 1)), Some("component-limit"));

        let hidden = [
            "(component (import \"c\" (component)))",
            "(component (component $c) (export \"c\" (component $c)))",
            "(component (import \"i\" (instance $i (export \"c\" (component)))) (alias export $i \"c\" (component)))",
        ];
        for text in hidden {
            assert_eq!(rule(text), Some("component-limit"), "{text}");
        }
    }

    // L02
    #[test]
    fn deep_types_are_refused_without_deep_recursion() {
        let mut text = "(component (type $t0 u8)".to_owned();
        for level in 1..10_000 {
            text += &format!("(type $t{level} (list $t{}))", level - 1);
        }
        assert_eq!(rule(&(text + ")")), Some("invalid-wasm"));
    }

    #[test]
    fn names_are_cut_and_escaped() {
        assert_eq!(short("a\u{1b}[31m"), "a\\u{1b}[31m");
        assert_eq!(short(&"ä".repeat(200)).chars().count(), 81);
    }
}

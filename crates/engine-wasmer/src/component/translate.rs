//! Turns a component into a [`Plan`] and its core modules. The one file that knows `wasmtime-environ`.
//!
//! That crate validates a component, resolves its nested instances, and lists what to do to instantiate it; its interface
//! is Wasmtime's own affair, so that its exact version is pinned and its types go no further than this file. What a
//! composed component needs beyond the contract and WASI 0.2 is refused here, by name.

use std::collections::HashMap;

use wasmtime_environ::{
    EntityIndex, ModuleTranslation, PrimaryMap, ScopeVec, Tunables, WasmValType,
    component::{
        CanonicalOptions, CanonicalOptionsDataModel, Component, ComponentTranslation, ComponentTypes,
        ComponentTypesBuilder, CoreDef, Export as ComponentExport, ExportIndex, ExportItem, GlobalInitializer,
        InstantiateModule, InterfaceType, RuntimeMemoryIndex, RuntimePostReturnIndex, RuntimeReallocIndex,
        StaticModuleIndex, StringEncoding, Trampoline as CoreTrampoline, Translator, TypeDef, TypeFuncIndex,
        TypeResourceTable, TypeResourceTableIndex,
    },
    wasmparser::{Validator, WasmFeatures},
};

use super::plan::{
    CoreType, Definition, Encoding, Export, FunctionType, HandleType, Import, Options, Plan, Resource, Signature, Step,
    TableLimits, Trampoline, Type,
};

/// What guests may be made of; every other proposal is code an attacker could reach and no toolchain needs.
const PROPOSALS: WasmFeatures =
    WasmFeatures::WASM2.union(WasmFeatures::EXTENDED_CONST).union(WasmFeatures::COMPONENT_MODEL);

/// A component taken apart.
pub(crate) struct Translated<'a> {
    pub(crate) plan: Plan,
    /// The core modules in the order the plan counts them: valid but for their functions, which whoever compiles them validates.
    pub(crate) modules: Vec<&'a [u8]>,
}

/// Validates a binary component, all but the functions of its core modules, and hands what it is made of to `then`.
///
/// # Errors
/// What is invalid, or what this layer does not do, by name.
pub(crate) fn translate<T>(wasm: &[u8], then: impl FnOnce(Translated<'_>) -> Result<T, String>) -> Result<T, String> {
    let mut tunables = Tunables::default_host();
    tunables.concurrency_support = false;
    let mut validator = Validator::new_with_features(PROPOSALS);
    let mut types = ComponentTypesBuilder::new(&validator);
    let scope = ScopeVec::new();
    let translated = Translator::new(&tunables, &mut validator, &mut types, &scope).translate(wasm);
    let (component, modules) = translated.map_err(|error| format!("{error:#}"))?;
    let handles = types.num_resource_tables();
    let (types, _) = types.finish(&component.component);
    let mut planner = Planner {
        component: &component,
        types: &types,
        modules: &modules,
        plan: Plan::empty(),
        known: HashMap::new(),
        instances: Vec::new(),
    };
    planner.run(handles)?;
    let plan = planner.plan;
    then(Translated { plan, modules: modules.values().map(|module| module.wasm).collect() })
}

/// Fills a plan.
struct Planner<'a> {
    component: &'a ComponentTranslation,
    types: &'a ComponentTypes,
    modules: &'a PrimaryMap<StaticModuleIndex, ModuleTranslation<'a>>,
    plan: Plan,
    known: HashMap<InterfaceType, u32>,
    /// The module of each core instance.
    instances: Vec<StaticModuleIndex>,
}

fn unsupported<T>(what: impl std::fmt::Display) -> Result<T, String> {
    Err(format!("it needs {what}, which this engine does not do"))
}

impl Planner<'_> {
    fn run(&mut self, handles: usize) -> Result<(), String> {
        let component = &self.component.component;
        self.plan.instances = component.num_runtime_component_instances;
        self.plan.memories = component.num_runtime_memories;
        self.plan.reallocs = component.num_runtime_reallocs;
        self.plan.post_returns = component.num_runtime_post_returns;
        for (_, (interface, item)) in component.import_types.iter() {
            self.mention(interface, &item.ty);
        }
        for (_, (index, path)) in component.imports.iter() {
            let interface = component.import_types[*index].0.clone();
            match path.as_slice() {
                [name] => self.plan.imports.push(Import { interface, name: name.clone() }),
                // Named as what it is; no host offers it.
                _ => self.plan.imports.push(Import { name: path.join("/"), interface }),
            }
        }
        self.resources(component);
        self.handles(handles)?;
        for (_, options) in component.options.iter() {
            let options = self.options(options)?;
            self.plan.options.push(options);
        }
        for (_, module) in self.modules.iter() {
            let tables = module.module.tables.iter().skip(module.module.num_imported_tables);
            let limits = tables.map(|(_, it)| TableLimits { minimum: it.limits.min, maximum: it.limits.max });
            self.plan.tables.push(limits.collect());
        }
        self.steps(component)?;
        for (name, (index, _)) in component.exports.raw_iter() {
            self.export(name.as_str(), *index)?;
        }
        Ok(())
    }

    fn mention(&mut self, interface: &str, ty: &TypeDef) {
        let mut mention = |name: &str| {
            self.plan.mentioned.push(Import { interface: interface.to_owned(), name: name.to_owned() });
        };
        match ty {
            TypeDef::ComponentInstance(instance) => {
                let items = self.types[*instance].exports.iter();
                items
                    .filter(|(_, item)| matches!(item.ty, TypeDef::ComponentFunc(_)))
                    .for_each(|(name, _)| mention(name));
            }
            TypeDef::Interface(_) | TypeDef::Resource(_) => {}
            // A function, a module or a component, which no host offers outside an instance.
            _ => mention(""),
        }
    }

    fn resources(&mut self, component: &Component) {
        let imported = component.imported_resources.values().map(|import| Resource::Imported(import.as_u32()));
        let defined = component.defined_resource_instances.values();
        let defined = defined.map(|instance| Resource::Defined { instance: instance.as_u32() });
        self.plan.resources = imported.chain(defined).collect();
    }

    /// Handles of types that no instance has are mapped to no resource; nothing refers to them at run time.
    fn handles(&mut self, count: usize) -> Result<(), String> {
        for index in 0..count {
            let index = TypeResourceTableIndex::from_u32(u32::try_from(index).map_err(|_| "too many resource types")?);
            self.plan.handles.push(match &self.types[index] {
                TypeResourceTable::Concrete { ty, instance } => {
                    HandleType { resource: ty.as_u32(), instance: instance.as_u32() }
                }
                TypeResourceTable::Abstract(_) => HandleType { resource: u32::MAX, instance: u32::MAX },
            });
        }
        Ok(())
    }

    fn options(&self, options: &CanonicalOptions) -> Result<Options, String> {
        if options.async_ || options.callback.is_some() || options.cancellable {
            return unsupported("asynchronous functions");
        }
        let CanonicalOptionsDataModel::LinearMemory(memory) = options.data_model else {
            return unsupported("values in garbage-collected memory");
        };
        Ok(Options {
            instance: options.instance.as_u32(),
            encoding: match options.string_encoding {
                StringEncoding::Utf8 => Encoding::Utf8,
                StringEncoding::Utf16 => Encoding::Utf16,
                StringEncoding::CompactUtf16 => Encoding::Compact,
            },
            memory: memory.memory.map(RuntimeMemoryIndex::as_u32),
            realloc: memory.realloc.map(RuntimeReallocIndex::as_u32),
            post_return: options.post_return.map(RuntimePostReturnIndex::as_u32),
        })
    }

    fn steps(&mut self, component: &Component) -> Result<(), String> {
        let mut lowered = Vec::new();
        // The module of each core instance, for the names of its exports.
        let mut instances = Vec::new();
        for step in &component.initializers {
            let step = match step {
                GlobalInitializer::LowerImport { import, .. } => {
                    lowered.push(import.as_u32());
                    continue;
                }
                GlobalInitializer::InstantiateModule(InstantiateModule::Static(module, arguments), _) => {
                    let arguments =
                        arguments.iter().map(|it| self.definition(it, &instances)).collect::<Result<_, _>>()?;
                    instances.push(*module);
                    Step::Instantiate { module: module.as_u32(), arguments }
                }
                GlobalInitializer::InstantiateModule(InstantiateModule::Import(..), _) => {
                    return unsupported("core modules from the host");
                }
                GlobalInitializer::ExtractMemory(memory) => {
                    let definition = CoreDef::from(memory.export.clone());
                    Step::Memory { index: memory.index.as_u32(), from: self.definition(&definition, &instances)? }
                }
                GlobalInitializer::ExtractRealloc(realloc) => {
                    Step::Realloc { index: realloc.index.as_u32(), from: self.definition(&realloc.def, &instances)? }
                }
                GlobalInitializer::ExtractPostReturn(post_return) => Step::PostReturn {
                    index: post_return.index.as_u32(),
                    from: self.definition(&post_return.def, &instances)?,
                },
                GlobalInitializer::Resource(resource) => match &resource.dtor {
                    None => continue,
                    Some(destructor) => Step::Destructor {
                        resource: component.resource_index(resource.index).as_u32(),
                        from: self.definition(destructor, &instances)?,
                    },
                },
                GlobalInitializer::ExtractCallback(_) | GlobalInitializer::ExtractTable(_) => {
                    return unsupported("asynchronous functions");
                }
            };
            self.plan.steps.push(step);
        }
        for (_, trampoline) in self.component.trampolines.iter() {
            let trampoline = self.trampoline(trampoline, &lowered)?;
            self.plan.trampolines.push(trampoline);
        }
        self.instances = instances;
        Ok(())
    }

    fn trampoline(&mut self, trampoline: &CoreTrampoline, lowered: &[u32]) -> Result<Trampoline, String> {
        Ok(match trampoline {
            CoreTrampoline::LowerImport { index, lower_ty, options } => {
                let core = self.component.component.options[*options].core_type;
                let core = self.types[core].unwrap_func();
                Trampoline::Lower {
                    import: lowered[index.as_u32() as usize],
                    function: self.function(*lower_ty)?,
                    options: options.as_u32(),
                    signature: Signature {
                        parameters: core_types(core.params())?,
                        results: core_types(core.results())?,
                    },
                }
            }
            CoreTrampoline::ResourceNew { ty, .. } => Trampoline::ResourceNew { handle: ty.as_u32() },
            CoreTrampoline::ResourceRep { ty, .. } => Trampoline::ResourceRep { handle: ty.as_u32() },
            CoreTrampoline::ResourceDrop { ty, .. } => Trampoline::ResourceDrop { handle: ty.as_u32() },
            other => return unsupported(format_args!("`{}`", other.symbol_name())),
        })
    }

    fn definition(&self, definition: &CoreDef, instances: &[StaticModuleIndex]) -> Result<Definition, String> {
        Ok(match definition {
            CoreDef::Trampoline(index) => Definition::Trampoline(index.as_u32()),
            CoreDef::Export(export) => {
                let module = &self.modules[instances[export.instance.as_u32() as usize]].module;
                let name = match &export.item {
                    ExportItem::Name(name) => name.clone(),
                    ExportItem::Index(entity) => exported(module, *entity)?,
                };
                Definition::Export { instance: export.instance.as_u32(), name }
            }
            CoreDef::InstanceFlags(_) | CoreDef::TaskMayBlock => {
                return unsupported("calls between components it is composed of");
            }
            CoreDef::UnsafeIntrinsic(_) => return unsupported("unsafe intrinsics"),
        })
    }

    fn export(&mut self, interface: &str, index: ExportIndex) -> Result<(), String> {
        // Only instances are called; other exports are types or of no interest.
        let ComponentExport::Instance { exports, .. } = &self.component.component.export_items[index] else {
            return Ok(());
        };
        for (name, (index, _)) in exports.raw_iter() {
            if let ComponentExport::LiftedFunction { ty, func, options } =
                &self.component.component.export_items[*index]
            {
                let export = Export {
                    interface: interface.to_owned(),
                    name: name.as_str().to_owned(),
                    function: self.function(*ty)?,
                    options: options.as_u32(),
                    core: self.definition(func, &self.instances)?,
                };
                self.plan.exports.push(export);
            }
        }
        Ok(())
    }

    fn function(&mut self, index: TypeFuncIndex) -> Result<u32, String> {
        let function = &self.types[index];
        if function.async_ {
            return unsupported("asynchronous functions");
        }
        let parameters = self.ty(InterfaceType::Tuple(function.params))?;
        let result = match &*self.types[function.results].types {
            [] => None,
            [result] => Some(self.ty(*result)?),
            _ => return unsupported("functions with several results"),
        };
        self.plan.functions.push(FunctionType { parameters, result });
        index_of(self.plan.functions.len() - 1)
    }

    /// The place of a type in the plan. Types are kept once, so that sharing does not multiply.
    fn ty(&mut self, ty: InterfaceType) -> Result<u32, String> {
        if let Some(known) = self.known.get(&ty) {
            return Ok(*known);
        }
        let types = self.types;
        let planned = match ty {
            InterfaceType::Bool => Type::Bool,
            InterfaceType::S8 => Type::S8,
            InterfaceType::U8 => Type::U8,
            InterfaceType::S16 => Type::S16,
            InterfaceType::U16 => Type::U16,
            InterfaceType::S32 => Type::S32,
            InterfaceType::U32 => Type::U32,
            InterfaceType::S64 => Type::S64,
            InterfaceType::U64 => Type::U64,
            InterfaceType::Float32 => Type::F32,
            InterfaceType::Float64 => Type::F64,
            InterfaceType::Char => Type::Char,
            InterfaceType::String => Type::String,
            InterfaceType::List(index) => Type::List(self.ty(types[index].element)?),
            InterfaceType::Record(index) => {
                let field = |it: &wasmtime_environ::component::RecordField| Ok((it.name.clone(), self.ty(it.ty)?));
                Type::Record(types[index].fields.iter().map(field).collect::<Result<_, String>>()?)
            }
            InterfaceType::Tuple(index) => {
                Type::Tuple(types[index].types.iter().map(|it| self.ty(*it)).collect::<Result<_, _>>()?)
            }
            InterfaceType::Variant(index) => {
                let cases = types[index].cases.iter();
                let cases = cases.map(|(name, ty)| Ok((name.clone(), ty.map(|ty| self.ty(ty)).transpose()?)));
                Type::Variant(cases.collect::<Result<_, String>>()?)
            }
            InterfaceType::Enum(index) => Type::Enum(types[index].names.iter().cloned().collect()),
            InterfaceType::Flags(index) => Type::Flags(types[index].names.iter().cloned().collect()),
            InterfaceType::Option(index) => Type::Option(self.ty(types[index].ty)?),
            InterfaceType::Result(index) => {
                let ok = types[index].ok.map(|ty| self.ty(ty)).transpose()?;
                Type::Result(ok, types[index].err.map(|ty| self.ty(ty)).transpose()?)
            }
            InterfaceType::Own(index) => Type::Own(index.as_u32()),
            InterfaceType::Borrow(index) => Type::Borrow(index.as_u32()),
            InterfaceType::Map(_)
            | InterfaceType::Future(_)
            | InterfaceType::Stream(_)
            | InterfaceType::ErrorContext(_)
            | InterfaceType::FixedLengthList(_) => return unsupported("types newer than WASI 0.2"),
        };
        self.plan.types.push(planned);
        let index = index_of(self.plan.types.len() - 1)?;
        self.known.insert(ty, index);
        Ok(index)
    }
}

fn index_of(index: usize) -> Result<u32, String> {
    u32::try_from(index).map_err(|_| "it has too many types".into())
}

/// A name under which a module exports an item.
fn exported(module: &wasmtime_environ::Module, entity: EntityIndex) -> Result<String, String> {
    let found = module.exports.iter().find(|(_, exported)| **exported == entity);
    match found {
        Some((name, _)) => Ok(module.strings[*name].to_owned()),
        None => Err("a core item is used that no module exports".into()),
    }
}

fn core_types(types: &[WasmValType]) -> Result<Vec<CoreType>, String> {
    let core = |ty: &WasmValType| match ty {
        WasmValType::I32 => Ok(CoreType::I32),
        WasmValType::I64 => Ok(CoreType::I64),
        WasmValType::F32 => Ok(CoreType::F32),
        WasmValType::F64 => Ok(CoreType::F64),
        other => unsupported(format_args!("a lowered function that takes {other}")),
    };
    types.iter().map(core).collect()
}

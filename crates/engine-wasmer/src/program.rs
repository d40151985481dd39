//! A component that is compiled and linked: starts instances of it.

use std::sync::Arc;

use stellatune_plugin_core::{
    control::CallControl,
    engine::{EngineError, Instance, Phase, Program},
    error::Trap,
    host::Host,
    limits::Limits,
};
use wasmer::{Engine, Function, FunctionEnv, Memory, Module, TypedFunction};

use crate::{
    component::{
        link::{Builder, Component},
        plan::{Plan, Resource, Trampoline},
        resource::Handles,
    },
    exports::{Exports, Lifted},
    guard::{self, Meter},
    guest::Guest,
    imports::Imports,
};

/// What a store carries: the host as its one instance sees it, and the component's part of the instance.
pub(crate) struct State {
    pub(crate) host: Host,
    pub(crate) handles: Handles,
    pub(crate) memories: Vec<Option<Memory>>,
    pub(crate) reallocs: Vec<Option<Realloc>>,
    pub(crate) post_returns: Vec<Option<Function>>,
    /// By resource.
    pub(crate) destructors: Vec<Option<TypedFunction<i32, ()>>>,
}

/// The allocator of a core module: old pointer and size, alignment, new size.
pub(crate) type Realloc = TypedFunction<(i32, i32, i32, i32), i32>;

impl State {
    pub(crate) fn new(host: Host, plan: &Plan, limits: &Limits) -> Self {
        fn empty<T: Clone>(count: usize) -> Vec<Option<T>> {
            vec![None; count]
        }
        Self {
            host,
            handles: Handles::new(plan.instances, limits.handles),
            memories: empty(plan.memories as usize),
            reallocs: empty(plan.reallocs as usize),
            post_returns: empty(plan.post_returns as usize),
            destructors: empty(plan.resources.len()),
        }
    }
}

/// A linked component, with the places of what it exports.
pub(crate) struct Linked {
    /// Owns the machine code. Each component has one of its own, so that its code is freed with it.
    engine: Engine,
    component: Arc<Component>,
    exports: Lifted,
}

impl Linked {
    /// Resolves imports and exports.
    ///
    /// # Errors
    /// An import no host offers or of another shape, or an export that is missing or of another shape; each by name.
    pub(crate) fn new(
        engine: Engine,
        imports: &'static Imports,
        plan: Plan,
        modules: Vec<Module>,
    ) -> Result<Self, EngineError> {
        let link = |message: String| EngineError::new(Phase::Link, message);
        plan.mentioned.iter().try_for_each(|import| imports.offers(import)).map_err(link)?;
        let mut lowered = Vec::with_capacity(plan.trampolines.len());
        for trampoline in &plan.trampolines {
            lowered.push(match trampoline {
                Trampoline::Lower { import, function, options, signature } => {
                    Some(imports.function(&plan, *import, *function, *options, signature).map_err(link)?)
                }
                _ => None,
            });
        }
        let mut destroyed = Vec::with_capacity(plan.resources.len());
        for resource in &plan.resources {
            destroyed.push(match resource {
                Resource::Imported(import) => Some(imports.resource(&plan.imports[*import as usize]).map_err(link)?),
                Resource::Defined { .. } => None,
            });
        }
        let exports = Lifted::new(&plan).map_err(link)?;
        Ok(Self { engine, component: Arc::new(Component { plan, modules, lowered, destroyed }), exports })
    }
}

impl Program for Linked {
    fn start(&self, host: Host, limits: &Limits, control: Arc<CallControl>) -> Result<Box<dyn Instance>, Trap> {
        let (mut store, memory) = guard::store(&self.engine, &self.component.plan, limits);
        let env = FunctionEnv::new(&mut store, State::new(host, &self.component.plan, limits));
        let exports = guard::run(|| {
            let meter = Meter::new(&mut store, control);
            let mut builder = Builder::run(&self.component, &mut store, &env, &meter, limits)?;
            Exports::new(&self.exports, &mut builder, &mut store)
        })?;
        Ok(Box::new(Guest::new(store, env, Arc::clone(&self.component), exports, limits, memory)))
    }
}

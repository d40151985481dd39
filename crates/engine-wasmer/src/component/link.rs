//! Makes an instance of a component: follows its plan's steps, and provides the functions its core modules import.

use std::sync::Arc;

use stellatune_plugin_core::{
    error::{Trap, TrapKind},
    limits::Limits,
};
use wasmer::{
    AsStoreMut, Extern, Function, FunctionEnv, FunctionEnvMut, FunctionType, Instance, Module, RuntimeError, Store,
    Type as WasmType,
};

use super::plan::{CoreType, Definition, HandleType, Options, Plan, Resource, Signature, Step, Trampoline};
use crate::{
    canon::{Canon, Import},
    guard::{self, Meter, failed},
    imports::{self, Destroy},
    program::State,
};

/// A function of the host, as an import found it.
pub(crate) enum Found {
    Function(&'static dyn Import, Arc<Canon>),
    /// A function that cannot be reached, since it needs a handle of a resource that is never made.
    Unreachable(&'static str),
}

/// A component ready to be instantiated: its plan, its compiled modules, and what its imports are.
pub(crate) struct Component {
    pub(crate) plan: Plan,
    pub(crate) modules: Vec<Module>,
    /// The function of each trampoline that lowers an import.
    pub(crate) lowered: Vec<Option<Found>>,
    /// What drops each resource that is imported.
    pub(crate) destroyed: Vec<Option<Destroy>>,
}

/// Core instances, while they are made.
pub(crate) struct Builder<'a> {
    component: &'a Arc<Component>,
    env: FunctionEnv<State>,
    meter: &'a Meter,
    instances: Vec<Instance>,
    trampolines: Vec<Option<Function>>,
}

impl<'a> Builder<'a> {
    /// Makes the core instances of a component in `store`.
    ///
    /// # Errors
    /// A trap of a start function, or what exceeds the limits.
    pub(crate) fn run(
        component: &'a Arc<Component>,
        store: &mut Store,
        env: &FunctionEnv<State>,
        meter: &'a Meter,
        limits: &Limits,
    ) -> Result<Self, Trap> {
        let made = component.plan.steps.iter().filter(|step| matches!(step, Step::Instantiate { .. })).count();
        if made > limits.core_instances {
            let text = format!("the component has {made} core instances; {} are allowed", limits.core_instances);
            return Err(Trap::new(TrapKind::Memory, text));
        }
        let trampolines = component.plan.trampolines.iter().map(|_| None).collect();
        let mut builder = Self { component, env: env.clone(), meter, instances: Vec::new(), trampolines };
        for step in &component.plan.steps {
            builder.step(store, step)?;
        }
        Ok(builder)
    }

    fn step(&mut self, store: &mut Store, step: &Step) -> Result<(), Trap> {
        match step {
            Step::Instantiate { module, arguments } => {
                let mut externs = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    externs.push(self.definition(store, argument)?);
                }
                if self.component.plan.metered {
                    externs.extend(self.meter.imports());
                }
                let module = &self.component.modules[*module as usize];
                let instance = Instance::new_by_index(store, module, &externs).map_err(guard::not_instantiated)?;
                self.instances.push(instance);
            }
            Step::Memory { index, from } => match self.definition(store, from)? {
                Extern::Memory(memory) => self.env.as_mut(store).memories[*index as usize] = Some(memory),
                _ => return Err(another("memory")),
            },
            Step::Realloc { index, from } => {
                let function = self.function(store, from)?;
                let function = function.typed(store).map_err(|error| guard::trap(&error))?;
                self.env.as_mut(store).reallocs[*index as usize] = Some(function);
            }
            Step::PostReturn { index, from } => {
                let function = self.function(store, from)?;
                self.env.as_mut(store).post_returns[*index as usize] = Some(function);
            }
            Step::Destructor { resource, from } => {
                let function = self.function(store, from)?;
                let function = function.typed(store).map_err(|error| guard::trap(&error))?;
                self.env.as_mut(store).destructors[*resource as usize] = Some(function);
            }
        }
        Ok(())
    }

    /// A core function of the component.
    ///
    /// # Errors
    /// When it is something else, which validation rules out.
    pub(crate) fn function(&mut self, store: &mut Store, definition: &Definition) -> Result<Function, Trap> {
        match self.definition(store, definition)? {
            Extern::Function(function) => Ok(function),
            _ => Err(another("function")),
        }
    }

    /// What cleans up after a function with these options.
    pub(crate) fn post_return(&self, store: &mut Store, options: Options) -> Option<Function> {
        options.post_return.and_then(|index| self.env.as_ref(store).post_returns[index as usize].clone())
    }

    fn definition(&mut self, store: &mut Store, definition: &Definition) -> Result<Extern, Trap> {
        match definition {
            Definition::Export { instance, name } => {
                let found = self.instances[*instance as usize].exports.get_extern(name);
                found.cloned().ok_or_else(|| another(name))
            }
            Definition::Trampoline(index) => {
                let index = *index as usize;
                if let Some(function) = &self.trampolines[index] {
                    return Ok(function.clone().into());
                }
                let function = self.trampoline(store, index);
                self.trampolines[index] = Some(function.clone());
                Ok(function.into())
            }
        }
    }

    fn trampoline(&self, store: &mut Store, index: usize) -> Function {
        let Self { component, env, .. } = self;
        match &component.plan.trampolines[index] {
            Trampoline::Lower { signature, .. } => match &component.lowered[index] {
                Some(Found::Function(function, canon)) => function.make(store, env, Arc::clone(canon)),
                Some(Found::Unreachable(name)) => refuse(store, signature, name),
                // Linking found every import.
                _ => refuse(store, signature, "a function that was not linked"),
            },
            Trampoline::ResourceNew { handle } => {
                let HandleType { resource, instance } = component.plan.handles[*handle as usize];
                let new = move |mut env: FunctionEnvMut<'_, State>, rep: i32| -> Result<i32, RuntimeError> {
                    let handles = &mut env.data_mut().handles;
                    handles.check_leave(instance).map_err(failed)?;
                    let handle = handles.insert_own(instance, resource, rep as u32).map_err(failed)?;
                    Ok(handle as i32)
                };
                Function::new_typed_with_env(store, env, new)
            }
            Trampoline::ResourceRep { handle } => {
                let HandleType { resource, instance } = component.plan.handles[*handle as usize];
                let rep = move |mut env: FunctionEnvMut<'_, State>, handle: i32| -> Result<i32, RuntimeError> {
                    let rep = env.data_mut().handles.rep(instance, resource, handle as u32).map_err(failed)?;
                    Ok(rep as i32)
                };
                Function::new_typed_with_env(store, env, rep)
            }
            Trampoline::ResourceDrop { handle } => {
                let HandleType { resource, instance } = component.plan.handles[*handle as usize];
                let component = Arc::clone(component);
                let drop = move |mut env: FunctionEnvMut<'_, State>, handle: i32| -> Result<(), RuntimeError> {
                    let handles = &mut env.data_mut().handles;
                    handles.check_leave(instance).map_err(failed)?;
                    let owned = handles.drop_handle(instance, resource, handle as u32).map_err(failed)?;
                    match owned {
                        Some(rep) => component.destroy(&mut env, instance, resource, rep).map_err(failed),
                        None => Ok(()),
                    }
                };
                Function::new_typed_with_env(store, env, drop)
            }
        }
    }
}

impl Component {
    /// Destroys a resource that `from` owned ("canon_resource_drop").
    fn destroy(&self, env: &mut FunctionEnvMut<'_, State>, from: u32, resource: u32, rep: u32) -> Result<(), Trap> {
        match self.plan.resources[resource as usize] {
            Resource::Imported(_) => match &self.destroyed[resource as usize] {
                Some(destroy) => destroy(&mut env.data_mut().host, rep),
                None => Ok(()),
            },
            Resource::Defined { instance } => {
                let Some(destructor) = env.data().destructors[resource as usize].clone() else { return Ok(()) };
                // Its own destructor an instance calls as any function; another one's enters that instance.
                if instance != from {
                    env.data_mut().handles.enter(instance)?;
                }
                destructor.call(env, rep as i32).map_err(|error| guard::trap(&error))?;
                if instance != from {
                    env.data_mut().handles.exit(instance)?;
                }
                Ok(())
            }
        }
    }

    /// Drops a resource of the guest that the host owned.
    ///
    /// # Errors
    /// A trap of the destructor.
    pub(crate) fn drop_owned(
        &self,
        store: &mut Store,
        env: &FunctionEnv<State>,
        resource: u32,
        rep: u32,
    ) -> Result<(), Trap> {
        let mut env = env.clone().into_mut(store);
        // No component instance has this number: the host drops it.
        let dropped = self.destroy(&mut env, u32::MAX, resource, rep);
        if dropped.is_err() {
            env.data_mut().handles.abandon();
        }
        dropped
    }
}

fn another(what: &str) -> Trap {
    Trap::new(TrapKind::Host, format!("a core item is missing or of another kind: {what}"))
}

/// A function of any type that traps.
fn refuse(store: &mut impl AsStoreMut, signature: &Signature, name: &'static str) -> Function {
    let core = |types: &[CoreType]| -> Vec<WasmType> {
        let core = |ty: &CoreType| match ty {
            CoreType::I32 => WasmType::I32,
            CoreType::I64 => WasmType::I64,
            CoreType::F32 => WasmType::F32,
            CoreType::F64 => WasmType::F64,
        };
        types.iter().map(core).collect()
    };
    let ty = FunctionType::new(core(&signature.parameters), core(&signature.results));
    Function::new(store, ty, move |_| Err(failed(imports::unreachable(name))))
}

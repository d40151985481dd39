//! Whole calls: of a guest's exports ("canon lift"), and of the host's functions by a guest ("canon lower").

use std::{marker::PhantomData, sync::Arc};

use stellatune_plugin_core::{
    error::{CallError, CallResult, PluginError, Trap},
    host::Host,
};
use wasmer::{Function, FunctionEnv, FunctionEnvMut, RuntimeError, Store};

use super::{
    Canon, Lift, Lower, Shape, Transfer, abi,
    flat::{Flat, Parameters, Results, Values},
};
use crate::{
    component::plan::{CoreType, Plan, Signature},
    guard::{self, failed},
    program::State,
};

/// An exported function of an instance, with parameters `P` and result `R`.
pub(crate) struct Export<P: Shape<Flat: Parameters>, R: Shape<Flat: Results>> {
    canon: Arc<Canon>,
    function: <P::Flat as Parameters>::Typed<<R::Flat as Results>::Raw>,
    post_return: Option<<R::Flat as Results>::PostReturn>,
}

impl<P: Shape<Flat: Parameters>, R: Lift + Shape<Flat: Results>> Export<P, R> {
    /// Compares an export of a component.
    ///
    /// # Errors
    /// What differs.
    pub(crate) fn check(plan: &Plan, function: u32, options: u32) -> Result<Canon, String> {
        Canon::check::<P, R>(plan, function, options)
    }

    /// The export, once its instance exists.
    ///
    /// # Errors
    /// A core function of another type than the component function has; validation leaves none.
    pub(crate) fn new(
        canon: Arc<Canon>,
        store: &Store,
        function: &Function,
        post_return: Option<&Function>,
    ) -> Result<Self, RuntimeError> {
        Ok(Self {
            canon,
            function: P::Flat::typed(function, store)?,
            post_return: post_return.map(|it| R::Flat::post_return(it, store)).transpose()?,
        })
    }

    /// Calls the function.
    ///
    /// # Errors
    /// A trap, after which nothing in the store may be called.
    pub(crate) fn call(
        &self,
        store: &mut Store,
        env: &FunctionEnv<State>,
        parameters: &impl Lower<P>,
    ) -> Result<R, Trap> {
        let mut transfer = Transfer::new(env.clone().into_mut(store), &self.canon);
        let result = self.run(&mut transfer, parameters);
        if result.is_err() {
            transfer.state().handles.abandon();
        }
        result
    }

    fn run(&self, transfer: &mut Transfer<'_>, parameters: &impl Lower<P>) -> Result<R, Trap> {
        let instance = self.canon.options.instance;
        transfer.state().handles.enter(instance)?;
        let values = unleaving(transfer, |transfer| lower::<P, P::Flat>(transfer, parameters))?;
        let raw = P::Flat::call(&self.function, transfer.env(), values).map_err(|error| guard::trap(&error))?;
        transfer.look();
        let result = if R::Flat::IN_MEMORY {
            load(transfer, R::Flat::bits(raw))?
        } else {
            let mut values = Values::new();
            values.put(R::Flat::bits(raw));
            values.go_to(0);
            R::lift(transfer, &mut values)?
        };
        if let Some(post_return) = &self.post_return {
            unleaving(transfer, |transfer| {
                R::Flat::call_post_return(post_return, transfer.env(), raw).map_err(|error| guard::trap(&error))
            })?;
        }
        transfer.state().handles.exit(instance)?;
        Ok(result)
    }
}

/// Does something during which the guest may not call out: it allocates, or cleans up.
pub(super) fn unleaving<T>(
    transfer: &mut Transfer<'_>,
    then: impl FnOnce(&mut Transfer<'_>) -> Result<T, Trap>,
) -> Result<T, Trap> {
    let instance = transfer.canon().options.instance;
    transfer.state().handles.set_may_leave(instance, false);
    let done = then(transfer)?;
    transfer.state().handles.set_may_leave(instance, true);
    Ok(done)
}

/// Hands parameters over: one by one, or all in memory ("lower_flat_values").
fn lower<S: Shape, F: Parameters>(transfer: &mut Transfer<'_>, parameters: &impl Lower<S>) -> Result<Values, Trap> {
    let mut values = Values::new();
    if F::IN_MEMORY {
        let at = transfer.allocate(S::SIZE, S::ALIGN)?;
        parameters.store(transfer, at)?;
        values.put(at as u64);
    } else {
        parameters.lower(transfer, &mut values)?;
    }
    Ok(values)
}

/// Takes a value over that lies where the guest says.
fn load<T: Lift>(transfer: &mut Transfer<'_>, bits: u64) -> Result<T, Trap> {
    let at = u32::try_from(bits).map_err(|_| abi("a pointer beyond 32 bits"))?;
    let at = transfer.place(at, T::SIZE, T::ALIGN)?;
    T::load(transfer, at)
}

/// What a function of the host answers: a value for the guest, or a trap.
pub(crate) trait Answer {
    type Value: Shape<Flat: Results> + Lower;

    /// # Errors
    /// The trap.
    fn value(self) -> Result<Self::Value, Trap>;
}

impl<T: Shape<Flat: Results> + Lower> Answer for Result<T, Trap> {
    type Value = T;

    fn value(self) -> Self {
        self
    }
}

/// A refusal goes to the guest.
impl<T: Shape + Lower> Answer for CallResult<T>
where
    Result<T, PluginError>: Shape<Flat: Results> + Lower,
{
    type Value = Result<T, PluginError>;

    fn value(self) -> Result<Self::Value, Trap> {
        match self {
            Ok(value) => Ok(Ok(value)),
            Err(CallError::Plugin(refusal)) => Ok(Err(refusal)),
            Err(CallError::Trap(trap)) => Err(trap),
        }
    }
}

/// A function of the host, as a component may import it.
pub(crate) trait Import: Send + Sync {
    /// Compares what a component takes it to be.
    ///
    /// # Errors
    /// What differs.
    fn check(&self, plan: &Plan, function: u32, options: u32) -> Result<Canon, String>;

    /// The core function of it in an instance.
    fn make(&self, store: &mut Store, env: &FunctionEnv<State>, canon: Arc<Canon>) -> Function;

    /// The types of that core function.
    fn signature(&self) -> Signature;
}

/// A function of the host that takes `P` and answers `R`.
pub(crate) fn import<P, R, F>(function: F) -> Box<dyn Import>
where
    P: Lift + Shape<Flat: Parameters>,
    R: Answer + 'static,
    F: Fn(&mut Host, P) -> R + Copy + Send + Sync + 'static,
{
    Box::new(Typed { function, types: PhantomData::<fn(P) -> R> })
}

struct Typed<F, P, R> {
    function: F,
    types: PhantomData<fn(P) -> R>,
}

impl<P, R, F> Import for Typed<F, P, R>
where
    P: Lift + Shape<Flat: Parameters>,
    R: Answer + 'static,
    F: Fn(&mut Host, P) -> R + Copy + Send + Sync + 'static,
{
    fn check(&self, plan: &Plan, function: u32, options: u32) -> Result<Canon, String> {
        Canon::check::<P, R::Value>(plan, function, options)
    }

    fn make(&self, store: &mut Store, env: &FunctionEnv<State>, canon: Arc<Canon>) -> Function {
        let function = self.function;
        if <<R::Value as Shape>::Flat as Results>::IN_MEMORY {
            P::Flat::host_with_place(store, env, move |env, values, place| {
                answer(env, &canon, function, values, Some(place)).map(drop).map_err(failed)
            })
        } else {
            P::Flat::host::<<R::Value as Shape>::Flat>(store, env, move |env, values| {
                answer(env, &canon, function, values, None).map_err(failed)
            })
        }
    }

    fn signature(&self) -> Signature {
        let (mut parameters, mut results) = (Vec::new(), Vec::new());
        if P::Flat::IN_MEMORY {
            parameters.push(CoreType::I32);
        } else {
            P::Flat::push_types(&mut parameters);
        }
        if <<R::Value as Shape>::Flat as Results>::IN_MEMORY {
            parameters.push(CoreType::I32);
        } else {
            <R::Value as Shape>::Flat::push_types(&mut results);
        }
        Signature { parameters, results }
    }
}

/// Answers a call of a guest: the bits of the result, which goes to `place` if it lies in memory.
fn answer<P: Lift + Shape<Flat: Parameters>, R: Answer>(
    env: FunctionEnvMut<'_, State>,
    canon: &Canon,
    function: impl Fn(&mut Host, P) -> R,
    mut values: Values,
    place: Option<u32>,
) -> Result<u64, Trap> {
    let mut transfer = Transfer::new(env, canon);
    let transfer = &mut transfer;
    let handles = &mut transfer.state().handles;
    handles.check_leave(canon.options.instance)?;
    handles.open_scope();
    let parameters = if P::Flat::IN_MEMORY { load(transfer, values.take())? } else { P::lift(transfer, &mut values)? };
    let value = function(&mut transfer.state().host, parameters).value()?;
    // Where the result goes is looked at when there is one ("lower_flat_values"), not before the host was called.
    let place = match place {
        Some(at) => Some(transfer.place(at, <R::Value as Shape>::SIZE, <R::Value as Shape>::ALIGN)?),
        None => None,
    };
    let mut values = Values::new();
    unleaving(transfer, |transfer| match place {
        Some(place) => value.store(transfer, place),
        None => value.lower(transfer, &mut values),
    })?;
    transfer.state().handles.close_scope()?;
    values.go_to(0);
    Ok(values.take())
}

#[cfg(test)]
mod tests {
    use stellatune_plugin_core::{
        control::{CallControl, CancelToken},
        host::Services,
        limits::{Budgets, CallClass, Limits},
        wasi::LogSink,
    };

    use super::*;
    use crate::{
        compile,
        component::{
            link::{Builder, Component},
            plan::Trampoline,
        },
        guard::Meter,
        imports::Imports,
    };

    struct Silent;

    impl LogSink for Silent {
        fn line(&mut self, _: bool, text: &str) {
            panic!("the guest said {text}");
        }
    }

    type Four = (u32, u32, u32, u32);
    type Seventeen = (Four, Four, Four, ((u32, u32), (u32, u32, u32)));

    fn sum((a, b, c, ((d, e), (f, g, h))): Seventeen) -> u64 {
        let four = |(a, b, c, d): Four| [a, b, c, d];
        let all = [four(a), four(b), four(c), [d, e, f, g]].concat();
        // Each counts differently, so that none stands for another.
        all.into_iter().chain([h]).zip(1..).map(|(value, weight)| u64::from(value) * weight).sum()
    }

    /// What is exported calls what is imported, with the same seventeen values, which lie in memory both times.
    const COMPONENT: &str = r#"(component
        (import "test:many/host@1.0.0" (instance $host (export "sum" (func
            (param "a" (tuple u32 u32 u32 u32)) (param "b" (tuple u32 u32 u32 u32)) (param "c" (tuple u32 u32 u32 u32))
            (param "d" (tuple (tuple u32 u32) (tuple u32 u32 u32))) (result u64)))))
        (core module $memory (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
        (core instance $memory (instantiate $memory))
        (core func $sum (canon lower (func $host "sum") (memory $memory "memory")))
        (core module $m (import "host" "sum" (func $sum (param i32) (result i64)))
            (func (export "sum") (param i32) (result i64) (call $sum (local.get 0))))
        (core instance $lowered (export "sum" (func $sum)))
        (core instance $i (instantiate $m (with "host" (instance $lowered))))
        (func $lifted
            (param "a" (tuple u32 u32 u32 u32)) (param "b" (tuple u32 u32 u32 u32)) (param "c" (tuple u32 u32 u32 u32))
            (param "d" (tuple (tuple u32 u32) (tuple u32 u32 u32))) (result u64)
            (canon lift (core func $i "sum") (memory $memory "memory") (realloc (func $memory "realloc"))))
        (instance $exported (export "sum" (func $lifted)))
        (export "test:many/guest@1.0.0" (instance $exported)))"#;

    #[test]
    fn more_than_sixteen_values_lie_in_memory() {
        let mut imports = Imports::new();
        imports
            .function_of("test:many/host@1.0.0", "sum", |_: &mut Host, values: Seventeen| Ok::<_, Trap>(sum(values)));
        let imports: &'static Imports = Box::leak(Box::new(imports));
        let code = compile::compile(&wat::parse_str(COMPONENT).expect("the text is WebAssembly")).expect("it compiles");
        // SAFETY: `compile` has just made the code.
        let compile::Loaded { engine, plan, modules } = unsafe { compile::load(&code) }.expect("it loads");
        let lowered = plan.trampolines.iter().map(|trampoline| match trampoline {
            Trampoline::Lower { import, function, options, signature } => {
                Some(imports.function(&plan, *import, *function, *options, signature).expect("it links"))
            }
            _ => None,
        });
        let lowered = lowered.collect();
        let component = Arc::new(Component { plan, modules, lowered, destroyed: Vec::new() });

        let limits = Limits::AUDIO;
        let control = Arc::new(CallControl::default());
        let _scope = control.enter(Budgets::default().of(CallClass::Start), &CancelToken::default());
        let host = Host::new(Services::default(), &limits, Arc::clone(&control), Box::new(Silent));
        let (mut store, _) = guard::store(&engine, &component.plan, &limits);
        let env = FunctionEnv::new(&mut store, State::new(host, &component.plan, &limits));
        let meter = Meter::new(&mut store, Arc::clone(&control));
        let mut builder = Builder::run(&component, &mut store, &env, &meter, &limits).expect("it starts");

        let export = &component.plan.exports[0];
        let canon = Export::<Seventeen, u64>::check(&component.plan, export.function, export.options).expect("it fits");
        let function = builder.function(&mut store, &export.core).expect("it is exported");
        let export = Export::<Seventeen, u64>::new(Arc::new(canon), &store, &function, None).expect("it is typed");
        let values = ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), ((13, 14), (15, 16, 4_000_000_000)));
        assert_eq!(export.call(&mut store, &env, &values), Ok(sum(values)));
    }
}

//! Components of any type, called with values, for tests that compare this crate's component layer with another one.
//! Not part of what the crate offers: only tests turn the feature `testing` on.

use std::{fmt, sync::Arc, time::Duration};

use stellatune_plugin_core::{
    control::{CallControl, CancelToken},
    error::Trap,
    host::{Host, Services},
    limits::{Budget, Limits},
    wasi::LogSink,
};
use wasmer::{Engine, Function, FunctionEnv, Store};

pub use crate::canon::dynamic::Value;
use crate::{
    canon::{Canon, dynamic::Dynamic},
    compile,
    component::{
        link::{Builder, Component, Found},
        plan::{Plan, Trampoline},
    },
    guard::{self, Meter},
    program::State,
};

/// An instance of a component that imports functions which answer with what they are given, and nothing else.
pub struct Running {
    store: Store,
    env: FunctionEnv<State>,
    functions: Vec<Exported>,
    control: Arc<CallControl>,
    /// Owns the machine code.
    _engine: Engine,
}

struct Exported {
    types: Dynamic,
    canon: Canon,
    function: Function,
    post_return: Option<Function>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Running({} functions)", self.functions.len())
    }
}

const AMPLE: Budget =
    Budget { guest: Duration::from_secs(60), wall: Duration::from_secs(60), boundary_bytes: 64 << 20 };

impl Running {
    /// Compiles, links and starts a component, and finds functions of an interface that it exports.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn start(wasm: &[u8], interface: &str, names: &[&str]) -> Result<Self, String> {
        let code = compile::compile(wasm)?;
        // SAFETY: the line above made the code.
        let loaded = unsafe { compile::load(&code) }?;
        // SAFETY: as above. The types are looked at for as long as the test runs, so that they are leaked.
        let plan: &'static Plan = Box::leak(Box::new(unsafe { compile::load(&code) }?.plan));
        let lowered = plan.trampolines.iter().map(|trampoline| match trampoline {
            Trampoline::Lower { function, options, .. } => {
                let types: &'static Dynamic = Box::leak(Box::new(Dynamic::new(plan, *function)));
                Some(Found::Function(types, Arc::new(types.canon(*options))))
            }
            _ => None,
        });
        let component = Arc::new(Component {
            lowered: lowered.collect(),
            plan: loaded.plan,
            modules: loaded.modules,
            destroyed: Vec::new(),
        });
        let control = Arc::<CallControl>::default();
        let host = Host::new(Services::default(), &Limits::AUDIO, Arc::clone(&control), Box::new(Silent));
        let (mut store, _) = guard::store(&loaded.engine, plan, &Limits::AUDIO);
        let env = FunctionEnv::new(&mut store, State::new(host, plan, &Limits::AUDIO));
        let functions = {
            let token = CancelToken::default();
            let _scope = control.enter(&AMPLE, &token);
            guard::run(|| {
                let meter = Meter::new(&mut store, Arc::clone(&control));
                let mut builder = Builder::run(&component, &mut store, &env, &meter, &Limits::AUDIO)?;
                let mut functions = Vec::new();
                for name in names {
                    let Some(export) = plan.exports.iter().find(|it| it.interface == interface && it.name == *name)
                    else {
                        continue;
                    };
                    let types = Dynamic::new(plan, export.function);
                    let canon = types.canon(export.options);
                    let function = builder.function(&mut store, &export.core)?;
                    let post_return = builder.post_return(&mut store, canon.options);
                    functions.push(Exported { types, canon, function, post_return });
                }
                Ok(functions)
            })
        };
        let functions = functions.map_err(|trap| trap.to_string())?;
        if functions.len() != names.len() {
            return Err(format!("{interface} does not export all of {names:?}"));
        }
        Ok(Self { store, env, functions, control, _engine: loaded.engine })
    }

    /// Calls one of the functions, by its place among the names.
    ///
    /// # Errors
    /// A trap, after which nothing may be called.
    pub fn call(&mut self, function: usize, parameters: &[Value]) -> Result<Value, Trap> {
        let Self { store, env, functions, control, .. } = self;
        let Exported { types, canon, function, post_return } = &functions[function];
        let token = CancelToken::default();
        let _scope = control.enter(&AMPLE, &token);
        guard::run(|| types.call(canon, (function, post_return.as_ref()), store, env, parameters))
    }
}

struct Silent;

impl LogSink for Silent {
    fn line(&mut self, _: bool, _: &str) {}
}

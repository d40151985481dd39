//! A component that is compiled and linked: starts instances of it.

use std::sync::Arc;

use stellatune_plugin_core::{
    control::CallControl,
    engine::{EngineError, Instance, Phase, Program},
    error::Trap,
    host::Host,
    limits::Limits,
};
use wasmtime::{
    Store,
    component::{Component, InstancePre},
};

use crate::{
    Shared,
    bindings::exports::stellatune::plugin::{decoder, dsp, lifecycle, lyrics, output_sink, source},
    guard::{self, Limiter},
    guest::Guest,
};

/// What a store carries: the host as its one instance sees it, and what the instance holds of its limits.
pub(crate) struct State {
    pub(crate) host: Host,
    pub(crate) limiter: Limiter,
}

/// A linked component, with the places of what it exports.
pub(crate) struct Linked {
    shared: &'static Shared,
    component: InstancePre<State>,
    indices: Indices,
}

impl Linked {
    /// Resolves imports and exports.
    ///
    /// # Errors
    /// An import no host offers or of another shape, or an incomplete export; each by name.
    pub(crate) fn new(shared: &'static Shared, component: &Component) -> Result<Self, EngineError> {
        let link = |error: wasmtime::Error| EngineError::new(Phase::Link, format!("{error:#}"));
        let component = shared.linker.instantiate_pre(component).map_err(link)?;
        let indices = Indices::new(&component).map_err(link)?;
        Ok(Self { shared, component, indices })
    }
}

impl Program for Linked {
    fn start(&self, host: Host, limits: &Limits, control: Arc<CallControl>) -> Result<Box<dyn Instance>, Trap> {
        let mut store = Store::new(&self.shared.engine, State { host, limiter: Limiter::new(limits) });
        guard::confine(&mut store, limits, control);
        let exports = guard::run(self.shared.clock, &mut store, |store| {
            let instance = self.component.instantiate(&mut *store)?;
            self.indices.load(store, &instance)
        })?;
        Ok(Box::new(Guest::new(self.shared.clock, store, exports, limits)))
    }
}

/// Generates, for the interfaces a component may export, where they are in a component and what they are in an
/// instance of it.
macro_rules! interfaces {
    ($($interface:ident),+) => {
        /// Where a component has its exports. Good for the one compiled component they were found in.
        struct Indices {
            lifecycle: lifecycle::GuestIndices,
            $($interface: Option<$interface::GuestIndices>,)+
        }

        /// The exports of an instance.
        pub(crate) struct Exports {
            pub(crate) lifecycle: lifecycle::Guest,
            $(pub(crate) $interface: Option<$interface::Guest>,)+
        }

        impl Indices {
            fn new(component: &InstancePre<State>) -> wasmtime::Result<Self> {
                Ok(Self {
                    lifecycle: lifecycle::GuestIndices::new(component)?,
                    $($interface: exports(component, stringify!($interface))
                        .then(|| $interface::GuestIndices::new(component))
                        .transpose()?,)+
                })
            }

            fn load(&self, store: &mut Store<State>, instance: &wasmtime::component::Instance) -> wasmtime::Result<Exports> {
                Ok(Exports {
                    lifecycle: typed("lifecycle", self.lifecycle.load(&mut *store, instance))?,
                    $($interface: self
                        .$interface
                        .as_ref()
                        .map(|it| typed(stringify!($interface), it.load(&mut *store, instance)))
                        .transpose()?,)+
                })
            }
        }

        impl Exports {
            $(
                /// The interface, of which an object exists or which was asked for.
                pub(crate) fn $interface(&self) -> wasmtime::Result<&$interface::Guest> {
                    self.$interface.as_ref().ok_or_else(|| not_exported(stringify!($interface)))
                }
            )+
        }
    };
}

interfaces!(decoder, source, lyrics, output_sink, dsp);

fn exports(component: &InstancePre<State>, interface: &str) -> bool {
    component.component().get_export_index(None, name(interface)).is_some()
}

/// Says which export is of another type. Core has compared the types before, so that this is its second line.
fn typed<T>(interface: &str, guest: wasmtime::Result<T>) -> wasmtime::Result<T> {
    guest.map_err(|error| error.context(format!("the export {} is not what the contract says", name(interface))))
}

/// The name of a Rust module's interface.
fn name(interface: &str) -> String {
    format!("stellatune:plugin/{}@0.1.0", interface.replace('_', "-"))
}

fn not_exported(interface: &str) -> wasmtime::Error {
    wasmtime::Error::msg(format!("the component exports no {interface}"))
}

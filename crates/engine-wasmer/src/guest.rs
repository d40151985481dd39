//! Calls in: a running instance, and every export of the contract with one statement each.
//!
//! [`Guest`] keeps the guest's objects by [`ObjectId`] and never enters a guest again that trapped. Here are the
//! ways into it and the methods all objects share; `guest/abilities.rs` has the exports of the five abilities.

mod abilities;

use std::sync::Arc;

use stellatune_plugin_core::{
    capability::{Decoder, Dsp, Lyrics, OutputSink, Source},
    engine::Instance,
    error::{CallResult, PluginError, Trap, TrapKind},
    host::Host,
    limits::Limits,
    table::{ObjectId, Table},
    types::{ConfigUpdatePlan, DisableReason},
};
use wasmer::{FunctionEnv, Store};

use crate::{
    canon::{Borrow, Export, Kind, Lift, Lower, Own, Parameters, Resource, Results, Shape},
    component::link::Component,
    exports::Exports,
    guard::{self, Held},
    program::State,
};

/// What an export answers: `Ok(Err(..))` is a refusal.
type Answer<T> = Result<Result<T, PluginError>, Trap>;

/// A running instance.
pub(crate) struct Guest {
    exports: Exports,
    component: Arc<Component>,
    objects: Table<Object>,
    /// What ended the guest, once something has.
    gone: Option<Trap>,
    memory: Held,
    env: FunctionEnv<State>,
    store: Store,
}

/// An object of the guest that the host holds: what the guest calls it.
#[derive(Clone, Copy)]
struct Object {
    kind: Kind,
    rep: u32,
}

/// The way into an instance.
struct Entry<'a> {
    store: &'a mut Store,
    env: &'a FunctionEnv<State>,
}

impl Entry<'_> {
    #[allow(clippy::needless_pass_by_value, reason = "each call makes its parameters in place")]
    fn call<P: Shape<Flat: Parameters>, R: Lift + Shape<Flat: Results>>(
        &mut self,
        export: &Export<P, R>,
        parameters: impl Lower<P>,
    ) -> Result<R, Trap> {
        export.call(self.store, self.env, &parameters)
    }
}

impl Guest {
    pub(crate) fn new(
        store: Store,
        env: FunctionEnv<State>,
        component: Arc<Component>,
        exports: Exports,
        limits: &Limits,
        memory: Held,
    ) -> Self {
        Self { exports, component, objects: Table::new(limits.handles), gone: None, memory, env, store }
    }

    /// Enters the guest, unless it is gone.
    fn enter<R>(&mut self, call: impl FnOnce(&Exports, &mut Entry<'_>) -> Result<R, Trap>) -> Result<R, Trap> {
        if let Some(trap) = &self.gone {
            return Err(trap.clone());
        }
        let mut entry = Entry { store: &mut self.store, env: &self.env };
        let result = guard::run(|| call(&self.exports, &mut entry));
        result.map_err(|trap| self.end(trap))
    }

    /// Calls a function of the guest.
    fn call<T>(&mut self, call: impl FnOnce(&Exports, &mut Entry<'_>) -> Answer<T>) -> CallResult<T> {
        self.enter(call)?.map_err(|refusal| refusal.shortened().into())
    }

    /// Calls a method of an object of kind `K`.
    fn method<K: Resource, T>(
        &mut self,
        id: ObjectId,
        call: impl FnOnce(&Exports, &mut Entry<'_>, Borrow<K>) -> Answer<T>,
    ) -> CallResult<T> {
        match self.object(id)? {
            Object { kind, rep } if kind == K::KIND => {
                self.call(|exports, entry| call(exports, entry, Borrow::new(rep)))
            }
            _ => Err(not_found(id)),
        }
    }

    fn object(&mut self, id: ObjectId) -> CallResult<Object> {
        self.objects.get_mut(id).copied().map_err(|_| not_found(id))
    }

    /// Keeps an object the guest made.
    fn keep<K: Resource>(&mut self, object: &Own<K>) -> Result<ObjectId, Trap> {
        let full = |_| Trap::new(TrapKind::Memory, "the guest made more objects than it may have handles");
        self.objects.push(Object { kind: K::KIND, rep: object.rep }).map_err(full).map_err(|trap| self.end(trap))
    }

    fn end(&mut self, trap: Trap) -> Trap {
        self.gone = Some(trap.clone());
        trap
    }
}

fn not_found<T: From<PluginError>>(id: ObjectId) -> T {
    PluginError::NotFound(format!("object {} does not exist or is of another kind", id.0)).into()
}

/// Calls one of the methods that all objects but source streams end with.
macro_rules! tail {
    ($guest:ident, $id:ident, $method:ident($($argument:expr),*)) => {{
        let Object { kind, rep } = $guest.object($id)?;
        $guest.call(|exports, entry| match kind {
            Kind::DecoderSession => entry.call(&exports.decoder()?.tail.$method, (Borrow::new(rep), $($argument),*)),
            Kind::Catalog => entry.call(&exports.source()?.tail.$method, (Borrow::new(rep), $($argument),*)),
            Kind::Provider => entry.call(&exports.lyrics()?.tail.$method, (Borrow::new(rep), $($argument),*)),
            Kind::SinkSession => entry.call(&exports.output_sink()?.tail.$method, (Borrow::new(rep), $($argument),*)),
            Kind::Processor => entry.call(&exports.dsp()?.tail.$method, (Borrow::new(rep), $($argument),*)),
            _ => Ok(Err(PluginError::NotFound("a stream has no configuration or state".into()))),
        })
    }};
}

impl Instance for Guest {
    fn host(&mut self) -> &mut Host {
        &mut self.env.as_mut(&mut self.store).host
    }

    fn memory_bytes(&self) -> usize {
        self.memory.bytes()
    }

    fn enable(&mut self) -> CallResult<()> {
        self.call(|exports, entry| entry.call(&exports.lifecycle.on_enable, ()))
    }

    fn disable(&mut self, reason: DisableReason) -> CallResult<()> {
        self.call(|exports, entry| entry.call(&exports.lifecycle.on_disable, (reason,)))
    }

    fn plan_config(&mut self, object: ObjectId, new_config_json: &str) -> CallResult<ConfigUpdatePlan> {
        tail!(self, object, plan_config(new_config_json))
    }

    fn apply_config(&mut self, object: ObjectId, new_config_json: &str) -> CallResult<()> {
        tail!(self, object, apply_config(new_config_json))
    }

    fn export_state(&mut self, object: ObjectId) -> CallResult<Option<String>> {
        tail!(self, object, export_state())
    }

    fn import_state(&mut self, object: ObjectId, state_json: &str) -> CallResult<()> {
        tail!(self, object, import_state(state_json))
    }

    fn close(&mut self, object: ObjectId) -> Result<(), Trap> {
        let Ok(Object { kind, rep }) = self.objects.remove(object) else {
            return Ok(());
        };
        let component = Arc::clone(&self.component);
        self.enter(|exports, entry| {
            match kind {
                Kind::DecoderSession => entry.call(&exports.decoder()?.tail.close, (Borrow::new(rep),)),
                Kind::Catalog => entry.call(&exports.source()?.tail.close, (Borrow::new(rep),)),
                Kind::SourceStream => entry.call(&exports.source()?.stream_close, (Borrow::new(rep),)),
                Kind::Provider => entry.call(&exports.lyrics()?.tail.close, (Borrow::new(rep),)),
                Kind::SinkSession => entry.call(&exports.output_sink()?.tail.close, (Borrow::new(rep),)),
                Kind::Processor => entry.call(&exports.dsp()?.tail.close, (Borrow::new(rep),)),
                // Objects are made of the kinds above only.
                _ => Ok(()),
            }?;
            component.drop_owned(entry.store, entry.env, exports.resource(kind)?, rep)
        })
    }

    fn decoder(&mut self) -> Option<&mut dyn Decoder> {
        self.exports.decoder.is_some().then_some(self)
    }

    fn source(&mut self) -> Option<&mut dyn Source> {
        self.exports.source.is_some().then_some(self)
    }

    fn lyrics(&mut self) -> Option<&mut dyn Lyrics> {
        self.exports.lyrics.is_some().then_some(self)
    }

    fn output_sink(&mut self) -> Option<&mut dyn OutputSink> {
        self.exports.output_sink.is_some().then_some(self)
    }

    fn dsp(&mut self) -> Option<&mut dyn Dsp> {
        self.exports.dsp.is_some().then_some(self)
    }
}

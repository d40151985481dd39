//! Calls in: a running instance, and every export of the contract with one statement each.
//!
//! [`Guest`] keeps the guest's objects by [`ObjectId`] and never enters a guest again that trapped. Here are the
//! ways into it and the methods all objects share; `guest/abilities.rs` has the exports of the five abilities.

mod abilities;

use stellatune_plugin_core::{
    capability::{Decoder, Dsp, Lyrics, OutputSink, Source},
    engine::Instance,
    error::{CallResult, PluginError, Trap, TrapKind},
    host::Host,
    limits::Limits,
    table::{ObjectId, Table},
    types::{ConfigUpdatePlan, DisableReason},
};
use wasmtime::{Store, component::ResourceAny};

use crate::{
    bindings::stellatune::plugin::common,
    guard::{self, Clock},
    program::{Exports, State},
};

/// What an export answers: `Ok(Err(..))` is a refusal.
type Answer<T> = wasmtime::Result<Result<T, common::PluginError>>;

/// A running instance.
pub(crate) struct Guest {
    clock: &'static Clock,
    store: Store<State>,
    exports: Exports,
    objects: Table<Object>,
    /// What ended the guest, once something has.
    gone: Option<Trap>,
}

/// An object of the guest that the host holds.
#[derive(Clone, Copy)]
struct Object {
    kind: Kind,
    handle: ResourceAny,
}

/// What a guest's object is, by the interface and the resource it comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    DecoderSession,
    Catalog,
    SourceStream,
    Provider,
    SinkSession,
    Processor,
}

impl Guest {
    pub(crate) fn new(clock: &'static Clock, store: Store<State>, exports: Exports, limits: &Limits) -> Self {
        Self { clock, store, exports, objects: Table::new(limits.handles), gone: None }
    }

    /// Enters the guest, unless it is gone.
    fn enter<R>(&mut self, call: impl FnOnce(&Exports, &mut Store<State>) -> wasmtime::Result<R>) -> Result<R, Trap> {
        if let Some(trap) = &self.gone {
            return Err(trap.clone());
        }
        let result = guard::run(self.clock, &mut self.store, |store| call(&self.exports, store));
        result.map_err(|trap| self.end(trap))
    }

    /// Calls a function of the guest.
    fn call<R, T: From<R>>(&mut self, call: impl FnOnce(&Exports, &mut Store<State>) -> Answer<R>) -> CallResult<T> {
        match self.enter(call)? {
            Ok(value) => Ok(value.into()),
            Err(refusal) => Err(PluginError::from(refusal).shortened().into()),
        }
    }

    /// Calls a method of an object of `kind`.
    fn method<R, T: From<R>>(
        &mut self,
        kind: Kind,
        id: ObjectId,
        call: impl FnOnce(&Exports, &mut Store<State>, ResourceAny) -> Answer<R>,
    ) -> CallResult<T> {
        match self.object(id)? {
            Object { kind: found, handle } if found == kind => self.call(|exports, store| call(exports, store, handle)),
            _ => Err(not_found(id)),
        }
    }

    fn object(&mut self, id: ObjectId) -> CallResult<Object> {
        self.objects.get_mut(id).copied().map_err(|_| not_found(id))
    }

    /// Keeps an object the guest made.
    fn keep(&mut self, kind: Kind, handle: ResourceAny) -> Result<ObjectId, Trap> {
        let full = |_| Trap::new(TrapKind::Memory, "the guest made more objects than it may have handles");
        self.objects.push(Object { kind, handle }).map_err(full).map_err(|trap| self.end(trap))
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
        let Object { kind, handle } = $guest.object($id)?;
        $guest.call(|exports, store| match kind {
            Kind::DecoderSession => exports.decoder()?.session().$method(store, handle, $($argument),*),
            Kind::Catalog => exports.source()?.catalog().$method(store, handle, $($argument),*),
            Kind::Provider => exports.lyrics()?.provider().$method(store, handle, $($argument),*),
            Kind::SinkSession => exports.output_sink()?.session().$method(store, handle, $($argument),*),
            Kind::Processor => exports.dsp()?.processor().$method(store, handle, $($argument),*),
            Kind::SourceStream => Ok(Err(common::PluginError::NotFound("a stream has no configuration or state".into()))),
        })
    }};
}

impl Instance for Guest {
    fn host(&mut self) -> &mut Host {
        &mut self.store.data_mut().host
    }

    fn memory_bytes(&self) -> usize {
        self.store.data().limiter.memory_bytes()
    }

    fn enable(&mut self) -> CallResult<()> {
        self.call(|exports, store| exports.lifecycle.call_on_enable(store))
    }

    fn disable(&mut self, reason: DisableReason) -> CallResult<()> {
        self.call(|exports, store| exports.lifecycle.call_on_disable(store, reason.into()))
    }

    fn plan_config(&mut self, object: ObjectId, new_config_json: &str) -> CallResult<ConfigUpdatePlan> {
        tail!(self, object, call_plan_config_update_json(new_config_json))
    }

    fn apply_config(&mut self, object: ObjectId, new_config_json: &str) -> CallResult<()> {
        tail!(self, object, call_apply_config_update_json(new_config_json))
    }

    fn export_state(&mut self, object: ObjectId) -> CallResult<Option<String>> {
        tail!(self, object, call_export_state_json())
    }

    fn import_state(&mut self, object: ObjectId, state_json: &str) -> CallResult<()> {
        tail!(self, object, call_import_state_json(state_json))
    }

    fn close(&mut self, object: ObjectId) -> Result<(), Trap> {
        let Ok(Object { kind, handle }) = self.objects.remove(object) else {
            return Ok(());
        };
        self.enter(|exports, store| {
            match kind {
                Kind::DecoderSession => exports.decoder()?.session().call_close(&mut *store, handle),
                Kind::Catalog => exports.source()?.catalog().call_close(&mut *store, handle),
                Kind::SourceStream => exports.source()?.source_stream().call_close(&mut *store, handle),
                Kind::Provider => exports.lyrics()?.provider().call_close(&mut *store, handle),
                Kind::SinkSession => exports.output_sink()?.session().call_close(&mut *store, handle),
                Kind::Processor => exports.dsp()?.processor().call_close(&mut *store, handle),
            }?;
            handle.resource_drop(store)
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

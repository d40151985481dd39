//! What a component exports: the functions of the contract, one line each, found when it is loaded.
//!
//! [`Lifted`] is good for a component, [`Exports`] for an instance of it. An interface that a component exports has all of
//! its functions, each of the type the contract says.

use std::sync::Arc;

use stellatune_plugin_core::{
    error::{PluginError, Trap, TrapKind},
    types::{
        AudioSpec, ConfigUpdatePlan, CoreModuleSpec, DecoderInfo, DisableReason, EncodedChunk, LyricCandidate,
        MediaMetadata, NegotiatedSpec, PcmF32Chunk, RuntimeStatus,
    },
};
use wasmer::Store;

use crate::{
    canon::{
        Borrow, Canon, Export, KINDS, Kind, Lift, OpenedStream, Own, Parameters, Results, Shape,
        kind::{Catalog, DecoderSession, HostStream, Processor, Provider, SinkSession, SourceStream},
    },
    component::{
        link::Builder,
        plan::{self, Definition, Plan},
    },
    guard,
};

/// What an export answers that may refuse.
type Fallible<T> = Result<T, PluginError>;

/// An exported function of a component.
struct Function {
    canon: Arc<Canon>,
    core: Definition,
}

/// The exported functions of an interface, in the order its struct has them.
struct Found {
    functions: Vec<Function>,
}

impl Found {
    fn load<'a, 'b>(&'a self, builder: &'a mut Builder<'b>, store: &'a mut Store) -> Load<'a, 'b> {
        Load { functions: self.functions.iter(), builder, store }
    }
}

/// Looks for the functions of one interface.
struct Search<'a> {
    plan: &'a Plan,
    interface: &'static str,
    resources: &'a mut [Option<u32>; KINDS],
    found: Found,
}

impl Search<'_> {
    /// The names come first, so that a missing function is told from one of another type.
    fn names(&self, names: &[&str]) -> Result<(), String> {
        names.iter().try_for_each(|name| self.export(name).map(drop))
    }

    fn export(&self, name: &str) -> Result<&plan::Export, String> {
        let export = self.plan.exports.iter().find(|it| it.interface == self.interface && it.name == name);
        export.ok_or_else(|| format!("the component exports no `{name}` of `{}`", self.interface))
    }

    fn function<P, R>(&mut self, name: &str) -> Result<(), String>
    where
        P: Shape<Flat: Parameters>,
        R: Lift + Shape<Flat: Results>,
    {
        let (plan, interface) = (self.plan, self.interface);
        let export = self.export(name)?;
        let (function, options, core) = (export.function, export.options, export.core.clone());
        let canon = Export::<P, R>::check(plan, function, options)
            .map_err(|text| format!("the export `{name}` of `{interface}` is not what the contract says: {text}"))?;
        for (kind, resource) in canon.resources() {
            let known = &mut self.resources[kind as usize];
            if known.is_some_and(|known| known != resource) {
                return Err(format!("the exports of `{interface}` disagree on what {kind:?} is"));
            }
            *known = Some(resource);
        }
        self.found.functions.push(Function { canon: Arc::new(canon), core });
        Ok(())
    }
}

/// Hands out the functions of an instance.
struct Load<'a, 'b> {
    functions: std::slice::Iter<'a, Function>,
    builder: &'a mut Builder<'b>,
    store: &'a mut Store,
}

impl Load<'_, '_> {
    fn function<P, R>(&mut self) -> Result<Export<P, R>, Trap>
    where
        P: Shape<Flat: Parameters>,
        R: Lift + Shape<Flat: Results>,
    {
        let function = self.functions.next();
        let Function { canon, core } = function.ok_or_else(|| Trap::new(TrapKind::Host, "an export was not found"))?;
        let core = self.builder.function(self.store, core)?;
        let post_return = self.builder.post_return(self.store, canon.options);
        Export::new(Arc::clone(canon), self.store, &core, post_return.as_ref()).map_err(|error| guard::trap(&error))
    }
}

/// Defines interfaces: a struct each, with how its functions are found and loaded.
macro_rules! interfaces {
    ($(
        $(#[$doc:meta])*
        $interface:ident $name:literal $(, $tail:ident of $resource:literal)? {
            $($function:ident $wit:literal ($($parameter:ty),*) -> $result:ty;)+
        }
    )+) => {$(
        $(#[$doc])*
        pub(crate) struct $interface {
            $(pub(crate) $function: Export<($($parameter,)*), $result>,)+
            $(pub(crate) tail: Tail<$tail>,)?
        }

        impl $interface {
            const NAME: &str = $name;

            fn find(plan: &Plan, resources: &mut [Option<u32>; KINDS]) -> Result<Found, String> {
                let mut search = Search { plan, interface: Self::NAME, resources, found: Found { functions: Vec::new() } };
                search.names(&[$($wit),+])?;
                $(search.function::<($($parameter,)*), $result>($wit)?;)+
                $(Tail::<$tail>::find(&mut search, $resource)?;)?
                Ok(search.found)
            }

            fn load(load: &mut Load<'_, '_>) -> Result<Self, Trap> {
                Ok(Self {
                    $($function: load.function()?,)+
                    $(tail: Tail::<$tail>::load(load)?,)?
                })
            }
        }
    )+};
}

/// The methods that all objects but source streams end with.
pub(crate) struct Tail<K: crate::canon::Resource> {
    pub(crate) plan_config: Export<(Borrow<K>, String), Fallible<ConfigUpdatePlan>>,
    pub(crate) apply_config: Export<(Borrow<K>, String), Fallible<()>>,
    pub(crate) export_state: Export<(Borrow<K>,), Fallible<Option<String>>>,
    pub(crate) import_state: Export<(Borrow<K>, String), Fallible<()>>,
    pub(crate) close: Export<(Borrow<K>,), ()>,
}

impl<K: crate::canon::Resource> Tail<K> {
    fn find(search: &mut Search<'_>, resource: &str) -> Result<(), String> {
        let method = |name: &str| format!("[method]{resource}.{name}");
        search.function::<(Borrow<K>, String), Fallible<ConfigUpdatePlan>>(&method("plan-config-update-json"))?;
        search.function::<(Borrow<K>, String), Fallible<()>>(&method("apply-config-update-json"))?;
        search.function::<(Borrow<K>,), Fallible<Option<String>>>(&method("export-state-json"))?;
        search.function::<(Borrow<K>, String), Fallible<()>>(&method("import-state-json"))?;
        search.function::<(Borrow<K>,), ()>(&method("close"))
    }

    fn load(load: &mut Load<'_, '_>) -> Result<Self, Trap> {
        Ok(Self {
            plan_config: load.function()?,
            apply_config: load.function()?,
            export_state: load.function()?,
            import_state: load.function()?,
            close: load.function()?,
        })
    }
}

interfaces! {
    /// `lifecycle`
    Lifecycle "stellatune:plugin/lifecycle@0.1.0" {
        on_enable "on-enable" () -> Fallible<()>;
        on_disable "on-disable" (DisableReason) -> Fallible<()>;
    }
    /// `decoder`
    Decoder "stellatune:plugin/decoder@0.1.0", DecoderSession of "session" {
        open "open" (Own<HostStream>, Option<String>) -> Fallible<Own<DecoderSession>>;
        info "[method]session.info" (Borrow<DecoderSession>) -> Fallible<DecoderInfo>;
        metadata "[method]session.metadata" (Borrow<DecoderSession>) -> Fallible<MediaMetadata>;
        read_pcm_f32 "[method]session.read-pcm-f32" (Borrow<DecoderSession>, u32) -> Fallible<PcmF32Chunk>;
        seek_ms "[method]session.seek-ms" (Borrow<DecoderSession>, u64) -> Fallible<()>;
    }
    /// `source`
    Source "stellatune:plugin/source@0.1.0", Catalog of "catalog" {
        create "create" () -> Fallible<Own<Catalog>>;
        list_items_json "[method]catalog.list-items-json" (Borrow<Catalog>, String) -> Fallible<String>;
        open_stream_json "[method]catalog.open-stream-json" (Borrow<Catalog>, String) -> Fallible<OpenedStream>;
        open_uri "[method]catalog.open-uri" (Borrow<Catalog>, String) -> Fallible<OpenedStream>;
        stream_metadata "[method]source-stream.metadata" (Borrow<SourceStream>) -> Fallible<MediaMetadata>;
        stream_read "[method]source-stream.read" (Borrow<SourceStream>, u32) -> Fallible<EncodedChunk>;
        stream_close "[method]source-stream.close" (Borrow<SourceStream>) -> ();
    }
    /// `lyrics`
    Lyrics "stellatune:plugin/lyrics@0.1.0", Provider of "provider" {
        create "create" () -> Fallible<Own<Provider>>;
        search "[method]provider.search" (Borrow<Provider>, String) -> Fallible<Vec<LyricCandidate>>;
        fetch "[method]provider.fetch" (Borrow<Provider>, String) -> Fallible<String>;
    }
    /// `output-sink`
    OutputSink "stellatune:plugin/output-sink@0.1.0", SinkSession of "session" {
        create "create" () -> Fallible<Own<SinkSession>>;
        list_targets_json "[method]session.list-targets-json" (Borrow<SinkSession>) -> Fallible<String>;
        negotiate_spec_json "[method]session.negotiate-spec-json" (Borrow<SinkSession>, String, AudioSpec) -> Fallible<NegotiatedSpec>;
        describe_hot_path "[method]session.describe-hot-path" (Borrow<SinkSession>, AudioSpec) -> Fallible<Option<CoreModuleSpec>>;
        open_json "[method]session.open-json" (Borrow<SinkSession>, String, AudioSpec) -> Fallible<()>;
        write_interleaved_f32 "[method]session.write-interleaved-f32" (Borrow<SinkSession>, u16, Vec<u8>) -> Fallible<u32>;
        query_status "[method]session.query-status" (Borrow<SinkSession>) -> Fallible<RuntimeStatus>;
        flush "[method]session.flush" (Borrow<SinkSession>) -> Fallible<()>;
        reset "[method]session.reset" (Borrow<SinkSession>) -> Fallible<()>;
    }
    /// `dsp`
    Dsp "stellatune:plugin/dsp@0.1.0", Processor of "processor" {
        create "create" (AudioSpec) -> Fallible<Own<Processor>>;
        describe_hot_path "[method]processor.describe-hot-path" (Borrow<Processor>, AudioSpec) -> Fallible<Option<CoreModuleSpec>>;
        process_interleaved_f32 "[method]processor.process-interleaved-f32" (Borrow<Processor>, u16, Vec<u8>) -> Fallible<Vec<u8>>;
        supported_layouts "[method]processor.supported-layouts" (Borrow<Processor>) -> u32;
        output_channels "[method]processor.output-channels" (Borrow<Processor>) -> u16;
    }
}

/// Generates, for the interfaces a component may export, where they are in a component and what they are in an
/// instance of it.
macro_rules! exports {
    ($($field:ident: $interface:ident),+) => {
        /// Where a component has its exports.
        pub(crate) struct Lifted {
            lifecycle: Found,
            $($field: Option<Found>,)+
            /// The resource that each kind is, where the exports speak of it.
            resources: [Option<u32>; KINDS],
        }

        impl Lifted {
            /// # Errors
            /// An export that is missing or of another type, by name.
            pub(crate) fn new(plan: &Plan) -> Result<Self, String> {
                let mut resources = [None; KINDS];
                Ok(Self {
                    lifecycle: Lifecycle::find(plan, &mut resources)?,
                    $($field: plan.exports.iter().any(|export| export.interface == $interface::NAME)
                        .then(|| $interface::find(plan, &mut resources))
                        .transpose()?,)+
                    resources,
                })
            }
        }

        /// The exports of an instance.
        pub(crate) struct Exports {
            pub(crate) lifecycle: Lifecycle,
            $(pub(crate) $field: Option<$interface>,)+
            resources: [Option<u32>; KINDS],
        }

        impl Exports {
            /// # Errors
            /// A fault of this crate: what was found is not there.
            pub(crate) fn new(lifted: &Lifted, builder: &mut Builder<'_>, store: &mut Store) -> Result<Self, Trap> {
                Ok(Self {
                    lifecycle: Lifecycle::load(&mut lifted.lifecycle.load(builder, store))?,
                    $($field: match &lifted.$field {
                        Some(found) => Some($interface::load(&mut found.load(builder, store))?),
                        None => None,
                    },)+
                    resources: lifted.resources,
                })
            }

            $(
                /// The interface, of which an object exists or which was asked for.
                pub(crate) fn $field(&self) -> Result<&$interface, Trap> {
                    self.$field.as_ref().ok_or_else(|| not_exported(stringify!($field)))
                }
            )+

            /// The resource that a kind of the guest's objects is.
            pub(crate) fn resource(&self, kind: Kind) -> Result<u32, Trap> {
                self.resources[kind as usize].ok_or_else(|| not_exported("such resource"))
            }
        }
    };
}

exports!(decoder: Decoder, source: Source, lyrics: Lyrics, output_sink: OutputSink, dsp: Dsp);

fn not_exported(what: &str) -> Trap {
    Trap::new(TrapKind::Abi, format!("the component exports no {what}"))
}

//! Every place where guest code runs, of every world, made from the contract: each export, the clean-up after it, the
//! destructors, the allocation and the start function.
//!
//! [`World::component`] makes a guest that is as tame as can be, but runs for ever in one place; [`reach`] makes the host come
//! there. A function that is added to the contract is a place at once, and fails the run until `reach` knows it.

use anyhow::{Context, Result, bail};
use stellatune_plugin_core::{
    engine::Instance,
    error::{CallResult, PluginError},
    host::HostStream,
    table::ObjectId,
    types::{AudioSpec, DisableReason},
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{
    FunctionKind, Resolve, Type, TypeDefKind, WorldId, WorldItem,
    abi::{AbiVariant, WasmType},
};

use super::contract;

/// The worlds of the contract.
pub(crate) const WORLDS: [&str; 5] =
    ["decoder-plugin", "source-plugin", "lyrics-plugin", "output-sink-plugin", "dsp-plugin"];

/// A place where guest code runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The core module's start function.
    Start,
    /// `cabi_realloc`, for what the host hands over.
    Realloc,
    /// An export, such as `decoder#[method]session.info`.
    Export(String),
    /// The clean-up after an export.
    PostReturn(String),
    /// A resource's destructor, such as `decoder#session`.
    Destructor(String),
}

impl Place {
    /// A name for a trial.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Start => "start".into(),
            Self::Realloc => "realloc".into(),
            Self::Export(name) => name.clone(),
            Self::PostReturn(name) => format!("after-{name}"),
            Self::Destructor(name) => format!("destructor-{name}"),
        }
    }
}

/// A world, with what its core modules are made of.
pub(crate) struct World {
    resolve: Resolve,
    id: WorldId,
    exports: Vec<Export>,
    resources: Vec<String>,
}

struct Export {
    /// `interface#function`
    name: String,
    params: Vec<WasmType>,
    /// Whether it answers by a pointer to its results.
    answers: bool,
    /// The resource its result is, by the name of its destructor.
    makes: Option<String>,
}

const PACKAGE: &str = "stellatune:plugin/";

/// The world of that name.
pub(crate) fn world(name: &str) -> Result<World> {
    let (resolve, package) = contract::resolve(|_, text| Ok(text))?;
    let id = resolve.select_world(&[package], Some(name))?;
    let (mut exports, mut resources) = (Vec::new(), Vec::new());
    for (key, item) in &resolve.worlds[id].exports {
        let WorldItem::Interface { id: interface, .. } = item else { bail!("{name} exports more than interfaces") };
        let full = resolve.name_world_key(key);
        let short = full.strip_prefix(PACKAGE).and_then(|rest| rest.split('@').next()).context("another package")?;
        for (type_name, id) in &resolve.interfaces[*interface].types {
            if matches!(resolve.types[*id].kind, TypeDefKind::Resource) {
                resources.push(format!("{short}#{type_name}"));
            }
        }
        for function in resolve.interfaces[*interface].functions.values() {
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
            let makes = match (&function.kind, function.result) {
                (FunctionKind::Freestanding, Some(result)) => made(&resolve, result).map(|it| format!("{short}#{it}")),
                _ => None,
            };
            exports.push(Export {
                name: format!("{short}#{}", function.name),
                params: signature.params,
                answers: !signature.results.is_empty(),
                makes,
            });
        }
    }
    Ok(World { resolve, id, exports, resources })
}

/// The resource a `result<own<..>, ..>` holds.
fn made(resolve: &Resolve, result: Type) -> Option<String> {
    let Type::Id(id) = result else { return None };
    let TypeDefKind::Result(result) = &resolve.types[id].kind else { return None };
    let Some(Type::Id(ok)) = result.ok else { return None };
    let TypeDefKind::Handle(handle) = &resolve.types[ok].kind else { return None };
    let (wit_parser::Handle::Own(resource) | wit_parser::Handle::Borrow(resource)) = handle;
    resolve.types[*resource].name.clone()
}

impl World {
    /// Every place of it.
    pub(crate) fn places(&self) -> Vec<Place> {
        let mut places = vec![Place::Start, Place::Realloc];
        for export in &self.exports {
            places.push(Place::Export(export.name.clone()));
            if export.answers {
                places.push(Place::PostReturn(export.name.clone()));
            }
        }
        places.extend(self.resources.iter().cloned().map(Place::Destructor));
        places
    }

    /// A component that runs for ever in `place`, or nowhere. Answers are empty successes.
    pub(crate) fn component(&self, place: Option<&Place>) -> Result<Vec<u8>> {
        const FOREVER: &str = "(loop $more (br $more))";
        let body =
            |here: Place, tame: &str| if place == Some(&here) { format!("{FOREVER} unreachable") } else { tame.into() };
        let versioned = |name: &str| {
            let (interface, rest) = name.split_once('#').unwrap_or((name, ""));
            format!("{PACKAGE}{interface}@0.1.0#{rest}")
        };
        let mut text = String::from("(module\n");
        for resource in &self.resources {
            let (interface, name) = resource.split_once('#').context("a resource of no interface")?;
            text += &format!(
                "(import \"[export]{PACKAGE}{interface}@0.1.0\" \"[resource-new]{name}\" \
                 (func ${name}-new (param i32) (result i32)))\n"
            );
        }
        text += "(memory (export \"memory\") 2)\n(global $heap (mut i32) (i32.const 65536))\n";
        text += &format!(
            "(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) {})\n",
            // What a call hands over is small, and nothing is kept.
            body(Place::Realloc, "(i32.const 65536)")
        );
        for export in &self.exports {
            let name = versioned(&export.name);
            let params: String = export.params.iter().map(|it| format!("(param {}) ", wasm(it))).collect();
            let result = if export.answers { "(result i32)" } else { "" };
            let tame = match (&export.makes, export.name.as_str()) {
                (Some(resource), _) => {
                    let resource = resource.split_once('#').map_or("", |(_, name)| name);
                    format!("(i32.store (i32.const 2052) (call ${resource}-new (i32.const 7))) (i32.const 2048)")
                }
                // An opened stream that the source reads itself: the case, and the handle behind it.
                (None, "source#[method]catalog.open-stream-json" | "source#[method]catalog.open-uri") => {
                    "(i32.store8 (i32.const 3080) (i32.const 1))
                     (i32.store (i32.const 3084) (call $source-stream-new (i32.const 7))) (i32.const 3072)"
                        .into()
                }
                (None, _) if export.answers => "(i32.const 1024)".into(),
                (None, _) => String::new(),
            };
            let run = body(Place::Export(export.name.clone()), &tame);
            text += &format!("(func (export \"{name}\") {params}{result} {run})\n");
            if place == Some(&Place::PostReturn(export.name.clone())) {
                text += &format!("(func (export \"cabi_post_{name}\") (param i32) {FOREVER})\n");
            }
        }
        for resource in &self.resources {
            let (interface, name) = resource.split_once('#').unwrap_or_default();
            let run = body(Place::Destructor(resource.clone()), "");
            text += &format!("(func (export \"{PACKAGE}{interface}@0.1.0#[dtor]{name}\") (param i32) {run})\n");
        }
        if place == Some(&Place::Start) {
            text += &format!("(func $start {FOREVER}) (start $start)\n");
        }
        text += ")";
        let mut module = wat::parse_str(&text)?;
        embed_component_metadata(&mut module, &self.resolve, self.id, StringEncoding::UTF8)?;
        ComponentEncoder::default().validate(true).module(&module)?.encode()
    }
}

fn wasm(it: &WasmType) -> &'static str {
    match it {
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
    }
}

/// One call at the seam.
pub(crate) type Call<'a> = Box<dyn FnOnce(&mut dyn Instance) -> CallResult<()> + 'a>;

/// The calls that lead to a place, the last of them into it. `objects` are what the calls before made, newest last; every
/// call stands for itself, so that each can have its own budget.
pub(crate) fn reach<'a>(
    world: &str,
    place: &Place,
    stream: impl Fn() -> Box<dyn HostStream> + 'a,
    objects: &'a std::cell::RefCell<Vec<ObjectId>>,
) -> Vec<Call<'a>> {
    const SPEC: AudioSpec = AudioSpec { sample_rate: 48_000, channels: 2 };
    let last = move || objects.borrow().last().copied().unwrap_or(ObjectId(u32::MAX));
    let keep = move |made: CallResult<ObjectId>| made.map(|made| objects.borrow_mut().push(made));
    let create: Call<'a> = match world {
        "decoder-plugin" => Box::new(move |it| keep(need(it.decoder())?.open(stream(), Some("x")))),
        "source-plugin" => Box::new(move |it| keep(need(it.source())?.create())),
        "lyrics-plugin" => Box::new(move |it| keep(need(it.lyrics())?.create())),
        "output-sink-plugin" => Box::new(move |it| keep(need(it.output_sink())?.create())),
        _ => Box::new(move |it| keep(need(it.dsp())?.create(SPEC))),
    };
    let enable: Call<'a> = Box::new(|it| it.enable());
    let open: Call<'a> = Box::new(move |it| match need(it.source())?.open_stream_json(last(), "{}")?.handle {
        stellatune_plugin_core::capability::OpenedHandle::Processed(stream) => keep(Ok(stream)),
        stellatune_plugin_core::capability::OpenedHandle::Passthrough(_) => {
            Err(PluginError::Internal("not a stream of the source's own".into()).into())
        }
    });
    let close: Call<'a> = Box::new(move |it| Ok(it.close(last())?));
    let plan: Call<'a> = Box::new(move |it| it.plan_config(last(), "{}").map(drop));
    let disable: Call<'a> = Box::new(|it| it.disable(DisableReason::Shutdown));
    let of_stream: Call<'a> = Box::new(move |it| need(it.source())?.stream_metadata(last()).map(drop));
    let read: Call<'a> = Box::new(move |it| need(it.source())?.stream_read(last(), 1).map(drop));
    let (interface, name) = match place {
        Place::Start => return Vec::new(),
        // The host hands a text over.
        Place::Realloc if world == "decoder-plugin" => return vec![enable, create],
        Place::Realloc => return vec![enable, create, plan],
        Place::Destructor(name) if name == "source#source-stream" => return vec![enable, create, open, close],
        Place::Destructor(_) => return vec![enable, create, close],
        Place::Export(name) | Place::PostReturn(name) => name.split_once('#').unwrap_or_default(),
    };
    let method = name.rsplit('.').next().unwrap_or_default();
    let stream_method = name.starts_with("[method]source-stream.");
    let call: Call<'a> = match (interface, method) {
        ("lifecycle", "on-enable") => return vec![enable],
        ("lifecycle", "on-disable") => return vec![enable, disable],
        (_, "open" | "create") => return vec![enable, create],
        (_, "plan-config-update-json") => plan,
        (_, "apply-config-update-json") => Box::new(move |it| it.apply_config(last(), "{}")),
        (_, "export-state-json") => Box::new(move |it| it.export_state(last()).map(drop)),
        (_, "import-state-json") => Box::new(move |it| it.import_state(last(), "{}")),
        (_, "close") if stream_method => return vec![enable, create, open, close],
        (_, "close") => return vec![enable, create, close],
        ("decoder", "info") => Box::new(move |it| need(it.decoder())?.info(last()).map(drop)),
        ("decoder", "metadata") => Box::new(move |it| need(it.decoder())?.metadata(last()).map(drop)),
        ("decoder", "read-pcm-f32") => Box::new(move |it| need(it.decoder())?.read_pcm_f32(last(), 1).map(drop)),
        ("decoder", "seek-ms") => Box::new(move |it| need(it.decoder())?.seek_ms(last(), 1)),
        ("source", "list-items-json") => Box::new(move |it| need(it.source())?.list_items_json(last(), "{}").map(drop)),
        ("source", "open-stream-json") => return vec![enable, create, open],
        ("source", "open-uri") => Box::new(move |it| need(it.source())?.open_uri(last(), "x:").map(drop)),
        ("source", "metadata") => return vec![enable, create, open, of_stream],
        ("source", "read") => return vec![enable, create, open, read],
        ("lyrics", "search") => Box::new(move |it| need(it.lyrics())?.search(last(), "x").map(drop)),
        ("lyrics", "fetch") => Box::new(move |it| need(it.lyrics())?.fetch(last(), "x").map(drop)),
        ("output-sink", "list-targets-json") => {
            Box::new(move |it| need(it.output_sink())?.list_targets_json(last()).map(drop))
        }
        ("output-sink", "negotiate-spec-json") => {
            Box::new(move |it| need(it.output_sink())?.negotiate_spec_json(last(), "{}", SPEC).map(drop))
        }
        ("output-sink", "describe-hot-path") => {
            Box::new(move |it| need(it.output_sink())?.describe_hot_path(last(), SPEC).map(drop))
        }
        ("output-sink", "open-json") => Box::new(move |it| need(it.output_sink())?.open_json(last(), "{}", SPEC)),
        ("output-sink", "write-interleaved-f32") => {
            Box::new(move |it| need(it.output_sink())?.write_interleaved_f32(last(), 2, &[0; 8]).map(drop))
        }
        ("output-sink", "query-status") => Box::new(move |it| need(it.output_sink())?.query_status(last()).map(drop)),
        ("output-sink", "flush") => Box::new(move |it| need(it.output_sink())?.flush(last())),
        ("output-sink", "reset") => Box::new(move |it| need(it.output_sink())?.reset(last())),
        ("dsp", "describe-hot-path") => Box::new(move |it| need(it.dsp())?.describe_hot_path(last(), SPEC).map(drop)),
        ("dsp", "process-interleaved-f32") => {
            Box::new(move |it| need(it.dsp())?.process_interleaved_f32(last(), 2, &[0; 8]).map(drop))
        }
        ("dsp", "supported-layouts") => Box::new(move |it| need(it.dsp())?.supported_layouts(last()).map(drop)),
        ("dsp", "output-channels") => Box::new(move |it| need(it.dsp())?.output_channels(last()).map(drop)),
        other => panic!("no way is known to {other:?}, which the contract exports"),
    };
    vec![enable, create, call]
}

fn need<T>(ability: Option<T>) -> CallResult<T> {
    ability.ok_or_else(|| PluginError::Unsupported("the component lacks the ability of its world".into()).into())
}

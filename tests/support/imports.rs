//! Guests that call one import of the contract each, made from it, and services that panic there.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use anyhow::{Context, Result};
use stellatune_plugin_core::{
    control::CallControl,
    error::CallResult,
    host::{Channel, HostStream, Http, Lock, Process, Services, Sidecars, Streams},
    types::{LaunchSpec, OpenRequest, SeekWhence, TransportKind, TransportOption},
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{
    PackageId, Resolve, WorldItem,
    abi::{AbiVariant, WasmSignature, WasmType},
};

use super::contract;

/// Every import of the contract, as `interface#function`, with the world that has it and those called before for the
/// handle it takes.
const IMPORTS: [(&str, &str, &[&str]); 19] = [
    ("decoder-plugin", "host-stream#open", &[]),
    ("decoder-plugin", "host-stream#[method]host-stream-handle.read", &["host-stream#open"]),
    ("decoder-plugin", "host-stream#[method]host-stream-handle.seek", &["host-stream#open"]),
    ("decoder-plugin", "host-stream#[method]host-stream-handle.tell", &["host-stream#open"]),
    ("decoder-plugin", "host-stream#[method]host-stream-handle.size", &["host-stream#open"]),
    ("decoder-plugin", "host-stream#[method]host-stream-handle.close", &["host-stream#open"]),
    ("decoder-plugin", "sidecar#lock", &[]),
    ("decoder-plugin", "sidecar#[method]lock-guard.unlock", &["sidecar#lock"]),
    ("decoder-plugin", "sidecar#launch", &[]),
    ("decoder-plugin", "sidecar#[method]process.open-control", &["sidecar#launch"]),
    ("decoder-plugin", "sidecar#[method]process.open-data", &["sidecar#launch"]),
    ("decoder-plugin", "sidecar#[method]process.wait-exit", &["sidecar#launch"]),
    ("decoder-plugin", "sidecar#[method]process.terminate", &["sidecar#launch"]),
    ("decoder-plugin", "sidecar#[method]channel.transport", CHANNEL),
    ("decoder-plugin", "sidecar#[method]channel.write", CHANNEL),
    ("decoder-plugin", "sidecar#[method]channel.read", CHANNEL),
    ("decoder-plugin", "sidecar#[method]channel.close", CHANNEL),
    ("lyrics-plugin", "http-client#fetch-json", &[]),
    ("source-plugin", "host-stream#open", &[]),
];

const CHANNEL: &[&str] = &["sidecar#launch", "sidecar#[method]process.open-control"];

/// An import, as `interface#function`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Import {
    pub(crate) world: &'static str,
    pub(crate) name: &'static str,
    before: &'static [&'static str],
}

/// Every import of the contract.
///
/// # Errors
/// When the contract has one that is not known here.
pub(crate) fn imports() -> Result<Vec<Import>> {
    let known: Vec<_> = IMPORTS.iter().map(|&(world, name, before)| Import { world, name, before }).collect();
    for world in ["decoder-plugin", "lyrics-plugin"] {
        for name in functions(&contract::resolve(|_, text| Ok(text))?, world)?.into_iter().map(|(name, _)| name) {
            known
                .iter()
                .find(|import| import.name == name)
                .with_context(|| format!("the import {name} is not tested"))?;
        }
    }
    Ok(known)
}

/// An imported function of a world: its name, and its core function.
type Functions = Vec<(String, WasmSignature)>;

fn functions((resolve, package): &(Resolve, PackageId), world: &str) -> Result<Functions> {
    let world = resolve.select_world(&[*package], Some(world))?;
    let mut found = Vec::new();
    for (key, item) in &resolve.worlds[world].imports {
        let WorldItem::Interface { id, .. } = item else { continue };
        let full = resolve.name_world_key(key);
        let Some(short) = full.strip_prefix("stellatune:plugin/").and_then(|rest| rest.split('@').next()) else {
            continue;
        };
        for function in resolve.interfaces[*id].functions.values() {
            let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
            found.push((format!("{short}#{}", function.name), signature));
        }
    }
    Ok(found)
}

/// The exports of the worlds that are not called, so that their bodies do not matter.
const REST: &[(&str, &[&str])] = &[
    (
        "decoder-plugin",
        &[
            "decoder#open|(param i32 i32 i32 i32) (result i32)",
            "decoder#[method]session.info|(param i32) (result i32)",
            "decoder#[method]session.metadata|(param i32) (result i32)",
            "decoder#[method]session.read-pcm-f32|(param i32 i32) (result i32)",
            "decoder#[method]session.seek-ms|(param i32 i64) (result i32)",
            "decoder#[method]session.",
        ],
    ),
    (
        "source-plugin",
        &[
            "source#create|(result i32)",
            "source#[method]catalog.list-items-json|(param i32 i32 i32) (result i32)",
            "source#[method]catalog.open-stream-json|(param i32 i32 i32) (result i32)",
            "source#[method]catalog.open-uri|(param i32 i32 i32) (result i32)",
            "source#[method]source-stream.metadata|(param i32) (result i32)",
            "source#[method]source-stream.read|(param i32 i32) (result i32)",
            "source#[method]source-stream.close|(param i32)",
            "source#[method]catalog.",
        ],
    ),
    (
        "lyrics-plugin",
        &[
            "lyrics#create|(result i32)",
            "lyrics#[method]provider.search|(param i32 i32 i32) (result i32)",
            "lyrics#[method]provider.fetch|(param i32 i32 i32) (result i32)",
            "lyrics#[method]provider.",
        ],
    ),
];

const TAIL: [&str; 5] = [
    "plan-config-update-json|(param i32 i32 i32) (result i32)",
    "apply-config-update-json|(param i32 i32 i32) (result i32)",
    "export-state-json|(param i32) (result i32)",
    "import-state-json|(param i32 i32 i32) (result i32)",
    "close|(param i32)",
];

impl Import {
    /// A component whose `on-enable` calls this import, with empty texts and lists and what it needs of handles.
    pub(crate) fn component(&self) -> Result<Vec<u8>> {
        let contract = contract::resolve(|_, text| Ok(text))?;
        let functions = functions(&contract, self.world)?;
        let mut text = String::from("(module\n");
        let mut calls = String::new();
        for (step, name) in self.before.iter().copied().chain([self.name]).enumerate() {
            let (_, core) = functions.iter().find(|it| it.0 == name).with_context(|| format!("no {name}"))?;
            let (params, results) = (&core.params, &core.results);
            let (interface, function) = name.split_once('#').context("no interface")?;
            let spelled = |types: &[WasmType]| types.iter().map(wasm).collect::<Vec<_>>().join(" ");
            text += &format!(
                "(import \"stellatune:plugin/{interface}@0.1.0\" \"{function}\" (func $f{step} (param {}) (result {})))\n",
                spelled(params),
                spelled(results)
            );
            let arguments = params.iter().enumerate().map(|(at, it)| match at {
                0 if function.starts_with("[method]") => "(i32.load (i32.const 1028))".to_owned(),
                at if core.retptr && at + 1 == params.len() => "(i32.const 1024)".to_owned(),
                // Of nothing, a channel need not be asked.
                1 if function.ends_with("channel.read") => "(i32.const 1)".to_owned(),
                _ => format!("({}.const 0)", wasm(it)),
            });
            let arguments: Vec<_> = arguments.collect();
            let drop = if results.is_empty() { "" } else { "drop" };
            calls += &format!("(call $f{step} {}) {drop}\n", arguments.join(" "));
        }
        text += "(memory (export \"memory\") 2)
            (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
            (func (export \"stellatune:plugin/lifecycle@0.1.0#on-disable\") (param i32) (result i32) (i32.const 4096))\n";
        text += &format!(
            "(func (export \"stellatune:plugin/lifecycle@0.1.0#on-enable\") (result i32) {calls} (i32.const 4096))\n"
        );
        let rest = REST.iter().find(|(world, _)| *world == self.world).map_or(&[][..], |(_, rest)| rest);
        for export in rest {
            let whole: Vec<String> = match export.split_once('|') {
                Some(_) => vec![(*export).to_owned()],
                None => TAIL.iter().map(|tail| format!("{export}{tail}")).collect(),
            };
            for export in whole {
                let (name, signature) = export.split_once('|').context("no signature")?;
                let (interface, function) = name.split_once('#').context("no interface")?;
                text += &format!(
                    "(func (export \"stellatune:plugin/{interface}@0.1.0#{function}\") {signature} unreachable)\n"
                );
            }
        }
        text += ")";
        let mut module = wat::parse_str(&text).with_context(|| text.clone())?;
        let (resolve, package) = &contract;
        let world = resolve.select_world(&[*package], Some(self.world))?;
        embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)?;
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

/// Services that work until they come to one import, where they panic. Dropping a handle is where its `close` or `unlock`
/// arrives.
pub(crate) fn panicking(at: &'static str) -> Services {
    let trap = Arc::new(Failpoint { at, armed: Mutex::new(true) });
    Services {
        streams: Arc::new(Point(Arc::clone(&trap))),
        sidecars: Arc::new(Point(Arc::clone(&trap))),
        http: Arc::new(Point(trap)),
    }
}

struct Failpoint {
    at: &'static str,
    /// Dropping what a panic left behind must not panic again.
    armed: Mutex<bool>,
}

#[derive(Clone)]
struct Point(Arc<Failpoint>);

impl Point {
    fn reach(&self, name: &str) {
        let reached =
            self.0.at == name && std::mem::take(&mut *self.0.armed.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(!reached, "forced in {name}");
    }
}

impl Streams for Point {
    fn open(&self, _: &OpenRequest, _: &Arc<CallControl>) -> CallResult<Box<dyn HostStream>> {
        self.reach("host-stream#open");
        Ok(Box::new(Handle(self.clone(), "host-stream#[method]host-stream-handle.close")))
    }
}

impl Sidecars for Point {
    fn lock(&self, _: &str, _: Option<Instant>, _: &Arc<CallControl>) -> CallResult<Box<dyn Lock>> {
        self.reach("sidecar#lock");
        Ok(Box::new(Handle(self.clone(), "sidecar#[method]lock-guard.unlock")))
    }

    fn launch(&self, _: &LaunchSpec, _: &Arc<CallControl>) -> CallResult<Box<dyn Process>> {
        self.reach("sidecar#launch");
        Ok(Box::new(Handle(self.clone(), "process dropped")))
    }
}

impl Http for Point {
    fn fetch_json(&self, _: &str, _: &Arc<CallControl>) -> CallResult<String> {
        self.reach("http-client#fetch-json");
        Ok(String::new())
    }
}

/// A handle of any kind, and the import that drops it.
struct Handle(Point, &'static str);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.reach(self.1);
    }
}

impl Lock for Handle {}

impl HostStream for Handle {
    fn read(&mut self, _: u32, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        self.0.reach("host-stream#[method]host-stream-handle.read");
        Ok(Vec::new())
    }

    fn seek(&mut self, _: i64, _: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
        self.0.reach("host-stream#[method]host-stream-handle.seek");
        Ok(0)
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        self.0.reach("host-stream#[method]host-stream-handle.tell");
        Ok(0)
    }

    fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        self.0.reach("host-stream#[method]host-stream-handle.size");
        Ok(0)
    }
}

impl Process for Handle {
    fn open_control(&mut self, _: &Arc<CallControl>) -> CallResult<Box<dyn Channel>> {
        self.0.reach("sidecar#[method]process.open-control");
        Ok(Box::new(Self(self.0.clone(), "sidecar#[method]channel.close")))
    }

    fn open_data(&mut self, _: &str, _: &[TransportOption], _: &Arc<CallControl>) -> CallResult<Box<dyn Channel>> {
        self.0.reach("sidecar#[method]process.open-data");
        Ok(Box::new(Self(self.0.clone(), "sidecar#[method]channel.close")))
    }

    fn wait_exit(&mut self, _: Option<Instant>, _: &Arc<CallControl>) -> CallResult<Option<i32>> {
        self.0.reach("sidecar#[method]process.wait-exit");
        Ok(None)
    }

    fn terminate(self: Box<Self>, _: u32, _: &Arc<CallControl>) -> CallResult<()> {
        self.0.reach("sidecar#[method]process.terminate");
        Ok(())
    }
}

impl Channel for Handle {
    fn transport(&self) -> TransportKind {
        self.0.reach("sidecar#[method]channel.transport");
        TransportKind::Stdio
    }

    fn write(&mut self, _: &[u8], _: &Arc<CallControl>) -> CallResult<u32> {
        self.0.reach("sidecar#[method]channel.write");
        Ok(0)
    }

    fn read(&mut self, _: u32, _: Option<Instant>, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        self.0.reach("sidecar#[method]channel.read");
        Ok(Vec::new())
    }
}

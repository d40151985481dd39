//! The same guest on our WASI and on `wasmtime-wasi`: what it sees must be the same, but for times.
//!
//! The guest is `edge-decoder`, whose behaviour an extension hint chooses. On the oracle's side the contract's own
//! imports are stubs that trap: no hint used here reaches one before its observation is made.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use stellatune_plugin_core::{
    control::{CallControl, CancelToken},
    engine::{Engine, Instance},
    error::{CallError, CallResult, TrapKind},
    host::{Host, HostStream, Services},
    limits::{Budget, Limits},
    types::{MetadataValue, SeekWhence},
    wasi::LogSink,
};
use stellatune_plugin_engine_wasmtime::WasmtimeEngine;
use wasmtime::{
    Store,
    component::{Component, Func, Linker, Resource, ResourceAny, ResourceTable, ResourceType, Val},
};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView, p2::pipe::MemoryOutputPipe};

/// What a guest did: the extras of its metadata, or how it ended, and what it printed.
#[derive(Debug, PartialEq)]
struct Observed {
    extras: Result<BTreeMap<String, String>, Ended>,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

#[derive(Debug, PartialEq)]
enum Ended {
    Exit,
    Trap,
}

#[test]
fn a_guest_sees_the_same_environment() {
    let (mut ours, mut theirs) = (ours("env"), theirs("env"));
    for observed in [&mut ours, &mut theirs] {
        let extras = observed.extras.as_mut().unwrap();
        let slept: u64 = extras.remove("slept_ms").unwrap().parse().unwrap();
        assert!(slept >= 5, "a sleep of 5 ms took {slept} ms");
        let now: u64 = extras.remove("unix_seconds").unwrap().parse().unwrap();
        assert!(now > 1_700_000_000, "it is {now} s after 1970");
    }
    assert_eq!(ours, theirs);
    let extras = ours.extras.unwrap();
    let seen = |key: &str| extras[key].as_str();
    assert_eq!((seen("vars"), seen("args"), seen("stdin"), seen("map")), ("", "", "0 bytes", "value"));
}

#[test]
fn a_guest_prints_the_same_lines() {
    // Ours are made for a log: control characters are visible, and a long line goes on in the next.
    let (ours, mut theirs) = (ours("stdio"), theirs("stdio"));
    for line in &mut theirs.stdout {
        let visible = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        *line = line.chars().map(visible).collect();
    }
    let short =
        |lines: &[String]| -> Vec<String> { lines.iter().filter(|line| !line.contains("long")).cloned().collect() };
    assert_eq!(ours.stdout.concat(), theirs.stdout.concat());
    assert_eq!(short(&ours.stdout), short(&theirs.stdout));
    assert_eq!(ours.stderr, theirs.stderr);
    assert_eq!(ours.extras, theirs.extras);
}

#[test]
fn an_exit_and_an_abort_end_the_guest() {
    for (hint, ended) in
        [("exit-metadata", Ended::Exit), ("trap-metadata", Ended::Trap), ("panic-metadata", Ended::Trap)]
    {
        let (ours, theirs) = (ours(hint), theirs(hint));
        assert_eq!(ours, theirs, "{hint}");
        assert_eq!(ours.extras, Err(ended), "{hint}");
    }
}

fn guest() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures/prebuilt/edge-decoder.wasm")).unwrap()
}

fn ours(hint: &str) -> Observed {
    let engine = WasmtimeEngine::new().unwrap();
    let program = engine.load(&engine.compile(&guest()).unwrap()).unwrap();
    let (control, lines) = (Arc::new(CallControl::default()), Lines::default());
    let minute = Duration::from_secs(60);
    let budget = Budget { guest: minute, wall: minute, boundary_bytes: 1 << 20 };
    let token = CancelToken::default();
    let _scope = control.enter(&budget, &token);
    let host = Host::new(Services::default(), &Limits::AUDIO, Arc::clone(&control), Box::new(lines.clone()));
    let mut instance = program.start(host, &Limits::AUDIO, Arc::clone(&control)).unwrap();
    let extras = ask(&mut *instance, hint).map_err(|error| match error {
        CallError::Trap(trap) if trap.message.contains("exit") => Ended::Exit,
        CallError::Trap(trap) if trap.kind == TrapKind::Unreachable => Ended::Trap,
        other => panic!("{other}"),
    });
    drop(instance);
    let (stdout, stderr) = lines.split();
    Observed { extras, stdout, stderr }
}

fn ask(instance: &mut dyn Instance, hint: &str) -> CallResult<BTreeMap<String, String>> {
    let session = instance.decoder().unwrap().open(Box::new(Empty), Some(hint))?;
    let extras = instance.decoder().unwrap().metadata(session)?.extras;
    let text = |value| match value {
        MetadataValue::Text(text) => text,
        other => format!("{other:?}"),
    };
    Ok(extras.into_iter().map(|extra| (extra.key, text(extra.value))).filter(|(key, _)| key != "sessions").collect())
}

struct Oracle {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Oracle {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

fn theirs(hint: &str) -> Observed {
    let engine = wasmtime::Engine::default();
    let component = Component::from_binary(&engine, &guest()).unwrap();
    let mut linker = Linker::<Oracle>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
    stub_streams(&mut linker);
    let (stdout, stderr) = (MemoryOutputPipe::new(1 << 20), MemoryOutputPipe::new(1 << 20));
    let wasi = WasiCtx::builder().stdout(stdout.clone()).stderr(stderr.clone()).build();
    let mut store = Store::new(&engine, Oracle { wasi, table: ResourceTable::new() });
    let instance = linker.instantiate(&mut store, &component).unwrap();
    let decoder = component.get_export_index(None, "stellatune:plugin/decoder@0.1.0").unwrap();
    let mut function = |name: &str| {
        let index = component.get_export_index(Some(&decoder), name).unwrap();
        instance.get_func(&mut store, index).unwrap()
    };
    let (open, metadata) = (function("open"), function("[method]session.metadata"));

    let input = ResourceAny::try_from_resource(Resource::<()>::new_own(0), &mut store).unwrap();
    let hint = Val::Option(Some(Box::new(Val::String(hint.into()))));
    let extras = call(&mut store, open, &[Val::Resource(input), hint])
        .and_then(|session| call(&mut store, metadata, &[session]))
        .map(|metadata| theirs_extras(&metadata));
    Observed { extras, stdout: printed(&stdout), stderr: printed(&stderr) }
}

/// A `host-stream` that can be handed in and dropped, and nothing else.
fn stub_streams(linker: &mut Linker<Oracle>) {
    let mut streams = linker.instance("stellatune:plugin/host-stream@0.1.0").unwrap();
    streams.resource("host-stream-handle", ResourceType::host::<()>(), |_, _| Ok(())).unwrap();
    for method in ["read", "seek", "tell", "size", "close"] {
        let name = format!("[method]host-stream-handle.{method}");
        streams.func_new(&name, |_, _, _, _| Err(wasmtime::Error::msg("the oracle has no streams"))).unwrap();
    }
}

/// Calls a function that returns a `result`, and expects no refusal.
fn call(store: &mut Store<Oracle>, function: Func, arguments: &[Val]) -> Result<Val, Ended> {
    let mut results = [Val::Bool(false)];
    if let Err(error) = function.call(store, arguments, &mut results) {
        return Err(match error.downcast_ref::<wasmtime::Trap>() {
            None if error.downcast_ref::<I32Exit>().is_some() => Ended::Exit,
            Some(wasmtime::Trap::UnreachableCodeReached) => Ended::Trap,
            _ => panic!("{error:?}"),
        });
    }
    match results {
        [Val::Result(Ok(Some(value)))] => Ok(*value),
        [other] => panic!("refused: {other:?}"),
    }
}

fn theirs_extras(metadata: &Val) -> BTreeMap<String, String> {
    let Val::List(extras) = field(metadata, "extras") else { panic!("{metadata:?}") };
    let pair = |extra| match (field(extra, "key"), field(extra, "value")) {
        (Val::String(key), Val::Variant(_, Some(value))) => match &**value {
            Val::String(text) => (key.clone(), text.clone()),
            other => (key.clone(), format!("{other:?}")),
        },
        other => panic!("{other:?}"),
    };
    extras.iter().map(pair).filter(|(key, _)| key != "sessions").collect()
}

fn field<'a>(record: &'a Val, name: &str) -> &'a Val {
    let Val::Record(fields) = record else { panic!("{record:?}") };
    fields.iter().find(|(field, _)| field == name).map(|(_, value)| value).unwrap()
}

fn printed(pipe: &MemoryOutputPipe) -> Vec<String> {
    let text = String::from_utf8(pipe.contents().to_vec()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(bool, String)>>>);

impl Lines {
    fn split(&self) -> (Vec<String>, Vec<String>) {
        let lines = self.0.lock().unwrap();
        let of = |error| lines.iter().filter(|line| line.0 == error).map(|line| line.1.clone()).collect();
        (of(false), of(true))
    }
}

impl LogSink for Lines {
    fn line(&mut self, error_output: bool, text: &str) {
        self.0.lock().unwrap().push((error_output, text.into()));
    }
}

struct Empty;

impl HostStream for Empty {
    fn read(&mut self, _: u32, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        Ok(Vec::new())
    }

    fn seek(&mut self, _: i64, _: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(0)
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(0)
    }

    fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(0)
    }
}

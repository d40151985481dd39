//! Each class of calls is held to its own budget by a runtime, and to nothing else's; compiling has its own.

use std::time::Duration;

use stellatune_plugin_core::limits::CallClass;
use stellatune_plugins::{
    Budget, Budgets, DspOptions, Error, ErrorKind, Event, Runtime, TrapKind,
    registry::{Plugin, Status},
    types::AudioSpec,
};

use super::lifecycle::of_world;
use crate::support::{
    Case, Subject, fixture,
    package::{Home, Package, open, wait},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("budgets/start", ["start-loop"], |subject| {
            let (_home, runtime) = held(subject, CallClass::Start, &Package::decoder("test.plugin", "start-loop"));
            used_up(&open(&runtime, [0; 64], "x").map(drop).expect_err("never starts"));
        }),
        Case::new("budgets/enable", ["hook-loop-enable"], |subject| {
            let package = Package::decoder("test.plugin", "hook-loop-enable");
            let (_home, runtime) = held(subject, CallClass::Enable, &package);
            used_up(&open(&runtime, [0; 64], "x").map(drop).expect_err("never gets ready"));
        }),
        Case::new("budgets/disable", ["hook-loop-disable"], disable),
        Case::new("budgets/stream", ["edge-decoder"], |subject| {
            let (_home, runtime) = held(subject, CallClass::Stream, &decoder());
            let mut decoder = open(&runtime, [0; 64], "loop").expect("opens");
            used_up(&wait(decoder.read(1)).expect_err("never reads"));
        }),
        Case::new("budgets/metadata", ["edge-decoder"], |subject| {
            let (_home, runtime) = held(subject, CallClass::Metadata, &decoder());
            let mut decoder = open(&runtime, [0; 64], "loop-metadata").expect("opens");
            used_up(&wait(decoder.metadata()).expect_err("never tells"));
        }),
        Case::new("budgets/sink-control", ["echo-sink"], |subject| {
            let (_home, runtime) = held(subject, CallClass::SinkControl, &sink());
            let config = Some("{\"x\":\"list_targets:loop\"}");
            let mut sink = wait(runtime.open_sink(&selector(), config)).expect("is made");
            used_up(&wait(sink.targets()).expect_err("never lists"));
        }),
        Case::new("budgets/block-of-a-sink", ["echo-sink"], |subject| {
            let (_home, runtime) = held(subject, CallClass::Block, &sink());
            let mut sink = wait(runtime.open_sink(&selector(), Some("{\"x\":\"write:loop\"}"))).expect("is made");
            wait(sink.open("{\"id\":\"echo\"}", SPEC)).expect("opens");
            used_up(&wait(sink.write(&[0.0; 2])).expect_err("never writes"));
        }),
        Case::new("budgets/block-of-a-dsp", ["echo-dsp"], |subject| {
            let package = of_world("test.plugin", "echo-dsp", "dsp-plugin", "dsp");
            let (_home, runtime) = held(subject, CallClass::Block, &package);
            let options = DspOptions { config: Some("{\"x\":\"process:loop\"}".into()), component_only: true };
            let mut dsp = wait(runtime.open_dsp(&selector(), SPEC, &options)).expect("opens");
            used_up(&wait(dsp.process(&mut [0.0; 2])).expect_err("never processes"));
        }),
        Case::new("budgets/wall", ["edge-decoder"], wall),
        Case::new("budgets/boundary", ["edge-decoder"], boundary),
        Case::new("budgets/compile", ["edge-decoder"], compile),
    ]
}

const SPEC: AudioSpec = AudioSpec { sample_rate: 48_000, channels: 2 };

/// What the class in question has, and all others have not.
const CUT: Duration = Duration::from_millis(50);

/// A runtime with `package`, in which one class of calls has little guest time and the others have plenty.
fn held(subject: &Subject, class: CallClass, package: &Package) -> (Home, Runtime) {
    let budget = |it: CallClass, budget: Budget| {
        let guest = if it == class { CUT } else { Duration::from_secs(60) };
        Budget { guest, wall: Duration::from_secs(120), ..budget }
    };
    let budgets = Budgets::default();
    let budgets = Budgets {
        start: budget(CallClass::Start, budgets.start),
        enable: budget(CallClass::Enable, budgets.enable),
        disable: budget(CallClass::Disable, budgets.disable),
        stream: budget(CallClass::Stream, budgets.stream),
        metadata: budget(CallClass::Metadata, budgets.metadata),
        sink_control: budget(CallClass::SinkControl, budgets.sink_control),
        block: budget(CallClass::Block, budgets.block),
    };
    with(subject, budgets, package)
}

fn with(subject: &Subject, budgets: Budgets, package: &Package) -> (Home, Runtime) {
    let home = Home::new();
    let runtime = home.builder(subject.engine()).without_cache().budgets(budgets).build().expect("a runtime");
    wait(runtime.install(package.path())).expect("installs");
    (home, runtime)
}

fn decoder() -> Package {
    Package::decoder("test.plugin", "edge-decoder")
}

fn sink() -> Package {
    of_world("test.plugin", "echo-sink", "output-sink-plugin", "output_sink")
}

fn selector() -> stellatune_plugins::Selector {
    "test.plugin:test".parse().expect("a selector")
}

#[track_caller]
fn used_up(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let trap = error.trap().expect("a guest was cut");
    assert_eq!((trap.kind, trap.message.as_str()), (TrapKind::Deadline, "used up its 50ms of guest time"));
}

fn disable(subject: &Subject) {
    let package = Package::decoder("test.plugin", "hook-loop-disable");
    let (_home, runtime) = held(subject, CallClass::Disable, &package);
    let mut events = runtime.events();
    drop(open(&runtime, [0; 64], "echo"));
    wait(runtime.disable("test.plugin")).expect("disables");
    let failed = std::iter::from_fn(|| events.try_recv().ok()).find_map(|event| match event {
        Event::DisableFailed { reason, .. } => Some(reason),
        _ => None,
    });
    assert!(failed.as_ref().is_some_and(|why| why.contains("used up its 50ms of guest time")), "{failed:?}");
}

/// A guest that waits in the host uses no guest time, and is cut all the same.
fn wall(subject: &Subject) {
    let budgets = Budgets::default();
    let budgets = Budgets { stream: Budget { wall: CUT, ..budgets.stream }, ..budgets };
    let (_home, runtime) = with(subject, budgets, &decoder());
    let error = open(&runtime, [0; 64], "sleep-open").map(drop).expect_err("never opens");
    assert_eq!(error.trap().map(|trap| trap.message.as_str()), Some("used up its 50ms of wall time"), "{error}");
}

/// Covers may be larger than any audio: 32 MiB, where other answers have 8. // G09
fn boundary(subject: &Subject) {
    let (_home, runtime) = with(subject, Budgets::default(), &decoder());
    let metadata = |kib: u32| {
        let mut decoder = open(&runtime, [0; 64], &format!("big-metadata-{kib}")).expect("opens");
        wait(decoder.metadata()).map(drop)
    };
    metadata(20 << 10).expect("fits");
    let too_large = metadata(33 << 10).expect_err("is no cover");
    assert_eq!(too_large.trap().map(|trap| trap.kind), Some(TrapKind::Memory), "{too_large}");
    let read = |kib: u32| {
        let mut decoder = open(&runtime, [0; 64], &format!("big-pcm-{kib}")).expect("opens");
        wait(decoder.read(1)).map(drop)
    };
    read(7 << 10).expect("fits");
    let too_much = read(9 << 10).expect_err("is too much");
    assert_eq!(too_much.trap().map(|trap| trap.kind), Some(TrapKind::Memory), "{too_much}");
}

/// A component that takes too long to compile is failed, is not tried again, and takes nobody with it. // L01
fn compile(subject: &Subject) {
    let home = Home::new();
    let builder = home.builder(subject.engine()).without_cache();
    let runtime = builder.compile_deadline(Duration::ZERO).build().expect("a runtime");
    // Bytes that no other test has had compiled.
    let mut wasm = fixture::wasm("edge-decoder");
    wasm.extend([0, 8, 7, b'c', b'o', b'm', b'p', b'i', b'l', b'e']);
    let slow = decoder();
    slow.file("wasm/decoder.wasm", &wasm);
    wait(runtime.install(slow.path())).expect("installs");
    let mut events = runtime.events();
    let error = open(&runtime, [0; 64], "echo").map(drop).expect_err("takes too long");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.message().contains("to compile"), "{error}");
    let plugins = runtime.plugins();
    assert_eq!(plugins.plugin("test.plugin").map(Plugin::status), Some(Status::Failed));
    assert!(std::iter::from_fn(|| events.try_recv().ok()).any(|event| matches!(event, Event::Failed { .. })));
    assert_eq!(open(&runtime, [0; 64], "echo").map(drop).expect_err("is not tried").kind(), ErrorKind::NotFound);
    assert_eq!(runtime.stats().iter().map(|stats| stats.starts).sum::<u64>(), 0);
}

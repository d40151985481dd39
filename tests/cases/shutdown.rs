//! R05: shutdown in the middle of whatever a plugin or the host does for one: the caller is answered, every instance is told or
//! cut, and nothing can be opened any more.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, channel, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use stellatune_plugin_core::engine::{Artifact, EngineError, Program};
use stellatune_plugins::{
    Budget, Budgets, DecoderChoice, DspOptions, Engine, EngineId, Error, ErrorKind, Event, Guarantee, Input, Runtime,
    types::AudioSpec,
};
use tokio::sync::broadcast;

use super::lifecycle::{TIMED, of_world, runtime, told};
use crate::support::{
    Case, Subject,
    package::{Home, Package, installed, open, wait},
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("shutdown/from-a-stream", ["edge-decoder"], from_a_stream),
        Case::new("shutdown/by-drop", ["edge-decoder"], by_drop),
        Case::new("shutdown/in-enable", ["hook-loop-enable"], in_enable),
        Case::new("shutdown/during-a-compilation", ["edge-decoder"], during_a_compilation),
        Case::new("shutdown/during-a-list", ["echo-source"], during_a_list),
        Case::new("shutdown/during-a-search", ["std-lyrics"], during_a_search),
        Case::new("shutdown/during-a-block-of-a-dsp", ["echo-dsp"], during_a_dsp),
        Case::new("shutdown/during-a-block-of-a-sink", ["echo-sink"], during_a_sink),
    ];
    for place in ["open", "info", "metadata", "read", "seek", "close"] {
        for action in ["loop", "sleep", "spin"] {
            let name = format!("shutdown/during-{action}-in-{place}");
            cases.push(Case::new(name, ["edge-decoder"], move |subject| during(subject, action, place)));
        }
    }
    cases.into_iter().map(|case| case.varies(TIMED)).collect()
}

const SPEC: AudioSpec = AudioSpec { sample_rate: 48_000, channels: 2 };

/// Shuts down, and looks at what became of the caller and of each instance.
fn quit(runtime: &Runtime, mut events: broadcast::Receiver<Event>, caller: JoinHandle<Option<Error>>) {
    wait(runtime.shutdown());
    if let Some(error) = caller.join().expect("the caller does not panic") {
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    }
    let events = told(&mut events);
    let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    let started = count(|event| matches!(event, Event::Started { .. }));
    let ended = count(|event| matches!(event, Event::Ended { .. } | Event::DisableFailed { .. }));
    let cut = count(|event| matches!(event, Event::Stopped { .. }));
    assert!(ended + cut >= started, "{events:?}");
}

/// R05: shutdown while a call hangs; the call ends, every instance is told or cut, and nothing can be opened.
fn during(subject: &Subject, action: &str, place: &str) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    let events = runtime.events();
    let (other, hint) = (runtime.clone(), format!("{action}-{place}"));
    let place = place.to_owned();
    let (begun, when_begun) = channel();
    let caller = thread::spawn(move || {
        if place == "open" || place == "info" {
            begun.send(()).expect("somebody waits");
            return open(&other, [0; 64], &hint).map(drop).err();
        }
        let mut decoder = open(&other, [0; 64], &hint).expect("opens");
        begun.send(()).expect("somebody waits");
        match place.as_str() {
            "metadata" => wait(decoder.metadata()).map(drop).err(),
            "read" => wait(decoder.read(1)).map(drop).err(),
            "seek" => wait(decoder.seek(1)).err(),
            _ => {
                wait(decoder.close());
                None
            }
        }
    });
    when_begun.recv().expect("the caller begins");
    // Long enough that most runs meet the call, and right wherever it is met.
    thread::sleep(Duration::from_millis(20));
    quit(&runtime, events, caller);
    assert_eq!(open(&runtime, [0; 64], "echo").map(drop).expect_err("is shut").kind(), ErrorKind::Cancelled);
}

/// A guest that hangs in a call `hang` of an ability other than a decoder, made by `make`.
fn hanging<T: Send + 'static>(
    subject: &Subject,
    package: &Package,
    make: impl FnOnce(&Runtime) -> T,
    hang: impl FnOnce(T) -> Option<Error> + Send + 'static,
) {
    let home = Home::new();
    let budgets = Budgets::default();
    // Longer than shutdown lets a call go on.
    let budgets = Budgets { block: Budget { guest: Duration::from_secs(60), ..budgets.block }, ..budgets };
    let runtime = runtime(&home, subject, |builder| builder.budgets(budgets));
    let events = runtime.events();
    wait(runtime.install(package.path())).expect("installs");
    let made = make(&runtime);
    let (begun, when_begun) = channel();
    let caller = thread::spawn(move || {
        begun.send(()).expect("somebody waits");
        hang(made)
    });
    when_begun.recv().expect("the caller begins");
    thread::sleep(Duration::from_millis(20));
    quit(&runtime, events, caller);
}

fn during_a_list(subject: &Subject) {
    let package = of_world("test.plugin", "echo-source", "source-plugin", "source");
    let make = |runtime: &Runtime| wait(runtime.open_catalog(&selector(), None)).expect("opens");
    hanging(subject, &package, make, |mut catalog| wait(catalog.list_items("\"do:loop\"")).map(drop).err());
}

fn during_a_search(subject: &Subject) {
    let package = of_world("test.plugin", "std-lyrics", "lyrics-plugin", "lyrics");
    let make = |runtime: &Runtime| wait(runtime.open_lyrics(&selector(), None)).expect("opens");
    hanging(subject, &package, make, |mut lyrics| wait(lyrics.search("sleep")).map(drop).err());
}

fn during_a_dsp(subject: &Subject) {
    let package = of_world("test.plugin", "echo-dsp", "dsp-plugin", "dsp");
    let options = DspOptions { config: Some("{\"x\":\"process:loop\"}".into()), component_only: true };
    let make = |runtime: &Runtime| wait(runtime.open_dsp(&selector(), SPEC, &options)).expect("opens");
    hanging(subject, &package, make, |mut dsp| wait(dsp.process(&mut [0.0; 2])).err());
}

fn during_a_sink(subject: &Subject) {
    let package = of_world("test.plugin", "echo-sink", "output-sink-plugin", "output_sink");
    let make = |runtime: &Runtime| {
        let mut sink = wait(runtime.open_sink(&selector(), Some("{\"x\":\"write:loop\"}"))).expect("is made");
        wait(sink.open("{\"id\":\"echo\"}", SPEC)).expect("opens");
        sink
    };
    hanging(subject, &package, make, |mut sink| wait(sink.write(&[0.0; 2])).map(drop).err());
}

fn selector() -> stellatune_plugins::Selector {
    "test.plugin:test".parse().expect("a selector")
}

/// An engine whose compilation says that it began and waits to be let go on.
struct Held {
    engine: Arc<dyn Engine>,
    begun: SyncSender<()>,
    go: Mutex<Receiver<()>>,
}

impl Engine for Held {
    fn id(&self) -> &EngineId {
        self.engine.id()
    }

    fn compile(&self, wasm: &[u8]) -> Result<Artifact, EngineError> {
        // Nobody listens, or sends, where the test has failed.
        let _ = self.begun.send(());
        let _ = self.go.lock().map(|go| go.recv());
        self.engine.compile(wasm)
    }

    fn load(&self, artifact: &Artifact) -> Result<Arc<dyn Program>, EngineError> {
        self.engine.load(artifact)
    }

    fn guarantees(&self) -> &'static [Guarantee] {
        self.engine.guarantees()
    }
}

/// A compilation cannot be stopped, and keeps nobody: not the one who quits, nor the one who wanted the component.
fn during_a_compilation(subject: &Subject) {
    let home = Home::new();
    let (begun, when_begun) = sync_channel(1);
    let (go, when_to_go) = channel();
    let engine = Arc::new(Held { engine: subject.fresh(), begun, go: Mutex::new(when_to_go) });
    let runtime = home.builder(engine).without_cache().build().expect("a runtime");
    let events = runtime.events();
    wait(runtime.install(Package::decoder("test.plugin", "edge-decoder").path())).expect("installs");
    let other = runtime.clone();
    let caller = thread::spawn(move || open(&other, [0; 64], "echo").map(drop).err());
    when_begun.recv().expect("it is compiled");
    quit(&runtime, events, caller);
    // It goes on as if nothing had happened, and what it makes is dropped.
    go.send(()).expect("it is still held");
}

/// R12: shutdown by the application's own reader, while the plugin waits for it.
fn from_a_stream(subject: &Subject) {
    struct Quits(Runtime);
    impl std::io::Read for Quits {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            wait(self.0.shutdown());
            Ok(0)
        }
    }
    let (_home, runtime) = installed(subject, "edge-decoder");
    let input = Input::forward(Quits(runtime.clone())).with_ext("echo");
    let ended = wait(async {
        let mut decoder = runtime.open_decoder(&input, &DecoderChoice::Auto).await?;
        decoder.read(1).await
    });
    assert_eq!(ended.expect_err("is shut").kind(), ErrorKind::Cancelled);
}

fn by_drop(subject: &Subject) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    let mut events = runtime.events();
    let mut decoder = open(&runtime, [0; 64], "loop").expect("opens");
    let reading = thread::spawn(move || wait(decoder.read(1)).expect_err("is cut").kind());
    thread::sleep(Duration::from_millis(20));
    drop(runtime);
    assert_eq!(reading.join().expect("does not panic"), ErrorKind::Cancelled);
    assert!(told(&mut events).iter().any(|event| matches!(event, Event::Unloaded { .. })));
}

/// R06: an instance that never gets ready keeps nobody.
fn in_enable(subject: &Subject) {
    let (_home, runtime) = installed(subject, "hook-loop-enable");
    let other = runtime.clone();
    let opening = thread::spawn(move || open(&other, [0; 64], "x").map(drop).expect_err("is cut").kind());
    thread::sleep(Duration::from_millis(50));
    wait(runtime.shutdown());
    let kind = opening.join().expect("does not panic");
    assert!([ErrorKind::Cancelled, ErrorKind::Timeout].contains(&kind), "{kind:?}");
}

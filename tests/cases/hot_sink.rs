//! An output sink with a hot-path module, written with the SDK and opened as an application opens one. Its tape takes 256 frames
//! ahead, of which 64 are done before each block.

use stellatune_plugins::{AudioPath, ConfigUpdate, ErrorKind, Event, Runtime, Sink};

use super::lifecycle::of_world;
use crate::support::{
    Case, Subject, fixture,
    hot::STREAM,
    package::{Home, wait},
};

const COMPONENT: &str = "hot-sink";
const MODULE: &str = "hot-sink-module";
const TARGET: &str = "{\"id\":\"tape\"}";

/// A sample that breaks the module and not the component.
const BREAKS: f32 = -7.0;

pub(crate) fn cases() -> Vec<Case> {
    let case = |what: &str, run: fn(&Subject)| Case::new(format!("hot-sink/{what}"), [COMPONENT, MODULE], run);
    vec![
        case("the-module-takes-what-it-can", |subject| takes(subject, false)),
        case("the-component-takes-as-much", |subject| takes(subject, true)),
        case("settings", settings),
        case("a-module-fails-in-mid-stream", fails),
        case("a-module-that-is-not-there", missing),
        case("disable-stops-both", disabled),
    ]
}

fn runtime(subject: &Subject, module: bool) -> (Home, Runtime) {
    let home = Home::new();
    let runtime = home.runtime(subject);
    let package = of_world("test.sink", COMPONENT, "output-sink-plugin", "output_sink");
    if module {
        package.file("wasm/hot-sink-module.wasm", &fixture::wasm(MODULE));
    }
    wait(runtime.install(package.path())).expect("installs");
    (home, runtime)
}

fn opened(runtime: &Runtime, config: Option<&str>, component_only: bool) -> Sink {
    let mut sink = wait(runtime.open_sink(&"test.sink:test".parse().expect("a selector"), config)).expect("it is made");
    sink.set_component_only(component_only);
    wait(sink.open(TARGET, STREAM)).expect("opens");
    sink
}

/// Frames it takes of so many, whether it takes no more, and whether all is played.
fn write(sink: &mut Sink, frames: usize) -> (usize, bool, bool) {
    let taken = wait(sink.write(&vec![0.25; 2 * frames])).expect("it is there");
    (taken, sink.is_at_end(), sink.is_drained())
}

/// Both forms take the same; the module says besides when it is at its end, and when all is played.
fn takes(subject: &Subject, component_only: bool) {
    let (_home, runtime) = runtime(subject, true);
    let mut sink = opened(&runtime, Some("{\"length\":400}"), component_only);
    assert_eq!(*sink.path() == AudioPath::Hot, !component_only, "{sink:?}");
    let expected = [
        (100, (100, false, false)),
        (1_000, (220, false, false)),
        (10, (10, false, false)),
        (5_000, (70, true, false)),
        (1, (0, true, false)),
        (1, (0, true, false)),
        (1, (0, true, false)),
        (1, (0, true, true)),
    ];
    let told = |(taken, at_end, drained)| if component_only { (taken, false, false) } else { (taken, at_end, drained) };
    for (at, (frames, comes_to)) in expected.into_iter().enumerate() {
        assert_eq!(write(&mut sink, frames), told(comes_to), "write {at}");
    }
    assert_eq!(wait(sink.write(&[0.0; 3])).expect_err("half a frame").kind(), ErrorKind::InvalidArgument);
    wait(sink.reset()).expect("it gets another tape");
    assert_eq!(write(&mut sink, 100), (100, false, false));
    wait(sink.open(TARGET, STREAM)).expect("opens again");
    assert_eq!(write(&mut sink, 1_000), (256, false, false), "on a new tape");
    assert_eq!(*sink.path() == AudioPath::Hot, !component_only, "it did so to the end");
    // One that is refused shuts both.
    let refused = wait(sink.open("{\"id\":\"disc\"}", STREAM)).expect_err("no such target");
    assert_eq!(refused.kind(), ErrorKind::PluginError, "{refused}");
    assert_eq!(wait(sink.write(&[0.0; 2])).expect_err("it is shut").kind(), ErrorKind::PluginError);
    assert_ne!(sink.path(), &AudioPath::Hot);
    wait(sink.close());
}

/// A module that knows its parameters hears of new ones before the next block, the last of them; another one is made anew.
fn settings(subject: &Subject) {
    let (_home, runtime) = runtime(subject, true);
    let mut sink = opened(&runtime, Some("{\"length\":1000}"), false);
    assert_eq!(write(&mut sink, 100), (100, false, false));
    for length in [900, 800, 700, 600, 500, 150] {
        let config = format!("{{\"length\":{length}}}");
        assert_eq!(wait(sink.configure(&config)).expect("is set"), ConfigUpdate::Applied);
    }
    assert_eq!(write(&mut sink, 0), (0, false, false));
    assert_eq!(write(&mut sink, 100), (50, true, false));
    assert_eq!(sink.path(), &AudioPath::Hot);

    let mut sink = opened(&runtime, None, false);
    assert_eq!(write(&mut sink, 100), (100, false, false));
    assert_eq!(wait(sink.configure("{\"length\":150}")).expect("is set"), ConfigUpdate::Applied);
    assert_eq!(write(&mut sink, 200), (150, true, false), "it begins anew");
    assert_eq!(sink.path(), &AudioPath::Hot);
}

/// The reasons that were told since.
fn unused(events: &mut tokio::sync::broadcast::Receiver<Event>) -> Vec<String> {
    let reason = |event| match event {
        Event::HotPathUnused { plugin_id, reason, .. } => {
            assert_eq!(plugin_id, "test.sink");
            Some(reason)
        }
        _ => None,
    };
    std::iter::from_fn(|| events.try_recv().ok()).filter_map(reason).collect()
}

/// The block in which it fails goes to the component, as all later ones.
fn fails(subject: &Subject) {
    let (_home, runtime) = runtime(subject, true);
    let mut sink = opened(&runtime, Some("{\"length\":120}"), false);
    let mut events = runtime.events();
    assert_eq!(write(&mut sink, 100), (100, false, false));
    assert_eq!(wait(sink.write(&[BREAKS; 200])).expect("it is taken"), 100, "the component's tape was empty");
    let AudioPath::Component { reason } = sink.path().clone() else { panic!("{sink:?}") };
    assert!(reason.starts_with("the hot-path module failed: it trapped"), "{reason}");
    assert_eq!(unused(&mut events), [reason]);
    assert_eq!(write(&mut sink, 100), (20, false, false), "a component does not say that it is at its end");
    assert_eq!(wait(sink.configure("{\"length\":130}")).expect("is set"), ConfigUpdate::Applied);
    assert_eq!(write(&mut sink, 100), (10, false, false), "the module is not tried again");
    assert!(unused(&mut events).is_empty());
    wait(sink.open(TARGET, STREAM)).expect("opens again");
    assert_eq!(sink.path(), &AudioPath::Hot, "opened again, it is");
}

/// The component does the work, from the first block on, and an event says why.
fn missing(subject: &Subject) {
    let (_home, runtime) = runtime(subject, false);
    let mut events = runtime.events();
    let mut sink = opened(&runtime, None, false);
    let AudioPath::Component { reason } = sink.path().clone() else { panic!("{sink:?}") };
    assert!(reason.contains("hot-sink-module.wasm"), "{reason}");
    assert_eq!(unused(&mut events), [reason]);
    assert_eq!(write(&mut sink, 300), (256, false, false));
    assert_eq!(wait(sink.status()).expect("tells").queued_samples, 2 * 256);
}

fn disabled(subject: &Subject) {
    let (_home, runtime) = runtime(subject, true);
    let mut sink = opened(&runtime, None, false);
    assert_eq!(write(&mut sink, 100), (100, false, false));
    wait(runtime.disable("test.sink")).expect("disables");
    assert_eq!(wait(sink.write(&[0.0; 2])).expect_err("it is stopped").kind(), ErrorKind::Cancelled);
}

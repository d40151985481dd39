//! A DSP whose component and hot-path module tell themselves apart: when which of them works, and what is said of it.

use stellatune_plugins::{AudioPath, ConfigUpdate, Dsp, DspOptions, ErrorKind, Event, Result, Runtime};

use super::lifecycle::of_world;
use crate::support::{
    Case, Subject,
    hot::{STREAM, complete},
    package::{Home, wait},
};

/// Quarters where its component halves; traps at a block that begins with 100 or more.
const QUARTERS: &str = r#"
(module
  (func (export "st_hot_process") (param $ctx i32) (param $frames i32) (param $out i32) (param $flags i32) (result i32)
    (local $at i32) (local $end i32)
    (local.set $at (i32.const 65536))
    (if (f32.ge (f32.load (local.get $at)) (f32.const 100)) (then (unreachable)))
    (i32.store (local.get $out) (local.get $frames))
    (i32.store (local.get $flags) (i32.const 0))
    (local.set $end (i32.add (local.get $at) (i32.mul (local.get $frames) (i32.const 8))))
    (loop $more
      (f32.store offset=65536 (local.get $at) (f32.mul (f32.load (local.get $at)) (f32.const 0.25)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $more (i32.lt_u (local.get $at) (local.get $end))))
    (i32.const 0))
  (func (export "st_hot_reset") (param i32 i32) (result i32) (i32.const 0))
  (func (export "st_hot_drop") (param i32)))
"#;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("forms/a-module-fails-in-mid-stream", ["echo-dsp"], fails),
        Case::new("forms/settings", ["echo-dsp"], settings),
        Case::new("forms/what-describing-comes-to", ["echo-dsp"], described),
        Case::new("forms/disable-stops-both", ["echo-dsp"], disabled),
    ]
}

fn runtime(subject: &Subject) -> (Home, Runtime) {
    let home = Home::new();
    let runtime = home.runtime(subject);
    let package = of_world("test.dsp", "echo-dsp", "dsp-plugin", "dsp");
    package.file("wasm/hot.wasm", &complete(QUARTERS));
    wait(runtime.install(package.path())).expect("installs");
    (home, runtime)
}

fn open(runtime: &Runtime, config: Option<&str>) -> Result<Dsp> {
    let options = DspOptions { config: config.map(str::to_owned), component_only: false };
    wait(runtime.open_dsp(&"test.dsp:test".parse().expect("a selector"), STREAM, &options))
}

/// What the DSP multiplies by.
fn factor(dsp: &mut Dsp) -> f32 {
    let mut samples = [1.0; 2];
    wait(dsp.process(&mut samples)).expect("processes");
    samples[0]
}

/// The reasons that were told since.
fn unused(events: &mut tokio::sync::broadcast::Receiver<Event>) -> Vec<String> {
    let reason = |event| match event {
        Event::HotPathUnused { plugin_id, component_id, reason } => {
            assert_eq!((&*plugin_id, &*component_id), ("test.dsp", "decoder"));
            Some(reason)
        }
        _ => None,
    };
    std::iter::from_fn(|| events.try_recv().ok()).filter_map(reason).collect()
}

/// The part in which it fails is the component's, as is everything later; what was done before stays. // X11
fn fails(subject: &Subject) {
    const FRAMES: usize = 5_000;
    const DONE: usize = 2 * 4_096;

    let (_home, runtime) = runtime(subject);
    let mut dsp = open(&runtime, None).expect("opens");
    let mut events = runtime.events();
    assert_eq!((factor(&mut dsp), dsp.path()), (0.25, &AudioPath::Hot));
    let mut samples = vec![1.0; 2 * FRAMES];
    samples[DONE] = 100.0;
    wait(dsp.process(&mut samples)).expect("processes");
    assert!(samples[..DONE].iter().all(|sample| *sample == 0.25));
    assert_eq!(samples[DONE], 50.0);
    assert!(samples[DONE + 1..].iter().all(|sample| *sample == 0.5));
    let AudioPath::Component { reason } = dsp.path().clone() else { panic!("{dsp:?}") };
    assert!(reason.starts_with("the hot-path module failed: it trapped"), "{reason}");
    assert_eq!(unused(&mut events), [reason]);
    assert_eq!(factor(&mut dsp), 0.5);
    assert_eq!(wait(dsp.configure("{\"gain\":2.0}")).expect("is set"), ConfigUpdate::Applied);
    assert_eq!(factor(&mut dsp), 2.0, "it is not tried again");
    assert!(unused(&mut events).is_empty());
}

/// A module that cannot be told settings goes on only if the component describes one for them.
fn settings(subject: &Subject) {
    let (_home, runtime) = runtime(subject);
    let mut dsp = open(&runtime, None).expect("opens");
    let mut events = runtime.events();
    assert_eq!(wait(dsp.configure("{}")).expect("is set"), ConfigUpdate::Applied);
    assert_eq!(factor(&mut dsp), 0.25);
    assert_eq!(wait(dsp.configure("{\"x\":\"recreate\"}")).expect("is made anew"), ConfigUpdate::Recreated);
    assert_eq!((factor(&mut dsp), dsp.path()), (0.25, &AudioPath::Hot));
    assert_eq!(wait(dsp.configure("{\"n\":0.5}")).expect_err("does not fit").kind(), ErrorKind::InvalidArgument);
    assert_eq!(wait(dsp.configure("{\"x\":\"reject\"}")).expect_err("is rejected").kind(), ErrorKind::Unsupported);
    assert_eq!((factor(&mut dsp), dsp.path()), (0.25, &AudioPath::Hot));
    assert_eq!(wait(dsp.configure("{\"x\":\"no-hot-path\"}")).expect("is set"), ConfigUpdate::Applied);
    assert_ne!(dsp.path(), &AudioPath::Hot);
    assert_eq!(factor(&mut dsp), 0.5);
    assert!(unused(&mut events).is_empty(), "a plugin that offers none is no failure");
}

/// A refusal leaves the component; what ends it, ends the DSP.
fn described(subject: &Subject) {
    let (_home, runtime) = runtime(subject);
    let mut events = runtime.events();
    let mut dsp = open(&runtime, Some("{\"x\":\"describe_hot_path:error-io\"}")).expect("opens");
    let AudioPath::Component { reason } = dsp.path().clone() else { panic!("{dsp:?}") };
    assert_eq!(unused(&mut events), [reason]);
    assert_eq!(factor(&mut dsp), 0.5);
    let error = open(&runtime, Some("{\"x\":\"describe_hot_path:trap\"}")).map(drop).expect_err("it traps");
    assert_eq!(error.kind(), ErrorKind::Trap, "{error}");
    assert!(unused(&mut events).is_empty());
}

fn disabled(subject: &Subject) {
    let (_home, runtime) = runtime(subject);
    let mut dsp = open(&runtime, None).expect("opens");
    assert_eq!(factor(&mut dsp), 0.25);
    wait(runtime.disable("test.dsp")).expect("disables");
    let mut samples = [1.0; 2];
    assert_eq!(wait(dsp.process(&mut samples)).expect_err("it is stopped").kind(), ErrorKind::Cancelled);
    assert_eq!(samples, [1.0; 2]);
}

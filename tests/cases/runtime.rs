//! Decoding through the doors for applications: what the seam promises arrives there, as the public error.

use std::{sync::Arc, thread, time::Duration};

use stellatune_plugin_core::limits::ERROR_TEXT_BYTES;
use stellatune_plugins::{
    Budget, Budgets, Decoder, DecoderChoice, Error, ErrorKind, Event, Input, Limits, PluginError, Runtime, TrapKind,
    registry::Status,
};

use crate::support::{
    Case, Subject,
    again::cut_during,
    audio::{StreamInfo, assert_same, md5_of},
    fixture::{self, SYMPHONIA},
    package::{Home, Package, installed, open, read_all, wait},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("runtime/our-own-package", [SYMPHONIA], our_own_package),
        Case::new("runtime/two-sessions-in-one-instance", [SYMPHONIA], two_sessions),
        Case::new("runtime/seek", [SYMPHONIA], seek),
        Case::new("runtime/broken-input", [SYMPHONIA], broken_input),
        Case::new("runtime/a-failure-after-samples", ["edge-decoder"], a_failure_after_samples),
        Case::new("runtime/lies", ["edge-decoder"], lies),
        Case::new("runtime/trap-then-next", ["edge-decoder"], trap_then_next),
        Case::new("runtime/deadline-then-next", ["edge-decoder"], deadline_then_next),
        Case::new("runtime/cancel-a-spinning-guest", ["edge-decoder"], |subject| cancel(subject, "loop")),
        Case::new("runtime/cancel-a-sleeping-guest", ["edge-decoder"], |subject| cancel(subject, "sleep")),
        Case::new("runtime/cancel-a-blocked-reader", ["edge-decoder"], cancel_a_blocked_reader),
        Case::new("runtime/a-dead-guest-is-not-called", ["edge-decoder"], a_dead_guest_is_not_called),
        Case::new("runtime/disable-cuts-a-call", ["edge-decoder"], disable_cuts_a_call),
        Case::new("runtime/shutdown", ["edge-decoder"], shutdown),
        Case::new("runtime/error-texts-are-bounded", ["answers"], error_texts_are_bounded),
        Case::new("runtime/enable-fails", ["hook-error-enable", "hook-trap-enable", "hook-loop-enable"], enable_fails),
        Case::new(
            "runtime/disable-fails",
            ["hook-error-disable", "hook-trap-disable", "hook-loop-disable"],
            disable_fails,
        ),
        Case::new("runtime/start-fails", ["start-trap", "memory-initial"], start_fails),
        Case::new("runtime/limits-of-the-manifest", ["memory-grow"], limits_of_the_manifest),
    ]
}

/// The trap that ended a guest, by way of the public error.
#[track_caller]
fn trap(error: &Error) -> TrapKind {
    error.trap().unwrap_or_else(|| panic!("not a trap: {error}")).kind
}

/// The package as it is bundled and installed by anybody: a file, from the disk, to samples.
fn our_own_package(subject: &Subject) {
    let home = Home::new();
    let runtime = home.runtime(subject);
    let installed = wait(runtime.install(fixture::plugin())).expect("installs");
    assert_eq!(installed.id.as_str(), "dev.stellatune.decoder.symphonia");
    assert!(installed.asked.is_empty(), "a decoder needs nothing: {:?}", installed.asked);
    let path = fixture::folder("audio").join("demo.flac");
    let mut decoder = wait(runtime.open_decoder(&Input::file(&path), &DecoderChoice::Auto)).expect("opens");
    assert_eq!(decoder.route().to_string(), "dev.stellatune.decoder.symphonia:symphonia");
    assert_eq!(wait(decoder.metadata()).expect("has metadata").tags.title.as_deref(), Some("Eight Bars"));
    let samples = read_all(&mut decoder).expect("decodes");
    let stated = StreamInfo::of(&fixture::audio("demo.flac"));
    assert_eq!(md5_of(&samples, stated.bits), stated.md5);
    assert_eq!(decoder.info().sample_rate, stated.sample_rate);
    wait(decoder.close());
}

/// With one instance allowed, two sessions live in it and do not mix.
fn two_sessions(subject: &Subject) {
    let home = Home::new();
    let runtime = home.runtime(subject);
    let package = Package::decoder("test.plugin", SYMPHONIA).with(|manifest| {
        manifest["components"][0]["threading"] = serde_json::json!({"model": "dedicated", "max_instances": 1});
    });
    wait(runtime.install(package.path())).expect("installs");
    let files = ["flac-44100-16-2.flac", "flac-48000-24-2.flac"].map(fixture::audio);
    let mut decoders = files.clone().map(|file| open(&runtime, file, "flac").expect("opens"));
    let mut samples = [Vec::new(), Vec::new()];
    let mut open = 2;
    while open > 0 {
        open = 0;
        for (decoder, samples) in decoders.iter_mut().zip(&mut samples) {
            if let Some(block) = wait(decoder.read(3000)).expect("reads") {
                assert!(block.frames() <= 3000);
                samples.extend(block.samples);
                open += 1;
            }
        }
    }
    for (file, samples) in files.iter().zip(&samples) {
        let stated = StreamInfo::of(file);
        assert_eq!(md5_of(samples, stated.bits), stated.md5);
    }
}

fn seek(subject: &Subject) {
    let (_home, runtime) = installed(subject, SYMPHONIA);
    let mut decoder = open(&runtime, fixture::audio("flac-44100-16-2.flac"), "flac").expect("opens");
    let whole = read_all(&mut decoder).expect("decodes");
    assert!(wait(decoder.read(1)).expect("the end is no error").is_none());
    wait(decoder.seek(250)).expect("seeks");
    let rest = read_all(&mut decoder).expect("decodes");
    assert_same("from 250 ms", &rest, &whole[2 * 11_025..], 2);
    let error = wait(decoder.seek(3_600_000)).expect_err("an hour behind the end");
    assert_eq!(error.kind(), ErrorKind::PluginError);
    wait(decoder.seek(0)).expect("seeks back");
    assert_same("again", &read_all(&mut decoder).expect("decodes"), &whole, 2);
}

/// What cannot be decoded is the plugin's refusal, and the same instance opens the next stream.
fn broken_input(subject: &Subject) {
    let (_home, runtime) = installed(subject, SYMPHONIA);
    let flac = fixture::audio("flac-44100-16-2.flac");
    for bytes in [&b""[..], b"fLaC", b"nothing of the kind", &flac[..40]] {
        let error = open(&runtime, bytes, "flac").map(drop).expect_err("does not open");
        assert_eq!(error.kind(), ErrorKind::PluginError, "{error}");
        assert_eq!((error.plugin_id(), error.operation()), (Some("test.plugin"), Some("decoder.open")));
        assert!(error.plugin_error().is_some());
    }
    let mut decoder = open(&runtime, &flac[..flac.len() / 2], "flac").expect("opens");
    let (mut samples, mut error) = (Vec::new(), None);
    while error.is_none() {
        match wait(decoder.read(100_000)) {
            Ok(Some(block)) => samples.extend(block.samples),
            Ok(None) => panic!("a stream that is cut off does not end in silence"),
            Err(cut) => error = Some(cut),
        }
    }
    assert!(!samples.is_empty(), "what came before counts");
    assert!(matches!(error.as_ref().and_then(Error::plugin_error), Some(PluginError::Io(_))), "{error:?}");
    assert_eq!(
        wait(runtime.open_decoder(&Input::file("/nowhere.flac"), &DecoderChoice::Auto))
            .map(drop)
            .expect_err("no file")
            .kind(),
        ErrorKind::NotFound
    );
}

/// Samples first, then the error of what came after them, then the error's own state.
fn a_failure_after_samples(subject: &Subject) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    struct Half(usize);
    impl std::io::Read for Half {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::Error::other("the cable is out"));
            }
            let read = buffer.len().min(self.0);
            buffer[..read].fill(0);
            self.0 -= read;
            Ok(read)
        }
    }
    let input = Input::forward(Half(40_000)).with_ext("echo");
    let mut decoder = wait(runtime.open_decoder(&input, &DecoderChoice::Auto)).expect("opens");
    let block = wait(decoder.read(100_000)).expect("samples first").expect("not the end");
    assert_eq!(block.frames(), 10_000);
    let error = wait(decoder.read(100_000)).expect_err("then the error");
    assert!(error.to_string().contains("the cable is out"), "{error}");
    assert!(matches!(error.plugin_error(), Some(PluginError::Io(_))), "{error}");
}

/// What the contract forbids ends the guest; what only looks odd passes. // G18
fn lies(subject: &Subject) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    for hint in ["lies-rate0", "lies-channels0"] {
        let error = open(&runtime, [0; 64], hint).map(drop).expect_err("an impossible shape");
        assert_eq!(trap(&error), TrapKind::Abi, "{hint}: {error}");
    }
    let mut ragged = open(&runtime, [0; 64], "lies-ragged").expect("opens");
    assert_eq!(trap(&wait(ragged.read(10)).expect_err("seven bytes")), TrapKind::Abi);
    // Three samples of what is said to have two channels.
    let mut channels = open(&runtime, [0; 12], "lies-channels2").expect("opens");
    assert_eq!(trap(&wait(channels.read(3)).expect_err("half a frame")), TrapKind::Abi);
    let mut empty = open(&runtime, [0; 64], "lies-empty").expect("opens");
    assert_eq!(wait(empty.read(10)).expect_err("no samples, not the end").kind(), ErrorKind::PluginError);
    // The bytes count, not the number of frames the guest claims.
    let mut frames = open(&runtime, [0; 64], "lies-frames").expect("opens");
    assert_eq!(wait(frames.read(4)).expect("reads").expect("samples").frames(), 4);
    let mut eof = open(&runtime, [0; 64], "lies-eof").expect("opens");
    assert_eq!(wait(eof.read(100)).expect("reads").expect("samples with the end").frames(), 4);
    assert!(wait(eof.read(100)).expect("reads").is_none());
    let mut nan = open(&runtime, [0; 64], "lies-nan").expect("opens");
    let block = wait(nan.read(4)).expect("reads").expect("samples");
    assert!(block.samples[0].is_nan() && block.samples[3] == 2.0, "as the plugin returned them: {block:?}");
}

/// Decodes a few samples with the next instance.
#[track_caller]
fn works(runtime: &Runtime) {
    let mut decoder = open(runtime, [0; 64], "echo").expect("the next session opens");
    assert_eq!(read_all(&mut decoder).expect("the next session decodes").len(), 16);
}

fn trap_then_next(subject: &Subject) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    let mut events = runtime.events();
    for (hint, kind) in [("trap", TrapKind::Unreachable), ("stack", TrapKind::Stack), ("div", TrapKind::Arithmetic)] {
        let mut decoder = open(&runtime, [0; 64], hint).expect("opens");
        let error = wait(decoder.read(10)).expect_err("traps");
        assert_eq!((trap(&error), error.kind()), (kind, ErrorKind::Trap), "{error}");
        assert_eq!((error.plugin_id(), error.operation()), (Some("test.plugin"), Some("decoder.read-pcm-f32")));
        works(&runtime);
    }
    let stopped = std::iter::from_fn(|| events.try_recv().ok()).filter(|event| matches!(event, Event::Stopped { .. }));
    assert_eq!(stopped.count(), 3, "each is told once");
    assert_eq!(runtime.plugins().plugin("test.plugin").expect("is there").status(), Status::Enabled);
}

/// Budgets in which a guest that runs for ever is cut soon.
fn short() -> Budgets {
    let cut = |budget: Budget| Budget { guest: Duration::from_millis(100), ..budget };
    let budgets = Budgets::default();
    Budgets { stream: cut(budgets.stream), enable: cut(budgets.enable), disable: cut(budgets.disable), ..budgets }
}

fn deadline_then_next(subject: &Subject) {
    let home = Home::new();
    let runtime = home.builder(subject.engine()).without_cache().budgets(short()).build().expect("a runtime");
    wait(runtime.install(Package::decoder("test.plugin", "edge-decoder").path())).expect("installs");
    let error = open(&runtime, [0; 64], "loop-open").map(drop).expect_err("never opens");
    assert_eq!((trap(&error), error.kind()), (TrapKind::Deadline, ErrorKind::Timeout), "{error}");
    let mut decoder = open(&runtime, [0; 64], "loop-seek").expect("opens");
    assert_eq!(trap(&wait(decoder.seek(1)).expect_err("never seeks")), TrapKind::Deadline);
    works(&runtime);
}

/// Reads while another thread cuts that.
fn read_and_cut(decoder: &mut Decoder) -> Error {
    let canceller = decoder.canceller();
    cut_during(|| canceller.cancel(), || wait(decoder.read(10))).expect_err("is cut")
}

fn cancel(subject: &Subject, hint: &str) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    let mut decoder = open(&runtime, [0; 64], hint).expect("opens");
    let error = read_and_cut(&mut decoder);
    assert_eq!((trap(&error), error.kind()), (TrapKind::Cancelled, ErrorKind::Cancelled), "{error}");
    works(&runtime);
}

/// The read of the caller's own reader never returns; the call does.
fn cancel_a_blocked_reader(subject: &Subject) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let input = Input::forward(reader).with_ext("echo");
    let mut decoder = wait(runtime.open_decoder(&input, &DecoderChoice::Auto)).expect("opens");
    let error = read_and_cut(&mut decoder);
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    works(&runtime);
    drop(writer);
}

/// After a trap every call is answered with it, and no other guest code runs in its place. // G15
fn a_dead_guest_is_not_called(subject: &Subject) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    let mut decoder = open(&runtime, [0; 64], "panic").expect("opens");
    assert_eq!(trap(&wait(decoder.read(10)).expect_err("traps")), TrapKind::Unreachable);
    for _ in 0..3 {
        assert_eq!(trap(&wait(decoder.read(10)).expect_err("is gone")), TrapKind::Unreachable);
        assert_eq!(trap(&wait(decoder.seek(0)).expect_err("is gone")), TrapKind::Unreachable);
        assert_eq!(trap(&wait(decoder.metadata()).map(drop).expect_err("is gone")), TrapKind::Unreachable);
    }
    wait(decoder.close());
    works(&runtime);
}

fn disable_cuts_a_call(subject: &Subject) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    let mut decoder = open(&runtime, [0; 64], "loop").expect("opens");
    let other = runtime.clone();
    let disabler = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        wait(other.disable("test.plugin")).expect("disables");
    });
    let error = wait(decoder.read(10)).expect_err("is cut");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    disabler.join().expect("the disabler does not panic");
    assert_eq!(open(&runtime, [0; 64], "echo").map(drop).expect_err("nobody decodes").kind(), ErrorKind::NotFound);
    wait(runtime.enable("test.plugin")).expect("enables");
    works(&runtime);
}

fn shutdown(subject: &Subject) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    let mut decoder = open(&runtime, [0; 64], "echo").expect("opens");
    wait(runtime.shutdown());
    wait(runtime.shutdown());
    assert_eq!(wait(decoder.read(10)).expect_err("is gone").kind(), ErrorKind::Cancelled);
    assert_eq!(open(&runtime, [0; 64], "echo").map(drop).expect_err("is shut").kind(), ErrorKind::Cancelled);
}

/// An error text of a mebibyte is cut to what fits a log. // G17
fn error_texts_are_bounded(subject: &Subject) {
    let (_home, runtime) = installed(subject, "answers");
    let mut decoder = open(&runtime, [0; 64], "x").expect("opens");
    let error = wait(decoder.read(200)).expect_err("refuses");
    let text = error.plugin_error().expect("a refusal").message();
    assert!(text.len() <= ERROR_TEXT_BYTES, "{} bytes", text.len());
    assert!(error.message().len() < 2 * ERROR_TEXT_BYTES);
}

/// The first instance's hook fails: the component is failed until the plugin is enabled again.
fn enable_fails(subject: &Subject) {
    for (fixture, kind) in [
        ("hook-error-enable", ErrorKind::PluginError),
        ("hook-trap-enable", ErrorKind::Trap),
        ("hook-loop-enable", ErrorKind::Timeout),
    ] {
        let home = Home::new();
        let runtime = home.builder(subject.engine()).without_cache().budgets(short()).build().expect("a runtime");
        let mut events = runtime.events();
        wait(runtime.install(Package::decoder("test.plugin", fixture).path())).expect("installs");
        let error = open(&runtime, [0; 64], "x").map(drop).expect_err("is not enabled");
        assert_eq!((error.kind(), error.operation()), (kind, Some("on-enable")), "{fixture}: {error}");
        let plugins = runtime.plugins();
        let plugin = plugins.plugin("test.plugin").expect("is there");
        assert_eq!(plugin.status(), Status::Failed, "{fixture}");
        assert!(plugin.last_failure().is_some());
        assert!(std::iter::from_fn(|| events.try_recv().ok()).any(|event| matches!(event, Event::Failed { .. })));
        let again = open(&runtime, [0; 64], "x").map(drop).expect_err("nothing is routed to it");
        assert_eq!(again.kind(), ErrorKind::NotFound, "{fixture}: {again}");
        wait(runtime.enable("test.plugin")).expect("enables");
        let again = open(&runtime, [0; 64], "x").map(drop).expect_err("tried once more");
        assert_eq!(again.kind(), kind, "{fixture}: {again}");
    }
}

/// A hook that fails at the end is told, and keeps nothing from ending.
fn disable_fails(subject: &Subject) {
    for fixture in ["hook-error-disable", "hook-trap-disable", "hook-loop-disable"] {
        let home = Home::new();
        let runtime = home.builder(subject.engine()).without_cache().budgets(short()).build().expect("a runtime");
        wait(runtime.install(Package::decoder("test.plugin", fixture).path())).expect("installs");
        let mut decoder = open(&runtime, [0; 64], "x").expect("opens");
        assert_eq!(read_all(&mut decoder).expect("decodes").len(), 48_000);
        let mut events = runtime.events();
        wait(runtime.uninstall("test.plugin")).expect("uninstalls all the same");
        assert!(runtime.plugins().plugin("test.plugin").is_none());
        assert!(
            std::iter::from_fn(|| events.try_recv().ok()).any(|event| matches!(event, Event::DisableFailed { .. })),
            "{fixture}"
        );
    }
}

fn start_fails(subject: &Subject) {
    for (fixture, kind) in [("start-trap", TrapKind::Unreachable), ("memory-initial", TrapKind::Memory)] {
        let (_home, runtime) = installed(subject, fixture);
        let error = open(&runtime, [0; 64], "x").map(drop).expect_err("does not start");
        assert_eq!((trap(&error), error.operation()), (kind, Some("start")), "{error}");
        assert_eq!(runtime.plugins().plugin("test.plugin").expect("is there").status(), Status::Failed);
    }
}

/// A manifest lowers what its component may hold, and cannot raise it; the fixture tells how far it came.
fn limits_of_the_manifest(subject: &Subject) {
    for (asked, given) in [(8, 8 << 20), (1024, Limits::AUDIO.memory_bytes as u64)] {
        let home = Home::new();
        let runtime = home.runtime(subject);
        let package = Package::decoder("test.plugin", "memory-grow")
            .with(|manifest| manifest["components"][0]["limits"] = serde_json::json!({ "memory_mib": asked }));
        wait(runtime.install(package.path())).expect("installs");
        let decoder = open(&runtime, Arc::<[u8]>::from([]), "x").expect("opens");
        assert_eq!(u64::from(decoder.info().sample_rate) * 65_536, given);
    }
}

//! Components that crash, are replaced, disabled or shut down, in the middle of whatever they do.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use stellatune_plugins::{
    ConfigUpdate, Decoder, DecoderChoice, Dsp, DspOptions, Error, ErrorKind, Event, Input, PcmBlock, RestartPolicy,
    Result, Runtime, RuntimeBuilder,
    registry::{Plugin, Status},
    types::{AudioSpec, MetadataValue},
};

use crate::support::{
    Case, Subject,
    package::{Home, Package, installed, open, read_all, wait},
};

/// Why their transcripts are not compared.
pub(super) const TIMED: &str = "which instance is started, asked or cut first depends on the clock and on threads";

pub(crate) fn cases() -> Vec<Case> {
    let cases = vec![
        Case::new("lifecycle/a-crash-loop-fails", ["edge-decoder"], crash_loop),
        Case::new("lifecycle/a-restart-is-waited-for", ["edge-decoder"], restart_is_waited_for),
        Case::new("lifecycle/reload-under-a-decode", ["edge-decoder"], reload_under_a_decode),
        Case::new("lifecycle/a-drain-is-cut", ["edge-decoder"], drain_is_cut),
        Case::new("lifecycle/another-process-installs", ["edge-decoder"], another_process_installs),
        Case::new("lifecycle/a-storm-of-rescans", ["edge-decoder"], storm),
        Case::new("lifecycle/disable-with-a-full-queue", ["edge-decoder"], full_queue),
        Case::new("lifecycle/shared-pools", ["edge-decoder"], shared_pools),
        Case::new("lifecycle/catalogue", ["echo-source", "edge-decoder"], catalogue),
        Case::new("lifecycle/lyrics", ["echo-lyrics"], lyrics),
        Case::new("lifecycle/dsp", ["echo-dsp"], dsp),
        Case::new("lifecycle/sink", ["echo-sink"], sink),
        Case::new("lifecycle/a-replaced-sink-lets-go-first", ["echo-sink"], replaced_sink),
        Case::new("lifecycle/settings-of-a-decoder", ["edge-decoder"], settings_of_a_decoder),
        Case::new("lifecycle/a-decoder-made-anew", ["edge-decoder"], decoder_made_anew),
        Case::new("lifecycle/again-and-again", ["edge-decoder"], again_and_again),
    ];
    cases.into_iter().map(|case| case.varies(TIMED)).collect()
}

/// Crashes count, and nobody waits for the next start.
fn restless() -> RestartPolicy {
    RestartPolicy { backoff: [Duration::ZERO; 4], ..RestartPolicy::default() }
}

pub(super) fn runtime(
    home: &Home,
    subject: &Subject,
    change: impl FnOnce(RuntimeBuilder) -> RuntimeBuilder,
) -> Runtime {
    change(home.builder(subject.engine()).without_cache()).build().expect("a runtime")
}

fn crash(runtime: &Runtime) -> Error {
    let mut decoder = open(runtime, [0; 64], "trap").expect("opens");
    wait(decoder.read(10)).expect_err("traps")
}

#[track_caller]
fn works(runtime: &Runtime) {
    let mut decoder = open(runtime, [0; 64], "echo").expect("opens");
    assert_eq!(read_all(&mut decoder).expect("decodes").len(), 16);
}

pub(super) fn told(events: &mut tokio::sync::broadcast::Receiver<Event>) -> Vec<Event> {
    std::iter::from_fn(|| events.try_recv().ok()).collect()
}

/// The fifth crash within a minute is the last, is remembered by the next process, and is forgiven by `enable`.
fn crash_loop(subject: &Subject) {
    let home = Home::new();
    let first = runtime(&home, subject, |builder| builder.restarts(restless()));
    let mut events = first.events();
    wait(first.install(Package::decoder("test.plugin", "edge-decoder").path())).expect("installs");
    for _ in 0..5 {
        assert_eq!(crash(&first).kind(), ErrorKind::Trap);
    }
    let plugins = first.plugins();
    let plugin = plugins.plugin("test.plugin").expect("is there");
    assert_eq!(plugin.status(), Status::Failed);
    assert!(plugin.last_failure().is_some_and(|why| why.contains("5 times")), "{:?}", plugin.last_failure());
    let failed = told(&mut events).into_iter().filter(|event| matches!(event, Event::Failed { .. })).count();
    assert_eq!(failed, 1, "it is told once");
    assert_eq!(open(&first, [0; 64], "echo").map(drop).expect_err("not routable").kind(), ErrorKind::NotFound);
    wait(first.shutdown());
    drop(first);

    let second = runtime(&home, subject, |builder| builder.restarts(restless()));
    let plugins = second.plugins();
    assert_eq!(plugins.plugin("test.plugin").map(Plugin::status), Some(Status::Failed));
    wait(second.enable("test.plugin")).expect("enables");
    works(&second);
    assert_eq!(second.plugins().plugin("test.plugin").and_then(|plugin| plugin.last_failure().map(drop)), None);
}

/// With the real policy: who asks after a first crash waits a moment and is served.
fn restart_is_waited_for(subject: &Subject) {
    let home = Home::new();
    let runtime = runtime(&home, subject, |builder| builder.restarts(RestartPolicy::default()));
    wait(runtime.install(Package::decoder("test.plugin", "edge-decoder").path())).expect("installs");
    crash(&runtime);
    works(&runtime);
    let stats = runtime.stats();
    assert_eq!((stats[0].starts, stats[0].restarts, stats[0].traps), (2, 1, 1), "{stats:?}");
}

fn newer() -> Package {
    Package::decoder("test.plugin", "edge-decoder").with(|manifest| manifest["version"] = "2.0.0".into())
}

/// R13: what plays on the old version plays on, new sessions go to the new one, there and back.
fn reload_under_a_decode(subject: &Subject) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    let mut events = runtime.events();
    let samples: Vec<f32> = (0..10_000_u16).map(f32::from).collect();
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut playing = open(&runtime, bytes, "echo").expect("opens");
    let mut played = wait(playing.read(100)).expect("reads").expect("there is more").samples;
    wait(runtime.install(newer().path())).expect("installs");
    played.extend(wait(playing.read(100)).expect("plays on").expect("there is more").samples);
    works(&runtime);
    wait(runtime.install(Package::decoder("test.plugin", "edge-decoder").path())).expect("installs the old one again");
    works(&runtime);
    played.extend(read_all(&mut playing).expect("plays to its end"));
    assert!(played == samples, "not a frame is missing or comes twice");
    wait(playing.close());
    let events = told(&mut events);
    let reloads = events.iter().filter(|event| matches!(event, Event::Reloaded { .. })).count();
    assert_eq!(reloads, 2, "{events:?}");
}

fn drain_is_cut(subject: &Subject) {
    let home = Home::new();
    let runtime = runtime(&home, subject, |builder| builder.drain_deadline(Duration::from_millis(50)));
    wait(runtime.install(Package::decoder("test.plugin", "edge-decoder").path())).expect("installs");
    let mut playing = open(&runtime, [0; 64], "sleep").expect("opens");
    let other = runtime.clone();
    let replacing = thread::spawn(move || wait(other.install(newer().path())).map(drop).expect("installs"));
    assert_eq!(wait(playing.read(1)).expect_err("its time is over").kind(), ErrorKind::Cancelled);
    replacing.join().expect("does not panic");
    works(&runtime);
}

/// The files changed under a runtime that looks again.
fn another_process_installs(subject: &Subject) {
    let home = Home::new();
    let player = runtime(&home, subject, |builder| builder);
    let shop = runtime(&home, subject, |builder| builder);
    wait(shop.install(Package::decoder("test.plugin", "edge-decoder").path())).expect("installs");
    wait(player.rescan()).expect("looks");
    works(&player);
    let mut events = player.events();
    // The same manifest and other bytes: a custom section changes nothing but the hash.
    let mut wasm = crate::support::fixture::wasm("edge-decoder");
    wasm.extend([0, 2, 1, b'x']);
    let package = Package::decoder("test.plugin", "edge-decoder");
    package.file("wasm/decoder.wasm", &wasm);
    wait(shop.install(package.path())).expect("installs");
    wait(player.rescan()).expect("looks");
    assert!(told(&mut events).iter().any(|event| matches!(event, Event::Reloaded { .. })));
    works(&player);
    let mut decoder = open(&player, [0; 64], "loop").expect("opens");
    wait(shop.disable("test.plugin")).expect("disables");
    let other = player.clone();
    let looking = thread::spawn(move || wait(other.rescan()).expect("looks"));
    // Whether the call begins before the cut or after it, it is cut.
    assert_eq!(wait(decoder.read(1)).expect_err("is cut").kind(), ErrorKind::Cancelled);
    looking.join().expect("does not panic");
    assert_eq!(player.plugins().plugin("test.plugin").map(Plugin::status), Some(Status::Disabled));
}

/// R15: rescans without pause, while one installs and one plays.
fn storm(subject: &Subject) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| wait(runtime.rescan()).expect("looks")));
        }
        scope.spawn(|| (0..20).for_each(|_| works(&runtime)));
        for _ in 0..3 {
            wait(runtime.install(newer().path())).expect("installs");
            wait(runtime.install(Package::decoder("test.plugin", "edge-decoder").path())).expect("installs");
        }
    });
    works(&runtime);
}

type Reading<'a> = Pin<Box<dyn Future<Output = Result<Option<PcmBlock>>> + 'a>>;

/// Everybody who waits is answered, those beyond the queue at once, the rest when the plugin is disabled. // G23
fn full_queue(subject: &Subject) {
    let home = Home::new();
    let runtime = runtime(&home, subject, |builder| builder);
    let package = Package::decoder("test.plugin", "edge-decoder").with(|manifest| {
        manifest["components"][0]["threading"] = serde_json::json!({ "max_instances": 1 });
    });
    wait(runtime.install(package.path())).expect("installs");
    let mut sleeper = open(&runtime, [0; 64], "sleep").expect("opens");
    let mut others: Vec<Decoder> = (0..80).map(|_| open(&runtime, [0; 64], "echo").expect("opens")).collect();
    let mut reads: Vec<Reading<'_>> = vec![Box::pin(sleeper.read(1))];
    for decoder in &mut others {
        reads.push(Box::pin(decoder.read(1)));
    }
    let mut context = Context::from_waker(Waker::noop());
    let mut answers = Vec::new();
    reads.retain_mut(|read| match read.as_mut().poll(&mut context) {
        Poll::Ready(answer) => {
            answers.push(answer.map(drop).expect_err("the instance sleeps").kind());
            false
        }
        Poll::Pending => true,
    });
    assert!(!answers.is_empty() && answers.iter().all(|kind| *kind == ErrorKind::Busy), "{answers:?}");
    wait(runtime.disable("test.plugin")).expect("disables");
    for read in reads {
        assert_eq!(wait(read).map(drop).expect_err("is cut").kind(), ErrorKind::Cancelled);
    }
    wait(runtime.enable("test.plugin")).expect("enables");
    drop(others);
    works(&runtime);
}

/// Two plugins on each kind of pool decode side by side, and one that hangs does not take the other with it.
fn shared_pools(subject: &Subject) {
    for pool in ["io", "cpu"] {
        let home = Home::new();
        let runtime = runtime(&home, subject, |builder| builder.restarts(RestartPolicy::immediate()));
        for id in ["test.one", "test.two"] {
            let package = Package::decoder(id, "edge-decoder").with(|manifest| {
                manifest["components"][0]["threading"] =
                    serde_json::json!({ "model": "shared_pool", "pool": pool, "max_instances": 2 });
            });
            wait(runtime.install(package.path())).expect("installs");
        }
        let choose = |id: &str| DecoderChoice::Named(format!("{id}:test").parse().expect("a selector"));
        let open = |id: &str, hint: &str| {
            let input = Input::bytes(Arc::<[u8]>::from([0; 64])).with_ext(hint);
            wait(runtime.open_decoder(&input, &choose(id)))
        };
        let mut hangs = open("test.one", "sleep").expect("opens");
        let canceller = hangs.canceller();
        thread::scope(|scope| {
            let hanging = scope.spawn(|| wait(hangs.read(1)).expect_err("is cut").kind());
            if pool == "io" {
                for _ in 0..5 {
                    let mut decoder = open("test.two", "echo").expect("opens");
                    assert_eq!(read_all(&mut decoder).expect("decodes").len(), 16);
                }
            }
            while !hanging.is_finished() {
                canceller.cancel();
                thread::sleep(Duration::from_millis(5));
            }
            assert_eq!(hanging.join().expect("does not panic"), ErrorKind::Cancelled);
        });
        let mut sessions: Vec<_> = (0..6).map(|_| open("test.one", "echo").expect("opens")).collect();
        for decoder in &mut sessions {
            assert_eq!(read_all(decoder).expect("decodes").len(), 16);
        }
    }
}

pub(super) fn of_world(id: &str, fixture: &str, world: &str, kind: &str) -> Package {
    Package::decoder(id, fixture).with(|manifest| {
        let component = &mut manifest["components"][0];
        component["world"] = world.into();
        component["abilities"] = serde_json::json!([{
            "kind": kind, "type_id": "test",
            "config_schema_json": "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}}}",
        }]);
    })
}

/// A source lists, is set, and opens what a decoder then reads.
fn catalogue(subject: &Subject) {
    let home = Home::new();
    let runtime = runtime(&home, subject, |builder| builder);
    wait(runtime.install(of_world("test.source", "echo-source", "source-plugin", "source").path())).expect("installs");
    wait(runtime.install(Package::decoder("test.plugin", "edge-decoder").path())).expect("installs");
    let source = "test.source:test".parse().expect("a selector");
    let unfit = wait(runtime.open_catalog(&source, Some("{\"n\":1.5}"))).map(drop).expect_err("does not fit");
    assert_eq!(unfit.kind(), ErrorKind::InvalidArgument);
    assert!(unfit.message().contains("/n must be integer"), "{unfit}");
    // G24
    let long = format!("{{\"x\":\"{}\"}}", "x".repeat(64 * 1024));
    assert_eq!(
        wait(runtime.open_catalog(&source, Some(&long))).map(drop).expect_err("too long").kind(),
        ErrorKind::InvalidArgument
    );
    let mut catalog = wait(runtime.open_catalog(&source, Some("{\"n\":1}"))).expect("opens");
    let listed = wait(catalog.list_items("{\"a\":1}")).expect("lists");
    assert!(serde_json::from_str::<serde_json::Value>(&listed).is_ok(), "{listed}");
    wait(catalog.configure("{\"n\":2}")).expect("is set");
    assert_eq!(wait(catalog.configure("[]")).expect_err("no object").kind(), ErrorKind::InvalidArgument);
    let listed = wait(catalog.list_items("{\"a\":2}")).expect("lists");
    assert!(listed.contains("\"config\":{\"n\":2}"), "{listed}");
    // The stream's bytes are the track's text, which the decoder takes for samples.
    let track = "\"sixteen bytes.\"";
    let opened = wait(catalog.open_stream(track)).expect("opens");
    assert!(opened.metadata.is_some());
    let choice = DecoderChoice::Named("test.plugin:test".parse().expect("a selector"));
    let mut decoder = wait(runtime.open_decoder(&opened.input, &choice)).expect("opens");
    let samples = read_all(&mut decoder).expect("decodes");
    assert_eq!(samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<_>>(), track.as_bytes());
    drop(decoder);
    let again = wait(runtime.open_decoder(&opened.input, &choice)).map(drop).expect_err("there is only one");
    assert_eq!(again.kind(), ErrorKind::Unsupported);
    // What the source reads no more ends what is read from it.
    let opened = wait(catalog.open_stream(track)).expect("opens");
    wait(catalog.close());
    wait(runtime.disable("test.source")).expect("disables");
    let error = wait(async { runtime.open_decoder(&opened.input, &choice).await?.read(1).await }).expect_err("is gone");
    assert!(matches!(error.plugin_error(), Some(stellatune_plugins::PluginError::Io(_))), "{error}");
}

fn lyrics(subject: &Subject) {
    let home = Home::new();
    let runtime = runtime(&home, subject, |builder| builder);
    wait(runtime.install(of_world("test.lyrics", "echo-lyrics", "lyrics-plugin", "lyrics").path())).expect("installs");
    let mut provider =
        wait(runtime.open_lyrics(&"test.lyrics:test".parse().expect("a selector"), None)).expect("opens");
    assert!(wait(provider.search("  ")).expect("blank finds nothing").is_empty());
    let found = wait(provider.search("caf\u{e9}")).expect("searches");
    assert!(!found.is_empty());
    assert_eq!(wait(provider.fetch(" ")).expect_err("no id").kind(), ErrorKind::InvalidArgument);
    wait(provider.fetch(&found[0].id)).expect("fetches");
    wait(provider.close());
}

const SPEC: AudioSpec = AudioSpec { sample_rate: 48_000, channels: 2 };

/// A DSP processes, is set, is made anew with what it kept, and says no; what is no audio is not asked of it.
fn dsp(subject: &Subject) {
    let home = Home::new();
    let runtime = runtime(&home, subject, |builder| builder);
    wait(runtime.install(of_world("test.dsp", "echo-dsp", "dsp-plugin", "dsp").path())).expect("installs");
    let selector = "test.dsp:test".parse().expect("a selector");
    let options = |config: Option<&str>| DspOptions { config: config.map(str::to_owned), component_only: true };
    for spec in [AudioSpec { channels: 0, ..SPEC }, AudioSpec { sample_rate: 0, ..SPEC }] {
        let error =
            wait(runtime.open_dsp(&selector, spec, &options(None))).map(drop).expect_err("no audio is like that");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    let mut half = wait(runtime.open_dsp(&selector, SPEC, &options(None))).expect("opens");
    let mut double = wait(runtime.open_dsp(&selector, SPEC, &options(Some("{\"gain\":2.0}")))).expect("opens");
    assert_eq!(processed(&mut half, [1.0, -0.5]).expect("processes"), [0.5, -0.25]);
    assert_eq!(processed(&mut double, [1.0, -0.5]).expect("processes"), [2.0, -1.0]);
    assert_eq!(processed(&mut half, [1.0]).expect_err("half a frame").kind(), ErrorKind::InvalidArgument);
    assert!(wait(half.describe_hot_path()).expect("describes").is_some());
    assert_eq!(wait(half.hot_parameters()).expect("tells"), None);
    assert_eq!(wait(half.configure("{\"gain\":0.25}")).expect("is set"), ConfigUpdate::Applied);
    assert_eq!(processed(&mut half, [1.0, 1.0]).expect("processes"), [0.25, 0.25]);
    // Made anew, it gets its settings, then what the one before kept.
    let recreated = wait(half.configure("{\"gain\":3.0,\"x\":\"recreate\"}")).expect("is made anew");
    assert_eq!(recreated, ConfigUpdate::Recreated);
    assert_eq!(processed(&mut half, [1.0, 1.0]).expect("processes"), [0.25, 0.25]);
    let rejected = wait(half.configure("{\"x\":\"reject\"}")).expect_err("is rejected");
    assert_eq!(rejected.kind(), ErrorKind::Unsupported);
    assert_eq!(wait(half.configure("{\"x\":\"process:error-io\"}")).expect("is set"), ConfigUpdate::Applied);
    assert_eq!(processed(&mut half, [1.0, 1.0]).expect_err("says no").kind(), ErrorKind::PluginError);
    assert_eq!(runtime.stats()[0].sessions, 2);
    wait(half.close());
    wait(double.close());
}

/// What a DSP makes of samples.
fn processed<const N: usize>(dsp: &mut Dsp, mut samples: [f32; N]) -> Result<[f32; N]> {
    wait(dsp.process(&mut samples)).map(|()| samples)
}

/// A sink is asked, opened, written to, and made anew for settings, after which it must be opened again.
fn sink(subject: &Subject) {
    let home = Home::new();
    let runtime = runtime(&home, subject, |builder| builder);
    wait(runtime.install(of_world("test.sink", "echo-sink", "output-sink-plugin", "output_sink").path()))
        .expect("installs");
    let selector = "test.sink:test".parse().expect("a selector");
    let mut sink = wait(runtime.open_sink(&selector, Some("{}"))).expect("is made");
    assert!(wait(sink.targets()).expect("lists").contains("echo"));
    let target = "{\"id\":\"echo\"}";
    let negotiated = wait(sink.negotiate(target, SPEC)).expect("negotiates");
    assert_eq!((negotiated.spec, negotiated.preferred_chunk_frames), (SPEC, 256));
    assert_eq!(wait(sink.write(&[0.0; 2])).expect_err("not open").kind(), ErrorKind::InvalidArgument);
    let unknown = wait(sink.open("{\"id\":\"nobody\"}", SPEC)).expect_err("no such target");
    assert!(matches!(unknown.plugin_error(), Some(stellatune_plugins::PluginError::NotFound(_))), "{unknown}");
    wait(sink.open(target, SPEC)).expect("opens");
    assert_eq!(wait(sink.write(&[0.0; 200])).expect("takes all"), 100);
    assert_eq!(wait(sink.write(&[0.0; 3])).expect_err("half a frame").kind(), ErrorKind::InvalidArgument);
    assert_eq!(wait(sink.write(&vec![0.0; 10_000])).expect("takes some"), 4_096);
    let status = wait(sink.status()).expect("tells");
    assert_eq!((status.queued_samples, status.running), (200 + 2 * 4_096, true));
    wait(sink.flush()).expect("flushes");
    wait(sink.reset()).expect("resets");
    assert_eq!(wait(sink.configure("{\"n\":1}")).expect("is made anew"), ConfigUpdate::Recreated);
    assert_eq!(sink.spec(), None);
    wait(sink.open(target, SPEC)).expect("opens again");
    wait(sink.close());
}

/// The old version ends, and tells so, before the new one starts; what still plays on the old one is cut.
fn replaced_sink(subject: &Subject) {
    let home = Home::new();
    let runtime = runtime(&home, subject, |builder| builder);
    let package = || of_world("test.sink", "echo-sink", "output-sink-plugin", "output_sink");
    wait(runtime.install(package().path())).expect("installs");
    let selector = "test.sink:test".parse().expect("a selector");
    let mut old = wait(runtime.open_sink(&selector, None)).expect("is made");
    wait(old.open("{\"id\":\"echo\"}", SPEC)).expect("opens");
    let mut events = runtime.events();
    let newer = package().with(|manifest| manifest["version"] = "2.0.0".into());
    wait(runtime.install(newer.path())).expect("installs");
    let mut new = wait(runtime.open_sink(&selector, None)).expect("is made");
    wait(new.open("{\"id\":\"echo\"}", SPEC)).expect("opens");
    assert_eq!(wait(old.write(&[0.0; 2])).expect_err("is cut").kind(), ErrorKind::Cancelled);
    let events = told(&mut events);
    let ended = events.iter().position(|event| matches!(event, Event::Ended { .. }));
    let started = events.iter().position(|event| matches!(event, Event::Started { .. }));
    assert!(ended.is_some() && ended < started, "{events:?}");
}

/// Settings are applied as a stream is opened and while it plays.
fn settings_of_a_decoder(subject: &Subject) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    let selector = "test.plugin:test".parse().expect("a selector");
    let input = Input::bytes(vec![0; 64]).with_ext("echo");
    let refused = wait(runtime.open_decoder_with(&input, &selector, "{\"x\":\"info:error-io\"}"));
    assert_eq!(refused.map(drop).expect_err("its settings make it").kind(), ErrorKind::PluginError);
    assert_eq!(
        wait(runtime.open_decoder_with(&input, &selector, "no JSON")).map(drop).expect_err("no JSON").kind(),
        ErrorKind::InvalidArgument
    );
    let mut decoder = wait(runtime.open_decoder_with(&input, &selector, "{}")).expect("opens");
    assert_eq!(wait(decoder.configure("{\"x\":\"read_pcm:error-io\"}")).expect("is set"), ConfigUpdate::Applied);
    assert_eq!(wait(decoder.read(1)).expect_err("says no").kind(), ErrorKind::PluginError);
    assert_eq!(wait(decoder.configure("{}")).expect("is set"), ConfigUpdate::Applied);
    assert_eq!(read_all(&mut decoder).expect("decodes").len(), 16);
}

/// G24: a decoder that is made anew for its settings goes on at the very frame, once for each update; where it cannot be,
/// it goes on as it was.
fn decoder_made_anew(subject: &Subject) {
    const ANEW: &str = "{\"x\":\"recreate\"}";
    let (_home, runtime) = installed(subject, "edge-decoder");
    let samples: Vec<f32> = (0..10_000_u16).map(f32::from).collect();
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let calls = || runtime.stats()[0].calls;
    // A block is shorter where frames were dropped from it.
    let next = |decoder: &mut Decoder, at: usize| {
        let mut got = Vec::new();
        while got.len() < 100 {
            let left = 100 - got.len() as u32;
            got.extend(wait(decoder.read(left)).expect("decodes").expect("goes on").samples);
        }
        assert_eq!(got, samples[at..at + 100], "from {at}");
    };
    let mut decoder = open(&runtime, bytes.clone(), "echo").expect("opens");
    assert_eq!(wait(decoder.configure(ANEW)).expect("at its start"), ConfigUpdate::Recreated);
    next(&mut decoder, 0);
    // No whole millisecond: 48 frames are one.
    let before = calls();
    assert_eq!(wait(decoder.configure(ANEW)).expect("is made anew"), ConfigUpdate::Recreated);
    // It is planned, exported, opened, set, imported, told, sought and closed, whatever a second plan would say.
    assert_eq!(calls() - before, 8);
    next(&mut decoder, 100);
    let extras = wait(decoder.metadata()).expect("tells").extras;
    let sessions = extras.iter().find(|entry| entry.key == "sessions").map(|entry| &entry.value);
    assert_eq!(sessions, Some(&MetadataValue::Uint32(1)), "the old one is closed");
    wait(decoder.seek(100)).expect("seeks");
    next(&mut decoder, 4_800);
    assert_eq!(wait(decoder.configure(ANEW)).expect("is made anew"), ConfigUpdate::Recreated);
    next(&mut decoder, 4_900);
    // The new one cannot be sought, then not even be made.
    let no_seek = wait(decoder.configure("{\"x\":\"recreate\",\"y\":\"seek:error-io\"}")).expect_err("says no");
    assert_eq!(no_seek.kind(), ErrorKind::PluginError);
    next(&mut decoder, 5_000);
    let no_more = "{\"x\":\"recreate\",\"y\":\"create:error-io\"}";
    assert_eq!(wait(decoder.configure(no_more)).expect("is made anew"), ConfigUpdate::Recreated);
    assert_eq!(wait(decoder.configure(no_more)).expect_err("says no").kind(), ErrorKind::PluginError);
    next(&mut decoder, 5_100);
    assert_eq!(wait(decoder.configure("{}")).expect("is set"), ConfigUpdate::Applied);
    while wait(decoder.read(4_096)).expect("decodes").is_some() {}
    assert_eq!(wait(decoder.configure(ANEW)).expect("behind the end"), ConfigUpdate::Recreated);
    assert_eq!(wait(decoder.read(1)).expect("is still there"), None);
    wait(decoder.seek(0)).expect("seeks");
    next(&mut decoder, 0);
    // A stream there is only once.
    let input = Input::forward(std::io::Cursor::new(bytes)).with_ext("echo");
    let mut decoder = wait(runtime.open_decoder(&input, &DecoderChoice::Auto)).expect("opens");
    next(&mut decoder, 0);
    assert_eq!(wait(decoder.configure(ANEW)).expect_err("cannot be made anew").kind(), ErrorKind::Unsupported);
    next(&mut decoder, 100);
}

/// R07: loaded, enabled, used, disabled again and again: no thread, descriptor or file remains.
fn again_and_again(subject: &Subject) {
    let (home, runtime) = installed(subject, "edge-decoder");
    let files = || walk(home.path());
    let mut before = None;
    for round in 0..40 {
        works(&runtime);
        wait(runtime.disable("test.plugin")).expect("disables");
        wait(runtime.enable("test.plugin")).expect("enables");
        if round == 5 {
            before = Some(files());
        }
    }
    assert_eq!(before, Some(files()));
    let stats = &runtime.stats()[0];
    assert_eq!((stats.instances, stats.memory_bytes), (0, 0), "{stats:?}");
    assert!(stats.memory_peak_bytes >= 65_536 && stats.memory_peak_bytes.is_multiple_of(65_536), "{stats:?}");
}

fn walk(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a directory").flatten();
    entries.map(|entry| 1 + if entry.path().is_dir() { walk(&entry.path()) } else { 0 }).sum()
}

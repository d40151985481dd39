//! The four worlds besides the decoder's, each method of their capability traits.

use std::sync::{Arc, Mutex};

use stellatune_plugin_core::{
    capability::{Dsp, Lyrics, OpenedHandle, OutputSink, Source},
    control::CallControl,
    engine::Instance,
    error::{CallResult, PluginError},
    host::{HostStream, Http, Services, Streams},
    types::{
        AudioSpec, BufferLayout, ConfigUpdateMode, ConfigUpdatePlan, CoreModuleSpec, DisableReason, HotPathRole,
        LyricCandidate, NegotiatedSpec, OpenRequest, RuntimeStatus, SampleFormat, StreamOpenKind,
    },
};

use crate::support::{
    Case, Subject,
    guest::{Guest, Options, refusal},
    stream::Script,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("worlds/source", ["echo-source"], source),
        Case::new("worlds/source-passthrough", ["echo-source"], passthrough),
        Case::new("worlds/lyrics", ["echo-lyrics"], lyrics),
        Case::new("worlds/lyrics-fetch-json", ["echo-lyrics"], fetch_json),
        Case::new("worlds/output-sink", ["echo-sink"], output_sink),
        Case::new("worlds/output-sink-without-sidecars", ["echo-sink"], no_sidecar),
        Case::new("worlds/dsp", ["echo-dsp"], dsp),
        Case::new("worlds/only-what-is-exported", ["echo-source", "echo-lyrics", "echo-sink", "echo-dsp"], exports),
        Case::new("worlds/hooks", ["echo-source", "echo-lyrics", "echo-sink", "echo-dsp"], hooks),
    ]
}

const CD: AudioSpec = AudioSpec { sample_rate: 44_100, channels: 2 };

fn as_source(instance: &mut dyn Instance) -> &mut dyn Source {
    instance.source().expect("a source")
}

fn as_lyrics(instance: &mut dyn Instance) -> &mut dyn Lyrics {
    instance.lyrics().expect("lyrics")
}

fn as_sink(instance: &mut dyn Instance) -> &mut dyn OutputSink {
    instance.output_sink().expect("a sink")
}

fn as_dsp(instance: &mut dyn Instance) -> &mut dyn Dsp {
    instance.dsp().expect("a dsp")
}

fn hot_apply() -> ConfigUpdatePlan {
    ConfigUpdatePlan { mode: ConfigUpdateMode::HotApply, reason: None }
}

fn source(subject: &Subject) {
    let mut guest = Guest::new(subject, "echo-source");
    let catalog = guest.call(|instance| as_source(instance).create()).expect("creates");
    assert_eq!(guest.call(|instance| instance.plan_config(catalog, "{}")), Ok(hot_apply()));
    guest.call(|instance| instance.apply_config(catalog, "{\"a\":1}")).expect("applies");
    let items = guest.call(|instance| as_source(instance).list_items_json(catalog, "{\"action\":\"search\"}"));
    let expected = "[{\"kind\":\"track\",\"title\":\"echo\",\"config\":{\"a\":1},\"track\":{\"action\":\"search\"}}]";
    assert_eq!(items.as_deref(), Ok(expected));
    assert_eq!(guest.call(|instance| instance.export_state(catalog)), Ok(Some("{\"a\":1}".into())));
    guest.call(|instance| instance.import_state(catalog, "7")).expect("imports");
    let error = refusal(guest.call(|instance| as_source(instance).open_uri(catalog, "x:y").map(drop)));
    assert_eq!(error, PluginError::Unsupported("no addresses here".into()));

    let opened = guest.call(|instance| as_source(instance).open_stream_json(catalog, "the bytes")).expect("opens");
    assert_eq!(opened.ext_hint.as_deref(), Some("echo"));
    let OpenedHandle::Processed(stream) = opened.handle else { panic!("the source reads it itself") };
    let metadata = guest.call(|instance| as_source(instance).stream_metadata(stream)).expect("has metadata");
    assert_eq!(Some(metadata), opened.metadata);
    // The stream outlives its catalog.
    guest.close(catalog).expect("closes");
    let mut bytes = Vec::new();
    loop {
        let chunk = guest.call(|instance| as_source(instance).stream_read(stream, 4)).expect("reads");
        assert!(chunk.bytes.len() <= 4);
        bytes.extend(chunk.bytes);
        if chunk.eof {
            break;
        }
    }
    assert_eq!(bytes, b"the bytes");
    guest.close(stream).expect("closes");
    refusal(guest.call(|instance| as_source(instance).stream_read(stream, 4)));
}

/// A stream of the host goes through the guest and comes back as itself.
fn passthrough(subject: &Subject) {
    struct Shelf(Mutex<Vec<OpenRequest>>);

    impl Streams for Shelf {
        fn open(&self, request: &OpenRequest, _: &Arc<CallControl>) -> CallResult<Box<dyn HostStream>> {
            self.0.lock().expect("no panic").push(request.clone());
            Ok(Script::new(&b"on the shelf"[..]).boxed())
        }
    }

    let shelf = Arc::new(Shelf(Mutex::default()));
    let services = Services { streams: shelf.clone(), ..Services::default() };
    let mut guest = Guest::with(subject, "echo-source", Options { services, ..Options::default() }).expect("starts");
    let catalog = guest.call(|instance| as_source(instance).create()).expect("creates");
    let opened = guest.call(|instance| as_source(instance).open_stream_json(catalog, "{\"open\":\"/music/x\"}"));
    let OpenedHandle::Passthrough(Some(mut stream)) = opened.expect("opens").handle else {
        panic!("the host reads it")
    };
    drop(guest);
    let control = Arc::default();
    assert_eq!(stream.read(100, &control), Ok(b"on the shelf".to_vec()), "it outlives the guest");
    let requests = shelf.0.lock().expect("no panic");
    assert_eq!((requests.len(), requests[0].kind, &*requests[0].target), (1, StreamOpenKind::File, "/music/x"));
}

fn lyrics(subject: &Subject) {
    let mut guest = Guest::new(subject, "echo-lyrics");
    let provider = guest.call(|instance| as_lyrics(instance).create()).expect("creates");
    let found = guest.call(|instance| as_lyrics(instance).search(provider, "caf\u{e9}")).expect("searches");
    assert_eq!(
        found,
        [LyricCandidate { id: "echo:caf\u{e9}".into(), title: "caf\u{e9}".into(), artist: "Echo".into() }]
    );
    assert_eq!(guest.call(|instance| as_lyrics(instance).fetch(provider, &found[0].id)), Ok("caf\u{e9}".into()));
    let error = refusal(guest.call(|instance| as_lyrics(instance).fetch(provider, "nothing")));
    assert!(matches!(error, PluginError::NotFound(_)), "{error}");
    assert_eq!(guest.call(|instance| instance.plan_config(provider, "{}")), Ok(hot_apply()));
    guest.call(|instance| instance.apply_config(provider, "{}")).expect("applies");
    assert_eq!(guest.call(|instance| instance.export_state(provider)), Ok(None));
    guest.call(|instance| instance.import_state(provider, "{}")).expect("imports");
    guest.close(provider).expect("closes");
}

/// The import answers what the host's service answers; without one, `unsupported`.
fn fetch_json(subject: &Subject) {
    struct Fixed;

    impl Http for Fixed {
        fn fetch_json(&self, url: &str, _: &Arc<CallControl>) -> CallResult<String> {
            match url {
                "http://lyrics.example/1" => Ok("{\"lyrics\":\"la la\"}".into()),
                _ => Err(PluginError::Denied(format!("network:{url}")).into()),
            }
        }
    }

    let fetch = |services: Services, url: &str| {
        let mut guest =
            Guest::with(subject, "echo-lyrics", Options { services, ..Options::default() }).expect("starts");
        let provider = guest.call(|instance| as_lyrics(instance).create()).expect("creates");
        guest.call(|instance| as_lyrics(instance).fetch(provider, url))
    };
    let with = || Services { http: Arc::new(Fixed), ..Services::default() };
    assert_eq!(fetch(with(), "http://lyrics.example/1").as_deref(), Ok("{\"lyrics\":\"la la\"}"));
    assert_eq!(refusal(fetch(with(), "http://other")), PluginError::Denied("network:http://other".into()));
    let error = refusal(fetch(Services::default(), "http://other"));
    assert!(matches!(error, PluginError::Unsupported(_)), "{error}");
}

fn output_sink(subject: &Subject) {
    let mut guest = Guest::new(subject, "echo-sink");
    let target = "{\"id\":\"echo\"}";
    let session = guest.call(|instance| as_sink(instance).create()).expect("creates");
    let targets = guest.call(|instance| as_sink(instance).list_targets_json(session));
    assert_eq!(targets.as_deref(), Ok("[{\"id\":\"echo\",\"name\":\"Echo\"}]"));
    let negotiated = guest.call(|instance| as_sink(instance).negotiate_spec_json(session, target, CD));
    assert_eq!(negotiated, Ok(NegotiatedSpec { spec: CD, preferred_chunk_frames: 256, prefer_track_rate: true }));
    let hot = guest.call(|instance| as_sink(instance).describe_hot_path(session, CD)).expect("describes");
    assert_eq!(hot, Some(hot_path(HotPathRole::OutputSink)));

    let block = [0u8; 8 * 5000];
    refusal(guest.call(|instance| as_sink(instance).write_interleaved_f32(session, 2, &block)));
    assert_eq!(guest.call(|instance| instance.plan_config(session, "{}")), Ok(hot_apply()));
    guest.call(|instance| as_sink(instance).open_json(session, target, CD)).expect("opens");
    let plan = guest.call(|instance| instance.plan_config(session, "{}")).expect("plans");
    assert_eq!(plan.mode, ConfigUpdateMode::Recreate);
    guest.call(|instance| instance.apply_config(session, "{}")).expect("applies");
    let taken = guest.call(|instance| as_sink(instance).write_interleaved_f32(session, 2, &block));
    assert_eq!(taken, Ok(4096), "frames, not samples, and not all of them");
    let error = refusal(guest.call(|instance| as_sink(instance).write_interleaved_f32(session, 1, &block)));
    assert!(matches!(error, PluginError::InvalidArg(_)), "{error}");
    let status = guest.call(|instance| as_sink(instance).query_status(session));
    assert_eq!(status, Ok(RuntimeStatus { queued_samples: 8192, running: true }));
    assert_eq!(guest.call(|instance| instance.export_state(session)), Ok(Some("{\"written_frames\":4096}".into())));
    guest.call(|instance| instance.import_state(session, "{}")).expect("imports");
    guest.call(|instance| as_sink(instance).flush(session)).expect("flushes");
    guest.call(|instance| as_sink(instance).reset(session)).expect("resets");
    let status = guest.call(|instance| as_sink(instance).query_status(session));
    assert_eq!(status, Ok(RuntimeStatus { queued_samples: 0, running: true }));
    guest.close(session).expect("closes");
}

fn no_sidecar(subject: &Subject) {
    let mut guest = Guest::new(subject, "echo-sink");
    let session = guest.call(|instance| as_sink(instance).create()).expect("creates");
    let error = refusal(guest.call(|instance| as_sink(instance).open_json(session, "{\"launch\":\"bin/x\"}", CD)));
    assert!(matches!(error, PluginError::Unsupported(_)), "{error}");
}

fn hot_path(role: HotPathRole) -> CoreModuleSpec {
    let dsp = role == HotPathRole::DspTransform;
    CoreModuleSpec {
        role,
        wasm_rel_path: "wasm/hot.wasm".into(),
        abi_version: 1,
        memory_export: "memory".into(),
        init_export: "st_hot_init".into(),
        process_export: "st_hot_process".into(),
        reset_export: Some("st_hot_reset".into()),
        drop_export: dsp.then(|| "st_hot_drop".into()),
        buffer: BufferLayout {
            in_offset: 65_536,
            out_offset: dsp.then_some(131_072),
            max_frames: 1024,
            channels: 2,
            sample_format: SampleFormat::F32le,
            interleaved: true,
        },
    }
}

fn dsp(subject: &Subject) {
    let mut guest = Guest::new(subject, "echo-dsp");
    let silent = AudioSpec { sample_rate: 0, channels: 2 };
    refusal(guest.call(|instance| as_dsp(instance).create(silent)));
    let processor = guest.call(|instance| as_dsp(instance).create(CD)).expect("creates");
    assert_eq!(guest.call(|instance| as_dsp(instance).supported_layouts(processor)), Ok(0b11));
    assert_eq!(guest.call(|instance| as_dsp(instance).output_channels(processor)), Ok(2));
    let hot = guest.call(|instance| as_dsp(instance).describe_hot_path(processor, CD)).expect("describes");
    assert_eq!(hot, Some(hot_path(HotPathRole::DspTransform)));

    let bytes = |samples: &[f32]| samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<_>>();
    let process = |guest: &mut Guest, samples: &[f32]| {
        guest.call(|instance| as_dsp(instance).process_interleaved_f32(processor, 2, &bytes(samples)))
    };
    assert_eq!(process(&mut guest, &[1.0, -0.5, 0.25, 0.0]), Ok(bytes(&[0.5, -0.25, 0.125, 0.0])));
    assert_eq!(process(&mut guest, &[]), Ok(Vec::new()));
    guest.call(|instance| instance.apply_config(processor, "{\"gain\":2}")).expect("applies");
    assert_eq!(process(&mut guest, &[0.25, 0.5]), Ok(bytes(&[0.5, 1.0])));
    let state = guest.call(|instance| instance.export_state(processor)).expect("exports").expect("has a state");
    guest.call(|instance| instance.apply_config(processor, "{\"gain\":0}")).expect("applies");
    guest.call(|instance| instance.import_state(processor, &state)).expect("imports");
    assert_eq!(process(&mut guest, &[0.25, 0.5]), Ok(bytes(&[0.5, 1.0])));
    let plan = guest.call(|instance| instance.plan_config(processor, "{\"mode\":\"reject\"}")).expect("plans");
    assert_eq!(plan, ConfigUpdatePlan { mode: ConfigUpdateMode::Reject, reason: Some("asked to".into()) });
    guest.close(processor).expect("closes");
    refusal(process(&mut guest, &[0.25, 0.5]));
}

/// A component offers what it exports and nothing else.
fn exports(subject: &Subject) {
    for (fixture, offers) in [
        ("edge-decoder", [true, false, false, false, false]),
        ("echo-source", [false, true, false, false, false]),
        ("echo-lyrics", [false, false, true, false, false]),
        ("echo-sink", [false, false, false, true, false]),
        ("echo-dsp", [false, false, false, false, true]),
    ] {
        let found = Guest::new(subject, fixture).call(|instance| {
            Ok([
                instance.decoder().is_some(),
                instance.source().is_some(),
                instance.lyrics().is_some(),
                instance.output_sink().is_some(),
                instance.dsp().is_some(),
            ])
        });
        assert_eq!(found, Ok(offers), "{fixture}");
    }
}

fn hooks(subject: &Subject) {
    for fixture in ["echo-source", "echo-lyrics", "echo-sink", "echo-dsp"] {
        let mut guest = Guest::new(subject, fixture);
        guest.call(|instance| instance.enable()).expect("enables");
        guest.call(|instance| instance.disable(DisableReason::Reload)).expect("disables");
        let texts: Vec<_> = guest.log().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["on-enable", "on-disable DisableReason::Reload"], "{fixture}");
    }
}

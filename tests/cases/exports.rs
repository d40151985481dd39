//! Real guests, end to end: what goes in and comes out of every export.
#![allow(clippy::unwrap_used, reason = "what is unwrapped is expected by the case")]

use std::sync::Arc;

use stellatune_plugin_core::{
    capability::OpenedHandle,
    control::CallControl,
    error::{CallError, CallResult, PluginError},
    host::{HostStream, Services, Streams},
    table::ObjectId,
    types::{AudioSpec, ConfigUpdateMode, DisableReason, HotPathRole, MetadataValue, OpenRequest, SampleFormat},
};

use crate::support::{
    Case, Subject,
    bare::{Memory, Running, Setup},
    fixture::{self, SYMPHONIA},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("exports/a-decoder-decodes-a-file-to-its-end", [SYMPHONIA], a_decoder_decodes_a_file_to_its_end),
        Case::new(
            "exports/a-component-offers-only-what-it-exports",
            ["edge-decoder"],
            a_component_offers_only_what_it_exports,
        ),
        Case::new(
            "exports/hooks-run-and-their-output-is-the-log",
            ["edge-decoder"],
            hooks_run_and_their_output_is_the_log,
        ),
        Case::new(
            "exports/a-refusal-keeps-its-case-and-the-guest-lives-on",
            ["edge-decoder"],
            a_refusal_keeps_its_case_and_the_guest_lives_on,
        ),
        Case::new(
            "exports/sessions-share-an-instance-and-end-one-by-one",
            ["edge-decoder"],
            sessions_share_an_instance_and_end_one_by_one,
        ),
        Case::new(
            "exports/the-tail-reaches-the-object-it-names",
            ["edge-decoder"],
            the_tail_reaches_the_object_it_names,
        ),
        Case::new(
            "exports/every-call-of-a-stream-reaches-the-host",
            ["edge-decoder"],
            every_call_of_a_stream_reaches_the_host,
        ),
        Case::new("exports/covers-cross-within-the-budget", ["edge-decoder"], covers_cross_within_the_budget),
        Case::new("exports/a-source-processes-its-own-stream", ["echo-source"], a_source_processes_its_own_stream),
        Case::new(
            "exports/a-stream-that-is-passed-through-outlives-its-source",
            ["echo-source"],
            a_stream_that_is_passed_through_outlives_its_source,
        ),
        Case::new("exports/a-provider-finds-and-fetches", ["echo-lyrics"], a_provider_finds_and_fetches),
        Case::new("exports/a-sink-takes-audio", ["echo-sink"], a_sink_takes_audio),
        Case::new("exports/an-effect-changes-audio", ["echo-dsp"], an_effect_changes_audio),
    ]
}

fn a_decoder_decodes_a_file_to_its_end(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &fixture::wasm(SYMPHONIA)).unwrap();
    guest.call(|it| it.enable()).unwrap();
    let input = Memory::boxed(fixture::audio("flac-44100-16-2.flac"));
    let session = guest.call(|it| it.decoder().unwrap().open(input, Some("flac"))).unwrap();
    let info = guest.call(|it| it.decoder().unwrap().info(session)).unwrap();
    assert_eq!((info.sample_rate, info.channels, info.seekable), (44_100, 2, true));

    let (mut frames, mut loudest) = (0, 0_f32);
    loop {
        let chunk = guest.call(|it| it.decoder().unwrap().read_pcm_f32(session, 1024)).unwrap();
        for sample in chunk.interleaved_f32le.chunks_exact(4) {
            loudest = loudest.max(f32::from_le_bytes(sample.try_into().unwrap()).abs());
        }
        frames += chunk.interleaved_f32le.len() / 8;
        if chunk.eof {
            break;
        }
    }
    assert_eq!(Some(frames as u64 * 1000 / 44_100), info.duration_ms);
    assert!((0.05..=1.0).contains(&loudest), "{loudest}");

    guest.call(|it| it.decoder().unwrap().seek_ms(session, 0)).unwrap();
    let chunk = guest.call(|it| it.decoder().unwrap().read_pcm_f32(session, 16)).unwrap();
    assert_eq!(chunk.interleaved_f32le.len(), 16 * 8);
    guest.call(|it| it.close(session)).unwrap();
    guest.call(|it| it.disable(DisableReason::Unload)).unwrap();
}

fn a_component_offers_only_what_it_exports(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &fixture::wasm("edge-decoder")).unwrap();
    let it = &mut guest.instance;
    assert!(it.decoder().is_some());
    assert!(it.source().is_none() && it.lyrics().is_none() && it.output_sink().is_none() && it.dsp().is_none());
}

fn hooks_run_and_their_output_is_the_log(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &fixture::wasm("edge-decoder")).unwrap();
    guest.call(|it| it.enable()).unwrap();
    guest.call(|it| it.disable(DisableReason::Shutdown)).unwrap();
    let lines = [(false, "on-enable".to_owned()), (false, "on-disable DisableReason::Shutdown".to_owned())];
    assert_eq!(guest.lines.all(), lines);
}

fn a_refusal_keeps_its_case_and_the_guest_lives_on(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &fixture::wasm("edge-decoder")).unwrap();
    let refused = guest.call(|it| it.decoder().unwrap().open(Memory::boxed("12345678"), Some("refuse-denied")));
    assert_eq!(refused, Err(PluginError::Denied("asked for denied".into()).into()));
    let session =
        guest.call(|it| it.decoder().unwrap().open(Memory::boxed("12345678"), Some("error-timeout"))).unwrap();
    let read = guest.call(|it| it.decoder().unwrap().read_pcm_f32(session, 1));
    assert_eq!(read, Err(PluginError::Timeout("asked for timeout".into()).into()));
}

fn sessions_share_an_instance_and_end_one_by_one(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &fixture::wasm("edge-decoder")).unwrap();
    let open =
        |it: &mut dyn stellatune_plugin_core::engine::Instance| it.decoder().unwrap().open(Memory::boxed("ab"), None);
    let (first, second) = (guest.call(open).unwrap(), guest.call(open).unwrap());
    let sessions = |guest: &mut Running, session| {
        let metadata = guest.call(|it| it.decoder().unwrap().metadata(session)).unwrap();
        metadata.extras.into_iter().find(|extra| extra.key == "sessions").map(|extra| extra.value)
    };
    assert_eq!(sessions(&mut guest, first), Some(MetadataValue::Uint32(2)));
    guest.call(|it| it.close(first)).unwrap();
    assert_eq!(sessions(&mut guest, second), Some(MetadataValue::Uint32(1)));
    guest.call(|it| it.close(first)).unwrap();
    let gone = guest.call(|it| it.decoder().unwrap().info(first));
    assert!(matches!(gone, Err(CallError::Plugin(PluginError::NotFound(_)))), "{gone:?}");
}

fn the_tail_reaches_the_object_it_names(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &fixture::wasm("edge-decoder")).unwrap();
    let session = guest.call(|it| it.decoder().unwrap().open(Memory::boxed("12345678"), None)).unwrap();
    let plan = guest.call(|it| it.plan_config(session, "\"recreate\"")).unwrap();
    assert_eq!((plan.mode, plan.reason.as_deref()), (ConfigUpdateMode::Recreate, Some("asked to")));
    guest.call(|it| it.apply_config(session, "7")).unwrap();
    let refused = guest.call(|it| it.apply_config(session, "\"reject\""));
    assert_eq!(refused, Err(PluginError::InvalidArg("rejected".into()).into()));
    let state = guest.call(|it| it.export_state(session)).unwrap();
    assert_eq!(state.as_deref(), Some("{\"position\":0,\"config\":7}"));
    guest.call(|it| it.import_state(session, "{\"position\":4,\"config\":7}")).unwrap();
    let chunk = guest.call(|it| it.decoder().unwrap().read_pcm_f32(session, 8)).unwrap();
    assert_eq!(chunk.interleaved_f32le, b"5678");
    let missing = guest.call(|it| it.export_state(ObjectId(77)));
    assert!(matches!(missing, Err(CallError::Plugin(PluginError::NotFound(_)))), "{missing:?}");
}

fn every_call_of_a_stream_reaches_the_host(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &fixture::wasm("edge-decoder")).unwrap();
    let session =
        guest.call(|it| it.decoder().unwrap().open(Memory::boxed("0123456789"), Some("stream-facts"))).unwrap();
    let extras = guest.call(|it| it.decoder().unwrap().metadata(session)).unwrap().extras;
    let fact = |key: &str| extras.iter().find(|extra| extra.key == key).map(|extra| extra.value.clone());
    let text = |text: &str| Some(MetadataValue::Text(text.into()));
    assert_eq!(fact("size"), text("Some(10)"));
    assert_eq!(fact("read-zero"), text("1"));
    assert_eq!(fact("tell-after"), text("5"));
    assert_eq!(fact("seek-back"), text("4"));
    assert_eq!(fact("read-last"), text("1"));
    assert_eq!(fact("read-end-again"), text("0"));
    assert_eq!(fact("seek-behind"), text("20"));
    assert_eq!(fact("read-behind"), text("0"));
    let Some(MetadataValue::Text(before)) = fact("seek-before") else { panic!("{extras:?}") };
    assert!(before.starts_with("InvalidArg"), "{before}");
}

fn covers_cross_within_the_budget(subject: &Subject) {
    let mut setup = Setup::default();
    setup.budget.boundary_bytes = 32 << 20;
    let mut guest = setup.start(subject, &fixture::wasm("edge-decoder")).unwrap();
    let session = guest.call(|it| it.decoder().unwrap().open(Memory::boxed("ab"), Some("big-metadata-20480"))).unwrap();
    let extras = guest.call(|it| it.decoder().unwrap().metadata(session)).unwrap().extras;
    let blob = extras.into_iter().find(|extra| extra.key == "blob").map(|extra| extra.value);
    assert!(matches!(blob, Some(MetadataValue::Bytes(bytes)) if bytes == vec![0x5a; 20 << 20]));
}

fn a_source_processes_its_own_stream(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &fixture::wasm("echo-source")).unwrap();
    let catalog = guest.call(|it| it.source().unwrap().create()).unwrap();
    guest.call(|it| it.apply_config(catalog, "{\"a\":1}")).unwrap();
    let rows = guest.call(|it| it.source().unwrap().list_items_json(catalog, "\"all\"")).unwrap();
    assert_eq!(rows, r#"[{"kind":"track","title":"echo","config":{"a":1},"track":"all"}]"#);

    let opened = guest.call(|it| it.source().unwrap().open_stream_json(catalog, "\"song\"")).unwrap();
    let OpenedHandle::Processed(stream) = opened.handle else { panic!("passed through") };
    assert_eq!(opened.ext_hint.as_deref(), Some("echo"));
    assert_eq!(opened.metadata.unwrap().tags.artists, ["one", "two"]);
    let metadata = guest.call(|it| it.source().unwrap().stream_metadata(stream)).unwrap();
    assert_eq!(metadata.format.codec, "echo");
    let chunk = guest.call(|it| it.source().unwrap().stream_read(stream, 4)).unwrap();
    assert_eq!((chunk.bytes.as_slice(), chunk.eof), (&b"\"son"[..], false));
    let chunk = guest.call(|it| it.source().unwrap().stream_read(stream, 4)).unwrap();
    assert_eq!((chunk.bytes.as_slice(), chunk.eof), (&b"g\""[..], true));

    let config = guest.call(|it| it.export_state(stream));
    assert!(matches!(config, Err(CallError::Plugin(PluginError::NotFound(_)))), "{config:?}");
    let other = guest.call(|it| it.source().unwrap().list_items_json(stream, "0"));
    assert!(matches!(other, Err(CallError::Plugin(PluginError::NotFound(_)))), "{other:?}");
    guest.call(|it| it.close(stream)).unwrap();
    let uri = guest.call(|it| it.source().unwrap().open_uri(catalog, "echo:1")).map(|_| ());
    assert_eq!(uri, Err(PluginError::Unsupported("no addresses here".into()).into()));
    guest.call(|it| it.close(catalog)).unwrap();
}

/// Opens any target as its own name.
struct Names;

impl Streams for Names {
    fn open(&self, request: &OpenRequest, _: &Arc<CallControl>) -> CallResult<Box<dyn HostStream>> {
        Ok(Memory::boxed(request.target.as_str()))
    }
}

fn a_stream_that_is_passed_through_outlives_its_source(subject: &Subject) {
    let setup = Setup { services: Services { streams: Arc::new(Names), ..Services::default() }, ..Setup::default() };
    let mut guest = setup.start(subject, &fixture::wasm("echo-source")).unwrap();
    let catalog = guest.call(|it| it.source().unwrap().create()).unwrap();
    let opened = guest.call(|it| it.source().unwrap().open_stream_json(catalog, r#"{"open":"song.flac"}"#)).unwrap();
    let OpenedHandle::Passthrough(Some(mut stream)) = opened.handle else { panic!("not passed through") };
    drop(guest);
    let control = Arc::new(CallControl::default());
    assert_eq!(stream.read(100, &control), Ok(b"song.flac".to_vec()));
}

fn a_provider_finds_and_fetches(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &fixture::wasm("echo-lyrics")).unwrap();
    let provider = guest.call(|it| it.lyrics().unwrap().create()).unwrap();
    let found = guest.call(|it| it.lyrics().unwrap().search(provider, "grüße 🎵")).unwrap();
    assert_eq!((found.len(), &*found[0].title, &*found[0].artist), (1, "grüße 🎵", "Echo"));
    let words = guest.call(|it| it.lyrics().unwrap().fetch(provider, &found[0].id)).unwrap();
    assert_eq!(words, "grüße 🎵");
    let fetched = guest.call(|it| it.lyrics().unwrap().fetch(provider, "http://localhost/x"));
    assert!(matches!(fetched, Err(CallError::Plugin(PluginError::Unsupported(_)))), "{fetched:?}");
    assert_eq!(guest.call(|it| it.export_state(provider)), Ok(None));
}

fn a_sink_takes_audio(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &fixture::wasm("echo-sink")).unwrap();
    let spec = AudioSpec { sample_rate: 48_000, channels: 2 };
    let session = guest.call(|it| it.output_sink().unwrap().create()).unwrap();
    let targets = guest.call(|it| it.output_sink().unwrap().list_targets_json(session)).unwrap();
    assert_eq!(targets, r#"[{"id":"echo","name":"Echo"}]"#);
    let negotiated =
        guest.call(|it| it.output_sink().unwrap().negotiate_spec_json(session, "{\"id\":\"echo\"}", spec)).unwrap();
    assert_eq!((negotiated.spec, negotiated.preferred_chunk_frames, negotiated.prefer_track_rate), (spec, 256, true));
    guest.call(|it| it.output_sink().unwrap().open_json(session, "{\"id\":\"echo\"}", spec)).unwrap();
    let frames = guest.call(|it| it.output_sink().unwrap().write_interleaved_f32(session, 2, &[0; 80])).unwrap();
    assert_eq!(frames, 10);
    let status = guest.call(|it| it.output_sink().unwrap().query_status(session)).unwrap();
    assert_eq!((status.queued_samples, status.running), (20, true));
    guest.call(|it| it.output_sink().unwrap().flush(session)).unwrap();
    guest.call(|it| it.output_sink().unwrap().reset(session)).unwrap();
    let hot = guest.call(|it| it.output_sink().unwrap().describe_hot_path(session, spec)).unwrap().unwrap();
    assert_eq!((hot.role, hot.buffer.out_offset, hot.drop_export), (HotPathRole::OutputSink, None, None));
    let launched = guest.call(|it| it.output_sink().unwrap().open_json(session, r#"{"launch":"x"}"#, spec));
    assert!(matches!(launched, Err(CallError::Plugin(PluginError::Unsupported(_)))), "{launched:?}");
    guest.call(|it| it.close(session)).unwrap();
}

fn an_effect_changes_audio(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &fixture::wasm("echo-dsp")).unwrap();
    let spec = AudioSpec { sample_rate: 48_000, channels: 1 };
    let refused = guest.call(|it| it.dsp().unwrap().create(AudioSpec { channels: 0, ..spec }));
    assert!(matches!(refused, Err(CallError::Plugin(PluginError::InvalidArg(_)))), "{refused:?}");
    let processor = guest.call(|it| it.dsp().unwrap().create(spec)).unwrap();
    let input = [1.0_f32, -0.5].map(f32::to_le_bytes).concat();
    let output = guest.call(|it| it.dsp().unwrap().process_interleaved_f32(processor, 1, &input)).unwrap();
    assert_eq!(output, [0.5_f32, -0.25].map(f32::to_le_bytes).concat());
    assert_eq!(guest.call(|it| it.dsp().unwrap().supported_layouts(processor)), Ok(0b11));
    assert_eq!(guest.call(|it| it.dsp().unwrap().output_channels(processor)), Ok(1));
    let hot = guest.call(|it| it.dsp().unwrap().describe_hot_path(processor, spec)).unwrap().unwrap();
    assert_eq!((hot.role, hot.buffer.sample_format), (HotPathRole::DspTransform, SampleFormat::F32le));
    assert_eq!((hot.buffer.in_offset, hot.buffer.out_offset, hot.abi_version), (65_536, Some(131_072), 1));
    guest.call(|it| it.close(processor)).unwrap();
}

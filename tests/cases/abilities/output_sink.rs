//! A sink's own methods.

use stellatune_plugin_core::{
    error::PluginError,
    types::{AudioSpec, ConfigUpdateMode, HotPathRole, NegotiatedSpec, RuntimeStatus},
};

use crate::support::{
    Case, Subject,
    ability::{CD, Kind, sink},
    desk::Desk,
    guest::{Guest, Options, refusal},
};

use super::dsp::hot_path;

const TARGET: &str = "{\"id\":\"echo\"}";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("abilities/output-sink/list-targets-json/values", ["echo-sink"], list_targets),
        Case::new("abilities/output-sink/negotiate-spec-json/values", ["echo-sink"], negotiate),
        Case::new("abilities/output-sink/describe-hot-path/values", ["echo-sink"], describe_hot_path),
        Case::new("abilities/output-sink/open-json/again", ["echo-sink"], open_again),
        Case::new("abilities/output-sink/open-json/with-a-helper-process", ["echo-sink"], open_launching),
        Case::new("abilities/output-sink/write-interleaved-f32/frames", ["echo-sink"], write),
        Case::new("abilities/output-sink/query-status/values", ["echo-sink"], status),
        Case::new("abilities/output-sink/flush-and-reset/values", ["echo-sink"], flush_and_reset),
        Case::new("abilities/output-sink/plan-config-update-json/open", ["echo-sink"], plan_open),
    ]
}

fn list_targets(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::OutputSink.fixture());
    let session = guest.call(|it| sink(it).create()).expect("creates");
    let targets = guest.call(|it| sink(it).list_targets_json(session));
    assert_eq!(targets.as_deref(), Ok("[{\"id\":\"echo\",\"name\":\"Echo\"}]"));
}

fn negotiate(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::OutputSink.fixture());
    let session = guest.call(|it| sink(it).create()).expect("creates");
    for spec in [CD, AudioSpec { sample_rate: u32::MAX, channels: u16::MAX }, AudioSpec { sample_rate: 0, channels: 0 }]
    {
        let negotiated = guest.call(|it| sink(it).negotiate_spec_json(session, TARGET, spec));
        assert_eq!(negotiated, Ok(NegotiatedSpec { spec, preferred_chunk_frames: 256, prefer_track_rate: true }));
    }
    let error = refusal(guest.call(|it| sink(it).negotiate_spec_json(session, "{\"id\":\"x\"}", CD)));
    assert_eq!(error, PluginError::NotFound("no target {\"id\":\"x\"}".into()));
    let error = refusal(guest.call(|it| sink(it).negotiate_spec_json(session, "no json", CD)));
    assert!(matches!(error, PluginError::InvalidArg(_)), "{error}");
}

fn describe_hot_path(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::OutputSink.fixture());
    let session = guest.call(|it| sink(it).create()).expect("creates");
    let described = guest.call(|it| sink(it).describe_hot_path(session, CD));
    assert_eq!(described, Ok(Some(hot_path(HotPathRole::OutputSink))));
    guest.call(|it| it.apply_config(session, "\"no-hot-path\"")).expect("applies");
    assert_eq!(guest.call(|it| sink(it).describe_hot_path(session, CD)), Ok(None));
}

/// Opened again for another shape, it takes that one and refuses the first; an open that fails leaves it shut.
fn open_again(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::OutputSink.fixture());
    let session = Kind::OutputSink.make(&mut guest, "").expect("opens");
    let mono = AudioSpec { channels: 1, ..CD };
    let write =
        |channels, guest: &mut Guest| guest.call(|it| sink(it).write_interleaved_f32(session, channels, &[0; 8]));
    assert_eq!(write(2, &mut guest), Ok(1));
    guest.call(|it| sink(it).open_json(session, TARGET, mono)).expect("opens");
    assert_eq!(write(1, &mut guest), Ok(2));
    assert!(matches!(refusal(write(2, &mut guest)), PluginError::InvalidArg(_)));
    refusal(guest.call(|it| sink(it).open_json(session, "{\"id\":\"x\"}", mono)));
    assert!(matches!(refusal(write(1, &mut guest)), PluginError::InvalidArg(_)), "it is shut");
}

/// A process that an open sink holds ends when the sink is closed.
fn open_launching(subject: &Subject) {
    let target = "{\"launch\":\"bin/x\"}";
    let desk = Desk::default();
    let options = Options { services: desk.services(), ..Options::default() };
    let mut guest = Guest::with(subject, Kind::OutputSink.fixture(), options).expect("starts");
    let session = guest.call(|it| sink(it).create()).expect("creates");
    guest.call(|it| sink(it).open_json(session, target, CD)).expect("opens");
    let notes = desk.notes();
    assert!(notes.len() == 1 && notes[0].contains("bin/x") && notes[0].contains("PackageShared"), "{notes:?}");
    guest.close(session).expect("closes");
    assert_eq!(desk.notes(), ["end of process"]);

    let mut guest = Guest::new(subject, Kind::OutputSink.fixture());
    let session = guest.call(|it| sink(it).create()).expect("creates");
    let error = refusal(guest.call(|it| sink(it).open_json(session, target, CD)));
    assert!(matches!(error, PluginError::Unsupported(_)), "{error}");
}

fn write(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::OutputSink.fixture());
    let session = guest.call(|it| sink(it).create()).expect("creates");
    let write = |guest: &mut Guest, channels, bytes: &[u8]| {
        guest.call(|it| sink(it).write_interleaved_f32(session, channels, bytes))
    };
    assert!(matches!(refusal(write(&mut guest, 2, &[0; 16])), PluginError::InvalidArg(_)), "it is not open");
    guest.call(|it| sink(it).open_json(session, TARGET, CD)).expect("opens");
    assert_eq!(write(&mut guest, 2, &[]), Ok(0));
    assert_eq!(write(&mut guest, 2, &[0; 16]), Ok(2));
    assert_eq!(write(&mut guest, 2, &[0; 8 * 5000]), Ok(4096), "frames, not samples, and not all of them");
    for (channels, bytes) in [(0, 8), (1, 8), (3, 12), (2, 7), (2, 12)] {
        let error = refusal(write(&mut guest, channels, &vec![0; bytes]));
        assert!(matches!(error, PluginError::InvalidArg(_)), "{channels} {bytes}: {error}");
    }
}

fn status(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::OutputSink.fixture());
    let session = guest.call(|it| sink(it).create()).expect("creates");
    let status = |guest: &mut Guest| guest.call(|it| sink(it).query_status(session)).expect("has a status");
    assert_eq!(status(&mut guest), RuntimeStatus { queued_samples: 0, running: false });
    guest.call(|it| sink(it).open_json(session, TARGET, CD)).expect("opens");
    guest.call(|it| sink(it).write_interleaved_f32(session, 2, &[0; 80])).expect("writes");
    assert_eq!(status(&mut guest), RuntimeStatus { queued_samples: 20, running: true });
}

fn flush_and_reset(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::OutputSink.fixture());
    let session = Kind::OutputSink.make(&mut guest, "").expect("opens");
    let state = |guest: &mut Guest| {
        let status = guest.call(|it| sink(it).query_status(session)).expect("has a status");
        (status.queued_samples, guest.call(|it| it.export_state(session)).expect("exports").expect("has a state"))
    };
    guest.call(|it| sink(it).write_interleaved_f32(session, 2, &[0; 80])).expect("writes");
    assert_eq!(state(&mut guest), (20, "{\"written_frames\":10}".into()));
    guest.call(|it| sink(it).flush(session)).expect("flushes");
    assert_eq!(state(&mut guest), (0, "{\"written_frames\":10}".into()));
    guest.call(|it| sink(it).write_interleaved_f32(session, 2, &[0; 8])).expect("writes");
    guest.call(|it| sink(it).reset(session)).expect("resets");
    assert_eq!(state(&mut guest), (0, "{\"written_frames\":0}".into()));
}

fn plan_open(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::OutputSink.fixture());
    let session = Kind::OutputSink.make(&mut guest, "").expect("opens");
    let plan = guest.call(|it| it.plan_config(session, "{}")).expect("plans");
    assert_eq!((plan.mode, plan.reason), (ConfigUpdateMode::Recreate, None));
}

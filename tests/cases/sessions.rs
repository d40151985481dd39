//! Sessions share an instance and nothing else; an id is good until it is closed.

use stellatune_plugin_core::{
    error::{CallResult, PluginError},
    table::ObjectId,
    types::MetadataValue,
};

use crate::support::{
    Case, Subject,
    audio::assert_same,
    fixture::{self, SYMPHONIA},
    guest::{Guest, floats, refusal},
    stream::Script,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("sessions/two-interleaved", [SYMPHONIA], two_interleaved),
        Case::new("sessions/many", ["edge-decoder"], many),
        Case::new("sessions/a-refused-open-leaves-nothing", ["edge-decoder"], a_refused_open),
        Case::new("sessions/close-twice", ["edge-decoder"], close_twice),
        Case::new("sessions/use-after-close", ["edge-decoder"], use_after_close),
        Case::new("sessions/ids-that-name-nothing", ["edge-decoder"], ids_that_name_nothing),
        Case::new("sessions/the-tail", ["edge-decoder"], the_tail),
        Case::new("sessions/refusals-keep-their-kind", ["edge-decoder"], refusals),
    ]
}

/// Each gets its own samples, whatever the other does.
fn two_interleaved(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let files = ["flac-44100-16-2.flac", "flac-48000-24-2.flac"].map(fixture::audio);
    let whole = files.clone().map(|file| guest.decode(Script::new(file).boxed(), "flac"));
    let sessions = files.clone().map(|file| guest.open(Script::new(file).boxed(), "flac").expect("opens"));
    let mut samples = [Vec::new(), Vec::new()];
    for round in 0.. {
        let ended = [0, 1].map(|n| {
            let chunk = guest.read(sessions[n], 700 + 311 * n as u32).expect("reads");
            samples[n].extend(floats(&chunk));
            chunk.interleaved_f32le.is_empty()
        });
        if ended == [true, true] {
            break;
        }
        assert!(round < 1000, "both come to an end");
    }
    for n in [0, 1] {
        assert_same(&format!("session {n}"), &samples[n], &whole[n], 2);
    }
    guest.decoder(|decoder| decoder.seek_ms(sessions[0], 0)).expect("seeks");
    guest.close(sessions[1]).expect("closes");
    assert_same("after the other closed", &guest.read_all(sessions[0]).0, &whole[0], 2);
}

/// How many sessions the guest believes are open, through `session`.
fn open_sessions(guest: &mut Guest, session: ObjectId) -> u32 {
    let metadata = guest.decoder(|decoder| decoder.metadata(session)).expect("has metadata");
    match metadata.extras.iter().find(|entry| entry.key == "sessions").map(|entry| &entry.value) {
        Some(MetadataValue::Uint32(count)) => *count,
        other => panic!("the fixture tells how many sessions are open: {other:?}"),
    }
}

fn echo(guest: &mut Guest, hint: &str) -> CallResult<ObjectId> {
    guest.open(Script::new(&[1; 64][..]).boxed(), hint)
}

/// Closing gives the guest's own object back too: nothing piles up.
fn many(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    let first = echo(&mut guest, "echo").expect("opens");
    for _ in 0..20 {
        let others: Vec<_> = (0..50).map(|_| echo(&mut guest, "echo").expect("opens")).collect();
        assert_eq!(open_sessions(&mut guest, first), 51);
        for session in others {
            guest.close(session).expect("closes");
        }
    }
    assert_eq!(open_sessions(&mut guest, first), 1);
}

/// A refused open leaves neither a session nor the stream: hundreds of them do not run into a limit.
fn a_refused_open(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    for _ in 0..600 {
        let error = refusal(echo(&mut guest, "refuse-unsupported"));
        assert_eq!(error, PluginError::Unsupported("asked for unsupported".into()));
    }
    let session = echo(&mut guest, "echo").expect("opens");
    assert_eq!(guest.read_all(session).0.len(), 16);
}

/// Closing again is fine, and closes nobody else's session.
fn close_twice(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    let (one, other) = (echo(&mut guest, "echo").expect("opens"), echo(&mut guest, "echo").expect("opens"));
    guest.close(one).expect("closes");
    guest.close(one).expect("closing again is fine");
    assert_eq!(open_sessions(&mut guest, other), 1);
    guest.close(ObjectId(4_000_000)).expect("an id that never was is closed as well");
}

fn use_after_close(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    let session = echo(&mut guest, "echo").expect("opens");
    guest.close(session).expect("closes");
    all_not_found(&mut guest, session);
    // The guest was not asked, so it lives.
    echo(&mut guest, "echo").expect("opens");
}

fn ids_that_name_nothing(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    for id in [0, 1, 255, u32::MAX] {
        all_not_found(&mut guest, ObjectId(id));
    }
}

#[track_caller]
fn all_not_found(guest: &mut Guest, id: ObjectId) {
    let answers = [
        guest.decoder(|decoder| decoder.info(id)).map(drop),
        guest.decoder(|decoder| decoder.metadata(id)).map(drop),
        guest.decoder(|decoder| decoder.read_pcm_f32(id, 1)).map(drop),
        guest.decoder(|decoder| decoder.seek_ms(id, 0)),
        guest.call(|instance| instance.plan_config(id, "{}")).map(drop),
        guest.call(|instance| instance.apply_config(id, "{}")),
        guest.call(|instance| instance.export_state(id)).map(drop),
        guest.call(|instance| instance.import_state(id, "{}")),
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let error = refusal(answer);
        assert!(matches!(error, PluginError::NotFound(_)), "call {number}: {error}");
    }
}

/// The five methods every object ends with.
fn the_tail(subject: &Subject) {
    use stellatune_plugin_core::types::{ConfigUpdateMode::*, ConfigUpdatePlan};

    let mut guest = Guest::new(subject, "edge-decoder");
    let session = echo(&mut guest, "echo").expect("opens");
    let mut plan = |config: &str| guest.call(|instance| instance.plan_config(session, config)).expect("plans");
    assert_eq!(plan("{}"), ConfigUpdatePlan { mode: HotApply, reason: None });
    assert_eq!(plan("\"recreate\""), ConfigUpdatePlan { mode: Recreate, reason: Some("asked to".into()) });
    assert_eq!(plan("\"reject\""), ConfigUpdatePlan { mode: Reject, reason: Some("asked to".into()) });

    guest.read(session, 3).expect("reads");
    guest.call(|instance| instance.apply_config(session, "{\"caf\u{e9}\":1}")).expect("applies");
    let error = refusal(guest.call(|instance| instance.apply_config(session, "\"reject\"")));
    assert_eq!(error, PluginError::InvalidArg("rejected".into()));
    let state = guest.call(|instance| instance.export_state(session)).expect("exports").expect("has a state");
    assert_eq!(state, "{\"position\":12,\"config\":{\"caf\u{e9}\":1}}");

    let successor = echo(&mut guest, "echo").expect("opens");
    guest.call(|instance| instance.import_state(successor, &state)).expect("imports");
    assert_eq!(guest.read_all(successor).0.len(), 13, "goes on where the state was exported");
    let error = refusal(guest.call(|instance| instance.import_state(successor, "nonsense")));
    assert!(matches!(error, PluginError::InvalidArg(_)), "{error}");
}

/// Each kind of refusal arrives as that kind with its text, from `open` and from a method, and the guest lives on.
fn refusals(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    for kind in ["invalid-arg", "not-found", "io", "timeout", "unsupported", "denied", "internal"] {
        let opened = refusal(echo(&mut guest, &format!("refuse-{kind}")));
        let session = echo(&mut guest, &format!("error-{kind}")).expect("opens");
        let read = refusal(guest.read(session, 1));
        for error in [opened, read] {
            assert_eq!((error.case(), error.message()), (kind, &*format!("asked for {kind}")));
        }
    }
}

//! Guests that break the canonical ABI, at every place where the host takes something from them.

use stellatune_plugin_core::{
    error::{PluginError, TrapKind},
    table::ObjectId,
};

use crate::support::{
    Case, Subject,
    guest::{Guest, SHORT, refusal, trap_kind},
    stream::Script,
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("abi/realloc-loop", ["realloc-loop"], |subject| {
            let (mut guest, session) = opened(subject, "realloc-loop");
            guest.budget(SHORT);
            let answer = guest.call(|instance| instance.apply_config(session, "{}"));
            assert_eq!(trap_kind(answer), TrapKind::Deadline);
        }),
        Case::new("abi/realloc-trap", ["realloc-trap"], |subject| {
            realloc(subject, "realloc-trap", TrapKind::Unreachable);
        }),
        Case::new("abi/realloc-outside", ["realloc-outside"], |subject| {
            realloc(subject, "realloc-outside", TrapKind::Abi);
        }),
        Case::new("abi/post-return-loop", ["post-return-loop"], |subject| {
            let (mut guest, session) = opened(subject, "post-return-loop");
            guest.budget(SHORT);
            assert_eq!(trap_kind(guest.read(session, 1)), TrapKind::Deadline);
        }),
        Case::new("abi/post-return-trap", ["post-return-trap"], |subject| {
            let (mut guest, session) = opened(subject, "post-return-trap");
            assert_eq!(trap_kind(guest.read(session, 1)), TrapKind::Unreachable);
        }),
        Case::new("abi/destructor-loop", ["destructor-loop"], |subject| {
            let (mut guest, session) = opened(subject, "destructor-loop");
            guest.budget(SHORT);
            assert_eq!(trap_kind(guest.close(session)), TrapKind::Deadline);
        }),
        Case::new("abi/destructor-trap", ["destructor-trap"], |subject| {
            let (mut guest, session) = opened(subject, "destructor-trap");
            assert_eq!(trap_kind(guest.close(session)), TrapKind::Unreachable);
        }),
        Case::new("abi/destructor-at-teardown", ["destructor-loop"], |subject| {
            // Dropping an instance runs no guest code, so this comes to an end. // G16
            drop(opened(subject, "destructor-loop"));
        }),
        Case::new("abi/session-forged", ["forged-session"], |subject| {
            let mut guest = Guest::new(subject, "forged-session");
            assert_eq!(trap_kind(guest.open(Script::new(Vec::new()).boxed(), "x")), TrapKind::Abi);
        }),
        Case::new("abi/session-given-twice", ["session-given-twice"], |subject| {
            let (mut guest, _) = opened(subject, "session-given-twice");
            assert_eq!(trap_kind(guest.open(Script::new(Vec::new()).boxed(), "x")), TrapKind::Abi);
        }),
        Case::new("abi/stream-closed", ["stream-handles"], stream_closed),
    ];
    for (frames, name) in (0..).zip(ANSWERS) {
        let run = move |subject: &Subject| {
            let (mut guest, session) = opened(subject, "answers");
            assert_eq!(trap_kind(guest.read(session, frames)), TrapKind::Abi);
        };
        cases.push(Case::new(format!("abi/answer-{name}"), ["answers"], run));
    }
    for (frames, name) in (0..).zip(STREAM_HANDLES) {
        let run = move |subject: &Subject| {
            let (mut guest, session) = opened(subject, "stream-handles");
            assert_eq!(trap_kind(guest.read(session, frames)), TrapKind::Abi);
        };
        cases.push(Case::new(format!("abi/stream-handle-{name}"), ["stream-handles"], run));
    }
    cases
}

/// What the fixture answers when asked for so many frames. // G10 G11
const ANSWERS: [&str; 10] = [
    "pointer-outside",
    "list-outside",
    "list-end-overflows",
    "list-length-minus-one",
    "list-crosses-the-end",
    "result-case-2",
    "error-case-7",
    "text-not-utf8",
    "text-surrogate",
    "text-outside",
];

/// What the fixture does with handles when asked for so many frames. // G13
const STREAM_HANDLES: [&str; 5] = ["forged", "of-the-wrong-type", "dropped-twice", "used-after-drop", "minus-one"];

fn opened(subject: &Subject, fixture: &str) -> (Guest, ObjectId) {
    let mut guest = Guest::new(subject, fixture);
    let session =
        guest.open(Script::new(&[7; 64][..]).boxed(), "x").unwrap_or_else(|error| panic!("{fixture}: {error}"));
    (guest, session)
}

/// Allocation misbehaves from the second on: `open` needs the first.
fn realloc(subject: &Subject, fixture: &str, kind: TrapKind) {
    let (mut guest, session) = opened(subject, fixture);
    assert_eq!(trap_kind(guest.call(|instance| instance.apply_config(session, "{}"))), kind);
}

/// A stream that the guest closed answers `not-found` and may be closed and dropped again.
fn stream_closed(subject: &Subject) {
    let (mut guest, session) = opened(subject, "stream-handles");
    let error = refusal(guest.read(session, 100));
    assert!(matches!(error, PluginError::NotFound(_)), "{error}");
}

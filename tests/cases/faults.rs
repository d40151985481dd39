//! A guest that runs for ever or traps, in every export: the right kind, nothing else harmed.

use stellatune_plugin_core::{
    error::{CallResult, TrapKind},
    table::ObjectId,
};

use super::cancel::works;
use crate::support::{
    Case, Subject,
    guest::{Guest, SHORT, trap_kind},
    stream::Script,
};

/// Every export of a decoder but the hooks.
const PLACES: [&str; 10] = ["open", "info", "metadata", "read", "seek", "plan", "apply", "export", "import", "close"];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // G01
    for place in PLACES {
        for (action, kind) in [("loop", TrapKind::Deadline), ("trap", TrapKind::Unreachable)] {
            let run = move |subject: &Subject| fault(subject, action, place, kind);
            cases.push(Case::new(format!("faults/{action}-in-{place}"), ["edge-decoder"], run));
        }
    }
    let others = [
        ("spin", TrapKind::Deadline),
        ("panic", TrapKind::Unreachable),
        ("exit", TrapKind::Unreachable),
        ("grow", TrapKind::Unreachable),
        ("div", TrapKind::Arithmetic),
        ("bounds", TrapKind::Bounds),
        ("stack", TrapKind::Stack),
    ];
    for (action, kind) in others {
        for place in ["open", "read", "close"] {
            let run = move |subject: &Subject| fault(subject, action, place, kind);
            let case = Case::new(format!("faults/{action}-in-{place}"), ["edge-decoder"], run);
            cases.push(match action {
                "spin" => case.calls_alone("how often a guest calls the host before it is cut depends on the clock"),
                _ => case,
            });
        }
    }
    for (frames, (name, kind)) in (0..).zip(EXACT) {
        let run = move |subject: &Subject| exact(subject, frames, kind);
        cases.push(Case::new(format!("faults/exact-{name}"), ["faults"], run));
    }
    cases.push(Case::new("faults/stack-again-and-again", ["edge-decoder"], stack_again_and_again));
    cases
}

/// What the fixture does when asked for so many frames.
const EXACT: [(&str, TrapKind); 12] = [
    ("unreachable", TrapKind::Unreachable),
    ("division-by-zero", TrapKind::Arithmetic),
    ("integer-overflow", TrapKind::Arithmetic),
    ("float-out-of-range", TrapKind::Arithmetic),
    ("nan-to-integer", TrapKind::Arithmetic),
    ("load-outside", TrapKind::Bounds),
    ("store-outside", TrapKind::Bounds),
    ("fill-outside", TrapKind::Bounds),
    ("call-of-null", TrapKind::Bounds),
    ("call-of-another-type", TrapKind::Bounds),
    ("call-outside-the-table", TrapKind::Bounds),
    ("recursion", TrapKind::Stack),
];

/// Reaches a place of a session of the fixture.
fn reach(guest: &mut Guest, session: ObjectId, place: &str) -> CallResult<()> {
    match place {
        "info" => guest.decoder(|decoder| decoder.info(session)).map(drop),
        "metadata" => guest.decoder(|decoder| decoder.metadata(session)).map(drop),
        "read" => guest.read(session, 1).map(drop),
        "seek" => guest.decoder(|decoder| decoder.seek_ms(session, 0)),
        "plan" => guest.call(|instance| instance.plan_config(session, "{}")).map(drop),
        "apply" => guest.call(|instance| instance.apply_config(session, "{}")),
        "export" => guest.call(|instance| instance.export_state(session)).map(drop),
        "import" => guest.call(|instance| instance.import_state(session, "{\"position\":0}")),
        "close" => guest.close(session),
        other => panic!("no place {other}"),
    }
}

fn fault(subject: &Subject, action: &str, place: &str, kind: TrapKind) {
    let mut guest = Guest::new(subject, "edge-decoder");
    if kind == TrapKind::Deadline {
        guest.budget(SHORT);
    }
    let hint = format!("{action}-{place}");
    let opened = guest.open(Script::new(&[0; 64][..]).boxed(), &hint);
    let answer = if place == "open" {
        opened.map(drop)
    } else {
        let session = opened.expect("opens");
        if action != "grow" && action != "stack" {
            // Every other place still works.
            for other in PLACES.into_iter().filter(|other| !["open", "close", place].contains(other)) {
                reach(&mut guest, session, other).unwrap_or_else(|error| panic!("{other}: {error}"));
            }
        }
        reach(&mut guest, session, place)
    };
    assert_eq!(trap_kind(answer), kind);
    drop(guest);
    works(subject);
}

fn exact(subject: &Subject, frames: u32, kind: TrapKind) {
    let mut guest = Guest::new(subject, "faults");
    let session = guest.open(Script::new(Vec::new()).boxed(), "x").expect("opens");
    assert_eq!(trap_kind(guest.read(session, frames)), kind);
    let mut next = Guest::new(subject, "faults");
    let session = next.open(Script::new(Vec::new()).boxed(), "x").expect("opens");
    assert!(next.read(session, 1000).expect("what is not named does nothing").eof);
}

/// Overflowing the stack costs nothing that would run out. // G03
fn stack_again_and_again(subject: &Subject) {
    for _ in 0..200 {
        let mut guest = Guest::new(subject, "faults");
        let session = guest.open(Script::new(Vec::new()).boxed(), "x").expect("opens");
        assert_eq!(trap_kind(guest.read(session, 11)), TrapKind::Stack);
    }
    // On a thread with a small stack, the guest's own stack ends first all the same.
    std::thread::scope(|scope| {
        let small = std::thread::Builder::new().stack_size(1 << 20);
        let run = small.spawn_scoped(scope, || exact(subject, 11, TrapKind::Stack)).expect("a thread starts");
        run.join().expect("no overflow of the host's stack");
    });
}

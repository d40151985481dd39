//! Rust's standard library, as rustc builds it for `wasm32-wasip2`: what it does is the same on every engine, its panics
//! end the guest with their message in the log, and its sleeps are cut.

use std::time::Duration;

use stellatune_plugin_core::{
    capability::Lyrics,
    engine::Instance,
    error::{CallResult, TrapKind},
    limits::Budget,
    table::ObjectId,
};

use crate::support::{
    Case, Subject,
    again::cut_during,
    guest::{GENEROUS, Guest, trap_kind},
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("standard/output", ["std-lyrics"], output),
        Case::new("standard/statics", ["std-lyrics"], statics),
        Case::new("standard/sleep-is-cut-at-its-deadline", ["std-lyrics"], |subject| {
            let (mut guest, provider) = made(subject);
            guest.budget(Budget { wall: Duration::from_millis(100), ..GENEROUS });
            assert_eq!(trap_kind(fetch(&mut guest, provider, "sleep")), TrapKind::Deadline);
        }),
        Case::new("standard/sleep-is-cancelled", ["std-lyrics"], |subject| cancelled(subject, "sleep")),
        Case::new("standard/sleeps-are-cancelled", ["std-lyrics"], |subject| {
            cancelled(subject, "sleep-again-and-again");
        }),
    ];
    for (song, says) in SONGS {
        cases.push(Case::new(format!("standard/{song}"), ["std-lyrics"], move |subject| {
            let (mut guest, provider) = made(subject);
            let words = fetch(&mut guest, provider, song).expect("is sung");
            for part in says {
                assert!(words.contains(part), "`{part}` is not in\n{words}");
            }
        }));
    }
    for (song, message) in ENDS {
        cases.push(Case::new(format!("standard/ends-by-{song}"), ["std-lyrics"], move |subject| {
            let (mut guest, provider) = made(subject);
            assert_eq!(trap_kind(fetch(&mut guest, provider, song)), TrapKind::Unreachable);
            let log = guest.end();
            assert!(log.iter().any(|(error, line)| *error && line.contains(message)) || message.is_empty(), "{log:?}");
        }));
    }
    cases
}

/// Songs, and some of their words.
const SONGS: [(&str, &[&str]); 7] = [
    ("collections", &["2000 16 18890", "{\"a\": 1, \"b\": 0, \"c\": 2}", "Ok(4321)"]),
    ("numbers", &["0.1 1e-1 0.100", "3.141592653589793", "2147483647 255", "-9223372036854775808"]),
    ("text", &["STRASSE CAF\u{c9}", "stra\u{df}e caf\u{e9}", "\"a\u{fffd}\u{fffd}b\" true"]),
    ("time", &["forward true, slept true", "after 2020 true, before 2100 true"]),
    ("randomness", &["same false, like itself true"]),
    ("surroundings", &["[] 0", "Err(NotPresent)", "Ok(0) \"\""]),
    ("memory", &[" "]),
];

/// Songs that end the guest, and what it says about that.
const ENDS: [(&str, &str); 7] = [
    ("panic", "the song panic was asked for"),
    ("index", "index out of bounds: the len is 5 but the index is 45"),
    ("overflow", "called `Option::unwrap()` on a `None` value"),
    ("unwrap", "ParseIntError"),
    ("borrowed", "already mutably borrowed"),
    ("abort", ""),
    ("exit", ""),
];

fn lyrics(instance: &mut dyn Instance) -> &mut dyn Lyrics {
    instance.lyrics().expect("lyrics")
}

fn made(subject: &Subject) -> (Guest, ObjectId) {
    let mut guest = Guest::new(subject, "std-lyrics");
    let provider = guest.call(|instance| lyrics(instance).create()).expect("creates");
    (guest, provider)
}

fn fetch(guest: &mut Guest, provider: ObjectId, song: &str) -> CallResult<String> {
    guest.call(|instance| lyrics(instance).fetch(provider, song))
}

/// Each line is one of the log, however it was printed.
fn output(subject: &Subject) {
    let (mut guest, provider) = made(subject);
    fetch(&mut guest, provider, "output").expect("is sung");
    let log = guest.end();
    for (error, line) in [
        (false, "a line"),
        (true, "a line of errors"),
        (false, "begun, ended"),
        (false, "caf\u{e9} \u{1f3b5}"),
        (false, "behind an empty line"),
    ] {
        assert!(log.contains(&(error, line.to_owned())), "{line:?} is not in {log:?}");
    }
}

/// They live as long as the instance, and no longer.
fn statics(subject: &Subject) {
    for _ in 0..2 {
        let (mut guest, provider) = made(subject);
        for expected in ["0 100 Ok([0]) x true Ok(0)\n", "1 100 Ok([0, 1]) xx true Ok(1)\n"] {
            assert_eq!(fetch(&mut guest, provider, "statics").expect("is sung"), expected);
        }
    }
}

fn cancelled(subject: &Subject, song: &str) {
    let (mut guest, provider) = made(subject);
    let cancel = guest.canceller();
    assert_eq!(trap_kind(cut_during(cancel, || fetch(&mut guest, provider, song))), TrapKind::Cancelled);
    // A new instance sings.
    let (mut next, provider) = made(subject);
    fetch(&mut next, provider, "text").expect("is sung");
}

//! A provider's own methods.

use stellatune_plugin_core::{error::PluginError, types::LyricCandidate};

use crate::support::{
    Case, Subject,
    ability::{Kind, lyrics},
    guest::{Guest, refusal},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("abilities/lyrics/search/values", ["echo-lyrics"], search),
        Case::new("abilities/lyrics/search/many", ["echo-lyrics"], many),
        Case::new("abilities/lyrics/fetch/values", ["echo-lyrics"], fetch),
    ]
}

fn search(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Lyrics.fixture());
    let provider = guest.call(|it| lyrics(it).create()).expect("creates");
    for keyword in ["", "caf\u{e9} \u{1f3b5}", "\0", "one two"] {
        let found = guest.call(|it| lyrics(it).search(provider, keyword)).expect("searches");
        let id = format!("echo:{keyword}");
        assert_eq!(found, [LyricCandidate { id, title: keyword.into(), artist: "Echo".into() }]);
    }
}

fn many(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Lyrics.fixture());
    let provider = guest.call(|it| lyrics(it).create()).expect("creates");
    let found = guest.call(|it| lyrics(it).search(provider, "many-0")).expect("searches");
    assert!(found.is_empty());
    let found = guest.call(|it| lyrics(it).search(provider, "many-1000")).expect("searches");
    assert_eq!(found.len(), 1000);
    assert!(found.iter().all(|candidate| candidate.title == "many-1000"));
}

fn fetch(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Lyrics.fixture());
    let provider = guest.call(|it| lyrics(it).create()).expect("creates");
    let words = "la \u{266a}\n".repeat(100_000);
    let found = guest.call(|it| lyrics(it).fetch(provider, &format!("echo:{words}")));
    assert_eq!(found, Ok(words));
    let error = refusal(guest.call(|it| lyrics(it).fetch(provider, "nothing")));
    assert_eq!(error, PluginError::NotFound("no song nothing".into()));
}

//! Components of another world or another revision are refused before they run, with a text that says what to do.

use stellatune_plugin_core::{
    engine::Phase,
    error::{Error, ErrorKind},
    manifest::World,
    world,
};

use crate::support::{
    Case, Subject,
    fixture::{self, SYMPHONIA},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "contract/every-world-is-known",
            [SYMPHONIA, "echo-source", "echo-lyrics", "echo-sink", "echo-dsp"],
            known,
        ),
        Case::new("contract/another-world", ["echo-lyrics", "edge-decoder"], another_world),
        Case::new("contract/unknown-import", ["unknown-import"], unknown_import),
        Case::new("contract/no-exports", ["no-exports"], no_exports),
        Case::new("contract/revision-w1", ["revision-w1"], |subject| revision(subject, "revision-w1", "open-uri")),
        Case::new("contract/revision-w2", ["revision-w2"], |subject| revision(subject, "revision-w2", "scope")),
    ]
}

fn known(subject: &Subject) {
    for (fixture, world) in [
        (SYMPHONIA, World::Decoder),
        ("echo-source", World::Source),
        ("echo-lyrics", World::Lyrics),
        ("echo-sink", World::OutputSink),
        ("echo-dsp", World::Dsp),
    ] {
        world::verify(&fixture::wasm(fixture), world).unwrap_or_else(|error| panic!("{fixture}: {error}"));
        subject.program(fixture);
    }
}

#[track_caller]
fn refused(fixture: &str, world: World) -> Error {
    let error = world::verify(&fixture::wasm(fixture), world).err().unwrap_or_else(|| panic!("{fixture} is verified"));
    assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
    assert!(error.help_text().is_some(), "{error}: says what to do");
    error
}

fn another_world(_: &Subject) {
    let error = refused("echo-lyrics", World::Decoder);
    assert!(error.to_string().contains("decoder"), "{error}");
    let error = refused("edge-decoder", World::Dsp);
    assert!(error.to_string().contains("dsp"), "{error}");
}

/// The import is named, in core and again by the engine.
fn unknown_import(subject: &Subject) {
    let error = refused("unknown-import", World::Decoder);
    assert!(error.to_string().contains("vendor:gadget/tool"), "{error}");
    let error = subject.load(&fixture::wasm("unknown-import")).err().expect("does not link");
    assert_eq!(error.phase, Phase::Link);
    assert!(error.message.contains("vendor:gadget/tool"), "{error}");
}

fn no_exports(subject: &Subject) {
    let error = refused("no-exports", World::Decoder);
    assert!(error.to_string().contains("lifecycle") || error.to_string().contains("decoder"), "{error}");
    let error = subject.load(&fixture::wasm("no-exports")).err().expect("has no hooks");
    assert_eq!(error.phase, Phase::Link, "{error}");
}

/// An older revision has the same name and version, so its shapes tell; the engine refuses it too.
fn revision(subject: &Subject, fixture: &str, item: &str) {
    let error = refused(fixture, World::Decoder);
    let text = format!("{error} {}", error.help_text().unwrap_or_default());
    assert!(text.contains("older") || text.contains("revision"), "{text}");
    let error = subject.load(&fixture::wasm(fixture)).err().expect("does not link");
    assert_eq!(error.phase, Phase::Link, "{error}");
    assert!(error.message.contains(item) || error.message.contains("stellatune:plugin/"), "{error}");
}

//! `probe`: what a decoder says of a stream, and the cover in it.

use std::fs;

use serde_json::{Value, json};

use crate::app::{App, BUNDLED, audio, keys, text};

#[test]
fn the_document_is_what_the_decoder_says() {
    let app = App::new();
    let document = app.json(&["probe", text(&audio("demo.flac"))]);
    assert_eq!(keys(&document), ["decoder", "info", "metadata"]);
    assert_eq!(keys(&document["decoder"]), ["component_id", "plugin_id", "type_id"]);
    assert_eq!(document["decoder"]["plugin_id"], BUNDLED);
    let info = json!({
        "sample_rate": 44_100,
        "channels": 2,
        "duration_ms": 20_000,
        "seekable": true,
        "encoder_delay_frames": 0,
        "encoder_padding_frames": 0,
    });
    assert_eq!(document["info"], info);

    let metadata = &document["metadata"];
    assert_eq!(keys(metadata), ["duration_ms", "extras", "format", "tags"]);
    let tags = json!({
        "title": "Eight Bars",
        "album": "Test Signals",
        "artists": ["Stellatune", "Karplus and Strong"],
        "album_artists": ["Stellatune"],
        "genres": ["Electronic"],
        "track_number": 3,
        "track_total": 12,
        "disc_number": 1,
        "disc_total": 1,
        "year": 2024,
        "comment": "made by fixtures/audio/make.sh",
    });
    assert_eq!(metadata["tags"], tags);
    assert_eq!(keys(&metadata["format"]), ["bitrate_kbps", "channels", "codec", "container", "sample_rate"]);
    assert_eq!((&metadata["format"]["codec"], &metadata["format"]["sample_rate"]), (&"flac".into(), &44_100.into()));
    let extras = metadata["extras"].as_array().expect("a list");
    let cover = extras.iter().find(|extra| extra["key"] == "cover").expect("a cover");
    assert_eq!(keys(cover), ["bytes", "key", "kind"]);
    assert_eq!(cover["kind"], "bytes");
    assert!(cover["bytes"].as_u64().is_some_and(|bytes| bytes > 50), "{cover}");
    for extra in extras.iter().filter(|extra| extra["kind"] != "bytes") {
        assert_eq!(keys(extra), ["bytes", "key", "kind", "value"]);
        assert_eq!(extra["bytes"], Value::Null);
    }
    assert!(app.names().is_empty());
}

#[test]
fn a_named_decoder_is_asked_and_no_other() {
    let app = App::new();
    let named = format!("{BUNDLED}:symphonia");
    let document = app.json(&["probe", text(&audio("wav-info-before.wav")), "--decoder", &named]);
    assert_eq!(
        (&document["metadata"]["tags"]["title"], &document["metadata"]["tags"]["year"]),
        (&"Odd".into(), &2024.into())
    );
    let error = app.failure(&["probe", text(&audio("demo.flac")), "--decoder", "no.such.plugin:x"]);
    assert_eq!(error["kind"], "not_found");
}

#[test]
fn the_cover_is_written_whole_or_not_at_all() {
    let app = App::new();
    fs::write(app.path("cover.png"), "precious").expect("writable");
    let document = app.json(&["probe", text(&audio("demo.flac")), "--cover", "cover.png"]);
    assert_eq!(keys(&document), ["decoder", "info", "metadata"], "nothing else in the document");
    let cover = fs::read(app.path("cover.png")).expect("there");
    assert!(cover.starts_with(b"\x89PNG\r\n\x1a\n") && cover.ends_with(b"IEND\xae\x42\x60\x82"), "a whole PNG");
    assert_eq!(app.names(), ["cover.png"]);

    fs::write(app.path("cover.png"), "precious").expect("writable");
    fs::copy(audio("wav-s16.wav"), app.path("in.wav")).expect("writable");
    let demo = audio("demo.flac");
    let demo = text(&demo);
    let cases: [(&[&str], &str); 4] = [
        (&["in.wav", "--cover", "cover.png"], "not_found"),
        (&["missing.flac", "--cover", "cover.png"], "not_found"),
        (&[demo, "--cover", "none/cover.png"], "io"),
        (&[demo, "--cover", "."], "invalid_argument"),
    ];
    for (args, kind) in cases {
        let error = app.failure(&[&["probe"], args].concat());
        assert_eq!(error["kind"], kind, "{args:?}: {error}");
        assert!(error["help"].as_str().is_some_and(|help| !help.is_empty()), "{args:?}: {error}");
        assert_eq!(fs::read(app.path("cover.png")).expect("there"), b"precious", "{args:?}");
        assert_eq!(app.names(), ["cover.png", "in.wav"], "{args:?}");
    }
    let error = app.failure(&["probe", "in.wav", "--cover", "cover.png"]);
    assert!(error["message"].as_str().is_some_and(|text| text.contains("has no cover")), "{error}");
}

#[test]
fn what_no_decoder_knows_is_no_document() {
    let app = App::new();
    fs::write(app.path("garbage.flac"), [0x5A; 5_000]).expect("writable");
    let error = app.failure(&["probe", "garbage.flac"]);
    assert_eq!(error["kind"], "plugin_error");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("cannot probe garbage.flac")), "{error}");
}

#[test]
fn text_tells_the_same_in_lines() {
    let app = App::new();
    let run = app.run(&["probe", text(&audio("demo.flac")), "--cover", "cover.png"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    for part in [BUNDLED, "44100 Hz", "0:20", "Eight Bars", "Stellatune, Karplus and Strong", "3 of 12", "cover.png"] {
        assert!(run.stdout.contains(part), "no {part:?} in {}", run.stdout);
    }
    assert!(run.stdout.lines().count() < 30, "{}", run.stdout);
}

//! Tags, covers and every kind of value come through as they are.

use stellatune_plugin_core::{
    error::TrapKind,
    limits::Budget,
    types::{AudioTags, EncodedAudioFormat, MediaMetadata, MetadataEntry, MetadataValue},
};

use crate::support::{
    Case, Subject,
    audio::{StreamInfo, assert_same},
    fixture::{self, SYMPHONIA},
    guest::{GENEROUS, Guest, floats, trap_kind},
    stream::Script,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("metadata/flac-tags", [SYMPHONIA], flac_tags),
        Case::new("metadata/flac-cover", [SYMPHONIA], flac_cover),
        Case::new("metadata/wav-info", [SYMPHONIA], wav_info),
        Case::new("metadata/while-reading", [SYMPHONIA], while_reading),
        Case::new("metadata/every-field", ["metadata"], every_field),
        Case::new("metadata/several-mib", ["edge-decoder"], several_mib),
        Case::new("metadata/beyond-the-boundary", ["edge-decoder"], beyond_the_boundary),
    ]
}

fn of(guest: &mut Guest, file: &str) -> MediaMetadata {
    let session = guest.open(Script::new(fixture::audio(file)).boxed(), file.rsplit('.').next().unwrap_or_default());
    let session = session.expect("opens");
    guest.decoder(|decoder| decoder.metadata(session)).expect("has metadata")
}

fn flac_tags(subject: &Subject) {
    let metadata = of(&mut Guest::new(subject, SYMPHONIA), "demo.flac");
    let text = |text: &str| Some(text.to_owned());
    let expected = AudioTags {
        title: text("Eight Bars"),
        album: text("Test Signals"),
        artists: vec!["Stellatune".into(), "Karplus and Strong".into()],
        album_artists: vec!["Stellatune".into()],
        genres: vec!["Electronic".into()],
        track_number: Some(3),
        track_total: Some(12),
        disc_number: Some(1),
        disc_total: Some(1),
        year: Some(2024),
        comment: text("made by fixtures/audio/make.sh"),
    };
    assert_eq!(metadata.tags, expected);
    assert_eq!(metadata.format.codec, "flac");
    assert_eq!((metadata.format.sample_rate, metadata.format.channels), (Some(44_100), Some(2)));
    let frames = StreamInfo::of(&fixture::audio("demo.flac")).frames;
    assert_eq!(metadata.duration_ms, Some(frames * 1000 / 44_100));
}

fn flac_cover(subject: &Subject) {
    let metadata = of(&mut Guest::new(subject, SYMPHONIA), "demo.flac");
    let cover = metadata.extras.iter().find(|entry| entry.key.contains("cover")).expect("has a cover");
    let MetadataValue::Bytes(bytes) = &cover.value else { panic!("a cover is bytes: {cover:?}") };
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.ends_with(b"IEND\xae\x42\x60\x82"), "a whole PNG");
    let file = fixture::audio("demo.flac");
    assert!(file.windows(bytes.len()).any(|window| window == &**bytes), "the very bytes of the file");
}

fn wav_info(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let before = of(&mut guest, "wav-info-before.wav").tags;
    assert_eq!((before.title.as_deref(), before.track_number), (Some("Odd"), Some(7)));
    assert_eq!((before.artists, before.year), (vec!["Stellatune".to_owned()], Some(2024)));
    let behind = of(&mut guest, "wav-info-behind.wav").tags;
    assert_eq!((behind.title.as_deref(), behind.album.as_deref()), (Some("Behind"), Some("Album")));
    assert_eq!(behind.comment.as_deref(), Some("after the audio"));
}

/// Asking for metadata does not disturb the samples.
fn while_reading(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let file = fixture::audio("wav-info-behind.wav");
    let expected = guest.decode(Script::new(file.clone()).boxed(), "wav");
    let session = guest.open(Script::new(file).boxed(), "wav").expect("opens");
    let first = guest.read(session, 100).expect("reads");
    let mut samples: Vec<f32> = floats(&first).collect();
    guest.decoder(|decoder| decoder.metadata(session)).expect("has metadata");
    samples.extend(guest.read_all(session).0);
    assert_same("around metadata", &samples, &expected, 2);
}

/// Every field of every record and every case of `metadata-value`, written byte by byte by the guest.
fn every_field(subject: &Subject) {
    let mut guest = Guest::new(subject, "metadata");
    let session = guest.open(Script::new(Vec::new()).boxed(), "x").expect("opens");
    let metadata = guest.decoder(|decoder| decoder.metadata(session)).expect("has metadata");
    let text = |text: &str| Some(text.to_owned());
    let entry = |key: &str, value| MetadataEntry { key: key.to_owned(), value };
    let expected = MediaMetadata {
        tags: AudioTags {
            title: text("title"),
            album: text("album"),
            artists: vec!["one".into(), "two".into()],
            album_artists: vec![String::new()],
            genres: Vec::new(),
            track_number: Some(1),
            track_total: Some(2),
            disc_number: Some(3),
            disc_total: Some(u32::MAX),
            year: None,
            comment: text("caf\u{e9} \u{1f3b5}"),
        },
        duration_ms: Some(0x1_0000_0001),
        format: EncodedAudioFormat {
            codec: "flac".into(),
            sample_rate: Some(96_000),
            channels: Some(6),
            bitrate_kbps: None,
            container: text("ogg"),
        },
        extras: vec![
            entry("text", MetadataValue::Text("t".into())),
            entry("boolean", MetadataValue::Boolean(true)),
            entry("uint32", MetadataValue::Uint32(0xfedc_ba98)),
            entry("uint64", MetadataValue::Uint64(u64::MAX)),
            entry("int64", MetadataValue::Int64(-2)),
            entry("float64", MetadataValue::Float64(-0.5)),
            entry("bytes", MetadataValue::Bytes(vec![0, 255, 0])),
        ],
    };
    assert_eq!(metadata, expected);
}

fn several_mib(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    let session = guest.open(Script::new(Vec::new()).boxed(), "big-metadata-12288").expect("opens");
    let metadata = guest.decoder(|decoder| decoder.metadata(session)).expect("fits the boundary");
    let blob = metadata.extras.iter().find(|entry| entry.key == "blob").expect("has a blob");
    assert_eq!(blob.value, MetadataValue::Bytes(vec![0x5a; 12 << 20]));
}

/// More than the call may hand over ends the guest before the host allocates it. // G09
fn beyond_the_boundary(subject: &Subject) {
    for hint in ["big-metadata-2048", "big-pcm-2048"] {
        let mut guest = Guest::new(subject, "edge-decoder");
        let session = guest.open(Script::new(Vec::new()).boxed(), hint).expect("opens");
        guest.budget(Budget { boundary_bytes: 1 << 20, ..GENEROUS });
        let kind = if hint.contains("metadata") {
            trap_kind(guest.decoder(|decoder| decoder.metadata(session)))
        } else {
            trap_kind(guest.read(session, 1))
        };
        assert_eq!(kind, TrapKind::Memory, "{hint}");
    }
}

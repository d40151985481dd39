//! The decoder without a host: the formats that are neither FLAC nor WAV. What is lossless is compared with the samples
//! it was made of, what is lossy by its length, as the samples are Symphonia's own.

#[allow(dead_code, reason = "each test uses a part of it")]
mod common;

use std::time::Duration;

use common::{decode, open, read, samples};
use stellatune_plugin_sdk::{Decoder, Error, MediaMetadata, MetadataValue};

/// Frames of what the lossy files were made of, in stereo and in mono.
const SONG: u64 = 100_003;
const MONO: u64 = 50_021;

#[test]
fn what_is_lossless_is_exact() {
    for (name, source) in [
        ("aiff-s16.aiff", "wav-s16.wav"),
        ("aiff-s24.aif", "wav-s24.wav"),
        ("aiff-s16-mono.aiff", "wav-s16-mono.wav"),
        ("aiff-f32.aifc", "wav-f32.wav"),
        ("aiff-sowt.aifc", "wav-s16.wav"),
        ("aiff-id3.aiff", "wav-s16.wav"),
        ("aiff-text.aiff", "wav-s16.wav"),
        ("aiff-1-frame.aiff", "wav-1-frame.wav"),
        ("aiff-0-frames.aiff", "wav-0-frames.wav"),
        ("caf-s16.caf", "wav-s16.wav"),
        ("caf-s24.caf", "wav-s24.wav"),
        ("caf-f32.caf", "wav-f32.wav"),
        ("caf-alac-s16.caf", "wav-s16.wav"),
        ("alac-s16.m4a", "wav-s16.wav"),
        ("alac-s24.m4a", "wav-s24.wav"),
        ("alac-s16-mono.m4a", "wav-s16-mono.wav"),
        ("alac-1-frame.m4a", "wav-1-frame.wav"),
        ("ogg-flac.oga", "wav-s16.wav"),
    ] {
        let info = open(read(name)).unwrap().info().unwrap();
        let of_source = open(read(source)).unwrap().info().unwrap();
        assert_eq!((info.sample_rate, info.channels), (of_source.sample_rate, of_source.channels), "{name}");
        assert_eq!((info.encoder_delay_frames, info.encoder_padding_frames), (0, 0), "{name}");
        assert_eq!(decode(read(name), 1000).unwrap(), decode(read(source), 1000).unwrap(), "{name}");
    }
}

#[test]
fn what_is_lossy_has_the_length_of_its_source_once_trimmed() {
    for (name, frames, delay) in [
        ("demo.mp3", 882_000, 1105),
        ("mp3-cbr.mp3", SONG, 1105),
        ("mp3-vbr.mp3", SONG, 1105),
        ("mp3-1-frame.mp3", 1, 1105),
        ("mp3-0-frames.mp3", 0, 1105),
        ("aac.m4a", SONG, 1024),
        ("aac-itunsmpb.m4a", SONG, 1024),
        ("aac-tags.m4a", SONG, 1024),
        ("aac-mono.mp4", MONO, 1024),
        ("vorbis.ogg", SONG, 128),
        ("vorbis-ffmpeg.ogg", SONG, 128),
        ("vorbis-mono.oga", MONO, 128),
        ("vorbis-tags.ogg", MONO, 128),
        ("vorbis-1-frame.ogg", 1, 128),
        ("vorbis-0-frames.ogg", 0, 128),
        ("opus.opus", 24_000, 312),
        ("opus-mono.opus", 24_000, 312),
    ] {
        let info = open(read(name)).unwrap().info().unwrap();
        let decoded = decode(read(name), 1000).unwrap().len() as u64 / u64::from(info.channels);
        let trimmed = decoded - u64::from(info.encoder_delay_frames) - u64::from(info.encoder_padding_frames);
        assert_eq!((trimmed, info.encoder_delay_frames), (frames, delay), "{name}");
        assert_eq!(info.duration_ms, Some(decoded * 1000 / u64::from(info.sample_rate)), "{name}");
    }
}

#[test]
fn what_tells_no_length_is_measured() {
    for (name, frames) in [
        ("mp3-cbr-no-header.mp3", 101_376),
        ("mp3-vbr-no-header.mp3", 101_376),
        ("mp3-mono-32.mp3", 26_496),
        ("adts.aac", 101_376),
    ] {
        let info = open(read(name)).unwrap().info().unwrap();
        assert_eq!(info.duration_ms, Some(frames * 1000 / u64::from(info.sample_rate)), "{name}");
        assert_eq!((info.encoder_delay_frames, info.encoder_padding_frames), (0, 0), "{name}");
        assert_eq!(decode(read(name), 1000).unwrap().len() as u64, frames * u64::from(info.channels), "{name}");
    }
    let fragments = decode(read("aac-fragments.mp4"), 1000).unwrap();
    assert_eq!(fragments.len(), 2 * 101_376);
}

#[test]
fn delay_is_where_the_sound_begins() {
    let song = decode(read("demo.flac"), 1000).unwrap();
    let song = &song[2 * 88_200..2 * (88_200 + SONG as usize)];
    for name in ["mp3-cbr.mp3", "mp3-vbr.mp3", "aac.m4a", "aac-itunsmpb.m4a", "vorbis.ogg", "vorbis-ffmpeg.ogg"] {
        let delay = open(read(name)).unwrap().info().unwrap().encoder_delay_frames as usize;
        let decoded = decode(read(name), 1000).unwrap();
        let difference = |start: usize| -> f64 {
            let pairs = decoded[2 * start..].iter().zip(song);
            pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum()
        };
        let nearest = (delay - 20..delay + 20).min_by(|a, b| difference(*a).total_cmp(&difference(*b)));
        assert_eq!(nearest, Some(delay), "{name}");
    }
}

#[test]
fn seeking_lands_on_the_very_frame() {
    for name in [
        "aiff-s24.aif",
        "caf-s16.caf",
        "caf-alac-s16.caf",
        "alac-s16.m4a",
        "aac.m4a",
        "aac-mono.mp4",
        "adts.aac",
        "demo.mp3",
        "mp3-vbr-no-header.mp3",
        "mp3-mono-32.mp3",
        "mp3-22050.mp3",
        "vorbis.ogg",
        "vorbis-ffmpeg.ogg",
        "vorbis-mono.oga",
        "ogg-flac.oga",
    ] {
        let whole = decode(read(name), 1024).unwrap();
        let mut decoder = open(read(name)).unwrap();
        let info = decoder.info().unwrap();
        let (channels, duration) = (usize::from(info.channels), info.duration_ms.unwrap());
        // The second time it has been at its end before.
        for round in 0..2 {
            for position in [0, 1, duration / 2, duration / 3, duration - 20, duration - 1, 0, 100] {
                decoder.seek(Duration::from_millis(position)).unwrap();
                let frame = (position * u64::from(info.sample_rate) / 1000) as usize;
                let chunk = decoder.read_pcm(500).unwrap();
                let expected = &whole[(frame * channels).min(whole.len())..];
                let expected = &expected[..expected.len().min(500 * channels)];
                assert!(samples(&chunk.interleaved_f32le) == expected, "{name} at {position} ms, {round}");
            }
            while !decoder.read_pcm(u32::MAX).unwrap().eof {}
        }
    }
}

#[test]
fn tags_are_told_in_every_encoding() {
    for (name, title, artist) in [
        ("mp3-id3-latin1.mp3", "Café", "Björk"),
        ("mp3-id3-utf16.mp3", "星の調べ", "Ελλάδα"),
        ("mp3-id3-utf8.mp3", "星の調べ", "Ελλάδα"),
        ("mp3-id3v1.mp3", "Cafe au lait", "Bjork"),
        ("aac-tags.m4a", "星の調べ", "Björk"),
        ("vorbis-tags.ogg", "星の調べ", "Ελλάδα"),
    ] {
        let metadata = metadata(name);
        let tags = &metadata.tags;
        assert_eq!(
            (tags.title.as_deref(), tags.artists.first().map(String::as_str)),
            (Some(title), Some(artist)),
            "{name}"
        );
        assert_eq!((tags.album.as_deref(), &tags.genres[..]), (Some("Ålbum"), ["Electronic".to_owned()].as_slice()));
        assert_eq!((tags.year, tags.track_number), (Some(2024), Some(3)), "{name}");
        let has_comment = name != "mp3-id3-utf8.mp3";
        assert_eq!(tags.comment.as_deref(), has_comment.then_some("Größe"), "{name}");
    }
    for name in ["mp3-id3-utf8.mp3", "aac-tags.m4a"] {
        let tags = metadata(name).tags;
        assert_eq!((tags.track_total, tags.disc_number, tags.disc_total), (Some(12), Some(1), Some(2)), "{name}");
        assert_eq!(tags.album_artists, ["Various"], "{name}");
    }
    assert_eq!(metadata("vorbis-tags.ogg").tags.artists, ["Ελλάδα", "Björk"]);
    let aiff = metadata("aiff-id3.aiff").tags;
    assert_eq!((aiff.title.as_deref(), &aiff.artists[..]), (Some("Größe"), ["Ångström".to_owned()].as_slice()));
    let aiff = metadata("aiff-text.aiff").tags;
    assert_eq!((aiff.title.as_deref(), aiff.comment.as_deref()), (Some("Text chunk"), Some("plain")));
    assert_eq!(aiff.artists, ["Stellatune"]);
}

#[test]
fn covers_are_told() {
    let covers: [(&str, &[u8], &str); 5] = [
        ("mp3-id3-latin1.mp3", b"\xff\xd8\xff", "image/jpeg"),
        ("mp3-id3-utf16.mp3", b"\x89PNG", "image/png"),
        ("mp3-id3-utf8.mp3", b"\x89PNG", "image/png"),
        ("aac-tags.m4a", b"\x89PNG", "image/png"),
        ("vorbis-tags.ogg", b"\x89PNG", "image/png"),
    ];
    for (name, magic, media_type) in covers {
        let metadata = metadata(name);
        let extra = |key: &str| metadata.extras.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        assert!(matches!(extra("cover"), Some(MetadataValue::Bytes(bytes)) if bytes.starts_with(magic)), "{name}");
        assert_eq!(extra("cover_mime"), Some(&MetadataValue::Text(media_type.to_owned())), "{name}");
    }
}

#[test]
fn codec_and_container_are_told() {
    for (name, codec, container) in [
        ("demo.mp3", "mp3", "mp3"),
        ("aac.m4a", "aac", "mp4"),
        ("alac-s16.m4a", "alac", "mp4"),
        ("caf-alac-s16.caf", "alac", "caf"),
        ("adts.aac", "aac", "adts"),
        ("vorbis.ogg", "vorbis", "ogg"),
        ("opus.opus", "opus", "ogg"),
        ("ogg-flac.oga", "flac", "ogg"),
        ("aiff-s24.aif", "pcm-24", "aiff"),
    ] {
        let format = metadata(name).format;
        assert_eq!((format.codec.as_str(), format.container.as_deref()), (codec, Some(container)), "{name}");
    }
}

#[test]
fn what_is_cut_off_or_damaged_ends_in_samples_or_in_words() {
    let mut seed = 1u32;
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize
    };
    for name in [
        "mp3-id3-utf16.mp3",
        "aac-tags.m4a",
        "adts.aac",
        "vorbis-tags.ogg",
        "opus.opus",
        "aiff-id3.aiff",
        "caf-alac-s16.caf",
    ] {
        let bytes = read(name);
        for _ in 0..50 {
            drain(bytes[..random() % bytes.len()].to_vec());
            let mut damaged = bytes.clone();
            for _ in 0..4 {
                let at = random() % damaged.len();
                damaged[at] = random() as u8;
            }
            drain(damaged);
        }
    }
}

/// Decodes what can be, for as long as no stream of the kind takes.
fn drain(bytes: Vec<u8>) {
    let Ok(mut decoder) = open(bytes) else { return };
    for _ in 0..10_000 {
        match decoder.read_pcm(1024) {
            Ok(chunk) if chunk.eof => return,
            Ok(chunk) => assert!(chunk.frames > 0),
            Err(error) => assert!(matches!(error, Error::Io(_) | Error::Unsupported(_)), "{error}"),
        }
    }
    panic!("no end");
}

fn metadata(name: &str) -> MediaMetadata {
    open(read(name)).unwrap().metadata().unwrap()
}

//! The decoder without a host: FLAC and WAV, sample by sample. `formats.rs` has the others. How it behaves inside an
//! engine is the matter of the conformance suite.

#[allow(dead_code, reason = "each test uses a part of it")]
mod common;

use std::fs;
use std::time::Duration;

use common::{decode, files, open, read, samples};
use stellatune_plugin_sdk::{Decoder, Error, MetadataValue};
use symphonia::core::checksum::Md5;
use symphonia::core::io::Monitor;

#[test]
fn flac_matches_the_md5_in_its_header() {
    let mut compared = 0;
    for path in files("flac") {
        let bytes = fs::read(&path).unwrap();
        let md5 = &bytes[26..42];
        if md5.iter().all(|&byte| byte == 0) {
            continue;
        }
        let bits = (u16::from(bytes[20] & 1) << 4 | u16::from(bytes[21] >> 4)) + 1;
        let samples = decode(bytes.clone(), 1024).unwrap();
        let mut state = Md5::default();
        for sample in samples {
            let integer = (f64::from(sample) * f64::from(1u32 << (bits - 1))) as i32;
            state.process_buf_bytes(&integer.to_le_bytes()[..usize::from(bits.div_ceil(8))]);
        }
        assert_eq!(state.md5(), md5, "{}", path.display());
        compared += 1;
    }
    assert!(compared >= 25, "{compared} files");
}

#[test]
fn wav_samples_are_what_the_file_holds() {
    let scale = |bits: u32| (1u64 << (bits - 1)) as f64;
    let s24 = |b: &[u8]| (f64::from(i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8) / scale(24)) as f32;
    type ToF32<'a> = &'a dyn Fn(&[u8]) -> f32;
    let cases: [(&str, usize, ToF32<'_>); 8] = [
        ("wav-u8.wav", 1, &|b| ((f64::from(b[0]) - 128.0) / scale(8)) as f32),
        ("wav-s16.wav", 2, &|b| (f64::from(i16::from_le_bytes([b[0], b[1]])) / scale(16)) as f32),
        ("wav-s16-mono.wav", 2, &|b| (f64::from(i16::from_le_bytes([b[0], b[1]])) / scale(16)) as f32),
        ("wav-s24.wav", 3, &s24),
        ("wav-extensible-s24.wav", 3, &s24),
        ("wav-s32.wav", 4, &|b| (f64::from(i32::from_le_bytes(b.try_into().unwrap())) / scale(32)) as f32),
        ("wav-f32.wav", 4, &|b| f32::from_le_bytes(b.try_into().unwrap())),
        ("wav-f64.wav", 8, &|b| f64::from_le_bytes(b.try_into().unwrap()) as f32),
    ];
    for (name, width, sample) in cases {
        let bytes = read(name);
        let start = bytes.windows(4).position(|window| window == b"data").unwrap() + 8;
        let expected: Vec<f32> = bytes[start..].chunks_exact(width).map(sample).collect();
        assert_eq!(decode(bytes, 1024).unwrap(), expected, "{name}");
    }
}

#[test]
fn the_size_of_the_blocks_does_not_matter() {
    let whole = decode(read("flac-blocksize-576.flac"), u32::MAX).unwrap();
    assert_eq!(whole.len(), 13_230 * 2);
    for frames in [1, 7, 575, 576, 577, 4096] {
        assert_eq!(decode(read("flac-blocksize-576.flac"), frames).unwrap(), whole, "{frames}");
    }
}

#[test]
fn seeking_lands_on_the_very_frame() {
    for name in ["demo.flac", "flac-blocksize-576.flac", "flac-8000-24-1.flac", "wav-s24.wav", "wav-s16-mono.wav"] {
        let whole = decode(read(name), 1024).unwrap();
        let mut decoder = open(read(name)).unwrap();
        let info = decoder.info().unwrap();
        let (channels, duration) = (usize::from(info.channels), info.duration_ms.unwrap());
        for position in [0, 1, duration / 2, duration / 3, duration - 1, 0, 100, duration] {
            decoder.seek(Duration::from_millis(position)).unwrap();
            let frame = (position * u64::from(info.sample_rate) / 1000) as usize;
            let chunk = decoder.read_pcm(500).unwrap();
            let expected = &whole[(frame * channels).min(whole.len())..];
            let expected = &expected[..expected.len().min(500 * channels)];
            assert_eq!(samples(&chunk.interleaved_f32le), expected, "{name} at {position} ms");
        }
        let behind = decoder.seek(Duration::from_millis(duration + 1000));
        assert!(matches!(behind, Err(Error::InvalidArg(_))), "{name}: {behind:?}");
        decoder.seek(Duration::ZERO).unwrap();
        assert_eq!(samples(&decoder.read_pcm(10).unwrap().interleaved_f32le), whole[..10 * channels], "{name}");
    }
}

#[test]
fn short_streams_end_at_once() {
    assert!(decode(read("wav-0-frames.wav"), 1024).unwrap().is_empty());
    assert_eq!(decode(read("wav-1-frame.wav"), 1024).unwrap().len(), 2);
    assert_eq!(decode(read("flac-1-frame.flac"), 1024).unwrap().len(), 2);
    assert_eq!(decode(read("wav-unknown-length.wav"), 1024).unwrap().len(), 2000);
    assert!(decode(read("flac-0-frames.flac"), 1024).unwrap().is_empty());
    let mut empty = open(read("flac-0-frames.flac")).unwrap();
    let info = empty.info().unwrap();
    assert_eq!((info.sample_rate, info.channels, info.duration_ms), (44_100, 2, Some(0)));
    empty.seek(Duration::ZERO).unwrap();
    assert!(matches!(empty.seek(Duration::from_secs(1)), Err(Error::InvalidArg(_))));
    // Without the MD5 of nothing the number of frames is unknown, so the stream is cut off.
    let mut unknown = read("flac-0-frames.flac");
    unknown[26..42].fill(0);
    assert!(matches!(open(unknown), Err(Error::Io(_))));
}

#[test]
fn what_is_cut_off_says_so_after_what_is_whole() {
    for name in ["demo.flac", "wav-s16.wav"] {
        let whole = decode(read(name), 1024).unwrap();
        let mut bytes = read(name);
        bytes.truncate(bytes.len() / 2);
        let mut decoder = open(bytes).unwrap();
        let mut good = Vec::new();
        let error = loop {
            match decoder.read_pcm(1024) {
                Ok(chunk) => {
                    assert!(!chunk.eof, "{name}");
                    good.extend(samples(&chunk.interleaved_f32le));
                }
                Err(error) => break error,
            }
        };
        assert!(matches!(&error, Error::Io(text) if text.contains("cut off")), "{name}: {error}");
        assert!(good.len() > whole.len() / 3, "{name}");
        assert_eq!(good, whole[..good.len()], "{name}");
        assert!(decoder.read_pcm(1024).unwrap().eof, "{name}");
    }
    for length in 0..400 {
        let opened = open(read("demo.flac")[..length].to_vec());
        assert!(matches!(opened, Err(Error::Io(_))), "{length} bytes");
    }
}

#[test]
fn what_is_damaged_says_so_and_goes_on() {
    let whole = decode(read("demo.flac"), 1024).unwrap();
    let mut bytes = read("demo.flac");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20_000].fill(0xff);
    let mut decoder = open(bytes).unwrap();
    let (mut errors, mut tail) = (0, Vec::new());
    loop {
        match decoder.read_pcm(1024) {
            Ok(chunk) if chunk.interleaved_f32le.is_empty() => break,
            Ok(chunk) => tail.extend(samples(&chunk.interleaved_f32le)),
            Err(Error::Io(_)) => {
                errors += 1;
                tail.clear();
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(errors >= 1);
    assert!(tail.len() > whole.len() / 3);
    assert_eq!(tail, whole[whole.len() - tail.len()..]);
}

#[test]
fn what_is_neither_is_left_to_others() {
    let mut noise = read("demo.flac");
    noise.reverse();
    assert!(matches!(open(noise), Err(Error::Unsupported(_))));
    assert!(matches!(open(b"RIFF\x10\0\0\0AVI LIST".to_vec()), Err(Error::Unsupported(_))));
    assert!(matches!(open(Vec::new()), Err(Error::Io(_))));
}

#[test]
fn tags_and_cover_are_told() {
    let mut decoder = open(read("demo.flac")).unwrap();
    let info = decoder.info().unwrap();
    assert_eq!((info.sample_rate, info.channels, info.duration_ms), (44_100, 2, Some(20_000)));
    assert_eq!((info.encoder_delay_frames, info.encoder_padding_frames), (0, 0));
    let metadata = decoder.metadata().unwrap();
    let tags = &metadata.tags;
    assert_eq!(tags.title.as_deref(), Some("Eight Bars"));
    assert_eq!(tags.artists, ["Stellatune", "Karplus and Strong"]);
    assert_eq!(tags.album.as_deref(), Some("Test Signals"));
    assert_eq!((tags.album_artists.len(), &tags.genres[..]), (1, ["Electronic".to_owned()].as_slice()));
    assert_eq!(
        (tags.track_number, tags.track_total, tags.disc_number, tags.year),
        (Some(3), Some(12), Some(1), Some(2024))
    );
    assert!(tags.comment.as_deref().unwrap().contains("make.sh"));
    let extra = |key: &str| metadata.extras.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
    assert!(matches!(extra("cover"), Some(MetadataValue::Bytes(png)) if png.starts_with(b"\x89PNG")));
    assert_eq!(extra("composer"), Some(&MetadataValue::Text("make.sh".to_owned())));
    assert_eq!((metadata.format.codec.as_str(), metadata.format.bitrate_kbps), ("flac", Some(651)));
}

#[test]
fn riff_tags_are_told_wherever_they_stand() {
    let before = open(read("wav-info-before.wav")).unwrap().metadata().unwrap();
    assert_eq!(before.tags.title.as_deref(), Some("Odd"));
    assert_eq!((before.tags.year, before.tags.track_number), (Some(2024), Some(7)));
    assert_eq!(before.tags.artists, ["Stellatune"]);
    assert_eq!((before.format.codec.as_str(), before.format.container.as_deref()), ("pcm-16", Some("wav")));
    let behind = open(read("wav-info-behind.wav")).unwrap().metadata().unwrap();
    assert_eq!(behind.tags.title.as_deref(), Some("Behind"));
    assert_eq!(behind.tags.comment.as_deref(), Some("after the audio"));
}

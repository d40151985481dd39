//! Formats beside FLAC and WAV: decoded as native Symphonia does, whole or damaged, with their tags and without their gaps.

use std::{fmt::Write, path::Path};

use stellatune_plugin_core::{
    error::PluginError,
    types::{DecoderInfo, MediaMetadata, MetadataValue},
};
use stellatune_plugins::{DecoderChoice, Input, Runtime};

use super::input::survives;
use crate::support::{
    Case, Subject,
    audio::{Wav, assert_near, assert_same},
    fixture::{self, SYMPHONIA},
    guest::{Guest, refusal},
    native,
    package::{Home, installed, open, read_all, wait},
    random::Random,
    stream::Script,
};

/// The extensions of fixtures/audio that native Symphonia decodes, beside `flac` and `wav`.
const EXTENSIONS: [&str; 10] = ["mp3", "m4a", "mp4", "aac", "ogg", "oga", "aiff", "aif", "aifc", "caf"];

/// How far lossy samples may be from native ones: other processors and compilers round in other places.
const ROUNDING: f32 = 1.0 / 262_144.0;

/// A small file of each format, for what is done to it hundreds of times, and how often at least it is decoded in part
/// when it is cut off in 25 places: of AIFF, CAF and MP4, Symphonia wants every chunk before it begins, and a page of Ogg
/// is whole or worth nothing.
const SMALL: [(&str, usize); 11] = [
    ("mp3-id3-utf16.mp3", 6),
    ("mp3-mono-32.mp3", 15),
    ("aac-mono.mp4", 0),
    ("adts.aac", 15),
    ("alac-s16-mono.m4a", 0),
    ("vorbis-mono.oga", 6),
    ("opus.opus", 0),
    ("opus-mono.opus", 0),
    ("aiff-id3.aiff", 0),
    ("caf-s16.caf", 0),
    ("caf-alac-s16.caf", 0),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("formats/lossless-is-exact", [SYMPHONIA], lossless),
        Case::new("formats/opus-is-as-libopus", [SYMPHONIA], opus),
        Case::new("formats/trimmed-length", [SYMPHONIA], trimmed_length),
        Case::new("formats/trimmed-seek", [SYMPHONIA], trimmed_seek),
        Case::new("formats/opus-seek", [SYMPHONIA], opus_seek),
        Case::new("formats/stated-length", [SYMPHONIA], stated_length),
        Case::new("formats/tags", [SYMPHONIA], tags),
        Case::new("formats/covers", [SYMPHONIA], covers),
        Case::new("formats/huge-tags", [SYMPHONIA], huge_tags),
        Case::new("formats/unseekable", [SYMPHONIA], unseekable),
        Case::new("formats/routed-by-extension", [SYMPHONIA], routed),
    ];
    for ext in EXTENSIONS {
        for file in fixture::audio_files(ext) {
            let name = format!("formats/{file}");
            cases.push(Case::new(name, [SYMPHONIA], move |subject| like_native(subject, &file)));
        }
    }
    for (file, decoded) in SMALL {
        let name = |what: &str| format!("formats/{what}-{file}");
        cases.push(Case::new(name("truncated"), [SYMPHONIA], move |subject| truncated(subject, file, decoded)));
        cases.push(Case::new(name("damaged"), [SYMPHONIA], move |subject| damaged(subject, file)));
    }
    cases
}

fn ext(file: &str) -> &str {
    Path::new(file).extension().and_then(|ext| ext.to_str()).expect("the file has an extension")
}

/// All samples of a file, untrimmed, and what is said of it.
fn decoded(guest: &mut Guest, file: &str) -> (DecoderInfo, Vec<f32>) {
    let session = guest.open(Script::new(fixture::audio(file)).boxed(), ext(file)).expect("opens");
    let info = guest.decoder(|decoder| decoder.info(session)).expect("has an info");
    let (samples, end) = guest.read_all(session);
    end.expect("decodes to the end");
    guest.close(session).expect("closes");
    (info, samples)
}

/// As many samples as natively and the same ones, to the bit if nothing was lost in encoding.
fn like_native(subject: &Subject, file: &str) {
    let (info, samples) = decoded(&mut Guest::new(subject, SYMPHONIA), file);
    let native = native::decode(fixture::audio(file), ext(file));
    assert_eq!((info.sample_rate, info.channels), (native.sample_rate, native.channels));
    let is_lossless = ["aif", "caf", "alac", "ogg-flac"].iter().any(|kind| file.starts_with(kind));
    let rounding = if is_lossless { 0.0 } else { ROUNDING };
    assert_near(file, &samples, &native.samples, native.channels, rounding);
}

/// What encodes without loss gives the samples of the WAV file it was made of.
fn lossless(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    for (file, source) in [
        ("aiff-s16.aiff", "wav-s16.wav"),
        ("aiff-s24.aif", "wav-s24.wav"),
        ("aiff-f32.aifc", "wav-f32.wav"),
        ("aiff-sowt.aifc", "wav-s16.wav"),
        ("aiff-1-frame.aiff", "wav-1-frame.wav"),
        ("aiff-0-frames.aiff", "wav-0-frames.wav"),
        ("caf-s24.caf", "wav-s24.wav"),
        ("caf-f32.caf", "wav-f32.wav"),
        ("caf-alac-s16.caf", "wav-s16.wav"),
        ("alac-s24.m4a", "wav-s24.wav"),
        ("alac-s16-mono.m4a", "wav-s16-mono.wav"),
        ("alac-1-frame.m4a", "wav-1-frame.wav"),
        ("ogg-flac.oga", "wav-s16.wav"),
    ] {
        let (info, samples) = decoded(&mut guest, file);
        let source = Wav::read(&fixture::audio(source));
        assert_eq!((info.encoder_delay_frames, info.encoder_padding_frames), (0, 0), "{file}");
        assert_same(file, &samples, &source.samples, source.channels);
    }
}

/// Symphonia has no Opus to compare with. What libopus decoded was kept, in 24 bits and trimmed.
fn opus(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    for file in ["opus", "opus-mono"] {
        let (info, samples) = decoded(&mut guest, &format!("{file}.opus"));
        let expected = guest.decode(Script::new(fixture::audio(&format!("{file}-decoded.flac"))).boxed(), "flac");
        let start = info.encoder_delay_frames as usize * usize::from(info.channels);
        let trimmed = &samples[start..start + expected.len()];
        assert_near(file, trimmed, &expected, info.channels, ROUNDING);
    }
}

/// Files whose encoders said how many frames they added, and the frames of what was encoded.
const GAPPED: [(&str, u64); 16] = [
    ("demo.mp3", 882_000),
    ("mp3-cbr.mp3", 100_003),
    ("mp3-vbr.mp3", 100_003),
    ("mp3-1-frame.mp3", 1),
    ("mp3-0-frames.mp3", 0),
    ("aac.m4a", 100_003),
    ("aac-itunsmpb.m4a", 100_003),
    ("aac-mono.mp4", 50_021),
    ("vorbis.ogg", 100_003),
    ("vorbis-ffmpeg.ogg", 100_003),
    ("vorbis-mono.oga", 50_021),
    ("vorbis-tags.ogg", 50_021),
    ("vorbis-1-frame.ogg", 1),
    ("vorbis-0-frames.ogg", 0),
    ("opus.opus", 24_000),
    ("opus-mono.opus", 24_000),
];

fn opened(runtime: &Runtime, file: &str) -> stellatune_plugins::Decoder {
    open(runtime, fixture::audio(file), ext(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Trimmed, as the library does unless told otherwise, a stream is as long as what was encoded; untrimmed it has its
/// delay and padding around just that.
fn trimmed_length(subject: &Subject) {
    let (_home, runtime) = installed(subject, SYMPHONIA);
    for (file, frames) in GAPPED {
        let mut decoder = opened(&runtime, file);
        let info = *decoder.info();
        let channels = usize::from(info.channels);
        assert!(info.encoder_delay_frames > 0, "{file} has a delay");
        let trimmed = read_all(&mut decoder).expect("decodes");
        assert_eq!((trimmed.len() / channels) as u64, frames, "{file}");
        let ms = frames * 1000 / u64::from(info.sample_rate);
        assert!(
            decoder.duration_ms().expect("has a duration").abs_diff(ms) <= 1,
            "{file}: {:?}",
            decoder.duration_ms()
        );

        let mut whole = opened(&runtime, file).untrimmed();
        assert_eq!(whole.duration_ms(), info.duration_ms, "{file}");
        let whole = read_all(&mut whole).expect("decodes");
        let (delay, padding) = (info.encoder_delay_frames as usize, info.encoder_padding_frames as usize);
        assert_eq!(whole.len() / channels, delay + trimmed.len() / channels + padding, "{file}");
        assert_same(file, &trimmed, &whole[delay * channels..][..trimmed.len()], info.channels);
    }
}

/// A position is one of the music: what is read there is what a straight decode has there.
fn trimmed_seek(subject: &Subject) {
    let (_home, runtime) = installed(subject, SYMPHONIA);
    for file in ["mp3-vbr.mp3", "aac.m4a", "aac-mono.mp4", "vorbis.ogg", "alac-s16.m4a", "aiff-s24.aif"] {
        let mut decoder = opened(&runtime, file);
        let whole = read_all(&mut decoder).expect("decodes");
        let (rate, channels) = (u64::from(decoder.info().sample_rate), usize::from(decoder.info().channels));
        let end = (whole.len() / channels) as u64 * 1000 / rate;
        for ms in [0, end / 2, end - 1, 1, end / 3, end, 0] {
            wait(decoder.seek(ms)).unwrap_or_else(|error| panic!("{file} at {ms} ms: {error}"));
            let rest = read_all(&mut decoder).expect("decodes");
            let expected = &whole[(ms * rate / 1000) as usize * channels..];
            assert_same(&format!("{file} from {ms} ms"), &rest, expected, channels as u16);
        }
    }
}

/// After a seek a decoder of Opus comes near what it would have decoded, a voice slower than music; the frame is the very
/// one.
fn opus_seek(subject: &Subject) {
    let (_home, runtime) = installed(subject, SYMPHONIA);
    for file in ["opus.opus", "opus-mono.opus"] {
        let mut decoder = opened(&runtime, file);
        let whole = read_all(&mut decoder).expect("decodes");
        let channels = usize::from(decoder.info().channels);
        for ms in [0, 250, 499, 1, 100, 500] {
            wait(decoder.seek(ms)).unwrap_or_else(|error| panic!("{file} at {ms} ms: {error}"));
            let rest = read_all(&mut decoder).expect("decodes");
            let expected = &whole[48 * ms as usize * channels..];
            assert_eq!(rest.len(), expected.len(), "{file} from {ms} ms");
            let energy = |samples: &mut dyn Iterator<Item = f32>| samples.map(|sample| sample * sample).sum::<f32>();
            let error = energy(&mut rest.iter().zip(expected).map(|(got, expected)| got - expected));
            // Of a frame that is off by a few, most would be error.
            assert!(error <= 0.2 * energy(&mut expected.iter().copied()), "{file} from {ms} ms: {error}");
        }
    }
}

/// A duration is told also where no header has it.
fn stated_length(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    for file in
        ["mp3-vbr.mp3", "mp3-vbr-no-header.mp3", "mp3-cbr-no-header.mp3", "mp3-mono-32.mp3", "adts.aac", "caf-s24.caf"]
    {
        let (info, samples) = decoded(&mut guest, file);
        let frames = samples.len() as u64 / u64::from(info.channels);
        assert_eq!(info.duration_ms, Some(frames * 1000 / u64::from(info.sample_rate)), "{file}");
    }
}

fn metadata(guest: &mut Guest, bytes: Vec<u8>, ext: &str) -> MediaMetadata {
    let session = guest.open(Script::new(bytes).boxed(), ext).expect("opens");
    let metadata = guest.decoder(|decoder| decoder.metadata(session)).expect("has metadata");
    guest.close(session).expect("closes");
    metadata
}

fn tags(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    for (file, title, artist) in [
        ("mp3-id3-latin1.mp3", "Café", "Björk"),
        ("mp3-id3-utf16.mp3", "星の調べ", "Ελλάδα"),
        ("mp3-id3-utf8.mp3", "星の調べ", "Ελλάδα"),
        ("mp3-id3v1.mp3", "Cafe au lait", "Bjork"),
        ("aac-tags.m4a", "星の調べ", "Björk"),
        ("vorbis-tags.ogg", "星の調べ", "Ελλάδα"),
        ("opus.opus", "星の調べ", "Ελλάδα"),
        ("aiff-id3.aiff", "Größe", "Ångström"),
    ] {
        let tags = metadata(&mut guest, fixture::audio(file), ext(file)).tags;
        assert_eq!(tags.title.as_deref(), Some(title), "{file}");
        assert_eq!(tags.artists.first().map(String::as_str), Some(artist), "{file}");
        if !file.starts_with("aiff") {
            assert_eq!((tags.album.as_deref(), tags.year, tags.track_number), (Some("Ålbum"), Some(2024), Some(3)));
        }
    }
}

/// The first extra of bytes is the cover.
fn cover(metadata: &MediaMetadata) -> Option<&[u8]> {
    let entry = metadata.extras.iter().find(|entry| entry.key == "cover")?;
    match &entry.value {
        MetadataValue::Bytes(bytes) => Some(bytes),
        other => panic!("a cover is bytes: {other:?}"),
    }
}

fn covers(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let of_flac = metadata(&mut guest, fixture::audio("demo.flac"), "flac");
    let png = cover(&of_flac).expect("the demo has a cover");
    for file in ["mp3-id3-utf16.mp3", "mp3-id3-utf8.mp3", "aac-tags.m4a", "vorbis-tags.ogg"] {
        let metadata = metadata(&mut guest, fixture::audio(file), ext(file));
        assert!(cover(&metadata) == Some(png), "{file}: the very bytes of the picture");
    }
}

/// An ID3v2.4 tag with a title and a picture, size written in seven bits of each byte.
fn id3(picture: &[u8]) -> Vec<u8> {
    let safe = |size: usize| [21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8);
    let frame = |id: &[u8; 4], body: &[u8]| [id, &safe(body.len())[..], &[0, 0], body].concat();
    let title = frame(b"TIT2", b"\x03Huge");
    let cover = frame(b"APIC", &[b"\x03image/png\0\x03\0", picture].concat());
    let body = [title, cover].concat();
    [b"ID3\x04\0\0", &safe(body.len())[..], &body].concat()
}

/// MiBs of tags and pictures come through, more than a guest's memory takes is passed over, and the music plays.
fn huge_tags(subject: &Subject) {
    const MIB: usize = 1 << 20;
    let mut guest = Guest::new(subject, SYMPHONIA);
    let audio = fixture::audio("mp3-cbr.mp3");
    let expected = guest.decode(Script::new(audio.clone()).boxed(), "mp3");
    for (mib, is_told) in [(1, true), (8, true), (24, false), (200, false)] {
        let picture = Random(mib as u64).bytes(64).repeat(mib * MIB / 64);
        let file = [id3(&picture), audio.clone()].concat();
        for stream in [Script::new(file.clone()), Script::new(file.clone()).unseekable()] {
            assert_same(&format!("{mib} MiB"), &guest.decode(stream.boxed(), "mp3"), &expected, 2);
        }
        let metadata = metadata(&mut guest, file, "mp3");
        assert!(cover(&metadata) == is_told.then_some(&*picture), "{mib} MiB: the very bytes, or none");
        assert_eq!(metadata.tags.title.as_deref(), is_told.then_some("Huge"), "{mib} MiB");
    }
}

/// What a stream can be read for without going back is decoded; the rest says why not.
fn unseekable(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let small = SMALL.into_iter().map(|(file, _)| file);
    for file in small.filter(|file| !file.starts_with("caf")).chain(["vorbis.ogg", "mp3-vbr.mp3", "aac-fragments.mp4"])
    {
        let (_, expected) = decoded(&mut guest, file);
        let session = guest.open(Script::new(fixture::audio(file)).unseekable().boxed(), ext(file));
        let session = session.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(!guest.decoder(|decoder| decoder.info(session)).expect("has an info").seekable, "{file}");
        let (samples, end) = guest.read_all(session);
        end.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_same(file, &samples, &expected, 1);
        let error = refusal(guest.decoder(|decoder| decoder.seek_ms(session, 20)));
        assert!(matches!(error, PluginError::Unsupported(_)), "{error}");
        guest.close(session).expect("closes");
    }
    // Their indices stand behind the audio.
    for file in ["aac.m4a", "caf-s16.caf", "caf-alac-s16.caf"] {
        let error = refusal(guest.open(Script::new(fixture::audio(file)).unseekable().boxed(), ext(file)));
        assert!(!error.message().is_empty(), "it says why");
    }
}

/// Our own package decodes every file here by its name alone.
fn routed(subject: &Subject) {
    let home = Home::new();
    let runtime = home.runtime(subject);
    wait(runtime.install(fixture::plugin())).expect("installs");
    for file in ["aac.m4a", "adts.aac", "aiff-s24.aif", "aiff-sowt.aifc", "aiff-s16.aiff", "caf-s16.caf", "demo.mp3"]
        .into_iter()
        .chain(["vorbis.ogg", "vorbis-mono.oga", "opus.opus", "aac-mono.mp4", "wav-s16.wav", "demo.flac"])
    {
        let path = fixture::folder("audio").join(file);
        let mut decoder = wait(runtime.open_decoder(&Input::file(&path), &DecoderChoice::Auto)).expect("opens");
        assert_eq!(decoder.route().type_id.as_str(), "symphonia");
        assert!(wait(decoder.read(1000)).expect("reads").is_some(), "{file}");
    }
}

/// Cut off anywhere: an error or samples, and no more of those than there were.
fn truncated(subject: &Subject, file: &str, least: usize) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let bytes = fixture::audio(file);
    let (_, whole) = decoded(&mut guest, file);
    let mut decoded = 0;
    for point in 0..50 {
        // Half of the points lie in the headers.
        let length = if point < 25 { point * 24 } else { bytes.len() * (point - 25) / 25 };
        let samples = survives(&mut guest, Script::new(bytes[..length].to_vec()), ext(file));
        assert!(samples.len() <= whole.len(), "no more than the whole at {length}");
        decoded += usize::from(!samples.is_empty());
    }
    assert!(decoded >= least, "what was there is decoded: {decoded} of 25");
}

/// A few bytes changed anywhere: refusals and noise are fine, and the guest lives on.
fn damaged(subject: &Subject, file: &str) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let mut random = Random(0xda3a6ed);
    let bytes = fixture::audio(file);
    for round in 0..200 {
        let mut bytes = bytes.clone();
        // Two of three rounds damage the headers, which an MP4 may have at either end.
        let (start, end) = match round % 3 {
            0 => (0, bytes.len()),
            1 => (0, 1000),
            _ => (bytes.len() - 1500, bytes.len()),
        };
        let mut what = String::new();
        for _ in 0..=round % 4 {
            let at = start + random.below(end - start);
            bytes[at] = random.next() as u8;
            let _ = write!(what, "{at}={} ", bytes[at]);
        }
        eprintln!("{file}: {what}");
        survives(&mut guest, Script::new(bytes), ext(file));
    }
}

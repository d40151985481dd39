//! Streams as they come: empty, cut off, damaged, in pieces, forward only, failing, blocking.

use std::{sync::mpsc::channel, thread};

use stellatune_plugin_core::error::{CallError, PluginError, TrapKind};

use crate::support::{
    Case, Subject,
    audio::{StreamInfo, Wav, assert_same, md5_of},
    fixture::{self, SYMPHONIA},
    guest::{Guest, refusal, trap_kind},
    random::Random,
    stream::{Script, failure},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("input/empty", [SYMPHONIA], empty),
        Case::new("input/truncated-flac", [SYMPHONIA], |subject| truncated(subject, "flac-44100-16-2.flac", "flac")),
        Case::new("input/truncated-wav", [SYMPHONIA], |subject| truncated(subject, "wav-s24.wav", "wav")),
        Case::new("input/garbage", [SYMPHONIA], garbage),
        Case::new("input/damaged-flac", [SYMPHONIA], |subject| damaged(subject, "flac-8000-16-2.flac", "flac")),
        Case::new("input/damaged-wav", [SYMPHONIA], |subject| damaged(subject, "wav-extensible-s24.wav", "wav")),
        Case::new("input/short-reads", [SYMPHONIA], short_reads),
        Case::new("input/short-reads-echo", ["edge-decoder"], short_reads_echo),
        Case::new("input/unseekable", [SYMPHONIA], unseekable),
        Case::new("input/fails-midway", [SYMPHONIA], fails_midway),
        Case::new("input/fails-at-once", [SYMPHONIA], fails_at_once),
        Case::new("input/blocks", [SYMPHONIA], blocks),
        Case::new("input/wrong-hint", [SYMPHONIA], wrong_hint),
    ]
}

fn empty(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    for ext in ["flac", "wav", "", "mp3"] {
        for stream in [Script::new(Vec::new()), Script::new(Vec::new()).unseekable()] {
            refusal(guest.open(stream.boxed(), ext));
        }
    }
    guest.decode(Script::new(fixture::audio("flac-1-frame.flac")).boxed(), "flac");
}

/// Cut off anywhere: an error or samples, and the samples are the ones before the cut.
fn truncated(subject: &Subject, file: &str, ext: &str) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let bytes = fixture::audio(file);
    let whole = guest.decode(Script::new(bytes.clone()).boxed(), ext);
    let mut with_samples = 0;
    for point in 0..50 {
        // Half of the points lie in the headers.
        let length = if point < 25 { point * 4 } else { bytes.len() * (point - 25) / 25 };
        let samples = survives(&mut guest, Script::new(bytes[..length].to_vec()), ext);
        assert!(samples.len() <= whole.len(), "no more than the whole at {length}");
        assert_same(&format!("cut off at {length}"), &samples, &whole[..samples.len()], 2);
        with_samples += usize::from(!samples.is_empty());
    }
    assert!(with_samples >= 15, "what was there is decoded: {with_samples} of 25");
}

/// Noise, alone and behind a plausible beginning.
fn garbage(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let mut random = Random(0x5eed);
    let flac = fixture::audio("flac-44100-16-2.flac");
    let wav = fixture::audio("wav-s16.wav");
    for round in 0..40 {
        let noise = random.bytes(1 + (1 << (round % 16)));
        let head: &[u8] = match round % 5 {
            0 => b"",
            1 => b"fLaC",
            2 => &flac[..42],
            3 => b"RIFF\xff\xff\xff\xffWAVEfmt ",
            _ => &wav[..44],
        };
        for ext in ["flac", "wav"] {
            survives(&mut guest, Script::new([head, &noise].concat()), ext);
        }
    }
}

/// A few bytes changed anywhere.
fn damaged(subject: &Subject, file: &str, ext: &str) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let mut random = Random(0xda3a6ed);
    let bytes = fixture::audio(file);
    for round in 0..60 {
        let mut bytes = bytes.clone();
        // Every other round damages the headers.
        let end = if round % 2 == 0 { bytes.len() } else { 100 };
        for _ in 0..=round % 4 {
            let at = random.below(end);
            bytes[at] = random.next() as u8;
        }
        survives(&mut guest, Script::new(bytes), ext);
    }
}

/// Decodes what there is, seeks, and decodes again: refusals are fine, and the guest lives on.
pub(super) fn survives(guest: &mut Guest, stream: Script, ext: &str) -> Vec<f32> {
    let session = match guest.open(stream.boxed(), ext) {
        Ok(session) => session,
        answer => {
            refusal(answer);
            return Vec::new();
        }
    };
    let _ = alive(guest.decoder(|decoder| decoder.info(session)));
    let _ = alive(guest.decoder(|decoder| decoder.metadata(session)));
    let (samples, end) = guest.read_all(session);
    let _ = alive(end);
    if alive(guest.decoder(|decoder| decoder.seek_ms(session, 5))).is_some() {
        let _ = alive(guest.read(session, 100));
    }
    guest.close(session).expect("closes");
    samples
}

/// The answer, unless it is a refusal. A trap is what must not happen.
fn alive<T: std::fmt::Debug>(answer: Result<T, CallError>) -> Option<T> {
    match answer {
        Err(CallError::Trap(trap)) => panic!("the guest is gone: {trap}"),
        answer => answer.ok(),
    }
}

fn short_reads(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    for (file, ext) in [("flac-8000-16-2.flac", "flac"), ("wav-extensible-s24.wav", "wav")] {
        let bytes = fixture::audio(file);
        let expected = guest.decode(Script::new(bytes.clone()).boxed(), ext);
        for stream in [Script::new(bytes.clone()), Script::new(bytes.clone()).unseekable()] {
            let samples = guest.decode(stream.short(&[1, 2, 3, 4, 5, 6, 7]).boxed(), ext);
            assert_same(file, &samples, &expected, 2);
        }
    }
}

fn short_reads_echo(subject: &Subject) {
    let samples: Vec<f32> = (0..1000u16).map(f32::from).collect();
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut guest = Guest::new(subject, "edge-decoder");
    for hint in ["short-reads", "echo"] {
        let stream = Script::new(bytes.clone()).short(&[3, 1, 7, 2]).boxed();
        assert_same(hint, &guest.decode(stream, hint), &samples, 1);
    }
}

fn unseekable(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    for file in ["flac-44100-24-2.flac", "flac-blocksize-576.flac", "flac-1-frame.flac", "flac-0-frames.flac"] {
        let bytes = fixture::audio(file);
        let stated = StreamInfo::of(&bytes);
        let samples = guest.decode(Script::new(bytes).unseekable().boxed(), "flac");
        assert_eq!(samples.len() as u64, stated.frames * u64::from(stated.channels), "{file}");
        assert_eq!(md5_of(&samples, stated.bits), stated.md5, "{file}");
    }
    for file in ["wav-s16.wav", "wav-info-before.wav", "wav-info-behind.wav", "wav-unknown-length.wav"] {
        let bytes = fixture::audio(file);
        let expected = Wav::read(&bytes);
        let samples = guest.decode(Script::new(bytes).unseekable().boxed(), "wav");
        assert_same(file, &samples, &expected.samples, expected.channels);
    }
}

/// The error comes through, and the samples before it are kept.
fn fails_midway(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    for (file, ext) in [("flac-blocksize-576.flac", "flac"), ("demo.flac", "flac"), ("wav-s16.wav", "wav")] {
        let bytes = fixture::audio(file);
        let whole = guest.decode(Script::new(bytes.clone()).boxed(), ext);
        for stream in [Script::new(bytes.clone()), Script::new(bytes.clone()).unseekable()] {
            let at = bytes.len() as u64 / 2;
            let session = guest.open(stream.fails_at(at).boxed(), ext).expect("opens");
            let (samples, end) = guest.read_all(session);
            let PluginError::Io(text) = refusal(end) else { panic!("{file}: an I/O error stays one") };
            assert!(text.contains(failure().message()), "{file}: it says what the stream said: {text}");
            assert!(samples.len() > whole.len() / 3, "{file}: {} of {} samples", samples.len(), whole.len());
            assert_same(file, &samples, &whole[..samples.len()], 2);
            guest.close(session).expect("closes");
        }
    }
}

fn fails_at_once(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let stream = Script::new(fixture::audio("flac-1-frame.flac")).unseekable().fails_at(0);
    let error = refusal(guest.open(stream.boxed(), "flac"));
    assert!(matches!(error, PluginError::Io(_)) && error.message().contains(failure().message()), "{error}");
}

/// A read that never returns is cut from another thread; a new guest opens the stream.
fn blocks(subject: &Subject) {
    let file = fixture::audio("flac-44100-16-2.flac");
    for position in [0, file.len() as u64 / 2] {
        let mut guest = Guest::new(subject, SYMPHONIA);
        let cancel = guest.canceller();
        let (blocked, when_blocked) = channel();
        let canceller = thread::spawn(move || {
            when_blocked.recv().expect("the stream blocks");
            cancel();
        });
        let stream = Script::new(file.clone()).blocks_at(position, blocked).boxed();
        let answer = match guest.open(stream, "flac") {
            Ok(session) => guest.read_all(session).1,
            Err(error) => Err(error),
        };
        assert_eq!(trap_kind(answer), TrapKind::Cancelled);
        canceller.join().expect("the canceller does not panic");
    }
    Guest::new(subject, SYMPHONIA).decode(Script::new(file).boxed(), "flac");
}

/// The bytes say what a stream is, not its name.
fn wrong_hint(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let bytes = fixture::audio("flac-1-frame.flac");
    let expected = guest.decode(Script::new(bytes.clone()).boxed(), "flac");
    assert_same("as wav", &guest.decode(Script::new(bytes).boxed(), "wav"), &expected, 2);
    let error = refusal(guest.open(Script::new(&b"This is neither"[..]).boxed(), "flac"));
    assert!(matches!(error, PluginError::Unsupported(_)), "{error}");
}

//! Seeking lands where it was asked to and loses nothing: what follows is what a straight decode has from there.

use stellatune_plugin_core::error::PluginError;

use crate::support::{
    Case, Subject,
    audio::{StreamInfo, Wav, assert_same},
    fixture::{self, SYMPHONIA},
    guest::{Guest, floats, refusal},
    stream::Script,
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("seek/while-reading", [SYMPHONIA], while_reading),
        Case::new("seek/after-the-end", [SYMPHONIA], after_the_end),
        Case::new("seek/past-the-end", [SYMPHONIA], past_the_end),
        Case::new("seek/unseekable", [SYMPHONIA], unseekable),
        Case::new("seek/echo", ["edge-decoder"], echo),
    ];
    for file in [
        "flac-44100-16-2.flac",
        "flac-8000-24-1.flac",
        "flac-192000-24-2.flac",
        "flac-blocksize-576.flac",
        "demo.flac",
        "wav-s24.wav",
        "wav-u8.wav",
    ] {
        cases.push(Case::new(format!("seek/{file}"), [SYMPHONIA], move |subject| places(subject, file)));
    }
    cases
}

struct Track {
    bytes: Vec<u8>,
    ext: &'static str,
    rate: u32,
    channels: u16,
    samples: Vec<f32>,
}

impl Track {
    fn decoded(guest: &mut Guest, file: &str) -> Self {
        let bytes = fixture::audio(file);
        let (ext, rate, channels) = if file.ends_with("flac") {
            let info = StreamInfo::of(&bytes);
            ("flac", info.sample_rate, info.channels)
        } else {
            let wav = Wav::read(&bytes);
            ("wav", wav.sample_rate, wav.channels)
        };
        let samples = guest.decode(Script::new(bytes.clone()).boxed(), ext);
        Self { bytes, ext, rate, channels, samples }
    }

    fn stream(&self) -> Script {
        Script::new(self.bytes.clone())
    }

    /// The samples from a time on. Seeking is to the frame at or before it.
    fn behind_ms(&self, ms: u64) -> &[f32] {
        let frame = ms * u64::from(self.rate) / 1000;
        &self.samples[frame as usize * usize::from(self.channels)..]
    }

    fn ms(&self) -> u64 {
        (self.samples.len() / usize::from(self.channels)) as u64 * 1000 / u64::from(self.rate)
    }
}

/// Start, middle, near the end and back, each from a fresh session and all in one.
fn places(subject: &Subject, file: &str) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let track = Track::decoded(&mut guest, file);
    let end = track.ms();
    let one = guest.open(track.stream().boxed(), track.ext).expect("opens");
    for ms in [0, end / 2, end - 1, 1, end / 3, end - end / 50, 0] {
        let fresh = guest.open(track.stream().boxed(), track.ext).expect("opens");
        for session in [fresh, one] {
            guest.decoder(|decoder| decoder.seek_ms(session, ms)).expect("seeks");
            let (samples, end) = guest.read_all(session);
            end.expect("decodes to the end");
            assert_same(&format!("from {ms} ms"), &samples, track.behind_ms(ms), track.channels);
        }
        guest.close(fresh).expect("closes");
    }
}

/// A seek in the middle of a packet, forward and back.
fn while_reading(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let track = Track::decoded(&mut guest, "flac-48000-24-2.flac");
    let session = guest.open(track.stream().boxed(), "flac").expect("opens");
    for ms in [300, 17, 444, 0, 100, 101, 99] {
        guest.decoder(|decoder| decoder.seek_ms(session, ms)).expect("seeks");
        let mut samples = Vec::new();
        for frames in [5, 1000, 333] {
            samples.extend(floats(&guest.read(session, frames).expect("reads")));
        }
        assert_eq!(samples.len(), 2 * 1338, "as many frames as asked for");
        assert_same(&format!("from {ms} ms"), &samples, &track.behind_ms(ms)[..samples.len()], 2);
    }
}

/// A session that came to its end goes on after a seek.
fn after_the_end(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let track = Track::decoded(&mut guest, "wav-s16.wav");
    let session = guest.open(track.stream().boxed(), "wav").expect("opens");
    for _ in 0..3 {
        guest.decoder(|decoder| decoder.seek_ms(session, 10)).expect("seeks");
        let (samples, end) = guest.read_all(session);
        end.expect("decodes to the end");
        assert_same("from 10 ms", &samples, track.behind_ms(10), 2);
    }
}

/// Behind the end is refused, or the end; the session goes on either way.
fn past_the_end(subject: &Subject) {
    for file in ["flac-44100-16-2.flac", "wav-s16.wav"] {
        let mut guest = Guest::new(subject, SYMPHONIA);
        let track = Track::decoded(&mut guest, file);
        for ms in [track.ms() + 1, track.ms() + 100_000, u64::MAX / 1000, u64::MAX] {
            let session = guest.open(track.stream().boxed(), track.ext).expect("opens");
            match guest.decoder(|decoder| decoder.seek_ms(session, ms)) {
                Ok(()) => assert_eq!(guest.read_all(session), (Vec::new(), Ok(())), "{file}: nothing behind the end"),
                answer => drop(refusal(answer)),
            }
            guest.decoder(|decoder| decoder.seek_ms(session, 20)).expect("seeks back");
            let (samples, end) = guest.read_all(session);
            end.expect("decodes to the end");
            assert_same(file, &samples, track.behind_ms(20), track.channels);
            guest.close(session).expect("closes");
        }
    }
}

/// A stream that only goes forward says so, refuses to seek, and is read to its end all the same.
fn unseekable(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    for file in ["flac-44100-16-2.flac", "wav-s16.wav"] {
        let track = Track::decoded(&mut guest, file);
        let session = guest.open(track.stream().unseekable().boxed(), track.ext).expect("opens");
        assert!(!guest.decoder(|decoder| decoder.info(session)).expect("has an info").seekable);
        let before = guest.read(session, 500).expect("reads");
        let mut samples: Vec<f32> = floats(&before).collect();
        let error = refusal(guest.decoder(|decoder| decoder.seek_ms(session, 20)));
        assert!(matches!(error, PluginError::Unsupported(_)), "{error}");
        let (rest, end) = guest.read_all(session);
        end.expect("decodes to the end");
        samples.extend(rest);
        assert_same(file, &samples, &track.samples, track.channels);
    }
}

/// A position reaches the guest as it is, also one that needs 64 bits.
fn echo(subject: &Subject) {
    let bytes: Vec<u8> = (0..96_000u32).flat_map(|sample| (sample as f32).to_le_bytes()).collect();
    let mut guest = Guest::new(subject, "edge-decoder");
    let session = guest.open(Script::new(bytes).boxed(), "echo").expect("opens");
    guest.decoder(|decoder| decoder.seek_ms(session, 1500)).expect("seeks");
    let chunk = guest.read(session, 1).expect("reads");
    assert_eq!(floats(&chunk).collect::<Vec<_>>(), [72_000.0]);
    guest.decoder(|decoder| decoder.seek_ms(session, 1 << 40)).expect("a stream may be left behind its end");
    assert!(guest.read(session, 1).expect("reads").eof);
}

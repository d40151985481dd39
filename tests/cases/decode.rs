//! Decoding is bit-exact: every file of fixtures/audio, a trial each.

use crate::support::{
    Case, Subject,
    audio::{StreamInfo, Wav, assert_same, md5_of},
    fixture::{self, SYMPHONIA},
    guest::{Guest, floats},
    stream::Script,
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("decode/any-block-size", [SYMPHONIA], any_block_size),
        Case::new("decode/the-end-repeats", [SYMPHONIA], the_end_repeats),
        Case::new("decode/echo", ["edge-decoder"], echo),
    ];
    for file in fixture::audio_files("flac") {
        let name = format!("decode/{file}");
        cases.push(Case::new(name, [SYMPHONIA], move |subject| flac(subject, &file)));
    }
    for file in fixture::audio_files("wav") {
        let name = format!("decode/{file}");
        cases.push(Case::new(name, [SYMPHONIA], move |subject| wav(subject, &file)));
    }
    cases
}

/// The samples hash to the MD5 that the encoder stored.
fn flac(subject: &Subject, file: &str) {
    let bytes = fixture::audio(file);
    let stated = StreamInfo::of(&bytes);
    let mut guest = Guest::new(subject, SYMPHONIA);
    let session = guest.open(Script::new(bytes).boxed(), "flac").expect("opens");
    let info = guest.decoder(|decoder| decoder.info(session)).expect("has an info");
    assert_eq!((info.sample_rate, info.channels), (stated.sample_rate, stated.channels));
    assert_eq!((info.encoder_delay_frames, info.encoder_padding_frames), (0, 0), "FLAC has neither");
    let (samples, end) = guest.read_all(session);
    end.expect("decodes to the end");
    assert_eq!(samples.len() as u64, stated.frames * u64::from(stated.channels), "frames");
    assert_eq!(md5_of(&samples, stated.bits), stated.md5, "MD5 of the samples");
}

/// The samples are those in the file: exactly, or for 32-bit integers and 64-bit floats the nearest 32-bit float.
fn wav(subject: &Subject, file: &str) {
    let bytes = fixture::audio(file);
    let stated = Wav::read(&bytes);
    let mut guest = Guest::new(subject, SYMPHONIA);
    let session = guest.open(Script::new(bytes).boxed(), "wav").expect("opens");
    let info = guest.decoder(|decoder| decoder.info(session)).expect("has an info");
    assert_eq!((info.sample_rate, info.channels), (stated.sample_rate, stated.channels));
    let (samples, end) = guest.read_all(session);
    end.expect("decodes to the end");
    assert_same(file, &samples, &stated.samples, stated.channels);
}

/// However many frames are asked for, the samples are the same.
fn any_block_size(subject: &Subject) {
    let file = fixture::audio("flac-44100-16-2.flac");
    let mut guest = Guest::new(subject, SYMPHONIA);
    let expected = guest.decode(Script::new(file.clone()).boxed(), "flac");
    for frames in [1, 7, 1024, 65_536, u32::MAX] {
        let session = guest.open(Script::new(file.clone()).boxed(), "flac").expect("opens");
        let mut samples = Vec::new();
        // Single frames take a call each: a part of the file will do.
        while samples.len() < expected.len().min(2 * 2000 * frames as usize) {
            let chunk = guest.read(session, frames).expect("reads");
            assert!(chunk.interleaved_f32le.len() <= 8 * frames as usize, "no more than asked for");
            assert_eq!(chunk.frames as usize * 8, chunk.interleaved_f32le.len(), "frames are counted");
            assert!(!chunk.interleaved_f32le.is_empty(), "not the end yet");
            samples.extend(floats(&chunk));
        }
        assert_same(&format!("blocks of {frames}"), &samples, &expected[..samples.len()], 2);
        guest.close(session).expect("closes");
    }
}

/// After the end there is the end, as often as one asks.
fn the_end_repeats(subject: &Subject) {
    let mut guest = Guest::new(subject, SYMPHONIA);
    let session = guest.open(Script::new(fixture::audio("flac-1-frame.flac")).boxed(), "flac").expect("opens");
    let (samples, end) = guest.read_all(session);
    end.expect("decodes to the end");
    assert_eq!(samples.len(), 2, "one frame of two channels");
    for _ in 0..3 {
        let chunk = guest.read(session, 4096).expect("the end is no error");
        assert!(chunk.eof && chunk.interleaved_f32le.is_empty());
    }
}

/// What goes in comes out, through a guest that does nothing: the road itself is exact.
fn echo(subject: &Subject) {
    let samples: Vec<f32> =
        (0..100_000u32).map(|bits| f32::from_bits(bits.wrapping_mul(0x9e37_79b9) & 0xbfff_ffff)).collect();
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut guest = Guest::new(subject, "edge-decoder");
    assert_same("echo", &guest.decode(Script::new(bytes).boxed(), "echo"), &samples, 1);
}

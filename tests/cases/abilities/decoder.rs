//! A decoder's own methods: what comes through, and answers at the edges.

use stellatune_plugin_core::types::{DecoderInfo, PcmF32Chunk};

use crate::support::{Case, Subject, ability::Kind, guest::Guest, stream::Script};

use super::source::every_field;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("abilities/decoder/info/values", ["edge-decoder"], info),
        Case::new("abilities/decoder/metadata/every-field", ["edge-decoder"], metadata),
        Case::new("abilities/decoder/read-pcm-f32/empty-chunks", ["edge-decoder"], empty_chunks),
    ]
}

fn info(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Decoder.fixture());
    let session = guest.open(Script::new(&[0; 192_000][..]).boxed(), "echo").expect("opens");
    let expected = DecoderInfo {
        sample_rate: 48_000,
        channels: 1,
        duration_ms: Some(1000),
        seekable: true,
        encoder_delay_frames: 0,
        encoder_padding_frames: 0,
    };
    assert_eq!(guest.decoder(|decoder| decoder.info(session)), Ok(expected));
    let session = guest.open(Script::new(&[0; 8][..]).unseekable().boxed(), "echo").expect("opens");
    let expected = DecoderInfo { duration_ms: None, seekable: false, ..expected };
    assert_eq!(guest.decoder(|decoder| decoder.info(session)), Ok(expected));
}

fn metadata(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Decoder.fixture());
    let session = guest.open(Script::new(Vec::new()).boxed(), "every-field").expect("opens");
    assert_eq!(guest.decoder(|decoder| decoder.metadata(session)), Ok(every_field()));
}

/// With `eof` and without, and for no frames asked for.
fn empty_chunks(subject: &Subject) {
    let empty = |eof| PcmF32Chunk { interleaved_f32le: Vec::new(), frames: 0, eof };
    let mut guest = Guest::new(subject, Kind::Decoder.fixture());
    let session = guest.open(Script::new(&[0; 8][..]).boxed(), "echo").expect("opens");
    assert_eq!(guest.read(session, 0), Ok(empty(false)), "no frames asked for is not the end");
    assert_eq!(guest.read(session, 4).expect("reads").frames, 2);
    assert_eq!(guest.read(session, 4), Ok(empty(true)));
    assert_eq!(guest.read(session, 4), Ok(empty(true)), "the end can be asked for again");
    assert_eq!(guest.read(session, 0), Ok(empty(false)));
    let session = guest.open(Script::new(&[0; 8][..]).boxed(), "lies-empty").expect("opens");
    assert_eq!(guest.read(session, 4), Ok(empty(false)));
}

//! The records of the contract as plugin authors meet them: the generated types, with constructors and defaults.

#![allow(clippy::derivable_impls, reason = "the types are generated, and not all of them have a default to derive")]

use crate::samples;

pub use crate::bindings::host::stellatune::plugin::common::{
    AudioSpec, AudioTags, ConfigUpdateMode, ConfigUpdatePlan, DecoderInfo, EncodedAudioFormat, EncodedChunk,
    MediaMetadata, MetadataEntry, MetadataValue, PcmF32Chunk as PcmChunk,
};

impl PcmChunk {
    /// Samples of `channels` interleaved channels, of which `samples.len() / channels` frames are whole.
    pub fn from_samples(samples: &[f32], channels: u16) -> Self {
        Self::from_bytes(samples::to_bytes(samples), channels)
    }

    /// Samples that are already interleaved 32-bit little-endian floats.
    pub fn from_bytes(interleaved_f32le: Vec<u8>, channels: u16) -> Self {
        let frames = interleaved_f32le.len() / (4 * usize::from(channels.max(1)));
        Self { interleaved_f32le, frames: u32::try_from(frames).unwrap_or(u32::MAX), eof: false }
    }

    /// No frames, and none to come.
    pub fn end() -> Self {
        Self { interleaved_f32le: Vec::new(), frames: 0, eof: true }
    }
}

impl EncodedChunk {
    /// Bytes, and perhaps more to come.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), eof: false }
    }

    /// No bytes, and none to come.
    pub fn end() -> Self {
        Self { bytes: Vec::new(), eof: true }
    }
}

impl DecoderInfo {
    /// A stream of unknown duration that cannot seek and needs no trimming.
    pub fn new(sample_rate: u32, channels: u16) -> Self {
        Self {
            sample_rate,
            channels,
            duration_ms: None,
            seekable: false,
            encoder_delay_frames: 0,
            encoder_padding_frames: 0,
        }
    }
}

impl MetadataEntry {
    /// An entry that holds text.
    pub fn text(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { key: key.into(), value: MetadataValue::Text(text.into()) }
    }

    /// An entry that holds bytes. Under the key `cover` they are the encoded cover picture.
    pub fn bytes(key: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { key: key.into(), value: MetadataValue::Bytes(bytes) }
    }
}

impl ConfigUpdatePlan {
    /// Applying on the living object is enough.
    pub fn hot_apply() -> Self {
        Self { mode: ConfigUpdateMode::HotApply, reason: None }
    }

    /// The object has to be made anew.
    pub fn recreate(reason: impl Into<String>) -> Self {
        Self { mode: ConfigUpdateMode::Recreate, reason: Some(reason.into()) }
    }

    /// The configuration is not acceptable.
    pub fn reject(reason: impl Into<String>) -> Self {
        Self { mode: ConfigUpdateMode::Reject, reason: Some(reason.into()) }
    }
}

impl Default for AudioTags {
    fn default() -> Self {
        Self {
            title: None,
            album: None,
            artists: Vec::new(),
            album_artists: Vec::new(),
            genres: Vec::new(),
            track_number: None,
            track_total: None,
            disc_number: None,
            disc_total: None,
            year: None,
            comment: None,
        }
    }
}

impl Default for EncodedAudioFormat {
    fn default() -> Self {
        Self { codec: String::new(), sample_rate: None, channels: None, bitrate_kbps: None, container: None }
    }
}

impl Default for MediaMetadata {
    fn default() -> Self {
        Self {
            tags: AudioTags::default(),
            duration_ms: None,
            format: EncodedAudioFormat::default(),
            extras: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_counts_whole_frames() {
        let chunk = PcmChunk::from_samples(&[1.0, -1.0, 0.5, 0.25], 2);
        assert_eq!((chunk.frames, chunk.eof), (2, false));
        assert_eq!(chunk.interleaved_f32le[..4], 1.0f32.to_le_bytes());
        assert_eq!(PcmChunk::from_bytes(vec![0; 9], 1).frames, 2);
        assert_eq!(PcmChunk::from_bytes(Vec::new(), 0).frames, 0);
    }
}

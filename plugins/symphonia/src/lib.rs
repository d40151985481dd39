//! Decodes FLAC, WAV, AIFF, CAF, MP3, AAC, ALAC, Ogg Vorbis and Ogg Opus, with Symphonia doing the work. Other formats are
//! refused as `unsupported`.
//!
//! [`SymphoniaDecoder`] is one stream. `input` finds out what it is, with `kind` and `source`; `frames` goes through it,
//! on a `timeline` that counts what Symphonia would trim, told by `mp4` and `headers` where Symphonia does not; `pcm`
//! turns what comes out into the samples of the contract; `opus` is the decoder Symphonia lacks; `tags`, `id3` and `riff`
//! read what is known of the music.

mod frames;
mod headers;
mod id3;
mod input;
mod kind;
mod mp4;
mod opus;
mod pcm;
mod riff;
mod source;
mod tags;
mod timeline;

use std::time::Duration;

use stellatune_plugin_sdk::{Decoder, DecoderInfo, Error, HostStream, MediaMetadata, PcmChunk, Result};

use crate::frames::Frames;

/// Frames in one answer at most, whatever the host asks for: 512 KiB of stereo.
const MAX_FRAMES: u32 = 1 << 16;

/// A stream being decoded.
pub struct SymphoniaDecoder {
    /// Nothing for a stream that says it is empty.
    frames: Option<Frames>,
    info: DecoderInfo,
    metadata: MediaMetadata,
    /// What went wrong behind the samples that were given out last.
    failed: Option<Error>,
}

impl Decoder for SymphoniaDecoder {
    fn open(input: HostStream, ext_hint: Option<&str>) -> Result<Self> {
        let opened = input::open(input, ext_hint)?;
        Ok(Self { frames: opened.frames, info: opened.info, metadata: opened.metadata, failed: None })
    }

    fn info(&mut self) -> Result<DecoderInfo> {
        Ok(self.info)
    }

    fn metadata(&mut self) -> Result<MediaMetadata> {
        Ok(self.metadata.clone())
    }

    fn read_pcm(&mut self, max_frames: u32) -> Result<PcmChunk> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some(frames) = &mut self.frames else { return Ok(PcmChunk::end()) };
        let channels = usize::from(self.info.channels);
        let mut wanted = max_frames.min(MAX_FRAMES) as usize;
        let mut bytes = Vec::with_capacity(wanted * channels * pcm::SAMPLE_BYTES);
        let mut eof = false;
        while wanted > 0 {
            match frames.ready() {
                Ok(0) => {
                    eof = true;
                    break;
                }
                Ok(ready) => {
                    let count = ready.min(wanted);
                    let (decoded, start) = frames.decoded();
                    pcm::append(&decoded, start, count, channels, &mut bytes)?;
                    frames.take(count);
                    wanted -= count;
                }
                Err(error) if bytes.is_empty() => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(PcmChunk { eof, ..PcmChunk::from_bytes(bytes, self.info.channels) })
    }

    fn seek(&mut self, position: Duration) -> Result<()> {
        if !self.info.seekable {
            return Err(Error::unsupported("the stream cannot seek"));
        }
        let frame = position.as_millis() * u128::from(self.info.sample_rate) / 1000;
        let frame = u64::try_from(frame).map_err(|_| Error::invalid_arg("no stream is that long"))?;
        self.failed = None;
        match &mut self.frames {
            Some(frames) => frames.seek(frame),
            None if frame == 0 => Ok(()),
            None => Err(Error::invalid_arg("the stream is empty")),
        }
    }
}

stellatune_plugin_sdk::export!(decoder: SymphoniaDecoder);

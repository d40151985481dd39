//! Decodes FLAC and WAV, with Symphonia doing the work. Other formats are refused as `unsupported`.
//!
//! [`SymphoniaDecoder`] is one stream; `input` finds out what it is, `pcm` turns what Symphonia decodes into the
//! samples of the contract, `tags` and `riff` read what is known of the music.

mod input;
mod pcm;
mod riff;
mod tags;

use std::io::ErrorKind;
use std::time::Duration;

use stellatune_plugin_sdk::{Decoder, DecoderInfo, Error, HostStream, MediaMetadata, PcmChunk, Result};
use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatReader, SeekMode, SeekTo};
use symphonia::core::units::Timestamp;

/// Frames in one answer at most, whatever the host asks for: 512 KiB of stereo.
const MAX_FRAMES: u32 = 1 << 16;

/// A FLAC or WAV stream being decoded.
pub struct SymphoniaDecoder {
    format: Box<dyn FormatReader>,
    codec: Box<dyn AudioDecoder>,
    track_id: u32,
    info: DecoderInfo,
    metadata: MediaMetadata,
    /// Frames the stream says it has.
    total_frames: Option<u64>,
    /// Position of the next frame to give out, unless a failed seek made it unknown.
    position: Option<u64>,
    /// Frames of the last decoded packet that were already given out, or skipped.
    taken: usize,
    /// Frames still to be skipped after a seek, which lands on the start of a packet.
    skip: u64,
    /// What went wrong after the samples that were given out last.
    failed: Option<Error>,
    ended: bool,
}

impl Decoder for SymphoniaDecoder {
    fn open(input: HostStream, _ext_hint: Option<&str>) -> Result<Self> {
        let opened = input::open(input)?;
        Ok(Self {
            format: opened.format,
            codec: opened.codec,
            track_id: opened.track_id,
            info: opened.info,
            metadata: opened.metadata,
            total_frames: opened.total_frames,
            position: Some(0),
            taken: 0,
            skip: 0,
            failed: None,
            ended: false,
        })
    }

    fn info(&mut self) -> Result<DecoderInfo> {
        Ok(self.info.clone())
    }

    fn metadata(&mut self) -> Result<MediaMetadata> {
        Ok(self.metadata.clone())
    }

    fn read_pcm(&mut self, max_frames: u32) -> Result<PcmChunk> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let channels = usize::from(self.info.channels);
        let wanted = max_frames.min(MAX_FRAMES) as usize;
        let mut bytes = Vec::with_capacity(wanted * channels * pcm::SAMPLE_BYTES);
        let mut frames = 0;
        while frames < wanted {
            match self.ready() {
                Ok(0) => break,
                Ok(ready) => {
                    let take = ready.min(wanted - frames);
                    pcm::append(&self.codec.last_decoded(), self.taken, take, channels, &mut bytes)?;
                    self.taken += take;
                    self.position = self.position.map(|position| position + take as u64);
                    frames += take;
                }
                Err(error) if frames == 0 => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        let eof = self.ended && self.failed.is_none() && frames < wanted;
        Ok(PcmChunk { eof, ..PcmChunk::from_bytes(bytes, self.info.channels) })
    }

    fn seek(&mut self, position: Duration) -> Result<()> {
        if !self.info.seekable {
            return Err(Error::unsupported("the stream cannot seek"));
        }
        let frame = position.as_millis() * u128::from(self.info.sample_rate) / 1000;
        match u64::try_from(frame) {
            Ok(frame) if self.total_frames.is_none_or(|total| frame <= total) => self.seek_to_frame(frame),
            _ => Err(Error::invalid_arg(format!("{position:?} is behind the end"))),
        }
    }
}

impl SymphoniaDecoder {
    /// How many frames of the last decoded packet are left, decoding the next one if there are none. 0 is the end.
    fn ready(&mut self) -> Result<usize> {
        loop {
            let decoded = self.codec.last_decoded().frames();
            let skipped = self.skip.min((decoded - self.taken) as u64);
            self.skip -= skipped;
            self.taken += skipped as usize;
            if self.taken < decoded {
                return Ok(decoded - self.taken);
            }
            if self.ended || !self.decode_packet()? {
                return Ok(0);
            }
        }
    }

    /// Decodes the next packet; false at the end. After an error the next call goes on behind what was lost.
    fn decode_packet(&mut self) -> Result<bool> {
        let packet = match self.format.next_packet() {
            Ok(Some(packet)) if !packet.data.is_empty() => packet,
            Ok(_) => return self.end(),
            Err(SymphoniaError::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => return self.end(),
            Err(error) => return Err(input::error(error)),
        };
        self.taken = 0;
        let start = packet.pts.get().unsigned_abs();
        let expected = self.position.map_or(start, |position| position - self.skip);
        if let Err(error) = self.codec.decode(&packet) {
            self.jump(expected, start + packet.dur.get());
            return Err(input::error(error));
        }
        if start > expected {
            self.jump(expected, start);
            return Err(Error::io(format!("the stream is damaged: frames {expected} to {start} are missing")));
        }
        self.position = Some(expected + self.skip);
        Ok(true)
    }

    /// Goes on at another frame, which may use up some of what is to be skipped.
    fn jump(&mut self, from: u64, to: u64) {
        self.skip = self.skip.saturating_sub(to.saturating_sub(from));
        self.position = Some(to + self.skip);
    }

    /// Notes the end, which comes too early if the stream promised more frames.
    fn end(&mut self) -> Result<bool> {
        self.ended = true;
        match (self.position, self.total_frames) {
            (Some(position), Some(total)) if position - self.skip < total => {
                let position = position - self.skip;
                Err(Error::io(format!("the stream is cut off: it ends after {position} of {total} frames")))
            }
            _ => Ok(false),
        }
    }

    fn seek_to_frame(&mut self, frame: u64) -> Result<()> {
        self.failed = None;
        self.taken = self.codec.last_decoded().frames();
        self.skip = 0;
        self.ended = self.total_frames == Some(frame);
        self.position = Some(frame);
        if self.ended {
            return Ok(());
        }
        // Where a failed seek leaves the stream is anybody's guess; the next packet will tell.
        self.position = None;
        let timestamp = i64::try_from(frame).map(Timestamp::new).map_err(|_| Error::invalid_arg("too far"))?;
        let to = SeekTo::Timestamp { ts: timestamp, track_id: self.track_id };
        let landed = self.format.seek(SeekMode::Accurate, to).map_err(input::error)?;
        self.codec.reset();
        self.taken = self.codec.last_decoded().frames();
        self.skip = frame.saturating_sub(landed.actual_ts.get().unsigned_abs());
        self.position = Some(frame);
        Ok(())
    }
}

stellatune_plugin_sdk::export!(decoder: SymphoniaDecoder);

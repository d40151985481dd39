//! Packet after packet of a stream, as one run of frames that can be taken in any portions and sought to the frame.
//! Knows nothing of formats and of bytes.

use std::io::ErrorKind;

use stellatune_plugin_sdk::{Error, Result};
use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatReader, SeekMode, SeekTo};
use symphonia::core::units::Timestamp;

use crate::input;

/// The frames of one track.
pub(crate) struct Frames {
    format: Box<dyn FormatReader>,
    codec: Box<dyn AudioDecoder>,
    track_id: u32,
    /// How many there are, if the stream says so.
    total: Option<u64>,
    /// Number of the next frame to give out, unless a failed seek made it unknown. Never less than `skip`.
    position: Option<u64>,
    /// Frames of the last decoded packet that were already given out, or skipped.
    taken: usize,
    /// Frames still to be skipped after a seek, which lands on the start of a packet.
    skip: u64,
    ended: bool,
}

impl Frames {
    pub(crate) fn new(
        format: Box<dyn FormatReader>,
        codec: Box<dyn AudioDecoder>,
        track_id: u32,
        total: Option<u64>,
    ) -> Self {
        Self { format, codec, track_id, total, position: Some(0), taken: 0, skip: 0, ended: false }
    }

    /// How many frames can be taken at once, decoding a packet if need be; 0 at the end. After an error the next call
    /// goes on behind what was lost.
    pub(crate) fn ready(&mut self) -> Result<usize> {
        loop {
            let left = self.codec.last_decoded().frames() - self.taken;
            let skipped = usize::try_from(self.skip).map_or(left, |skip| skip.min(left));
            self.skip -= skipped as u64;
            self.taken += skipped;
            if skipped < left {
                return Ok(left - skipped);
            }
            if self.ended || !self.decode_packet()? {
                return Ok(0);
            }
        }
    }

    /// The decoded packet and the first of its frames that was not taken yet.
    pub(crate) fn decoded(&self) -> (GenericAudioBufferRef<'_>, usize) {
        (self.codec.last_decoded(), self.taken)
    }

    /// Takes so many of the frames that are ready.
    pub(crate) fn take(&mut self, count: usize) {
        self.taken += count;
        self.position = self.position.map(|position| position + count as u64);
    }

    /// Goes to a frame, which may be the one behind the last.
    pub(crate) fn seek(&mut self, frame: u64) -> Result<()> {
        let behind = || Error::invalid_arg(format!("frame {frame} is behind the end"));
        if self.total.is_some_and(|total| frame > total) {
            return Err(behind());
        }
        let timestamp = i64::try_from(frame).map(Timestamp::new).map_err(|_| behind())?;
        self.taken = self.codec.last_decoded().frames();
        self.skip = 0;
        self.ended = self.total == Some(frame);
        if !self.ended {
            // Where a failed seek leaves the stream is anybody's guess; the next packet will tell.
            self.position = None;
            let to = SeekTo::Timestamp { ts: timestamp, track_id: self.track_id };
            let landed = self.format.seek(SeekMode::Accurate, to).map_err(input::error)?;
            self.codec.reset();
            self.taken = self.codec.last_decoded().frames();
            self.skip = frame.saturating_sub(landed.actual_ts.get().unsigned_abs());
        }
        self.position = Some(frame);
        Ok(())
    }

    /// Decodes the next packet; false at the end.
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

    /// Goes on at another frame of the stream, which may use up some of what is to be skipped.
    fn jump(&mut self, from: u64, to: u64) {
        self.skip = self.skip.saturating_sub(to.saturating_sub(from));
        self.position = Some(to + self.skip);
    }

    /// Notes the end, which comes too early if the stream promised more frames.
    fn end(&mut self) -> Result<bool> {
        self.ended = true;
        let reached = self.position.map(|position| position - self.skip);
        match (reached, self.total) {
            (Some(reached), Some(total)) if reached < total => {
                Err(Error::io(format!("the stream is cut off: it ends after {reached} of {total} frames")))
            }
            _ => Ok(false),
        }
    }
}

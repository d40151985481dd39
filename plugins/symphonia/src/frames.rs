//! Packet after packet of a stream, as one run of frames that can be taken in any portions and sought to the frame.
//! Knows nothing of formats and of bytes.

use std::io::ErrorKind;

use stellatune_plugin_sdk::{Error, Result};
use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatReader, SeekMode, SeekTo};
use symphonia::core::packet::Packet;

use crate::input;
use crate::timeline::Timeline;

/// The frames of one track.
pub(crate) struct Frames {
    /// Nothing if it could not be opened again.
    format: Option<Box<dyn FormatReader>>,
    codec: Box<dyn AudioDecoder>,
    track_id: u32,
    timeline: Timeline,
    habits: Habits,
    /// Number of the next frame to give out, unless a failed seek made it unknown. Never less than `skip`.
    position: Option<u64>,
    /// Frames of the last decoded packet that were already given out, or skipped.
    taken: usize,
    /// Frames still to be skipped after a seek, which lands before what is sought.
    skip: u64,
    /// The next packet is the first after a seek.
    landed: bool,
    ended: bool,
}

/// Makes a fresh reader of a spent one.
pub(crate) type Reopen = fn(Box<dyn FormatReader>) -> Result<Box<dyn FormatReader>>;

/// What readers and decoders do differently.
#[derive(Clone, Copy, Default)]
pub(crate) struct Habits {
    /// A packet without data is the end of the stream, rather than one without sound.
    pub(crate) ends_empty: bool,
    /// The first packet after a seek decodes to another number of frames than it would have; where it ends is known.
    pub(crate) lands_by_end: bool,
    /// The reader cannot seek once it has given its last packet, so another is made of it.
    pub(crate) reopen: Option<Reopen>,
}

impl Frames {
    pub(crate) fn new(
        format: Box<dyn FormatReader>,
        codec: Box<dyn AudioDecoder>,
        track_id: u32,
        timeline: Timeline,
        habits: Habits,
    ) -> Self {
        let (position, taken, skip, landed, ended) = (Some(0), 0, 0, false, false);
        let format = Some(format);
        Self { format, codec, track_id, timeline, habits, position, taken, skip, landed, ended }
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
        if self.timeline.total.is_some_and(|total| frame > total) {
            return Err(behind());
        }
        let before = frame.saturating_sub(self.timeline.preroll);
        let ts = self.timeline.timestamp(before).ok_or_else(behind)?;
        self.taken = self.codec.last_decoded().frames();
        self.skip = 0;
        self.landed = false;
        let ended = std::mem::replace(&mut self.ended, self.timeline.total == Some(frame));
        if !self.ended {
            // Where a failed seek leaves the stream is anybody's guess; the next packet will tell.
            self.position = None;
            if let (true, Some(reopen)) = (ended, self.habits.reopen) {
                self.format = self.format.take().map(reopen).transpose()?;
            }
            let to = SeekTo::Timestamp { ts, track_id: self.track_id };
            let landed = reader(&mut self.format)?.seek(SeekMode::Accurate, to).map_err(input::error)?;
            self.codec.reset();
            self.taken = self.codec.last_decoded().frames();
            self.skip = frame.saturating_sub(self.timeline.frame(landed.actual_ts));
            self.landed = true;
        }
        self.position = Some(frame);
        Ok(())
    }

    /// Decodes the next packet; false at the end.
    fn decode_packet(&mut self) -> Result<bool> {
        let Some(packet) = self.next_packet()? else { return self.end() };
        self.taken = 0;
        let start = self.timeline.frame(packet.pts);
        let length =
            self.timeline.frames((packet.dur.get()).saturating_add(packet.trim_start.get() + packet.trim_end.get()));
        let expected = self.position.map_or(start, |position| position - self.skip);
        let landed = std::mem::take(&mut self.landed);
        if let Err(error) = self.codec.decode(&packet) {
            let skipping = self.skip >= length;
            self.jump(expected, start + length);
            // What was sought may still be whole.
            return if skipping { Ok(true) } else { Err(input::error(error)) };
        }
        if landed && self.habits.lands_by_end {
            let begins = (start + length).saturating_sub(self.codec.last_decoded().frames() as u64);
            self.skip = self.position.map_or(0, |position| position.saturating_sub(begins));
            self.position = Some(begins + self.skip);
            return Ok(true);
        }
        if start > expected && self.timeline.is_exact() {
            self.jump(expected, start);
            return Err(Error::io(format!("the stream is damaged: frames {expected} to {start} are missing")));
        }
        self.position = Some(expected + self.skip);
        Ok(true)
    }

    /// The next packet of the track; nothing at the end.
    fn next_packet(&mut self) -> Result<Option<Packet>> {
        let format = reader(&mut self.format)?;
        loop {
            match format.next_packet() {
                Ok(Some(packet)) if packet.track_id != self.track_id => {}
                Ok(Some(packet)) if !packet.data.is_empty() => return Ok(Some(packet)),
                Ok(Some(_)) if !self.habits.ends_empty => {}
                // In a chain of Ogg streams another begins, which may be of any shape.
                Ok(_) | Err(SymphoniaError::ResetRequired) => return Ok(None),
                Err(SymphoniaError::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(input::error(error)),
            }
        }
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
        match (reached, self.timeline.promised) {
            (Some(reached), Some(promised)) if reached < promised => {
                Err(Error::io(format!("the stream is cut off: it ends after {reached} of {promised} frames")))
            }
            _ => Ok(false),
        }
    }
}

fn reader(format: &mut Option<Box<dyn FormatReader>>) -> Result<&mut Box<dyn FormatReader>> {
    format.as_mut().ok_or_else(|| Error::io("the stream could not be opened again"))
}

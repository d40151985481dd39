//! An output sink on the audio thread.

use super::{
    HotControl, Primed,
    line::{Line, line},
    spec::refused,
};
use crate::{error::Result, types::HotPathRole};

/// Gives audio to a hot-path output sink, on the audio thread. As careful as a [`HotProcessor`](super::HotProcessor).
pub struct HotSink {
    line: Line,
    channels: usize,
    max_frames: usize,
}

/// What a sink took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HotWritten {
    /// Frames taken; the rest is to be given again.
    pub frames: usize,
    /// Whether a module is there. Without one nothing is taken, until a new one arrives ([`HotControl::replace`]).
    pub alive: bool,
    /// Whether the sink takes no more.
    pub eof: bool,
    /// Whether everything it took has been played.
    pub drained: bool,
}

impl HotSink {
    /// Puts a module into its place.
    ///
    /// # Errors
    /// `incompatible` for a DSP.
    pub fn new(module: Primed) -> Result<(Self, HotControl)> {
        if module.role() != HotPathRole::OutputSink {
            return Err(refused("it is a DSP, not an output sink"));
        }
        let layout = *module.layout();
        let (line, control) = line(module);
        Ok((Self { line, channels: layout.channels.into(), max_frames: layout.max_frames as usize }, control))
    }

    /// As [`HotProcessor::prepare_thread`](super::HotProcessor::prepare_thread).
    pub fn prepare_thread(&self) {
        self.line.prepare_thread();
    }

    /// As [`HotProcessor::reset`](super::HotProcessor::reset).
    pub fn reset(&mut self, flags: u32) {
        self.line.reset(flags);
    }

    /// Gives interleaved samples to the sink, until it takes less than a block.
    pub fn write(&mut self, input: &[f32]) -> HotWritten {
        let mut written = HotWritten { frames: 0, alive: true, eof: false, drained: false };
        let whole = input.len() - input.len() % self.channels;
        for block in input[..whole].chunks(self.max_frames * self.channels) {
            let frames = block.len() / self.channels;
            let Some(module) = self.line.begin() else {
                return HotWritten { alive: false, ..written };
            };
            let answer = module.process(frames as u32, Some(block));
            let Some(answer) = self.line.end(answer) else {
                self.line.counts().dry();
                return HotWritten { alive: self.line.module().is_some(), ..written };
            };
            written.frames += answer.frames as usize;
            (written.eof, written.drained) = (answer.eof(), answer.drained());
            if written.eof || (answer.frames as usize) < frames {
                break;
            }
        }
        written
    }
}

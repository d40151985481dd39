//! A DSP on the audio thread.

use super::{
    HotControl, Primed,
    line::{Line, line},
    samples,
    spec::refused,
};
use crate::{error::Result, types::HotPathRole};

/// Calls a hot-path DSP for each block, on the audio thread. What it cannot process goes through unchanged.
///
/// No method allocates, waits or makes a system call, but for a block in which the guest traps, where the engine may allocate, and
/// the first call on a thread ([`prepare_thread`](Self::prepare_thread)). Dropping it may run guest code: drop it elsewhere.
pub struct HotProcessor {
    line: Line,
    channels: usize,
    /// A block as it came, for those that lie in the guest's memory, and a block as it leaves where those are no floats.
    dry: Box<[f32]>,
    wet: Box<[f32]>,
    max_frames: usize,
}

/// What became of the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HotOutcome {
    /// Whether all of it was processed; otherwise it, or what of it was not, is as it came.
    pub wet: bool,
    /// Whether the module said that its output is at an end.
    pub eof: bool,
    /// Whether the module said that it holds nothing back.
    pub drained: bool,
}

impl HotProcessor {
    /// Puts a module into its place.
    ///
    /// # Errors
    /// `incompatible` for a sink.
    pub fn new(module: Primed) -> Result<(Self, HotControl)> {
        if module.role() != HotPathRole::DspTransform {
            return Err(refused("it is an output sink, not a DSP"));
        }
        let layout = *module.layout();
        let block = || vec![0.0; layout.max_samples()].into_boxed_slice();
        let (dry, wet) = (block(), block());
        let (line, control) = line(module);
        let channels = usize::from(layout.channels);
        Ok((Self { line, channels, dry, wet, max_frames: layout.max_frames as usize }, control))
    }

    /// Does what the first block on this thread would do besides, which takes system calls. Call it before the first block.
    pub fn prepare_thread(&self) {
        self.line.prepare_thread();
    }

    /// Has the module reset before the next block, with bits of [`RESET_SEEK`](super::RESET_SEEK) and
    /// [`RESET_ROUTE`](super::RESET_ROUTE). [`HotControl::reset`] does the same from another thread.
    pub fn reset(&mut self, flags: u32) {
        self.line.reset(flags);
    }

    /// Processes interleaved samples from `input` to `output`, in as many blocks as the module needs.
    ///
    /// Whole frames that are in both are processed; further samples of `input` are copied as far as `output` reaches.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) -> HotOutcome {
        let length = input.len().min(output.len());
        let (mut input, mut output) = (&input[..length], &mut output[..length]);
        let mut outcome = HotOutcome { wet: true, eof: false, drained: false };
        // Without the divisions of `chunks`, which small blocks would notice.
        while !input.is_empty() {
            let most = input.len().min(self.dry.len());
            let (block, wet);
            (block, input) = input.split_at(most);
            (wet, output) = output.split_at_mut(most);
            let block = self.block_of(block, wet);
            outcome = HotOutcome { wet: outcome.wet && block.wet, eof: outcome.eof || block.eof, ..block };
        }
        outcome
    }

    /// Begins a block whose samples are written straight into the module's memory.
    ///
    /// At most [`HotSpec::max_frames`](super::HotSpec::max_frames) frames; what is more is left out.
    pub fn block(&mut self, frames: usize) -> HotBlock<'_> {
        let frames = frames.min(self.max_frames);
        // Whether there is a module is settled now, and not when the samples have been written elsewhere.
        let inside = self.line.begin().is_some();
        HotBlock { processor: self, frames, inside }
    }

    #[inline]
    fn block_of(&mut self, input: &[f32], output: &mut [f32]) -> HotOutcome {
        let frames = input.len() / self.channels;
        let samples = frames * self.channels;
        let answer = match self.line.begin().filter(|_| frames > 0) {
            None => None,
            Some(module) => {
                let answer = module.process(frames as u32, Some(&input[..samples]));
                self.line.end(answer)
            }
        };
        let made = answer.filter(|answer| answer.frames as usize == frames);
        match (made, self.line.module()) {
            (Some(answer), Some(module)) => {
                if module.read(&mut output[..samples]) {
                    self.line.counts().tamed();
                }
                output[samples..].copy_from_slice(&input[samples..]);
                HotOutcome { wet: samples == input.len(), eof: answer.eof(), drained: answer.drained() }
            }
            _ => {
                self.line.counts().dry();
                output.copy_from_slice(input);
                HotOutcome::DRY
            }
        }
    }
}

impl HotOutcome {
    const DRY: Self = Self { wet: false, eof: false, drained: false };
}

/// A block that is written where the module reads it.
pub struct HotBlock<'a> {
    processor: &'a mut HotProcessor,
    frames: usize,
    inside: bool,
}

impl<'a> HotBlock<'a> {
    /// The samples to write: interleaved, with what was there before.
    pub fn input(&mut self) -> &mut [f32] {
        let samples = self.frames * self.processor.channels;
        let HotProcessor { line, dry, .. } = &mut *self.processor;
        let module = line.module().filter(|_| self.inside);
        module.and_then(|module| module.input(samples)).unwrap_or(&mut dry[..samples])
    }

    /// Processes them where they are. The answer lies in the module's memory, or is dry.
    pub fn process(self) -> (&'a [f32], HotOutcome) {
        let HotProcessor { line, channels, dry, wet, .. } = self.processor;
        let samples = self.frames * *channels;
        let (dry, wet) = (&mut dry[..samples], &mut wet[..samples]);
        let answer = match line.module().filter(|_| self.inside && samples > 0) {
            None => None,
            Some(module) => {
                let written = match module.input(samples) {
                    Some(input) => {
                        samples::keep(input, dry);
                        None
                    }
                    None => Some(&*dry),
                };
                let answer = module.process(self.frames as u32, written);
                line.end(answer)
            }
        };
        let Some(answer) = answer.filter(|answer| answer.frames as usize == self.frames) else {
            line.counts().dry();
            return (dry, HotOutcome::DRY);
        };
        let outcome = HotOutcome { wet: true, eof: answer.eof(), drained: answer.drained() };
        let (module, counts) = line.module_and_counts();
        let Some(module) = module else { return (dry, HotOutcome::DRY) };
        if !module.has_floats() {
            module.read(wet);
            return (wet, outcome);
        }
        match module.output(samples) {
            Some(output) => {
                if samples::tame_all(output) {
                    counts.tamed();
                }
                (output, outcome)
            }
            None => (dry, HotOutcome::DRY),
        }
    }
}

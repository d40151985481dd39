//! A host for tests: the same type, run natively as a host runs the module.

use std::fmt;

use crate::{
    Flags, HotDsp, HotSink, Refusal, Stream, Written,
    module::{Args, Effect, Role, Running, Sink},
};

const SEEK: u32 = 1;
const ROUTE: u32 = 2;
const PARAMETERS: u32 = 4;

/// The loudest sample that leaves a module.
const LOUDEST: f32 = 8.0;

/// Starts an effect, with its first parameters unless there are none.
///
/// # Errors
/// What it refused with.
pub fn dsp<T: HotDsp>(stream: Stream, parameters: &[f64]) -> Result<Harness<Effect<T>>, Refusal> {
    Harness::start(stream, parameters)
}

/// Starts an output sink, with its first parameters unless there are none.
///
/// # Errors
/// What it refused with.
pub fn sink<T: HotSink>(stream: Stream, parameters: &[f64]) -> Result<Harness<Sink<T>>, Refusal> {
    Harness::start(stream, parameters)
}

/// A running module, and a host that keeps the rules of `docs/hot-path-core-abi.md`.
pub struct Harness<R> {
    module: Running<R>,
    stream: Stream,
    /// The largest block, where the module has it.
    block: Vec<f32>,
    /// What the next block must be preceded by.
    need_reset: bool,
    soft_errors: u32,
    flags: Flags,
}

impl<R: Role> Harness<R> {
    fn start(stream: Stream, parameters: &[f64]) -> Result<Self, Refusal> {
        let mut module = Running::new();
        module.init(&Args::new::<R>(stream), (!parameters.is_empty()).then_some(parameters))?;
        let block = vec![0.0; R::MAX_FRAMES as usize * usize::from(stream.channels)];
        Ok(Self { module, stream, block, need_reset: false, soft_errors: 0, flags: Flags::NONE })
    }

    /// Gives the module new parameters.
    ///
    /// # Errors
    /// What it refused with.
    pub fn configure(&mut self, parameters: &[f64]) -> Result<(), Refusal> {
        self.module.reset(PARAMETERS, Some(parameters))
    }

    /// Tells the module that the position in the stream jumped.
    ///
    /// # Panics
    /// Never: only parameters can be refused.
    pub fn seek(&mut self) {
        self.reset(SEEK);
    }

    /// Tells the module that what is before or behind it changed.
    pub fn reroute(&mut self) {
        self.reset(ROUTE);
    }

    /// The flags of the last block.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    fn reset(&mut self, flags: u32) {
        self.module.reset(flags, None).expect("a running module is reset");
    }

    /// Calls the module for one block; how many frames it made or took.
    ///
    /// # Panics
    /// At what a host counts as a failure.
    fn call(&mut self, samples: &[f32]) -> u32 {
        let frames = samples.len() / usize::from(self.stream.channels);
        if std::mem::take(&mut self.need_reset) {
            self.reset(0);
        }
        self.block[..samples.len()].copy_from_slice(samples);
        match self.module.process(&mut self.block, frames as u32) {
            Ok(Written { frames: done, flags }) => {
                assert!(done as usize <= frames, "the module answered {done} frames of {frames}");
                self.flags = flags;
                self.need_reset = flags.contains(Flags::NEED_RESET);
                if !flags.contains(Flags::SOFT_ERROR) {
                    self.soft_errors = 0;
                    return done;
                }
                self.soft_errors += 1;
                assert!(self.soft_errors < 3, "the module reported an error in three blocks in a row");
                0
            }
            Err(Refusal::WouldBlock | Refusal::NotReady) => {
                self.flags = Flags::NONE;
                0
            }
            Err(refusal) => panic!("the module failed: {refusal:?}"),
        }
    }
}

impl<T: HotDsp> Harness<Effect<T>> {
    /// Processes whole frames in place, in as many blocks as the module needs. Whether all of it is the module's; the
    /// rest is as it was. What a host would not play is changed as the host would.
    ///
    /// # Panics
    /// At samples that are no whole frames, and at what a host counts as a failure of the module.
    pub fn process(&mut self, interleaved: &mut [f32]) -> bool {
        let channels = usize::from(self.stream.channels);
        assert!(interleaved.len() % channels == 0, "whole frames of {channels} channels");
        let mut wet = true;
        for block in interleaved.chunks_mut(self.block.len()) {
            let made = self.call(block) as usize * channels;
            if made == block.len() {
                block.copy_from_slice(&self.block[..made]);
                block.iter_mut().for_each(|sample| *sample = tame(*sample));
            } else {
                wet = false;
            }
        }
        wet
    }
}

impl<T: HotSink> Harness<Sink<T>> {
    /// Writes whole frames, of which at most one block is given; how many were taken.
    ///
    /// # Panics
    /// At samples that are no whole frames, and at what a host counts as a failure of the module.
    pub fn write(&mut self, interleaved: &[f32]) -> u32 {
        let channels = usize::from(self.stream.channels);
        assert!(interleaved.len() % channels == 0, "whole frames of {channels} channels");
        let block = &interleaved[..interleaved.len().min(self.block.len())];
        if block.is_empty() { 0 } else { self.call(block) }
    }
}

impl<R> fmt::Debug for Harness<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("stream", &self.stream).finish_non_exhaustive()
    }
}

fn tame(sample: f32) -> f32 {
    let sample = if sample.is_finite() { sample } else { 0.0 };
    if sample.abs() < f32::MIN_POSITIVE { 0.0 } else { sample.clamp(-LOUDEST, LOUDEST) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Layout, Reset, module::BLOCK_AT};

    const STREAM: Stream = Stream { sample_rate: 48_000, channels: 2 };

    /// Adds what it has seen so far, and obeys its first parameter.
    #[derive(Default)]
    struct Odd {
        seen: f32,
        mood: f64,
    }

    impl HotDsp for Odd {
        const MAX_FRAMES: u32 = 4;
        const MAX_CHANNELS: u16 = 2;

        fn create(stream: Stream) -> Result<Self, Refusal> {
            if stream.sample_rate == 7 { Err(Refusal::Unsupported) } else { Ok(Self::default()) }
        }

        fn configure(&mut self, parameters: &[f64]) -> Result<(), Refusal> {
            let &[mood] = parameters else { return Err(Refusal::InvalidArg) };
            self.mood = mood;
            Ok(())
        }

        fn process(&mut self, interleaved: &mut [f32]) -> Result<Flags, Refusal> {
            for sample in interleaved {
                self.seen += 1.0;
                *sample += self.seen;
            }
            match self.mood {
                1.0 => Ok(Flags::SOFT_ERROR),
                2.0 => Err(Refusal::WouldBlock),
                3.0 => Err(Refusal::Internal),
                4.0 => Ok(Flags::NEED_RESET),
                _ => Ok(Flags::NONE),
            }
        }

        fn reset(&mut self, _: Reset) {
            self.seen = 0.0;
        }
    }

    #[test]
    fn a_stream_goes_through_in_blocks() {
        let mut odd = dsp::<Odd>(STREAM, &[]).unwrap();
        let mut samples = [0.0; 20];
        assert!(odd.process(&mut samples));
        assert!(samples.iter().zip(1..=20).all(|(sample, n)| *sample == if n > 8 { 8.0 } else { n as f32 }));
        odd.seek();
        let mut samples = [0.5; 2];
        assert!(odd.process(&mut samples));
        assert_eq!(samples, [1.5, 2.5]);
    }

    #[test]
    fn what_a_module_says_has_its_effect() {
        let mut odd = dsp::<Odd>(STREAM, &[1.0]).unwrap();
        for mood in [1.0, 2.0, 1.0] {
            odd.configure(&[mood]).unwrap();
            let mut samples = [0.25; 4];
            assert!(!odd.process(&mut samples));
            assert_eq!(samples, [0.25; 4], "dry");
        }
        odd.configure(&[4.0]).unwrap();
        assert!(odd.process(&mut [0.0; 2]));
        assert_eq!(odd.flags(), Flags::NEED_RESET);
        let mut samples = [0.0; 2];
        odd.process(&mut samples);
        assert_eq!(samples, [1.0, 2.0], "it was reset");
        assert_eq!(odd.configure(&[]), Err(Refusal::InvalidArg));
        odd.configure(&[3.0]).unwrap();
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| odd.process(&mut [0.0; 2]))).unwrap_err();
    }

    #[test]
    fn a_host_that_says_something_else_is_refused() {
        assert_eq!(Layout::dsp::<Odd>(), Layout { offset: BLOCK_AT, max_frames: 4, max_channels: 2 });
        for channels in [0, 3] {
            assert_eq!(dsp::<Odd>(Stream { channels, ..STREAM }, &[]).unwrap_err(), Refusal::Unsupported);
        }
        assert_eq!(dsp::<Odd>(Stream { sample_rate: 7, ..STREAM }, &[]).unwrap_err(), Refusal::Unsupported);
        let good = Args::new::<Effect<Odd>>(STREAM);
        let start = |args| Running::<Effect<Odd>>::new().init(&args, None);
        start(good).unwrap();
        start(Args { max_frames: 2, block_bytes: 16, ..good }).unwrap();
        for (bad, expected) in [
            (Args { version: 2, ..good }, Refusal::Unsupported),
            (Args { role: 2, ..good }, Refusal::Unsupported),
            (Args { shape: 2 | 2 << 16, ..good }, Refusal::Unsupported),
            (Args { max_frames: 5, block_bytes: 40, ..good }, Refusal::InvalidArg),
            (Args { max_frames: 0, block_bytes: 0, ..good }, Refusal::InvalidArg),
            (Args { block_bytes: 8, ..good }, Refusal::InvalidArg),
            (Args { in_offset: BLOCK_AT + 4, ..good }, Refusal::InvalidArg),
            (Args { out_offset: 0, ..good }, Refusal::InvalidArg),
        ] {
            assert_eq!(start(bad), Err(expected), "{bad:?}");
        }
        let mut module = Running::<Effect<Odd>>::new();
        assert_eq!(module.process(&mut [0.0; 8], 1), Err(Refusal::NotReady));
        module.init(&good, None).unwrap();
        assert_eq!(module.process(&mut [0.0; 16], 5), Err(Refusal::InvalidArg));
        assert_eq!(module.process(&mut [0.0; 8], 0), Err(Refusal::InvalidArg));
        module.end();
        assert_eq!(module.process(&mut [0.0; 8], 1), Err(Refusal::NotReady));
    }

    /// Takes three frames at a time.
    struct Slow;

    impl HotSink for Slow {
        fn create(_: Stream) -> Result<Self, Refusal> {
            Ok(Self)
        }

        fn write(&mut self, interleaved: &[f32]) -> Result<Written, Refusal> {
            Ok(Written { frames: 3.min(interleaved.len() as u32 / 2), flags: Flags::DRAINED })
        }

        fn reset(&mut self, _: Reset) {}
    }

    #[test]
    fn a_sink_takes_what_it_can() {
        let mut slow = sink::<Slow>(STREAM, &[]).unwrap();
        assert_eq!((slow.write(&[0.0; 10]), slow.write(&[0.0; 4]), slow.write(&[])), (3, 2, 0));
        slow.reroute();
        assert_eq!(slow.flags(), Flags::DRAINED);
    }
}

//! The hot-path module.

use stellatune_plugin_hot::{Flags, HotDsp, Refusal, Reset, Stream};

use crate::filter::{CHANNELS, Equalizer, Filters};

impl HotDsp for Equalizer {
    const MAX_FRAMES: u32 = 4096;
    const MAX_CHANNELS: u16 = CHANNELS as u16;

    fn create(stream: Stream) -> Result<Self, Refusal> {
        Self::new(stream.sample_rate, stream.channels).ok_or(Refusal::Unsupported)
    }

    fn configure(&mut self, parameters: &[f64]) -> Result<(), Refusal> {
        self.set(Filters::of_numbers(parameters).ok_or(Refusal::InvalidArg)?);
        Ok(())
    }

    fn process(&mut self, interleaved: &mut [f32]) -> Result<Flags, Refusal> {
        Self::process(self, interleaved);
        Ok(Flags::NONE)
    }

    fn reset(&mut self, _: Reset) {
        Self::reset(self);
    }
}

stellatune_plugin_hot::export!(dsp: Equalizer);

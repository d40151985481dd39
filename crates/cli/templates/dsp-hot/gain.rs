//! The effect, and the hot-path module made of it: no allocator, no operating system, and only numbers to set it by.

use stellatune_plugin_hot::{Flags, HotDsp, Refusal, Reset, Stream};

/// Seconds it takes to get from one gain to another.
const RAMP_SECONDS: f32 = 0.02;

/// The effect for one stream.
pub struct Gain {
    channels: usize,
    /// The part of the way to the target that is gone in one frame.
    step: f32,
    /// The factor now, and the one it is on its way to.
    current: f32,
    target: f32,
    /// Whether anything was heard yet.
    begun: bool,
}

impl Gain {
    /// One that changes nothing.
    pub fn new(sample_rate: u32, channels: u16) -> Self {
        Self {
            channels: usize::from(channels),
            step: 1.0 / (RAMP_SECONDS * sample_rate as f32).max(1.0),
            current: 1.0,
            target: 1.0,
            begun: false,
        }
    }

    /// The factor now, and the one it is on its way to.
    pub fn factors(&self) -> [f32; 2] {
        [self.current, self.target]
    }

    /// Multiplies by a factor: at once before anything is heard, later in small steps.
    pub fn set(&mut self, factor: f32) {
        self.target = factor;
        if !self.begun {
            self.current = factor;
        }
    }

    /// Goes on from where another one was.
    pub fn go_on_from(&mut self, current: f32) {
        (self.current, self.begun) = (current, true);
    }

    /// Changes whole frames in place.
    pub fn run(&mut self, interleaved: &mut [f32]) {
        self.begun = true;
        for frame in interleaved.chunks_exact_mut(self.channels) {
            let away = self.target - self.current;
            self.current = if away.abs() < 1e-5 {
                self.target
            } else {
                self.current + away * self.step
            };
            for sample in frame {
                *sample *= self.current;
            }
        }
    }
}

impl HotDsp for Gain {
    fn create(stream: Stream) -> Result<Self, Refusal> {
        Ok(Self::new(stream.sample_rate, stream.channels))
    }

    fn configure(&mut self, parameters: &[f64]) -> Result<(), Refusal> {
        let &[factor] = parameters else {
            return Err(Refusal::InvalidArg);
        };
        self.set(factor as f32);
        Ok(())
    }

    fn process(&mut self, interleaved: &mut [f32]) -> Result<Flags, Refusal> {
        self.run(interleaved);
        Ok(Flags::NONE)
    }

    // A player tries the module with noise before anybody hears it, and resets it then.
    fn reset(&mut self, _: Reset) {
        (self.current, self.begun) = (self.target, false);
    }
}

stellatune_plugin_hot::export!(dsp: Gain);

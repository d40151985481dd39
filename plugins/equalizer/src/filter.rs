//! The filters at work, without an allocator or an operating system.
//!
//! Each band is a biquad in the transposed direct form 2. Filters that replace others run beside them, first unheard, so
//! that what they remember is right, and then the sound fades from the ones to the others: there is no step in it, whatever
//! is changed.

use crate::pair::Pair;

/// Bands at most.
pub const BANDS: usize = 10;

/// Channels at most.
pub(crate) const CHANNELS: usize = 8;

/// Bands that are worked on together: their state fits a machine's registers, and while one waits for its last result the
/// next one works.
const TOGETHER: usize = 5;

/// Frames filtered at a time while filters change.
const CHUNK: usize = 64;

/// Seconds that new filters run unheard, and that it takes to fade to them.
const UNHEARD_SECONDS: f32 = 0.02;
const FADE_SECONDS: f32 = 0.02;

/// State below that is silence, of -600 dB. Smaller numbers would soon be ones that processors are slow with.
const SILENCE: f64 = 1e-30;

/// State above that comes from samples that were no numbers.
const ABSURD: f64 = 1e30;

/// The five coefficients of a biquad, the sixth being 1:
/// `(b0 + b1 z⁻¹ + b2 z⁻²) / (1 + a1 z⁻¹ + a2 z⁻²)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Section {
    /// Of the sample, and the two before it.
    pub b: [f64; 3],
    /// Of the two results before.
    pub a: [f64; 2],
}

impl Section {
    /// Lets everything through.
    pub const THROUGH: Self = Self { b: [1.0, 0.0, 0.0], a: [0.0, 0.0] };

    /// Whether it is finite, and its poles lie inside of the unit circle.
    fn is_stable(&self) -> bool {
        let [a1, a2] = self.a;
        self.b.iter().all(|b| b.is_finite()) && a2.abs() < 1.0 && a1.abs() < 1.0 + a2
    }
}

/// A gain, and bands one after another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filters {
    gain: f64,
    sections: [Section; BANDS],
    count: usize,
}

impl Filters {
    /// Changes nothing.
    pub const NONE: Self = Self { gain: 1.0, sections: [Section::THROUGH; BANDS], count: 0 };

    /// A gain as a factor, and at most [`BANDS`] stable sections; `None` for anything else.
    pub fn new(gain: f64, sections: &[Section]) -> Option<Self> {
        let mut filters = Self { gain, count: sections.len(), ..Self::NONE };
        filters.sections.get_mut(..sections.len())?.copy_from_slice(sections);
        (gain.is_finite() && sections.iter().all(Section::is_stable)).then_some(filters)
    }

    /// As [`new`](Self::new), of what the hot-path module is given: the gain, and b0, b1, b2, a1, a2 of each section.
    pub(crate) fn of_numbers(numbers: &[f64]) -> Option<Self> {
        let (&gain, numbers) = numbers.split_first()?;
        let mut sections = [Section::THROUGH; BANDS];
        let mut rest = numbers.chunks_exact(5);
        let count = rest.len();
        for (section, numbers) in sections.get_mut(..count)?.iter_mut().zip(&mut rest) {
            let &[b0, b1, b2, a1, a2] = numbers else { return None };
            *section = Section { b: [b0, b1, b2], a: [a1, a2] };
        }
        if !rest.remainder().is_empty() {
            return None;
        }
        Self::new(gain, &sections[..count])
    }

    /// The sections in use.
    pub fn sections(&self) -> &[Section] {
        &self.sections[..self.count]
    }

    /// The gain, as a factor.
    pub fn gain(&self) -> f64 {
        self.gain
    }
}

/// What a section remembers of a pair of channels.
type Memory = [Pair; 2];

/// Filters that run.
#[derive(Clone)]
struct Bank {
    filters: Filters,
    memory: [[Memory; BANDS]; CHANNELS / 2],
}

impl Bank {
    fn new(filters: Filters) -> Self {
        Self { filters, memory: [[[Pair::ZERO; 2]; BANDS]; CHANNELS / 2] }
    }

    fn forget(&mut self) {
        *self = Self::new(self.filters);
    }

    /// Filters whole frames in place.
    fn run(&mut self, samples: &mut [f32], channels: usize) {
        let Filters { gain, sections, count } = &self.filters;
        let sections = &sections[..*count];
        if sections.is_empty() && *gain == 1.0 {
            return;
        }
        for (pair, memory) in self.memory[..channels.div_ceil(2)].iter_mut().enumerate() {
            let place = Place { first: 2 * pair, second: (2 * pair + 1 < channels).then_some(2 * pair + 1), channels };
            let mut gain = *gain;
            if sections.is_empty() {
                place.run::<0>(samples, gain, &[], &mut []);
            }
            for (sections, memory) in sections.chunks(TOGETHER).zip(memory.chunks_mut(TOGETHER)) {
                match sections.len() {
                    1 => place.run::<1>(samples, gain, sections, memory),
                    2 => place.run::<2>(samples, gain, sections, memory),
                    3 => place.run::<3>(samples, gain, sections, memory),
                    4 => place.run::<4>(samples, gain, sections, memory),
                    _ => place.run::<TOGETHER>(samples, gain, sections, memory),
                }
                gain = 1.0;
            }
        }
    }

    /// Makes nothing of state that is almost nothing; whether it is all numbers.
    fn tidy(&mut self, channels: usize) -> bool {
        let mut sound = true;
        for memory in &mut self.memory[..channels.div_ceil(2)] {
            for state in memory[..self.filters.count].iter_mut().flatten() {
                sound &= state.is_below(ABSURD);
                *state = state.cut(SILENCE);
            }
        }
        sound
    }
}

/// Where a pair of channels lies in frames. The last one of an odd number is alone.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    second: Option<usize>,
    channels: usize,
}

impl Place {
    /// `N` sections at once.
    #[inline(always)]
    fn run<const N: usize>(self, samples: &mut [f32], gain: f64, sections: &[Section], memory: &mut [Memory]) {
        let (Some(sections), Some(memory)) = (sections.first_chunk::<N>(), memory.first_chunk_mut::<N>()) else {
            return;
        };
        let gain = Pair::splat(gain);
        let coefficients = sections.map(|section| {
            let Section { b: [b0, b1, b2], a: [a1, a2] } = section;
            [b0, b1, b2, a1, a2].map(Pair::splat)
        });
        let mut state = *memory;
        for frame in samples.chunks_exact_mut(self.channels) {
            let left = frame[self.first];
            let right = self.second.map_or(0.0, |second| frame[second]);
            let mut sample = Pair::new(f64::from(left), f64::from(right)).times(gain);
            for n in 0..N {
                let [b0, b1, b2, a1, a2] = coefficients[n];
                let [first, second] = state[n];
                let result = sample.times(b0).plus(first);
                state[n] =
                    [sample.times(b1).plus(second).minus(result.times(a1)), sample.times(b2).minus(result.times(a2))];
                sample = result;
            }
            frame[self.first] = sample.left() as f32;
            if let Some(second) = self.second {
                frame[second] = sample.right() as f32;
            }
        }
        *memory = state;
    }
}

/// New filters on their way in.
struct Change {
    bank: Bank,
    /// Frames since they began to run.
    age: u32,
}

/// The equaliser for one stream.
pub struct Equalizer {
    channels: usize,
    unheard: u32,
    fade: u32,
    bank: Bank,
    change: Option<Change>,
    /// Filters that wait until the change before them is done.
    next: Option<Filters>,
    /// Whether anything was filtered yet.
    begun: bool,
}

impl Equalizer {
    /// One that changes nothing; `None` for more than eight channels, or none.
    pub fn new(sample_rate: u32, channels: u16) -> Option<Self> {
        let channels = usize::from(channels);
        let frames = |seconds: f32| ((sample_rate as f32 * seconds) as u32).max(1);
        (1..=CHANNELS).contains(&channels).then(|| Self {
            channels,
            unheard: frames(UNHEARD_SECONDS),
            fade: frames(FADE_SECONDS),
            bank: Bank::new(Filters::NONE),
            change: None,
            next: None,
            begun: false,
        })
    }

    /// Brings filters into effect: at once before the first block, later by a fade that takes 40 ms. Of several that wait for
    /// the one before them, the last one counts.
    pub fn set(&mut self, filters: Filters) {
        if !self.begun {
            self.bank = Bank::new(filters);
        } else if self.change.is_some() {
            self.next = Some(filters);
        } else if filters != self.bank.filters {
            self.change = Some(Change { bank: Bank::new(filters), age: 0 });
        }
    }

    /// The filters that were set last.
    pub fn filters(&self) -> &Filters {
        let change = self.change.as_ref().map(|change| &change.bank.filters);
        self.next.as_ref().or(change).unwrap_or(&self.bank.filters)
    }

    /// Forgets earlier audio, and has the filters that were set last at once.
    pub fn reset(&mut self) {
        self.bank = Bank::new(*self.filters());
        (self.change, self.next, self.begun) = (None, None, false);
    }

    /// Filters whole frames in place. What was no number becomes silence.
    pub fn process(&mut self, mut samples: &mut [f32]) {
        self.begun = true;
        while self.change.is_some() && !samples.is_empty() {
            let (chunk, rest) = samples.split_at_mut(samples.len().min(CHUNK * self.channels));
            self.fade(chunk);
            samples = rest;
        }
        self.bank.run(samples, self.channels);
        if !self.bank.tidy(self.channels) {
            self.bank.forget();
            samples.iter_mut().filter(|sample| !sample.is_finite()).for_each(|sample| *sample = 0.0);
        }
    }

    /// Filters a chunk with both the old and the new filters.
    fn fade(&mut self, chunk: &mut [f32]) {
        let Some(change) = &mut self.change else { return };
        let mut new = [0.0; CHUNK * CHANNELS];
        let new = &mut new[..chunk.len()];
        new.copy_from_slice(chunk);
        change.bank.run(new, self.channels);
        self.bank.run(chunk, self.channels);
        let step = 1.0 / self.fade as f32;
        for (old, new) in chunk.chunks_exact_mut(self.channels).zip(new.chunks_exact(self.channels)) {
            let weight = (change.age.saturating_sub(self.unheard) as f32 * step).min(1.0);
            for (old, new) in old.iter_mut().zip(new) {
                *old += weight * (new - *old);
                *old = if old.is_finite() { *old } else { 0.0 };
            }
            change.age += 1;
        }
        for bank in [&mut self.bank, &mut change.bank] {
            if !bank.tidy(self.channels) {
                bank.forget();
            }
        }
        if change.age >= self.unheard + self.fade {
            self.bank = change.bank.clone();
            self.change = self.next.take().map(|filters| Change { bank: Bank::new(filters), age: 0 });
        }
    }

    /// What the filters remember, channel by channel, as a successor takes it: two numbers for each section.
    #[cfg(not(target_os = "unknown"))]
    pub(crate) fn memory(&self) -> Vec<f64> {
        let bank = self.change.as_ref().map_or(&self.bank, |change| &change.bank);
        let of = |channel: usize| {
            let memory = bank.memory[channel / 2][..bank.filters.count].iter().flatten();
            memory.map(move |state| if channel % 2 == 0 { state.left() } else { state.right() })
        };
        (0..self.channels).flat_map(of).collect()
    }

    /// Goes on from what another one remembered. Nothing happens if that had another shape, or remembers what cannot be.
    #[cfg(not(target_os = "unknown"))]
    pub(crate) fn remember(&mut self, memory: &[f64]) {
        let count = 2 * self.bank.filters.count;
        let sound = memory.iter().all(|state| state.abs() < ABSURD);
        if count == 0 || memory.len() != count * self.channels || !sound || self.change.is_some() {
            return;
        }
        for (channel, numbers) in memory.chunks_exact(count).enumerate() {
            let places = self.bank.memory[channel / 2].iter_mut().flatten();
            for (place, number) in places.zip(numbers) {
                *place = match channel % 2 {
                    0 => Pair::new(*number, place.right()),
                    _ => Pair::new(place.left(), *number),
                };
            }
        }
        self.begun = true;
    }
}

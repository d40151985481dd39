//! Samples on their way in and out of a guest's memory: the scales of integers, and output that harms nobody.

use crate::types::SampleFormat;

/// The largest magnitude that leaves a module: 18 dB over full scale, more than any mix before a limiter.
const LOUDEST: f32 = 8.0;

/// The magnitudes of the smallest normal number and of infinity, as integers.
const SMALLEST: i32 = 0x0080_0000;
const INFINITE: i32 = 0x7f80_0000;

const I16_SCALE: f32 = 32_768.0;
const I32_SCALE: f64 = 2_147_483_648.0;

/// Samples that are copied at once, 2 KiB: from 4 KiB on, C libraries may leave copies to an instruction of the processor that is slower on some.
const PIECE: usize = 512;

/// Copies `from` to `to`, which is as long.
#[inline]
pub(super) fn keep(from: &[f32], to: &mut [f32]) {
    for (to, from) in to.chunks_mut(PIECE).zip(from.chunks(PIECE)) {
        to.copy_from_slice(from);
    }
}

/// Writes `input` as `format` to the start of `region`.
#[inline]
pub(super) fn write(format: SampleFormat, input: &[f32], region: &mut [u8]) {
    match format {
        SampleFormat::F32le => {
            for (region, input) in region.chunks_mut(4 * PIECE).zip(input.chunks(PIECE)) {
                for (bytes, sample) in region.as_chunks_mut::<4>().0.iter_mut().zip(input) {
                    *bytes = sample.to_le_bytes();
                }
            }
        }
        SampleFormat::I16le => {
            for (bytes, sample) in region.as_chunks_mut::<2>().0.iter_mut().zip(input) {
                // A cast saturates, and makes zero of what is no number.
                *bytes = ((sample * I16_SCALE).round_ties_even() as i16).to_le_bytes();
            }
        }
        SampleFormat::I32le => {
            for (bytes, sample) in region.as_chunks_mut::<4>().0.iter_mut().zip(input) {
                *bytes = ((f64::from(*sample) * I32_SCALE).round_ties_even() as i32).to_le_bytes();
            }
        }
    }
}

/// Reads samples of `format` from `region`; whether any had to be changed to be finite, normal and not too loud.
#[inline]
pub(super) fn read(format: SampleFormat, region: &[u8], output: &mut [f32]) -> bool {
    match format {
        SampleFormat::F32le => {
            let wild = copy(region.as_chunks().0, output);
            if wild {
                output.iter_mut().for_each(|sample| *sample = tame(*sample));
            }
            wild
        }
        SampleFormat::I16le => {
            for (sample, bytes) in output.iter_mut().zip(region.as_chunks::<2>().0) {
                *sample = f32::from(i16::from_le_bytes(*bytes)) / I16_SCALE;
            }
            false
        }
        SampleFormat::I32le => {
            for (sample, bytes) in output.iter_mut().zip(region.as_chunks::<4>().0) {
                *sample = (f64::from(i32::from_le_bytes(*bytes)) / I32_SCALE) as f32;
            }
            false
        }
    }
}

/// As [`read`], where the samples are.
#[inline]
pub(super) fn tame_all(samples: &mut [f32]) -> bool {
    let wild = any_wild(samples);
    if wild {
        samples.iter_mut().for_each(|sample| *sample = tame(*sample));
    }
    wild
}

/// Defines a function that a processor with wider vectors runs in a form of its own.
macro_rules! widened {
    ($(#[$doc:meta])* $name:ident, $wide:ident, $any:ident ($($argument:ident: $type:ty),*) -> $result:ty) => {
        $(#[$doc])*
        fn $name($($argument: $type),*) -> $result {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn $wide($($argument: $type),*) -> $result {
                    $any($($argument),*)
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: this processor has what the function is compiled for.
                    return unsafe { $wide($($argument),*) };
                }
            }
            $any($($argument),*)
        }
    };
}

widened! {
    /// Copies as many samples as `output` has; whether [`tame`] would change any.
    copy, copy_wide, copy_any(region: &[[u8; 4]], output: &mut [f32]) -> bool
}

widened! {
    /// Whether [`tame`] would change any.
    any_wild, any_wild_wide, any_wild_any(samples: &[f32]) -> bool
}

#[inline(always)]
fn copy_any(region: &[[u8; 4]], output: &mut [f32]) -> bool {
    let mut bounds = Bounds::NONE;
    for (sample, bytes) in output.iter_mut().zip(region) {
        *sample = f32::from_le_bytes(*bytes);
        bounds.include(*sample);
    }
    bounds.are_wild()
}

#[inline(always)]
fn any_wild_any(samples: &[f32]) -> bool {
    let mut bounds = Bounds::NONE;
    for sample in samples {
        bounds.include(*sample);
    }
    bounds.are_wild()
}

/// The magnitudes of samples, as far as it matters whether [`tame`] would change one: four operations on whole vectors for each sample.
struct Bounds {
    /// Twice the bits of the largest, which drops the sign. What is infinite or no number is larger than any that is.
    most: u32,
    /// The same of the smallest, less one, so that zero becomes the largest and does not count.
    least: u32,
}

impl Bounds {
    const NONE: Self = Self { most: 0, least: u32::MAX };

    #[inline(always)]
    fn include(&mut self, sample: f32) {
        let twice = sample.to_bits() << 1;
        self.most = self.most.max(twice);
        self.least = self.least.min(twice.wrapping_sub(1));
    }

    #[inline(always)]
    fn are_wild(&self) -> bool {
        self.most > LOUDEST.to_bits() << 1 || self.least < (f32::MIN_POSITIVE.to_bits() << 1) - 1
    }
}

/// Zero for what is infinite, no number, or so small that processors slow down over it. // X08
#[inline(always)]
fn tame(sample: f32) -> f32 {
    // Without branches, and compared as integers, so that a compiler makes vectors of it.
    let magnitude = (sample.to_bits() & 0x7fff_ffff) as i32;
    let kept = (SMALLEST..INFINITE).contains(&magnitude);
    let limited = sample.clamp(-LOUDEST, LOUDEST);
    f32::from_bits(limited.to_bits() & u32::from(kept).wrapping_neg())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_finite_normal_and_not_too_loud() {
        // X08
        let cases = [
            (0.5, 0.5),
            (-8.0, -8.0),
            (1e30, 8.0),
            (-9.0, -8.0),
            (f32::MAX, 8.0),
            (f32::INFINITY, 0.0),
            (f32::NEG_INFINITY, 0.0),
            (f32::NAN, 0.0),
            (f32::MIN_POSITIVE, f32::MIN_POSITIVE),
            (f32::MIN_POSITIVE / 2.0, 0.0),
            (-f32::from_bits(1), 0.0),
            (0.0, 0.0),
        ];
        for (sample, expected) in cases {
            assert_eq!(tame(sample).to_bits(), f32::to_bits(expected), "{sample}");
            let mut output = [1.0];
            let changed = read(SampleFormat::F32le, &sample.to_le_bytes(), &mut output);
            assert_eq!((output[0].to_bits(), changed), (f32::to_bits(expected), sample != expected), "{sample}");
        }
        assert!(!read(SampleFormat::F32le, &(-0.0_f32).to_le_bytes(), &mut [1.0]));
    }

    #[test]
    fn integers_come_back_as_they_went_in() {
        for (format, values) in [
            (SampleFormat::I16le, [-32768.0, -1.0, 0.0, 1.0, 32767.0]),
            (SampleFormat::I32le, [-2147483648.0, -256.0, 0.0, 256.0, 2147483392.0]),
        ] {
            let scale = if format == SampleFormat::I16le { I16_SCALE } else { I32_SCALE as f32 };
            let input = values.map(|value| value / scale);
            let mut region = [0; 20];
            write(format, &input, &mut region);
            let mut output = [0.0; 5];
            read(format, &region, &mut output);
            assert_eq!(input, output);
        }
        let mut region = [0; 8];
        write(SampleFormat::I16le, &[1.0, -2.0, f32::NAN, 0.5], &mut region);
        assert_eq!(region, [0xff, 0x7f, 0x00, 0x80, 0, 0, 0x00, 0x40]);
        write(SampleFormat::I32le, &[1.0, f32::NEG_INFINITY], &mut region);
        assert_eq!(region, [0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0x80]);
    }
}

//! What comes out is what the formulas say, whatever is changed meanwhile.

use std::f64::consts::TAU;

use stellatune_plugin_equalizer::{Band, Config, Equalizer, Filters, Section, Shape, design};

const RATE: u32 = 48_000;

/// What host and module may differ by.
const CLOSE: f64 = 1.0 / (1 << 20) as f64;

fn band(shape: Shape, frequency: f64, gain_db: f64, q: f64) -> Band {
    Band { shape, frequency, gain_db, q }
}

fn ten() -> Config {
    Config {
        preamp_db: -9.0,
        bands: vec![
            band(Shape::HighPass, 25.0, 0.0, 0.7),
            band(Shape::LowShelf, 90.0, 5.0, 0.7),
            band(Shape::Peak, 60.0, -4.0, 2.0),
            band(Shape::Peak, 250.0, 3.0, 1.0),
            band(Shape::Notch, 50.0, 0.0, 8.0),
            band(Shape::Peak, 1_000.0, -6.0, 1.4),
            band(Shape::Peak, 3_000.0, 4.0, 3.0),
            band(Shape::Peak, 7_000.0, 2.5, 0.9),
            band(Shape::HighShelf, 9_000.0, -3.0, 0.7),
            band(Shape::LowPass, 19_000.0, 0.0, 0.7),
        ],
    }
}

/// Noise that is the same every time, within -0.5 to 0.5.
fn noise(samples: usize) -> Vec<f32> {
    let mut state = 0x1234_5678_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    std::iter::repeat_with(next).take(samples).collect()
}

/// The same filters in another form, the direct one, one channel at a time.
fn reference(filters: &Filters, samples: &[f32], channels: usize) -> Vec<f64> {
    let mut output: Vec<f64> = samples.iter().map(|sample| f64::from(*sample) * filters.gain()).collect();
    for Section { b, a } in filters.sections() {
        for channel in 0..channels {
            let [mut x1, mut x2, mut y1, mut y2] = [0.0; 4];
            for place in (channel..output.len()).step_by(channels) {
                let x = output[place];
                let y = b[0] * x + b[1] * x1 + b[2] * x2 - a[0] * y1 - a[1] * y2;
                (x2, x1, y2, y1) = (x1, x, y1, y);
                output[place] = y;
            }
        }
    }
    output
}

fn equalizer(channels: u16, config: &Config) -> (Equalizer, Filters) {
    config.check().unwrap();
    let filters = design(config, RATE).unwrap();
    let mut equalizer = Equalizer::new(RATE, channels).unwrap();
    equalizer.set(filters);
    (equalizer, filters)
}

fn assert_close(output: &[f32], expected: &[f64]) {
    assert_eq!(output.len(), expected.len());
    for (place, (output, expected)) in output.iter().zip(expected).enumerate() {
        assert!((f64::from(*output) - expected).abs() < CLOSE, "sample {place}: {output}, not {expected}");
    }
}

#[test]
fn audio_is_filtered_as_in_the_direct_form() {
    for channels in 1..=8_u16 {
        for bands in 0..=10 {
            let config = Config { bands: ten().bands[..bands].to_vec(), ..ten() };
            let (mut equalizer, filters) = equalizer(channels, &config);
            let input = noise(3_000 * usize::from(channels));
            let mut output = input.clone();
            // Whatever the blocks are.
            let mut rest = &mut output[..];
            for frames in [1, 700, 2, 1_297, 1_000] {
                let (block, more) = rest.split_at_mut(frames * usize::from(channels));
                equalizer.process(block);
                rest = more;
            }
            assert_close(&output, &reference(&filters, &input, usize::from(channels)));
        }
    }
}

/// The gain of a section at a frequency, as a factor.
fn gain_at(section: &Section, frequency: f64) -> f64 {
    let angle = TAU * frequency / f64::from(RATE);
    let sum = |numbers: [f64; 3]| {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (n, number) in numbers.into_iter().enumerate() {
            real += number * (angle * n as f64).cos();
            imaginary -= number * (angle * n as f64).sin();
        }
        real.hypot(imaginary)
    };
    let [a1, a2] = section.a;
    sum(section.b) / sum([1.0, a1, a2])
}

fn assert_gain(band: Band, frequency: f64, expected_db: f64) {
    let filters = design(&Config { bands: vec![band], ..Config::default() }, RATE).unwrap();
    let gain = 20.0 * gain_at(&filters.sections()[0], frequency).log10();
    let fits = if expected_db < -100.0 { gain < -100.0 } else { (gain - expected_db).abs() < 1e-6 };
    assert!(fits, "{band:?} at {frequency} Hz: {gain} dB, not {expected_db}");
}

#[test]
fn each_shape_does_what_its_name_says() {
    let half = f64::from(RATE) / 2.0;
    let three = 10.0 * 0.5_f64.log10();
    for frequency in [20.0, 440.0, 12_000.0] {
        for gain in [-12.0, 0.0, 6.0] {
            let peak = band(Shape::Peak, frequency, gain, 1.3);
            for (at, expected) in [(frequency, gain), (0.0, 0.0), (half, 0.0)] {
                assert_gain(peak, at, expected);
            }
            let low = band(Shape::LowShelf, frequency, gain, 0.7);
            for (at, expected) in [(0.0, gain), (frequency, gain / 2.0), (half, 0.0)] {
                // At its corner a shelf has half of its gain where it bends with a Q of 0.707.
                if at != frequency || (low.q - 0.5_f64.sqrt()).abs() < 1e-9 {
                    assert_gain(low, at, expected);
                }
            }
            assert_gain(Band { q: 0.5_f64.sqrt(), ..low }, frequency, gain / 2.0);
            let high = Band { shape: Shape::HighShelf, ..low };
            for (at, expected) in [(0.0, 0.0), (half, gain)] {
                assert_gain(high, at, expected);
            }
        }
        let q = 0.5_f64.sqrt();
        for (shape, at, expected) in [
            (Shape::LowPass, 0.0, 0.0),
            (Shape::LowPass, frequency, three),
            (Shape::LowPass, half, f64::NEG_INFINITY),
            (Shape::HighPass, 0.0, f64::NEG_INFINITY),
            (Shape::HighPass, frequency, three),
            (Shape::HighPass, half, 0.0),
            (Shape::Notch, frequency, f64::NEG_INFINITY),
            (Shape::Notch, 0.0, 0.0),
        ] {
            assert_gain(band(shape, frequency, 0.0, q), at, expected);
        }
    }
    // A band above what the stream has.
    let filters =
        design(&Config { bands: vec![band(Shape::LowPass, 20_000.0, 0.0, 0.7)], ..Config::default() }, 22_050);
    assert_eq!(filters.unwrap().sections().len(), 1);
}

/// The largest step between frames, of each of two channels.
fn step(samples: impl Iterator<Item = f64>) -> f64 {
    let samples: Vec<f64> = samples.collect();
    samples.windows(3).map(|window| (window[2] - window[0]).abs()).fold(0.0, f64::max)
}

#[test]
fn a_change_makes_no_step() {
    let tone = |place: usize| (0.4 * ((place / 2) as f64 * TAU * 110.0 / f64::from(RATE)).sin()) as f32;
    let input: Vec<f32> = (0..2 * 24_000).map(tone).collect();
    let loud = Config { preamp_db: 0.0, bands: vec![band(Shape::LowShelf, 200.0, 12.0, 0.7)] };
    let quiet = Config {
        preamp_db: -24.0,
        bands: vec![band(Shape::Peak, 110.0, -18.0, 4.0), band(Shape::HighPass, 60.0, 0.0, 0.7)],
    };
    let (mut equalizer, before) = equalizer(2, &loud);
    let after = design(&quiet, RATE).unwrap();
    let mut output = input.clone();
    let (first, second) = output.split_at_mut(24_000);
    equalizer.process(first);
    equalizer.set(after);
    second.chunks_mut(2 * 333).for_each(|block| equalizer.process(block));

    let old = reference(&before, &input, 2);
    let new = reference(&after, &input[24_000..], 2);
    // In a fade of 960 frames the two, which are nowhere further apart than this, mix.
    let apart = old[24_000..].iter().zip(&new).map(|(old, new)| (old - new).abs()).fold(0.0, f64::max);
    let allowed = step(old.iter().copied()).max(step(new.iter().copied())) + apart / 960.0 + 1e-6;
    let found = step(output.iter().map(|sample| f64::from(*sample)));
    assert!(found <= allowed, "a step of {found}, where {allowed} is what the tone has");
    assert!(apart > 20.0 * allowed, "the change is large: {apart}");
    assert_close(&output[..24_000], &old[..24_000]);
    assert_close(&output[24_000 + 2 * 1_920..], &new[2 * 1_920..]);
}

#[test]
fn the_last_of_many_changes_is_the_one_that_stays() {
    let (mut equalizer, _) = equalizer(2, &ten());
    equalizer.process(&mut noise(2 * 100));
    let mut last = Filters::NONE;
    for gain in 0..30 {
        last = design(&Config { preamp_db: f64::from(gain) - 20.0, bands: Vec::new() }, RATE).unwrap();
        equalizer.set(last);
        assert_eq!(*equalizer.filters(), last);
        equalizer.process(&mut noise(2 * 100));
    }
    equalizer.process(&mut noise(2 * 4_000));
    let input = noise(2 * 1_000);
    let mut output = input.clone();
    equalizer.process(&mut output);
    assert_close(&output, &reference(&last, &input, 2));
}

#[test]
fn silence_becomes_silence_and_no_numbers_leave_no_trace() {
    let (mut equalizer, filters) = equalizer(3, &ten());
    equalizer.process(&mut noise(3 * 1_000));
    let mut block = vec![0.0; 3 * 4_096];
    for _ in 0..100 {
        block.fill(0.0);
        equalizer.process(&mut block);
    }
    assert!(block.iter().all(|sample| *sample == 0.0), "after eight seconds nothing rings");

    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut block = noise(3 * 64);
        block[17] = bad;
        equalizer.process(&mut block);
        assert!(block.iter().all(|sample| sample.is_finite()));
        let input = noise(3 * 500);
        let mut output = input.clone();
        equalizer.process(&mut output);
        // All three channels began anew.
        assert_close(&output, &reference(&filters, &input, 3));
    }
}

#[test]
fn filters_that_would_not_end_are_none() {
    let unstable = Section { a: [0.0, 1.1], ..Section::THROUGH };
    assert_eq!(Filters::new(1.0, &[unstable]), None);
    assert_eq!(Filters::new(1.0, &[Section { a: [-2.1, 1.0], ..Section::THROUGH }]), None);
    assert_eq!(Filters::new(f64::NAN, &[]), None);
    assert_eq!(Filters::new(1.0, &[Section { b: [f64::INFINITY, 0.0, 0.0], ..Section::THROUGH }]), None);
    assert_eq!(Filters::new(1.0, &[Section::THROUGH; 11]), None);
    assert!(Filters::new(1.0, &[Section::THROUGH; 10]).is_some());
    assert!(Equalizer::new(RATE, 0).is_none() && Equalizer::new(RATE, 9).is_none());
    // As wide and as narrow as a user may ask for, at every rate.
    for rate in [8_000, 44_100, 192_000, 768_000] {
        for (frequency, q, gain) in
            [(10.0, 20.0, 30.0), (24_000.0, 0.1, -30.0), (10.0, 0.1, -30.0), (24_000.0, 20.0, 30.0)]
        {
            for shape in [Shape::Peak, Shape::LowShelf, Shape::HighShelf, Shape::LowPass, Shape::HighPass, Shape::Notch]
            {
                let config = Config { bands: vec![band(shape, frequency, gain, q)], ..Config::default() };
                assert!(design(&config, rate).is_some(), "{config:?} at {rate} Hz");
            }
        }
    }
}

//! From what a user sets to coefficients.
//!
//! The filters are analogue prototypes brought to discrete time by the bilinear transform, bent so that the frequency
//! that was asked for stays where it is: those of Robert Bristow-Johnson's "Cookbook formulae for audio equalizer biquad
//! filter coefficients".

use std::f64::consts::TAU;

use crate::{
    config::{Band, Config, Shape},
    filter::{Filters, Section},
};

/// The highest frequency a filter can be at, over the sample rate: just below half of it.
const HIGHEST: f64 = 0.49;

/// The filters of a configuration; `None` for one that [`Config::check`] refuses.
pub fn design(config: &Config, sample_rate: u32) -> Option<Filters> {
    let sections: Vec<_> = config.bands.iter().map(|band| section(band, f64::from(sample_rate))).collect();
    Filters::new(factor(config.preamp_db), &sections)
}

fn factor(decibels: f64) -> f64 {
    10_f64.powf(decibels / 20.0)
}

fn section(band: &Band, sample_rate: f64) -> Section {
    let angle = TAU * (band.frequency / sample_rate).min(HIGHEST);
    let (sine, cosine) = angle.sin_cos();
    // Half the width of the filter.
    let width = sine / (2.0 * band.q);
    // Its gain is reached from both sides: the root of it over the root below it.
    let root = factor(band.gain_db / 2.0);
    let (b, a) = match band.shape {
        Shape::Peak => (
            [1.0 + width * root, -2.0 * cosine, 1.0 - width * root],
            [1.0 + width / root, -2.0 * cosine, 1.0 - width / root],
        ),
        Shape::Notch => ([1.0, -2.0 * cosine, 1.0], [1.0 + width, -2.0 * cosine, 1.0 - width]),
        Shape::LowPass => pass(1.0 - cosine, 1.0, cosine, width),
        Shape::HighPass => pass(1.0 + cosine, -1.0, cosine, width),
        Shape::LowShelf => shelf(root, cosine, width, 1.0),
        Shape::HighShelf => shelf(root, cosine, width, -1.0),
    };
    Section { b: b.map(|b| b / a[0]), a: [a[1] / a[0], a[2] / a[0]] }
}

/// Two zeros at one end of the spectrum: `side` is 1 where they are at the upper one, -1 at the lower one.
fn pass(rest: f64, side: f64, cosine: f64, width: f64) -> ([f64; 3], [f64; 3]) {
    ([rest / 2.0, side * rest, rest / 2.0], [1.0 + width, -2.0 * cosine, 1.0 - width])
}

/// A shelf at the lower end, or with `side` -1 its mirror image at the upper one.
fn shelf(root: f64, cosine: f64, width: f64, side: f64) -> ([f64; 3], [f64; 3]) {
    let (more, less, cosine) = (root + 1.0, root - 1.0, side * cosine);
    let bend = 2.0 * root.sqrt() * width;
    (
        [
            root * (more - less * cosine + bend),
            side * 2.0 * root * (less - more * cosine),
            root * (more - less * cosine - bend),
        ],
        [more + less * cosine + bend, side * -2.0 * (less + more * cosine), more + less * cosine - bend],
    )
}

//! The filters of our equaliser outside of any sandbox and in another form, in 64-bit floats: the formulas of Robert
//! Bristow-Johnson's cookbook, and the difference equation as it is written there.

use std::f64::consts::TAU;

/// A band as a user has it: shape, frequency in hertz, gain in decibels, Q.
pub(crate) type Band = (&'static str, f64, f64, f64);

/// A configuration, as JSON.
pub(crate) fn config(preamp_db: f64, bands: &[Band]) -> String {
    let bands: Vec<_> = bands
        .iter()
        .map(|(shape, frequency, gain_db, q)| {
            serde_json::json!({ "shape": shape, "frequency": frequency, "gain_db": gain_db, "q": q })
        })
        .collect();
    serde_json::json!({ "preamp_db": preamp_db, "bands": bands }).to_string()
}

/// What comes out of interleaved samples.
pub(crate) fn filtered(preamp_db: f64, bands: &[Band], rate: u32, channels: usize, samples: &[f64]) -> Vec<f64> {
    let gain = 10_f64.powf(preamp_db / 20.0);
    let mut output: Vec<f64> = samples.iter().map(|sample| sample * gain).collect();
    for band in bands {
        let ([b0, b1, b2], [a0, a1, a2]) = coefficients(*band, f64::from(rate));
        for channel in 0..channels {
            let (mut x1, mut x2, mut y1, mut y2) = (0.0, 0.0, 0.0, 0.0);
            for sample in output.iter_mut().skip(channel).step_by(channels) {
                let x = *sample;
                let y = (b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2) / a0;
                (x2, x1, y2, y1) = (x1, x, y1, y);
                *sample = y;
            }
        }
    }
    output
}

/// Numerator and denominator.
fn coefficients((shape, frequency, gain_db, q): Band, rate: f64) -> ([f64; 3], [f64; 3]) {
    let w0 = TAU * frequency / rate;
    let (sin, cos) = w0.sin_cos();
    let alpha = sin / (2.0 * q);
    let a = 10_f64.powf(gain_db / 40.0);
    let beta = 2.0 * a.sqrt() * alpha;
    let plain = [1.0 + alpha, -2.0 * cos, 1.0 - alpha];
    match shape {
        "peak" => ([1.0 + alpha * a, -2.0 * cos, 1.0 - alpha * a], [1.0 + alpha / a, -2.0 * cos, 1.0 - alpha / a]),
        "notch" => ([1.0, -2.0 * cos, 1.0], plain),
        "low_pass" => ([(1.0 - cos) / 2.0, 1.0 - cos, (1.0 - cos) / 2.0], plain),
        "high_pass" => ([(1.0 + cos) / 2.0, -1.0 - cos, (1.0 + cos) / 2.0], plain),
        "low_shelf" => (
            [
                a * ((a + 1.0) - (a - 1.0) * cos + beta),
                2.0 * a * ((a - 1.0) - (a + 1.0) * cos),
                a * ((a + 1.0) - (a - 1.0) * cos - beta),
            ],
            [
                (a + 1.0) + (a - 1.0) * cos + beta,
                -2.0 * ((a - 1.0) + (a + 1.0) * cos),
                (a + 1.0) + (a - 1.0) * cos - beta,
            ],
        ),
        "high_shelf" => (
            [
                a * ((a + 1.0) + (a - 1.0) * cos + beta),
                -2.0 * a * ((a - 1.0) + (a + 1.0) * cos),
                a * ((a + 1.0) + (a - 1.0) * cos - beta),
            ],
            [
                (a + 1.0) - (a - 1.0) * cos + beta,
                2.0 * ((a - 1.0) - (a + 1.0) * cos),
                (a + 1.0) - (a - 1.0) * cos - beta,
            ],
        ),
        other => panic!("no shape {other}"),
    }
}

//! A8: a block through the hot path costs not much more than through a dynamic library.
//!
//! Each round runs the library and the module in turn, a few hundred blocks each; the row is the median of the rounds' ratios of CPU
//! time, at 128 frames. The larger block must keep its own promise besides.

use std::hint::black_box;

use anyhow::{Result, ensure};
use cpu_time::ThreadTime;

use super::{
    Measured, Row, Settings,
    common::hot::{BIQUAD, Cdylib, block},
    stats::Spread,
};

pub(super) static ROW: Row = Row {
    id: "A8",
    promise: "hot path with meter, dry copy and finite output, over a dynamic library: gain and biquad, 128 frames (CPU time)",
    timed: true,
    engine: None,
    unit: "ratio",
    at_most: 1.20,
    measure,
};

/// The promise for 512 frames.
const LARGE: f64 = 1.15;

/// Frames of one measurement, however they are divided, so that it takes far longer than reading the clock.
const FRAMES: usize = 128 * 512;

fn measure(settings: &Settings) -> Result<Measured> {
    let small = ratios(128, settings.rounds(200))?;
    let large = ratios(512, settings.rounds(200))?;
    let mut faults = Vec::new();
    let at_512 = Spread::of(&large.module);
    if at_512.p50 > LARGE {
        faults.push(format!("at 512 frames the ratio is {:.3}, more than {LARGE}", at_512.p50));
    }
    let ratio = Spread::of(&small.module);
    Ok(Measured {
        value: ratio.p50,
        n: small.module.len(),
        spreads: vec![
            ("128 frames, over the library", "", ratio),
            ("128 frames in place, over the library", "", Spread::of(&small.in_place)),
            ("512 frames, over the library", "", at_512),
            ("512 frames in place, over the library", "", Spread::of(&large.in_place)),
            ("128 frames, library", "ns", Spread::of(&small.native)),
            ("512 frames, library", "ns", Spread::of(&large.native)),
        ],
        faults,
    })
}

/// One number a round.
#[derive(Default)]
struct Ratios {
    module: Vec<f64>,
    in_place: Vec<f64>,
    native: Vec<f64>,
}

fn ratios(frames: usize, rounds: usize) -> Result<Ratios> {
    let (mut native, mut processor) = (Cdylib::new(BIQUAD)?, BIQUAD.processor("wasmtime")?);
    let input = block(frames);
    let (mut expected, mut output) = (vec![0.0; input.len()], vec![0.0; input.len()]);
    native.process(&input, &mut expected);
    ensure!(processor.process(&input, &mut output).wet, "the block is dry");
    ensure!(output == expected, "the module computes something else than the library");
    let times = FRAMES / frames;
    let mut ratios = Ratios::default();
    for _ in 0..rounds {
        let of_native = cost(times, || native.process(black_box(&input), &mut output))?;
        let of_module = cost(times, || _ = processor.process(black_box(&input), &mut output))?;
        let in_place = cost(times, || {
            let mut block = processor.block(frames);
            black_box(block.input());
            black_box(block.process());
        })?;
        ratios.module.push(of_module / of_native);
        ratios.in_place.push(in_place / of_native);
        ratios.native.push(of_native);
    }
    Ok(ratios)
}

/// Nanoseconds of CPU time that one of `times` takes.
fn cost(times: usize, mut work: impl FnMut()) -> Result<f64> {
    let began = ThreadTime::try_now()?;
    for _ in 0..times {
        work();
    }
    Ok(ThreadTime::try_now()?.duration_since(began).as_nanos() as f64 / times as f64)
}

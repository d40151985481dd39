//! A8, A9, C4 and C5: a block through the hot path costs not much more than through a dynamic library.
//!
//! Each round runs the library and the module in turn, a few hundred blocks each; a row is the median of the rounds' ratios of CPU
//! time, at 128 frames. The larger block must keep its own promise besides.

use std::hint::black_box;

use anyhow::{Result, bail, ensure};
use cpu_time::ThreadTime;

use super::{
    Measured, Row, Settings,
    common::hot::{BIQUAD, Cdylib, block},
    stats::Spread,
};

pub(super) static WASMTIME: Row = Row {
    id: "A8",
    promise: "hot path with meter, dry copy and finite output, over a dynamic library: gain and biquad, 128 frames (CPU time)",
    at_most: 1.20,
    engine: Some("wasmtime"),
    measure: |settings| measure(settings, "wasmtime", Form::Copied, 1.15),
    ..ROW
};

pub(super) static WASMTIME_IN_PLACE: Row = Row {
    id: "A9",
    promise: "the same, of audio that is written and read in the module's memory",
    at_most: 1.10,
    engine: Some("wasmtime"),
    measure: |settings| measure(settings, "wasmtime", Form::InPlace, 1.08),
    ..ROW
};

pub(super) static WASMER: Row = Row {
    id: "C4",
    promise: "A8 on Wasmer",
    at_most: 1.35,
    engine: Some("wasmer"),
    measure: |settings| measure(settings, "wasmer", Form::Copied, 1.22),
    ..ROW
};

pub(super) static WASMER_IN_PLACE: Row = Row {
    id: "C5",
    promise: "A9 on Wasmer",
    at_most: 1.22,
    engine: Some("wasmer"),
    measure: |settings| measure(settings, "wasmer", Form::InPlace, 1.14),
    ..ROW
};

/// What these rows have in common.
const ROW: Row =
    Row { id: "", promise: "", timed: true, engine: None, unit: "ratio", at_most: 0.0, measure: |_| bail!("no row") };

/// How audio gets to the module and back.
#[derive(Clone, Copy)]
enum Form {
    Copied,
    InPlace,
}

/// Frames of one measurement, however they are divided, so that it takes far longer than reading the clock.
const FRAMES: usize = 128 * 512;

/// `large` is the promise for 512 frames.
fn measure(settings: &Settings, engine: &str, form: Form, large: f64) -> Result<Measured> {
    let at_128 = ratios(engine, form, 128, settings.rounds(200))?;
    let at_512 = ratios(engine, form, 512, settings.rounds(200))?;
    let (small, larger) = (Spread::of(&at_128.module), Spread::of(&at_512.module));
    let mut faults = Vec::new();
    if larger.p50 > large {
        faults.push(format!("at 512 frames the ratio is {:.3}, more than {large}", larger.p50));
    }
    Ok(Measured {
        value: small.p50,
        n: at_128.module.len(),
        spreads: vec![
            ("128 frames, over the library", "", small),
            ("512 frames, over the library", "", larger),
            ("128 frames, library", "ns", Spread::of(&at_128.native)),
            ("512 frames, library", "ns", Spread::of(&at_512.native)),
        ],
        faults,
    })
}

/// One number a round.
#[derive(Default)]
struct Ratios {
    module: Vec<f64>,
    native: Vec<f64>,
}

fn ratios(engine: &str, form: Form, frames: usize, rounds: usize) -> Result<Ratios> {
    let (mut native, mut processor) = (Cdylib::new(BIQUAD)?, BIQUAD.processor(engine)?);
    let input = block(frames);
    let (mut expected, mut output) = (vec![0.0; input.len()], vec![0.0; input.len()]);
    native.process(&input, &mut expected);
    ensure!(processor.process(&input, &mut output).wet, "the block is dry");
    ensure!(output == expected, "the module computes something else than the library");
    let times = FRAMES / frames;
    let mut ratios = Ratios::default();
    for _ in 0..rounds {
        let of_native = cost(times, || native.process(black_box(&input), &mut output))?;
        let of_module = match form {
            Form::Copied => cost(times, || _ = processor.process(black_box(&input), &mut output))?,
            Form::InPlace => cost(times, || {
                let mut block = processor.block(frames);
                black_box(block.input());
                black_box(block.process());
            })?,
        };
        ratios.module.push(of_module / of_native);
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

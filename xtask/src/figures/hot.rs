//! A8, A9, C4 and C5: a block through the hot path costs not much more than through a dynamic library. C10 and C11: nor does one
//! through the component, at the engine seam, where there is no hot path.
//!
//! Each round runs the library and the plugin in turn, a few hundred blocks each; a row is the median of the rounds' ratios of CPU
//! time, at 128 frames. The larger block must keep its own promise besides.

use std::hint::black_box;

use anyhow::{Result, bail, ensure};
use cpu_time::ThreadTime;
use stellatune_plugins::hot::HotProcessor;

use super::{
    Measured, Row, Settings,
    common::{
        component::{self, Component, Loaded},
        hot::{BIQUAD, Cdylib, block},
    },
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

pub(super) static COMPONENT: Row = Row {
    id: "C10",
    promise: "component call of a DSP, at the engine seam, over a dynamic library: gain and biquad, 128 frames (CPU time)",
    at_most: 1.75,
    engine: Some("wasmtime"),
    measure: |settings| measure(settings, "wasmtime", Form::Component, 1.30),
    ..ROW
};

pub(super) static COMPONENT_ON_WASMER: Row = Row {
    id: "C11",
    promise: "C10 on Wasmer",
    at_most: 2.0,
    engine: Some("wasmer"),
    measure: |settings| measure(settings, "wasmer", Form::Component, 1.45),
    ..ROW
};

/// What these rows have in common.
const ROW: Row =
    Row { id: "", promise: "", timed: true, engine: None, unit: "ratio", at_most: 0.0, measure: |_| bail!("no row") };

/// How audio gets to the plugin and back.
#[derive(Clone, Copy)]
enum Form {
    Copied,
    InPlace,
    /// As bytes, by a component call.
    Component,
}

/// Frames of one measurement, however they are divided, so that it takes far longer than reading the clock.
const FRAMES: usize = 128 * 512;

/// `large` is the promise for 512 frames.
fn measure(settings: &Settings, engine: &str, form: Form, large: f64) -> Result<Measured> {
    let at_128 = ratios(engine, form, 128, settings.rounds(200))?;
    let at_512 = ratios(engine, form, 512, settings.rounds(200))?;
    let (small, larger) = (Spread::of(&at_128.plugin), Spread::of(&at_512.plugin));
    let mut faults = Vec::new();
    if larger.p50 > large {
        faults.push(format!("at 512 frames the ratio is {:.3}, more than {large}", larger.p50));
    }
    Ok(Measured {
        value: small.p50,
        n: at_128.plugin.len(),
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
    plugin: Vec<f64>,
    native: Vec<f64>,
}

fn ratios(engine: &str, form: Form, frames: usize, rounds: usize) -> Result<Ratios> {
    let (mut native, mut plugin) = (Cdylib::new(BIQUAD)?, Running::new(engine, form)?);
    let input = block(frames);
    let bytes = component::bytes(&input);
    let (mut expected, mut output) = (vec![0.0; input.len()], vec![0.0; input.len()]);
    native.process(&input, &mut expected);
    match &mut plugin {
        Running::Copied(processor) | Running::InPlace(processor) => {
            ensure!(processor.process(&input, &mut output).wet, "the block is dry");
            ensure!(output == expected, "the module computes something else than the library");
        }
        Running::Component(component) => {
            let same = component.process(&bytes) == component::bytes(&expected);
            ensure!(same, "the component computes something else than the library");
        }
    }
    let times = FRAMES / frames;
    let mut ratios = Ratios::default();
    for _ in 0..rounds {
        let of_native = cost(times, || native.process(black_box(&input), &mut output))?;
        let of_plugin = match &mut plugin {
            Running::Copied(processor) => cost(times, || _ = processor.process(black_box(&input), &mut output))?,
            Running::InPlace(processor) => cost(times, || {
                let mut block = processor.block(frames);
                black_box(block.input());
                black_box(block.process());
            })?,
            Running::Component(component) => cost(times, || _ = black_box(component.process(black_box(&bytes))))?,
        };
        ratios.plugin.push(of_plugin / of_native);
        ratios.native.push(of_native);
    }
    Ok(ratios)
}

/// The DSP in one of its forms.
enum Running {
    Copied(HotProcessor),
    InPlace(HotProcessor),
    Component(Component),
}

impl Running {
    fn new(engine: &str, form: Form) -> Result<Self> {
        Ok(match form {
            Form::Copied => Self::Copied(BIQUAD.processor(engine)?),
            Form::InPlace => Self::InPlace(BIQUAD.processor(engine)?),
            Form::Component => Self::Component(Loaded::new(engine, BIQUAD)?.component()?),
        })
    }
}

/// Nanoseconds of CPU time that one of `times` takes.
fn cost(times: usize, mut work: impl FnMut()) -> Result<f64> {
    let began = ThreadTime::try_now()?;
    for _ in 0..times {
        work();
    }
    Ok(ThreadTime::try_now()?.duration_since(began).as_nanos() as f64 / times as f64)
}

//! `hot/<dsp>/<frames>/<form>`: a block through the hot path, beside a dynamic library. See README.md.

#[allow(dead_code, reason = "each bench uses a part of it")]
mod common;
#[path = "hot/plain.rs"]
mod plain;

use std::{hint::black_box, time::Duration};

use anyhow::{Result, ensure};
use common::hot::{BIQUAD, Cdylib, Dsp, GAIN, INPUT, OUTPUT, block};
use cpu_time::ThreadTime;
use criterion::{Criterion, Throughput};
use stellatune_plugin_core::{
    engine::{HotExports, HotModule},
    meter::meter_block,
};
use stellatune_plugins::{Limits, engine, engines, hot::HotProcessor};

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for dsp in [GAIN, BIQUAD] {
        for frames in [64, 128, 256, 512, 1024, 2048, 4096] {
            measure(&mut criterion, dsp, frames)?;
        }
    }
    criterion.final_summary();
    Ok(())
}

fn measure(criterion: &mut Criterion, dsp: Dsp, frames: usize) -> Result<()> {
    let mut group = criterion.benchmark_group(format!("hot/{}/{frames}", dsp.name));
    group.throughput(Throughput::Elements(frames as u64)).sample_size(60);
    let input = block(frames);
    let mut output = vec![0.0; input.len()];
    let mut native = Cdylib::new(dsp)?;
    native.process(&input, &mut output);
    let expected = output.clone();
    group.bench_function("native", |bench| {
        bench.iter_custom(|times| cpu(times, || native.process(&input, &mut output)));
    });
    for engine in engines() {
        let mut plain = plain::on(engine, &dsp.wasm()?)?;
        copy_in(plain.memory(), &input);
        plain.process(frames)?;
        copy_out(plain.memory(), &mut output);
        ensure!(output == expected, "the module computes something else than the library");
        group.bench_function(format!("{engine}/plain"), |bench| {
            let mut copied = || {
                copy_in(plain.memory(), &input);
                plain.process(frames).expect("it did before");
                copy_out(plain.memory(), &mut output);
            };
            bench.iter_custom(|times| cpu(times, &mut copied));
        });
        group.bench_function(format!("{engine}/plain-in-place"), |bench| {
            bench.iter_custom(|times| cpu(times, || plain.process(frames).expect("it did before")));
        });
        let mut metered = Metered::new(engine, &dsp.wasm()?)?;
        metered.process(&input, &mut output);
        ensure!(output == expected, "the module computes something else than the library");
        group.bench_function(format!("{engine}/metered"), |bench| {
            bench.iter_custom(|times| cpu(times, || metered.process(&input, &mut output)));
        });
        let mut processor = dsp.processor(engine)?;
        ensure!(processor.process(&input, &mut output).wet, "the block is dry");
        ensure!(output == expected, "the module computes something else than the library");
        group.bench_function(format!("{engine}/safe"), |bench| {
            bench.iter_custom(|times| cpu(times, || processor.process(&input, &mut output)));
        });
        group.bench_function(format!("{engine}/in-place"), |bench| {
            let in_place = |processor: &mut HotProcessor| {
                let mut block = processor.block(frames);
                // What a producer would compute there anyway is not written here.
                black_box(block.input());
                block.process().1
            };
            bench.iter_custom(|times| cpu(times, || in_place(&mut processor)));
        });
    }
    group.finish();
    Ok(())
}

/// The CPU time that `times` runs take: other processes do not count.
fn cpu<R>(times: u64, mut work: impl FnMut() -> R) -> Duration {
    let began = ThreadTime::now();
    for _ in 0..times {
        black_box(work());
    }
    began.elapsed()
}

/// The engine seam alone: the meter, and a copy in and out.
struct Metered(Box<dyn HotModule>);

impl Metered {
    fn new(name: &str, wasm: &[u8]) -> Result<Self> {
        let exports = HotExports {
            memory: "memory".into(),
            init: "st_hot_init".into(),
            process: "st_hot_process".into(),
            reset: None,
            drop: None,
        };
        Ok(Self(engine(Some(name))?.hot(&meter_block(wasm, &exports.process)?, &exports, &Limits::HOT)?))
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        copy_in(self.0.memory(), input);
        let frames = (input.len() / 2) as u32;
        assert_eq!(self.0.process(1 << 30, 0, frames, 8), Ok((0, frames.into())));
        copy_out(self.0.memory(), output);
    }
}

fn copy_in(memory: &mut [u8], input: &[f32]) {
    let bytes: &[u8] = bytemuck::cast_slice(input);
    memory[INPUT as usize..][..bytes.len()].copy_from_slice(bytes);
}

fn copy_out(memory: &[u8], output: &mut [f32]) {
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(output);
    bytes.copy_from_slice(&memory[OUTPUT as usize..][..bytes.len()]);
}

//! `<engine>/start/{compile,cached}` and `native/start`: from nothing to the first samples. See README.md.

#[allow(dead_code, reason = "each bench uses a part of it")]
mod common;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use common::{
    audio,
    native::Native,
    plugin::{self, Plugins},
};
use criterion::Criterion;
use stellatune_plugins::{Decoder, Runtime, engines};

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    let path = audio("demo.flac");
    criterion.bench_function("native/start", |bench| {
        bench.iter(|| {
            let mut native = Native::open(&path).expect("the demo opens");
            native.packet().expect("the demo decodes").map(<[f32]>::len)
        });
    });
    for engine in engines() {
        let plugins = Plugins::symphonia(engine)?;
        let builder = || plugins.builder();
        started(builder().build()?, &path)?;
        let mut group = criterion.benchmark_group(format!("{engine}/start"));
        group.sample_size(10).bench_function("compile", |bench| {
            bench.iter_custom(|times| (0..times).map(|_| time(|| builder().without_cache().build(), &path)).sum());
        });
        group.sample_size(20).bench_function("cached", |bench| {
            bench.iter_custom(|times| (0..times).map(|_| time(|| builder().build(), &path)).sum());
        });
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}

/// How long it takes to make a runtime and hear its first samples, but not to let it go.
fn time(runtime: impl FnOnce() -> stellatune_plugins::Result<Runtime>, path: &Path) -> Duration {
    let began = Instant::now();
    let kept = started(runtime().expect("a runtime"), path).expect("the demo decodes");
    let elapsed = began.elapsed();
    drop(kept);
    elapsed
}

fn started(runtime: Runtime, path: &Path) -> Result<(Runtime, Decoder)> {
    let mut decoder = plugin::open(&runtime, path)?;
    plugin::first(&mut decoder)?;
    Ok((runtime, decoder))
}

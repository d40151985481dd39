//! `start/<engine>/{compile,cached}` and `start/native`: from nothing to the first samples. See README.md.

#[allow(dead_code, reason = "each bench uses a part of it")]
mod common;

use anyhow::Result;
use common::{
    audio,
    native::Native,
    plugin::{self, Plugins},
};
use criterion::Criterion;
use stellatune_plugins::{Runtime, engines};

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    let path = audio("demo.flac");
    let mut group = criterion.benchmark_group("start");
    group.bench_function("native", |bench| {
        bench.iter(|| {
            let mut native = Native::open(&path).expect("the demo opens");
            native.packet().expect("the demo decodes").map(<[f32]>::len)
        });
    });
    for engine in engines() {
        let plugins = Plugins::symphonia(engine)?;
        let first = |runtime: &Runtime| {
            let mut decoder = plugin::open(runtime, &path).expect("the demo opens");
            plugin::first(&mut decoder).expect("the demo decodes").len()
        };
        group.sample_size(10).bench_function(format!("{engine}/compile"), |bench| {
            bench.iter(|| first(&plugins.builder().without_cache().build().expect("a runtime")));
        });
        first(&plugins.runtime()?);
        group.sample_size(20).bench_function(format!("{engine}/cached"), |bench| {
            bench.iter(|| first(&plugins.runtime().expect("a runtime")));
        });
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

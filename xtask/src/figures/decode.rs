//! A3 and A7, on Wasmer C6 and C7: a whole file through the plugin costs not much more than natively. C9: what of that on
//! Wasmer is the meter's.
//!
//! Each round decodes the file natively, then through the plugin, from opening it to the last sample; the row is the
//! median of the rounds' ratios of CPU time, which all threads of this process count to and other processes do not.

use std::{sync::Arc, time::Instant};

use anyhow::{Result, ensure};
use cpu_time::ProcessTime;
use stellatune_plugin_engine_wasmer::testing::Unmetered;

use super::{
    Measured, Row, Settings,
    common::{
        audio,
        native::Native,
        plugin::{self, Plugins},
        root,
    },
    stats::Spread,
};

pub(super) static FLAC: Row = Row {
    id: "A3",
    promise: "decoding FLAC through the plugin, over native Symphonia (CPU time)",
    timed: true,
    unit: "ratio",
    at_most: 1.6,
    engine: None,
    measure: |settings| measure(settings, "wasmtime", "demo.flac"),
};

pub(super) static MP3: Row = Row {
    id: "A7",
    promise: "decoding MP3 through the plugin, over native Symphonia (CPU time)",
    timed: true,
    unit: "ratio",
    at_most: 1.5,
    engine: None,
    measure: |settings| measure(settings, "wasmtime", "demo.mp3"),
};

pub(super) static FLAC_ON_WASMER: Row = Row {
    id: "C6",
    promise: "A3 on Wasmer",
    at_most: 1.7,
    engine: Some("wasmer"),
    measure: |settings| measure(settings, "wasmer", "demo.flac"),
    ..FLAC
};

pub(super) static MP3_ON_WASMER: Row = Row {
    id: "C7",
    promise: "A7 on Wasmer",
    at_most: 1.45,
    engine: Some("wasmer"),
    measure: |settings| measure(settings, "wasmer", "demo.mp3"),
    ..MP3
};

pub(super) static METER: Row = Row {
    id: "C9",
    promise: "decoding FLAC on Wasmer, over the same without the meter (CPU time)",
    timed: true,
    unit: "ratio",
    at_most: 1.15,
    engine: Some("wasmer"),
    measure: meter,
};

fn measure(settings: &Settings, engine: &str, file: &str) -> Result<Measured> {
    let path = audio(file);
    let plugins = Plugins::symphonia(engine)?;
    let runtime = plugins.runtime()?;
    let native = || Native::open(&path)?.decode();
    let guest = || plugin::decode(&mut plugin::open(&runtime, &path)?);
    let untrimmed = plugin::decode(&mut plugin::open(&runtime, &path)?.untrimmed())?;
    ensure!(native()? == untrimmed, "the plugin decodes another number of samples than native code");

    let (mut cpu, mut wall, mut native_ms) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..settings.rounds(40) {
        let (of_native, of_guest) = (cost(native)?, cost(guest)?);
        cpu.push(of_guest.cpu / of_native.cpu);
        wall.push(of_guest.wall / of_native.wall);
        native_ms.push(of_native.cpu * 1e3);
    }
    let ratio = Spread::of(&cpu);
    Ok(Measured {
        value: ratio.p50,
        n: cpu.len(),
        spreads: vec![
            ("CPU time over native", "", ratio),
            ("wall time over native", "", Spread::of(&wall)),
            ("native, CPU time", "ms", Spread::of(&native_ms)),
        ],
        faults: Vec::new(),
    })
}

fn meter(settings: &Settings) -> Result<Measured> {
    let path = audio("demo.flac");
    let metered = Plugins::symphonia("wasmer")?;
    let free = Plugins::on(Arc::new(Unmetered::new()), &root().join("plugins/prebuilt/symphonia"))?;
    let (metered, free) = (metered.runtime()?, free.runtime()?);
    let decode = |runtime| plugin::decode(&mut plugin::open(runtime, &path)?);
    ensure!(decode(&metered)? == decode(&free)?, "the meter changes how many samples are decoded");

    let mut cpu = Vec::new();
    for _ in 0..settings.rounds(40) {
        let (without, with) = (cost(|| decode(&free))?, cost(|| decode(&metered))?);
        cpu.push(with.cpu / without.cpu);
    }
    let ratio = Spread::of(&cpu);
    let spreads = vec![("CPU time over that without the meter", "", ratio)];
    Ok(Measured { value: ratio.p50, n: cpu.len(), spreads, faults: Vec::new() })
}

struct Cost {
    cpu: f64,
    wall: f64,
}

fn cost(work: impl FnOnce() -> Result<usize>) -> Result<Cost> {
    let (wall, cpu) = (Instant::now(), ProcessTime::try_now()?);
    std::hint::black_box(work()?);
    let cpu = ProcessTime::try_now()?.duration_since(cpu);
    Ok(Cost { cpu: cpu.as_secs_f64(), wall: wall.elapsed().as_secs_f64() })
}

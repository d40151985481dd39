//! A3 and A7: a whole file through the plugin costs not much more than natively.
//!
//! Each round decodes the file natively, then through the plugin, from opening it to the last sample; the row is the
//! median of the rounds' ratios of CPU time, which all threads of this process count to and other processes do not.

use std::time::Instant;

use anyhow::{Result, ensure};
use cpu_time::ProcessTime;

use super::{
    Measured, Row, Settings,
    common::{
        audio,
        native::Native,
        plugin::{self, Plugins},
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
    measure: |settings| measure(settings, "demo.flac"),
};

pub(super) static MP3: Row = Row {
    id: "A7",
    promise: "decoding MP3 through the plugin, over native Symphonia (CPU time)",
    timed: true,
    unit: "ratio",
    at_most: 1.5,
    engine: None,
    measure: |settings| measure(settings, "demo.mp3"),
};

fn measure(settings: &Settings, file: &str) -> Result<Measured> {
    let path = audio(file);
    let plugins = Plugins::symphonia("wasmtime")?;
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

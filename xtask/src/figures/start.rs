//! A2, on Wasmer C8: a player that starts hears a plugin's first samples almost as soon as native ones.
//!
//! Each round opens a file natively up to its first packet, then makes a new runtime on a plugins directory whose plugin
//! is compiled and cached, opens the file and reads a first block; the row is the median of the rounds' differences. The
//! engine itself is set up once in a process, before the rounds.

use std::time::Instant;

use anyhow::{Context, Result};
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

pub(super) static ROW: Row = Row {
    id: "A2",
    promise: "from a new runtime with a filled cache to the first samples, more than native open and first packet",
    timed: true,
    unit: "ms",
    at_most: 5.0,
    engine: None,
    measure: |settings| measure(settings, "wasmtime"),
};

pub(super) static ON_WASMER: Row = Row {
    id: "C8",
    promise: "A2 on Wasmer",
    engine: Some("wasmer"),
    measure: |settings| measure(settings, "wasmer"),
    ..ROW
};

fn measure(settings: &Settings, engine: &str) -> Result<Measured> {
    let path = audio("demo.flac");
    let plugins = Plugins::symphonia(engine)?;
    plugin::first(&mut plugin::open(&plugins.runtime()?, &path)?)?;

    let (mut native, mut more, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    let (mut made, mut opened, mut read) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..settings.rounds(60) {
        let mut clock = Clock::start();
        let samples = Native::open(&path)?.packet()?.map(<[f32]>::len);
        samples.context("the demo has no first packet")?;
        let of_native = clock.lap();

        let (mut clock, cpu_began) = (Clock::start(), ProcessTime::try_now()?);
        let runtime = plugins.runtime()?;
        made.push(clock.lap());
        let mut decoder = plugin::open(&runtime, &path)?;
        opened.push(clock.lap());
        plugin::first(&mut decoder)?;
        read.push(clock.lap());
        cpu.push(ProcessTime::try_now()?.duration_since(cpu_began).as_secs_f64() * 1e3);
        more.push(clock.whole() - of_native);
        native.push(of_native);
    }
    let spread = Spread::of(&more);
    Ok(Measured {
        value: spread.p50,
        n: more.len(),
        spreads: vec![
            ("more than native", "ms", spread),
            ("native: open and first packet", "ms", Spread::of(&native)),
            ("plugin: CPU time", "ms", Spread::of(&cpu)),
            ("plugin: new runtime", "ms", Spread::of(&made)),
            ("plugin: load, start and open", "ms", Spread::of(&opened)),
            ("plugin: first block", "ms", Spread::of(&read)),
        ],
        faults: Vec::new(),
    })
}

/// Milliseconds, lap by lap.
struct Clock {
    start: Instant,
    lap: Instant,
}

impl Clock {
    fn start() -> Self {
        let start = Instant::now();
        Self { start, lap: start }
    }

    fn lap(&mut self) -> f64 {
        let now = Instant::now();
        (now - std::mem::replace(&mut self.lap, now)).as_secs_f64() * 1e3
    }

    /// From the start to the end of the last lap.
    fn whole(&self) -> f64 {
        (self.lap - self.start).as_secs_f64() * 1e3
    }
}

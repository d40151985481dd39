//! B15S: a player of 64 frames that never misses a period for the sake of a plugin.
//!
//! Each engine has a thread that wakes every 1.33 ms and then runs a block of gain and biquad through the hot path and another through a
//! dynamic library, one first and then the other. Both wake up equally late, so that what a busy machine does to the thread counts for
//! both. A period is missed where the block, begun when the thread woke up, ends after the period does. The row is how many
//! more of them the module missed, on the worse engine.

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};

use super::{
    Measured, Row, Settings,
    common::hot::{BIQUAD, Cdylib, STREAM, block},
    stats::Spread,
};

pub(super) static ROW: Row = Row {
    id: "B15S",
    promise: "periods of 64 frames missed in 20 s of the hot path, beyond those of a dynamic library on the same thread",
    timed: true,
    engine: None,
    unit: "periods",
    at_most: 0.0,
    measure,
};

const FRAMES: usize = 64;

/// Seconds of a short run.
const SECONDS: usize = 20;

fn measure(settings: &Settings) -> Result<Measured> {
    let seconds = settings.rounds(SECONDS);
    let threads = stellatune_plugins::engines().iter().map(|engine| thread::spawn(move || soak(engine, seconds)));
    let threads: Vec<_> = threads.collect();
    let soaked =
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a thread that plays panicked"))?);
    let soaked: Vec<Soaked> = soaked.collect::<Result<_>>()?;
    let all = |what: fn(&Soaked) -> &Vec<f64>| soaked.iter().flat_map(what).copied().collect::<Vec<f64>>();
    let missed = |what: fn(&Soaked) -> usize| soaked.iter().map(|soaked| what(soaked) as f64).collect::<Vec<f64>>();
    Ok(Measured {
        value: soaked.iter().map(|soaked| soaked.missed.saturating_sub(soaked.native_missed)).max().unwrap_or(0) as f64,
        n: soaked.iter().map(|soaked| soaked.late.len()).sum(),
        spreads: vec![
            ("missed by the module, by engine", "", Spread::of(&missed(|soaked| soaked.missed))),
            ("missed by the library, by engine", "", Spread::of(&missed(|soaked| soaked.native_missed))),
            ("the thread woke up late", "us", Spread::of(&all(|soaked| &soaked.late))),
            ("a block through the module", "us", Spread::of(&all(|soaked| &soaked.took))),
            ("a block through the library", "us", Spread::of(&all(|soaked| &soaked.native_took))),
        ],
        faults: Vec::new(),
    })
}

#[derive(Default)]
struct Soaked {
    missed: usize,
    native_missed: usize,
    /// Microseconds of each period.
    late: Vec<f64>,
    took: Vec<f64>,
    native_took: Vec<f64>,
}

fn soak(engine: &str, seconds: usize) -> Result<Soaked> {
    let (mut native, mut processor) = (Cdylib::new(BIQUAD)?, BIQUAD.processor(engine)?);
    let input = block(FRAMES);
    let mut output = vec![0.0; input.len()];
    let period = Duration::from_secs_f64(FRAMES as f64 / f64::from(STREAM.sample_rate));
    let periods = (seconds as f64 / period.as_secs_f64()) as usize;
    let mut soaked = Soaked::default();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let mut next = Instant::now();
    for turn in 0..periods {
        next += period;
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let late = Instant::now().saturating_duration_since(next);
        let (mut took, mut native_took, mut wet) = (Duration::ZERO, Duration::ZERO, false);
        for part in [turn % 2, (turn + 1) % 2] {
            let began = Instant::now();
            if part == 0 {
                wet = processor.process(black_box(&input), &mut output).wet;
                took = began.elapsed();
            } else {
                native.process(black_box(&input), &mut output);
                native_took = began.elapsed();
            }
        }
        ensure!(wet, "{engine}: a block is dry");
        soaked.missed += usize::from(late + took > period);
        soaked.native_missed += usize::from(late + native_took > period);
        soaked.late.push(micros(late));
        soaked.took.push(micros(took));
        soaked.native_took.push(micros(native_took));
        // A player that fell behind goes on with the period that is now.
        next = next.max(Instant::now().checked_sub(period).unwrap_or(next));
    }
    Ok(soaked)
}

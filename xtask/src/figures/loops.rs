//! B9: plugins that are loaded, enabled, used, disabled and unloaded again and again leave nothing behind. B14: shutdown at
//! any moment takes 3 s at most, and every instance was told or cut.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use pollster::block_on;
use stellatune_plugins::{Event, Input, Runtime};

use super::{
    Measured, Row, Settings,
    edge::{self, builder, held, next_call, open, plugins, resident},
    stats::Spread,
};

pub(super) static LOOPS: Row = Row {
    id: "B9",
    promise: "memory this process grew by over loops of load, enable, call, disable and unload, after a warm-up",
    timed: false,
    unit: "MiB",
    at_most: 8.0,
    engine: None,
    measure: loops,
};

pub(super) static SHUTDOWN: Row = Row {
    id: "B14",
    promise: "longest shutdown at a random moment, with every instance told or cut",
    timed: true,
    unit: "s",
    at_most: 3.0,
    engine: None,
    measure: shutdown,
};

/// Loops before anything is counted: allocators and caches fill.
const WARM_UP: usize = 50;

fn loops(settings: &Settings) -> Result<Measured> {
    let engines = stellatune_plugins::engines();
    // A thousand in all give a figure; the published form takes ten thousand on each engine.
    let rounds = if settings.full { 10_000 } else { 1_000_usize.div_ceil(engines.len()) };
    let (mut growth, mut faults) = (Vec::new(), Vec::new());
    for engine in engines.iter().copied() {
        let house = tempfile::tempdir()?;
        let package = edge::package("edge", &edge::edge_decoder()?)?;
        let runtime = Runtime::builder(stellatune_plugins::engine(Some(engine))?).plugins_dir(house.path()).build()?;
        block_on(runtime.install(package.path()))?;
        let turn = || -> Result<()> {
            next_call(&runtime)?;
            block_on(runtime.disable("test.edge"))?;
            block_on(runtime.enable("test.edge"))?;
            Ok(())
        };
        for _ in 0..WARM_UP {
            turn()?;
        }
        let before = (resident()?, settled()?, files(house.path())?);
        for round in 0..rounds {
            turn().with_context(|| format!("{engine}: loop {round}"))?;
        }
        let after = (resident()?, settled()?, files(house.path())?);
        growth.push((after.0 as f64 - before.0 as f64) / f64::from(1 << 20));
        for (what, before, after) in [
            ("descriptors", before.1[0], after.1[0]),
            ("threads", before.1[1], after.1[1]),
            // The allocator maps and unmaps a few of its own.
            ("maps", before.1[2] + 16, after.1[2]),
            ("files", before.2, after.2),
        ] {
            if after > before {
                faults.push(format!("{engine}: {after} {what} after {before}"));
            }
        }
    }
    let spread = Spread::of(&growth);
    Ok(Measured { value: spread.max, n: rounds * engines.len(), spreads: vec![("growth", "MiB", spread)], faults })
}

/// What is held once the threads of the last loop, which nobody joins, have ended.
fn settled() -> Result<[usize; 3]> {
    let began = Instant::now();
    let mut now = held()?;
    while began.elapsed() < Duration::from_secs(2) {
        thread::sleep(Duration::from_millis(100));
        let next = held()?;
        if next[1] >= now[1] {
            return Ok(next);
        }
        now = next;
    }
    Ok(now)
}

fn files(folder: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        count += 1 + if path.is_dir() { files(&path)? } else { 0 };
    }
    Ok(count)
}

/// What the players of a run do: well, badly, and blocked in the guest and in the host.
const HINTS: [&str; 8] = ["echo", "loop", "sleep", "spin", "trap", "loop-open", "sleep-seek", "loop-close"];

fn shutdown(settings: &Settings) -> Result<Measured> {
    let runs = if settings.full { 1_000 } else { 40 };
    let (mut times, mut faults) = (Vec::new(), Vec::new());
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for engine in stellatune_plugins::engines() {
        let plugins = plugins(engine)?;
        next_call(&builder(&plugins).build()?)?;
        for run in 0..runs {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match one(&builder(&plugins).build()?, random) {
                Ok(time) => times.push(time.as_secs_f64()),
                Err(error) => faults.push(format!("{engine}: run {run}: {error:#}")),
            }
        }
    }
    ensure!(!times.is_empty(), "{}", faults.join("; "));
    let spread = Spread::of(&times);
    Ok(Measured { value: spread.max, n: times.len(), spreads: vec![("shutdown", "s", spread)], faults })
}

fn one(runtime: &Runtime, random: u64) -> Result<Duration> {
    let mut events = runtime.events();
    let time = thread::scope(|scope| {
        for player in 0..3 {
            let hint = HINTS[(random >> (16 + 3 * player)) as usize % HINTS.len()];
            scope.spawn(move || {
                // Until it is told that everything ends; whatever comes before is the plugin's doing.
                for _ in 0..1_000 {
                    let opened = open(runtime, "edge", Input::bytes(vec![0; 4096]), hint);
                    let ended = opened.and_then(|mut decoder| {
                        let _ = block_on(decoder.seek(0));
                        Ok(block_on(decoder.read(64))?)
                    });
                    let cancelled = |error: anyhow::Error| {
                        let kind =
                            error.downcast_ref::<stellatune_plugins::Error>().map(stellatune_plugins::Error::kind);
                        kind == Some(stellatune_plugins::ErrorKind::Cancelled)
                    };
                    if ended.is_err_and(cancelled) {
                        return;
                    }
                }
            });
        }
        thread::sleep(Duration::from_micros(random >> 32 & 0x7fff));
        let began = Instant::now();
        block_on(runtime.shutdown());
        began.elapsed()
    });
    let (mut started, mut ended) = (0, 0);
    loop {
        match events.try_recv() {
            Ok(Event::Started { .. }) => started += 1,
            Ok(Event::Ended { .. } | Event::DisableFailed { .. } | Event::Stopped { .. }) => ended += 1,
            Ok(Event::LeftBehind { .. }) => anyhow::bail!("an instance was left behind"),
            Ok(_) => {}
            Err(error) if error.to_string().contains("lagged") => return Ok(time),
            Err(_) => break,
        }
    }
    ensure!(ended >= started, "{started} instances were started, {ended} were told or cut");
    Ok(time)
}

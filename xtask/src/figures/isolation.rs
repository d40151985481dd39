//! B18: one plugin that attacks without pause leaves the others what they had.
//!
//! Eight sessions of a good plugin decode the demo over and over, alone and beside a plugin that hangs, crashes and floods. What is
//! compared is the audio they decode in a second of their own threads' CPU time, so that the machine's cores, which
//! the attacker may use as well, do not count. Beside it they then play as a player does, block by block in real time: a block
//! that is not there when it is due is a fault.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use pollster::block_on;
use stellatune_plugins::{Budgets, Decoder, Input, Priority, Runtime};

use super::{
    Measured, Row, Settings,
    common::{audio, root},
    edge::{builder, open, plugins},
    stats::Spread,
};

pub(super) static ROW: Row = Row {
    id: "B18",
    promise: "throughput per CPU second that good plugins lose beside one that attacks (median)",
    timed: true,
    unit: "%",
    at_most: 5.0,
    engine: None,
    measure,
};

const GOOD: usize = 8;

/// Frames a player asks for, and how long they last at the 44.1 kHz of the demo.
const BLOCK: u32 = 4_410;
const PERIOD: Duration = Duration::from_millis(100);

/// What the attacker does in turn, each as often as it can.
const ATTACKS: [&str; 5] = ["loop", "trap", "flood", "stack", "grow"];

fn measure(settings: &Settings) -> Result<Measured> {
    let (mut losses, mut lateness, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for engine in stellatune_plugins::engines() {
        let plugins = plugins(engine)?;
        let mut budgets = Budgets::default();
        budgets.stream.guest = Duration::from_millis(100);
        let runtime = builder(&plugins).budgets(budgets).build()?;
        block_on(runtime.install(root().join("plugins/prebuilt/symphonia")))?;
        let mut players = (0..GOOD).map(|_| player(&runtime)).collect::<Result<Vec<_>>>()?;
        throughput(&mut players, Duration::from_secs(1))?;
        for _ in 0..settings.rounds(3) {
            let alone = throughput(&mut players, Duration::from_secs(2))?;
            let over = AtomicBool::new(false);
            let (beside, waits) = thread::scope(|scope| -> Result<_> {
                for attack in ATTACKS {
                    let (runtime, over) = (&runtime, &over);
                    scope.spawn(move || {
                        while !over.load(Ordering::Acquire) {
                            let opened = open(runtime, "edge", Input::bytes(&[0; 64][..]), attack);
                            let _ = opened.map(|mut decoder| block_on(decoder.read(1)).map(drop));
                        }
                    });
                }
                let beside = throughput(&mut players, Duration::from_secs(2));
                let waits = play(&mut players, Duration::from_secs(2));
                over.store(true, Ordering::Release);
                Ok((beside?, waits?))
            })?;
            let late = waits.iter().filter(|wait| **wait >= PERIOD).count();
            if late > 0 {
                faults.push(format!("{engine}: {late} of {} blocks came after {PERIOD:?}", waits.len()));
            }
            lateness.extend(waits.iter().map(|wait| wait.as_secs_f64() * 1e3));
            losses.push((1.0 - beside / alone) * 100.0);
        }
    }
    let spread = Spread::of(&losses);
    let spreads = vec![("loss", "%", spread), ("wait for a block that is due", "ms", Spread::of(&lateness))];
    Ok(Measured { value: spread.p50, n: losses.len(), spreads, faults })
}

fn player(runtime: &Runtime) -> Result<Decoder> {
    let choice = "dev.stellatune.decoder.symphonia:symphonia".parse()?;
    let input = Input::file(audio("demo.flac"));
    Ok(block_on(runtime.open_decoder(&input, &stellatune_plugins::DecoderChoice::Named(choice)))?)
}

/// Frames that the players decode in a second of their plugin's CPU time.
fn throughput(players: &mut [Decoder], span: Duration) -> Result<f64> {
    let frames = AtomicU64::new(0);
    let before = cpu_time()?;
    let began = Instant::now();
    thread::scope(|scope| -> Result<()> {
        let playing: Vec<_> = players
            .iter_mut()
            .map(|decoder| {
                let frames = &frames;
                scope.spawn(move || -> Result<()> {
                    while began.elapsed() < span {
                        match block_on(decoder.read(8_192))? {
                            Some(block) => _ = frames.fetch_add(block.frames() as u64, Ordering::Relaxed),
                            None => block_on(decoder.seek(0))?,
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        playing.into_iter().try_for_each(|player| player.join().map_err(|_| anyhow::anyhow!("a player panicked"))?)
    })?;
    let spent = cpu_time()?.saturating_sub(before);
    ensure!(spent > Duration::ZERO, "the players' threads took no time");
    Ok(frames.into_inner() as f64 / spent.as_secs_f64())
}

/// Has every player read a block whenever one is due; how long each waited for it.
fn play(players: &mut [Decoder], span: Duration) -> Result<Vec<Duration>> {
    thread::scope(|scope| {
        let playing: Vec<_> = players
            .iter_mut()
            .map(|decoder| {
                scope.spawn(move || -> Result<Vec<Duration>> {
                    decoder.set_priority(Priority::RealTime);
                    let (mut due, mut waits) = (Instant::now(), Vec::new());
                    let end = due + span;
                    while due < end {
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        let block = block_on(decoder.read(BLOCK))?;
                        // From when it was due, so that one that is late makes the next no less late.
                        waits.push(due.elapsed());
                        if block.is_none() {
                            block_on(decoder.seek(0))?;
                        }
                        due += PERIOD;
                    }
                    Ok(waits)
                })
            })
            .collect();
        let waits: Vec<_> = playing
            .into_iter()
            .map(|player| player.join().map_err(|_| anyhow::anyhow!("a player panicked"))?)
            .collect::<Result<_>>()?;
        Ok(waits.concat())
    })
}

/// CPU time of the threads that run the good plugin; they are named after its component.
fn cpu_time() -> Result<Duration> {
    let mut spent = Duration::ZERO;
    for thread in fs::read_dir("/proc/self/task")? {
        let folder = thread?.path();
        // A thread may end while it is looked at.
        let (Ok(name), Ok(times)) =
            (fs::read_to_string(folder.join("comm")), fs::read_to_string(folder.join("schedstat")))
        else {
            continue;
        };
        if name.trim() == "st-symphonia" {
            let on_cpu = times.split(' ').next().context("no time")?.parse()?;
            spent += Duration::from_nanos(on_cpu);
        }
    }
    Ok(spent)
}

//! B7: a guest that takes all it can get stays within its cap. B8: a component made to be slow to compile is answered in
//! time, while others decode on.
//!
//! B7 runs guests that grow memory and tables thousands of times and touch all of it, make handles without end, answer with
//! more than is taken or than they have, and recurse without end; the row is the most this process ever held during such a
//! call over what it held before, less the cap of the guest's memory. B8 is the longest time from asking for a decoder to the
//! answer.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use pollster::block_on;
use stellatune_plugins::{ErrorKind, Input, Limits};

use super::{
    Measured, Row, Settings,
    common::plugin::{self, Plugins},
    edge::{builder, edge_decoder, forget_peak, open, package, peak, resident},
    stats::Spread,
    wat,
};

pub(super) static MEMORY: Row = Row {
    id: "B7",
    promise: "memory a guest takes that takes all it can get, over its cap",
    timed: false,
    unit: "MiB",
    at_most: 8.0,
    engine: None,
    measure: memory,
};

pub(super) static COMPILE: Row = Row {
    id: "B8",
    promise: "longest time until a component made to be slow to compile is answered",
    timed: true,
    unit: "s",
    at_most: 10.5,
    engine: None,
    measure: compile,
};

/// What a read does, and whether that must end the guest.
const BOMBS: [(&str, &str, bool); 5] = [
    (
        // Takes memory page by page and tables by thousands, over 3,000 times, and touches every page. What is refused is
        // no trap.
        "greedy",
        "(local $left i32)
         (local.set $left (i32.const 1600))
         (loop $more
           (drop (memory.grow $memory (i32.const 1)))
           (drop (table.grow $table (ref.null func) (i32.const 1000)))
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br_if $more (local.get $left)))
         (memory.fill $memory (i32.const 131072) (i32.const 1)
           (i32.sub (i32.mul (memory.size $memory) (i32.const 65536)) (i32.const 131072)))
         (i32.const 4096)",
        false,
    ),
    ("handles", "(loop $more (drop (call $session-new (i32.const 7))) (br $more)) (i32.const 4096)", true),
    (
        // All of its memory is one answer.
        "flood",
        "(loop $more (br_if $more (i32.ne (memory.grow $memory (i32.const 16)) (i32.const -1))))
         (i32.store (i32.const 4100) (i32.const 131072))
         (i32.store (i32.const 4104)
           (i32.sub (i32.mul (memory.size $memory) (i32.const 65536)) (i32.const 131072)))
         (i32.const 4096)",
        true,
    ),
    (
        // An answer of 2 GiB, which it does not have.
        "liar",
        "(i32.store (i32.const 4100) (i32.const 131072)) (i32.store (i32.const 4104) (i32.const 0x7ffffffc))
         (i32.const 4096)",
        true,
    ),
    ("recursion", "(call $read (local.get 0) (local.get 1))", true),
];

fn bomb(read: &str) -> Result<Vec<u8>> {
    let export = "stellatune:plugin/decoder@0.1.0#[method]session.read-pcm-f32";
    wat::component(&format!(
        r#"(module
  (table $table 1 funcref)
  (func $read (export "{export}") (param i32 i32) (result i32) {read})
)"#
    ))
}

fn memory(settings: &Settings) -> Result<Measured> {
    let (mut excess, mut faults) = (Vec::new(), Vec::new());
    for engine in stellatune_plugins::engines() {
        for (name, read, traps) in BOMBS {
            let plugins = Plugins::of(engine, package(name, &bomb(read)?)?.path())?;
            let runtime = builder(&plugins).build()?;
            let burst = || -> Result<f64> {
                let mut decoder = open(&runtime, name, Input::bytes(&[0; 8][..]), "x")?;
                let before = resident()?;
                forget_peak()?;
                let answer = block_on(decoder.read(64));
                let over = peak()?.saturating_sub(before) as f64 - Limits::AUDIO.memory_bytes as f64;
                let trapped = answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Trap);
                ensure!(traps == trapped && (traps || answer.is_ok()), "it answered {:?}", answer.map(drop));
                drop(decoder);
                // Its instance must not be what the next begins with.
                let id = format!("test.{name}");
                block_on(runtime.disable(&id))?;
                block_on(runtime.enable(&id))?;
                Ok(over / f64::from(1 << 20))
            };
            // Compiled and warm before anything is measured.
            burst().with_context(|| format!("{engine}: {name}"))?;
            for _ in 0..settings.rounds(4) {
                match burst() {
                    Ok(over) => excess.push(over),
                    Err(error) => faults.push(format!("{engine}: {name}: {error:#}")),
                }
            }
        }
    }
    ensure!(!excess.is_empty(), "{}", faults.join("; "));
    let spread = Spread::of(&excess);
    Ok(Measured { value: spread.max, n: excess.len(), spreads: vec![("memory over the cap", "MiB", spread)], faults })
}

/// Functions that compilers take long for, and components of very many parts.
fn slow() -> Vec<(&'static str, String)> {
    let body = |text: String| format!("(module (func $slow (param i32) (result i32) {text}))");
    let sums: String = (0..60_000).map(|n| format!("(local.set 0 (i32.add (local.get 0) (i32.const {n})))")).collect();
    let blocks = format!("{}{}(local.get 0)", "block ".repeat(20_000), "end ".repeat(20_000));
    let branches: String = (0..6_000)
        .map(|n| {
            format!("(if (i32.eq (local.get 0) (i32.const {n})) (then (local.set {} (local.get 0))))", n % 400 + 1)
        })
        .collect();
    let table = format!("(block (br_table {} (local.get 0))) (local.get 0)", "0 ".repeat(60_000));
    let functions = format!("(module {})", "(func (param i32) (result i32) (local.get 0))".repeat(30_000));
    vec![
        ("a long sum", body(format!("{sums}(local.get 0)"))),
        ("deep blocks", body(blocks)),
        ("many branches over many locals", body(format!("(local {}) {branches}(local.get 0)", "i32 ".repeat(400)))),
        ("a wide branch table", body(table)),
        ("many functions", functions),
    ]
}

fn compile(_: &Settings) -> Result<Measured> {
    let (mut times, mut faults) = (Vec::new(), Vec::new());
    for engine in stellatune_plugins::engines() {
        let good = Plugins::of(engine, package("edge", &edge_decoder()?)?.path())?;
        let bystander = builder(&good).build()?;
        for (name, text) in slow() {
            let wasm = wat::component(&text).with_context(|| name.to_owned())?;
            let package = package("slow", &wasm)?;
            let began = Instant::now();
            // A component that the checks at install refuse is answered as well.
            let Ok(plugins) = Plugins::of(engine, package.path()) else {
                times.push(began.elapsed().as_secs_f64());
                continue;
            };
            let runtime = builder(&plugins).without_cache().build()?;
            let (done, blocks) = (AtomicBool::new(false), AtomicU64::new(0));
            let time = thread::scope(|scope| -> Result<Duration> {
                scope.spawn(|| {
                    while !done.load(Ordering::Acquire) {
                        let played = open(&bystander, "edge", Input::bytes(vec![0; 4096]), "echo");
                        if played.and_then(|mut decoder| plugin::block(&mut decoder)).is_ok() {
                            blocks.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
                let began = Instant::now();
                let _ = open(&runtime, "slow", Input::bytes(&[0; 8][..]), "x");
                let time = began.elapsed();
                done.store(true, Ordering::Release);
                Ok(time)
            })?;
            times.push(time.as_secs_f64());
            if blocks.load(Ordering::Relaxed) == 0 {
                faults.push(format!("{engine}: nobody decoded while `{name}` was compiled"));
            }
        }
    }
    ensure!(!times.is_empty(), "no engine is compiled in");
    let spread = Spread::of(&times);
    Ok(Measured { value: spread.max, n: times.len(), spreads: vec![("time to the answer", "s", spread)], faults })
}

//! B15: what blocks of the hot path do that an audio thread must not.
//!
//! For each engine, on a thread that has called no guest before: 100,000 blocks whose allocations and releases are counted, as many in
//! a process of its own that dies at the first system call, and 100 whose instructions that lock memory are counted. That a system call and a
//! free lock are noticed is shown by runs with one on purpose.

use std::{
    env,
    process::{Command, ExitStatus},
};

use anyhow::{Context, Result, bail, ensure};

use super::{Measured, Row, Settings, common::root};

#[path = "../../../tests/support/quiet.rs"]
mod blocks;

pub(super) static ROW: Row = Row {
    id: "B15",
    promise: "allocations, runs with a system call, and instructions that lock memory, in 100,000 blocks of the hot path on each engine (locks: in 100 of them)",
    timed: false,
    engine: None,
    unit: "events",
    at_most: 0.0,
    measure,
};

/// Rounds of [`blocks::Playing`] that make 100,000 blocks.
const ROUNDS: usize = 100_000 / blocks::BLOCKS;

/// Rounds that run one instruction at a time, which takes a thousand times as long.
const WATCHED: usize = 20;

pub(crate) use blocks::Counting;

/// The chore of the process of its own.
pub(crate) const CHILD: &str = "quiet-blocks";

fn measure(settings: &Settings) -> Result<Measured> {
    let rounds = settings.rounds(ROUNDS);
    let (mut events, mut faults) = (0, Vec::new());
    for engine in stellatune_plugins::engines() {
        events += blocks::allocations_of(blocks::Playing::new(root(), engine), rounds);
        if ended_by_a_call(run(engine, rounds, false)?)? {
            events += 1;
        }
        if !ended_by_a_call(run(engine, 1, true)?)? {
            faults.push(format!("{engine}: a system call was made and not noticed"));
        }
        events += locks(engine, WATCHED, false)?;
        if locks(engine, 1, true)? == 0 {
            faults.push(format!("{engine}: a lock was taken and not noticed"));
        }
    }
    let n = rounds * blocks::BLOCKS * stellatune_plugins::engines().len();
    Ok(Measured { value: events as f64, n, spreads: Vec::new(), faults })
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn locks(engine: &str, rounds: usize, breaks: bool) -> Result<usize> {
    let watched = blocks::locks_of(blocks::Playing::new(root(), engine), rounds, breaks);
    ensure!(watched.steps > 1_000 * rounds, "the blocks were not watched: {watched:?}");
    Ok(watched.locked)
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn locks(_: &str, _: usize, _: bool) -> Result<usize> {
    bail!("not run: instructions are watched on Linux on x86-64 only")
}

fn run(engine: &str, rounds: usize, breaks: bool) -> Result<ExitStatus> {
    let program = env::current_exe().context("this program's own path")?;
    let mut command = Command::new(program);
    command.args([CHILD, engine, &rounds.to_string()]).args(breaks.then_some("break"));
    command.status().context("this program does not start again")
}

#[cfg(target_os = "linux")]
fn ended_by_a_call(status: ExitStatus) -> Result<bool> {
    use std::os::unix::process::ExitStatusExt;

    const SIGSYS: i32 = 31;
    ensure!(status.code() != Some(blocks::system_calls::NOT_RUN), "not run: this system allows no seccomp filter");
    ensure!(status.success() || status.signal() == Some(SIGSYS), "the blocks ended with {status}");
    Ok(!status.success())
}

#[cfg(not(target_os = "linux"))]
fn ended_by_a_call(_: ExitStatus) -> Result<bool> {
    bail!("not run: system calls are counted on Linux only")
}

/// Plays in this process, and ends it.
///
/// # Errors
/// Other arguments than [`run`] gives.
#[cfg(target_os = "linux")]
pub(crate) fn child(arguments: &[String]) -> Result<()> {
    let [engine, rounds, rest @ ..] = arguments else { bail!("figures start this by themselves") };
    let rounds = rounds.parse().context("a number of rounds")?;
    blocks::system_calls::play(blocks::Playing::new(root(), engine), rounds, !rest.is_empty())
}

/// There is nothing to forbid with.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub(crate) fn child(_: &[String]) -> Result<()> {
    bail!("figures start this on Linux only")
}

//! Where the random rows begin: a seed that is new in each run and printed, or the one of the environment.

use std::{
    env,
    hash::{BuildHasher, RandomState},
};

use anyhow::{Context, Result};

/// The variable that replays a run.
const VARIABLE: &str = "ZOO_SEED";

/// The seed of a row's run, which it prints.
pub(super) fn of(row: &str) -> Result<u64> {
    let seed = match env::var(VARIABLE) {
        Ok(text) => text.trim().parse().with_context(|| format!("{VARIABLE} is no number: `{text}`"))?,
        Err(_) => RandomState::new().hash_one(row),
    };
    eprint!("{VARIABLE}={seed} … ");
    Ok(seed)
}

/// A seed for the nth part of a run, so that a part can be replayed as the first of a run of its own.
pub(super) fn nth(seed: u64, n: u64) -> u64 {
    if n == 0 {
        return seed.max(1);
    }
    // Seeds that lie beside each other would begin alike; of all numbers, only zero makes nothing.
    let mixed = (seed ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n.rotate_left(32);
    (mixed ^ (mixed >> 29)).max(1)
}

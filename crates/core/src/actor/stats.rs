//! What is counted of a component's calls: cheap to add to from its threads, read at any time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::error::TrapKind;

/// Parts each doubling of a duration is counted in: quantiles are right to a quarter.
const PARTS: usize = 4;

/// From 1 µs to over an hour.
const BUCKETS: usize = 32 * PARTS;

/// Counters of one component, over all of its instances.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) starts: Counter,
    pub(crate) restarts: Counter,
    pub(crate) busy: Counter,
    pub(crate) throttled: Counter,
    calls: Counter,
    refusals: Counter,
    traps: Counter,
    cuts: Counter,
    /// Bytes of linear memory, of all instances.
    memory: AtomicU64,
    most_memory: AtomicU64,
    waits: Durations,
    times: Durations,
}

/// What was counted of a component since its runtime was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ComponentStats {
    /// The package's id.
    pub plugin_id: String,
    /// The component's id.
    pub component_id: String,
    /// Instances that were started.
    pub starts: u64,
    /// Of these, those that replaced one that crashed.
    pub restarts: u64,
    /// Instances there are now.
    pub instances: u64,
    /// Sessions that are open now.
    pub sessions: u64,
    /// Calls of guest code, hooks included.
    pub calls: u64,
    /// Calls the guest refused.
    pub refusals: u64,
    /// Calls that ended the guest, cuts included.
    pub traps: u64,
    /// Calls that were cut by their deadline or from outside.
    pub cuts: u64,
    /// Jobs that were turned away because too many waited.
    pub busy: u64,
    /// Times it was held back because its calls kept coming close to their budgets.
    #[serde(default)]
    pub throttled: u64,
    /// Bytes of linear memory that the instances hold now.
    pub memory_bytes: u64,
    /// The most that was, as seen after each call.
    pub memory_peak_bytes: u64,
    /// Time jobs waited for their guest.
    pub queue_wait: Quantiles,
    /// Time calls took, host waits included.
    pub call_time: Quantiles,
}

/// A distribution of durations, in microseconds, each at most a quarter too large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quantiles {
    /// Half of all took no longer.
    pub p50_us: u64,
    /// 99 of a hundred took no longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(super) fn called(&self, time: Duration) {
        self.calls.add();
        self.times.add(time);
    }

    pub(super) fn waited(&self, time: Duration) {
        self.waits.add(time);
    }

    pub(super) fn refused(&self) {
        self.refusals.add();
    }

    pub(super) fn trapped(&self, kind: TrapKind) {
        self.traps.add();
        if matches!(kind, TrapKind::Deadline | TrapKind::Cancelled) {
            self.cuts.add();
        }
    }

    /// What was counted so far; who it is about, and what there is now, is for the caller to say.
    pub(crate) fn read(&self) -> ComponentStats {
        ComponentStats {
            starts: self.starts.get(),
            restarts: self.restarts.get(),
            calls: self.calls.get(),
            refusals: self.refusals.get(),
            traps: self.traps.get(),
            cuts: self.cuts.get(),
            busy: self.busy.get(),
            throttled: self.throttled.get(),
            memory_bytes: self.memory.load(Ordering::Relaxed),
            memory_peak_bytes: self.most_memory.load(Ordering::Relaxed),
            queue_wait: self.waits.quantiles(),
            call_time: self.times.quantiles(),
            ..ComponentStats::default()
        }
    }
}

/// An instance's part of the memory its component holds; given back when dropped.
pub(super) struct Memory {
    counters: Arc<Counters>,
    bytes: u64,
}

impl Memory {
    pub(super) fn new(counters: &Arc<Counters>) -> Self {
        Self { counters: Arc::clone(counters), bytes: 0 }
    }

    pub(super) fn is(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        if bytes != self.bytes {
            // Wrapping, so that less is a sum as well.
            let more = bytes.wrapping_sub(self.bytes);
            let now = self.counters.memory.fetch_add(more, Ordering::Relaxed).wrapping_add(more);
            self.counters.most_memory.fetch_max(now, Ordering::Relaxed);
            self.bytes = bytes;
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.is(0);
    }
}

/// Durations, counted in buckets.
struct Durations {
    buckets: [AtomicU64; BUCKETS],
    longest: AtomicU64,
}

impl Default for Durations {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| AtomicU64::new(0)), longest: AtomicU64::new(0) }
    }
}

impl Durations {
    fn add(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(us)].fetch_add(1, Ordering::Relaxed);
        self.longest.fetch_max(us, Ordering::Relaxed);
    }

    fn quantiles(&self) -> Quantiles {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        let longest = self.longest.load(Ordering::Relaxed);
        let at = |part: f64| {
            let wanted = (all as f64 * part).ceil() as u64;
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen >= wanted && wanted > 0
            });
            found.map_or(0, |bucket| upper(bucket).min(longest))
        };
        Quantiles { p50_us: at(0.5), p99_us: at(0.99), max_us: longest }
    }
}

/// The bucket of a number of microseconds: four to a doubling.
fn bucket(us: u64) -> usize {
    let us = us.max(1);
    let doubling = us.ilog2() as usize;
    let part = if doubling >= 2 { (us >> (doubling - 2)) as usize & (PARTS - 1) } else { 0 };
    (doubling * PARTS + part).min(BUCKETS - 1)
}

/// The largest number of a bucket.
fn upper(bucket: usize) -> u64 {
    let (doubling, part) = (bucket / PARTS, bucket % PARTS);
    if doubling < 2 {
        return (2 << doubling) - 1;
    }
    ((PARTS + part + 1) as u64) * (1 << (doubling - 2)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_quarter() {
        let durations = Durations::default();
        assert_eq!(durations.quantiles(), Quantiles::default());
        (1..=1000).for_each(|us| durations.add(Duration::from_micros(us)));
        let Quantiles { p50_us, p99_us, max_us } = durations.quantiles();
        assert!((500..=625).contains(&p50_us), "{p50_us}");
        assert!((990..=1000).contains(&p99_us), "{p99_us}");
        assert_eq!(max_us, 1000);
    }

    #[test]
    fn memory_is_that_of_all_instances_and_is_given_back() {
        let counters = Arc::<Counters>::default();
        let (mut one, mut other) = (Memory::new(&counters), Memory::new(&counters));
        one.is(300);
        other.is(500);
        one.is(100);
        assert_eq!((counters.read().memory_bytes, counters.read().memory_peak_bytes), (600, 800));
        drop((one, other));
        assert_eq!((counters.read().memory_bytes, counters.read().memory_peak_bytes), (0, 800));
    }

    #[test]
    fn every_duration_lies_in_its_bucket() {
        for us in (0..4000).chain([u64::from(u32::MAX), u64::MAX]) {
            let at = bucket(us);
            assert!(at == BUCKETS - 1 || us <= upper(at), "{us} in {at}");
            assert!(at == 0 || at == BUCKETS - 1 || us < 2 || us > upper(at - 1) || us < 4, "{us} above {}", at - 1);
        }
    }
}

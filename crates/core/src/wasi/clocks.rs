//! `wasi:clocks@0.2`: a monotonic clock that starts with the instance, and the wall clock.

use std::time::{Duration, SystemTime};

use super::{Wasi, io::Pollable, push};
use crate::{error::Trap, table::ObjectId};

impl Wasi {
    /// `wasi:clocks/monotonic-clock@0.2 now`, in nanoseconds since the instance started.
    pub fn monotonic_now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// `wasi:clocks/monotonic-clock@0.2 resolution`, in nanoseconds.
    pub fn monotonic_resolution(&self) -> u64 {
        1
    }

    /// `wasi:clocks/monotonic-clock@0.2 subscribe-instant`: a pollable that is ready once `now` reaches `when`.
    pub fn subscribe_instant(&mut self, when: u64) -> Result<ObjectId, Trap> {
        let due = self.origin.checked_add(Duration::from_nanos(when));
        push(&mut self.pollables, Pollable::timer(due), "pollables")
    }

    /// `wasi:clocks/monotonic-clock@0.2 subscribe-duration`: a pollable that is ready `nanoseconds` from now.
    pub fn subscribe_duration(&mut self, nanoseconds: u64) -> Result<ObjectId, Trap> {
        self.subscribe_instant(self.monotonic_now().saturating_add(nanoseconds))
    }

    /// `wasi:clocks/wall-clock@0.2 now`: seconds and nanoseconds since 1970, UTC; a clock set earlier reads 1970.
    pub fn wall_now(&self) -> (u64, u32) {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        (since.as_secs(), since.subsec_nanos())
    }

    /// `wasi:clocks/wall-clock@0.2 resolution`, in seconds and nanoseconds.
    pub fn wall_resolution(&self) -> (u64, u32) {
        (0, 1)
    }
}

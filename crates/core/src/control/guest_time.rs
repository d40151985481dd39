//! How much of a call is guest time: what the processor worked for the guest's thread (docs/decisions/0023).
//!
//! The thread's clock is a system call, so it is read late and seldom: never in a short call, and then not before the
//! guest can have used up its budget.

use std::time::Duration;

/// Time of a call that passes before the thread's clock is read. Most calls take less, and so cost no system call.
const UNREAD: Duration = Duration::from_millis(2);

/// What the guest is charged at most for the time before the first reading: both engines ask more often than that, so what
/// passed beyond it went to others.
const UNSEEN: Duration = Duration::from_millis(10);

/// The guest time of one call.
#[derive(Debug)]
pub(super) struct GuestTime {
    budget: Duration,
    first: Option<Reading>,
    /// Until so much has passed, the guest cannot have used up its budget.
    next: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    /// What the guest had been charged then.
    charged: Duration,
    clock: Duration,
}

impl GuestTime {
    pub(super) fn new(budget: Duration) -> Self {
        Self { budget, first: None, next: UNREAD.min(budget / 8) }
    }

    /// Whether the budget is used up when so much of the call has `passed`, host waits not counted.
    pub(super) fn is_used_up(&mut self, passed: Duration, clock: impl FnOnce() -> Option<Duration>) -> bool {
        if passed < self.next {
            return false;
        }
        let used = self.used(passed, clock);
        // The processor works no faster than time passes.
        self.next = passed + self.budget.saturating_sub(used);
        used > self.budget
    }

    /// Guest time so far. Without a clock of the thread, all that passed.
    pub(super) fn used(&mut self, passed: Duration, clock: impl FnOnce() -> Option<Duration>) -> Duration {
        let Some(clock) = clock() else { return passed };
        let first = self.first.get_or_insert_with(|| {
            let charged = passed.min(UNSEEN).min(self.budget / 2);
            Reading { charged, clock }
        });
        (first.charged + clock.saturating_sub(first.clock)).min(passed)
    }
}

/// How long the processor has worked for the calling thread, where the system tells.
pub(super) fn thread_clock() -> Option<Duration> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple", target_os = "freebsd"))]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple", target_os = "freebsd")))]
    {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_short_call_reads_no_clock() {
        let mut time = GuestTime::new(ms(100));
        assert!(!time.is_used_up(ms(1), || panic!("it is read")));
    }

    #[test]
    fn the_clock_is_read_again_when_the_budget_may_be_used_up() {
        let (mut time, reads) = (GuestTime::new(ms(100)), Cell::new(0));
        let mut used_up = |passed: u64, clock: u64| {
            time.is_used_up(ms(passed), || {
                reads.set(reads.get() + 1);
                Some(ms(clock))
            })
        };
        assert!(!used_up(4, 1_004));
        (5..100).for_each(|passed| assert!(!used_up(passed, 1_000 + passed)));
        assert_eq!(reads.get(), 1);
        assert!(!used_up(100, 1_100));
        assert!(used_up(101, 1_101), "an idle machine cuts at the budget");
        assert_eq!(reads.get(), 3);
    }

    /// Also after a suspend, or a jump of the clock on the wall: deadlines do not fire in droves. // R10
    #[test]
    fn what_went_to_others_is_not_the_guest_s() {
        let mut time = GuestTime::new(ms(100));
        // Its thread had to wait before the first question, and between the questions.
        assert!(!time.is_used_up(ms(5_000), || Some(ms(7))));
        assert!(!time.is_used_up(ms(9_000), || Some(ms(7 + 90))));
        assert_eq!(time.used(ms(9_000), || Some(ms(7 + 90))), ms(100));
        assert!(time.is_used_up(ms(9_100), || Some(ms(7 + 91))));
    }

    #[test]
    fn a_first_charge_leaves_half_of_a_small_budget() {
        let mut time = GuestTime::new(ms(4));
        assert!(!time.is_used_up(ms(50), || Some(ms(3))));
        assert!(time.is_used_up(ms(60), || Some(ms(6))));
    }

    #[test]
    fn without_a_clock_all_time_counts() {
        let mut time = GuestTime::new(ms(100));
        assert!(!time.is_used_up(ms(100), || None));
        assert!(time.is_used_up(ms(101), || None));
    }

    #[test]
    fn what_the_host_waited_for_is_never_charged() {
        // The thread's clock runs on in what the host computes outside of guest time.
        let mut time = GuestTime::new(ms(100));
        assert!(!time.is_used_up(ms(3), || Some(ms(3))));
        assert_eq!(time.used(ms(20), || Some(ms(500))), ms(20));
    }
}

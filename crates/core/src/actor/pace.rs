//! How hard a component presses on the processor, over all of its instances (G19).
//!
//! A call that uses most of its guest time is heavy. Whether heavy calls fill most of a window is seen here; what follows is
//! decided by the [`lifecycle`](crate::lifecycle), which may have the component held back.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Priority;

/// The heavy calls of one component, and whether it is held back.
pub(crate) struct Pace {
    window: Duration,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    /// When the window began.
    began: Option<Instant>,
    /// Guest time of heavy calls in it.
    heavy: Duration,
    told: bool,
    held_until: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, now: Mutex::default() }
    }

    /// Counts a call that just ended; whether heavy calls now take more than half of a window, which is said once in each.
    pub(super) fn called(&self, used: Duration, budget: Duration, now: Instant) -> bool {
        if used <= budget / 2 {
            return false;
        }
        let mut it = self.now.lock();
        let over = it.began.is_none_or(|began| now.saturating_duration_since(began) >= self.window);
        if over {
            // The call that is the first of a window lies in it.
            *it =
                Now { began: Some(now.checked_sub(used).unwrap_or(now)), held_until: it.held_until, ..Now::default() };
        }
        it.heavy += used;
        let dripped = !it.told && it.heavy > self.window / 2;
        it.told |= dripped;
        dripped
    }

    /// Lets others go first for a window.
    pub(crate) fn hold(&self, now: Instant) {
        self.now.lock().held_until = Some(now + self.window);
    }

    /// How soon a job of the component is due that would otherwise be due so soon.
    pub(super) fn priority(&self, asked: Priority, now: Instant) -> Priority {
        let held = self.now.lock().held_until.is_some_and(|until| now < until);
        if held { Priority::Background } else { asked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_secs(2);
    const WINDOW: Duration = Duration::from_secs(10);

    /// Calls one after the other, each of so many milliseconds of guest time; the moments at which a window was too full.
    fn drips(pace: &Pace, begin: Instant, each_ms: u64, calls: u64) -> Vec<u64> {
        let each = Duration::from_millis(each_ms);
        let ends = (1..=calls).map(|call| call * each_ms);
        ends.filter(|end| pace.called(each, BUDGET, begin + Duration::from_millis(*end))).collect()
    }

    #[test]
    fn calls_close_to_their_budget_fill_windows() {
        let pace = Pace::new(WINDOW);
        // 99 % of each budget; the third call makes it more than half of a window, and the next window begins after ten seconds.
        assert_eq!(drips(&pace, Instant::now(), 1_980, 15), [3 * 1_980, 8 * 1_980, 13 * 1_980]);
    }

    #[test]
    fn an_honest_decoder_at_full_speed_is_never_held_back() {
        for each_ms in [1, 100, 1_000] {
            let drips = drips(&Pace::new(WINDOW), Instant::now(), each_ms, 60_000 / each_ms);
            assert!(drips.is_empty(), "{each_ms}: {drips:?}");
        }
    }

    #[test]
    fn heavy_calls_that_are_rare_do_not_count() {
        let (pace, begin) = (Pace::new(WINDOW), Instant::now());
        for minute in 0..60 {
            let now = begin + Duration::from_secs(60 * minute);
            assert!(!pace.called(BUDGET, BUDGET, now) && !pace.called(BUDGET, BUDGET, now + BUDGET));
        }
    }

    #[test]
    fn who_is_held_back_is_served_after_the_others_until_the_window_is_over() {
        let (pace, now) = (Pace::new(WINDOW), Instant::now());
        assert_eq!(pace.priority(Priority::RealTime, now), Priority::RealTime);
        pace.hold(now);
        assert_eq!(pace.priority(Priority::RealTime, now), Priority::Background);
        assert_eq!(pace.priority(Priority::RealTime, now + WINDOW), Priority::RealTime);
    }
}

//! How far a decode is, on a terminal: percent, speed against real time, and what is left.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Redraws a second; more is not seen and costs time.
const REDRAWS: u8 = 10;

/// A bar on standard error while it lives, or nothing.
pub(crate) struct Progress {
    bar: ProgressBar,
    began: Instant,
}

impl Progress {
    /// A bar for audio of `duration`, where that is known.
    pub(crate) fn new(visible: bool, duration: Option<Duration>) -> Self {
        let began = Instant::now();
        if !visible {
            return Self { bar: ProgressBar::hidden(), began };
        }
        let target = indicatif::ProgressDrawTarget::stderr_with_hz(REDRAWS);
        let (length, template) = match duration {
            Some(duration) => (Some(millis(duration)), "{bar:32} {percent:>3}%  {msg}  {eta} left"),
            None => (None, "{spinner}  {msg}"),
        };
        let bar = ProgressBar::with_draw_target(length, target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, began }
    }

    /// Shows that audio up to `position` is written.
    pub(crate) fn at(&self, position: Duration) {
        if self.bar.is_hidden() {
            return;
        }
        let speed = position.as_secs_f64() / self.began.elapsed().as_secs_f64();
        self.bar.set_position(millis(position));
        self.bar.set_message(format!("{}, {speed:.0} x real time", clock(position)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Time as a player shows it: `0:20`, `1:02:03`.
pub(crate) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_reads_as_in_a_player() {
        assert_eq!(clock(Duration::from_millis(20_900)), "0:20");
        assert_eq!(clock(Duration::from_secs(3_723)), "1:02:03");
    }
}

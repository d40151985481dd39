//! Lines for the host's log, each with a level.
//!
//! ```
//! use stellatune_plugin_sdk::log;
//!
//! log::warn!("{} frames lost", 12);
//! ```
//!
//! A level is the first word of a line on standard output, and every line of a text carries it. What is printed in other
//! ways is logged too: `println!` as info, `eprintln!` and a panic as warning. The host drops what goes beyond a hundred
//! lines a second. Natively, lines are printed as they are.

use std::fmt;

#[doc(inline)]
pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_trace as trace, __log_warn as warn,
};

/// Logs that something failed for good. Arguments as of [`format!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($argument:tt)+) => { $crate::log::write("error", format_args!($($argument)+)) };
}

/// Logs that something is not as it should be. Arguments as of [`format!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($argument:tt)+) => { $crate::log::write("warn", format_args!($($argument)+)) };
}

/// Logs what a listener may want to know. Arguments as of [`format!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($argument:tt)+) => { $crate::log::write("info", format_args!($($argument)+)) };
}

/// Logs what helps to find a fault. Arguments as of [`format!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($argument:tt)+) => { $crate::log::write("debug", format_args!($($argument)+)) };
}

/// Logs every step. Arguments as of [`format!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __log_trace {
    ($($argument:tt)+) => { $crate::log::write("trace", format_args!($($argument)+)) };
}

#[doc(hidden)]
pub fn write(level: &str, text: fmt::Arguments<'_>) {
    print!("{}", lines(level, &text.to_string()));
}

/// Each line of a text with its level and a line end.
fn lines(level: &str, text: &str) -> String {
    if text.is_empty() {
        return format!("{level}:\n");
    }
    text.lines().map(|line| format!("{level}: {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_carries_the_level() {
        assert_eq!(lines("warn", "one"), "warn: one\n");
        assert_eq!(lines("error", "one\n\ntwo\n"), "error: one\nerror: \nerror: two\n");
        assert_eq!(lines("info", ""), "info:\n");
        info!("{}", "captured by the test");
    }
}

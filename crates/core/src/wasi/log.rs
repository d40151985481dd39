//! Guest lines as `tracing` events.

use std::sync::Arc;

use tracing::Level;

use super::LogSink;

/// Passes guest lines to `tracing`, target `stellatune::guest`, with the fields `plugin`, `component` and `instance`.
///
/// A line is at `warn` if it came from stderr and at `info` from stdout, unless it begins with a level
/// (docs/logging.md).
#[derive(Clone, Debug)]
pub struct TracingLog {
    plugin: Arc<str>,
    component: Arc<str>,
    instance: u64,
}

impl TracingLog {
    /// For the lines of one instance; `instance` counts the instances of a component.
    pub fn new(plugin: impl Into<Arc<str>>, component: impl Into<Arc<str>>, instance: u64) -> Self {
        Self { plugin: plugin.into(), component: component.into(), instance }
    }
}

impl LogSink for TracingLog {
    fn line(&mut self, error_output: bool, text: &str) {
        let (asked, text) = split_level(text);
        let level = asked.unwrap_or(if error_output { Level::WARN } else { Level::INFO });
        let Self { plugin, component, instance } = self;
        // The level of a tracing event is part of its static description, hence one event each.
        macro_rules! event {
            ($level:ident) => {
                tracing::event!(
                    target: "stellatune::guest",
                    Level::$level,
                    plugin = &**plugin,
                    component = &**component,
                    instance,
                    "{text}"
                )
            };
        }
        match level {
            Level::ERROR => event!(ERROR),
            Level::WARN => event!(WARN),
            Level::INFO => event!(INFO),
            Level::DEBUG => event!(DEBUG),
            Level::TRACE => event!(TRACE),
        }
    }
}

/// Takes a level off the front: `error:` or `[error]` in either case, or `ERROR` and a space.
fn split_level(line: &str) -> (Option<Level>, &str) {
    let text = line.trim_start();
    let bracketed = text.strip_prefix('[');
    let word = bracketed.unwrap_or(text);
    let end = word.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(word.len());
    let (word, rest) = word.split_at(end);
    let rest = match (bracketed, rest.chars().next()) {
        (Some(_), Some(']')) | (None, Some(':')) => &rest[1..],
        (None, Some(' ')) if word.chars().all(|c| c.is_ascii_uppercase()) => rest,
        _ => return (None, line),
    };
    let level = match &*word.to_ascii_lowercase() {
        "error" => Level::ERROR,
        "warn" | "warning" => Level::WARN,
        "info" => Level::INFO,
        "debug" => Level::DEBUG,
        "trace" => Level::TRACE,
        _ => return (None, line),
    };
    (Some(level), rest.trim_start())
}

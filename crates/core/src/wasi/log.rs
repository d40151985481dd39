//! Guest lines as `tracing` events.

use tracing::Level;

use super::LogSink;

/// Passes guest lines to `tracing`, target `stellatune::guest`. The span around says whose they are.
///
/// A line is at `warn` if it came from stderr and at `info` from stdout, unless it begins with a level
/// (docs/logging.md).
#[derive(Clone, Copy, Debug)]
pub struct TracingLog;

impl LogSink for TracingLog {
    fn line(&mut self, error_output: bool, text: &str) {
        let (asked, text) = split_level(text);
        let level = asked.unwrap_or(if error_output { Level::WARN } else { Level::INFO });
        // The level of a tracing event is part of its static description, hence one event each.
        macro_rules! event {
            ($level:ident) => {
                tracing::event!(target: "stellatune::guest", Level::$level, "{text}")
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing::{
        Event, Metadata, Subscriber,
        field::{Field, Visit},
        span,
    };

    use super::*;

    #[test]
    fn levels_are_read_as_guests_print_them() {
        let level = |line| split_level(line).0;
        assert_eq!(split_level("error: no such tag"), (Some(Level::ERROR), "no such tag"));
        assert_eq!(split_level("[WARN] odd"), (Some(Level::WARN), "odd"));
        assert_eq!(split_level("[debug]"), (Some(Level::DEBUG), ""));
        assert_eq!(split_level("  INFO ready"), (Some(Level::INFO), "ready"));
        assert_eq!(level("Warning: odd"), Some(Level::WARN));
        assert_eq!(level("trace:x"), Some(Level::TRACE));
        for plain in ["", "info", "error opening x", "Error while", "[error", "[fatal] x", "errors: 3", "\u{e9}: x"] {
            assert_eq!(split_level(plain), (None, plain));
        }
    }

    #[test]
    fn an_event_carries_its_level() {
        let seen = Recorder::default();
        tracing::subscriber::with_default(seen.clone(), || {
            let mut log = TracingLog;
            log.line(true, "careful");
            log.line(false, "hello");
            log.line(true, "debug: {not a format}");
        });
        let fields = |text: &str| format!("message={text} ");
        assert_eq!(
            *seen.0.lock(),
            [
                (Level::WARN, fields("careful")),
                (Level::INFO, fields("hello")),
                (Level::DEBUG, fields("{not a format}"))
            ]
        );
    }

    #[derive(Clone, Default)]
    struct Recorder(Arc<Mutex<Vec<(Level, String)>>>);

    impl Subscriber for Recorder {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "stellatune::guest"
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.0.lock().push((*event.metadata().level(), fields.0));
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    #[derive(Default)]
    struct Fields(String);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            self.0 += &format!("{}={value:?} ", field.name());
        }
    }
}

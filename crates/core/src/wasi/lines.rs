//! Makes lines of log of what a guest writes: split, escaped, bounded in length and in rate.

use std::time::Instant;

use super::{LINE_BYTES, LogSink};

/// The two outputs of a guest and the sink both end in.
pub(super) struct Lines {
    sink: Gate,
    /// What came after the last line end, of stdout and of stderr; shorter than [`LINE_BYTES`].
    partial: [Vec<u8>; 2],
}

impl Lines {
    pub(super) fn new(lines_per_second: u32, sink: Box<dyn LogSink>) -> Self {
        Self { sink: Gate::new(lines_per_second, sink), partial: [Vec::new(), Vec::new()] }
    }

    /// Takes bytes and passes on each line that they complete.
    pub(super) fn write(&mut self, error_output: bool, mut bytes: &[u8]) {
        let partial = &mut self.partial[usize::from(error_output)];
        while !bytes.is_empty() {
            let room = bytes.len().min(LINE_BYTES - partial.len());
            let end = bytes[..room].iter().position(|byte| *byte == b'\n');
            partial.extend_from_slice(&bytes[..end.unwrap_or(room)]);
            bytes = &bytes[end.map_or(room, |end| end + 1)..];
            if end.is_some() {
                self.sink.pass(error_output, partial.strip_suffix(b"\r").unwrap_or(partial));
                partial.clear();
            } else if partial.len() == LINE_BYTES {
                let whole = whole_chars(partial);
                self.sink.pass(error_output, &partial[..whole]);
                partial.drain(..whole);
            }
        }
    }

    /// Passes on what there is of an unfinished line.
    pub(super) fn end(&mut self, error_output: bool) {
        let partial = &mut self.partial[usize::from(error_output)];
        if !partial.is_empty() {
            self.sink.pass(error_output, partial);
            partial.clear();
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end(false);
        self.end(true);
        self.sink.tell_dropped();
    }
}

/// A token bucket before the sink: `rate` lines a second, after a burst of as many.
struct Gate {
    sink: Box<dyn LogSink>,
    rate: f64,
    tokens: f64,
    filled: Instant,
    dropped: u64,
}

impl Gate {
    fn new(lines_per_second: u32, sink: Box<dyn LogSink>) -> Self {
        let rate = f64::from(lines_per_second);
        Self { sink, rate, tokens: rate, filled: Instant::now(), dropped: 0 }
    }

    fn pass(&mut self, error_output: bool, line: &[u8]) {
        if !self.take(Instant::now()) {
            self.dropped += 1;
            return;
        }
        self.tell_dropped();
        let mut rest = escape(line);
        while rest.len() > LINE_BYTES && self.take(self.filled) {
            let tail = rest.split_off(rest.floor_char_boundary(LINE_BYTES));
            self.sink.line(error_output, &rest);
            rest = tail;
        }
        if rest.len() > LINE_BYTES {
            rest.truncate(rest.floor_char_boundary(LINE_BYTES));
            self.dropped += 1;
        }
        self.sink.line(error_output, &rest);
    }

    fn take(&mut self, now: Instant) -> bool {
        self.tokens =
            (self.tokens + now.saturating_duration_since(self.filled).as_secs_f64() * self.rate).min(self.rate);
        self.filled = now;
        let some = self.tokens >= 1.0;
        if some {
            self.tokens -= 1.0;
        }
        some
    }

    /// Says in one line what did not fit the rate.
    fn tell_dropped(&mut self) {
        if self.dropped > 0 {
            let text = format!("warn: dropped {} log lines beyond {} a second", self.dropped, self.rate);
            self.sink.line(true, &text);
            self.dropped = 0;
        }
    }
}

/// How many bytes of `text` come before a character that is cut off at its end.
fn whole_chars(text: &[u8]) -> usize {
    let broken = text.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    match std::str::from_utf8(broken) {
        Err(error) if error.error_len().is_none() => text.len() - broken.len(),
        _ => text.len(),
    }
}

/// The text with everything that steers a terminal or reorders what is read made visible.
fn escape(line: &[u8]) -> String {
    let mut out = String::with_capacity(line.len());
    for c in String::from_utf8_lossy(line).chars() {
        if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::tests::Seen, *};

    fn lines(rate: u32) -> (Lines, Seen) {
        let seen = Seen::default();
        (Lines::new(rate, Box::new(seen.clone())), seen)
    }

    fn texts(seen: &Seen) -> Vec<String> {
        seen.take().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn line_ends_are_taken_off() {
        let (mut lines, seen) = lines(100);
        lines.write(false, b"a\n\nb\r\nc");
        assert_eq!(texts(&seen), ["a", "", "b"]);
        lines.end(false);
        lines.end(false);
        assert_eq!(texts(&seen), ["c"]);
    }

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        let (mut lines, seen) = lines(100);
        lines.write(true, "\u{1b}[2J\0\ta\u{202e}b\u{9b} caf\u{e9} \\n\n".as_bytes());
        lines.write(true, b"\xff\xfe\n");
        assert_eq!(texts(&seen), ["\\u{1b}[2J\\u{0}\\ta\\u{202e}b\\u{9b} caf\u{e9} \\n", "\u{fffd}\u{fffd}"]);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let (mut lines, seen) = lines(100);
        // A character of three bytes straddles the limit.
        let text = format!("{}\u{20ac}end\n", "x".repeat(LINE_BYTES - 1));
        lines.write(false, text.as_bytes());
        assert_eq!(texts(&seen), ["x".repeat(LINE_BYTES - 1), "\u{20ac}end".to_owned()]);
    }

    #[test]
    fn escaping_does_not_lengthen_a_line() {
        let (mut lines, seen) = lines(100);
        lines.write(false, &[1; LINE_BYTES]);
        let texts = texts(&seen);
        assert!(texts.iter().all(|text| text.len() <= LINE_BYTES));
        assert_eq!(texts.concat(), "\\u{1}".repeat(LINE_BYTES));
    }

    #[test]
    fn bytes_that_are_no_text_do_not_pile_up() {
        let (mut lines, seen) = lines(100);
        lines.write(false, &[0x80; 3 * LINE_BYTES]);
        assert!(lines.partial[0].len() < LINE_BYTES);
        assert!(texts(&seen).iter().all(|text| text.len() <= LINE_BYTES));
    }

    #[test]
    fn a_flood_is_dropped_and_said_so_once() {
        let (mut lines, seen) = lines(3);
        for n in 0..10 {
            lines.write(false, format!("{n}\n").as_bytes());
        }
        assert_eq!(texts(&seen), ["0", "1", "2"]);
        // As if half a second had passed: one and a half tokens.
        lines.sink.filled -= Duration::from_millis(500);
        lines.write(true, b"on\noff\n");
        assert_eq!(texts(&seen), ["warn: dropped 7 log lines beyond 3 a second", "on"]);
        drop(lines);
        assert_eq!(texts(&seen), ["warn: dropped 1 log lines beyond 3 a second"]);
    }

    #[test]
    fn a_burst_is_no_longer_than_a_second() {
        let (mut lines, seen) = lines(2);
        lines.sink.filled -= Duration::from_secs(60);
        lines.write(false, b"a\nb\nc\n");
        assert_eq!(texts(&seen), ["a", "b"]);
    }
}

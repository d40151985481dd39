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
        rest.truncate(rest.floor_char_boundary(LINE_BYTES));
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

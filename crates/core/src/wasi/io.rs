//! `wasi:io@0.2`: polling, a standard input at its end, and output streams that end in the log.
//!
//! A pollable is a timer or belongs to a stream that is always ready, so that a poll is at most one wait for the
//! earliest timer.

use std::{ops::ControlFlow, time::Instant};

use super::{StreamError, StreamResult, Wasi, broken, push};
use crate::{error::Trap, table::ObjectId};

/// Bytes `check-write` permits. Lines are taken at once, so it bounds only how long one write holds the host.
const PERMIT: u64 = 64 * 1024;

/// Bytes of `blocking-write-and-flush` (`wasi:io/streams@0.2`).
const BLOCKING_WRITE: u64 = 4096;

/// Pollables of one `poll`. A guest holds some hundred; a list of millions would hold the host where nothing cuts it.
const MOST_POLLED: usize = 4096;

/// What a pollable waits for.
pub(super) struct Pollable {
    event: Event,
    parent: Option<Parent>,
}

enum Event {
    Always,
    /// Ready from this instant on.
    At(Instant),
    /// A timer beyond what the system's clock counts to.
    Never,
}

#[derive(Clone, Copy)]
enum Parent {
    Input(ObjectId),
    Output(ObjectId),
}

/// An `input-stream`, which is always at its end.
#[derive(Default)]
pub(super) struct Input {
    pollables: usize,
}

/// An `output-stream`: one of any number of handles to stdout or stderr.
pub(super) struct Output {
    error_output: bool,
    /// Bytes that `check-write` permitted and no write has used yet.
    permit: u64,
    pollables: usize,
}

impl Pollable {
    pub(super) fn timer(due: Option<Instant>) -> Self {
        Self { event: due.map_or(Event::Never, Event::At), parent: None }
    }

    fn of_stream(parent: Parent) -> Self {
        Self { event: Event::Always, parent: Some(parent) }
    }

    fn is_ready(&self, now: Instant) -> bool {
        match self.event {
            Event::Always => true,
            Event::At(due) => due <= now,
            Event::Never => false,
        }
    }
}

impl Output {
    pub(super) fn new(error_output: bool) -> Self {
        Self { error_output, permit: 0, pollables: 0 }
    }
}

/// `wasi:io/error@0.2`. No stream of this subset fails, so that a guest holds no `error`.
impl Wasi {
    /// `error.to-debug-string`
    pub fn error_to_debug_string(&mut self, error: ObjectId) -> Result<String, Trap> {
        Err(broken(format!("handle {} names no error", error.0)))
    }

    /// The guest dropped an error.
    pub fn error_drop(&mut self, error: ObjectId) -> Result<(), Trap> {
        self.error_to_debug_string(error).map(drop)
    }
}

/// `wasi:io/poll@0.2`
impl Wasi {
    /// `pollable.ready`
    pub fn pollable_ready(&mut self, id: ObjectId) -> Result<bool, Trap> {
        Ok(self.pollables.get_mut(id)?.is_ready(Instant::now()))
    }

    /// `pollable.block`, which is a `poll` of this one.
    pub fn pollable_block(&mut self, id: ObjectId) -> Result<(), Trap> {
        self.poll(&[id]).map(drop)
    }

    /// The guest dropped a pollable.
    pub fn pollable_drop(&mut self, id: ObjectId) -> Result<(), Trap> {
        match self.pollables.remove(id)?.parent {
            Some(Parent::Input(stream)) => self.inputs.get_mut(stream)?.pollables -= 1,
            Some(Parent::Output(stream)) => self.outputs.get_mut(stream)?.pollables -= 1,
            None => {}
        }
        Ok(())
    }

    /// `poll`: waits until a pollable is ready and gives the places in `ids` of all that are.
    ///
    /// Traps for an empty list, as WASI says, and for one beyond 4096.
    pub fn poll(&mut self, ids: &[ObjectId]) -> Result<Vec<u32>, Trap> {
        if ids.is_empty() || ids.len() > MOST_POLLED {
            return Err(broken(format!("polled a list of {}; 1 to {MOST_POLLED} may be", ids.len())));
        }
        loop {
            let earliest = match self.look(ids)? {
                ControlFlow::Break(ready) => return Ok(ready),
                ControlFlow::Continue(earliest) => earliest,
            };
            self.control.wait(earliest, || None::<()>)?;
        }
    }

    /// The places of those that are ready, or when the first will be.
    fn look(&mut self, ids: &[ObjectId]) -> Result<ControlFlow<Vec<u32>, Option<Instant>>, Trap> {
        let now = Instant::now();
        let (mut ready, mut earliest) = (Vec::new(), None::<Instant>);
        for (place, id) in (0..).zip(ids) {
            let pollable = self.pollables.get_mut(*id)?;
            match pollable.event {
                _ if pollable.is_ready(now) => ready.push(place),
                Event::At(due) => earliest = Some(earliest.map_or(due, |earliest| earliest.min(due))),
                Event::Always | Event::Never => {}
            }
        }
        Ok(if ready.is_empty() { ControlFlow::Continue(earliest) } else { ControlFlow::Break(ready) })
    }
}

/// `wasi:io/streams@0.2 input-stream`: at the end of the file at once, which is `closed`, also for 0 bytes.
impl Wasi {
    /// `input-stream.read`
    pub fn input_read(&mut self, id: ObjectId, _len: u64) -> StreamResult<Vec<u8>> {
        self.inputs.get_mut(id)?;
        Ok(Err(StreamError::Closed))
    }

    /// `input-stream.blocking-read`
    pub fn input_blocking_read(&mut self, id: ObjectId, len: u64) -> StreamResult<Vec<u8>> {
        self.input_read(id, len)
    }

    /// `input-stream.skip`
    pub fn input_skip(&mut self, id: ObjectId, _len: u64) -> StreamResult<u64> {
        self.inputs.get_mut(id)?;
        Ok(Err(StreamError::Closed))
    }

    /// `input-stream.blocking-skip`
    pub fn input_blocking_skip(&mut self, id: ObjectId, len: u64) -> StreamResult<u64> {
        self.input_skip(id, len)
    }

    /// `input-stream.subscribe`: ready at once, since the other end is closed.
    pub fn input_subscribe(&mut self, id: ObjectId) -> Result<ObjectId, Trap> {
        let stream = self.inputs.get_mut(id)?;
        let pollable = push(&mut self.pollables, Pollable::of_stream(Parent::Input(id)), "pollables")?;
        stream.pollables += 1;
        Ok(pollable)
    }

    /// The guest dropped an input stream; traps while a pollable of it lives.
    pub fn input_drop(&mut self, id: ObjectId) -> Result<(), Trap> {
        childless(self.inputs.get_mut(id)?.pollables)?;
        self.inputs.remove(id).map(drop)
    }
}

/// `wasi:io/streams@0.2 output-stream`: takes everything at once, so that the blocking functions never wait.
impl Wasi {
    /// `output-stream.check-write`
    pub fn output_check_write(&mut self, id: ObjectId) -> StreamResult<u64> {
        self.outputs.get_mut(id)?.permit = PERMIT;
        Ok(Ok(PERMIT))
    }

    /// `output-stream.write`; traps beyond what `check-write` permitted.
    pub fn output_write(&mut self, id: ObjectId, contents: &[u8]) -> StreamResult<()> {
        let error_output = self.spend(id, contents.len() as u64)?;
        self.lines.write(error_output, contents);
        Ok(Ok(()))
    }

    /// `output-stream.write-zeroes`; traps as [`output_write`](Self::output_write).
    pub fn output_write_zeroes(&mut self, id: ObjectId, len: u64) -> StreamResult<()> {
        let error_output = self.spend(id, len)?;
        self.write_zeroes(error_output, len);
        Ok(Ok(()))
    }

    /// `output-stream.blocking-write-and-flush`; traps beyond 4096 bytes.
    pub fn output_blocking_write_and_flush(&mut self, id: ObjectId, contents: &[u8]) -> StreamResult<()> {
        let error_output = self.outputs.get_mut(id)?.error_output;
        at_once(contents.len() as u64)?;
        self.lines.write(error_output, contents);
        Ok(Ok(()))
    }

    /// `output-stream.blocking-write-zeroes-and-flush`; traps beyond 4096 bytes.
    pub fn output_blocking_write_zeroes_and_flush(&mut self, id: ObjectId, len: u64) -> StreamResult<()> {
        let error_output = self.outputs.get_mut(id)?.error_output;
        at_once(len)?;
        self.write_zeroes(error_output, len);
        Ok(Ok(()))
    }

    /// `output-stream.flush`. An unfinished line stays until it ends: guests flush after each piece of one.
    pub fn output_flush(&mut self, id: ObjectId) -> StreamResult<()> {
        self.outputs.get_mut(id)?;
        Ok(Ok(()))
    }

    /// `output-stream.blocking-flush`
    pub fn output_blocking_flush(&mut self, id: ObjectId) -> StreamResult<()> {
        self.output_flush(id)
    }

    /// `output-stream.subscribe`: always ready.
    pub fn output_subscribe(&mut self, id: ObjectId) -> Result<ObjectId, Trap> {
        let stream = self.outputs.get_mut(id)?;
        let pollable = push(&mut self.pollables, Pollable::of_stream(Parent::Output(id)), "pollables")?;
        stream.pollables += 1;
        Ok(pollable)
    }

    /// `output-stream.splice`: the input is at its end.
    pub fn output_splice(&mut self, id: ObjectId, source: ObjectId, len: u64) -> StreamResult<u64> {
        self.outputs.get_mut(id)?;
        self.input_skip(source, len)
    }

    /// `output-stream.blocking-splice`
    pub fn output_blocking_splice(&mut self, id: ObjectId, source: ObjectId, len: u64) -> StreamResult<u64> {
        self.output_splice(id, source, len)
    }

    /// The guest dropped an output stream; traps while a pollable of it lives. The last handle ends its line.
    pub fn output_drop(&mut self, id: ObjectId) -> Result<(), Trap> {
        childless(self.outputs.get_mut(id)?.pollables)?;
        let error_output = self.outputs.remove(id)?.error_output;
        if !self.outputs.values().any(|other| other.error_output == error_output) {
            self.lines.end(error_output);
        }
        Ok(())
    }

    /// Takes `len` from the permit and says which output it is.
    fn spend(&mut self, id: ObjectId, len: u64) -> Result<bool, Trap> {
        let stream = self.outputs.get_mut(id)?;
        let Some(rest) = stream.permit.checked_sub(len) else {
            return Err(broken(format!("wrote {len} bytes where check-write had permitted {}", stream.permit)));
        };
        stream.permit = rest;
        Ok(stream.error_output)
    }

    fn write_zeroes(&mut self, error_output: bool, len: u64) {
        for _ in 0..len {
            self.lines.write(error_output, &[0]);
        }
    }
}

fn at_once(len: u64) -> Result<(), Trap> {
    if len > BLOCKING_WRITE {
        return Err(broken(format!("wrote {len} bytes where {BLOCKING_WRITE} may be written and flushed at once")));
    }
    Ok(())
}

/// A stream may not go before its children do (`wasi:io/streams@0.2 subscribe`).
fn childless(pollables: usize) -> Result<(), Trap> {
    if pollables > 0 {
        return Err(broken("dropped a stream while a pollable of it lives"));
    }
    Ok(())
}

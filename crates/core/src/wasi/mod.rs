//! WASI 0.2, the locked-down subset guests get: clocks, polling, randomness, and stdout and stderr as log lines.
//!
//! One [`Wasi`] belongs to one instance. It has one method per WASI function a guest may import, and an engine binds
//! each with one statement. Every wait goes through the instance's [`CallControl`], so that a sleeping guest can be
//! cut. There are no files, sockets, arguments or environment (docs/decisions/0002-wasi-subset.md); an interface not
//! named here is not offered. Not here: which `0.2.x` a guest names, and the handle tables of the component model
//! (the engines).
//!
//! For all methods: a `Trap` is a handle that names nothing, a broken precondition, a full table or a cut call. The
//! inner `Result` of stream functions is what the guest is answered.

mod cli;
mod clocks;
pub mod filesystem;
mod io;
mod lines;
pub mod log;
mod random;

use std::{sync::Arc, time::Instant};

use io::{Input, Output, Pollable};
use lines::Lines;

use crate::{
    control::CallControl,
    error::{Trap, TrapKind},
    limits::Limits,
    table::{ObjectId, Table},
};

/// Takes lines that a guest wrote to stdout or stderr, without their line ends.
pub trait LogSink: Send {
    /// Called with at most [`LINE_BYTES`] of text whose control characters are escaped.
    fn line(&mut self, error_output: bool, text: &str);
}

/// Bytes of one log line; a longer one is continued in the next. Fits any message and a stack frame's symbol name.
pub const LINE_BYTES: usize = 4 * 1024;

/// `wasi:io/streams@0.2 stream-error`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// An `error` resource says why. No stream of this subset fails so, since log lines are taken or dropped.
    LastOperationFailed(ObjectId),
    /// The stream is at its end.
    Closed,
}

/// What a stream function answers: the guest's result, or a trap.
pub type StreamResult<T> = Result<Result<T, StreamError>, Trap>;

/// WASI as one instance sees it.
pub struct Wasi {
    control: Arc<CallControl>,
    /// The zero of the guest's monotonic clock.
    origin: Instant,
    inputs: Table<Input>,
    outputs: Table<Output>,
    pollables: Table<Pollable>,
    lines: Lines,
}

impl Wasi {
    pub(crate) fn new(limits: &Limits, control: Arc<CallControl>, log: Box<dyn LogSink>) -> Self {
        let most = limits.host_resources;
        Self {
            control,
            origin: Instant::now(),
            inputs: Table::new(most),
            outputs: Table::new(most),
            pollables: Table::new(most),
            lines: Lines::new(limits.log_lines_per_second, log),
        }
    }
}

/// Adds to a table; WASI has no answer for a full one.
fn push<T>(table: &mut Table<T>, value: T, what: &str) -> Result<ObjectId, Trap> {
    table.push(value).map_err(|_| Trap::new(TrapKind::Memory, format!("the guest holds too many {what}")))
}

/// A guest that broke the precondition of a WASI function.
fn broken(message: impl Into<String>) -> Trap {
    Trap::new(TrapKind::Abi, message)
}

#[cfg(test)]
mod tests;

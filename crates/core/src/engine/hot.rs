//! The seam for hot-path modules: core modules that are called for each audio block, on the audio thread.
//!
//! An engine only runs them. What they must be made of, where their buffers lie and what to do when one fails is
//! decided above (`hot`), which also has the module metered before an engine sees it.

use crate::error::TrapKind;

/// What a hot-path module exports, by name (plugin contract 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotExports {
    /// Its memory.
    pub memory: String,
    /// `(args i32, out_ctx i32) -> i32`
    pub init: String,
    /// `(ctx i32, frames i32, out_frames i32, out_flags i32) -> i32`
    pub process: String,
    /// `(ctx i32, flags i32) -> i32`, where it has one.
    pub reset: Option<String>,
    /// `(ctx i32)`, where it has one.
    pub drop: Option<String>,
}

/// A running hot-path module, its functions resolved. It imports nothing, so it may move between threads between calls.
///
/// *Requires*, for all calls into the guest: no earlier one trapped.
///
/// *Behaviour*: `process`, `reset`, `memory` and `set_counter` make no allocation, take no lock and make no
/// system call, unless the guest traps. A trap where the counter is below zero is of kind `deadline`: it was the meter's.
pub trait HotModule: Send {
    /// `init`
    ///
    /// # Errors
    /// A trap.
    fn init(&mut self, args: u32, out_ctx: u32) -> Result<i32, TrapKind>;

    /// `process`, which may use `units`, through [`ENTRY`](crate::meter::ENTRY): its code, and the 8 bytes at `answer`, where it was
    /// told to put frames and flags.
    ///
    /// *Requires*: these bytes lie in its memory.
    ///
    /// # Errors
    /// A trap.
    fn process(&mut self, units: i64, ctx: u32, frames: u32, answer: u32) -> Result<(i32, u64), TrapKind>;

    /// `reset`; 0 where the module has none.
    ///
    /// # Errors
    /// A trap.
    fn reset(&mut self, ctx: u32, flags: u32) -> Result<i32, TrapKind>;

    /// `drop`, where the module has one.
    ///
    /// # Errors
    /// A trap.
    fn drop_context(&mut self, ctx: u32) -> Result<(), TrapKind>;

    /// Its memory, where it is now, at least as long as after the last `grow`. The guest may move and grow it in any call.
    fn memory(&mut self) -> &mut [u8];

    /// Grows the memory, within the limits it was made with; the bytes it had before.
    fn grow(&mut self, pages: u32) -> Option<usize>;

    /// Sets what the module may use until it is set again, or given to `process`, in units of the meter.
    fn set_counter(&mut self, units: i64);

    /// What is left of it.
    fn counter(&mut self) -> i64;

    /// Does what the first call on a thread would do besides, such as setting up a stack for signals, which costs system calls.
    fn prepare_thread(&self) {}
}

//! Rewrites core modules so that they can be stopped: each loop and each call pays from a counter.
//!
//! This is how a guest is interrupted where an engine offers nothing cheaper. It does not run anything and knows no
//! engine: [`meter`] takes a module and returns another one that does the same, and pays while it does it.
//!
//! **What is charged.** A function pays on entry for all of its operators that stand in no loop, and at the head of a
//! loop, each time round, for those directly in that loop. Both count operators as they are written, whichever branch is
//! taken, so that a path never pays too little; a few slow operators count for several (`cost`). Operations whose work
//! depends on a length (`memory.fill`, `memory.copy`, `memory.init`, `memory.grow` and the same of tables) also pay for
//! the length, before they run.
//!
//! **What happens below zero** depends on the [`Form`].
//!
//! **What moves.** Types, tables, memories, segments, locals and labels keep their indices; new ones come last. Functions and globals:
//!
//! | | [`Form::Asking`] | [`Form::Trapping`] |
//! |---|---|---|
//! | imports | the module's own in their order, then [`CHECK`] and [`COUNTER`] from [`MODULE`], always both | unchanged (none is added) |
//! | function indices | imported ones stay, defined ones are one higher | stay |
//! | global indices | imported ones stay, defined ones are one higher | stay; the counter comes last |
//! | exports | as they were | as they were, then the global [`COUNTER`], and [`ENTRY`] where it is asked for |
//!
//! A module that uses an operation charged by length gets one more function, after all of its own, and one with [`ENTRY`] another. Every use of an index (calls,
//! exports, start, elements, `ref.func`, constant expressions, the name section) is renumbered. Custom sections other
//! than `name` are left out: they hold places in the old code.

mod body;
mod cost;
mod rewrite;
mod survey;
#[cfg(test)]
mod tests;

use crate::error::{Error, ErrorKind, Result};

/// The module that the imports of [`Form::Asking`] are imported from. A guest that imports from it is refused.
pub const MODULE: &str = "stellatune:meter";

/// In [`Form::Asking`] a function without parameters and results. It is called when the counter is below zero, and
/// sets it to what the guest may use until the next question, or traps.
pub const CHECK: &str = "check";

/// A mutable `i64` global: what the guest may still use, in units of about one operator. In [`Form::Asking`] an import, to be
/// shared by all modules of a store; in [`Form::Trapping`] an export. A guest that exports this name is refused there.
pub const COUNTER: &str = "stellatune:meter/counter";

/// A function `(units i64, ctx i32, frames i32, answer i32) -> (i32, i64)`, which only [`meter_block`] makes: a whole block in one call.
///
/// It sets the counter to `units`, stores [`NO_ANSWER`] in the 8 bytes at `answer`, calls the guest's function with `ctx`, `frames`, `answer` and
/// `answer + 4`, and returns what that returns and the 8 bytes that are then at `answer`. A guest that exports this name is refused.
pub const ENTRY: &str = "stellatune:meter/entry";

/// What [`ENTRY`] stores, as a little-endian number: largest number of frames, no flags.
pub const NO_ANSWER: u64 = 0xffff_ffff;

/// What the start function of a module in [`Form::Trapping`] may use: some tenths of a second.
pub const INITIAL: i64 = 1 << 28;

/// What a guest does when its counter is below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// It calls an imported function, which lets it go on or traps: for components, which may run long but not too long.
    Asking,
    /// It executes `unreachable`: for hot-path modules, which import nothing and do a known amount of work a block. The
    /// host sets the counter before each call; it starts at [`INITIAL`]. After a trap the counter is below zero
    /// where, and only where, the meter made it.
    Trapping,
}

/// Rewrites the core module `wasm`.
///
/// The counter never overflows as long as it is set to less than 2^62.
///
/// # Errors
/// `rejected_package` for what is no valid core module, `incompatible` for one that uses features beyond WebAssembly 2.0 and
/// extended constant expressions, or a reserved name.
pub fn meter(wasm: &[u8], form: Form) -> Result<Vec<u8>> {
    let survey = survey::survey(wasm, form, None)?;
    rewrite::rewrite(wasm, form, &survey)
}

/// Rewrites a hot-path module as [`Form::Trapping`] says, and adds [`ENTRY`], which calls its export `process`.
///
/// Without such an export of the type that [`ENTRY`] calls, and a memory, nothing is added.
///
/// # Errors
/// As [`meter`].
pub fn meter_block(wasm: &[u8], process: &str) -> Result<Vec<u8>> {
    let survey = survey::survey(wasm, Form::Trapping, Some(process))?;
    rewrite::rewrite(wasm, Form::Trapping, &survey)
}

fn invalid(error: &wasmparser::Error) -> Error {
    let text: String = error.message().chars().take(300).flat_map(char::escape_debug).collect();
    let place = format!("at byte {}", error.offset());
    if error.missing_wasm_feature().is_some() {
        let text = format!("the core module uses a WebAssembly feature that is off: {text} ({place})");
        Error::new(ErrorKind::Incompatible, text)
            .help("build for WebAssembly 2.0, without threads, garbage collection, exceptions or 64-bit memory")
    } else {
        Error::rejected("invalid-wasm", format!("the core module is invalid: {text} ({place})"))
    }
}

fn reserved(what: &str, name: &str) -> Error {
    Error::new(ErrorKind::Incompatible, format!("the core module {what} `{name}`, which is reserved for the meter"))
        .help("give it another name")
}

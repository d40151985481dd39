//! The hot path: DSPs and output sinks that run as a core module, called for each block on the audio thread
//! (docs/hot-path-core-abi.md).
//!
//! Off the audio thread a description becomes a [`HotSpec`], and with the module's bytes a [`Primed`] module, which has run already.
//! On the audio thread a [`HotProcessor`] or [`HotSink`] calls it: without allocation, lock or system call, and with dry
//! audio in the very block in which the module fails. Its other half, [`HotControl`], takes failed modules away and
//! brings new ones.

mod line;
mod module;
mod parameters;
mod primed;
mod processor;
mod samples;
mod sink;
mod spec;

pub use self::{
    line::{HotControl, HotFault, HotReport},
    parameters::HotParameters,
    primed::Primed,
    processor::{HotBlock, HotOutcome, HotProcessor},
    sink::{HotSink, HotWritten},
    spec::HotSpec,
};

/// What `reset` is told, as bits: the position in the stream jumped.
pub const RESET_SEEK: u32 = 1;

/// What `reset` is told, as bits: what is before or behind the module changed.
pub const RESET_ROUTE: u32 = 2;

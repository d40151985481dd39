//! The part of a DSP or an output sink that runs on the audio thread: a core module, by
//! `docs/hot-path-core-abi.md`, of one safe Rust type. Without `std`, without dependencies, without imports.
//!
//! Implement [`HotDsp`] or [`HotSink`], name the type in [`export!`], and build the crate twice: for `wasm32-wasip2`
//! it is the plugin's component, for `wasm32-unknown-unknown` its hot-path module. Elsewhere, in tests, [`mod@test`]
//! takes the place of the host. The host falls back to the component where it cannot use the module, so both should do
//! the same; let them share the type.
//!
//! ```
//! #![cfg_attr(target_os = "unknown", no_std)]
//! use stellatune_plugin_hot::{Flags, HotDsp, Refusal, Reset, Stream};
//!
//! struct Gain(f32);
//!
//! impl HotDsp for Gain {
//!     fn create(_: Stream) -> Result<Self, Refusal> {
//!         Ok(Self(1.0))
//!     }
//!
//!     fn configure(&mut self, parameters: &[f64]) -> Result<(), Refusal> {
//!         let &[gain] = parameters else { return Err(Refusal::InvalidArg) };
//!         self.0 = gain as f32;
//!         Ok(())
//!     }
//!
//!     fn process(&mut self, interleaved: &mut [f32]) -> Result<Flags, Refusal> {
//!         interleaved.iter_mut().for_each(|sample| *sample *= self.0);
//!         Ok(Flags::NONE)
//!     }
//!
//!     fn reset(&mut self, _: Reset) {}
//! }
//!
//! stellatune_plugin_hot::export!(dsp: Gain);
//!
//! # fn main() {
//! // In a test:
//! let stream = Stream { sample_rate: 48_000, channels: 2 };
//! let mut gain = stellatune_plugin_hot::test::dsp::<Gain>(stream, &[0.5]).unwrap();
//! let mut block = [1.0, -0.5];
//! assert!(gain.process(&mut block));
//! assert_eq!(block, [0.5, -0.25]);
//! # }
//! ```
//!
//! # Blocks in memory
//! A component must know where its module has its block before the module is built. It lies at [`BLOCK_AT`], in room that
//! [`export!`] reserves around that address, above the one megabyte of stack that Rust's targets begin memory with. With
//! another stack size, or more than 60 KiB of data, the module refuses to start, and the host says so.
//!
//! # Parameters
//! What a user configures, the component understands and turns into numbers; the module gets them in
//! [`configure`](HotDsp::configure), before its first block and whenever they change.

#![cfg_attr(target_family = "wasm", no_std)]

mod export;
#[doc(hidden)]
pub mod module;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
#[doc(hidden)]
pub mod raw;
#[cfg(not(target_family = "wasm"))]
pub mod test;

use core::ops::BitOr;

pub use module::{BLOCK_AT, Layout};

/// The audio a module works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Frames a second.
    pub sample_rate: u32,
    /// Samples of a frame.
    pub channels: u16,
}

/// A module says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Refusal {
    /// What it was given makes no sense.
    InvalidArg = 1,
    /// It cannot do that.
    Unsupported = 2,
    /// A device failed.
    Io = 3,
    /// It is broken.
    Internal = 4,
    /// In `process`: nothing was done, and this is no failure.
    WouldBlock = 5,
    /// The same, since it has not got so far yet.
    NotReady = 6,
}

/// What a module says of a block: none, or several joined with `|`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// Nothing to say.
    pub const NONE: Self = Self(0);
    /// There will be no more output, or the sink takes no more.
    pub const EOF: Self = Self(1);
    /// Nothing is held back.
    pub const DRAINED: Self = Self(2);
    /// The block is good, and `reset` should come before the next one.
    pub const NEED_RESET: Self = Self(4);
    /// The block is not good: the host takes it as it was. The third in a row ends the module.
    pub const SOFT_ERROR: Self = Self(8);

    /// The bits, as the host gets them.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` is in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Why a module is reset. Neither where it asked for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reset {
    /// The position in the stream jumped.
    pub seek: bool,
    /// What is before or behind the module changed.
    pub route: bool,
}

/// An effect on the audio thread.
///
/// No method may take long, or count on time: a block has half the time it lasts. The host may play a few blocks of noise,
/// followed by a [`reset`](Self::reset), before the first one that is heard.
pub trait HotDsp: Sized + Send + 'static {
    /// Frames of a block at most, 1 to 65,536.
    const MAX_FRAMES: u32 = 1024;

    /// Channels it can work with at most, 1 to 64. The block has room for so many, of 8 MiB at most.
    const MAX_CHANNELS: u16 = 8;

    /// Makes the effect, for a stream of up to [`MAX_CHANNELS`](Self::MAX_CHANNELS).
    ///
    /// # Errors
    /// Any, and the component is used.
    fn create(stream: Stream) -> Result<Self, Refusal>;

    /// Takes new parameters: once before the first block, and whenever they change. Not called where the component has
    /// none. Nothing by default.
    ///
    /// # Errors
    /// Any counts as a failure of the module.
    fn configure(&mut self, parameters: &[f64]) -> Result<(), Refusal> {
        let _ = parameters;
        Ok(())
    }

    /// Changes a block of interleaved samples in place: whole frames, at least one.
    ///
    /// # Errors
    /// [`WouldBlock`](Refusal::WouldBlock) and [`NotReady`](Refusal::NotReady) leave the block as it was; others are
    /// failures.
    fn process(&mut self, interleaved: &mut [f32]) -> Result<Flags, Refusal>;

    /// Forgets what comes from earlier audio; parameters stay.
    fn reset(&mut self, reset: Reset);
}

/// What a sink took of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Frames, at most as many as there were. The rest is given again.
    pub frames: u32,
    /// What else there is to say.
    pub flags: Flags,
}

/// An output sink on the audio thread. As [`HotDsp`] in everything that is not said here.
pub trait HotSink: Sized + Send + 'static {
    /// Frames of a block at most, 1 to 65,536.
    const MAX_FRAMES: u32 = 1024;

    /// Channels it can work with at most, 1 to 64.
    const MAX_CHANNELS: u16 = 8;

    /// Makes the sink.
    ///
    /// # Errors
    /// Any, and the component is used.
    fn create(stream: Stream) -> Result<Self, Refusal>;

    /// Takes new parameters. Nothing by default.
    ///
    /// # Errors
    /// Any counts as a failure of the module.
    fn configure(&mut self, parameters: &[f64]) -> Result<(), Refusal> {
        let _ = parameters;
        Ok(())
    }

    /// Takes interleaved samples: whole frames, at least one.
    ///
    /// # Errors
    /// [`WouldBlock`](Refusal::WouldBlock) and [`NotReady`](Refusal::NotReady) take nothing; others are failures.
    fn write(&mut self, interleaved: &[f32]) -> Result<Written, Refusal>;

    /// Forgets what was taken and not yet played; parameters stay.
    fn reset(&mut self, reset: Reset);
}

//! Makes audio louder or softer, without clicks when the gain changes.
//!
//! The crate is built twice. For WebAssembly without an operating system it is the hot-path module, which is `gain` alone;
//! elsewhere it is the component, where `plugin` is what players call. Both work with the same [`Gain`].

#![cfg_attr(target_os = "unknown", no_std)]

mod gain;
#[cfg(not(target_os = "unknown"))]
mod plugin;

pub use gain::Gain;
#[cfg(not(target_os = "unknown"))]
pub use plugin::Plugin;

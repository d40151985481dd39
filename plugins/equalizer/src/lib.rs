//! A parametric equaliser: up to ten bands, each a peak, a shelf, a notch, or a high or low pass.
//!
//! The crate is built twice. For WebAssembly without an operating system it is the hot-path module, which is `filter` and
//! `module` alone; elsewhere it is the component: `config` is what users set, `design` makes filters of it, `plugin` is what
//! the host calls. Both filter with the same [`Equalizer`], in 64-bit floats, two channels at a time in one vector.

#![cfg_attr(target_os = "unknown", no_std)]

mod filter;
mod module;
mod pair;

#[cfg(not(target_os = "unknown"))]
mod config;
#[cfg(not(target_os = "unknown"))]
mod design;
#[cfg(not(target_os = "unknown"))]
mod plugin;

pub use crate::filter::{BANDS, Equalizer, Filters, Section};
#[cfg(not(target_os = "unknown"))]
pub use crate::{
    config::{Band, Config, Shape},
    design::design,
    plugin::Plugin,
};

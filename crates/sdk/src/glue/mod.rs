//! Between the generated traits and the ones authors implement. Reached by [`export!`](crate::export) only.
//!
//! `Export<T>` stands for a component whose abilities are those of `T`; `abilities` implements each generated trait
//! once. Here is what they share.

mod abilities;

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::bindings::host::stellatune::plugin::common::PluginError;
use crate::bindings::lifecycle::exports::stellatune::plugin::lifecycle;
use crate::error::{Error, Result};
use crate::lifecycle::{DisableReason, Lifecycle};
use crate::{Decoder, Dsp, Lyrics, OutputSink, Source};

type Answer<T> = std::result::Result<T, PluginError>;

/// The exports of a component, from the type `T` that implements an ability or the hooks.
#[derive(Debug)]
pub struct Export<T>(PhantomData<T>);

impl<H: Lifecycle> lifecycle::Guest for Export<H> {
    fn on_enable() -> Answer<()> {
        Ok(H::on_enable()?)
    }

    fn on_disable(reason: DisableReason) -> Answer<()> {
        Ok(H::on_disable(reason)?)
    }
}

/// Compiles if `T` has these hooks.
pub const fn check_lifecycle<T: Lifecycle>() {}

/// Compiles if `T` is a decoder.
pub const fn check_decoder<T: Decoder>() {}

/// Compiles if `T` is a source.
pub const fn check_source<T: Source>() {}

/// Compiles if `T` finds lyrics.
pub const fn check_lyrics<T: Lyrics>() {}

/// Compiles if `T` is an output sink.
pub const fn check_output_sink<T: OutputSink>() {}

/// Compiles if `T` is an effect.
pub const fn check_dsp<T: Dsp>() {}

/// An object behind a resource, until the host closes it.
#[derive(Debug)]
pub struct Open<T>(RefCell<Option<T>>);

impl<T> Open<T> {
    fn new(object: T) -> Self {
        Self(RefCell::new(Some(object)))
    }

    fn with<R>(&self, call: impl FnOnce(&mut T) -> Result<R>) -> Answer<R> {
        // The component model forbids a host to call in again before a call is over, so the cell is never busy.
        let mut slot = self.0.try_borrow_mut().map_err(|_| Error::internal("the object is in use"))?;
        let object = slot.as_mut().ok_or_else(|| Error::not_found("the object is closed"))?;
        Ok(call(object)?)
    }

    fn shut(&self) {
        if let Ok(mut slot) = self.0.try_borrow_mut() {
            slot.take();
        }
    }
}

/// Counts the whole frames of a block of samples.
fn whole_frames(bytes: usize, channels: u16, expected: u16) -> Result<()> {
    if channels != expected || channels == 0 {
        return Err(Error::invalid_arg(format!("{channels} channels, made for {expected}")));
    }
    if bytes % (4 * usize::from(channels)) != 0 {
        return Err(Error::invalid_arg(format!("{bytes} bytes are no whole frames of {channels} channels")));
    }
    Ok(())
}

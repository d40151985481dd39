//! Between the generated traits and the ones authors implement. Reached by [`export!`](crate::export) only.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::time::Duration;

use crate::bindings::decoder::exports::stellatune::plugin::decoder as decoder_export;
use crate::bindings::host::stellatune::plugin::common::PluginError;
use crate::bindings::host::stellatune::plugin::host_stream::HostStreamHandle;
use crate::bindings::lifecycle::exports::stellatune::plugin::lifecycle as lifecycle_export;
use crate::decoder::Decoder;
use crate::error::{Error, Result};
use crate::json::JsonText;
use crate::lifecycle::{DisableReason, Lifecycle};
use crate::stream::HostStream;
use crate::types::{ConfigUpdatePlan, DecoderInfo, MediaMetadata, PcmChunk};

type Answer<T> = std::result::Result<T, PluginError>;

/// The lifecycle interface of a component, from the hooks `H`.
#[derive(Debug)]
pub struct LifecycleExport<H>(PhantomData<H>);

impl<H: Lifecycle> lifecycle_export::Guest for LifecycleExport<H> {
    fn on_enable() -> Answer<()> {
        Ok(H::on_enable()?)
    }

    fn on_disable(reason: DisableReason) -> Answer<()> {
        Ok(H::on_disable(reason)?)
    }
}

/// The decoder interface of a component, from the decoder `D`.
#[derive(Debug)]
pub struct DecoderExport<D>(PhantomData<D>);

impl<D: Decoder> decoder_export::Guest for DecoderExport<D> {
    type Session = Open<D>;

    fn open(input: HostStreamHandle, ext_hint: Option<String>) -> Answer<decoder_export::Session> {
        let decoder = D::open(HostStream::from_handle(input), ext_hint.as_deref())?;
        Ok(decoder_export::Session::new(Open::new(decoder)))
    }
}

impl<D: Decoder> decoder_export::GuestSession for Open<D> {
    fn info(&self) -> Answer<DecoderInfo> {
        self.with(D::info)
    }

    fn metadata(&self) -> Answer<MediaMetadata> {
        self.with(D::metadata)
    }

    fn read_pcm_f32(&self, max_frames: u32) -> Answer<PcmChunk> {
        self.with(|decoder| match max_frames {
            0 => Ok(PcmChunk { eof: false, ..PcmChunk::end() }),
            _ => decoder.read_pcm(max_frames),
        })
    }

    fn seek_ms(&self, position_ms: u64) -> Answer<()> {
        self.with(|decoder| decoder.seek(Duration::from_millis(position_ms)))
    }

    fn plan_config_update_json(&self, new_config_json: String) -> Answer<ConfigUpdatePlan> {
        self.with(|decoder| decoder.plan_config(JsonText::new(&new_config_json)))
    }

    fn apply_config_update_json(&self, new_config_json: String) -> Answer<()> {
        self.with(|decoder| decoder.apply_config(JsonText::new(&new_config_json)))
    }

    fn export_state_json(&self) -> Answer<Option<String>> {
        self.with(D::export_state)
    }

    fn import_state_json(&self, state_json: String) -> Answer<()> {
        self.with(|decoder| decoder.import_state(JsonText::new(&state_json)))
    }

    fn close(&self) {
        self.shut();
    }
}

/// Compiles if `T` can be exported.
pub const fn check_lifecycle<T: lifecycle_export::Guest>() {}

/// Compiles if `T` can be exported.
pub const fn check_decoder<T: decoder_export::Guest>() {}

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

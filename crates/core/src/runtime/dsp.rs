//! A DSP's processor as an application holds it, called as a component: for audio that is not due, or where the
//! [hot path](crate::hot) is not offered.

use std::{fmt, sync::Arc};

use super::pcm;
use crate::{
    actor::{Actor, Canceller, Guest, Priority, Session},
    capability::Dsp,
    config::{self, Config, ConfigUpdate},
    control::CancelToken,
    engine::Instance,
    error::{CallResult, PluginError, Result},
    limits::CallClass,
    manifest::Ability,
    route::RouteKey,
    table::ObjectId,
    types::{AudioSpec, CoreModuleSpec},
};

/// An open processor of a DSP plugin. Closed when dropped.
pub struct DspProcessor {
    session: Session,
    route: RouteKey,
    ability: Ability,
    spec: AudioSpec,
}

impl DspProcessor {
    pub(super) async fn open(
        actor: &Arc<Actor>,
        route: RouteKey,
        ability: Ability,
        spec: AudioSpec,
        config: Option<Config>,
    ) -> Result<Self> {
        pcm::check_spec(spec)?;
        let open = move |guest: &mut Guest, token: &CancelToken| {
            let processor = create(guest, token, spec)?;
            config::first(guest, processor, CallClass::Block, token, config)?;
            Ok((processor, ()))
        };
        let (session, ()) = Session::open(actor, Priority::RealTime, CancelToken::default(), open).await?;
        Ok(Self { session, route, ability, spec })
    }

    /// Which ability of which plugin it is.
    pub fn route(&self) -> &RouteKey {
        &self.route
    }

    /// The audio it was opened for.
    pub fn spec(&self) -> AudioSpec {
        self.spec
    }

    /// Processes interleaved samples, whole frames; as many come back.
    ///
    /// # Errors
    /// `invalid_argument`: no whole frames. `plugin_error`: the plugin says no, and lives on; use the audio as it was.
    /// `timeout`, `trap`, `cancelled`: the processor is gone.
    pub async fn process(&mut self, interleaved: &[f32]) -> Result<Vec<f32>> {
        let (channels, input) = (self.spec.channels, pcm::bytes(interleaved, self.spec.channels)?);
        self.session
            .run(move |guest, processor, token| {
                guest.call("dsp.process-interleaved-f32", CallClass::Block, token, |instance| {
                    let output = dsp(instance)?.process_interleaved_f32(processor, channels, &input)?;
                    // The contract lets a DSP change samples, not how many there are (plugin contract 6).
                    if output.len() != input.len() {
                        return Err(pcm::lie(&format!("{} bytes for {} bytes of audio", output.len(), input.len())));
                    }
                    Ok(pcm::samples(&output))
                })
            })
            .await
    }

    /// The core module that processes the same on the audio thread, if the plugin offers one: see [`crate::hot`].
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub async fn describe_hot_path(&mut self) -> Result<Option<CoreModuleSpec>> {
        let spec = self.spec;
        self.session
            .run(move |guest, processor, token| {
                guest.call("dsp.describe-hot-path", CallClass::Block, token, |instance| {
                    dsp(instance)?.describe_hot_path(processor, spec)
                })
            })
            .await
    }

    /// Gives the processor new settings, of at most 64 KiB.
    ///
    /// # Errors
    /// `invalid_argument`: they do not fit the plugin's schema. `unsupported`: the plugin rejects them. As
    /// [`process`](Self::process).
    pub async fn configure(&mut self, config_json: &str) -> Result<ConfigUpdate> {
        let (spec, config) = (self.spec, Config::check(config_json, &self.ability)?);
        config::update(&mut self.session, CallClass::Block, config, move |guest, token| create(guest, token, spec))
            .await
    }

    /// How soon later calls are due, where the plugin serves others too; `RealTime` unless set.
    pub fn set_priority(&mut self, priority: Priority) {
        self.session.set_priority(priority);
    }

    /// Cuts the call in flight, from any thread. The plugin's instance is discarded with it.
    pub fn canceller(&self) -> Canceller {
        self.session.canceller()
    }

    /// Closes the processor. Dropping it does the same without waiting.
    pub async fn close(self) {
        self.session.close().await;
    }
}

impl fmt::Debug for DspProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DspProcessor").field("route", &self.route).field("spec", &self.spec).finish_non_exhaustive()
    }
}

fn create(guest: &mut Guest, token: &CancelToken, spec: AudioSpec) -> Result<ObjectId> {
    guest.call("dsp.create", CallClass::Block, token, |instance| dsp(instance)?.create(spec))
}

fn dsp(instance: &mut dyn Instance) -> CallResult<&mut dyn Dsp> {
    instance.dsp().ok_or_else(|| PluginError::Unsupported("the component has no DSP".into()).into())
}

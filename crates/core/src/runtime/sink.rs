//! An output sink's session as an application holds it, called as a component.

use std::{fmt, sync::Arc};

use super::pcm;
use crate::{
    actor::{Actor, Canceller, Guest, Priority, Session},
    capability::OutputSink,
    config::{self, Config, ConfigUpdate},
    control::CancelToken,
    engine::Instance,
    error::{CallResult, Error, ErrorKind, PluginError, Result},
    limits::CallClass,
    manifest::Ability,
    route::RouteKey,
    table::ObjectId,
    types::{AudioSpec, CoreModuleSpec, NegotiatedSpec, RuntimeStatus},
};

/// A session of an output sink plugin: made, then [opened](Self::open) on one of its targets. Closed when dropped.
pub struct Sink {
    session: Session,
    route: RouteKey,
    ability: Ability,
    /// What it is open for.
    spec: Option<AudioSpec>,
}

impl Sink {
    pub(super) async fn create(
        actor: &Arc<Actor>,
        route: RouteKey,
        ability: Ability,
        config: Option<Config>,
    ) -> Result<Self> {
        let open = move |guest: &mut Guest, token: &CancelToken| {
            let session = create(guest, token)?;
            config::first(guest, session, CallClass::SinkControl, token, config)?;
            Ok((session, ()))
        };
        let (session, ()) = Session::open(actor, Priority::default(), CancelToken::default(), open).await?;
        Ok(Self { session, route, ability, spec: None })
    }

    /// Which ability of which plugin it is.
    pub fn route(&self) -> &RouteKey {
        &self.route
    }

    /// What it is open for; `None` before it is.
    pub fn spec(&self) -> Option<AudioSpec> {
        self.spec
    }

    /// The targets there are, a JSON array (plugin contract 6).
    ///
    /// # Errors
    /// `plugin_error`: the sink says no, and lives on. `timeout`, `trap`, `cancelled`: the session is gone.
    pub async fn targets(&mut self) -> Result<String> {
        self.control("output-sink.list-targets-json", |sink, session| sink.list_targets_json(session)).await
    }

    /// What a target would play of what is desired.
    ///
    /// # Errors
    /// `invalid_argument`: a rate or channels that no stream has. As [`targets`](Self::targets).
    pub async fn negotiate(&mut self, target_json: &str, desired: AudioSpec) -> Result<NegotiatedSpec> {
        pcm::check_spec(desired)?;
        let target = target_json.to_owned();
        self.control("output-sink.negotiate-spec-json", move |sink, session| {
            let negotiated = sink.negotiate_spec_json(session, &target, desired)?;
            match pcm::unfit(negotiated.spec) {
                None => Ok(negotiated),
                Some(why) => Err(pcm::lie(&why)),
            }
        })
        .await
    }

    /// Opens a target. From then on audio can be written, urgently.
    ///
    /// # Errors
    /// As [`negotiate`](Self::negotiate).
    pub async fn open(&mut self, target_json: &str, spec: AudioSpec) -> Result<()> {
        pcm::check_spec(spec)?;
        let target = target_json.to_owned();
        self.control("output-sink.open-json", move |sink, session| sink.open_json(session, &target, spec)).await?;
        self.spec = Some(spec);
        self.session.set_priority(Priority::RealTime);
        Ok(())
    }

    /// Writes interleaved samples, whole frames; how many frames the sink took, from the front. It may take none: the rest is
    /// to be written later.
    ///
    /// # Errors
    /// `invalid_argument`: it is not open, or these are no whole frames. As [`targets`](Self::targets).
    pub async fn write(&mut self, interleaved: &[f32]) -> Result<usize> {
        let spec = self.spec.ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "the sink is not open")
                .plugin(self.route.plugin_id.as_str())
                .during("output-sink.write-interleaved-f32")
        })?;
        let (channels, input) = (spec.channels, pcm::bytes(interleaved, spec.channels)?);
        let frames = interleaved.len() / usize::from(channels);
        self.session
            .run(move |guest, session, token| {
                guest.call("output-sink.write-interleaved-f32", CallClass::Block, token, |instance| {
                    let taken = sink(instance)?.write_interleaved_f32(session, channels, &input)? as usize;
                    if taken > frames { Err(pcm::lie(&format!("{taken} frames taken of {frames}"))) } else { Ok(taken) }
                })
            })
            .await
    }

    /// What is queued, and whether the device runs.
    ///
    /// # Errors
    /// As [`targets`](Self::targets).
    pub async fn status(&mut self) -> Result<RuntimeStatus> {
        self.control("output-sink.query-status", |sink, session| sink.query_status(session)).await
    }

    /// Plays what is queued to its end.
    ///
    /// # Errors
    /// As [`targets`](Self::targets).
    pub async fn flush(&mut self) -> Result<()> {
        self.control("output-sink.flush", |sink, session| sink.flush(session)).await
    }

    /// Drops what is queued.
    ///
    /// # Errors
    /// As [`targets`](Self::targets).
    pub async fn reset(&mut self) -> Result<()> {
        self.control("output-sink.reset", |sink, session| sink.reset(session)).await
    }

    /// The core module that takes the same audio on the audio thread, if the plugin offers one: see [`crate::hot`].
    ///
    /// # Errors
    /// As [`negotiate`](Self::negotiate).
    pub async fn describe_hot_path(&mut self, spec: AudioSpec) -> Result<Option<CoreModuleSpec>> {
        pcm::check_spec(spec)?;
        self.control("output-sink.describe-hot-path", move |sink, session| sink.describe_hot_path(session, spec)).await
    }

    /// Gives the sink new settings, of at most 64 KiB. One that the plugin has made anew for them must be
    /// [opened](Self::open) again.
    ///
    /// # Errors
    /// `invalid_argument`: they do not fit the plugin's schema. `unsupported`: the plugin rejects them. As
    /// [`targets`](Self::targets).
    pub async fn configure(&mut self, config_json: &str) -> Result<ConfigUpdate> {
        let config = Config::check(config_json, &self.ability)?;
        let updated = config::update(&mut self.session, CallClass::SinkControl, config, create).await?;
        if updated == ConfigUpdate::Recreated {
            self.spec = None;
        }
        Ok(updated)
    }

    async fn control<T: Send + 'static>(
        &mut self,
        operation: &'static str,
        call: impl FnOnce(&mut dyn OutputSink, ObjectId) -> CallResult<T> + Send + 'static,
    ) -> Result<T> {
        self.session
            .run(move |guest, session, token| {
                guest.call(operation, CallClass::SinkControl, token, |instance| call(sink(instance)?, session))
            })
            .await
    }

    /// Cuts the call in flight, from any thread. The plugin's instance is discarded with it.
    pub fn canceller(&self) -> Canceller {
        self.session.canceller()
    }

    /// Closes the session. Dropping it does the same without waiting.
    pub async fn close(self) {
        self.session.close().await;
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("route", &self.route).field("spec", &self.spec).finish_non_exhaustive()
    }
}

fn create(guest: &mut Guest, token: &CancelToken) -> Result<ObjectId> {
    guest.call("output-sink.create", CallClass::SinkControl, token, |instance| sink(instance)?.create())
}

fn sink(instance: &mut dyn Instance) -> CallResult<&mut dyn OutputSink> {
    instance.output_sink().ok_or_else(|| PluginError::Unsupported("the component has no output sink".into()).into())
}

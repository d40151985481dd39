//! An output sink's session as an application holds it: its component, and beside it the hot-path module if there is one.

use std::{fmt, sync::Arc};

use super::{
    modules::{self, AudioPath, Described, Modules, refusal},
    pcm,
};
use crate::{
    actor::{Actor, Canceller, Guest, Priority, Session},
    capability::OutputSink,
    config::{self, Config, ConfigUpdate},
    control::CancelToken,
    engine::Instance,
    error::{CallResult, Error, ErrorKind, PluginError, Result},
    hot::{HotControl, HotParameters, HotSink, HotWritten, Primed, RESET_SEEK},
    limits::CallClass,
    manifest::Ability,
    route::RouteKey,
    table::ObjectId,
    types::{AudioSpec, CoreModuleSpec, NegotiatedSpec, RuntimeStatus},
};

/// A session of an output sink plugin: made, then [opened](Self::open) on one of its targets. Closed when dropped.
///
/// Its hot-path module runs where [`write`](Self::write) is called: this is for work off the audio thread. A module that fails is
/// given up, and what it did not take goes to the component, as all later audio. For the audio thread, prime a [`HotSink`] of what
/// [`describe_hot_path`](Self::describe_hot_path) and [`hot_parameters`](Self::hot_parameters) tell.
pub struct Sink {
    session: Session,
    route: RouteKey,
    ability: Ability,
    /// What it is open for.
    spec: Option<AudioSpec>,
    modules: Modules,
    component_only: bool,
    path: AudioPath,
    hot: Option<Hot>,
    /// Whether the last write said so.
    at_end: bool,
    drained: bool,
}

struct Hot {
    sink: HotSink,
    control: HotControl,
    /// Whether it can be told other parameters while it plays.
    configurable: bool,
    /// Parameters for the next block: the last ones count, and no queue fills up while nothing is written.
    parameters: Option<HotParameters>,
}

impl Sink {
    pub(super) async fn create(
        actor: &Arc<Actor>,
        route: RouteKey,
        ability: Ability,
        config: Option<Config>,
        modules: Modules,
    ) -> Result<Self> {
        let open = move |guest: &mut Guest, token: &CancelToken| {
            let session = create(guest, token)?;
            config::first(guest, session, CallClass::SinkControl, token, config)?;
            Ok((session, ()))
        };
        let (session, ()) = Session::open(actor, Priority::default(), CancelToken::default(), open).await?;
        Ok(Self {
            session,
            route,
            ability,
            spec: None,
            modules,
            component_only: false,
            path: AudioPath::not_asked(),
            hot: None,
            at_end: false,
            drained: false,
        })
    }

    /// Which ability of which plugin it is.
    pub fn route(&self) -> &RouteKey {
        &self.route
    }

    /// What it is open for; `None` before it is.
    pub fn spec(&self) -> Option<AudioSpec> {
        self.spec
    }

    /// Which form of it takes audio now.
    pub fn path(&self) -> &AudioPath {
        &self.path
    }

    /// Uses component calls even where there is a hot-path module, from the next time that it is opened.
    pub fn set_component_only(&mut self, component_only: bool) {
        self.component_only = component_only;
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

    /// Opens a target. From then on audio can be written, urgently: to the hot-path module where there is one that can be used.
    ///
    /// # Errors
    /// As [`negotiate`](Self::negotiate). A module that cannot be used is no error: [`path`](Self::path) says why, and an event.
    pub async fn open(&mut self, target_json: &str, spec: AudioSpec) -> Result<()> {
        pcm::check_spec(spec)?;
        let target = target_json.to_owned();
        // A component that refuses is shut, and its module with it.
        (self.path, self.hot, self.at_end, self.drained) = (AudioPath::not_asked(), None, false, false);
        self.control("output-sink.open-json", move |sink, session| sink.open_json(session, &target, spec)).await?;
        self.spec = Some(spec);
        self.session.set_priority(Priority::RealTime);
        if self.component_only { Ok(()) } else { self.heat(spec).await }
    }

    /// Writes interleaved samples, whole frames; how many frames the sink took, from the front. It may take none: the rest is
    /// to be written later, unless the sink is [at its end](Self::is_at_end).
    ///
    /// # Errors
    /// `invalid_argument`: it is not open, or these are no whole frames. As [`targets`](Self::targets).
    pub async fn write(&mut self, interleaved: &[f32]) -> Result<usize> {
        let spec = self.opened()?;
        pcm::check_frames(interleaved, spec.channels)?;
        (self.at_end, self.drained) = (false, false);
        let taken = self.write_hot(interleaved)?;
        if self.hot.is_some() {
            return Ok(taken);
        }
        let rest = &interleaved[taken * usize::from(spec.channels)..];
        Ok(taken + self.write_component(rest, spec.channels).await?)
    }

    /// Whether the hot-path module said of the last write that it takes no more. A component does not say so.
    pub fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Whether the hot-path module said of the last write that all it took has been played. Of a component,
    /// [`status`](Self::status) tells what is queued.
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    fn opened(&self) -> Result<AudioSpec> {
        self.spec.ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "the sink is not open")
                .plugin(self.route.plugin_id.as_str())
                .during("output-sink.write-interleaved-f32")
        })
    }

    /// Frames that the module takes, until it fails.
    fn write_hot(&mut self, interleaved: &[f32]) -> Result<usize> {
        let Some(hot) = &mut self.hot else { return Ok(0) };
        // A plugin that was stopped is stopped in both of its forms.
        self.session.check()?;
        let written = hot.write(interleaved);
        (self.at_end, self.drained) = (written.eof, written.drained);
        if let Some(fault) = hot.control.report().and_then(|report| report.fault) {
            self.fall_back(&format!("the hot-path module failed: {fault}"));
            (self.at_end, self.drained) = (false, false);
        }
        Ok(written.frames)
    }

    async fn write_component(&mut self, interleaved: &[f32], channels: u16) -> Result<usize> {
        let input = pcm::bytes(interleaved, channels)?;
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

    /// What is queued, and whether the device runs. The component tells, which has not seen what its module took.
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
        if let Some(hot) = &mut self.hot {
            hot.sink.reset(RESET_SEEK);
        }
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

    /// What the settings make of that module, if they are for it to know, as [`Dsp::hot_parameters`](super::Dsp::hot_parameters).
    ///
    /// # Errors
    /// As [`targets`](Self::targets); `plugin_error` also for parameters that no module can be given.
    pub async fn hot_parameters(&mut self) -> Result<Option<HotParameters>> {
        modules::parameters(&mut self.session, "output-sink.export-state-json", CallClass::SinkControl).await
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
            (self.spec, self.hot, self.path) = (None, None, AudioPath::not_asked());
        }
        match (&self.hot, self.spec) {
            (Some(hot), Some(spec)) if hot.configurable => self.tell(spec).await?,
            // It may describe another module for settings that this one cannot be told.
            (Some(_), Some(spec)) => self.heat(spec).await?,
            _ => {}
        }
        Ok(updated)
    }

    /// Puts the module into its place that the component describes now, if one can be used.
    async fn heat(&mut self, spec: AudioSpec) -> Result<()> {
        self.hot = None;
        let described = self.described(spec).await;
        (self.path, self.hot) = self.modules.settle(&self.route, spec, described, Hot::new).await?;
        Ok(())
    }

    async fn described(&mut self, spec: AudioSpec) -> Result<Option<Described>> {
        let Some(described) = self.describe_hot_path(spec).await? else { return Ok(None) };
        Ok(Some((described, self.hot_parameters().await?)))
    }

    /// Tells the module what the component was told; one that cannot be told would go on with what was.
    async fn tell(&mut self, spec: AudioSpec) -> Result<()> {
        match self.hot_parameters().await {
            Ok(Some(parameters)) => {
                if let Some(hot) = &mut self.hot {
                    hot.parameters = Some(parameters);
                }
            }
            Ok(None) => self.heat(spec).await?,
            Err(error) => {
                let error = refusal(error)?;
                self.fall_back(&error.to_string());
            }
        }
        Ok(())
    }

    /// Goes on with component calls, and says why.
    fn fall_back(&mut self, reason: &str) {
        self.hot = None;
        self.path = self.modules.unused(&self.route, reason);
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
        let Self { route, spec, path, .. } = self;
        f.debug_struct("Sink").field("route", route).field("spec", spec).field("path", path).finish_non_exhaustive()
    }
}

impl Hot {
    fn new(primed: Primed) -> Result<Self> {
        let configurable = primed.is_configurable();
        let (sink, control) = HotSink::new(primed)?;
        Ok(Self { sink, control, configurable, parameters: None })
    }

    fn write(&mut self, interleaved: &[f32]) -> HotWritten {
        if let Some(parameters) = self.parameters.take_if(|_| !interleaved.is_empty()) {
            // There is room: those before were taken with the block before.
            let _ = self.control.configure(parameters);
        }
        self.sink.write(interleaved)
    }
}

fn create(guest: &mut Guest, token: &CancelToken) -> Result<ObjectId> {
    guest.call("output-sink.create", CallClass::SinkControl, token, |instance| sink(instance)?.create())
}

fn sink(instance: &mut dyn Instance) -> CallResult<&mut dyn OutputSink> {
    instance.output_sink().ok_or_else(|| PluginError::Unsupported("the component has no output sink".into()).into())
}

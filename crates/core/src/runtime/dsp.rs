//! A DSP as an application holds it: its component, and beside it the hot-path module if there is one.

use std::{fmt, sync::Arc};

use super::{
    modules::{self, AudioPath, Described, Modules, refusal},
    pcm,
};
use crate::{
    actor::{Actor, Canceller, Guest, Priority, Session},
    config::{self, Config, ConfigUpdate},
    control::CancelToken,
    engine::Instance,
    error::{CallResult, PluginError, Result},
    hot::{HotControl, HotParameters, HotProcessor, Primed},
    limits::CallClass,
    manifest::Ability,
    route::RouteKey,
    table::ObjectId,
    types::{AudioSpec, CoreModuleSpec},
};

/// Frames given to either form in one call.
const CALL_FRAMES: usize = 4_096;

/// How a DSP is opened.
#[derive(Clone, Debug, Default)]
pub struct DspOptions {
    /// Its settings, as JSON; the plugin's own default without any.
    pub config: Option<String>,
    /// Uses component calls even where there is a hot-path module.
    pub component_only: bool,
}

/// An open processor of a DSP plugin, for audio of one shape. Closed when dropped.
///
/// Its hot-path module runs where [`process`](Self::process) is called: this is for work off the audio thread. A module that
/// fails is given up, and the block in which it does and all later ones go through the component. For the audio thread,
/// prime a [`HotProcessor`] of what [`describe_hot_path`](Self::describe_hot_path) and
/// [`hot_parameters`](Self::hot_parameters) tell.
pub struct Dsp {
    session: Session,
    route: RouteKey,
    ability: Ability,
    spec: AudioSpec,
    modules: Modules,
    path: AudioPath,
    hot: Option<Hot>,
}

struct Hot {
    processor: HotProcessor,
    control: HotControl,
    /// Whether it can be told other parameters while it plays.
    configurable: bool,
    /// A block on its way out.
    output: Vec<f32>,
}

impl Dsp {
    pub(super) async fn open(
        actor: &Arc<Actor>,
        (route, ability): (RouteKey, Ability),
        spec: AudioSpec,
        config: Option<Config>,
        modules: Modules,
        component_only: bool,
    ) -> Result<Self> {
        pcm::check_spec(spec)?;
        let open = move |guest: &mut Guest, token: &CancelToken| {
            let processor = create(guest, token, spec)?;
            config::first(guest, processor, CallClass::Block, token, config)?;
            Ok((processor, ()))
        };
        let (session, ()) = Session::open(actor, Priority::RealTime, CancelToken::default(), open).await?;
        let path = AudioPath::not_asked();
        let mut opened = Self { session, route, ability, spec, modules, path, hot: None };
        if !component_only {
            opened.heat().await?;
        }
        Ok(opened)
    }

    /// Which ability of which plugin it is.
    pub fn route(&self) -> &RouteKey {
        &self.route
    }

    /// The audio it was opened for.
    pub fn spec(&self) -> AudioSpec {
        self.spec
    }

    /// Which form of it works now.
    pub fn path(&self) -> &AudioPath {
        &self.path
    }

    /// Processes interleaved samples, whole frames, in place.
    ///
    /// A block that the hot-path module does not process, without failing, stays as it was.
    ///
    /// # Errors
    /// `invalid_argument`: no whole frames. `plugin_error`: the component says no, and lives on; of more than 4,096 frames
    /// it may have processed the first ones. `timeout`, `trap`, `cancelled`: the processor is gone.
    pub async fn process(&mut self, interleaved: &mut [f32]) -> Result<()> {
        pcm::check_frames(interleaved, self.spec.channels)?;
        let done = self.process_hot(interleaved)?;
        for block in interleaved[done..].chunks_mut(CALL_FRAMES * usize::from(self.spec.channels)) {
            self.process_component(block).await?;
        }
        Ok(())
    }

    /// The core module that processes the same on the audio thread, if the plugin offers one: see [`crate::hot`].
    ///
    /// # Errors
    /// `plugin_error`: the plugin says no, and lives on. `timeout`, `trap`, `cancelled`: the processor is gone.
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

    /// What the settings make of that module, if they are for it to know: for
    /// [`HotSpec::with_parameters`](crate::hot::HotSpec::with_parameters) and, later, [`HotControl::configure`].
    ///
    /// # Errors
    /// As [`describe_hot_path`](Self::describe_hot_path); `plugin_error` also for parameters that no module can be given.
    pub async fn hot_parameters(&mut self) -> Result<Option<HotParameters>> {
        modules::parameters(&mut self.session, "dsp.export-state-json", CallClass::Block).await
    }

    /// Gives it new settings, of at most 64 KiB, which are in effect from the next block on.
    ///
    /// # Errors
    /// `invalid_argument`: they do not fit the plugin's schema. `unsupported`: the plugin rejects them. `plugin_error`: it
    /// says no. The old ones stay in effect. `timeout`, `trap`, `cancelled`: the processor is gone.
    pub async fn configure(&mut self, config_json: &str) -> Result<ConfigUpdate> {
        let (spec, config) = (self.spec, Config::check(config_json, &self.ability)?);
        let create = move |guest: &mut Guest, token: &CancelToken| create(guest, token, spec);
        let updated = config::update(&mut self.session, CallClass::Block, config, create).await?;
        if let Some(hot) = &self.hot {
            // Made anew, it may describe another module, as it may for settings that its module cannot be told.
            if updated == ConfigUpdate::Recreated || !hot.configurable {
                self.heat().await?;
            } else {
                self.tell().await?;
            }
        }
        Ok(updated)
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

    /// Puts the module into its place that the component describes now, if one can be used.
    async fn heat(&mut self) -> Result<()> {
        self.hot = None;
        let described = self.described().await;
        (self.path, self.hot) = self.modules.settle(&self.route, self.spec, described, Hot::new).await?;
        Ok(())
    }

    async fn described(&mut self) -> Result<Option<Described>> {
        let Some(described) = self.describe_hot_path().await? else { return Ok(None) };
        Ok(Some((described, self.hot_parameters().await?)))
    }

    /// Tells the module what the component was told; one that cannot be told would go on with what was.
    async fn tell(&mut self) -> Result<()> {
        match self.hot_parameters().await {
            Ok(None) => self.heat().await?,
            Ok(Some(parameters)) => {
                if let Some(Err(error)) = self.hot.as_mut().map(|hot| hot.configure(parameters)) {
                    self.fall_back(&error.to_string());
                }
            }
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

    /// Lets the module process as far as it goes; the samples that are done.
    fn process_hot(&mut self, interleaved: &mut [f32]) -> Result<usize> {
        if self.hot.is_some() {
            // A plugin that was stopped is stopped in both of its forms.
            self.session.check()?;
        }
        let mut done = 0;
        for block in interleaved.chunks_mut(CALL_FRAMES * usize::from(self.spec.channels)) {
            let Some(hot) = &mut self.hot else { break };
            hot.output.resize(block.len(), 0.0);
            hot.processor.process(block, &mut hot.output);
            if let Some(fault) = hot.control.report().and_then(|report| report.fault) {
                self.fall_back(&format!("the hot-path module failed: {fault}"));
                break;
            }
            block.copy_from_slice(&hot.output);
            done += block.len();
        }
        Ok(done)
    }

    async fn process_component(&mut self, block: &mut [f32]) -> Result<()> {
        let (channels, input) = (self.spec.channels, pcm::bytes(block, self.spec.channels)?);
        let output = self
            .session
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
            .await?;
        block.copy_from_slice(&output);
        Ok(())
    }
}

impl fmt::Debug for Dsp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, spec, path, .. } = self;
        f.debug_struct("Dsp").field("route", route).field("spec", spec).field("path", path).finish_non_exhaustive()
    }
}

impl Hot {
    fn new(primed: Primed) -> Result<Self> {
        let configurable = primed.is_configurable();
        let (processor, control) = HotProcessor::new(primed)?;
        Ok(Self { processor, control, configurable, output: Vec::new() })
    }

    fn configure(&mut self, parameters: HotParameters) -> Result<()> {
        self.control.configure(parameters)?;
        // Taken at once, so that none wait for a block that may be long in coming.
        self.processor.block(0);
        Ok(())
    }
}

fn create(guest: &mut Guest, token: &CancelToken, spec: AudioSpec) -> Result<ObjectId> {
    guest.call("dsp.create", CallClass::Block, token, |instance| dsp(instance)?.create(spec))
}

fn dsp(instance: &mut dyn Instance) -> CallResult<&mut dyn crate::capability::Dsp> {
    instance.dsp().ok_or_else(|| PluginError::Unsupported("the component has no DSP".into()).into())
}

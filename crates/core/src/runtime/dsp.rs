//! A DSP as an application holds it: its component, and beside it the hot-path module if there is one.

use std::{fmt, sync::Arc};

use tokio::sync::broadcast;

use super::{Runtime, blocking};
use crate::{
    actor::{Actor, Canceller, Guest, Session},
    control::CancelToken,
    engine::{Engine, Instance},
    error::{CallError, CallResult, Error, ErrorKind, PluginError, Result, Trap, TrapKind},
    event::Event,
    hot::{HotControl, HotParameters, HotProcessor, HotSpec, Primed},
    limits::{CallClass, Limits},
    manifest::AbilityKind,
    registry::Snapshot,
    route::{self, RouteKey, Selector},
    table::ObjectId,
    types::{AudioSpec, ConfigUpdateMode, CoreModuleSpec},
};

/// Frames given to the component in one call.
const CALL_FRAMES: usize = 4_096;

/// Bytes of a configuration at most.
const CONFIG_BYTES: usize = 64 * 1024;

/// How a DSP is opened.
#[derive(Clone, Debug, Default)]
pub struct DspOptions {
    /// Its configuration, as JSON; the plugin's own default without one.
    pub config: Option<String>,
    /// Uses component calls even where there is a hot-path module.
    pub component_only: bool,
}

/// Which form of a DSP works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DspPath {
    /// The hot-path module.
    Hot,
    /// The component.
    Component {
        /// Why not the module.
        reason: String,
    },
}

/// An open DSP, for audio of one shape. Closed when dropped.
///
/// Its hot-path module runs where [`process`](Self::process) is called: this is for work off the audio thread. A module that
/// fails is given up, and the block in which it does and all later ones go through the component.
pub struct Dsp {
    session: Session,
    events: broadcast::Sender<Event>,
    route: RouteKey,
    stream: AudioSpec,
    path: DspPath,
    hot: Option<Hot>,
}

struct Hot {
    processor: HotProcessor,
    control: HotControl,
    /// A block on its way out.
    output: Vec<f32>,
}

/// What a component says of its module, and of itself for it.
type Described = (Result<Option<CoreModuleSpec>>, Result<Option<String>>);

impl Runtime {
    /// Opens a DSP for audio of the shape `stream`, through its hot-path module where it has one that can be used.
    ///
    /// # Errors
    /// `not_found`: no such plugin, or it has no such DSP. `invalid_argument`: the configuration is no JSON, or longer than
    /// 64 KiB. `plugin_error`: the plugin refuses the stream or the configuration. A hot-path module that cannot be used is no
    /// error: [`Dsp::path`] says why, and an event.
    pub async fn open_dsp(&self, dsp: &Selector, stream: AudioSpec, options: &DspOptions) -> Result<Dsp> {
        let operation = |error: Error| error.plugin(dsp.plugin_id.as_str()).during("dsp.open");
        let config = options.config.as_deref().map(checked).transpose().map_err(operation)?;
        let snapshot = self.plugins();
        let route = route::forced(&snapshot, AbilityKind::Dsp, dsp).map_err(|error| {
            error.during("dsp.open").help("`stellatune plugin show ID` shows the types of a plugin's abilities")
        })?;
        let group = self.0.components.group(&snapshot, &route).await?;
        let actor = match group.acquire().await {
            Ok(actor) => actor,
            Err(error) => {
                if let Some(reason) = group.failure() {
                    self.component_failed(&route, reason).await;
                }
                return Err(error.plugin(route.plugin_id.as_str()));
            }
        };
        Dsp::open(self, &snapshot, &actor, route, stream, config, options.component_only).await
    }
}

impl Dsp {
    async fn open(
        runtime: &Runtime,
        snapshot: &Arc<Snapshot>,
        actor: &Arc<Actor>,
        route: RouteKey,
        stream: AudioSpec,
        config: Option<String>,
        component_only: bool,
    ) -> Result<Self> {
        let open = move |guest: &mut Guest, token: &CancelToken| {
            let processor =
                guest.call("dsp.create", CallClass::Stream, token, |instance| dsp(instance)?.create(stream))?;
            if let Some(config) = config
                && let Err(error) = apply(guest, processor, token, &config)
            {
                guest.close(processor, CallClass::Stream);
                return Err(error);
            }
            Ok((processor, (!component_only).then(|| describe(guest, processor, token, stream))))
        };
        let (session, described) = Session::open(actor, CancelToken::default(), open).await?;
        let mut opened = Self {
            session,
            events: runtime.0.events.clone(),
            route,
            stream,
            path: DspPath::Component { reason: "the hot path was not asked for".to_owned() },
            hot: None,
        };
        match described {
            None => {}
            Some((Ok(None), _)) => {
                opened.path =
                    DspPath::Component { reason: "the plugin has no hot-path module for this stream".to_owned() };
            }
            Some(described) => match prime(runtime.engine(), snapshot, &opened.route, stream, described).await {
                Ok(primed) => opened.heat(primed),
                Err(error) => opened.fall_back(&error.to_string()),
            },
        }
        Ok(opened)
    }

    /// Which ability of which plugin it is.
    pub fn route(&self) -> &RouteKey {
        &self.route
    }

    /// The shape of its audio.
    pub fn stream(&self) -> AudioSpec {
        self.stream
    }

    /// Which form of it works now.
    pub fn path(&self) -> &DspPath {
        &self.path
    }

    /// Processes whole interleaved frames in place.
    ///
    /// A block that the hot-path module does not process, without failing, stays as it was.
    ///
    /// # Errors
    /// `invalid_argument`: no whole frames. `plugin_error`: the component refuses the block, of which it may have processed
    /// a part; go on. `timeout`, `trap`, `cancelled`: the DSP is gone.
    pub async fn process(&mut self, samples: &mut [f32]) -> Result<()> {
        let channels = usize::from(self.stream.channels);
        if !samples.len().is_multiple_of(channels) {
            let text = format!("{} samples are no whole frames of {channels} channels", samples.len());
            return Err(Error::new(ErrorKind::InvalidArgument, text).during("dsp.process"));
        }
        let done = self.process_hot(samples);
        for block in samples[done..].chunks_mut(CALL_FRAMES * channels) {
            self.process_component(block).await?;
        }
        Ok(())
    }

    /// Gives it another configuration, which is in effect from the next block on.
    ///
    /// # Errors
    /// `invalid_argument`: it is no JSON, or too long. `plugin_error`: the plugin refuses it. `unsupported`: the plugin would
    /// have to be opened anew for it. The old one stays in effect. `timeout`, `trap`, `cancelled`: the DSP is gone.
    pub async fn configure(&mut self, config_json: &str) -> Result<()> {
        let config = checked(config_json)?;
        let hot = self.hot.is_some();
        let state = self
            .session
            .run(move |guest, processor, token| {
                let plan = guest.call("dsp.plan-config-update-json", CallClass::Stream, token, |instance| {
                    instance.plan_config(processor, &config)
                })?;
                let reason = plan.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                match plan.mode {
                    ConfigUpdateMode::HotApply => apply(guest, processor, token, &config)?,
                    ConfigUpdateMode::Recreate => {
                        let text = format!("the plugin must be opened anew for this configuration{reason}");
                        return Err(Error::new(ErrorKind::Unsupported, text).help("close it and open it again"));
                    }
                    ConfigUpdateMode::Reject => {
                        let text = format!("the plugin rejects the configuration{reason}");
                        return Err(Error::new(ErrorKind::PluginError, text));
                    }
                }
                Ok(hot.then(|| state(guest, processor, token)))
            })
            .await
            .map_err(|error| error.plugin(self.route.plugin_id.as_str()).during("dsp.configure"))?;
        let parameters = state.map(|state| parameters(state).transpose());
        let told = match (parameters, &mut self.hot) {
            (Some(Some(Ok(parameters))), Some(hot)) => hot.control.configure(parameters),
            (Some(Some(Err(error))), _) => Err(error),
            _ => Ok(()),
        };
        // The component has it; a module that cannot be told would go on with the old one.
        if let Err(error) = told {
            self.fall_back(&error.to_string());
        }
        Ok(())
    }

    /// Cuts this DSP's call in flight, from any thread. Its instance is discarded with it.
    pub fn canceller(&self) -> Canceller {
        self.session.canceller()
    }

    /// Closes the DSP. Dropping it does the same without waiting.
    pub async fn close(self) {
        self.session.close().await;
    }

    fn heat(&mut self, primed: Primed) {
        match HotProcessor::new(primed) {
            Ok((processor, control)) => {
                self.hot = Some(Hot { processor, control, output: Vec::new() });
                self.path = DspPath::Hot;
            }
            Err(error) => self.fall_back(&error.to_string()),
        }
    }

    /// Goes on with component calls, and says why.
    fn fall_back(&mut self, reason: &str) {
        self.hot = None;
        self.path = DspPath::Component { reason: reason.to_owned() };
        tracing::info!(plugin = %self.route.plugin_id, "component calls instead of the hot path: {reason}");
        // Without a listener there is nobody to tell.
        let _ = self.events.send(Event::HotPathUnused {
            plugin_id: self.route.plugin_id.to_string(),
            component_id: self.route.component_id.to_string(),
            reason: reason.to_owned(),
        });
    }

    /// Lets the module process as far as it goes; the samples that are done.
    fn process_hot(&mut self, samples: &mut [f32]) -> usize {
        let mut done = 0;
        for block in samples.chunks_mut(CALL_FRAMES * usize::from(self.stream.channels)) {
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
        done
    }

    async fn process_component(&mut self, block: &mut [f32]) -> Result<()> {
        let channels = self.stream.channels;
        let bytes: Vec<u8> = block.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let changed = self
            .session
            .run(move |guest, processor, token| {
                guest.call("dsp.process-interleaved-f32", CallClass::Block, token, |instance| {
                    let changed = dsp(instance)?.process_interleaved_f32(processor, channels, &bytes)?;
                    // Plugin contract 6.
                    if changed.len() != bytes.len() {
                        let text = format!("the plugin returned {} bytes for {}", changed.len(), bytes.len());
                        return Err(CallError::from(Trap::new(TrapKind::Abi, text)));
                    }
                    Ok(changed)
                })
            })
            .await?;
        for (sample, bytes) in block.iter_mut().zip(changed.as_chunks::<4>().0) {
            *sample = f32::from_le_bytes(*bytes);
        }
        Ok(())
    }
}

impl fmt::Debug for Dsp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, stream, path, .. } = self;
        f.debug_struct("Dsp").field("route", route).field("stream", stream).field("path", path).finish_non_exhaustive()
    }
}

/// A configuration that is JSON and not too long.
fn checked(config: &str) -> Result<String> {
    let refused = |why: String| {
        Error::new(ErrorKind::InvalidArgument, format!("the configuration {why}"))
            .help("`stellatune --json plugin show ID` shows the schema of a plugin's configuration")
    };
    if config.len() > CONFIG_BYTES {
        return Err(refused(format!("has {} bytes; {CONFIG_BYTES} is all", config.len())));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(config).map_err(|error| refused(format!("is no JSON: {error}")))?;
    Ok(config.to_owned())
}

fn apply(guest: &mut Guest, processor: ObjectId, token: &CancelToken, config: &str) -> Result<()> {
    guest.call("dsp.apply-config-update-json", CallClass::Stream, token, |instance| {
        instance.apply_config(processor, config)
    })
}

fn describe(guest: &mut Guest, processor: ObjectId, token: &CancelToken, stream: AudioSpec) -> Described {
    let spec = guest.call("dsp.describe-hot-path", CallClass::Stream, token, |instance| {
        dsp(instance)?.describe_hot_path(processor, stream)
    });
    let state = if matches!(spec, Ok(Some(_))) { state(guest, processor, token) } else { Ok(None) };
    (spec, state)
}

fn state(guest: &mut Guest, processor: ObjectId, token: &CancelToken) -> Result<Option<String>> {
    guest.call("dsp.export-state-json", CallClass::Stream, token, |instance| instance.export_state(processor))
}

/// What a module is configured with, from its component's state.
fn parameters(state: Result<Option<String>>) -> Result<Option<HotParameters>> {
    state?.map_or(Ok(None), |state| HotParameters::of_state(&state))
}

/// Makes a module ready, on a thread for such work.
async fn prime(
    engine: &Arc<dyn Engine>,
    snapshot: &Arc<Snapshot>,
    route: &RouteKey,
    stream: AudioSpec,
    (spec, state): Described,
) -> Result<Primed> {
    let (engine, snapshot, id) = (Arc::clone(engine), Arc::clone(snapshot), route.plugin_id.to_string());
    blocking(move || {
        let gone = || Error::new(ErrorKind::NotFound, "the plugin has no hot-path module");
        let spec = HotSpec::new(spec?.ok_or_else(gone)?, stream)?.with_parameters(parameters(state)?);
        // X16
        let file = snapshot.plugin(&id).ok_or_else(gone)?.file_bytes(spec.path())?;
        Primed::new(&*engine, &file.bytes, &spec, &Limits::HOT)
    })
    .await
}

fn dsp(instance: &mut dyn Instance) -> CallResult<&mut dyn crate::capability::Dsp> {
    instance.dsp().ok_or_else(|| PluginError::Unsupported("the component has no dsp".into()).into())
}

//! What a DSP and an output sink do alike with hot-path modules: find the one that the component describes, make it ready, and
//! say why there is none.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::blocking;
use crate::{
    actor::{Guest, Session},
    control::CancelToken,
    engine::Engine,
    error::{Error, ErrorKind, Result},
    event::Event,
    hot::{HotParameters, HotSpec, Primed},
    limits::{CallClass, Limits},
    registry::Snapshot,
    route::RouteKey,
    table::ObjectId,
    types::{AudioSpec, CoreModuleSpec},
};

/// Which form of a DSP or an output sink works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AudioPath {
    /// The hot-path module.
    Hot,
    /// The component.
    Component {
        /// Why not the module.
        reason: String,
    },
}

impl AudioPath {
    /// The component, since nobody asked for anything else.
    pub(super) fn not_asked() -> Self {
        Self::Component { reason: "the hot path was not asked for".to_owned() }
    }
}

/// What a component says of its module, and what it has for it to know.
pub(super) type Described = (CoreModuleSpec, Option<HotParameters>);

/// Where hot-path modules come from, and who hears that one is not used.
pub(super) struct Modules {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) plugins: Arc<Snapshot>,
    pub(super) events: broadcast::Sender<Event>,
}

impl Modules {
    /// Makes ready what was described, if it can be used, and says which form works from now on.
    ///
    /// # Errors
    /// What was no answer of the plugin: it is gone.
    pub(super) async fn settle<H: Send + 'static>(
        &self,
        route: &RouteKey,
        stream: AudioSpec,
        described: Result<Option<Described>>,
        make: impl FnOnce(Primed) -> Result<H> + Send + 'static,
    ) -> Result<(AudioPath, Option<H>)> {
        let made = match described {
            Ok(None) => {
                let reason = "the plugin has no hot-path module for this stream".to_owned();
                return Ok((AudioPath::Component { reason }, None));
            }
            Ok(Some(described)) => self.make(route, described, stream, make).await,
            Err(error) => Err(refusal(error)?),
        };
        Ok(match made {
            Ok(hot) => (AudioPath::Hot, Some(hot)),
            Err(error) => (self.unused(route, &error.to_string()), None),
        })
    }

    /// Says why component calls are used in place of a module.
    pub(super) fn unused(&self, route: &RouteKey, reason: &str) -> AudioPath {
        tracing::info!(plugin = %route.plugin_id, "component calls instead of the hot path: {reason}");
        // Without a listener there is nobody to tell.
        let _ = self.events.send(Event::HotPathUnused {
            plugin_id: route.plugin_id.to_string(),
            component_id: route.component_id.to_string(),
            reason: reason.to_owned(),
        });
        AudioPath::Component { reason: reason.to_owned() }
    }

    /// On a thread for such work.
    async fn make<H: Send + 'static>(
        &self,
        route: &RouteKey,
        (described, parameters): Described,
        stream: AudioSpec,
        make: impl FnOnce(Primed) -> Result<H> + Send + 'static,
    ) -> Result<H> {
        let (engine, plugins, id) = (Arc::clone(&self.engine), Arc::clone(&self.plugins), route.plugin_id.to_string());
        blocking(move || {
            let spec = HotSpec::new(described, stream)?.with_parameters(parameters);
            let gone = || Error::new(ErrorKind::NotFound, "the plugin is gone");
            // X16
            let file = plugins.plugin(&id).ok_or_else(gone)?.file_bytes(spec.path())?;
            make(Primed::new(&*engine, &file.bytes, &spec, &Limits::HOT)?)
        })
        .await
    }
}

/// What a component's state has for its module to know, if anything.
pub(super) async fn parameters(
    session: &mut Session,
    operation: &'static str,
    class: CallClass,
) -> Result<Option<HotParameters>> {
    let export = move |guest: &mut Guest, object: ObjectId, token: &CancelToken| {
        guest.call(operation, class, token, |instance| instance.export_state(object))
    };
    session.run(export).await?.map_or(Ok(None), |state| HotParameters::of_state(&state))
}

/// Nothing but a plugin's refusal leaves the component as it was.
pub(super) fn refusal(error: Error) -> Result<Error> {
    if error.kind() == ErrorKind::PluginError { Ok(error) } else { Err(error) }
}

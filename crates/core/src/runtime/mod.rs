//! The doors for applications: a [`Runtime`] installs plugins and opens what they offer.
//!
//! Everything here is async without needing an executor of its own: guests live on their own threads, and work on
//! files runs on a helper thread. Policy is elsewhere: which plugin serves a request ([`crate::route`]), which
//! instance (`schedule`), what may be installed ([`crate::install`]).

mod builder;
mod components;
mod decoder;
mod dsp;
mod trim;

use std::{path::PathBuf, sync::Arc, thread, time::Duration};

use parking_lot::RwLock;
use tokio::sync::{broadcast, oneshot};

pub use builder::{RuntimeBuilder, default_plugins_dir};
pub use decoder::{Decoder, DecoderChoice, PcmBlock};
pub use dsp::{Dsp, DspOptions, DspPath};

use self::components::Components;
use crate::{
    engine::Engine,
    error::{Error, ErrorKind, Result},
    event::Event,
    install::{Installed, Store},
    registry::{BundledPackage, Origin, Snapshot},
    route::RouteKey,
    services::stream::Input,
    types::DisableReason,
};

/// Time a call in flight has to end by itself when its plugin is torn down.
const GRACE: Duration = Duration::from_millis(250);

/// Time after which a user who quits or disables a plugin has waited enough.
const TEAR_DOWN: Duration = Duration::from_secs(3);

/// Runs plugins for one application. Cheap to clone; the last clone shuts down when dropped.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    store: Store,
    bundled: Vec<BundledPackage>,
    components: Components,
    snapshot: RwLock<Arc<Snapshot>>,
    /// Whether artifacts of the old dynamic-library kind are errors.
    wasm_only: bool,
    events: broadcast::Sender<Event>,
}

impl Runtime {
    /// A runtime on `engine`, to be configured.
    pub fn builder(engine: Arc<dyn Engine>) -> RuntimeBuilder {
        RuntimeBuilder::new(engine)
    }

    /// The engine plugins run on.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        self.0.components.engine()
    }

    /// What happens from now on. A receiver that falls behind by 256 events loses the oldest.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// The plugins as they are now, installed and bundled.
    pub fn plugins(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshot.read())
    }

    /// Looks at the plugins directory again.
    ///
    /// # Errors
    /// `io`: the directory cannot be read. A single broken plugin is no error but shown as broken.
    pub async fn rescan(&self) -> Result<()> {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.rescan()).await
    }

    /// Installs a package from a directory or a zip, or replaces the installed one of the same id.
    ///
    /// Sessions of a replaced version play on with it; new ones get the new version.
    ///
    /// # Errors
    /// `rejected_package`, `incompatible`: nothing changed. `io`: the old version is still there.
    pub async fn install(&self, artifact: impl Into<PathBuf>) -> Result<Installed> {
        let (inner, artifact) = (Arc::clone(&self.0), artifact.into());
        blocking(move || {
            let installed = inner.store.install(&artifact)?;
            inner.rescan()?;
            inner.components.retire(installed.id.as_str(), DisableReason::Reload);
            inner.send(Event::Installed {
                plugin_id: installed.id.to_string(),
                version: installed.version.clone(),
                replaced: installed.replaced.clone(),
            });
            Ok(installed)
        })
        .await
    }

    /// Uninstalls a plugin; what it plays is cut.
    ///
    /// # Errors
    /// `not_found`; `unsupported` for a bundled plugin; `io`.
    pub async fn uninstall(&self, id: &str) -> Result<()> {
        let (inner, id) = (Arc::clone(&self.0), id.trim().to_owned());
        blocking(move || {
            inner.installed(&id)?;
            inner.components.tear_down(&id, DisableReason::Unload);
            inner.store.uninstall(&id)?;
            inner.rescan()?;
            inner.send(Event::Uninstalled { plugin_id: id });
            Ok(())
        })
        .await
    }

    /// Lets a plugin be used, and forgets its failures.
    ///
    /// # Errors
    /// `not_found`, `io`.
    pub async fn enable(&self, id: &str) -> Result<()> {
        self.set_enabled(id, true).await
    }

    /// Stops a plugin and keeps it from being used until it is enabled; what it plays is cut.
    ///
    /// # Errors
    /// `not_found`, `io`.
    pub async fn disable(&self, id: &str) -> Result<()> {
        self.set_enabled(id, false).await
    }

    async fn set_enabled(&self, id: &str, enabled: bool) -> Result<()> {
        let (inner, id) = (Arc::clone(&self.0), id.trim().to_owned());
        blocking(move || {
            inner.known(&id)?;
            inner.store.set_enabled(&id, enabled)?;
            inner.rescan()?;
            // Enabling starts afresh too: a failed component is given another chance.
            inner.components.tear_down(&id, DisableReason::HostDisable);
            inner.send(Event::Enabled { plugin_id: id, enabled });
            Ok(())
        })
        .await
    }

    /// Opens a stream with the decoder plugin chosen by its extension, or with a named one.
    ///
    /// Candidates are tried in the order of plugin contract 1.4 until one opens.
    ///
    /// # Errors
    /// `not_found`: no decoder for it, or no such stream. Else what the candidates answered: of one as it is, of
    /// several joined.
    pub async fn open_decoder(&self, input: &Input, choice: &DecoderChoice) -> Result<Decoder> {
        let snapshot = self.plugins();
        let routes = choice.routes(&snapshot, input.ext_hint().as_deref())?;
        let mut errors = Vec::new();
        for route in routes {
            match self.try_decoder(&snapshot, route.clone(), input).await {
                Ok(decoder) => return Ok(decoder),
                Err(error) => errors.push((route, error)),
            }
        }
        Err(decoder::refused(errors))
    }

    async fn try_decoder(&self, snapshot: &Arc<Snapshot>, route: RouteKey, input: &Input) -> Result<Decoder> {
        let opened = input.clone();
        // Opened while the component is loaded.
        let stream = blocking(move || opened.open());
        let group = self.0.components.group(snapshot, &route).await?;
        let actor = match group.acquire().await {
            Ok(actor) => actor,
            Err(error) => {
                if let Some(reason) = group.failure() {
                    self.component_failed(&route, reason).await;
                }
                return Err(error.plugin(route.plugin_id.as_str()));
            }
        };
        Decoder::open(&actor, route, stream.await?, input.ext_hint()).await
    }

    async fn component_failed(&self, route: &RouteKey, reason: String) {
        let (inner, route) = (Arc::clone(&self.0), route.clone());
        let noted = blocking(move || {
            inner.store.set_failure(route.plugin_id.as_str(), route.component_id.as_str(), &reason)?;
            inner.send(Event::Failed {
                plugin_id: route.plugin_id.to_string(),
                component_id: route.component_id.to_string(),
                reason,
            });
            inner.rescan()
        });
        if let Err(error) = noted.await {
            tracing::warn!("a plugin's failure could not be noted: {error}");
        }
    }

    /// Stops every plugin: calls in flight are cut, `on-disable` runs. Takes at most 3 s; may be called again.
    pub async fn shutdown(&self) {
        let inner = Arc::clone(&self.0);
        let _ = blocking(move || {
            inner.components.shut_down();
            Ok(())
        })
        .await;
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("engine", self.engine().id()).finish_non_exhaustive()
    }
}

impl Inner {
    fn rescan(&self) -> Result<()> {
        let snapshot = Snapshot::scan(&self.store, &self.bundled)?;
        self.report_old(&snapshot);
        *self.snapshot.write() = Arc::new(snapshot);
        Ok(())
    }

    /// Says which directories hold plugins of the old kind (docs/decisions/0007).
    fn report_old(&self, snapshot: &Snapshot) {
        for old in snapshot.dynamic_libraries() {
            if self.wasm_only {
                let (path, found) = (old.path.display(), &old.found);
                tracing::error!("{path} holds a dynamic-library plugin ({found}), which is never loaded");
            } else {
                self.send(Event::ArtifactSkipped { path: old.path.clone(), found: old.found.clone() });
            }
        }
    }

    fn known(&self, id: &str) -> Result<()> {
        if self.snapshot.read().plugin(id).is_some() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotFound, format!("no plugin `{id}` is installed"))
            .plugin(id)
            .help("`stellatune plugin list` shows what is installed"))
    }

    /// Refuses what cannot be uninstalled because it is part of the application.
    fn installed(&self, id: &str) -> Result<()> {
        self.known(id)?;
        let bundled = self.snapshot.read().plugin(id).is_some_and(|plugin| plugin.origin() == Origin::Bundled);
        if !bundled {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, format!("the plugin `{id}` is part of the application"))
            .plugin(id)
            .during("uninstall")
            .help("disable it instead"))
    }

    fn send(&self, event: Event) {
        // Without a listener there is nobody to tell.
        let _ = self.events.send(event);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.components.shut_down();
    }
}

/// Starts work on files on a helper thread, so that an async caller is not blocked, and awaits its answer.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> + Send {
    let (answer, answered) = oneshot::channel();
    let started = thread::Builder::new().name("st-files".into()).spawn(move || {
        let _ = answer.send(work());
    });
    async move {
        started.map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot start a thread: {error}")).source_error(error)
        })?;
        answered.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "work on files panicked")))
    }
}

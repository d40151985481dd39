//! The doors for applications: a [`Runtime`] installs plugins and opens what they offer.
//!
//! Everything here is async without needing an executor of its own: guests live on their own threads, and work on
//! files runs on a helper thread. Policy is elsewhere: which plugin serves a request ([`crate::route`]), which
//! instance (`schedule`), what may be installed ([`crate::install`]).

mod builder;
mod catalog;
mod components;
mod decoder;
mod dsp;
mod lyrics;
mod modules;
mod pcm;
mod place;
mod sink;
mod trim;

use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::{broadcast, oneshot};

pub use builder::{RuntimeBuilder, default_plugins_dir};
pub use catalog::{Catalog, OpenedTrack};
pub use decoder::{Decoder, DecoderChoice, PcmBlock};
pub use dsp::{Dsp, DspOptions};
pub use lyrics::LyricsProvider;
pub use modules::AudioPath;
pub use sink::Sink;

pub use crate::config::ConfigUpdate;

use self::{components::Components, modules::Modules};
use crate::{
    actor::{self, Actor, ComponentStats, WorkerId},
    config::Config,
    engine::Engine,
    error::{Error, ErrorKind, Result},
    event::Event,
    install::{Installed, Store},
    manifest::{Ability, AbilityKind, ComponentId, PluginId},
    registry::{BundledPackage, Origin, Plugin, Snapshot, Status},
    route::{self, RouteKey, Selector},
    services::stream::Input,
    types::{AudioSpec, DisableReason},
};

/// Time the store waits for failures that are being written: no longer than another process may hold it.
const WRITES: Duration = Duration::from_secs(30);

/// Time shutdown gives what is still being written, after plugins had theirs: 3 s in all.
const LAST_WRITES: Duration = Duration::from_millis(300);

/// Runs plugins for one application. Cheap to clone; the last clone shuts down when dropped.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    store: Store,
    bundled: Vec<BundledPackage>,
    components: Components,
    snapshot: RwLock<Arc<Snapshot>>,
    scans: Mutex<Scans>,
    scanning: Mutex<()>,
    writes: Writes,
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

    /// Looks at the plugins directory again, and follows what changed there: new sessions go to a replaced component's new
    /// version and open ones may finish; a plugin that is gone or disabled is cut. Calls that come while one looks
    /// share the next look.
    ///
    /// # Errors
    /// `io`: the directory cannot be read. A single broken plugin is no error but shown as broken.
    pub async fn rescan(&self) -> Result<()> {
        let (done, when_done) = oneshot::channel();
        if self.0.scans.lock().ask(done) {
            let inner = Arc::clone(&self.0);
            let looking = blocking(move || {
                inner.look();
                Ok(())
            });
            if let Err(error) = looking.await {
                self.0.scans.lock().give_up();
                return Err(error);
            }
        }
        when_done.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "nobody looked at the plugins")))
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
        let (inner, id, here) = (Arc::clone(&self.0), id.trim().to_owned(), actor::current());
        blocking(move || {
            inner.installed(&id)?;
            inner.components.tear_down(&id, DisableReason::Unload, here);
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
        let (inner, id, here) = (Arc::clone(&self.0), id.trim().to_owned(), actor::current());
        blocking(move || {
            inner.known(&id)?;
            // A failure that is being written must not come after it is forgiven.
            inner.writes.wait(Instant::now() + WRITES);
            inner.store.set_enabled(&id, enabled)?;
            inner.rescan()?;
            // Enabling starts afresh too: a failed component is given another chance.
            inner.components.tear_down(&id, DisableReason::HostDisable, here);
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
            match self.try_decoder(route.clone(), input).await {
                Ok(decoder) => return Ok(decoder),
                Err(error) => errors.push((route, error)),
            }
        }
        Err(decoder::refused(errors))
    }

    /// Opens a stream with one decoder and its settings.
    ///
    /// # Errors
    /// As [`open_decoder`](Self::open_decoder); `invalid_argument`: the settings do not fit the decoder's schema.
    pub async fn open_decoder_with(&self, input: &Input, decoder: &Selector, config: &str) -> Result<Decoder> {
        let (route, ability) = self.ability(AbilityKind::Decoder, decoder)?;
        let config = Config::check(config, &ability)?;
        self.decoder(route, ability, input, Some(config)).await
    }

    async fn try_decoder(&self, route: RouteKey, input: &Input) -> Result<Decoder> {
        let ability = self.ability_of(&route)?;
        self.decoder(route, ability, input, None).await
    }

    async fn decoder(
        &self,
        route: RouteKey,
        ability: Ability,
        input: &Input,
        config: Option<Config>,
    ) -> Result<Decoder> {
        let opened = input.clone();
        // Opened while the component is loaded.
        let stream = blocking(move || opened.open());
        let actor = self.acquire(&route, input.worker()).await?;
        Decoder::open(&actor, (route, ability), (input.clone(), stream.await?), config).await
    }

    /// Opens a catalogue of a source. With settings, they are applied before anything else.
    ///
    /// # Errors
    /// `not_found`: no such source is installed and enabled. `invalid_argument`: the settings do not fit its schema. Else
    /// what the plugin answered.
    pub async fn open_catalog(&self, source: &Selector, config: Option<&str>) -> Result<Catalog> {
        let (route, ability) = self.ability(AbilityKind::Source, source)?;
        let config = config.map(|config| Config::check(config, &ability)).transpose()?;
        let actor = self.acquire(&route, None).await?;
        Catalog::open(&actor, route, ability, config).await
    }

    /// Opens a lyrics provider. With settings, they are applied before anything else.
    ///
    /// # Errors
    /// As [`open_catalog`](Self::open_catalog).
    pub async fn open_lyrics(&self, provider: &Selector, config: Option<&str>) -> Result<LyricsProvider> {
        let (route, ability) = self.ability(AbilityKind::Lyrics, provider)?;
        let config = config.map(|config| Config::check(config, &ability)).transpose()?;
        let actor = self.acquire(&route, None).await?;
        LyricsProvider::open(&actor, route, ability, config).await
    }

    /// Opens a processor of a DSP for audio of `spec`, with its hot-path module where it has one that can be used. With
    /// settings, they are applied before anything else.
    ///
    /// # Errors
    /// As [`open_catalog`](Self::open_catalog); `invalid_argument` also for a rate or channels that no stream has. A module
    /// that cannot be used is no error: [`Dsp::path`] says why, and an event.
    pub async fn open_dsp(&self, dsp: &Selector, spec: AudioSpec, options: &DspOptions) -> Result<Dsp> {
        let (route, ability) = self.ability(AbilityKind::Dsp, dsp)?;
        let config = options.config.as_deref().map(|config| Config::check(config, &ability)).transpose()?;
        let modules = self.modules();
        let actor = self.acquire(&route, None).await?;
        Dsp::open(&actor, (route, ability), spec, config, modules, options.component_only).await
    }

    /// Makes a session of an output sink, which is then to be opened. With settings, they are applied before anything else.
    ///
    /// Waits until the sink's replaced version has let go of its device.
    ///
    /// # Errors
    /// As [`open_catalog`](Self::open_catalog).
    pub async fn open_sink(&self, sink: &Selector, config: Option<&str>) -> Result<Sink> {
        let (route, ability) = self.ability(AbilityKind::OutputSink, sink)?;
        let config = config.map(|config| Config::check(config, &ability)).transpose()?;
        let (inner, replaced) = (Arc::clone(&self.0), route.clone());
        blocking(move || {
            inner.components.wait_for_replaced(&replaced);
            Ok(())
        })
        .await?;
        let modules = self.modules();
        let actor = self.acquire(&route, None).await?;
        Sink::create(&actor, route, ability, config, modules).await
    }

    /// Where an ability's hot-path module comes from. To be asked for before there is an instance: beside one that is newer than
    /// the plugins seen here, no older module is used (X16).
    fn modules(&self) -> Modules {
        Modules { engine: Arc::clone(self.engine()), plugins: self.plugins(), events: self.0.events.clone() }
    }

    fn ability(&self, kind: AbilityKind, selector: &Selector) -> Result<(RouteKey, Ability)> {
        let route = route::forced(&self.plugins(), kind, selector)?;
        let ability = self.ability_of(&route)?;
        Ok((route, ability))
    }

    fn ability_of(&self, route: &RouteKey) -> Result<Ability> {
        let plugins = self.plugins();
        let manifest = plugins.plugin(route.plugin_id.as_str()).and_then(Plugin::manifest);
        let component = manifest.and_then(|manifest| manifest.component(&route.component_id));
        let ability = component.and_then(|component| component.ability(route.kind, &route.type_id));
        let gone = || Error::new(ErrorKind::NotFound, "the plugin is gone").plugin(route.plugin_id.as_str());
        ability.cloned().ok_or_else(gone)
    }

    /// An instance for one more session.
    async fn acquire(&self, route: &RouteKey, avoid: Option<WorkerId>) -> Result<Arc<Actor>> {
        let mut group = self.0.components.group(&self.plugins(), route)?;
        let acquired = loop {
            let acquired = group.acquire(avoid).await;
            // Replaced meanwhile, it may have failed for that alone; what is there now is asked in its place.
            match acquired.is_err().then(|| self.0.components.group(&self.plugins(), route)) {
                Some(Ok(now)) if !Arc::ptr_eq(&now, &group) => group = now,
                _ => break acquired,
            }
        };
        if acquired.as_ref().is_err_and(|error| error.kind() == ErrorKind::Busy) {
            self.0.components.release_idle();
        }
        acquired.map_err(|error| error.plugin(route.plugin_id.as_str()))
    }

    /// Loads a plugin's components and starts an instance of each, so that the first session need not wait for it.
    ///
    /// # Errors
    /// `not_found`; what loading or starting the first that fails answered.
    pub async fn warm_up(&self, id: &str) -> Result<()> {
        let id = id.trim();
        self.0.known(id)?;
        let plugins = self.plugins();
        let manifest = plugins.plugin(id).and_then(Plugin::manifest);
        for component in manifest.iter().flat_map(|manifest| &manifest.components) {
            let Some(ability) = component.abilities.first() else { continue };
            let route = RouteKey {
                plugin_id: id.parse()?,
                component_id: component.id.clone(),
                kind: ability.kind,
                type_id: ability.type_id.clone(),
            };
            if plugins.plugin(id).is_some_and(|plugin| plugin.component_status(&component.id) == Status::Enabled) {
                self.acquire(&route, None).await?;
            }
        }
        Ok(())
    }

    /// What was counted of each component that was used, by plugin and component.
    pub fn stats(&self) -> Vec<ComponentStats> {
        self.0.components.stats()
    }

    /// Keeps what was counted so far as that of the last run; without any, keeps the run before. A run that is ended in the
    /// middle of it keeps the one before as well.
    ///
    /// # Errors
    /// `busy` while another process changes the store, `io`.
    pub async fn save_stats(&self) -> Result<()> {
        let (inner, stats) = (Arc::clone(&self.0), self.stats());
        if stats.is_empty() {
            return Ok(());
        }
        blocking(move || {
            let json = serde_json::to_vec_pretty(&stats).map_err(|error| {
                Error::new(ErrorKind::Internal, format!("cannot write the counters: {error}")).source_error(error)
            })?;
            inner.store.keep_stats(&json)
        })
        .await
    }

    /// What was [kept](Self::save_stats) of the last run.
    ///
    /// # Errors
    /// `not_found` where no run was kept, `io` where it cannot be read.
    pub fn last_stats(&self) -> Result<Vec<ComponentStats>> {
        let kept = self.0.store.stats()?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "no run was counted yet").help("decode something, and ask again")
        })?;
        serde_json::from_slice(&kept).map_err(|error| {
            let text = format!("what was counted in the last run cannot be read: {error}");
            Error::new(ErrorKind::Io, text).source_error(error).help("the next run replaces it")
        })
    }

    /// Stops every plugin: no session is opened any more, calls in flight are cut, `on-disable` runs, and what is to be
    /// remembered is written. Takes at most 3 s; may be called again, and from anywhere, a plugin's stream included.
    pub async fn shutdown(&self) {
        let (inner, here) = (Arc::clone(&self.0), actor::current());
        let shut_down = move || {
            inner.shut_down(here);
            Ok(())
        };
        if blocking(shut_down).await.is_err() {
            // Without a thread for it, it blocks the caller.
            self.0.shut_down(here);
        }
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("engine", self.engine().id()).finish_non_exhaustive()
    }
}

impl Inner {
    fn rescan(&self) -> Result<()> {
        // One at a time, so that an older picture never replaces a newer one; and not before what failed is written.
        let _scanning = self.scanning.lock();
        self.writes.wait(Instant::now() + WRITES);
        let snapshot = Arc::new(Snapshot::scan(&self.store, &self.bundled)?);
        self.report_old(&snapshot);
        *self.snapshot.write() = Arc::clone(&snapshot);
        self.components.follow(&snapshot);
        Ok(())
    }

    /// Looks for everybody who asked, as often as someone asked after the look before had begun. // R15
    fn look(&self) {
        loop {
            let Some(asked) = self.scans.lock().next() else { return };
            let looked = self.rescan();
            for done in asked {
                let answer = looked.as_ref().copied().map_err(|error| Error::new(error.kind(), error.message()));
                // Who asked may have gone.
                let _ = done.send(answer);
            }
        }
    }

    /// Stops routing to a component that failed, tells, and has that remembered on a thread of its own: who met the failure
    /// does not wait for files.
    fn component_failed(self: &Arc<Self>, plugin: &PluginId, component: &ComponentId, reason: &str) {
        {
            let mut snapshot = self.snapshot.write();
            *snapshot = Arc::new(snapshot.with_failure(plugin.as_str(), component, reason));
        }
        self.send(Event::Failed {
            plugin_id: plugin.to_string(),
            component_id: component.to_string(),
            reason: reason.to_owned(),
        });
        let (inner, writing) = (Arc::clone(self), self.writes.begin());
        let (plugin, component, reason) = (plugin.clone(), component.clone(), reason.to_owned());
        let write = move || {
            if let Err(error) = inner.store.set_failure(plugin.as_str(), component.as_str(), &reason) {
                tracing::warn!("a plugin's failure could not be noted: {error}");
            }
            drop(writing);
        };
        if let Err(error) = thread::Builder::new().name("st-files".into()).spawn(write) {
            tracing::warn!("a plugin's failure could not be noted: {error}");
        }
    }

    fn shut_down(&self, here: Option<WorkerId>) {
        self.components.shut_down(here);
        self.writes.wait(Instant::now() + LAST_WRITES);
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
        self.shut_down(actor::current());
    }
}

/// Looks at the store that were asked for: those that come during one share the next.
#[derive(Default)]
struct Scans {
    looking: bool,
    asked: Vec<oneshot::Sender<Result<()>>>,
}

impl Scans {
    /// Whether whoever asks has to look.
    fn ask(&mut self, done: oneshot::Sender<Result<()>>) -> bool {
        self.asked.push(done);
        !std::mem::replace(&mut self.looking, true)
    }

    /// Those to look for now; `None` when there are none and looking is over.
    fn next(&mut self) -> Option<Vec<oneshot::Sender<Result<()>>>> {
        let asked = std::mem::take(&mut self.asked);
        self.looking = !asked.is_empty();
        self.looking.then_some(asked)
    }

    fn give_up(&mut self) {
        self.looking = false;
        self.asked.clear();
    }
}

/// Writes that nobody waits for but shutdown.
#[derive(Default)]
struct Writes(Arc<(Mutex<usize>, Condvar)>);

/// A write that has begun.
struct Writing(Arc<(Mutex<usize>, Condvar)>);

impl Writes {
    fn begin(&self) -> Writing {
        *self.0.0.lock() += 1;
        Writing(Arc::clone(&self.0))
    }

    fn wait(&self, deadline: Instant) {
        let mut writing = self.0.0.lock();
        while *writing > 0 && !self.0.1.wait_until(&mut writing, deadline).timed_out() {}
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        *self.0.0.lock() -= 1;
        self.0.1.notify_all();
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

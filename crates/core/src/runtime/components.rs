//! The components in use: each loaded once, when a request is first routed to it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use parking_lot::Mutex;
use tokio::sync::{OnceCell, broadcast};

use super::{GRACE, TEAR_DOWN, blocking};
use crate::{
    actor::Setup,
    cache::{Cache, CacheKey},
    engine::{Engine, Program},
    error::{Error, ErrorKind, Result},
    event::Event,
    host::Services,
    limits::{Budgets, Limits},
    manifest::{Component, World},
    package::ContentHash,
    registry::{Plugin, Snapshot},
    route::RouteKey,
    schedule::Group,
    types::DisableReason,
    wasi::log::TracingLog,
    world,
};

/// What every component of a runtime shares.
pub(super) struct Shared {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) cache: Option<Cache>,
    pub(super) services: Services,
    pub(super) limits: HostLimits,
    pub(super) budgets: Arc<Budgets>,
    pub(super) events: broadcast::Sender<Event>,
}

/// The host's own limits by world; a manifest can only lower them.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostLimits {
    pub(super) audio: Limits,
    pub(super) catalog: Limits,
}

impl HostLimits {
    fn of(self, world: World) -> Limits {
        match world {
            World::Source | World::Lyrics => self.catalog,
            World::Decoder | World::OutputSink | World::Dsp => self.audio,
        }
    }
}

/// A component of one version of a package: plugin, component, package hash.
type Key = (String, String, String);

pub(super) struct Components {
    shared: Arc<Shared>,
    groups: Mutex<HashMap<Key, Arc<OnceCell<Arc<Group>>>>>,
    closed: AtomicBool,
}

impl Components {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared), groups: Mutex::default(), closed: AtomicBool::new(false) }
    }

    pub(super) fn engine(&self) -> &Arc<dyn Engine> {
        &self.shared.engine
    }

    /// The instance group of a route's component, loaded if this is its first use.
    ///
    /// # Errors
    /// `cancelled` after shutdown; what reading, verifying, compiling or loading the component answered.
    pub(super) async fn group(&self, snapshot: &Arc<Snapshot>, route: &RouteKey) -> Result<Arc<Group>> {
        let cell = self.cell(snapshot, route)?;
        let (shared, snapshot, route) = (Arc::clone(&self.shared), Arc::clone(snapshot), route.clone());
        cell.get_or_try_init(|| blocking(move || load(&shared, &snapshot, &route).map(Arc::new))).await.cloned()
    }

    fn cell(&self, snapshot: &Snapshot, route: &RouteKey) -> Result<Arc<OnceCell<Arc<Group>>>> {
        let plugin = plugin(snapshot, route)?;
        let version = plugin.hash().map(|hash| hash.to_string()).unwrap_or_default();
        let key = (plugin.id().to_owned(), route.component_id.to_string(), version);
        let mut groups = self.groups.lock();
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Cancelled, "the runtime is shut down"));
        }
        Ok(Arc::clone(groups.entry(key).or_default()))
    }

    /// Lets a plugin's instances go once their sessions are closed.
    pub(super) fn retire(&self, plugin_id: &str, reason: DisableReason) {
        for group in self.take(|plugin| plugin == plugin_id) {
            group.retire(reason);
        }
    }

    /// Ends a plugin's instances now.
    pub(super) fn tear_down(&self, plugin_id: &str, reason: DisableReason) {
        end(&self.take(|plugin| plugin == plugin_id), reason);
    }

    /// Ends every instance now, and lets none be made again.
    pub(super) fn shut_down(&self) {
        self.closed.store(true, Ordering::Release);
        end(&self.take(|_| true), DisableReason::Shutdown);
    }

    fn take(&self, which: impl Fn(&str) -> bool) -> Vec<Arc<Group>> {
        let mut groups = self.groups.lock();
        let taken = groups.extract_if(|(plugin, ..), _| which(plugin));
        taken.filter_map(|(_, cell)| cell.get().cloned()).collect()
    }
}

/// Tears groups down side by side, so that one that hangs does not use up the others' time.
fn end(groups: &[Arc<Group>], reason: DisableReason) {
    let deadline = Instant::now() + TEAR_DOWN;
    thread::scope(|scope| {
        for group in groups {
            scope.spawn(move || {
                if !group.tear_down(reason, GRACE, deadline) {
                    tracing::error!("a plugin did not end in time and was left behind");
                }
            });
        }
    });
}

fn plugin<'a>(snapshot: &'a Snapshot, route: &RouteKey) -> Result<&'a Plugin> {
    let found = snapshot.plugin(route.plugin_id.as_str());
    found.ok_or_else(|| Error::new(ErrorKind::NotFound, "the plugin is gone").plugin(route.plugin_id.as_str()))
}

/// Reads a component, takes it from the cache or verifies and compiles it, and loads it.
fn load(shared: &Arc<Shared>, snapshot: &Snapshot, route: &RouteKey) -> Result<Group> {
    let load = || -> Result<Group> {
        let plugin = plugin(snapshot, route)?;
        let manifest = plugin.manifest();
        let component = manifest.and_then(|manifest| manifest.component(&route.component_id)).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the plugin has no component `{}`", route.component_id))
        })?;
        let asked = manifest.and_then(|manifest| manifest.limits).into_iter().chain(component.limits);
        let key = |hash: ContentHash| CacheKey {
            plugin_id: route.plugin_id.to_string(),
            component_id: route.component_id.to_string(),
            component_hash: *hash.as_bytes(),
            world: component.world,
            engine: shared.engine.id().clone(),
        };
        // Code that was compiled from what was installed is loaded while what is there now is read; only then is it used.
        let kept = plugin.component_hash(&route.component_id);
        let (program, source) = thread::scope(|scope| {
            let program = kept.map(|hash| scope.spawn(move || cached(shared, &key(hash))));
            let source = plugin.component_bytes(&route.component_id);
            (program.and_then(|program| program.join().ok().flatten()), source)
        });
        let source = source?;
        let key = key(source.hash);
        // Packages of older hosts kept no hash.
        let program = if kept == Some(source.hash) { program } else { cached(shared, &key) };
        let program = match program {
            // Verified before it was compiled.
            Some(program) => program,
            None => {
                world::verify(&source.bytes, component.world)?;
                compiled(shared, &key, &source.bytes)?
            }
        };
        let limits = asked.fold(shared.limits.of(component.world), |limits, asked| asked.lower(limits));
        Ok(group(shared, program, route, component, limits))
    };
    load().map_err(|error| error.plugin(route.plugin_id.as_str()).during("load"))
}

/// The program of code compiled before, if there is any that this engine takes.
fn cached(shared: &Shared, key: &CacheKey) -> Option<Arc<dyn Program>> {
    let loaded = shared.engine.load_file(shared.cache.as_ref()?.get(key)?);
    loaded.inspect_err(|error| tracing::warn!("compiled code from the cache is not used: {error}")).ok()
}

/// Compiles what was verified, and keeps the code for the next start.
fn compiled(shared: &Shared, key: &CacheKey, wasm: &[u8]) -> Result<Arc<dyn Program>> {
    let began = Instant::now();
    let artifact = shared.engine.compile(wasm)?;
    tracing::info!(plugin = key.plugin_id, component = key.component_id, elapsed = ?began.elapsed(), "compiled");
    if let Some(cache) = &shared.cache
        && let Err(error) = cache.put(key, &artifact)
    {
        tracing::warn!("compiled code could not be cached: {error}");
    }
    Ok(shared.engine.load(&artifact)?)
}

fn group(
    shared: &Arc<Shared>,
    program: Arc<dyn Program>,
    route: &RouteKey,
    component: &Component,
    limits: Limits,
) -> Group {
    let most = component.threading().max_instances.get() as usize;
    let (shared, route) = (Arc::clone(shared), route.clone());
    Group::new(program, most, move |instance| Setup {
        plugin_id: route.plugin_id.to_string(),
        component_id: route.component_id.to_string(),
        instance,
        services: shared.services.clone(),
        limits,
        budgets: Arc::clone(&shared.budgets),
        events: shared.events.clone(),
        log: Box::new(TracingLog),
    })
}

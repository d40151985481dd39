//! The components in use: each loaded once, when a request is first routed to it, and replaced when its files are.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock, Weak,
        atomic::AtomicUsize,
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{Inner, blocking};
use crate::{
    actor::{ComponentStats, Counters, Exit, Pace, Setup, WorkerId},
    cache::{Cache, CacheKey},
    engine::{Artifact, Engine, Program},
    error::{Error, ErrorKind, Result},
    event::Event,
    host::Services,
    lifecycle::State,
    limits::{Budgets, Limits},
    manifest::{Component, ComponentId, World},
    package::ContentHash,
    registry::{Plugin, Snapshot, Status},
    route::RouteKey,
    schedule::{Floor, GRACE, Group, Plan},
    types::DisableReason,
    wasi::log::TracingLog,
    world,
};

/// Time after which instances that were told to end are cut whatever they do, their `on-disable` too.
const STOP: Duration = Duration::from_millis(2_000);

/// Time after which nobody waits for them any more. A user who quits has waited 3 s at most, stores included.
const LEAVE: Duration = Duration::from_millis(2_600);

/// Stack of a thread that compiles: compilers recurse over what they read.
const COMPILE_STACK: usize = 8 * 1024 * 1024;

/// How often a compilation's time is looked at.
const COMPILE_LOOK: Duration = Duration::from_millis(50);

/// How many times its deadline a compilation may take on a machine that is busy with other things.
const COMPILE_PATIENCE: u32 = 6;

/// How often calls in flight are cut while instances end: a job may consist of several.
const AGAIN: Duration = Duration::from_millis(20);

/// What every component of a runtime shares.
pub(super) struct Shared {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) cache: Option<Cache>,
    pub(super) services: Services,
    pub(super) limits: HostLimits,
    pub(super) budgets: Arc<Budgets>,
    pub(super) compile: Duration,
    pub(super) floor: Arc<Floor>,
    /// What remembers failures.
    pub(super) runtime: Weak<Inner>,
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

/// A plugin's id and a component's.
type Key = (String, ComponentId);

pub(super) struct Components {
    shared: Arc<Shared>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    current: HashMap<Key, Entry>,
    /// Groups that take no session any more and are not known to be gone.
    leaving: Vec<Arc<Group>>,
    /// Kept when a component is replaced.
    counters: HashMap<Key, Arc<Counters>>,
    in_flight: HashMap<String, Arc<AtomicUsize>>,
    closed: bool,
}

/// A component of the version of a package that is installed.
struct Entry {
    /// Of the package.
    version: Option<ContentHash>,
    /// Of the component's bytes, once they were read.
    code: Arc<OnceLock<ContentHash>>,
    group: Arc<Group>,
}

impl Components {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared), table: Mutex::default() }
    }

    pub(super) fn engine(&self) -> &Arc<dyn Engine> {
        &self.shared.engine
    }

    /// The instance group of a route's component, of the version that `snapshot` shows. Nothing is loaded for it.
    ///
    /// # Errors
    /// `cancelled` after shutdown; `not_found` where the plugin or component is gone.
    pub(super) fn group(&self, snapshot: &Arc<Snapshot>, route: &RouteKey) -> Result<Arc<Group>> {
        let plugin = plugin(snapshot, route)?;
        let key = (plugin.id().to_owned(), route.component_id.clone());
        let mut table = self.table.lock();
        if table.closed {
            return Err(Error::new(ErrorKind::Cancelled, "the runtime is shut down"));
        }
        if let Some(entry) = table.current.get(&key)
            && entry.version == plugin.hash()
        {
            return Ok(Arc::clone(&entry.group));
        }
        let code = Arc::default();
        let counters = Arc::clone(table.counters.entry(key.clone()).or_default());
        let in_flight = Arc::clone(table.in_flight.entry(key.0.clone()).or_default());
        let plan = plan(&self.shared, snapshot, route, &code, counters, in_flight)?;
        let group = Group::new(Arc::clone(&self.shared.floor), plan);
        let entry = Entry { version: plugin.hash(), code, group: Arc::clone(&group) };
        let replaced = table.current.insert(key, entry);
        table.leaving.extend(replaced.iter().map(|entry| Arc::clone(&entry.group)));
        drop(table);
        if let Some(replaced) = replaced {
            replace(&replaced.group);
        }
        Ok(group)
    }

    /// Follows what is in the store now: groups of a version that was replaced take no new session, those of a plugin that
    /// is disabled or gone are cut.
    pub(super) fn follow(&self, snapshot: &Snapshot) {
        let gone: Vec<_> = {
            let mut table = self.table.lock();
            let Table { current, leaving, .. } = &mut *table;
            leaving.retain(|group| group.state() != State::Unloaded);
            let gone = current.extract_if(|key, entry| fate(snapshot, key, entry) != Fate::Stays);
            let gone: Vec<_> = gone.map(|(key, entry)| (fate(snapshot, &key, &entry), key, entry.group)).collect();
            leaving.extend(gone.iter().map(|(.., group)| Arc::clone(group)));
            gone
        };
        for (fate, (plugin_id, component_id), group) in gone {
            match fate {
                Fate::Stays => {}
                Fate::Replaced => {
                    replace(&group);
                    let component_id = component_id.to_string();
                    let _ = self.shared.floor.events.send(Event::Reloaded { plugin_id, component_id });
                }
                Fate::Ends(reason) => {
                    group.end(reason);
                    group.cut_later();
                }
            }
        }
    }

    /// Waits until the replaced versions of a route's component are gone, as long as shutdown would.
    pub(super) fn wait_for_replaced(&self, route: &RouteKey) {
        let left: Vec<_> = {
            let table = self.table.lock();
            let of_component = |group: &&Arc<Group>| {
                group.plugin_id() == route.plugin_id.as_str() && group.component_id() == route.component_id.as_str()
            };
            table.leaving.iter().filter(of_component).flat_map(|group| group.left()).collect()
        };
        let until = Instant::now() + LEAVE;
        left.iter().for_each(|exit| _ = exit.wait_gone(until));
    }

    /// Ends a plugin's instances, those of replaced versions too, and waits until they are gone.
    pub(super) fn tear_down(&self, plugin_id: &str, reason: DisableReason, here: Option<WorkerId>) {
        let groups = self.take(|plugin| plugin == plugin_id);
        finish(&groups, reason, here);
    }

    /// Ends every instance now, and lets none be made again.
    pub(super) fn shut_down(&self, here: Option<WorkerId>) {
        self.table.lock().closed = true;
        let groups = self.take(|_| true);
        finish(&groups, DisableReason::Shutdown, here);
    }

    /// Moves groups to those that leave; yields all of the plugins' that are not gone.
    fn take(&self, which: impl Fn(&str) -> bool) -> Vec<Arc<Group>> {
        let mut table = self.table.lock();
        let Table { current, leaving, .. } = &mut *table;
        leaving.extend(current.extract_if(|(plugin, _), _| which(plugin)).map(|(_, entry)| entry.group));
        leaving.retain(|group| group.state() != State::Unloaded);
        leaving.iter().filter(|group| which(group.plugin_id())).cloned().collect()
    }

    /// What was counted of every component that was used.
    pub(super) fn stats(&self) -> Vec<ComponentStats> {
        let table = self.table.lock();
        let mut stats: Vec<_> = table
            .counters
            .iter()
            .map(|((plugin_id, component_id), counters)| {
                let now = table.current.get(&(plugin_id.clone(), component_id.clone())).map(|entry| entry.group.now());
                let (instances, sessions) = now.unwrap_or_default();
                let (plugin_id, component_id) = (plugin_id.clone(), component_id.to_string());
                ComponentStats { plugin_id, component_id, instances, sessions, ..counters.read() }
            })
            .collect();
        stats.sort_by(|a, b| (&a.plugin_id, &a.component_id).cmp(&(&b.plugin_id, &b.component_id)));
        stats
    }

    /// Retires instances that nobody uses, to make room.
    pub(super) fn release_idle(&self) {
        let groups: Vec<_> = self.table.lock().current.values().map(|entry| Arc::clone(&entry.group)).collect();
        groups.iter().for_each(|group| group.release_idle());
    }
}

/// Has a replaced version end: after its sessions, but a device cannot be had twice.
fn replace(group: &Arc<Group>) {
    if group.holds_device() {
        group.end(DisableReason::Reload);
        group.cut_later();
    } else {
        group.retire(DisableReason::Reload);
    }
}

/// What becomes of a group when the store changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Replaced,
    Ends(DisableReason),
}

fn fate(snapshot: &Snapshot, (plugin_id, component_id): &Key, entry: &Entry) -> Fate {
    let Some(plugin) = snapshot.plugin(plugin_id) else { return Fate::Ends(DisableReason::Unload) };
    match plugin.status() {
        Status::Disabled | Status::NeedsGrant => Fate::Ends(DisableReason::HostDisable),
        Status::Broken | Status::PendingUninstall => Fate::Ends(DisableReason::Unload),
        Status::Enabled | Status::Failed if plugin.hash() != entry.version => Fate::Replaced,
        Status::Enabled | Status::Failed => match entry.code.get() {
            // Packages of older hosts have no hash but their manifest's, so their bytes are looked at.
            Some(code) if plugin.component_hash(component_id).is_none() => {
                let now = plugin.component_bytes(component_id).ok().map(|source| source.hash);
                if now.is_some_and(|now| now != *code) { Fate::Replaced } else { Fate::Stays }
            }
            _ => Fate::Stays,
        },
    }
}

/// Ends groups side by side, so that one that hangs does not use up the others' time.
fn finish(groups: &[Arc<Group>], reason: DisableReason, here: Option<WorkerId>) {
    let began = Instant::now();
    groups.iter().for_each(|group| group.end(reason));
    let left = || -> Vec<Exit> {
        let left = groups.iter().flat_map(|group| group.left());
        left.filter(|exit| !exit.is_on(here)).collect()
    };
    let wait = |until: Instant| left().iter().for_each(|exit| _ = exit.wait_gone(until));
    wait(began + GRACE);
    // What runs on the caller's own thread ends when the caller returns.
    groups.iter().flat_map(|group| group.left()).for_each(|exit| exit.cut());
    while !left().is_empty() && began.elapsed() < LEAVE {
        let stop = began.elapsed() >= STOP;
        left().iter().for_each(|exit| if stop { exit.stop() } else { exit.cut() });
        wait(Instant::now() + AGAIN);
    }
    for group in groups {
        if group.left().iter().any(|exit| !exit.is_on(here)) {
            group.left_behind();
        }
    }
}

fn plugin<'a>(snapshot: &'a Snapshot, route: &RouteKey) -> Result<&'a Plugin> {
    let found = snapshot.plugin(route.plugin_id.as_str());
    found.ok_or_else(|| Error::new(ErrorKind::NotFound, "the plugin is gone").plugin(route.plugin_id.as_str()))
}

/// Reads a component, takes it from the cache or verifies and compiles it, and loads it; `code` is told what was read.
fn load(
    shared: &Arc<Shared>,
    snapshot: &Snapshot,
    route: &RouteKey,
    code: &OnceLock<ContentHash>,
) -> Result<Arc<dyn Program>> {
    let load = || -> Result<Arc<dyn Program>> {
        let plugin = plugin(snapshot, route)?;
        let manifest = plugin.manifest();
        let component = manifest.and_then(|manifest| manifest.component(&route.component_id));
        let component = component.ok_or_else(|| no_component(route))?;
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
            // Without a thread for it, it is tried again below.
            let program = kept.and_then(|hash| {
                let load = move || cached(shared, &key(hash));
                thread::Builder::new().name("st-load".into()).spawn_scoped(scope, load).ok()
            });
            let source = plugin.component_bytes(&route.component_id);
            (program.and_then(|program| program.join().ok().flatten()), source)
        });
        let source = source?;
        let _ = code.set(source.hash);
        let key = key(source.hash);
        // Packages of older hosts kept no hash.
        let program = if kept == Some(source.hash) { program } else { cached(shared, &key) };
        match program {
            // Verified before it was compiled.
            Some(program) => Ok(program),
            None => {
                world::verify(&source.bytes, component.world)?;
                compiled(shared, &key, source.bytes.into_owned())
            }
        }
    };
    load().map_err(|error| error.plugin(route.plugin_id.as_str()).during("load"))
}

/// The program of code compiled before, if there is any that this engine takes.
fn cached(shared: &Shared, key: &CacheKey) -> Option<Arc<dyn Program>> {
    let loaded = shared.engine.load_file(shared.cache.as_ref()?.get(key)?);
    loaded.inspect_err(|error| tracing::warn!("compiled code from the cache is not used: {error}")).ok()
}

/// Compiles what was verified, and keeps the code for the next start.
fn compiled(shared: &Shared, key: &CacheKey, wasm: Vec<u8>) -> Result<Arc<dyn Program>> {
    let began = Instant::now();
    let artifact = compile(shared, wasm)?;
    tracing::info!(plugin = key.plugin_id, component = key.component_id, elapsed = ?began.elapsed(), "compiled");
    if let Some(cache) = &shared.cache
        && let Err(error) = cache.put(key, &artifact)
    {
        tracing::warn!("compiled code could not be cached: {error}");
    }
    Ok(shared.engine.load(&artifact)?)
}

/// Compiles on a thread of its own, which is left behind where it takes too long: it cannot be stopped. What counts is the
/// time the processor works for it, so that a busy machine does not make a bomb of an honest plugin. // L01, B8
fn compile(shared: &Shared, wasm: Vec<u8>) -> Result<Artifact> {
    let ((answer, answered), (clock, when_clocked)) = (channel(), channel());
    let engine = Arc::clone(&shared.engine);
    let compile = move || {
        let _ = clock.send(own_clock());
        // Nobody listens any more where it took too long.
        let _ = answer.send(engine.compile(&wasm));
    };
    thread::Builder::new()
        .name("st-compile".into())
        .stack_size(COMPILE_STACK)
        .spawn(compile)
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot start a thread: {error}")).source_error(error))?;
    let (clock, began, most) = (when_clocked.recv().ok().flatten(), Instant::now(), shared.compile);
    loop {
        match answered.recv_timeout(COMPILE_LOOK) {
            Ok(artifact) => return Ok(artifact?),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::new(ErrorKind::Internal, "the compiler panicked"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let worked = clock.as_deref().and_then(processor_time).unwrap_or_else(|| began.elapsed());
        if worked >= most {
            let text = format!("the component took longer than {most:?} to compile");
            return Err(Error::new(ErrorKind::Timeout, text).help("install a smaller version of the plugin"));
        }
        if began.elapsed() >= most * COMPILE_PATIENCE {
            let text = "the machine is too busy to compile the component";
            return Err(Error::new(ErrorKind::Busy, text).help("try again when it has less to do"));
        }
    }
}

/// Where the system tells how long the calling thread was worked for, if it does.
fn own_clock() -> Option<PathBuf> {
    fs::read_link("/proc/thread-self").ok().map(|thread| Path::new("/proc").join(thread).join("schedstat"))
}

/// The first of the numbers there, in nanoseconds (the kernel's sched-stats).
fn processor_time(clock: &Path) -> Option<Duration> {
    let times = fs::read_to_string(clock).ok()?;
    times.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// How the instances of a route's component are made.
fn plan(
    shared: &Arc<Shared>,
    snapshot: &Arc<Snapshot>,
    route: &RouteKey,
    code: &Arc<OnceLock<ContentHash>>,
    counters: Arc<Counters>,
    in_flight: Arc<AtomicUsize>,
) -> Result<Plan> {
    let manifest = plugin(snapshot, route)?.manifest();
    let component: &Component =
        manifest.and_then(|manifest| manifest.component(&route.component_id)).ok_or_else(|| no_component(route))?;
    let asked = manifest.and_then(|manifest| manifest.limits).into_iter().chain(component.limits);
    let limits = asked.fold(shared.limits.of(component.world), |limits, asked| asked.lower(limits));
    let loading = {
        let (shared, snapshot, route, code) =
            (Arc::clone(shared), Arc::clone(snapshot), route.clone(), Arc::clone(code));
        move || {
            let (shared, snapshot, route) = (Arc::clone(&shared), Arc::clone(&snapshot), route.clone());
            let code = Arc::clone(&code);
            Box::pin(blocking(move || load(&shared, &snapshot, &route, &code))) as _
        }
    };
    let remember = {
        let (runtime, route) = (Weak::clone(&shared.runtime), route.clone());
        move |reason: &str| {
            if let Some(runtime) = runtime.upgrade() {
                runtime.component_failed(&route.plugin_id, &route.component_id, reason);
            }
        }
    };
    let pace = Arc::new(Pace::new(shared.floor.restarts.drip.window));
    let setup = {
        let (shared, route, counters) = (Arc::clone(shared), route.clone(), Arc::clone(&counters));
        let pace = Arc::clone(&pace);
        move |instance, tell| Setup {
            plugin_id: route.plugin_id.to_string(),
            component_id: route.component_id.to_string(),
            instance,
            services: shared.services.clone(),
            limits,
            budgets: Arc::clone(&shared.budgets),
            events: shared.floor.events.clone(),
            log: Box::new(TracingLog),
            counters: Arc::clone(&counters),
            pace: Arc::clone(&pace),
            in_flight: Arc::clone(&in_flight),
            tell,
        }
    };
    Ok(Plan {
        plugin_id: route.plugin_id.to_string(),
        component_id: route.component_id.to_string(),
        threading: component.threading(),
        holds_device: component.world == World::OutputSink,
        load: Box::new(loading),
        setup: Box::new(setup),
        remember: Box::new(remember),
        counters,
        pace,
    })
}

fn no_component(route: &RouteKey) -> Error {
    Error::new(ErrorKind::NotFound, format!("the plugin has no component `{}`", route.component_id))
        .plugin(route.plugin_id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_reads_its_own_clock() {
        let Some(clock) = own_clock() else { return };
        let before = processor_time(&clock).expect("a number");
        let mut sum = 0_u64;
        while processor_time(&clock).expect("a number") == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let path = clock.clone();
        let other = thread::spawn(move || processor_time(&path)).join().expect("does not panic");
        assert!(other.is_some_and(|other| other > before), "another thread reads the same clock");
    }
}

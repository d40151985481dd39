//! How an application sets a [`Runtime`] up.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::broadcast;

use super::{
    Inner, Runtime, Writes,
    components::{Components, HostLimits, Shared},
};
use crate::{
    cache::Cache,
    engine::Engine,
    error::{Error, ErrorKind, Result},
    host::Services,
    install::Store,
    lifecycle::RestartPolicy,
    limits::{Budgets, COMPILE, Limits},
    registry::{BundledPackage, Snapshot},
    schedule::{Floor, Pools, Timer},
};

/// Events kept for a receiver that is slow.
const EVENTS: usize = 256;

/// Time the sessions of a replaced version have to finish: most tracks end within it, and a fixed plugin gets into use.
const DRAIN: Duration = Duration::from_secs(600);

/// Sets a runtime up. Everything has a default but the engine.
pub struct RuntimeBuilder {
    engine: Arc<dyn Engine>,
    plugins_dir: Option<PathBuf>,
    cache_dir: Option<PathBuf>,
    caching: bool,
    bundled: Vec<BundledPackage>,
    services: Services,
    limits: HostLimits,
    budgets: Budgets,
    compile: Duration,
    restarts: RestartPolicy,
    drain: Duration,
    pub(super) timer: Timer,
    wasm_only: bool,
}

impl RuntimeBuilder {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self {
            engine,
            plugins_dir: None,
            cache_dir: None,
            caching: true,
            bundled: Vec::new(),
            services: Services::default(),
            limits: HostLimits { audio: Limits::AUDIO, catalog: Limits::CATALOG },
            budgets: Budgets::default(),
            compile: COMPILE,
            restarts: RestartPolicy::default(),
            drain: DRAIN,
            timer: Timer::new(),
            wasm_only: true,
        }
    }

    /// Where plugins are installed; [`default_plugins_dir`] unless set. Made when missing.
    #[must_use]
    pub fn plugins_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.plugins_dir = Some(dir.into());
        self
    }

    /// Where compiled code is kept, with the key that authenticates it beside; `.stellatune/cache` in the plugins
    /// directory unless set. Must belong to the user and be closed to others.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }

    /// Compiles every time: nothing compiled is read or written.
    #[must_use]
    pub fn without_cache(mut self) -> Self {
        self.caching = false;
        self
    }

    /// A package that is part of the application. An installed one of the same id wins.
    #[must_use]
    pub fn bundled(mut self, package: BundledPackage) -> Self {
        self.bundled.push(package);
        self
    }

    /// What stands behind the imports; services that answer `unsupported` unless set.
    #[must_use]
    pub fn services(mut self, services: Services) -> Self {
        self.services = services;
        self
    }

    /// What an instance may hold: of decoders, DSPs and sinks, and of sources and lyrics providers.
    #[must_use]
    pub fn limits(mut self, audio: Limits, catalog: Limits) -> Self {
        self.limits = HostLimits { audio, catalog };
        self
    }

    /// What each class of calls may take.
    #[must_use]
    pub fn budgets(mut self, budgets: Budgets) -> Self {
        self.budgets = budgets;
        self
    }

    /// How long a processor may work to compile a component, 10 s unless set; six times that where it works for others
    /// too.
    #[must_use]
    pub fn compile_deadline(mut self, deadline: Duration) -> Self {
        self.compile = deadline;
        self
    }

    /// How components that crash are restarted.
    #[must_use]
    pub fn restarts(mut self, policy: RestartPolicy) -> Self {
        self.restarts = policy;
        self
    }

    /// How long the sessions of a version that was replaced may go on before they are cut; 10 min unless set.
    #[must_use]
    pub fn drain_deadline(mut self, deadline: Duration) -> Self {
        self.drain = deadline;
        self
    }

    /// Whether a plugin of the old dynamic-library kind in the plugins directory is an error (the default) or is skipped
    /// with an [`Event::ArtifactSkipped`](crate::event::Event). It is never loaded either way.
    #[must_use]
    pub fn wasm_plugins_only(mut self, only: bool) -> Self {
        self.wasm_only = only;
        self
    }

    /// Opens the store and reads what is installed. Nothing is compiled or started.
    ///
    /// # Errors
    /// `io`: the plugins directory cannot be made, locked or read. A cache that cannot be used is only logged.
    pub fn build(self) -> Result<Runtime> {
        let root = self.plugins_dir.map_or_else(default_plugins_dir, Ok)?;
        let store = Store::open(&root)?;
        let cache = self.caching.then(|| self.cache_dir.unwrap_or_else(|| root.join(".stellatune/cache")));
        let cache = cache.and_then(|dir| open_cache(&dir, &root));
        let snapshot = Snapshot::scan(&store, &self.bundled)?;
        let (events, _) = broadcast::channel(EVENTS);
        let floor = Arc::new(Floor {
            timer: self.timer,
            pools: Pools::default(),
            restarts: self.restarts,
            drain: self.drain,
            events: events.clone(),
        });
        let inner = Arc::new_cyclic(|runtime| Inner {
            components: Components::new(Shared {
                engine: self.engine,
                cache,
                services: self.services,
                limits: self.limits,
                budgets: Arc::new(self.budgets),
                compile: self.compile,
                floor,
                runtime: runtime.clone(),
            }),
            store,
            bundled: self.bundled,
            snapshot: RwLock::new(Arc::new(snapshot)),
            scans: Mutex::default(),
            scanning: Mutex::new(()),
            writes: Writes::default(),
            wasm_only: self.wasm_only,
            events,
        });
        inner.report_old(&inner.snapshot.read());
        Ok(Runtime(inner))
    }
}

impl std::fmt::Debug for RuntimeBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuntimeBuilder").field("plugins_dir", &self.plugins_dir).finish_non_exhaustive()
    }
}

/// A player must play even where nothing can be cached.
fn open_cache(dir: &Path, root: &Path) -> Option<Cache> {
    match Cache::open(dir, &root.join(".stellatune/state")) {
        Ok(cache) => Some(cache),
        Err(error) => {
            tracing::warn!("plugins are compiled at every start: {error}");
            None
        }
    }
}

/// `stellatune/plugins` in the platform's directory for a user's data.
///
/// # Errors
/// `invalid_argument`: the environment names no such directory.
pub fn default_plugins_dir() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME");
    let data = if cfg!(windows) {
        set("APPDATA")
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Application Support"))
    } else {
        // A relative path is to be ignored (XDG Base Directory Specification).
        set("XDG_DATA_HOME").filter(|dir| dir.is_absolute()).or_else(|| home().map(|home| home.join(".local/share")))
    };
    data.map(|dir| dir.join("stellatune/plugins")).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, "the environment names no directory for a user's data")
            .help("name the plugins directory")
    })
}

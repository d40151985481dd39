//! The plugin store: puts packages in, takes them out, and remembers what was decided about them.
//!
//! A [`Store`] is a directory. `<root>/<id>/current` says which version of a package counts, and replacing that file is
//! the one moment at which an installation happens; docs/decisions say why. What is installed is shown by
//! [`crate::registry`]; nothing here runs a plugin.

mod layout;
mod legacy;
mod scan;
mod state;
mod switch;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

pub use scan::Origin;
pub(crate) use scan::{Content, Entry, dynamic_libraries, entries};
pub(crate) use state::PluginState;

use crate::{
    error::{Error, ErrorKind, Result},
    inspect,
    manifest::{Component, ComponentId, Manifest, PluginId, fold, shown},
    package::Artifact,
    world::{self, Verified},
};
use layout::Layout;

/// How long a run's counters wait for another process that changes the store.
const STATS_PATIENCE: Duration = Duration::from_millis(200);

/// Bytes of a run's counters: some thousand components.
const STATS_BYTES: u64 = 1024 * 1024;

/// A directory of plugins. Several processes may use the same one.
#[derive(Clone, Debug)]
pub struct Store {
    layout: Layout,
}

/// What an installation did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Installed {
    /// The package's id.
    pub id: PluginId,
    /// Its version.
    pub version: String,
    /// The version that was there before.
    pub replaced: Option<String>,
    /// The ids of its components.
    pub components: Vec<ComponentId>,
    /// What it asks the host for: `kind:what` where the manifest says, `function:*` for each host function that its
    /// components import where it does not.
    pub asked: Vec<String>,
    /// What was granted of it.
    pub granted: Vec<String>,
    /// The package's directory in the store.
    pub path: PathBuf,
}

impl Store {
    /// The store in `root`, which need not exist before something is installed.
    ///
    /// # Errors
    /// `InvalidArgument` where `root` is no directory, `Denied` where every user of the machine could change it.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        Ok(Self { layout: Layout::open(root.into())? })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// Installs a directory or a zip, or replaces the package of the same id.
    ///
    /// # Errors
    /// `RejectedPackage` or `Incompatible` with what is wrong with the package, `NotFound` where there is none, `Busy`
    /// where another process works in the store for long, `Io`. The store is as before after each of them.
    pub fn install(&self, artifact: &Path) -> Result<Installed> {
        self.install_from(artifact).map_err(|error| error.during("install"))
    }

    fn install_from(&self, path: &Path) -> Result<Installed> {
        let artifact = Artifact::open(path)?;
        let lock = self.layout.lock()?;
        let scratch = lock.scratch()?;
        let package = artifact.stage(scratch.path())?;
        let manifest = package.manifest.clone();
        let of_plugin = |error: Error| error.plugin(manifest.id.as_str());

        let verified = verify(&package.root, &manifest).map_err(of_plugin)?;
        self.refuse_other_case(&manifest.id).map_err(of_plugin)?;
        let switched = switch::install(&lock, package, path.display().to_string()).map_err(of_plugin)?;
        if switched.changed {
            state::update(&lock, manifest.id.as_str(), PluginState::forget_failures).map_err(of_plugin)?;
        }
        Ok(Installed {
            asked: inspect::asked(&manifest, verified.iter()),
            version: manifest.version,
            replaced: switched.replaced,
            components: manifest.components.into_iter().map(|component| component.id).collect(),
            granted: Vec::new(),
            path: switched.path,
            id: manifest.id,
        })
    }

    /// Takes a package out, with what was remembered about it. A broken one too, and one of an older host.
    ///
    /// # Errors
    /// `NotFound`, `Busy`, `Io`.
    pub fn uninstall(&self, id: &str) -> Result<()> {
        let id = id.trim();
        let find = || entries(&self.layout).map(|entries| entries.into_iter().filter(|entry| entry.id == id));
        let uninstall = || {
            // Asked before the lock is taken, which would create the store.
            if find()?.next().is_none() {
                let message = format!("no plugin {} is installed in {}", shown(id), self.root().display());
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            let lock = self.layout.lock()?;
            for entry in find()? {
                lock.discard(&entry.home)?;
            }
            state::forget(&lock, id)
        };
        uninstall().map_err(|error| error.plugin(id).during("uninstall"))
    }

    /// Remembers whether a plugin may be used. Enabling forgets its failures. The plugin need not be installed, since
    /// bundled ones are not; whether there is one of that id is for the caller to ask.
    ///
    /// # Errors
    /// `InvalidArgument` for an id that no plugin can have, `Busy`, `Io`.
    pub fn set_enabled(&self, id: &str, enabled: bool) -> Result<()> {
        let set = |state: &mut PluginState| state.set_enabled(enabled);
        self.remember(id, set).map_err(|error| error.during("set_enabled"))
    }

    /// Remembers why a component is not to be used until its plugin is enabled again.
    ///
    /// # Errors
    /// `InvalidArgument` for an id that no plugin can have, `Busy`, `Io`.
    pub fn set_failure(&self, id: &str, component: &str, reason: &str) -> Result<()> {
        let set = |state: &mut PluginState| state.set_failure(component, reason);
        self.remember(id, set).map_err(|error| error.during("set_failure"))
    }

    fn remember(&self, id: &str, change: impl FnOnce(&mut PluginState)) -> Result<()> {
        let id: PluginId = id.parse()?;
        state::update(&self.layout.lock()?, id.as_str(), change)
    }

    /// What is remembered about a plugin.
    pub(crate) fn state(&self, id: &str) -> PluginState {
        state::read(&self.layout, id)
    }

    /// Keeps what was counted in this run, all of it or nothing. Not worth a wait for another process.
    pub(crate) fn keep_stats(&self, json: &[u8]) -> Result<()> {
        self.layout.lock_within(STATS_PATIENCE)?.write(&self.layout.stats(), json)
    }

    /// What was counted in the last run; `None` where there was none.
    pub(crate) fn stats(&self) -> Result<Option<Vec<u8>>> {
        let path = self.layout.stats();
        match layout::read_bounded(&path, STATS_BYTES) {
            Ok(json) => Ok(Some(json)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path, error)),
        }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// `A.b` and `a.b` are one directory on some systems.
    fn refuse_other_case(&self, id: &PluginId) -> Result<()> {
        let same = |entry: &&Entry| entry.id != id.as_str() && fold(&entry.id) == fold(id.as_str());
        match entries(&self.layout)?.iter().find(same) {
            None => Ok(()),
            Some(other) => {
                let message = format!("{} differs from the installed {} by case only", shown(id.as_str()), other.id);
                Err(Error::rejected("case-collision", message))
            }
        }
    }
}

/// Compares each component with its world.
fn verify(root: &Path, manifest: &Manifest) -> Result<Vec<Verified>> {
    let verify = |component: &Component| {
        let wasm = inspect::read(&component.path.under(root))?;
        world::verify(&wasm, component.world).map_err(|error| inspect::of_component(component, error))
    };
    manifest.components.iter().map(verify).collect()
}

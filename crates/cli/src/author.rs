//! What plugin authors do: `plugin new`, `plugin pack`, `plugin check`.

mod bundle;
mod check;
mod new;
mod pack;

use std::path::{Path, PathBuf};

use stellatune_plugins::{Error, Result};
use tempfile::TempDir;

pub(crate) use check::check;
pub(crate) use new::{PluginName, new};
pub(crate) use pack::pack;

/// A directory for what a command makes on its way, gone when dropped.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// # Errors
    /// `io`: the directory for temporary files cannot be written to.
    pub(crate) fn new() -> Result<Self> {
        let made = TempDir::with_prefix("stellatune-");
        made.map(Self).map_err(|error| Error::io("write to", &std::env::temp_dir(), error))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// An empty directory to read a package into.
    ///
    /// # Errors
    /// `io`
    pub(crate) fn staging(&self) -> Result<PathBuf> {
        let path = self.0.path().join("staging");
        std::fs::create_dir(&path).map_err(|error| Error::io("make", &path, error))?;
        Ok(path)
    }

    /// The artifact at `path`: a package as it is, the sources of one packed.
    ///
    /// # Errors
    /// As [`pack()`].
    pub(crate) fn artifact(&self, path: &Path) -> Result<PathBuf> {
        if !bundle::is_source(path) {
            return Ok(path.to_owned());
        }
        let zip = self.0.path().join("package.zip");
        bundle::Bundle::collect(path)?.write(&zip)?;
        Ok(zip)
    }
}

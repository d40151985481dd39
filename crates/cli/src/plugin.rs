//! `stellatune plugin …`: the store as a user sees it.

mod listed;
mod shown;
mod stats;

use std::{fmt, path::Path};

use serde::Serialize;
use stellatune_plugins::{
    Error, ErrorKind, Installed, Result, Runtime,
    inspect::Inspected,
    registry::{Origin, Snapshot},
};

pub(crate) use listed::Listed;
pub(crate) use shown::{Shown, size};
pub(crate) use stats::Stats;

use crate::author::Scratch;

/// Installs a package, or replaces the one of the same id.
///
/// # Errors
/// As [`Runtime::install`].
pub(crate) async fn install(runtime: &Runtime, artifact: &Path) -> Result<InstallDocument> {
    Ok(runtime.install(artifact).await?.into())
}

/// Every plugin that is here.
pub(crate) fn list(runtime: &Runtime) -> Listed {
    Listed::from(&*runtime.plugins())
}

/// All about one plugin that is here, or else about the package at that path.
///
/// # Errors
/// `not_found`: neither; `rejected_package`: the artifact is no package; `io`.
pub(crate) fn show(runtime: &Runtime, plugin: &str) -> Result<Shown> {
    let plugins = runtime.plugins();
    if let Some(known) = plugins.plugin(plugin.trim()) {
        return Ok(Shown::from(known));
    }
    let path = Path::new(plugin);
    if path.symlink_metadata().is_err() {
        return Err(
            unknown(plugin).help("`stellatune plugin list` shows what is installed; a package is named by its path")
        );
    }
    let scratch = Scratch::new()?;
    let look = || Inspected::artifact(&scratch.artifact(path)?, &scratch.staging()?);
    let inspected = look().map_err(|error| error.during("show"))?;
    Ok(Shown::artifact(path.display().to_string(), &inspected))
}

/// What plugins did in the last run.
///
/// # Errors
/// `not_found` where there was none.
pub(crate) fn stats(runtime: &Runtime) -> Result<Stats> {
    Ok(Stats(runtime.last_stats()?))
}

/// Removes an installed plugin.
///
/// # Errors
/// As [`Runtime::uninstall`].
pub(crate) async fn uninstall(runtime: &Runtime, id: &str) -> Result<UninstallDocument> {
    let version = version(&runtime.plugins(), id).unwrap_or_default();
    runtime.uninstall(id).await?;
    Ok(UninstallDocument { id: id.trim().to_owned(), version, bundled_version: version_again(runtime, id) })
}

/// Lets a plugin be used, and forgets its failures.
///
/// # Errors
/// As [`Runtime::enable`].
pub(crate) async fn enable(runtime: &Runtime, id: &str) -> Result<StateDocument> {
    runtime.enable(id).await?;
    state(runtime, id)
}

/// Keeps a plugin from being used.
///
/// # Errors
/// As [`Runtime::disable`].
pub(crate) async fn disable(runtime: &Runtime, id: &str) -> Result<StateDocument> {
    runtime.disable(id).await?;
    state(runtime, id)
}

fn state(runtime: &Runtime, id: &str) -> Result<StateDocument> {
    let plugins = runtime.plugins();
    let plugin = plugins.plugin(id.trim()).ok_or_else(|| unknown(id))?;
    Ok(StateDocument {
        id: plugin.id().to_owned(),
        version: plugin.version().to_owned(),
        state: plugin.status().name(),
        last_failure: plugin.last_failure().map(str::to_owned),
    })
}

fn version(plugins: &Snapshot, id: &str) -> Option<String> {
    plugins.plugin(id.trim()).map(|plugin| plugin.version().to_owned())
}

/// The version of the bundled plugin that the removed one had hidden.
fn version_again(runtime: &Runtime, id: &str) -> Option<String> {
    let plugins = runtime.plugins();
    let bundled = plugins.plugin(id.trim()).is_some_and(|plugin| plugin.origin() == Origin::Bundled);
    if bundled { version(&plugins, id) } else { None }
}

fn unknown(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("no plugin `{}` is installed", id.trim()))
        .plugin(id.trim())
        .help("`stellatune plugin list` shows what is installed")
}

/// What `plugin install` answers.
#[derive(Debug, Serialize)]
pub(crate) struct InstallDocument {
    id: String,
    version: String,
    replaced: Option<String>,
    components: Vec<String>,
    asked: Vec<String>,
    granted: Vec<String>,
    path: String,
}

impl From<Installed> for InstallDocument {
    fn from(installed: Installed) -> Self {
        Self {
            id: installed.id.to_string(),
            version: installed.version,
            replaced: installed.replaced,
            components: installed.components.iter().map(ToString::to_string).collect(),
            asked: installed.asked,
            granted: installed.granted,
            path: installed.path.display().to_string(),
        }
    }
}

impl fmt::Display for InstallDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.replaced {
            None => writeln!(f, "installed  {} {}", self.id, self.version)?,
            Some(before) => writeln!(f, "installed  {} {}, in place of {before}", self.id, self.version)?,
        }
        writeln!(f, "components {}", self.components.join(", "))?;
        writeln!(f, "asks for   {}", if self.asked.is_empty() { "nothing".into() } else { self.asked.join(", ") })?;
        if !self.asked.is_empty() {
            let granted = if self.granted.is_empty() { "nothing".into() } else { self.granted.join(", ") };
            writeln!(f, "granted    {granted}")?;
        }
        writeln!(f, "path       {}", self.path)
    }
}

/// What `plugin uninstall` answers.
#[derive(Debug, Serialize)]
pub(crate) struct UninstallDocument {
    id: String,
    version: String,
    bundled_version: Option<String>,
}

impl fmt::Display for UninstallDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "uninstalled {} {}", self.id, self.version)?;
        match &self.bundled_version {
            None => Ok(()),
            Some(version) => writeln!(f, "the bundled {} {version} is used again", self.id),
        }
    }
}

/// What `plugin enable` and `plugin disable` answer.
#[derive(Debug, Serialize)]
pub(crate) struct StateDocument {
    id: String,
    version: String,
    state: &'static str,
    last_failure: Option<String>,
}

impl fmt::Display for StateDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} is {}", self.id, self.version, self.state)?;
        match &self.last_failure {
            None => Ok(()),
            Some(failure) => writeln!(f, "it failed last with: {failure}"),
        }
    }
}

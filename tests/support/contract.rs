//! The contract as its WIT says it, for what is made from it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use wit_parser::{PackageId, Resolve, SourceMap};

/// The folder of the contract, from the manifest of the root package or of one directly below it.
pub(crate) fn folder() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = here.ancestors().map(|root| root.join("wit").join("stellatune-plugin"));
    folders.into_iter().find(|folder| folder.is_dir()).context("no wit/stellatune-plugin")
}

/// The contract, with each file's text passed through `change`.
pub(crate) fn resolve(change: impl Fn(&Path, String) -> Result<String>) -> Result<(Resolve, PackageId)> {
    let mut sources = SourceMap::new();
    for entry in std::fs::read_dir(folder()?)? {
        let path = entry?.path();
        let text = change(&path, std::fs::read_to_string(&path)?)?;
        sources.push(&path, text);
    }
    let group = sources.parse().map_err(|(_, error)| anyhow!("{error}"))?;
    let mut resolve = Resolve::default();
    let package = resolve.push_group(group)?;
    Ok((resolve, package))
}

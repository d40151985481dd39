//! Finds the one valid manifest among staged files; its directory is the package (plugin contract 2).

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use super::{FileEntry, StagedPackage};
use crate::{
    error::{Error, Result},
    manifest::{self, Component, Manifest, PackagePath, shown},
};

/// Segments of a path at which a manifest is still looked for.
const DEPTH: usize = 8;

type Files = BTreeMap<PackagePath, FileEntry>;

/// Keeps what lies below the one valid manifest and gives each file its mode.
pub(super) fn normalise(staging: &Path, files: &Files) -> Result<StagedPackage> {
    let (dir, manifest) = find(staging, files)?;
    let entries = files.values().filter_map(|file| {
        let path = file.path.strip(&dir)?;
        Some(FileEntry { path, ..file.clone() })
    });
    let package = StagedPackage { root: staging.join(&dir).components().collect(), files: entries.collect(), manifest };
    // Packages come without modes, and what lies in `bin` is there to be started.
    for file in package.files.iter().filter(|file| file.path.as_str().starts_with("bin/")) {
        let path = file.path.under(&package.root);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&path, mode).map_err(|error| Error::io("set the mode of", &path, error))?;
    }
    Ok(package)
}

fn find(staging: &Path, files: &Files) -> Result<(String, Manifest)> {
    let mut valid = Vec::new();
    let mut invalid = Vec::new();
    let candidates = files.keys().filter(|path| path.file_name() == manifest::FILE_NAME && path.depth() <= DEPTH);
    for path in candidates {
        let dir = path.parents().last().unwrap_or("").to_owned();
        match read(staging, path, files, &dir) {
            Ok(manifest) => valid.push((dir, manifest)),
            Err(error) => invalid.push(error),
        }
    }
    match (valid.pop(), valid.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            let ids = valid.iter().chain([&last]).map(|(_, manifest)| manifest.id.as_str()).collect::<Vec<_>>();
            let message = format!("the artifact has several plugin manifests, of {}", ids.join(", "));
            Err(Error::rejected("several-manifests", message).help("install each package by itself"))
        }
        (None, _) => Err(none_valid(files, invalid)),
    }
}

/// A manifest counts only with its components beside it; what they contain is looked at later.
fn read(staging: &Path, path: &PackagePath, files: &Files, dir: &str) -> Result<Manifest> {
    let at = path.under(staging);
    if files[path].size > manifest::MAX_BYTES as u64 {
        let message = format!("{path} has {} bytes, more than {}", files[path].size, manifest::MAX_BYTES);
        return Err(Error::rejected("manifest-size", message));
    }
    let manifest = Manifest::parse(&fs::read(&at).map_err(|error| Error::io("read", &at, error))?)?;
    let inside: Vec<PackagePath> = files.keys().filter_map(|file| file.strip(dir)).collect();
    for component in &manifest.components {
        check_place(component, &inside).map_err(|error| error.plugin(manifest.id.as_str()))?;
    }
    Ok(manifest)
}

/// That the file of a component is among the package's, spelled as the manifest spells it.
fn check_place(component: &Component, files: &[PackagePath]) -> Result<()> {
    if files.contains(&component.path) {
        return Ok(());
    }
    let (id, path) = (shown(component.id.as_str()), shown(component.path.as_str()));
    let prefix = format!("{}/", component.path);
    if files.iter().any(|file| file.as_str().starts_with(&prefix)) {
        let message = format!("the path {path} of component {id} is a directory");
        return Err(Error::rejected("component-directory", message));
    }
    Err(Error::rejected("missing-file", format!("the file {path} of component {id} is not in the package")))
}

fn none_valid(files: &Files, mut invalid: Vec<Error>) -> Error {
    let reasons = invalid.iter().take(3).map(|error| error.message().to_owned()).collect::<Vec<_>>().join("; ");
    if let Some(found) = files.keys().find(|path| dynamic_library(path.file_name())) {
        let also = if reasons.is_empty() { "no plugin.json".into() } else { format!("no valid one ({reasons})") };
        let message = format!("the artifact is a dynamic-library plugin: it has {} and {also}", shown(found.as_str()));
        return Error::rejected("dynamic-library", message)
            .help("plugins are WebAssembly components now; docs/migration.md says how to port one");
    }
    match invalid.len() {
        0 => Error::rejected("no-manifest", "the artifact has no plugin.json in its first 8 levels"),
        1 => invalid.remove(0),
        count => {
            Error::rejected("no-manifest", format!("none of the artifact's {count} manifests is valid: {reasons}"))
        }
    }
}

/// Whether a file of this name belongs to a plugin of the old dynamic-library kind.
pub(crate) fn dynamic_library(name: &str) -> bool {
    let ext = name.rsplit_once('.').map_or("", |(_, ext)| ext);
    let library = ["so", "dll", "dylib"].iter().any(|known| ext.eq_ignore_ascii_case(known));
    library || name == "plugin.toml" || name.contains(".so.")
}

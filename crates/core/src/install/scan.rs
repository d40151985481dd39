//! What lies in a store: packages with their receipts, and those an older host installed. Reads, never changes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    layout::{self, Layout},
    legacy,
};
use crate::{
    error::{Error, Result},
    manifest::{Manifest, PluginId},
    package::{self, ContentHash, FileEntry},
    receipt::{self, Receipt},
};

/// How often a version that cannot be read is looked for again; each time it was replaced while it was read, or is damaged.
const READ_AGAIN: usize = 3;

/// Where a plugin comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// Embedded in the application; cannot be uninstalled.
    Bundled,
    /// In the store, with a receipt.
    Installed,
    /// In the store, installed by an older host; its files are not known by hash.
    Legacy,
}

impl Origin {
    /// The origin in lower case, for documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bundled => "bundled",
            Self::Installed => "installed",
            Self::Legacy => "legacy",
        }
    }
}

/// Something that is installed, or was meant to be.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) origin: Origin,
    /// What goes away with the plugin.
    pub(crate) home: PathBuf,
    /// Where the package's files lie.
    pub(crate) path: PathBuf,
    /// What it holds, or why that cannot be said.
    pub(crate) content: Result<Content, String>,
    /// Whether an older host wanted to delete it.
    pub(crate) pending_uninstall: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) manifest: Manifest,
    /// `None` for packages of an older host.
    pub(crate) files: Option<Vec<FileEntry>>,
    /// Of the package; of the manifest for packages of an older host.
    pub(crate) hash: ContentHash,
}

/// Everything in the store, by id; for one id the package with a receipt before those without.
pub(crate) fn entries(layout: &Layout) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let names = match fs::read_dir(layout.root()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(entries),
        result => result.map_err(|error| Error::io("read", layout.root(), error))?,
    };
    for name in names {
        let name = name.map_err(|error| Error::io("read", layout.root(), error))?;
        let is_dir = name.file_type().is_ok_and(|kind| kind.is_dir());
        let Some(id) = name.file_name().to_str().filter(|id| is_dir && !id.starts_with('.')).map(str::to_owned) else {
            continue;
        };
        match current(layout, &id) {
            Ok(None) => legacy::walk(&name.path(), &mut entries),
            Ok(Some(short)) => entries.extend(settled(layout, &id, short)),
            // A package of an older host may have a file of that name.
            Err(_) if legacy::is_root(&name.path()) => legacy::walk(&name.path(), &mut entries),
            Err(why) => entries.push(Entry {
                origin: Origin::Installed,
                home: name.path(),
                path: name.path(),
                content: Err(why),
                pending_uninstall: false,
                id,
            }),
        }
    }
    entries.sort_by(|a, b| {
        (&a.id, a.origin == Origin::Legacy, &a.path).cmp(&(&b.id, b.origin == Origin::Legacy, &b.path))
    });
    Ok(entries)
}

/// The version that counts, where another process or thread may replace it meanwhile: what is removed while it is read is no
/// damaged package, but one whose successor is to be read. `None` if it was uninstalled.
fn settled(layout: &Layout, id: &str, mut short: String) -> Option<Entry> {
    for _ in 0..READ_AGAIN {
        let entry = installed(layout, id, &short);
        if entry.content.is_ok() {
            return Some(entry);
        }
        match current(layout, id) {
            Ok(Some(now)) => short = now,
            Ok(None) => return None,
            Err(_) => return Some(entry),
        }
    }
    Some(installed(layout, id, &short))
}

/// Directories that hold a plugin of the old dynamic-library kind, each with the file that gives it away.
pub(crate) fn dynamic_libraries(layout: &Layout) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for dir in fs::read_dir(layout.root()).into_iter().flatten().flatten() {
        let path = dir.path();
        let foreign = dir.file_type().is_ok_and(|kind| kind.is_dir()) && !path.join("current").exists();
        if !foreign || legacy::is_root(&path) || dir.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let names = fs::read_dir(&path).into_iter().flatten().flatten();
        let names = names.map(|file| file.file_name().to_string_lossy().into_owned());
        if let Some(name) = names.filter(|name| package::dynamic_library(name)).min() {
            found.push((path, name));
        }
    }
    found.sort();
    found
}

/// The directory name of the version that counts, if there is one.
pub(super) fn current(layout: &Layout, id: &str) -> Result<Option<String>, String> {
    let path = layout.current(id);
    match layout::read_bounded(&path, 64) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
        Ok(bytes) => {
            let text = String::from_utf8(bytes).unwrap_or_default();
            let short = text.strip_suffix('\n').unwrap_or(&text);
            let digits = short.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if short.len() == 16 && digits {
                Ok(Some(short.to_owned()))
            } else {
                Err(format!("{} does not name a version", path.display()))
            }
        }
    }
}

fn installed(layout: &Layout, id: &str, short: &str) -> Entry {
    Entry {
        id: id.to_owned(),
        origin: Origin::Installed,
        home: layout.plugin(id),
        path: layout.version(id, short),
        content: read(layout, id, short),
        pending_uninstall: false,
    }
}

fn read(layout: &Layout, id: &str, short: &str) -> Result<Content, String> {
    let path = layout.receipt(id, short);
    let json = layout::read_bounded(&path, receipt::MAX_BYTES)
        .map_err(|error| format!("its receipt {} cannot be read: {error}", path.display()))?;
    let receipt = Receipt::parse(&json).map_err(|why| format!("its receipt {} {why}", path.display()))?;
    if PluginId::check(id).as_ref() != Ok(&receipt.manifest.id) || receipt.package_hash.short() != short {
        return Err(format!("its receipt {} is that of another package", path.display()));
    }
    if !is_directory(&layout.version(id, short)) {
        return Err(format!("its directory {} is missing", layout.version(id, short).display()));
    }
    Ok(Content { manifest: receipt.manifest, files: Some(receipt.files), hash: receipt.package_hash })
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

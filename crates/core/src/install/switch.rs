//! Moves a staged package into the store and makes it the current version, or leaves everything as it was.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    layout::{self, Lock},
    legacy,
    scan::{self, Entry, Origin},
};
use crate::{
    error::{Error, ErrorKind, Result},
    package::{ContentHash, FileEntry, StagedPackage},
    receipt::Receipt,
};

pub(super) struct Switched {
    /// The package's directory.
    pub(super) path: PathBuf,
    /// The version that was there before.
    pub(super) replaced: Option<String>,
    /// Whether the content differs from what was there before.
    pub(super) changed: bool,
}

pub(super) fn install(lock: &Lock<'_>, package: StagedPackage, origin: String) -> Result<Switched> {
    let StagedPackage { root, manifest, files } = package;
    let id = manifest.id.to_string();
    let before: Vec<Entry> = scan::entries(lock.layout)?.into_iter().filter(|entry| entry.id == id).collect();
    let previous = before.first().and_then(|entry| entry.content.as_ref().ok());
    let replaced = before.first().map(|entry| match &entry.content {
        Ok(content) => content.manifest.version.clone(),
        Err(_) => "unknown".to_owned(),
    });

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let receipt = Receipt::new(manifest, files, u64::try_from(now).unwrap_or(u64::MAX), origin);
    let short = receipt.package_hash.short();
    let changed = previous.is_none_or(|content| content.hash != receipt.package_hash);
    let path = lock.layout.version(&id, &short);

    sync_files(&root, &receipt.files)?;
    let fresh = !lock.layout.plugin(&id).exists();
    let placed = place(lock, &id, &root, &path, &receipt).and_then(|()| {
        lock.write(&lock.layout.current(&id), format!("{short}\n").as_bytes())?;
        layout::sync(lock.layout.root())
    });
    if let Err(error) = placed {
        // The version that was current before may be this one, damaged or not; then it stays as it is.
        if current(lock, &id).as_deref() != Some(short.as_str()) {
            let _ = lock.discard(&path);
            let _ = lock.discard(&lock.layout.receipt(&id, &short));
        }
        if fresh {
            let _ = lock.discard(&lock.layout.plugin(&id));
        }
        return Err(error);
    }
    clear(lock, &id, &short, &before);
    Ok(Switched { path, replaced, changed })
}

/// Puts files and receipt where `current` will point to.
fn place(lock: &Lock<'_>, id: &str, root: &Path, path: &Path, receipt: &Receipt) -> Result<()> {
    let (plugin, versions) = (lock.layout.plugin(id), lock.layout.versions(id));
    // A link would lead out of the store.
    if fs::symlink_metadata(&plugin).is_ok_and(|metadata| !metadata.is_dir()) {
        return Err(Error::new(ErrorKind::Io, format!("{} is in the way: it is not a directory", plugin.display())));
    }
    fs::create_dir_all(&versions).map_err(|error| Error::io("create", &versions, error))?;
    if !intact(path, &receipt.files) {
        lock.discard(path)?;
        fs::rename(root, path).map_err(|error| Error::io("create", path, error))?;
        layout::sync(&versions)?;
    }
    lock.write(&lock.layout.receipt(id, &receipt.package_hash.short()), &receipt.to_json())?;
    layout::sync(&plugin)
}

/// Whether a directory holds these files and their bytes.
fn intact(path: &Path, files: &[FileEntry]) -> bool {
    files.iter().all(|file| {
        layout::read_bounded(&file.path.under(path), file.size)
            .is_ok_and(|bytes| ContentHash::of(&bytes) == file.blake3)
    })
}

fn sync_files(root: &Path, files: &[FileEntry]) -> Result<()> {
    let mut dirs = BTreeSet::from([root.to_owned()]);
    for file in files {
        layout::sync(&file.path.under(root))?;
        dirs.extend(file.path.parents().map(|dir| root.join(dir)));
    }
    dirs.iter().try_for_each(|dir| layout::sync(dir))
}

fn current(lock: &Lock<'_>, id: &str) -> Option<String> {
    scan::current(lock.layout, id).ok().flatten()
}

/// Removes what the new version replaces. It is installed by now, so a failure is only worth a line in the log.
fn clear(lock: &Lock<'_>, id: &str, short: &str, before: &[Entry]) {
    let plugin = lock.layout.plugin(id);
    let keep = [short.to_owned(), format!("{short}.json")];
    let mut obsolete = others(&lock.layout.versions(id), &keep);
    if legacy::is_root(&plugin) {
        obsolete.extend(others(&plugin, &["versions".to_owned(), "current".to_owned()]));
    }
    let elsewhere = before.iter().filter(|entry| entry.origin == Origin::Legacy && entry.home != plugin);
    obsolete.extend(elsewhere.map(|entry| entry.home.clone()));
    for path in obsolete {
        if let Err(error) = lock.discard(&path) {
            tracing::warn!(plugin = id, "an old version stays behind: {error}");
        }
    }
}

fn others(dir: &Path, keep: &[String]) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let other = |name: &std::ffi::OsStr| !keep.iter().any(|keep| name == keep.as_str());
    entries.filter(|entry| other(&entry.file_name())).map(|entry| entry.path()).collect()
}

//! Packages that an older host installed: a directory with `.install.json` in it (plugin contract 2).

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    layout::read_bounded,
    scan::{Content, Entry, Origin},
};
use crate::{
    manifest::{self, Manifest, PackagePath},
    package::{ContentHash, LEGACY_MARKER, LEGACY_RECEIPT},
};

/// Directories below the store in which a package is still looked for.
const DEPTH: usize = 3;

/// Directories looked at; a store with more is not one of an older host.
const DIRECTORIES: usize = 20_000;

#[derive(Deserialize)]
struct OldReceipt {
    manifest: serde_json::Value,
    manifest_rel_path: String,
}

/// Adds the packages in `dir` and below it. Links are not followed.
pub(super) fn walk(dir: &Path, entries: &mut Vec<Entry>) {
    let mut left = DIRECTORIES;
    let mut open = vec![(dir.to_owned(), DEPTH)];
    while let Some((dir, depth)) = open.pop() {
        if is_root(&dir) {
            entries.push(entry(dir));
            continue;
        }
        let below = fs::read_dir(&dir).into_iter().flatten().flatten();
        let below = below.filter(|entry| depth > 1 && entry.file_type().is_ok_and(|kind| kind.is_dir()));
        for entry in below {
            left = left.saturating_sub(1);
            if left > 0 {
                open.push((entry.path(), depth - 1));
            }
        }
    }
}

/// Whether an older host installed a package in this directory, or began to delete it.
pub(super) fn is_root(dir: &Path) -> bool {
    [LEGACY_RECEIPT, LEGACY_MARKER].iter().any(|name| dir.join(name).is_file())
}

fn entry(dir: PathBuf) -> Entry {
    let pending_uninstall = dir.join(LEGACY_MARKER).is_file();
    let content = read(&dir, pending_uninstall);
    let id = match &content {
        Ok(content) => content.manifest.id.to_string(),
        Err(_) => dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    Entry { id, origin: Origin::Legacy, home: dir.clone(), path: dir, content, pending_uninstall }
}

/// The manifest counts, not the receipt's copy of it; only for a package about to go is that enough.
fn read(dir: &Path, pending: bool) -> Result<Content, String> {
    let unreadable = |path: &Path, why: &dyn std::fmt::Display| format!("{} cannot be read: {why}", path.display());
    let path = dir.join(LEGACY_RECEIPT);
    let receipt = read_bounded(&path, 4 * manifest::MAX_BYTES as u64).map_err(|error| unreadable(&path, &error))?;
    let receipt: OldReceipt = serde_json::from_slice(&receipt).map_err(|error| unreadable(&path, &error))?;
    let place = PackagePath::check(&receipt.manifest_rel_path).map_err(|fault| unreadable(&path, &fault.why))?;

    let path = place.under(dir);
    let json = match read_bounded(&path, manifest::MAX_BYTES as u64) {
        Err(_) if pending => receipt.manifest.to_string().into_bytes(),
        result => result.map_err(|error| unreadable(&path, &error))?,
    };
    let manifest = Manifest::parse(&json).map_err(|error| unreadable(&path, &error))?;
    Ok(Content { manifest, files: None, hash: ContentHash::of(&json) })
}

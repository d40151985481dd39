//! The one way of a file into staging, whatever it comes from: its name is checked, its bytes are counted and hashed.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{ContentHash, ENTRIES, FILE_BYTES, FileEntry, LEGACY_MARKER, LEGACY_RECEIPT, TOTAL_BYTES};
use crate::{
    error::{Error, Result},
    manifest::{PackagePath, fold, shown},
};

pub(super) struct Intake {
    staging: PathBuf,
    /// By folded path, so that names which some systems take for the same meet here.
    names: BTreeMap<String, Name>,
    files: BTreeMap<PackagePath, FileEntry>,
    entries: usize,
    total: u64,
}

struct Name {
    spelling: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    /// A directory with an entry of its own.
    Directory,
    /// A directory that is only known from what lies in it.
    Implied,
}

impl Intake {
    pub(super) fn new(staging: &Path) -> Self {
        Self { staging: staging.to_owned(), names: BTreeMap::new(), files: BTreeMap::new(), entries: 0, total: 0 }
    }

    /// Takes note of a directory; an empty one is not part of a package.
    pub(super) fn directory(&mut self, name: &str) -> Result<()> {
        self.claim(name, Kind::Directory).map(drop)
    }

    /// Takes note of a file to be written.
    pub(super) fn file(&mut self, name: &str) -> Result<PackagePath> {
        self.claim(name, Kind::File)
    }

    /// Writes a file that was taken note of. `next` fills a buffer and says how much, 0 at the end.
    pub(super) fn write(&mut self, path: PackagePath, mut next: impl FnMut(&mut [u8]) -> Result<usize>) -> Result<()> {
        if matches!(path.file_name(), LEGACY_RECEIPT | LEGACY_MARKER) {
            return Ok(());
        }
        let target = path.under(&self.staging);
        let io = |error| Error::io("write", &target, error);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(io)?;
        }
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&target).map_err(io)?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut size = 0u64;
        loop {
            let count = next(&mut buffer)?;
            if count == 0 {
                break;
            }
            size += count as u64;
            self.total += count as u64;
            if size > FILE_BYTES {
                return Err(refuse("file-size", path.as_str(), "has more than 128 MiB"));
            }
            if self.total > TOTAL_BYTES {
                return Err(refuse("total-size", path.as_str(), "brings the package over 512 MiB"));
            }
            hasher.update(&buffer[..count]);
            out.write_all(&buffer[..count]).map_err(io)?;
        }
        out.set_permissions(fs::Permissions::from_mode(0o644)).map_err(io)?;
        let entry = FileEntry { path: path.clone(), size, blake3: ContentHash::finish(&hasher) };
        self.files.insert(path, entry);
        Ok(())
    }

    pub(super) fn into_files(self) -> BTreeMap<PackagePath, FileEntry> {
        self.files
    }

    fn claim(&mut self, name: &str, kind: Kind) -> Result<PackagePath> {
        self.entries += 1;
        if self.entries > ENTRIES {
            return Err(Error::rejected("entry-count", format!("the artifact has more than {ENTRIES} entries")));
        }
        let path = PackagePath::check(name).map_err(|fault| refuse(fault.rule, name, fault.why))?;
        for parent in path.parents() {
            self.claim_one(parent, Kind::Implied)?;
        }
        self.claim_one(path.as_str(), kind)?;
        Ok(path)
    }

    fn claim_one(&mut self, path: &str, kind: Kind) -> Result<()> {
        let mut known = match self.names.entry(fold(path)) {
            Entry::Vacant(place) => {
                place.insert(Name { spelling: path.to_owned(), kind });
                return Ok(());
            }
            Entry::Occupied(known) => known,
        };
        let known = known.get_mut();
        if known.spelling != path {
            let why = format!("differs from {} by case only", shown(&known.spelling));
            return Err(refuse("case-collision", path, &why));
        }
        match (known.kind, kind) {
            (Kind::File, Kind::File) | (Kind::Directory, Kind::Directory) => {
                Err(refuse("duplicate-name", path, "is there twice"))
            }
            (Kind::File, _) | (_, Kind::File) => {
                Err(refuse("file-and-directory", path, "is both a file and a directory"))
            }
            (Kind::Implied, Kind::Directory) => {
                known.kind = Kind::Directory;
                Ok(())
            }
            (_, Kind::Implied) => Ok(()),
        }
    }
}

/// The rejection of an entry.
pub(super) fn refuse(rule: &'static str, entry: &str, why: &str) -> Error {
    Error::rejected(rule, format!("entry {} {why}", shown(entry)))
}

//! Reads a directory or a zip into a private staging directory, refusing whatever could reach outside or mislead.
//!
//! [`Artifact::open`] looks at what was given, [`Artifact::stage`] copies it and yields a [`StagedPackage`]: one valid
//! manifest, its directory as the root, every file with its hash. Nothing here touches a plugin store, and what a
//! component's types are is `world`'s business. What may be inside is in docs/wasm-plugin-manifest.md.

mod dir;
mod hash;
mod intake;
mod root;
mod zip;

use std::{
    fs::{File, OpenOptions},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    manifest::{Manifest, PackagePath},
};

pub use hash::ContentHash;
pub(crate) use root::dynamic_library;

/// Bytes of an artifact that is a file.
pub const ARTIFACT_BYTES: u64 = 256 * 1024 * 1024;
/// Entries of an artifact, files and directories.
pub const ENTRIES: usize = 4_096;
/// Bytes of one file.
pub const FILE_BYTES: u64 = 128 * 1024 * 1024;
/// Bytes of all files together.
pub const TOTAL_BYTES: u64 = 512 * 1024 * 1024;

/// Files of a store that a package may carry from an earlier installation; they are left out.
pub(crate) const LEGACY_RECEIPT: &str = ".install.json";
pub(crate) const LEGACY_MARKER: &str = ".uninstall-pending";

/// Something that may hold a package, open but not yet read.
#[derive(Debug)]
pub struct Artifact {
    path: PathBuf,
    file: File,
    kind: ArtifactKind,
}

/// The two forms in which packages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArtifactKind {
    /// A directory, copied without following links.
    Directory,
    /// A zip with stored and deflated entries.
    Zip,
}

impl Artifact {
    /// Opens a directory, or a file whose name ends in `.zip`.
    ///
    /// # Errors
    /// `NotFound` where there is nothing, a rejection for anything else, `Io` where the system refuses.
    pub fn open(path: &Path) -> Result<Self> {
        // A FIFO or a device must not make this wait.
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                Error::new(ErrorKind::NotFound, format!("there is no artifact at {}", path.display()))
            } else {
                Error::io("open", path, error)
            }
        })?;
        let metadata = file.metadata().map_err(|error| Error::io("look at", path, error))?;
        let is_zip = path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("zip"));
        let kind = if metadata.is_dir() {
            ArtifactKind::Directory
        } else if metadata.is_file() && is_zip {
            ArtifactKind::Zip
        } else {
            let message = format!("{} is neither a directory nor a .zip file", path.display());
            return Err(Error::rejected("artifact-type", message));
        };
        if kind == ArtifactKind::Zip && metadata.len() > ARTIFACT_BYTES {
            let message = format!("{} has {} bytes, more than {ARTIFACT_BYTES}", path.display(), metadata.len());
            return Err(Error::rejected("artifact-size", message));
        }
        Ok(Self { path: path.to_owned(), file, kind })
    }

    /// Which of the two forms it has.
    pub fn kind(&self) -> ArtifactKind {
        self.kind
    }

    /// Copies the package into `staging`, an empty directory that nobody else uses. Whoever made it removes it.
    ///
    /// # Errors
    /// A rejection that names the entry or field and the rule; `Io` where the system refuses.
    pub fn stage(self, staging: &Path) -> Result<StagedPackage> {
        let mut intake = intake::Intake::new(staging);
        match self.kind {
            ArtifactKind::Directory => dir::read(self.file.as_fd(), &self.path, &mut intake)?,
            ArtifactKind::Zip => zip::read(self.file, &self.path, &mut intake)?,
        }
        root::normalise(staging, &intake.into_files())
    }
}

/// A package whose files and manifest were checked, in a staging directory. What its components hold was not looked at.
#[derive(Debug)]
#[non_exhaustive]
pub struct StagedPackage {
    /// The manifest's directory, below the staging directory.
    pub root: PathBuf,
    /// What the package says about itself.
    pub manifest: Manifest,
    /// Every file of the package, sorted by path.
    pub files: Vec<FileEntry>,
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Where it lies, from the package's root.
    pub path: PackagePath,
    /// Its length in bytes.
    pub size: u64,
    /// Of its content.
    pub blake3: ContentHash,
}

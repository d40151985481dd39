//! Where things lie in a store, and the few ways in which they are changed: under a lock, by rename, synced first.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::error::{Error, ErrorKind, Result};

/// How long to wait for another process: the largest package takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn open(root: PathBuf) -> Result<Self> {
        match fs::metadata(&root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("look at", &root, error)),
            Ok(metadata) if !metadata.is_dir() => {
                let message = format!("the plugins directory {} is not a directory", root.display());
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
            Ok(metadata) if metadata.permissions().mode() & 0o002 != 0 => {
                let message = format!("every user may change the plugins directory {}", root.display());
                return Err(Error::new(ErrorKind::Denied, message).help("take that right away, as with `chmod o-w`"));
            }
            Ok(_) => {}
        }
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn plugin(&self, id: &str) -> PathBuf {
        self.root.join(id)
    }

    pub(super) fn versions(&self, id: &str) -> PathBuf {
        self.plugin(id).join("versions")
    }

    pub(super) fn version(&self, id: &str, short: &str) -> PathBuf {
        self.versions(id).join(short)
    }

    pub(super) fn receipt(&self, id: &str, short: &str) -> PathBuf {
        self.versions(id).join(format!("{short}.json"))
    }

    pub(super) fn current(&self, id: &str) -> PathBuf {
        self.plugin(id).join("current")
    }

    pub(super) fn state(&self, id: &str) -> PathBuf {
        self.private("state").join(format!("{id}.json"))
    }

    /// What was counted in the last run.
    pub(super) fn stats(&self) -> PathBuf {
        self.private("stats.json")
    }

    fn private(&self, name: &str) -> PathBuf {
        self.root.join(".stellatune").join(name)
    }

    /// Waits until nobody else changes the store, and clears what an interrupted change left behind.
    pub(super) fn lock(&self) -> Result<Lock<'_>> {
        self.lock_within(PATIENCE)
    }

    /// As [`lock`](Self::lock), for what is not worth that long a wait.
    pub(super) fn lock_within(&self, patience: Duration) -> Result<Lock<'_>> {
        fs::create_dir_all(&self.root).map_err(|error| Error::io("create", &self.root, error))?;
        for name in ["", "staging", "trash", "state"] {
            make_private(&self.private(name))?;
        }
        let path = self.private("lock");
        let io = |error| Error::io("lock", &path, error);
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(io)?;
        let deadline = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(fs::TryLockError::WouldBlock) => {
                    let message = format!("another process works in {}", self.root.display());
                    return Err(Error::new(ErrorKind::Busy, message));
                }
                Err(fs::TryLockError::Error(error)) => return Err(io(error)),
            }
        }
        for name in ["staging", "trash"] {
            let dir = self.private(name);
            for entry in fs::read_dir(&dir).map_err(|error| Error::io("read", &dir, error))?.flatten() {
                remove(&entry.path());
            }
        }
        Ok(Lock { layout: self, _file: file })
    }
}

/// The right to change the store, until it is dropped or the process ends.
pub(super) struct Lock<'a> {
    pub(super) layout: &'a Layout,
    _file: File,
}

impl Lock<'_> {
    /// A new, empty directory on the store's file system.
    pub(super) fn scratch(&self) -> Result<Scratch> {
        let path = self.layout.private("staging").join(unique()?);
        make_private(&path)?;
        Ok(Scratch(path))
    }

    /// Replaces a file, all of it or nothing.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let scratch = self.scratch()?;
        let temporary = scratch.path().join("file");
        let io = |error| Error::io("write", path, error);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary).map_err(io)?;
        file.write_all(bytes).map_err(io)?;
        file.sync_all().map_err(io)?;
        fs::rename(&temporary, path).map_err(io)?;
        path.parent().map_or(Ok(()), sync)
    }

    /// Takes a file or directory out of the store at once; deleting it may take longer or fail.
    pub(super) fn discard(&self, path: &Path) -> Result<()> {
        let trash = self.layout.private("trash").join(unique()?);
        match fs::rename(path, &trash) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result.map_err(|error| Error::io("remove", path, error))?,
        }
        path.parent().map_or(Ok(()), sync)?;
        remove(&trash);
        Ok(())
    }
}

/// A directory that is gone with its last user.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Makes names in a directory, or bytes of a file, outlast a loss of power.
pub(super) fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| Error::io("sync", path, error))
}

/// Reads a file that is not longer than `limit`.
pub(super) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let count = File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if count as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

fn make_private(path: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result.map_err(|error| Error::io("create", path, error)),
    }
}

fn remove(path: &Path) {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("cannot remove {} for now: {error}", path.display());
        }
        _ => {}
    }
}

fn unique() -> Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new(ErrorKind::Io, format!("the system gives no random bytes: {error}")))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

//! Reads a directory without following links: each entry is opened below its parent's descriptor, so that nothing
//! swapped in meanwhile is followed either.

use std::{
    ffi::CString,
    fs::File,
    io::Read,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};

use super::{
    ENTRIES,
    intake::{Intake, refuse},
};
use crate::error::{Error, Result};

pub(super) fn read(root: BorrowedFd<'_>, at: &Path, intake: &mut Intake) -> Result<()> {
    Reader { at, intake }.directory(root, "")
}

struct Reader<'a> {
    /// The artifact, for messages.
    at: &'a Path,
    intake: &'a mut Intake,
}

impl Reader<'_> {
    /// Depth is bounded by the names: a path of too many segments is refused.
    fn directory(&mut self, dir: BorrowedFd<'_>, prefix: &str) -> Result<()> {
        for name in self.names(dir, prefix)? {
            let Ok(text) = name.to_str() else {
                return Err(refuse("charset", &name.to_string_lossy(), "is not UTF-8"));
            };
            let path = if prefix.is_empty() { text.to_owned() } else { format!("{prefix}/{text}") };
            // Looked at before it is opened, since opening a device may do something.
            let stat = statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| self.io(&path, error))?;
            check_type(FileType::from_raw_mode(stat.st_mode), &path)?;
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let fd = openat(dir, &name, flags, Mode::empty()).map_err(|error| self.io(&path, error))?;
            let stat = fstat(&fd).map_err(|error| self.io(&path, error))?;
            match check_type(FileType::from_raw_mode(stat.st_mode), &path)? {
                FileType::Directory => {
                    self.intake.directory(&path)?;
                    self.directory(fd.as_fd(), &path)?;
                }
                _ => self.file(fd, &path)?,
            }
        }
        Ok(())
    }

    fn file(&mut self, fd: OwnedFd, path: &str) -> Result<()> {
        let at = self.at.join(path);
        let mut file = File::from(fd);
        let target = self.intake.file(path)?;
        self.intake.write(target, |buffer| {
            loop {
                match file.read(buffer) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    result => return result.map_err(|error| Error::io("read", &at, error)),
                }
            }
        })
    }

    /// The names in a directory, sorted so that the same directory always gives the same first error.
    fn names(&self, dir: BorrowedFd<'_>, path: &str) -> Result<Vec<CString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(dir).map_err(|error| self.io(path, error))? {
            let entry = entry.map_err(|error| self.io(path, error))?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
            if names.len() > ENTRIES {
                return Err(Error::rejected("entry-count", format!("the artifact has more than {ENTRIES} entries")));
            }
        }
        names.sort();
        Ok(names)
    }

    fn io(&self, path: &str, error: rustix::io::Errno) -> Error {
        Error::io("read", &self.at.join(path), error.into())
    }
}

fn check_type(kind: FileType, path: &str) -> Result<FileType> {
    match kind {
        FileType::RegularFile | FileType::Directory => Ok(kind),
        FileType::Symlink => Err(refuse("file-type", path, "is a symbolic link")),
        _ => Err(refuse("file-type", path, "is neither a file nor a directory")),
    }
}

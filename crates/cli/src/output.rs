//! A file that appears under its name when it is whole, and not before.
//!
//! It is written beside its place, under a name of its own, and renamed at the end. Dropping it at any earlier point
//! removes it and leaves what was there untouched.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use stellatune_plugins::{Error, ErrorKind, Result};
use tempfile::{Builder, NamedTempFile};

/// A file being written for a place it does not have yet.
pub(crate) struct Output {
    file: NamedTempFile,
    place: PathBuf,
}

impl Output {
    /// Begins a file that will lie at `path`.
    ///
    /// # Errors
    /// `invalid_argument` when `path` is `input`, or something other than a file; `io` when its directory cannot be
    /// written to.
    pub(crate) fn create(path: &Path, input: &Path) -> Result<Self> {
        let place = place(path)?;
        if fs::canonicalize(input).is_ok_and(|input| input == place) {
            return Err(invalid(format!("the output {} is the input itself", path.display()))
                .help("choose another name for the output; the input is never overwritten"));
        }
        let directory = directory_of(&place);
        let file = Builder::new()
            .prefix(".stellatune-")
            .suffix(".part")
            // As any file the user makes, where the library would close it to others; its errors name what nobody chose.
            .make_in(directory, |part| File::options().write(true).create_new(true).open(part))
            .map_err(|error| unwritable(path, error))?;
        Ok(Self { file, place })
    }

    /// The file, to write to.
    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the file its length and its name, in place of what had it. Once this is done the file is on disk.
    ///
    /// # Errors
    /// `io`: the name keeps what it had.
    pub(crate) fn commit(self, length: u64) -> Result<()> {
        let Self { file, place } = self;
        let written = file.as_file().set_len(length).and_then(|()| file.as_file().sync_all());
        written.map_err(|error| unwritable(&place, error))?;
        file.persist(&place).map_err(|error| unwritable(&place, error.error))?;
        Ok(())
    }
}

/// An error of the operating system while writing to `path`.
pub(crate) fn unwritable(path: &Path, error: io::Error) -> Error {
    let help = match error.kind() {
        io::ErrorKind::NotFound => Some("create the directory first, or choose another place for the output"),
        io::ErrorKind::NotADirectory => Some("a part of the path is a file; choose another place for the output"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some("choose a directory for the output that you may write to")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Some("make room or choose another disk for the output; nothing was left behind")
        }
        _ => None,
    };
    let error = Error::io("write", path, error);
    match help {
        Some(help) => error.help(help),
        None => error,
    }
}

/// Where `path` leads: through links, so that a link stays one.
fn place(path: &Path) -> Result<PathBuf> {
    if path.file_name().is_none() {
        return Err(not_a_file(path));
    }
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(not_a_file(path)),
        Ok(_) => fs::canonicalize(path).map_err(|error| unwritable(path, error)),
        // Not there yet, or out of reach, of which the file's creation tells.
        Err(_) => Ok(path.to_owned()),
    }
}

/// The directory a file lies in, where a bare name lies in the current one.
fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn not_a_file(path: &Path) -> Error {
    invalid(format!("the output {} is not a file", path.display())).help("name a file for the output")
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("the directory is there");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn write(output: &Output, bytes: &[u8]) {
        output.file().write_all(bytes).expect("there is room");
    }

    #[test]
    fn a_commit_replaces_and_cuts_what_is_behind_the_end() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("out.wav");
        fs::write(&path, "old").expect("writable");
        let output = Output::create(&path, Path::new("input")).expect("writable");
        write(&output, b"new and more");
        assert_eq!(fs::read(&path).expect("still there"), b"old");
        output.commit(3).expect("writable");
        assert_eq!(fs::read(&path).expect("there"), b"new");
        assert_eq!(names(directory.path()), ["out.wav"]);
    }

    #[test]
    fn a_drop_leaves_things_as_they_were() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let output = Output::create(&directory.path().join("out.wav"), Path::new("input")).expect("writable");
        write(&output, b"half");
        assert_eq!(names(directory.path()).len(), 1);
        drop(output);
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn what_cannot_be_an_output_is_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let input = directory.path().join("in.wav");
        fs::write(&input, "input").expect("writable");
        let kind = |path: &Path| Output::create(path, &input).err().map(|error| error.kind());
        assert_eq!(kind(&input), Some(ErrorKind::InvalidArgument));
        assert_eq!(kind(&directory.path().join("./in.wav")), Some(ErrorKind::InvalidArgument));
        assert_eq!(kind(directory.path()), Some(ErrorKind::InvalidArgument));
        assert_eq!(kind(&directory.path().join("none/out.wav")), Some(ErrorKind::Io));
        assert_eq!(kind(&input.join("out.wav")), Some(ErrorKind::Io));
        assert_eq!(names(directory.path()), ["in.wav"]);
        let error = Output::create(&directory.path().join("none/out.wav"), &input).err().expect("refused");
        assert!(!error.message().contains(".part"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_devices_are_left_alone() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (real, link) = (directory.path().join("real.wav"), directory.path().join("link.wav"));
        fs::write(&real, "old").expect("writable");
        std::os::unix::fs::symlink(&real, &link).expect("links work");
        let output = Output::create(&link, Path::new("input")).expect("writable");
        write(&output, b"new");
        output.commit(3).expect("writable");
        assert_eq!(fs::read_link(&link).expect("still a link"), real);
        assert_eq!(fs::read(&real).expect("there"), b"new");
        assert_eq!(
            Output::create(Path::new("/dev/null"), Path::new("input")).err().map(|error| error.kind()),
            Some(ErrorKind::InvalidArgument)
        );
    }
}

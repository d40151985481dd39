//! Streams a caller hands into a decoder: [`Input`] names one, and opens it again for each decoder that is tried.
//!
//! A regular file and bytes in memory are read where the guest's call runs. Whatever may block for ever (a pipe, a
//! socket, a reader of the caller's) is read on a thread of its own, so that a call that waits for it can be cut.
//! Not here: streams that a guest opens by itself.

mod bytes;
mod file;
mod pump;

use std::{
    fs::{self, File, FileType},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;

use bytes::BytesStream;
use file::FileStream;
use pump::{Pipe, Pump};

use crate::{
    error::{Error, ErrorKind, Result},
    host::HostStream,
    types::SeekWhence,
};

/// Where the encoded bytes of a track come from.
///
/// Each [`open`](Self::open) starts at the first byte. What only goes forward can be opened again until a byte of it
/// was read; one reader feeds one stream at a time. Cheap to clone; clones share the reader.
#[derive(Clone)]
pub struct Input {
    source: Arc<Source>,
    ext: Option<String>,
    /// The worker of the guest that feeds it, which must not read it too.
    worker: Option<u64>,
}

enum Source {
    /// The pump is for a path that turns out to be a pipe.
    Path(PathBuf, OnceLock<Pump>),
    Bytes(Arc<[u8]>),
    Reader(Pump),
    /// A stream there is only once, until it is opened.
    Once(Mutex<Option<Box<dyn HostStream>>>),
}

impl Input {
    /// A file, or a pipe that is read forward only. Its extension becomes the hint.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let ext = path.extension().and_then(|ext| normalise(&ext.to_string_lossy()));
        Self { ext, ..Self::of(Source::Path(path, OnceLock::new())) }
    }

    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::of(Source::Bytes(bytes.into()))
    }

    /// A reader that can seek, read from its first byte wherever it stands. Its reads may block.
    pub fn reader(reader: impl Read + Seek + Send + 'static) -> Self {
        Self::of(Source::Reader(Pump::seekable(Box::new(reader))))
    }

    /// A reader that only goes forward, from where it stands. Its reads may block.
    pub fn forward(reader: impl Read + Send + 'static) -> Self {
        Self::of(Source::Reader(Pump::forward(Box::new(reader))))
    }

    /// A stream of the host, which can be opened once. `worker` feeds it, where a guest does.
    pub(crate) fn stream(stream: Box<dyn HostStream>, worker: Option<u64>) -> Self {
        Self { worker, ..Self::of(Source::Once(Mutex::new(Some(stream)))) }
    }

    fn of(source: Source) -> Self {
        Self { source: Arc::new(source), ext: None, worker: None }
    }

    /// The worker that must not read it.
    pub(crate) fn worker(&self) -> Option<u64> {
        self.worker
    }

    /// Names the extension decoders are chosen by, such as `flac`.
    #[must_use]
    pub fn with_ext(mut self, ext: &str) -> Self {
        self.ext = normalise(ext);
        self
    }

    /// The extension decoders are chosen by: lower case, without a dot, not empty.
    pub fn ext_hint(&self) -> Option<String> {
        self.ext.clone()
    }

    /// A stream at the first byte.
    ///
    /// # Errors
    /// `NotFound` and `Io` for what the system says of a path, `InvalidArgument` for a path that is neither a file
    /// nor a pipe, `Busy` while an earlier stream of a reader or a pipe lives, and `Unsupported` for a second stream
    /// of what only goes forward or was left behind blocked.
    pub fn open(&self) -> Result<Box<dyn HostStream>> {
        Ok(match &*self.source {
            Source::Path(path, pipe) => open_path(path, pipe)?,
            Source::Bytes(bytes) => Box::new(BytesStream::new(Arc::clone(bytes))),
            Source::Reader(pump) => Box::new(pump.open()?),
            Source::Once(stream) => stream.lock().take().ok_or_else(|| {
                Error::new(ErrorKind::Unsupported, "the stream was opened already")
                    .help("have the source open it again")
            })?,
        })
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("ext", &self.ext).finish_non_exhaustive()
    }
}

/// As manifests normalise the extensions of a decoder (docs/wasm-plugin-manifest.md).
fn normalise(ext: &str) -> Option<String> {
    let ext = ext.trim().trim_start_matches('.').to_ascii_lowercase();
    (!ext.is_empty()).then_some(ext)
}

fn open_path(path: &Path, pipe: &OnceLock<Pump>) -> Result<Box<dyn HostStream>> {
    // Asked before opening: to open a pipe may block, and its writer would notice.
    let kind = fs::metadata(path).map_err(|error| refused(path, error))?.file_type();
    if is_pipe(kind) {
        let pump = pipe.get_or_init(|| Pump::forward(Box::new(Pipe::new(path.to_owned()))));
        return Ok(Box::new(pump.open()?));
    }
    if !kind.is_file() {
        let what = if kind.is_dir() { "a directory" } else { "a device or socket" };
        let text = format!("cannot read {}: it is {what}", path.display());
        return Err(Error::new(ErrorKind::InvalidArgument, text).help("give a file or a pipe"));
    }
    let file = File::open(path).map_err(|error| refused(path, error))?;
    Ok(Box::new(FileStream::new(file)))
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_: FileType) -> bool {
    false
}

fn refused(path: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::new(ErrorKind::NotFound, format!("there is no file {}", path.display())).source_error(error);
    }
    Error::io("open", path, error)
}

/// Where a guest wants to go; before the start is an error (plugin contract 3.1).
fn target(offset: i64, whence: SeekWhence) -> io::Result<SeekFrom> {
    Ok(match whence {
        SeekWhence::Start => SeekFrom::Start(u64::try_from(offset).map_err(|_| before_the_start())?),
        SeekWhence::Current => SeekFrom::Current(offset),
        SeekWhence::End => SeekFrom::End(offset),
    })
}

fn before_the_start() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "cannot seek before the start of the stream")
}

/// One read, tried again when a signal came first.
fn read_once(reader: &mut (impl Read + ?Sized), max_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; max_bytes];
    loop {
        match reader.read(&mut bytes) {
            Ok(read) => {
                bytes.truncate(read);
                return Ok(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;

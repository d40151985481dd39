//! Readers that may block for ever, each on a thread of its own.
//!
//! A [`Pump`] lends its reader to one [`PumpStream`] at a time. The stream sends one job at a time to the thread and
//! waits in the call's control, so that a cut call returns at once. The blocked thread is then left to finish alone:
//! nobody joins it, and the reader is gone for good.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use parking_lot::Mutex;

use super::{read_once, target};
use crate::{
    control::CallControl,
    error::{CallResult, Error, ErrorKind, PluginError, Result},
    host::HostStream,
    types::SeekWhence,
};

/// Bytes of one read: what a pipe holds, and enough to make the change of threads cheap.
const READ_BYTES: usize = 64 * 1024;

/// A reader that can seek.
pub(super) trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

/// Lends a reader to one stream after the other.
pub(super) struct Pump(Arc<Mutex<Home>>);

/// Where the reader is.
enum Home {
    Unused(Reader),
    Idle(Worker),
    Lent,
    /// The reader blocked beyond its call, or its thread could not be started.
    Lost,
}

enum Reader {
    Forward(Box<dyn Read + Send>),
    Seekable(Box<dyn ReadSeek>),
}

type Job = Box<dyn FnOnce(&mut Reader) + Send>;

/// The thread that has the reader; it ends when this is dropped.
struct Worker {
    jobs: SyncSender<Job>,
    seekable: bool,
    /// Bytes from the start as the guest counts, after the last job.
    position: u64,
}

impl Pump {
    pub(super) fn forward(reader: Box<dyn Read + Send>) -> Self {
        Self(Arc::new(Mutex::new(Home::Unused(Reader::Forward(reader)))))
    }

    pub(super) fn seekable(reader: Box<dyn ReadSeek>) -> Self {
        Self(Arc::new(Mutex::new(Home::Unused(Reader::Seekable(reader)))))
    }

    /// A stream at the first byte.
    pub(super) fn open(&self) -> Result<PumpStream> {
        let mut home = self.0.lock();
        let worker = match std::mem::replace(&mut *home, Home::Lost) {
            Home::Unused(reader) => Worker::start(reader)?,
            Home::Idle(worker) if worker.seekable || worker.position == 0 => worker,
            Home::Idle(worker) => {
                *home = Home::Idle(worker);
                let text = "the input only goes forward and was read already";
                return Err(Error::new(ErrorKind::Unsupported, text).help("name the decoder to use, or give a file"));
            }
            Home::Lent => {
                *home = Home::Lent;
                return Err(Error::new(ErrorKind::Busy, "the input is open already"));
            }
            Home::Lost => return Err(Error::new(ErrorKind::Unsupported, "the input blocked in an earlier call")),
        };
        *home = Home::Lent;
        let rewind = worker.seekable;
        Ok(PumpStream { worker: Some(Worker { position: 0, ..worker }), rewind, home: Arc::clone(&self.0) })
    }
}

impl Worker {
    fn start(mut reader: Reader) -> Result<Self> {
        let seekable = matches!(reader, Reader::Seekable(_));
        let (jobs, queue) = sync_channel::<Job>(1);
        let run = move || queue.into_iter().for_each(|job| job(&mut reader));
        thread::Builder::new().name("stellatune-input".to_owned()).spawn(run).map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot start a thread for the input: {error}")).source_error(error)
        })?;
        Ok(Self { jobs, seekable, position: 0 })
    }
}

/// A stream of the reader of a [`Pump`], which gets it back when the stream is dropped.
pub(super) struct PumpStream {
    /// `None` once a call was cut while the reader was busy.
    worker: Option<Worker>,
    /// Whether the reader is still to be taken to its first byte.
    rewind: bool,
    home: Arc<Mutex<Home>>,
}

impl Drop for PumpStream {
    fn drop(&mut self) {
        *self.home.lock() = self.worker.take().map_or(Home::Lost, Home::Idle);
    }
}

impl PumpStream {
    /// Runs `job` on the reader's thread and waits for its answer, or for the call to be cut.
    fn ask<T: Send + 'static>(
        &mut self,
        control: &Arc<CallControl>,
        job: impl FnOnce(&mut Reader) -> io::Result<T> + Send + 'static,
    ) -> CallResult<T> {
        let worker = self.worker.take().ok_or_else(lost)?;
        let answer = Arc::new(Mutex::new(None));
        let (slot, bell, rewind) = (Arc::clone(&answer), Arc::clone(control), self.rewind);
        let job = move |reader: &mut Reader| {
            let run = || {
                if rewind {
                    reader.seek(SeekFrom::Start(0))?;
                }
                job(reader)
            };
            let outcome = catch_unwind(AssertUnwindSafe(run));
            *slot.lock() = Some(outcome.unwrap_or_else(|_| Err(io::Error::other("the reader panicked"))));
            bell.ring();
        };
        worker.jobs.send(Box::new(job)).map_err(|_| lost())?;
        // A cut leaves the worker behind: the stream is dead, and the thread ends once the reader lets it.
        let answer = control.wait(None, || answer.lock().take())?.ok_or_else(lost)?;
        self.worker = Some(worker);
        let answer = answer?;
        self.rewind = false;
        Ok(answer)
    }

    fn position(&mut self) -> Result<&mut u64, PluginError> {
        self.worker.as_mut().map(|worker| &mut worker.position).ok_or_else(lost)
    }
}

impl HostStream for PumpStream {
    fn read(&mut self, max_bytes: u32, control: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        let most = READ_BYTES.min(max_bytes as usize);
        let bytes = self.ask(control, move |reader| reader.read(most))?;
        *self.position()? += bytes.len() as u64;
        Ok(bytes)
    }

    fn seek(&mut self, offset: i64, whence: SeekWhence, control: &Arc<CallControl>) -> CallResult<u64> {
        let target = target(offset, whence)?;
        let position = self.ask(control, move |reader| reader.seek(target))?;
        *self.position()? = position;
        Ok(position)
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(*self.position()?)
    }

    fn size(&mut self, control: &Arc<CallControl>) -> CallResult<u64> {
        let position = *self.position()?;
        self.ask(control, move |reader| {
            let size = reader.seek(SeekFrom::End(0))?;
            reader.seek(SeekFrom::Start(position))?;
            Ok(size)
        })
    }
}

impl Reader {
    fn read(&mut self, max_bytes: usize) -> io::Result<Vec<u8>> {
        match self {
            Self::Forward(reader) => read_once(reader, max_bytes),
            Self::Seekable(reader) => read_once(reader, max_bytes),
        }
    }

    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Forward(_) => Err(io::Error::new(io::ErrorKind::NotSeekable, "the input only goes forward")),
            Self::Seekable(reader) => reader.seek(target),
        }
    }
}

fn lost() -> PluginError {
    PluginError::Io("the input blocked in an earlier call".to_owned())
}

/// A pipe that is opened by its first read, since that waits for a writer.
pub(super) struct Pipe {
    path: PathBuf,
    open: Option<File>,
}

impl Pipe {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }
}

impl Read for Pipe {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &mut self.open {
            Some(file) => file.read(bytes),
            none => none.insert(File::open(&self.path)?).read(bytes),
        }
    }
}

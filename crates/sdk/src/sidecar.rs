//! Helper processes that come with a plugin's package, for what a sandbox cannot do (plugin contract 3.3).
//!
//! [`Launch`] starts one, a [`Process`] has [`Channel`]s, [`lock`] keeps instances of the same package from talking to a
//! shared process at the same time.
//!
//! ```
//! use std::io::{Read, Write};
//! use stellatune_plugin_sdk::sidecar::{self, Launch};
//! use stellatune_plugin_sdk::mock;
//!
//! // In tests, a script takes the place of the process.
//! let helper = || mock::Process::new(mock::Channel::replying(|sent| sent.to_ascii_uppercase()));
//! let host = mock::Host::new().launch(move |_| Ok(helper())).install();
//!
//! let process = Launch::new("bin/helper").arg("--quiet").shared().start()?;
//! let mut channel = process.open_control()?;
//! let mut answer = [0; 4];
//! {
//!     let _turn = sidecar::lock("talk", None)?;
//!     channel.write_all(b"ping")?;
//!     channel.read_exact(&mut answer)?;
//! }
//! assert_eq!(&answer, b"PING");
//! drop((channel, process));
//! let told = host.events();
//! assert_eq!(told, ["launch bin/helper", "open-control", "lock talk", "unlock talk", "close channel", "drop process"]);
//! # Ok::<(), stellatune_plugin_sdk::Error>(())
//! ```

use std::io::{self, Read, Write};
use std::time::Duration;

use crate::bindings::host::stellatune::plugin::sidecar::{LaunchScope, LaunchSpec};
use crate::error::{Error, Result};
use crate::stream::millis;

#[cfg(target_family = "wasm")]
use crate::bindings::host::stellatune::plugin::sidecar as host;
#[cfg(not(target_family = "wasm"))]
use crate::mock::sidecar as host;

pub use crate::bindings::host::stellatune::plugin::sidecar::{TransportKind, TransportOption};

impl TransportOption {
    /// A transport that is tried before those of lower priority.
    pub fn new(kind: TransportKind, priority: u8) -> Self {
        Self { kind, priority, max_frame_bytes: None }
    }
}

/// What to launch: a program of the package, looked for in its root and in `bin`.
#[derive(Debug, Clone)]
pub struct Launch(LaunchSpec);

impl Launch {
    /// A program, by its path below the package; a process for each launch, talked to over standard input and output.
    pub fn new(executable: impl Into<String>) -> Self {
        Self(LaunchSpec {
            scope: LaunchScope::Instance,
            executable: executable.into(),
            args: Vec::new(),
            preferred_control: Vec::new(),
            preferred_data: Vec::new(),
            env: Vec::new(),
        })
    }

    /// One process for all launches of the package that are equal to this one, living until the last is given up.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.0.scope = LaunchScope::PackageShared;
        self
    }

    /// Another argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.0.args.push(arg.into());
        self
    }

    /// Another variable; a later one of the same name wins. Variables also carry the endpoints that the host connects
    /// to (plugin contract 3.3).
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.env.push((name.into(), value.into()));
        self
    }

    /// A transport for the control channel, before standard input and output.
    #[must_use]
    pub fn control(mut self, option: TransportOption) -> Self {
        self.0.preferred_control.push(option);
        self
    }

    /// A transport for data channels that name none of their own.
    #[must_use]
    pub fn data(mut self, option: TransportOption) -> Self {
        self.0.preferred_data.push(option);
        self
    }

    /// Starts the process, or joins the shared one.
    ///
    /// # Errors
    /// [`Error::Denied`] without a grant, [`Error::NotFound`] for a program the package does not have.
    pub fn start(&self) -> Result<Process> {
        Ok(Process(host::launch(&self.0)?))
    }
}

/// A launched process. Dropping it ends the process, or gives up this share of it.
#[derive(Debug)]
pub struct Process(host::Process);

impl Process {
    /// Opens the control channel.
    ///
    /// # Errors
    /// Whatever the host answers, if no transport connects.
    pub fn open_control(&self) -> Result<Channel> {
        Ok(Channel::new(self.0.open_control()?))
    }

    /// Opens a channel for data. The role chooses the endpoint; these transports join those of the launch.
    ///
    /// # Errors
    /// As [`open_control`](Self::open_control).
    pub fn open_data(&self, role: &str, preferred: &[TransportOption]) -> Result<Channel> {
        Ok(Channel::new(self.0.open_data(role, preferred)?))
    }

    /// Waits for the process to exit, for ever if no time is given, and answers with its exit code: nothing when the
    /// time ran out or a signal ended it.
    ///
    /// # Errors
    /// Whatever the host answers.
    pub fn wait_exit(&self, timeout: Option<Duration>) -> Result<Option<i32>> {
        Ok(self.0.wait_exit(timeout.map(millis))?)
    }

    /// Asks the process to exit by closing its standard input, and has it killed after the grace period. Gives up this
    /// share of a shared one.
    ///
    /// # Errors
    /// Whatever the host answers; the process is given up all the same.
    pub fn terminate(self, grace: Duration) -> Result<()> {
        Ok(self.0.terminate(millis(grace))?)
    }
}

/// A stream of bytes to and from a process, without framing. Closed when dropped.
///
/// Reading gives 0 bytes at the end. Over a shared memory ring, which has no end, it fails with `WouldBlock` if nothing
/// came in time, and so does writing to a full one.
#[derive(Debug)]
pub struct Channel {
    channel: host::Channel,
    read_timeout: Option<Duration>,
}

impl Channel {
    fn new(channel: host::Channel) -> Self {
        Self { channel, read_timeout: None }
    }

    /// How bytes travel.
    pub fn transport(&self) -> TransportKind {
        self.channel.transport()
    }

    /// How long a read may wait; for ever by default, except over a ring, which then does not wait at all. Standard
    /// output and named pipes may not heed it.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
    }

    /// Up to `max_bytes` bytes without copying them again. None at the end, or from a ring if nothing came in time.
    ///
    /// # Errors
    /// Whatever the host answers; [`Error::Internal`] if it gave more than was asked for.
    pub fn read_chunk(&mut self, max_bytes: u32) -> Result<Vec<u8>> {
        let bytes = self.channel.read(max_bytes, self.read_timeout.map(millis))?;
        if bytes.len() > max_bytes as usize {
            return Err(Error::internal(format!("the host gave {} bytes of {max_bytes}", bytes.len())));
        }
        Ok(bytes)
    }

    fn is_ring(&self) -> bool {
        self.transport() == TransportKind::SharedMemoryRing
    }
}

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let bytes = self.read_chunk(u32::try_from(buffer.len()).unwrap_or(u32::MAX))?;
        if bytes.is_empty() && self.is_ring() {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "nothing came over the ring in time"));
        }
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl Write for Channel {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let taken = self.channel.write(data).map_err(Error::from)? as usize;
        if taken > data.len() {
            return Err(Error::internal(format!("the host took {taken} bytes of {}", data.len())).into());
        }
        if taken == 0 && !data.is_empty() && self.is_ring() {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "the ring is full"));
        }
        Ok(taken)
    }

    /// Nothing is kept back, so there is nothing to do.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.channel.close();
    }
}

/// Takes the package's lock of this name, waiting for ever if no time is given. All instances of the package share it,
/// other packages never wait for it. Not re-entrant: an instance that holds it would wait for itself.
///
/// # Errors
/// [`Error::Timeout`] when the time ran out, [`Error::InvalidArg`] for a blank name.
pub fn lock(name: &str, timeout: Option<Duration>) -> Result<LockGuard> {
    Ok(LockGuard(host::lock(name, timeout.map(millis))?))
}

/// A lock that is held until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it unlocks"]
pub struct LockGuard(host::LockGuard);

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.0.unlock();
    }
}

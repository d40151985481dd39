//! Streams of the host, as `std::io` knows them: those it hands in, and those the plugin asks it to open.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::time::Duration;

use crate::bindings::host::stellatune::plugin::common::SeekWhence;
use crate::bindings::host::stellatune::plugin::host_stream::{Header, HostStreamHandle, OpenRequest, StreamOpenKind};
use crate::error::{Error, Result};

#[cfg(target_family = "wasm")]
use crate::bindings::host::stellatune::plugin::host_stream as host;
#[cfg(not(target_family = "wasm"))]
use crate::mock::host_stream as host;

pub use crate::bindings::host::stellatune::plugin::host_stream::HttpMethod;

/// An open stream of the host (plugin contract 3.1). Closed when dropped.
///
/// Each read is a call to the host, so read in blocks of a few KiB or more, or put a `BufReader` around it. A read may
/// give fewer bytes than asked for at any time; none at all means the end.
///
/// A stream that is handed in needs no permission. Opening one does: the package asks for it, and the user grants it.
#[derive(Debug)]
pub struct HostStream {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Host(HostStreamHandle),
    Memory(Cursor<Vec<u8>>),
    #[cfg(not(target_family = "wasm"))]
    Mock(Box<crate::mock::Stream>),
}

impl HostStream {
    /// A stream over bytes in memory, which seeks and never fails: for tests without a host, and for plugins that
    /// unpack one stream out of another.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { inner: Inner::Memory(Cursor::new(bytes)) }
    }

    /// Opens a file by its path.
    ///
    /// # Errors
    /// [`Error::Denied`] without a grant for it; whatever else the host answers.
    pub fn open_file(path: impl Into<String>) -> Result<Self> {
        Self::open(&request(StreamOpenKind::File, path))
    }

    fn open(request: &OpenRequest) -> Result<Self> {
        Ok(host::open(request)?.into())
    }

    pub(crate) fn from_handle(handle: HostStreamHandle) -> Self {
        Self { inner: Inner::Host(handle) }
    }

    /// The host's handle, or the stream itself if the host knows nothing of it.
    pub(crate) fn into_handle(mut self) -> std::result::Result<HostStreamHandle, Self> {
        match std::mem::replace(&mut self.inner, Inner::Memory(Cursor::default())) {
            Inner::Host(handle) => Ok(handle),
            inner => Err(Self { inner }),
        }
    }

    /// Up to `max_bytes` bytes without copying them again; none at the end. Zero counts as one.
    ///
    /// # Errors
    /// Whatever the host answers; [`Error::Internal`] if it gave more than was asked for.
    pub fn read_chunk(&mut self, max_bytes: u32) -> Result<Vec<u8>> {
        let max_bytes = max_bytes.max(1);
        match &mut self.inner {
            Inner::Host(handle) => {
                let bytes = handle.read(max_bytes)?;
                if bytes.len() > max_bytes as usize {
                    return Err(Error::internal(format!("the host gave {} bytes of {max_bytes}", bytes.len())));
                }
                Ok(bytes)
            }
            Inner::Memory(cursor) => {
                let mut bytes = Vec::new();
                cursor.take(u64::from(max_bytes)).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
            #[cfg(not(target_family = "wasm"))]
            Inner::Mock(stream) => stream.read(max_bytes),
        }
    }

    /// Moves to a byte counted from the start; behind the end is allowed.
    ///
    /// # Errors
    /// Whatever the host answers; streams that cannot seek always answer with one.
    pub fn seek_to(&mut self, position: u64) -> Result<()> {
        self.seek(SeekFrom::Start(position))?;
        Ok(())
    }

    /// The position of the next read in bytes.
    ///
    /// # Errors
    /// Whatever the host answers; some streams do not know.
    pub fn position(&self) -> Result<u64> {
        match &self.inner {
            Inner::Host(handle) => Ok(handle.tell()?),
            Inner::Memory(cursor) => Ok(cursor.position()),
            #[cfg(not(target_family = "wasm"))]
            Inner::Mock(stream) => stream.tell(),
        }
    }

    /// The size in bytes, where the host knows it.
    pub fn size(&self) -> Option<u64> {
        match &self.inner {
            Inner::Host(handle) => handle.size().ok(),
            Inner::Memory(cursor) => u64::try_from(cursor.get_ref().len()).ok(),
            #[cfg(not(target_family = "wasm"))]
            Inner::Mock(stream) => stream.size(),
        }
    }

    /// Whether the stream can seek, tried by seeking to where it already is.
    pub fn is_seekable(&self) -> bool {
        match &self.inner {
            Inner::Host(handle) => handle.seek(0, SeekWhence::Current).is_ok(),
            Inner::Memory(_) => true,
            #[cfg(not(target_family = "wasm"))]
            Inner::Mock(stream) => stream.is_seekable(),
        }
    }
}

impl Read for HostStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Memory(cursor) => cursor.read(buffer),
            _ if buffer.is_empty() => Ok(0),
            _ => {
                let max_bytes = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
                let bytes = self.read_chunk(max_bytes)?;
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
        }
    }
}

impl Seek for HostStream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let handle = match &mut self.inner {
            Inner::Memory(cursor) => return cursor.seek(to),
            #[cfg(not(target_family = "wasm"))]
            Inner::Mock(stream) => return Ok(stream.seek(to)?),
            Inner::Host(handle) => handle,
        };
        let (offset, whence) = match to {
            SeekFrom::Start(offset) => (
                i64::try_from(offset).map_err(|_| Error::invalid_arg("the position exceeds 63 bits"))?,
                SeekWhence::Start,
            ),
            SeekFrom::Current(offset) => (offset, SeekWhence::Current),
            SeekFrom::End(offset) => (offset, SeekWhence::End),
        };
        Ok(handle.seek(offset, whence).map_err(Error::from)?)
    }
}

impl Drop for HostStream {
    fn drop(&mut self) {
        // Dropping the handle would close it as well, but the contract's guests have always closed first.
        if let Inner::Host(handle) = &self.inner {
            handle.close();
        }
    }
}

#[cfg(target_family = "wasm")]
impl From<HostStreamHandle> for HostStream {
    fn from(handle: HostStreamHandle) -> Self {
        Self::from_handle(handle)
    }
}

#[cfg(not(target_family = "wasm"))]
impl From<crate::mock::Stream> for HostStream {
    fn from(stream: crate::mock::Stream) -> Self {
        Self { inner: Inner::Mock(Box::new(stream)) }
    }
}

/// A request over HTTP whose answer is read as a stream. Only the stream of a GET may seek.
///
/// ```
/// use std::{io::Read, time::Duration};
/// use stellatune_plugin_sdk::{HttpRequest, mock};
///
/// let _host = mock::Host::new().open(|_| Ok(mock::Stream::new(*b"bytes"))).install();
/// let request = HttpRequest::get("https://example.org/song.flac").header("accept", "audio/flac");
/// let mut stream = request.read_timeout(Duration::from_secs(5)).open()?;
/// let mut text = String::new();
/// stream.read_to_string(&mut text)?;
/// assert_eq!(text, "bytes");
/// # Ok::<(), stellatune_plugin_sdk::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct HttpRequest(OpenRequest);

impl HttpRequest {
    /// GET of an address, `http` or `https`.
    pub fn get(url: impl Into<String>) -> Self {
        Self(request(StreamOpenKind::Http, url))
    }

    /// POST of a body.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::get(url).method(HttpMethod::Post).body(body)
    }

    /// Another method.
    #[must_use]
    pub fn method(mut self, method: HttpMethod) -> Self {
        self.0.method = Some(method);
        self
    }

    /// Another header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// The body, sent if it is not empty.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = Some(body.into());
        self
    }

    /// How long connecting may take; the host decides otherwise.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.0.connect_timeout_ms = Some(millis(timeout));
        self
    }

    /// How long the answer, and then each read, may wait; the host decides otherwise.
    #[must_use]
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.0.read_timeout_ms = Some(millis(timeout));
        self
    }

    /// Sends the request and waits until the answer begins.
    ///
    /// # Errors
    /// [`Error::Denied`] without a grant for the address; whatever else the host answers, for a status of 400 or above
    /// too.
    pub fn open(&self) -> Result<HostStream> {
        HostStream::open(&self.0)
    }
}

/// A TCP connection that is only read.
#[derive(Debug, Clone)]
pub struct TcpRequest(OpenRequest);

impl TcpRequest {
    /// A connection to `host:port`.
    pub fn new(address: impl Into<String>) -> Self {
        Self(request(StreamOpenKind::Tcp, address))
    }

    /// How long connecting may take; the host decides otherwise.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.0.connect_timeout_ms = Some(millis(timeout));
        self
    }

    /// How long each read may wait; for ever otherwise.
    #[must_use]
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.0.read_timeout_ms = Some(millis(timeout));
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// [`Error::Denied`] without a grant for the address; whatever else the host answers.
    pub fn open(&self) -> Result<HostStream> {
        HostStream::open(&self.0)
    }
}

fn request(kind: StreamOpenKind, target: impl Into<String>) -> OpenRequest {
    OpenRequest {
        kind,
        target: target.into(),
        method: None,
        headers: Vec::new(),
        body: None,
        connect_timeout_ms: None,
        read_timeout_ms: None,
    }
}

/// A duration as the contract has it. What is longer than 49 days is as good as for ever; what is shorter than a
/// millisecond is one, since 0 does not wait at all.
pub(crate) fn millis(duration: Duration) -> u32 {
    let whole = if duration.is_zero() { 0 } else { duration.as_millis().max(1) };
    u32::try_from(whole).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_their_meaning() {
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis(Duration::from_micros(10)), 1);
        assert_eq!(millis(Duration::from_millis(1500)), 1500);
        assert_eq!(millis(Duration::MAX), u32::MAX);
    }

    #[test]
    fn bytes_read_seek_and_end_like_a_file() {
        let mut stream = HostStream::from_bytes((0..10).collect());
        assert!(stream.is_seekable());
        assert_eq!(stream.size(), Some(10));
        assert_eq!(stream.read_chunk(4).unwrap(), [0, 1, 2, 3]);
        assert_eq!(stream.read_chunk(0).unwrap(), [4]);
        assert_eq!(stream.seek(SeekFrom::End(-1)).unwrap(), 9);
        assert_eq!(stream.read_chunk(99).unwrap(), [9]);
        assert_eq!(stream.read_chunk(99).unwrap(), [0u8; 0]);
        stream.seek_to(50).unwrap();
        assert_eq!(stream.position().unwrap(), 50);
        assert_eq!(stream.read(&mut [0; 4]).unwrap(), 0);
    }
}

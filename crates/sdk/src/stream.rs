//! The bytes a host hands in, as `std::io` knows them. For the encoded side of a decoder; not a way to open anything.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use crate::bindings::host::stellatune::plugin::common::SeekWhence;
use crate::bindings::host::stellatune::plugin::host_stream::HostStreamHandle;
use crate::error::{Error, Result};

/// An open stream of the host (plugin contract 3.1). Closed when dropped.
///
/// Each read is a call to the host, so read in blocks of a few KiB or more, or put a `BufReader` around it. A read may
/// give fewer bytes than asked for at any time; none at all means the end.
#[derive(Debug)]
pub struct HostStream {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Host(HostStreamHandle),
    Memory(Cursor<Vec<u8>>),
}

impl HostStream {
    /// A stream over bytes in memory, which seeks and never fails: for tests without a host, and for plugins that
    /// unpack one stream out of another.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { inner: Inner::Memory(Cursor::new(bytes)) }
    }

    pub(crate) fn from_handle(handle: HostStreamHandle) -> Self {
        Self { inner: Inner::Host(handle) }
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
        }
    }

    /// The size in bytes, where the host knows it.
    pub fn size(&self) -> Option<u64> {
        match &self.inner {
            Inner::Host(handle) => handle.size().ok(),
            Inner::Memory(cursor) => u64::try_from(cursor.get_ref().len()).ok(),
        }
    }

    /// Whether the stream can seek, tried by seeking to where it already is.
    pub fn is_seekable(&self) -> bool {
        match &self.inner {
            Inner::Host(handle) => handle.seek(0, SeekWhence::Current).is_ok(),
            Inner::Memory(_) => true,
        }
    }
}

impl Read for HostStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Memory(cursor) => cursor.read(buffer),
            Inner::Host(_) if buffer.is_empty() => Ok(0),
            Inner::Host(_) => {
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

#[cfg(test)]
mod tests {
    use super::*;

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

//! The host's stream as Symphonia wants it, whole or in part. Knows nothing of formats.

use std::io::{self, Read, Seek, SeekFrom};

use stellatune_plugin_sdk::{Error, HostStream};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions, ReadBytes};

/// The host's stream. Buffered, as every one of Symphonia's.
pub(crate) fn host(input: HostStream, seekable: bool, byte_len: Option<u64>) -> MediaSourceStream<'static> {
    buffered(Source { input, seekable, byte_len, failed: None })
}

/// The stream up to byte `end`, without telling its size: Symphonia's readers of MPEG frames make a guess at the duration
/// of it, and then refuse to seek behind their guess.
pub(crate) fn up_to(stream: MediaSourceStream<'static>, end: Option<u64>) -> MediaSourceStream<'static> {
    let position = stream.pos();
    let seekable = stream.is_seekable();
    let mut part = buffered(Part { stream, position, end: end.unwrap_or(u64::MAX) });
    if seekable && position > 0 {
        // The new stream counts its bytes anew until it has sought once.
        let _ = part.seek(SeekFrom::Start(position));
    }
    part
}

fn buffered(source: impl MediaSource + 'static) -> MediaSourceStream<'static> {
    MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default())
}

struct Source {
    input: HostStream,
    seekable: bool,
    byte_len: Option<u64>,
    /// Symphonia takes some failed reads for the end of a frame, so a failure stays until the next seek.
    failed: Option<Error>,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        self.input.read(buffer).inspect_err(|error| {
            self.failed = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).cloned();
        })
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.failed = None;
        self.input.seek(to)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        self.seekable
    }

    fn byte_len(&self) -> Option<u64> {
        self.byte_len
    }
}

struct Part {
    stream: MediaSourceStream<'static>,
    position: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.position);
        let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.stream.read(&mut buffer[..length])?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Part {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = self.stream.seek(to)?;
        Ok(self.position)
    }
}

impl MediaSource for Part {
    fn is_seekable(&self) -> bool {
        self.stream.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

//! Streams that read as a test wants.

use std::io::{Cursor, Seek, SeekFrom};

use super::Events;
use crate::error::{Error, Result};

/// Bytes in memory that behave like a stream of the host. Becomes a [`HostStream`](crate::HostStream) with `into`.
#[derive(Debug)]
pub struct Stream {
    bytes: Cursor<Vec<u8>>,
    seekable: bool,
    sizes: Vec<u32>,
    reads: usize,
    fails_at: Option<(u64, Error)>,
    origin: Option<(String, Events)>,
}

impl Stream {
    /// A stream that seeks and gives as many bytes as asked for.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = Cursor::new(bytes.into());
        Self { bytes, seekable: true, sizes: Vec::new(), reads: 0, fails_at: None, origin: None }
    }

    /// Reads give at most so many bytes in turn, over and over; 0 counts as 1.
    #[must_use]
    pub fn short(mut self, sizes: &[u32]) -> Self {
        self.sizes = sizes.to_vec();
        self
    }

    /// It cannot seek, and knows neither its size nor where it is, as a TCP connection.
    #[must_use]
    pub fn unseekable(mut self) -> Self {
        self.seekable = false;
        self
    }

    /// Reads at and behind this position fail.
    #[must_use]
    pub fn fails_at(mut self, position: u64, error: Error) -> Self {
        self.fails_at = Some((position, error));
        self
    }

    pub(super) fn of(mut self, target: String, events: Events) -> Self {
        self.origin = Some((target, events));
        self
    }

    pub(crate) fn read(&mut self, max_bytes: u32) -> Result<Vec<u8>> {
        let size = if self.sizes.is_empty() { u32::MAX } else { self.sizes[self.reads % self.sizes.len()].max(1) };
        self.reads += 1;
        let at = self.bytes.position();
        let mut end = at + u64::from(max_bytes.min(size));
        if let Some((position, error)) = &self.fails_at {
            if at >= *position {
                return Err(error.clone());
            }
            end = end.min(*position);
        }
        let bytes = self.bytes.get_ref();
        let within = |position: u64| usize::try_from(position).map_or(bytes.len(), |at| at.min(bytes.len()));
        let read = bytes[within(at)..within(end)].to_vec();
        self.bytes.set_position(at + read.len() as u64);
        Ok(read)
    }

    pub(crate) fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.needs_seek()?;
        Ok(self.bytes.seek(to)?)
    }

    pub(crate) fn tell(&self) -> Result<u64> {
        self.needs_seek()?;
        Ok(self.bytes.position())
    }

    pub(crate) fn size(&self) -> Option<u64> {
        self.seekable.then_some(self.bytes.get_ref().len() as u64)
    }

    pub(crate) fn is_seekable(&self) -> bool {
        self.seekable
    }

    fn needs_seek(&self) -> Result<()> {
        if self.seekable { Ok(()) } else { Err(Error::unsupported("this stream only goes forward")) }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some((target, events)) = &self.origin {
            events.note(format!("close {target}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::super::Host;
    use super::*;
    use crate::{HostStream, HttpRequest, TcpRequest};

    #[test]
    fn a_stream_may_go_to_another_thread() {
        fn assert_send_and_sync<T: Send + Sync>() {}
        assert_send_and_sync::<HostStream>();
    }

    #[test]
    fn a_stream_is_as_scripted() {
        let mut stream: HostStream = Stream::new(*b"abcdef").short(&[1, 2]).fails_at(5, Error::io("gone")).into();
        assert_eq!(stream.size(), Some(6));
        let chunks = [1, 2, 3].map(|_| stream.read_chunk(10).unwrap());
        assert_eq!(chunks, [b"a".to_vec(), b"bc".to_vec(), b"d".to_vec()]);
        assert_eq!(stream.read_chunk(10).unwrap(), b"e");
        assert_eq!(stream.read_chunk(10), Err(Error::io("gone")));
        assert_eq!(stream.seek(SeekFrom::End(-2)).unwrap(), 4);
        assert_eq!(stream.read(&mut [0; 9]).unwrap(), 1);

        let mut forward: HostStream = Stream::new(*b"ab").unseekable().into();
        assert!(!forward.is_seekable());
        assert_eq!((forward.size(), forward.position().ok()), (None, None));
        assert!(matches!(forward.seek_to(0), Err(Error::Unsupported(_))));
        assert_eq!(forward.read_chunk(9).unwrap(), b"ab");
        assert_eq!(forward.read_chunk(9).unwrap(), b"");
    }

    #[test]
    fn opening_asks_the_host_and_dropping_closes() {
        assert!(matches!(HostStream::open_file("x"), Err(Error::Unsupported(_))), "there is no host yet");
        let host = Host::new()
            .open(|request| match request.target.as_str() {
                "no" => Err(Error::denied("not granted")),
                _ => Ok(Stream::new(format!("{request:?}"))),
            })
            .install();
        assert!(matches!(HostStream::open_file("no"), Err(Error::Denied(_))));
        let request = HttpRequest::post("http://a", *b"\x07").header("k", "v");
        let mut text = String::new();
        request.connect_timeout(std::time::Duration::from_secs(1)).open().unwrap().read_to_string(&mut text).unwrap();
        for part in ["Http", "Post", "\"k\"", "Some([7])", "connect-timeout-ms: Some(1000)", "read-timeout-ms: None"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let tcp = TcpRequest::new("b:1").read_timeout(std::time::Duration::ZERO).open().unwrap();
        drop(tcp);
        assert_eq!(host.events(), ["open no", "open http://a", "close http://a", "open b:1", "close b:1"]);
        drop(host);
        assert!(HostStream::open_file("x").is_err(), "the host is gone");
    }
}

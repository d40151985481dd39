//! `host-stream`: byte streams the host reads for a guest (plugin contract 3.1).

use std::sync::Arc;

use super::{Host, Unavailable, live, push, unavailable};
use crate::{
    control::CallControl,
    error::{CallResult, Trap},
    limits::READ_BYTES,
    table::ObjectId,
    types::{OpenRequest, SeekWhence},
};

/// A byte stream. Every wait inside goes through the call's [`CallControl`].
pub trait HostStream: Send {
    /// Reads at most `max_bytes` (at least 1); an empty answer is the end of the stream, and may be asked again.
    ///
    /// # Errors
    /// A refusal for the guest, or a trap when the call was cut meanwhile.
    fn read(&mut self, max_bytes: u32, control: &Arc<CallControl>) -> CallResult<Vec<u8>>;

    /// Moves to `offset` from `whence` and says where that is, in bytes from the start. Past the end is allowed.
    ///
    /// # Errors
    /// `unsupported` where the stream only goes forward, `invalid-arg` before the start.
    fn seek(&mut self, offset: i64, whence: SeekWhence, control: &Arc<CallControl>) -> CallResult<u64>;

    /// The position in bytes from the start.
    ///
    /// # Errors
    /// `unsupported` where the stream does not know.
    fn tell(&mut self, control: &Arc<CallControl>) -> CallResult<u64>;

    /// The length in bytes.
    ///
    /// # Errors
    /// `unsupported` where the stream does not know.
    fn size(&mut self, control: &Arc<CallControl>) -> CallResult<u64>;
}

/// Opens streams a guest asks for. A stream passed into a call does not come from here.
pub trait Streams: Send + Sync {
    /// `host-stream.open`
    ///
    /// # Errors
    /// A refusal for the guest, or a trap when the call was cut meanwhile.
    fn open(&self, request: &OpenRequest, control: &Arc<CallControl>) -> CallResult<Box<dyn HostStream>>;
}

impl Streams for Unavailable {
    fn open(&self, _: &OpenRequest, _: &Arc<CallControl>) -> CallResult<Box<dyn HostStream>> {
        unavailable("host-stream.open")
    }
}

impl Host {
    /// `host-stream.open`
    ///
    /// # Errors
    /// As [`Streams::open`]; `denied` when too many streams are open.
    pub fn stream_open(&mut self, request: &OpenRequest) -> CallResult<ObjectId> {
        let stream = self.services.streams.open(request, &self.control)?;
        self.stream_insert(stream)
    }

    /// Gives the guest a stream to own, for a call that passes one in.
    ///
    /// # Errors
    /// `denied` when too many streams are open.
    pub fn stream_insert(&mut self, stream: Box<dyn HostStream>) -> CallResult<ObjectId> {
        push(&mut self.streams, Some(stream), "streams")
    }

    /// Takes back a stream the guest returned; `None` when the guest had closed it.
    ///
    /// # Errors
    /// A trap for a handle that names nothing.
    pub fn stream_take(&mut self, id: ObjectId) -> Result<Option<Box<dyn HostStream>>, Trap> {
        self.streams.remove(id)
    }

    /// `host-stream-handle.read`: 0 is read as 1, and at most 1 MiB is handed over.
    ///
    /// # Errors
    /// As [`HostStream::read`]; `not-found` after `close`.
    pub fn stream_read(&mut self, id: ObjectId, max_bytes: u32) -> CallResult<Vec<u8>> {
        let stream = live(&mut self.streams, id, "stream")?;
        stream.read(max_bytes.clamp(1, READ_BYTES), &self.control)
    }

    /// `host-stream-handle.seek`
    ///
    /// # Errors
    /// As [`HostStream::seek`]; `not-found` after `close`.
    pub fn stream_seek(&mut self, id: ObjectId, offset: i64, whence: SeekWhence) -> CallResult<u64> {
        live(&mut self.streams, id, "stream")?.seek(offset, whence, &self.control)
    }

    /// `host-stream-handle.tell`
    ///
    /// # Errors
    /// As [`HostStream::tell`]; `not-found` after `close`.
    pub fn stream_tell(&mut self, id: ObjectId) -> CallResult<u64> {
        live(&mut self.streams, id, "stream")?.tell(&self.control)
    }

    /// `host-stream-handle.size`
    ///
    /// # Errors
    /// As [`HostStream::size`]; `not-found` after `close`.
    pub fn stream_size(&mut self, id: ObjectId) -> CallResult<u64> {
        live(&mut self.streams, id, "stream")?.size(&self.control)
    }

    /// `host-stream-handle.close`; closing again is fine.
    ///
    /// # Errors
    /// A trap for a handle that names nothing.
    pub fn stream_close(&mut self, id: ObjectId) -> Result<(), Trap> {
        *self.streams.get_mut(id)? = None;
        Ok(())
    }

    /// The guest dropped its handle, closed or not.
    ///
    /// # Errors
    /// A trap for a handle that names nothing.
    pub fn stream_drop(&mut self, id: ObjectId) -> Result<(), Trap> {
        self.streams.remove(id).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{host::Services, limits::Limits, wasi::LogSink};

    struct NoLog;

    impl LogSink for NoLog {
        fn line(&mut self, _: bool, _: &str) {}
    }

    /// Gives as much as it is asked for.
    struct Endless;

    impl HostStream for Endless {
        fn read(&mut self, max_bytes: u32, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
            Ok(vec![0; max_bytes as usize])
        }

        fn seek(&mut self, _: i64, _: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
            Ok(0)
        }

        fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
            Ok(0)
        }

        fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
            Ok(0)
        }
    }

    /// H15
    #[test]
    fn a_read_asks_for_a_byte_at_least_and_a_mebibyte_at_most() {
        let mut host = Host::new(Services::default(), &Limits::AUDIO, Arc::default(), Box::new(NoLog));
        let stream = host.stream_insert(Box::new(Endless)).unwrap();
        for (asked, read) in
            [(0, 1), (1, 1), (READ_BYTES, READ_BYTES), (READ_BYTES + 1, READ_BYTES), (u32::MAX, READ_BYTES)]
        {
            assert_eq!(host.stream_read(stream, asked).map(|bytes| bytes.len()), Ok(read as usize), "{asked}");
        }
    }
}

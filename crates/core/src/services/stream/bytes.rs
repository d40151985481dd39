//! Bytes in memory.

use std::{io::SeekFrom, sync::Arc};

use super::{before_the_start, target};
use crate::{control::CallControl, error::CallResult, host::HostStream, types::SeekWhence};

/// Bytes in memory, behaving as a file of them.
pub(super) struct BytesStream {
    bytes: Arc<[u8]>,
    position: u64,
}

impl BytesStream {
    pub(super) fn new(bytes: Arc<[u8]>) -> Self {
        Self { bytes, position: 0 }
    }
}

impl HostStream for BytesStream {
    fn read(&mut self, max_bytes: u32, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        let rest = usize::try_from(self.position).ok().and_then(|at| self.bytes.get(at..)).unwrap_or_default();
        let read = &rest[..rest.len().min(max_bytes as usize)];
        self.position += read.len() as u64;
        Ok(read.to_vec())
    }

    fn seek(&mut self, offset: i64, whence: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
        let position = match target(offset, whence)? {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => (self.bytes.len() as u64).checked_add_signed(offset),
        };
        self.position = position.ok_or_else(before_the_start)?;
        Ok(self.position)
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(self.position)
    }

    fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(self.bytes.len() as u64)
    }
}

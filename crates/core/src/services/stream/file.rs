//! A regular file.

use std::{fs::File, io::Seek, sync::Arc};

use super::{read_once, target};
use crate::{control::CallControl, error::CallResult, host::HostStream, types::SeekWhence};

/// Reads a regular file straight into what is handed to the guest, on the guest's thread: a read of a local file is
/// short, and a buffer between would only add a copy.
pub(super) struct FileStream(File);

impl FileStream {
    pub(super) fn new(file: File) -> Self {
        Self(file)
    }
}

impl HostStream for FileStream {
    fn read(&mut self, max_bytes: u32, control: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        Ok(control.blocking(|| read_once(&mut self.0, max_bytes as usize))??)
    }

    fn seek(&mut self, offset: i64, whence: SeekWhence, control: &Arc<CallControl>) -> CallResult<u64> {
        let target = target(offset, whence)?;
        Ok(control.blocking(|| self.0.seek(target))??)
    }

    fn tell(&mut self, control: &Arc<CallControl>) -> CallResult<u64> {
        Ok(control.blocking(|| self.0.stream_position())??)
    }

    fn size(&mut self, control: &Arc<CallControl>) -> CallResult<u64> {
        Ok(control.blocking(|| self.0.metadata())??.len())
    }
}

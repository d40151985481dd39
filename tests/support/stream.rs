//! Streams that behave as a case wants: short reads, no seeking, a failure midway, a read that never returns.

use std::sync::{Arc, mpsc::Sender};

use stellatune_plugin_core::{
    control::CallControl,
    error::{CallResult, PluginError},
    host::HostStream,
    types::SeekWhence,
};

/// Bytes in memory, read as the script says.
pub(crate) struct Script {
    bytes: Arc<[u8]>,
    position: u64,
    seekable: bool,
    /// Reads give this many bytes in turn; empty for as many as asked for.
    sizes: Vec<usize>,
    reads: usize,
    fails_at: Option<u64>,
    blocks_at: Option<(u64, Sender<()>)>,
}

impl Script {
    pub(crate) fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            bytes: bytes.into(),
            position: 0,
            seekable: true,
            sizes: Vec::new(),
            reads: 0,
            fails_at: None,
            blocks_at: None,
        }
    }

    /// Reads give so many bytes in turn, whatever is asked for.
    pub(crate) fn short(mut self, sizes: &[usize]) -> Self {
        self.sizes = sizes.to_vec();
        self
    }

    pub(crate) fn unseekable(mut self) -> Self {
        self.seekable = false;
        self
    }

    /// Reads at and behind this position fail with [`failure`].
    pub(crate) fn fails_at(mut self, position: u64) -> Self {
        self.fails_at = Some(position);
        self
    }

    /// Reads at and behind this position never return, and say so when they begin.
    pub(crate) fn blocks_at(mut self, position: u64, blocked: Sender<()>) -> Self {
        self.blocks_at = Some((position, blocked));
        self
    }

    pub(crate) fn boxed(self) -> Box<dyn HostStream> {
        Box::new(self)
    }
}

/// What a stream answers that fails.
pub(crate) fn failure() -> PluginError {
    PluginError::Io("the disk is gone".into())
}

impl HostStream for Script {
    fn read(&mut self, max_bytes: u32, control: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        assert!(max_bytes > 0, "the host asks for at least a byte");
        let mut end = self.bytes.len() as u64;
        if let Some(position) = self.fails_at {
            if self.position >= position {
                return Err(failure().into());
            }
            end = end.min(position);
        }
        if let Some((position, blocked)) = &self.blocks_at {
            if self.position >= *position {
                // The case may have gone on without us.
                let _ = blocked.send(());
                control.wait(None, || None::<()>)?;
            }
            end = end.min(*position);
        }
        let most = if self.sizes.is_empty() { usize::MAX } else { self.sizes[self.reads % self.sizes.len()] };
        self.reads += 1;
        let rest = &self.bytes[self.position.min(end) as usize..end as usize];
        let read = &rest[..rest.len().min(max_bytes as usize).min(most)];
        self.position += read.len() as u64;
        Ok(read.to_vec())
    }

    fn seek(&mut self, offset: i64, whence: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
        if !self.seekable {
            return Err(PluginError::Unsupported("this stream only goes forward".into()).into());
        }
        let from = match whence {
            SeekWhence::Start => 0,
            SeekWhence::Current => self.position,
            SeekWhence::End => self.bytes.len() as u64,
        };
        let to = from.checked_add_signed(offset);
        self.position = to.ok_or_else(|| PluginError::InvalidArg("before the start".into()))?;
        Ok(self.position)
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(self.position)
    }

    fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        if !self.seekable {
            return Err(PluginError::Unsupported("this stream does not know".into()).into());
        }
        Ok(self.bytes.len() as u64)
    }
}

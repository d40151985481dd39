//! `sidecar`: native helper processes of a plugin, their channels and named locks (plugin contract 3.3).

use std::{sync::Arc, time::Instant};

use super::{Host, Unavailable, live, push, unavailable, until};
use crate::{
    control::CallControl,
    error::{CallResult, Trap},
    limits::READ_BYTES,
    table::ObjectId,
    types::{LaunchSpec, TransportKind, TransportOption},
};

/// A named lock that is held; dropping it unlocks.
pub trait Lock: Send {}

/// A byte channel to a process.
pub trait Channel: Send {
    /// What the channel runs over.
    fn transport(&self) -> TransportKind;

    /// Writes bytes and says how many were taken.
    ///
    /// # Errors
    /// A refusal for the guest, or a trap when the call was cut meanwhile.
    fn write(&mut self, data: &[u8], control: &Arc<CallControl>) -> CallResult<u32>;

    /// Reads at most `max_bytes`; an empty answer is the end, or for a ring that nothing came until `until`.
    ///
    /// # Errors
    /// A refusal for the guest, or a trap when the call was cut meanwhile.
    fn read(&mut self, max_bytes: u32, until: Option<Instant>, control: &Arc<CallControl>) -> CallResult<Vec<u8>>;
}

/// A process, or a lease on one that a package shares. Dropping it gives the lease back.
pub trait Process: Send {
    /// Opens the control channel over the first of the launch's transports that works.
    ///
    /// # Errors
    /// A refusal for the guest, or a trap when the call was cut meanwhile.
    fn open_control(&mut self, control: &Arc<CallControl>) -> CallResult<Box<dyn Channel>>;

    /// Opens a data channel for `role`.
    ///
    /// # Errors
    /// As [`open_control`](Self::open_control).
    fn open_data(
        &mut self,
        role: &str,
        preferred: &[TransportOption],
        control: &Arc<CallControl>,
    ) -> CallResult<Box<dyn Channel>>;

    /// Waits for the exit code; `None` when `until` passed first or a signal ended the process.
    ///
    /// # Errors
    /// As [`open_control`](Self::open_control).
    fn wait_exit(&mut self, until: Option<Instant>, control: &Arc<CallControl>) -> CallResult<Option<i32>>;

    /// Ends the process, or gives the lease back; closes stdin first and waits `grace_ms`.
    ///
    /// # Errors
    /// As [`open_control`](Self::open_control).
    fn terminate(self: Box<Self>, grace_ms: u32, control: &Arc<CallControl>) -> CallResult<()>;
}

/// Starts processes and takes named locks for one plugin.
pub trait Sidecars: Send + Sync {
    /// Takes the lock `name`, waiting until `until` or for ever.
    ///
    /// # Errors
    /// A refusal for the guest, or a trap when the call was cut meanwhile.
    fn lock(&self, name: &str, until: Option<Instant>, control: &Arc<CallControl>) -> CallResult<Box<dyn Lock>>;

    /// Starts a process, or joins one that the package shares.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    fn launch(&self, spec: &LaunchSpec, control: &Arc<CallControl>) -> CallResult<Box<dyn Process>>;
}

impl Sidecars for Unavailable {
    fn lock(&self, _: &str, _: Option<Instant>, _: &Arc<CallControl>) -> CallResult<Box<dyn Lock>> {
        unavailable("sidecar.lock")
    }

    fn launch(&self, _: &LaunchSpec, _: &Arc<CallControl>) -> CallResult<Box<dyn Process>> {
        unavailable("sidecar.launch")
    }
}

/// Each method is the import of the same name. Its errors are those of the service behind it, and a trap for a
/// handle that names nothing.
#[allow(clippy::missing_errors_doc, reason = "said once, for all of them, above")]
impl Host {
    /// `sidecar.lock`
    pub fn sidecar_lock(&mut self, name: &str, timeout_ms: Option<u32>) -> CallResult<ObjectId> {
        let lock = self.services.sidecars.lock(name, until(timeout_ms), &self.control)?;
        push(&mut self.locks, Some(lock), "locks")
    }

    /// `lock-guard.unlock`; unlocking again is fine.
    pub fn lock_unlock(&mut self, id: ObjectId) -> Result<(), Trap> {
        *self.locks.get_mut(id)? = None;
        Ok(())
    }

    /// The guest dropped its lock guard.
    pub fn lock_drop(&mut self, id: ObjectId) -> Result<(), Trap> {
        self.locks.remove(id).map(drop)
    }

    /// `sidecar.launch`
    pub fn sidecar_launch(&mut self, spec: &LaunchSpec) -> CallResult<ObjectId> {
        let process = self.services.sidecars.launch(spec, &self.control)?;
        push(&mut self.processes, Some(process), "processes")
    }

    /// `process.open-control`
    pub fn process_open_control(&mut self, id: ObjectId) -> CallResult<ObjectId> {
        let channel = live(&mut self.processes, id, "process")?.open_control(&self.control)?;
        push(&mut self.channels, Some(channel), "channels")
    }

    /// `process.open-data`
    pub fn process_open_data(
        &mut self,
        id: ObjectId,
        role: &str,
        preferred: &[TransportOption],
    ) -> CallResult<ObjectId> {
        let channel = live(&mut self.processes, id, "process")?.open_data(role, preferred, &self.control)?;
        push(&mut self.channels, Some(channel), "channels")
    }

    /// `process.wait-exit`
    pub fn process_wait_exit(&mut self, id: ObjectId, timeout_ms: Option<u32>) -> CallResult<Option<i32>> {
        live(&mut self.processes, id, "process")?.wait_exit(until(timeout_ms), &self.control)
    }

    /// `process.terminate`; the handle is gone for every later call.
    pub fn process_terminate(&mut self, id: ObjectId, grace_ms: u32) -> CallResult<()> {
        match self.processes.get_mut(id)?.take() {
            Some(process) => process.terminate(grace_ms, &self.control),
            None => Ok(()),
        }
    }

    /// The guest dropped its process handle.
    pub fn process_drop(&mut self, id: ObjectId) -> Result<(), Trap> {
        self.processes.remove(id).map(drop)
    }

    /// `channel.transport`; a closed channel answers `stdio`.
    pub fn channel_transport(&mut self, id: ObjectId) -> Result<TransportKind, Trap> {
        Ok(self.channels.get_mut(id)?.as_ref().map_or(TransportKind::Stdio, |channel| channel.transport()))
    }

    /// `channel.write`
    pub fn channel_write(&mut self, id: ObjectId, data: &[u8]) -> CallResult<u32> {
        live(&mut self.channels, id, "channel")?.write(data, &self.control)
    }

    /// `channel.read`; of a closed channel, or for 0 bytes, it is empty (plugin contract 3.3).
    pub fn channel_read(&mut self, id: ObjectId, max_bytes: u32, timeout_ms: Option<u32>) -> CallResult<Vec<u8>> {
        match self.channels.get_mut(id)? {
            Some(channel) if max_bytes > 0 => channel.read(max_bytes.min(READ_BYTES), until(timeout_ms), &self.control),
            _ => Ok(Vec::new()),
        }
    }

    /// `channel.close`; closing again is fine.
    pub fn channel_close(&mut self, id: ObjectId) -> Result<(), Trap> {
        *self.channels.get_mut(id)? = None;
        Ok(())
    }

    /// The guest dropped its channel handle.
    pub fn channel_drop(&mut self, id: ObjectId) -> Result<(), Trap> {
        self.channels.remove(id).map(drop)
    }
}

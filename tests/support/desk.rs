//! Services that a guest's imports lead to in tests: they grant everything and write down what they are asked, and every
//! end of what they gave out.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Instant,
};

use stellatune_plugin_core::{
    control::CallControl,
    error::{CallResult, PluginError},
    host::{Channel, HostStream, Http, Lock, Process, Services, Sidecars, Streams},
    types::{LaunchSpec, OpenRequest, SeekWhence, TransportKind, TransportOption},
};

use super::stream::Script;

/// Services that grant everything and write down what they are asked.
#[derive(Clone, Default)]
pub(crate) struct Desk {
    notes: Arc<Mutex<Vec<String>>>,
    locks: Arc<Mutex<BTreeSet<String>>>,
}

impl Desk {
    fn note(&self, what: impl Into<String>) {
        self.notes.lock().expect("no panic").push(what.into());
    }

    /// What was noted since the last time.
    pub(crate) fn notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().expect("no panic"))
    }

    pub(crate) fn services(&self) -> Services {
        let desk = Arc::new(self.clone());
        Services { streams: desk.clone(), sidecars: desk.clone(), http: desk }
    }

    fn ended(&self, what: impl Into<String>) -> Ended {
        Ended { desk: self.clone(), what: what.into() }
    }
}

/// Notes the end of something.
struct Ended {
    desk: Desk,
    what: String,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.desk.note(format!("end of {}", self.what));
    }
}

/// A stream that notes its end.
struct Watched(Box<dyn HostStream>, #[allow(dead_code, reason = "for its drop")] Ended);

impl HostStream for Watched {
    fn read(&mut self, max_bytes: u32, control: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        self.0.read(max_bytes, control)
    }

    fn seek(&mut self, offset: i64, whence: SeekWhence, control: &Arc<CallControl>) -> CallResult<u64> {
        self.0.seek(offset, whence, control)
    }

    fn tell(&mut self, control: &Arc<CallControl>) -> CallResult<u64> {
        self.0.tell(control)
    }

    fn size(&mut self, control: &Arc<CallControl>) -> CallResult<u64> {
        self.0.size(control)
    }
}

impl Streams for Desk {
    fn open(&self, request: &OpenRequest, _: &Arc<CallControl>) -> CallResult<Box<dyn HostStream>> {
        self.note(format!("open {request:?}"));
        Ok(Box::new(Watched(Script::new(&[7; 10][..]).boxed(), self.ended("stream"))))
    }
}

impl Http for Desk {
    fn fetch_json(&self, url: &str, _: &Arc<CallControl>) -> CallResult<String> {
        self.note(format!("fetch {url}"));
        match url {
            "http://text" => Ok("caf\u{e9}".into()),
            "http://json" => Ok("[1,2]".into()),
            _ => Err(PluginError::Denied(format!("network:{url}")).into()),
        }
    }
}

/// A lock that is held until this is dropped.
struct Held {
    desk: Desk,
    name: String,
}

impl Lock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        self.desk.locks.lock().expect("no panic").remove(&self.name);
        self.desk.note(format!("end of lock {}", self.name));
    }
}

/// A process that answers what it is sent, or a ring that takes and gives nothing.
struct Helper(Desk, #[allow(dead_code, reason = "for its drop")] Ended, TransportKind);

struct Pipe {
    transport: TransportKind,
    pending: Vec<u8>,
    ended: Ended,
}

/// Whether a wait ends, without the time that nothing here depends on.
fn bounded(until: Option<Instant>) -> &'static str {
    if until.is_some() { "bounded" } else { "for ever" }
}

impl Sidecars for Desk {
    fn lock(&self, name: &str, until: Option<Instant>, _: &Arc<CallControl>) -> CallResult<Box<dyn Lock>> {
        self.note(format!("lock {name} {}", bounded(until)));
        if !self.locks.lock().expect("no panic").insert(name.to_owned()) {
            return Err(PluginError::Timeout(format!("{name} is held")).into());
        }
        Ok(Box::new(Held { desk: self.clone(), name: name.to_owned() }))
    }

    fn launch(&self, spec: &LaunchSpec, _: &Arc<CallControl>) -> CallResult<Box<dyn Process>> {
        self.note(format!("launch {spec:?}"));
        let ring = spec.executable == "ring";
        let transport = if ring { TransportKind::SharedMemoryRing } else { TransportKind::LoopbackTcp };
        Ok(Box::new(Helper(self.clone(), self.ended("process"), transport)))
    }
}

impl Process for Helper {
    fn open_control(&mut self, _: &Arc<CallControl>) -> CallResult<Box<dyn Channel>> {
        self.0.note("open-control");
        Ok(Box::new(Pipe { transport: self.2, pending: Vec::new(), ended: self.0.ended("channel") }))
    }

    fn open_data(
        &mut self,
        role: &str,
        preferred: &[TransportOption],
        _: &Arc<CallControl>,
    ) -> CallResult<Box<dyn Channel>> {
        self.0.note(format!("open-data {role} {preferred:?}"));
        let ended = self.0.ended("data channel");
        Ok(Box::new(Pipe { transport: TransportKind::UnixSocket, pending: Vec::new(), ended }))
    }

    fn wait_exit(&mut self, until: Option<Instant>, _: &Arc<CallControl>) -> CallResult<Option<i32>> {
        self.0.note(format!("wait-exit {}", bounded(until)));
        Ok(until.is_none().then_some(-3))
    }

    fn terminate(self: Box<Self>, grace_ms: u32, _: &Arc<CallControl>) -> CallResult<()> {
        self.0.note(format!("terminate {grace_ms}"));
        Ok(())
    }
}

impl Channel for Pipe {
    fn transport(&self) -> TransportKind {
        self.transport
    }

    fn write(&mut self, data: &[u8], _: &Arc<CallControl>) -> CallResult<u32> {
        self.ended.desk.note(format!("write {}", String::from_utf8_lossy(data)));
        if self.transport == TransportKind::SharedMemoryRing {
            return Ok(0);
        }
        self.pending.extend(data.iter().map(u8::to_ascii_uppercase));
        Ok(data.len() as u32)
    }

    fn read(&mut self, max_bytes: u32, until: Option<Instant>, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        self.ended.desk.note(format!("read {max_bytes} {}", bounded(until)));
        let count = self.pending.len().min(max_bytes as usize);
        Ok(self.pending.drain(..count).collect())
    }
}

//! Calls out: streams, sidecars, locks, channels and requests, when each is used and when it is let go.

use std::{sync::Arc, time::Instant};

use stellatune_plugin_core::{
    control::CallControl,
    error::CallResult,
    host::{Channel, HostStream, Http, Lock, Process, Services, Sidecars, Streams},
    types::{LaunchSpec, OpenRequest, SeekWhence, TransportKind, TransportOption},
};

use super::super::transcript::Record;
use crate::support::show::{Show, answer, bytes, text};

/// Records what is asked of services.
pub(crate) fn services(services: Services, record: &Record) -> Services {
    let Services { streams, sidecars, http } = services;
    Services {
        streams: Arc::new(Recorded { inner: streams, name: "streams", record: record.clone() }),
        sidecars: Arc::new(Recorded { inner: sidecars, name: "sidecars", record: record.clone() }),
        http: Arc::new(Recorded { inner: http, name: "http", record: record.clone() }),
    }
}

/// Records what is asked of a stream, under a name.
pub(crate) fn stream(stream: Box<dyn HostStream>, record: &Record, name: &'static str) -> Box<dyn HostStream> {
    Box::new(Held(Recorded { inner: Some(stream), name, record: record.clone() }))
}

struct Recorded<T> {
    inner: T,
    name: &'static str,
    record: Record,
}

impl<T> Recorded<T> {
    fn asked<A: Show>(&self, what: &str, answered: CallResult<A>) -> CallResult<A> {
        self.record.host(format!("  {}.{what} = {}", self.name, answer(&answered)));
        answered
    }
}

/// Something a guest may hold: that it is let go is recorded too.
struct Held<T>(Recorded<Option<T>>);

impl<T> Held<T> {
    fn boxed(inner: T, record: &Record, name: &'static str) -> Box<Self> {
        Box::new(Self(Recorded { inner: Some(inner), name, record: record.clone() }))
    }

    fn inner(&mut self) -> &mut T {
        self.0.inner.as_mut().expect("it is there until it is dropped or ended")
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        drop(self.0.inner.take());
        self.0.record.host(format!("  {} let go", self.0.name));
    }
}

impl Streams for Recorded<Arc<dyn Streams>> {
    fn open(&self, request: &OpenRequest, control: &Arc<CallControl>) -> CallResult<Box<dyn HostStream>> {
        let opened = self.asked(&format!("open {request:?}"), self.inner.open(request, control))?;
        Ok(stream(opened, &self.record, "an opened stream"))
    }
}

impl HostStream for Held<Box<dyn HostStream>> {
    fn read(&mut self, max_bytes: u32, control: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        let read = self.inner().read(max_bytes, control);
        self.0.asked(&format!("read {max_bytes}"), read)
    }

    fn seek(&mut self, offset: i64, whence: SeekWhence, control: &Arc<CallControl>) -> CallResult<u64> {
        let sought = self.inner().seek(offset, whence, control);
        self.0.asked(&format!("seek {offset} {whence:?}"), sought)
    }

    fn tell(&mut self, control: &Arc<CallControl>) -> CallResult<u64> {
        let told = self.inner().tell(control);
        self.0.asked("tell", told)
    }

    fn size(&mut self, control: &Arc<CallControl>) -> CallResult<u64> {
        let size = self.inner().size(control);
        self.0.asked("size", size)
    }
}

impl Http for Recorded<Arc<dyn Http>> {
    fn fetch_json(&self, url: &str, control: &Arc<CallControl>) -> CallResult<String> {
        self.asked(&format!("fetch-json {}", text(url)), self.inner.fetch_json(url, control))
    }
}

impl Sidecars for Recorded<Arc<dyn Sidecars>> {
    fn lock(&self, name: &str, until: Option<Instant>, control: &Arc<CallControl>) -> CallResult<Box<dyn Lock>> {
        let call = format!("lock {} {}", text(name), wait(until));
        let lock = self.asked(&call, self.inner.lock(name, until, control))?;
        Ok(Held::boxed(lock, &self.record, "a lock"))
    }

    fn launch(&self, spec: &LaunchSpec, control: &Arc<CallControl>) -> CallResult<Box<dyn Process>> {
        let process = self.asked(&format!("launch {spec:?}"), self.inner.launch(spec, control))?;
        Ok(Held::boxed(process, &self.record, "a process"))
    }
}

impl Lock for Held<Box<dyn Lock>> {}

impl Process for Held<Box<dyn Process>> {
    fn open_control(&mut self, control: &Arc<CallControl>) -> CallResult<Box<dyn Channel>> {
        let opened = self.inner().open_control(control);
        let channel = self.0.asked("open-control", opened)?;
        Ok(Held::boxed(channel, &self.0.record, "a control channel"))
    }

    fn open_data(
        &mut self,
        role: &str,
        preferred: &[TransportOption],
        control: &Arc<CallControl>,
    ) -> CallResult<Box<dyn Channel>> {
        let opened = self.inner().open_data(role, preferred, control);
        let channel = self.0.asked(&format!("open-data {} {preferred:?}", text(role)), opened)?;
        Ok(Held::boxed(channel, &self.0.record, "a data channel"))
    }

    fn wait_exit(&mut self, until: Option<Instant>, control: &Arc<CallControl>) -> CallResult<Option<i32>> {
        let exited = self.inner().wait_exit(until, control);
        self.0.asked(&format!("wait-exit {}", wait(until)), exited)
    }

    fn terminate(mut self: Box<Self>, grace_ms: u32, control: &Arc<CallControl>) -> CallResult<()> {
        let process = self.0.inner.take().expect("it is there until it is dropped or ended");
        let ended = process.terminate(grace_ms, control);
        self.0.asked(&format!("terminate {grace_ms}"), ended)
    }
}

impl Channel for Held<Box<dyn Channel>> {
    fn transport(&self) -> TransportKind {
        let transport = self.0.inner.as_ref().map_or(TransportKind::Stdio, |channel| channel.transport());
        self.0.record.host(format!("  {}.transport = {transport:?}", self.0.name));
        transport
    }

    fn write(&mut self, data: &[u8], control: &Arc<CallControl>) -> CallResult<u32> {
        let taken = self.inner().write(data, control);
        self.0.asked(&format!("write {}", bytes(data)), taken)
    }

    fn read(&mut self, max_bytes: u32, until: Option<Instant>, control: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        let read = self.inner().read(max_bytes, until, control);
        self.0.asked(&format!("read {max_bytes} {}", wait(until)), read)
    }
}

/// When a wait ends is a point in time; that it does is what counts.
fn wait(until: Option<Instant>) -> &'static str {
    if until.is_some() { "for a while" } else { "for ever" }
}

macro_rules! shown_as {
    ($($face:ident $text:literal),+) => {
        $(impl Show for Box<dyn $face> {
            fn show(&self) -> String {
                $text.to_owned()
            }
        })+
    };
}

shown_as!(Lock "a lock", Process "a process", Channel "a channel");

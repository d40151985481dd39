//! The face of the host: one method per import of the contract, over small object-safe services.
//!
//! An engine binds each import with one statement that calls a method of [`Host`]; what stands behind it is a
//! [`Services`] the runtime hands in, each part with a stand-in that answers `unsupported`. Not here: WASI
//! ([`crate::wasi`]), nor any policy about who may open what (the services).

mod sidecar;
mod stream;

use std::sync::Arc;

pub use sidecar::{Channel, Lock, Process, Sidecars};
pub use stream::{HostStream, Streams};

use crate::{
    control::CallControl,
    error::{CallResult, PluginError},
    limits::Limits,
    table::{ObjectId, Table},
    wasi::{LogSink, Wasi},
};

/// Fetches JSON documents for `http-client`.
pub trait Http: Send + Sync {
    /// `http-client.fetch-json`: the body of a GET, without a check that it is JSON (plugin contract 3.2).
    ///
    /// # Errors
    /// A refusal for the guest, or a trap when the call was cut meanwhile.
    fn fetch_json(&self, url: &str, control: &Arc<CallControl>) -> CallResult<String>;
}

/// What stands behind the imports. Shared by the instances of a component.
#[derive(Clone)]
pub struct Services {
    /// Behind `host-stream.open`.
    pub streams: Arc<dyn Streams>,
    /// Behind `sidecar`.
    pub sidecars: Arc<dyn Sidecars>,
    /// Behind `http-client`.
    pub http: Arc<dyn Http>,
}

impl Default for Services {
    /// Services that answer every call with `unsupported`.
    fn default() -> Self {
        let none = Arc::new(Unavailable);
        Self { streams: none.clone(), sidecars: none.clone(), http: none }
    }
}

/// The host as one instance sees it: its services, and the handles it holds.
pub struct Host {
    pub(in crate::host) services: Services,
    pub(in crate::host) control: Arc<CallControl>,
    pub(in crate::host) streams: Table<Option<Box<dyn HostStream>>>,
    pub(in crate::host) processes: Table<Option<Box<dyn Process>>>,
    pub(in crate::host) channels: Table<Option<Box<dyn Channel>>>,
    pub(in crate::host) locks: Table<Option<Box<dyn Lock>>>,
    wasi: Wasi,
}

impl Host {
    /// A host without any handle. `control` is the one the instance's calls are entered with.
    pub fn new(services: Services, limits: &Limits, control: Arc<CallControl>, log: Box<dyn LogSink>) -> Self {
        let most = limits.host_resources;
        Self {
            services,
            streams: Table::new(most),
            processes: Table::new(most),
            channels: Table::new(most),
            locks: Table::new(most),
            wasi: Wasi::new(limits, Arc::clone(&control), log),
            control,
        }
    }

    /// The instance's WASI.
    pub fn wasi(&mut self) -> &mut Wasi {
        &mut self.wasi
    }

    /// The control the instance's calls are entered with.
    pub fn control(&self) -> &Arc<CallControl> {
        &self.control
    }

    /// `http-client.fetch-json`
    ///
    /// # Errors
    /// As [`Http::fetch_json`].
    pub fn fetch_json(&mut self, url: &str) -> CallResult<String> {
        self.services.http.fetch_json(url, &self.control)
    }
}

/// Answers for a service this host does not have.
struct Unavailable;

fn unavailable<T>(what: &str) -> CallResult<T> {
    Err(PluginError::Unsupported(format!("this host does not offer {what}")).into())
}

impl Http for Unavailable {
    fn fetch_json(&self, _: &str, _: &Arc<CallControl>) -> CallResult<String> {
        unavailable("http-client")
    }
}

/// Takes the live object out of `table`'s entry, or says that it is closed.
fn live<'a, T: ?Sized>(table: &'a mut Table<Option<Box<T>>>, id: ObjectId, what: &str) -> CallResult<&'a mut Box<T>> {
    table.get_mut(id)?.as_mut().ok_or_else(|| PluginError::NotFound(format!("the {what} is closed")).into())
}

/// A full table is a refusal the guest can answer to.
fn push<T>(table: &mut Table<T>, value: T, what: &str) -> CallResult<ObjectId> {
    table.push(value).map_err(|_| PluginError::Denied(format!("too many {what} are open")).into())
}

/// The wait a guest asked for, as a point in time.
fn until(timeout_ms: Option<u32>) -> Option<std::time::Instant> {
    timeout_ms.map(|ms| std::time::Instant::now() + std::time::Duration::from_millis(ms.into()))
}

//! A scripted host, so that what a plugin asks of its host is tested natively with plain `cargo test`.
//!
//! [`Host`] answers `open`, `fetch` and `launch` with closures of the test and tells afterwards what was asked; a
//! [`Stream`] reads short, fails or cannot seek as the test wants; a [`Channel`] answers what is written to it. Not
//! there in WebAssembly, where the host is real.

mod processes;
mod stream;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bindings::host::stellatune::plugin::common::PluginError;
use crate::error::{Error, Result};

pub use crate::bindings::host::stellatune::plugin::host_stream::{Header, OpenRequest, StreamOpenKind};
pub use crate::bindings::host::stellatune::plugin::sidecar::{LaunchScope, LaunchSpec};
pub use processes::{Channel, Process};
pub use stream::Stream;

/// What generated imports answer with.
type Answer<T> = std::result::Result<T, PluginError>;
type Handler<A, T> = Option<Box<dyn FnMut(&A) -> Result<T>>>;

/// Answers for what a plugin imports. What has no answer is `unsupported`.
#[derive(Default)]
pub struct Host {
    open: Handler<OpenRequest, Stream>,
    fetch: Handler<str, String>,
    launch: Handler<LaunchSpec, Process>,
}

impl Host {
    /// A host that answers nothing yet. Locks work without an answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers [`HostStream::open_file`](crate::HostStream::open_file) and the requests that open a stream.
    #[must_use]
    pub fn open(self, answer: impl FnMut(&OpenRequest) -> Result<Stream> + 'static) -> Self {
        Self { open: Some(Box::new(answer)), ..self }
    }

    /// Answers [`http`](crate::http).
    #[must_use]
    pub fn fetch(self, answer: impl FnMut(&str) -> Result<String> + 'static) -> Self {
        Self { fetch: Some(Box::new(answer)), ..self }
    }

    /// Answers [`Launch::start`](crate::sidecar::Launch::start).
    #[must_use]
    pub fn launch(self, answer: impl FnMut(&LaunchSpec) -> Result<Process> + 'static) -> Self {
        Self { launch: Some(Box::new(answer)), ..self }
    }

    /// Makes this the host of the current thread, until what it gives is dropped.
    #[must_use = "the host is there until this is dropped"]
    pub fn install(self) -> Installed {
        let state = Rc::new(State { host: RefCell::new(self), ..State::default() });
        let before = CURRENT.replace(Some(Rc::clone(&state)));
        Installed { state, before }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

/// A host in use.
#[derive(Debug)]
pub struct Installed {
    state: Rc<State>,
    before: Option<Rc<State>>,
}

impl Installed {
    /// What was asked so far, in order: `open TARGET`, `close TARGET`, `fetch URL`, `launch EXECUTABLE`, `open-control`,
    /// `open-data ROLE`, `close channel`, `wait-exit`, `terminate MILLISECONDS`, `drop process`, `lock NAME`,
    /// `unlock NAME`.
    pub fn events(&self) -> Vec<String> {
        self.state.events.all()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<State>>> = const { RefCell::new(None) };
}

#[derive(Debug, Default)]
struct State {
    host: RefCell<Host>,
    events: Events,
    locks: RefCell<BTreeSet<String>>,
}

impl State {
    fn note(&self, event: impl Into<String>) {
        self.events.note(event.into());
    }

    fn ask<A: ?Sized, T>(
        &self,
        what: &str,
        handler: impl Fn(&mut Host) -> &mut Handler<A, T>,
        argument: &A,
    ) -> Result<T> {
        // Taken out meanwhile, so that an answer may ask other things of the host.
        let answer = handler(&mut self.host.borrow_mut()).take();
        let Some(mut answer) = answer else {
            return Err(Error::unsupported(format!("the mock host has no answer to {what}")));
        };
        let result = answer(argument);
        *handler(&mut self.host.borrow_mut()) = Some(answer);
        result
    }
}

/// What was asked, in order. Goes with streams, which libraries of plugins send to other threads.
#[derive(Clone, Debug, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    fn note(&self, event: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn current() -> Result<Rc<State>> {
    let none = || Error::unsupported("there is no host outside of WebAssembly; tests install a mock::Host");
    CURRENT.with_borrow(Clone::clone).ok_or_else(none)
}

/// The imports of `host-stream`, as the generated ones look.
pub(crate) mod host_stream {
    use super::{Answer, OpenRequest, Stream, current};

    pub(crate) fn open(request: &OpenRequest) -> Answer<Stream> {
        let state = current()?;
        state.note(format!("open {}", request.target));
        let stream = state.ask("open", |host| &mut host.open, request)?;
        Ok(stream.of(request.target.clone(), state.events.clone()))
    }
}

/// The imports of `http-client`, as the generated ones look.
pub(crate) mod http_client {
    use super::{Answer, current};

    pub(crate) fn fetch_json(url: &str) -> Answer<String> {
        let state = current()?;
        state.note(format!("fetch {url}"));
        Ok(state.ask("fetch", |host| &mut host.fetch, url)?)
    }
}

/// The imports of `sidecar`, as the generated ones look.
pub(crate) mod sidecar {
    pub(crate) use super::processes::host::{Channel, LockGuard, Process, launch, lock};
}

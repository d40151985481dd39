//! The instances of one component: which serves a new session, and when another is started.
//!
//! Every instance has a worker thread of its own ([`crate::actor`]). A session goes to an instance without any, else
//! to a new one while there are fewer than `max_instances`, else to the one with the fewest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    actor::{Actor, Setup},
    engine::Program,
    error::{Error, ErrorKind, Result},
    types::DisableReason,
};

/// The instance group of one component.
pub(crate) struct Group {
    program: Arc<dyn Program>,
    setup: Box<dyn Fn(u64) -> Setup + Send + Sync>,
    max_instances: usize,
    actors: Mutex<Vec<Arc<Actor>>>,
    /// Held while an instance is started, so that a rush of sessions starts no more than it needs.
    starting: tokio::sync::Mutex<()>,
    next_instance: AtomicU64,
    failed: Mutex<Option<String>>,
}

impl Group {
    /// A group without instances; `setup` makes what the n-th is made from.
    pub(crate) fn new(
        program: Arc<dyn Program>,
        max_instances: usize,
        setup: impl Fn(u64) -> Setup + Send + Sync + 'static,
    ) -> Self {
        Self {
            program,
            setup: Box::new(setup),
            max_instances: max_instances.max(1),
            actors: Mutex::default(),
            starting: tokio::sync::Mutex::new(()),
            next_instance: AtomicU64::new(0),
            failed: Mutex::new(None),
        }
    }

    /// An instance for one more session, started if need be.
    ///
    /// # Errors
    /// What starting or `on-enable` answered. If that was the first instance, the component is failed from then on.
    pub(crate) async fn acquire(&self) -> Result<Arc<Actor>> {
        let _starting = self.starting.lock().await;
        if let Some(reason) = &*self.failed.lock() {
            return Err(failed(reason));
        }
        if let Some(actor) = self.best() {
            return Ok(actor);
        }
        let number = self.next_instance.fetch_add(1, Ordering::Relaxed);
        let first = number == 0;
        match Actor::start(Arc::clone(&self.program), (self.setup)(number)).await {
            Ok(actor) => {
                self.actors.lock().push(Arc::clone(&actor));
                Ok(actor)
            }
            Err(error) => {
                if first {
                    *self.failed.lock() = Some(error.to_string());
                }
                Err(error)
            }
        }
    }

    /// Why the component is failed, if it is.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failed.lock().clone()
    }

    /// Lets the instances go once their sessions are closed; `reason` is what their `on-disable` is told.
    pub(crate) fn retire(&self, reason: DisableReason) {
        for actor in std::mem::take(&mut *self.actors.lock()) {
            actor.retire(reason);
        }
    }

    /// Ends the instances now, one after another, at most until `deadline`; says whether all are gone.
    pub(crate) fn tear_down(&self, reason: DisableReason, grace: Duration, deadline: Instant) -> bool {
        let actors = std::mem::take(&mut *self.actors.lock());
        std::thread::scope(|scope| {
            let ends: Vec<_> =
                actors.iter().map(|actor| scope.spawn(move || actor.tear_down(reason, grace, deadline))).collect();
            ends.into_iter().all(|end| end.join().unwrap_or(false))
        })
    }

    /// The instance that can take a session without another being started, if there is one.
    fn best(&self) -> Option<Arc<Actor>> {
        let mut actors = self.actors.lock();
        actors.retain(|actor| actor.is_usable());
        let best = actors.iter().min_by_key(|actor| actor.sessions())?;
        (best.sessions() == 0 || actors.len() >= self.max_instances).then(|| Arc::clone(best))
    }
}

fn failed(reason: &str) -> Error {
    Error::new(ErrorKind::Trap, format!("the component failed: {reason}"))
        .help("enable the plugin again to try once more, or install a newer version")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        actor::tests::{block_on, program, setup},
        engine::fake::{Call, FakeEngine},
        error::PluginError,
    };

    #[test]
    fn the_first_failure_fails_the_component_and_a_later_one_does_not() {
        let engine = FakeEngine::new(|call, _| match call {
            Call::Enable => Err(PluginError::Internal("no".into()).into()),
            _ => Ok(()),
        });
        let group = Group::new(program(&engine), 2, setup);
        let first = block_on(group.acquire()).err().unwrap();
        assert_eq!(first.kind(), ErrorKind::PluginError);
        assert!(group.failure().is_some());
        assert!(block_on(group.acquire()).is_err());
        assert_eq!(engine.calls().iter().filter(|call| **call == Call::Start).count(), 1, "not tried again");
    }

    #[test]
    fn an_idle_instance_is_used_again() {
        let engine = FakeEngine::new(|_, _| Ok(()));
        let group = Group::new(program(&engine), 2, setup);
        let (a, b) = (block_on(group.acquire()).unwrap(), block_on(group.acquire()).unwrap());
        assert!(Arc::ptr_eq(&a, &b));
        drop((a, b));
        assert!(group.tear_down(
            DisableReason::Shutdown,
            Duration::from_secs(1),
            Instant::now() + Duration::from_secs(10)
        ));
        assert_eq!(engine.calls(), [Call::Start, Call::Enable, Call::Disable(DisableReason::Shutdown)]);
    }
}

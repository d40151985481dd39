//! One object of a guest, held by somebody outside: its calls, its cancellation, its end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use super::{Actor, Guest, Priority, Shared, WorkerId};
use crate::{control::CancelToken, error::Result, table::ObjectId};

/// One object of a guest, such as a decoder session: closed when dropped.
pub(crate) struct Session {
    actor: Arc<Actor>,
    /// Changed on the guest's thread, when the object is replaced.
    object: Arc<AtomicU32>,
    token: CancelToken,
    busy: Arc<AtomicBool>,
    priority: Priority,
}

impl Session {
    /// Opens an object with `open`, in one job.
    ///
    /// # Errors
    /// As [`Actor::run`].
    pub(crate) async fn open<T: Send + 'static>(
        actor: &Arc<Actor>,
        priority: Priority,
        token: CancelToken,
        open: impl FnOnce(&mut Guest, &CancelToken) -> Result<(ObjectId, T)> + Send + 'static,
    ) -> Result<(Self, T)> {
        let owner = Arc::clone(actor);
        actor
            .run(priority, move |guest| {
                let (object, value) = open(guest, &token)?;
                guest.objects.push(object);
                owner.shared.sessions.fetch_add(1, Ordering::AcqRel);
                let object = Arc::new(AtomicU32::new(object.0));
                Ok((Self { actor: owner, object, token, busy: Arc::default(), priority }, value))
            })
            .await
    }

    /// How soon later jobs of this object are due.
    pub(crate) fn set_priority(&mut self, priority: Priority) {
        self.priority = priority;
    }

    /// Whether jobs can be run at all.
    ///
    /// # Errors
    /// The trap that ended the guest; `cancelled` when it was ended.
    pub(crate) fn check(&self) -> Result<()> {
        if self.actor.may_be_used() { Ok(()) } else { Err(self.actor.ended()) }
    }

    /// Runs a job for this object.
    ///
    /// # Errors
    /// As [`Actor::run`].
    pub(crate) async fn run<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut Guest, ObjectId, &CancelToken) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (object, token, busy) = (Arc::clone(&self.object), self.token.clone(), Arc::clone(&self.busy));
        token.reset();
        self.busy.store(true, Ordering::Release);
        self.actor
            .run(self.priority, move |guest| {
                let answer = job(guest, ObjectId(object.load(Ordering::Acquire)), &token);
                busy.store(false, Ordering::Release);
                answer
            })
            .await
    }

    /// Runs a job that says which object is the session's from then on.
    ///
    /// # Errors
    /// As [`Actor::run`]; the object stays the same then.
    pub(crate) async fn replace<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut Guest, ObjectId, &CancelToken) -> Result<(ObjectId, T)> + Send + 'static,
    ) -> Result<T> {
        let current = Arc::clone(&self.object);
        self.run(move |guest, object, token| {
            let (made, value) = job(guest, object, token)?;
            for open in guest.objects.iter_mut().filter(|open| **open == object) {
                *open = made;
            }
            current.store(made.0, Ordering::Release);
            Ok(value)
        })
        .await
    }

    /// The worker the guest lives on.
    pub(crate) fn worker(&self) -> WorkerId {
        self.actor.worker()
    }

    /// Keeps another object of the same guest as a session of its own.
    ///
    /// # Errors
    /// As [`Actor::run`].
    pub(crate) async fn branch<T: Send + 'static>(
        &mut self,
        open: impl FnOnce(&mut Guest, ObjectId, &CancelToken) -> Result<(Option<ObjectId>, T)> + Send + 'static,
    ) -> Result<(Option<Self>, T)> {
        let (actor, priority) = (Arc::clone(&self.actor), self.priority);
        self.run(move |guest, object, token| {
            let (made, value) = open(guest, object, token)?;
            let session = made.map(|made| {
                guest.objects.push(made);
                actor.shared.sessions.fetch_add(1, Ordering::AcqRel);
                let object = Arc::new(AtomicU32::new(made.0));
                Self { actor, object, token: CancelToken::default(), busy: Arc::default(), priority }
            });
            Ok((session, value))
        })
        .await
    }

    /// Closes the object and waits until that is done.
    pub(crate) async fn close(self) {
        let (actor, priority) = (Arc::clone(&self.actor), self.priority);
        drop(self);
        // Orphans are closed before the next job is done; a guest that is gone has nothing to close.
        let _ = actor.run(priority, |_| Ok(())).await;
    }

    /// Cuts this object's calls from any thread.
    pub(crate) fn canceller(&self) -> Canceller {
        Canceller { shared: Arc::clone(&self.actor.shared), token: self.token.clone() }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let shared = &self.actor.shared;
        let others = shared.sessions.fetch_sub(1, Ordering::AcqRel) > 1;
        // Nobody waits for the call in flight any more. Cutting it costs the guest, so not where others live in it.
        if self.busy.load(Ordering::Acquire) && !others {
            shared.control.cancel(&self.token);
        }
        shared.orphans.lock().push(ObjectId(self.object.load(Ordering::Acquire)));
        self.actor.worker.tidy(self.actor.seat);
    }
}

/// Cuts the call in flight of one session. The plugin's instance is discarded with it.
#[derive(Clone)]
pub struct Canceller {
    shared: Arc<Shared>,
    token: CancelToken,
}

impl Canceller {
    /// Cuts the session's call in flight; without one, does nothing to later calls.
    pub fn cancel(&self) {
        self.shared.control.cancel(&self.token);
    }
}

impl std::fmt::Debug for Canceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Canceller")
    }
}

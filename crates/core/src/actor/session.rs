//! One object of a guest, held by somebody outside: its calls, its cancellation, its end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Actor, Guest, Shared};
use crate::{control::CancelToken, error::Result, table::ObjectId};

/// One object of a guest, such as a decoder session: closed when dropped.
pub(crate) struct Session {
    actor: Arc<Actor>,
    object: ObjectId,
    token: CancelToken,
    busy: Arc<AtomicBool>,
}

impl Session {
    /// Opens an object with `open`, in one job.
    ///
    /// # Errors
    /// As [`Actor::run`].
    pub(crate) async fn open<T: Send + 'static>(
        actor: &Arc<Actor>,
        token: CancelToken,
        open: impl FnOnce(&mut Guest, &CancelToken) -> Result<(ObjectId, T)> + Send + 'static,
    ) -> Result<(Self, T)> {
        let owner = Arc::clone(actor);
        actor
            .run(move |guest| {
                let (object, value) = open(guest, &token)?;
                guest.objects.push(object);
                owner.shared.sessions.fetch_add(1, Ordering::AcqRel);
                Ok((Self { actor: owner, object, token, busy: Arc::default() }, value))
            })
            .await
    }

    /// Runs a job for this object.
    ///
    /// # Errors
    /// As [`Actor::run`].
    pub(crate) async fn run<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut Guest, ObjectId, &CancelToken) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (object, token, busy) = (self.object, self.token.clone(), Arc::clone(&self.busy));
        token.reset();
        self.busy.store(true, Ordering::Release);
        self.actor
            .run(move |guest| {
                let answer = job(guest, object, &token);
                busy.store(false, Ordering::Release);
                answer
            })
            .await
    }

    /// Closes the object and waits until that is done.
    pub(crate) async fn close(self) {
        let actor = Arc::clone(&self.actor);
        drop(self);
        // Orphans are closed before the next job is done; a guest that is gone has nothing to close.
        let _ = actor.run(|_| Ok(())).await;
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
        shared.orphans.lock().push(self.object);
        let _ = self.actor.jobs.try_send(Box::new(|_| ()));
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

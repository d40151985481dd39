//! Ctrl-C and termination, as something an `await` can lose against.
//!
//! Not the death of the process: what was awaited is dropped, which cuts a plugin's call in flight, and whoever
//! awaited cleans up and leaves with an error.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
};

use stellatune_plugins::{Error, ErrorKind, Result};

/// Whether the user wants the program to stop.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    raised: bool,
    waiting: Option<Waker>,
}

impl Interrupt {
    /// An interrupt that is raised by Ctrl-C, and where signals exist by a request to terminate or to hang up.
    ///
    /// # Errors
    /// `internal`: the operating system refused the handler.
    pub(crate) fn listen() -> Result<Self> {
        let interrupt = Self::default();
        let raised = interrupt.clone();
        ctrlc::set_handler(move || raised.raise()).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("cannot listen for Ctrl-C: {error}")).source_error(error)
        })?;
        Ok(interrupt)
    }

    /// Awaits `future`, at most until the interrupt.
    ///
    /// # Errors
    /// The future's; `cancelled` on the interrupt, with the future dropped.
    pub(crate) async fn guard<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        let mut future = pin!(future);
        poll_fn(|context| {
            let raised = self.with(|state| {
                state.waiting = Some(context.waker().clone());
                state.raised
            });
            if raised { Poll::Ready(Err(interrupted())) } else { future.as_mut().poll(context) }
        })
        .await
    }

    fn raise(&self) {
        let waiting = self.with(|state| {
            state.raised = true;
            state.waiting.take()
        });
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // The state is whole after any panic: both fields are plain stores.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Cancelled, "interrupted before it was done")
}

#[cfg(test)]
mod tests {
    use std::{future::pending, thread, time::Duration};

    use super::*;

    #[test]
    fn what_is_ready_goes_through() {
        let interrupt = Interrupt::default();
        assert_eq!(pollster::block_on(interrupt.guard(async { Ok(7) })).ok(), Some(7));
    }

    #[test]
    fn an_interrupt_ends_a_wait_and_all_that_follow() {
        let interrupt = Interrupt::default();
        let other = interrupt.clone();
        let raiser = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            other.raise();
        });
        for _ in 0..2 {
            let answer = pollster::block_on(interrupt.guard(pending::<Result<()>>()));
            assert_eq!(answer.err().map(|error| error.kind()), Some(ErrorKind::Cancelled));
        }
        raiser.join().expect("the raiser does not panic");
    }
}

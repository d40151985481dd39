//! Cuts from another thread that cannot come too early.

use std::{
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

/// Runs `call` while another thread cuts it, again and again: a cut before the call began is rightly without effect.
pub(crate) fn cut_during<T>(cut: impl Fn() + Send, call: impl FnOnce() -> T) -> T {
    let (returned, when_returned) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while when_returned.recv_timeout(Duration::from_millis(30)) == Err(RecvTimeoutError::Timeout) {
                cut();
            }
        });
        let answer = call();
        drop(returned);
        answer
    })
}

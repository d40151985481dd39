//! A call is cut from another thread, wherever it is, and what comes after works.

use std::{
    sync::{Arc, mpsc::channel},
    thread,
    time::{Duration, Instant},
};

use stellatune_plugin_core::{
    control::CallControl,
    error::{CallResult, TrapKind},
    host::HostStream,
    limits::Budget,
    types::SeekWhence,
};

use crate::support::{
    Case, Subject,
    again::cut_during,
    guest::{GENEROUS, Guest, SHORT, trap_kind},
    stream::Script,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("cancel/guest-spins", ["edge-decoder"], |subject| while_running(subject, "loop")),
        Case::new("cancel/guest-calls-the-host", ["edge-decoder"], |subject| while_running(subject, "spin"))
            .calls_alone(UNTIL_CUT),
        Case::new("cancel/guest-sleeps", ["edge-decoder"], |subject| while_running(subject, "sleep")),
        Case::new("cancel/guest-prints", ["edge-decoder"], |subject| while_running(subject, "flood"))
            .calls_alone(UNTIL_CUT),
        Case::new("cancel/host-read-blocks", ["edge-decoder"], host_read_blocks),
        Case::new("cancel/between-calls", ["edge-decoder"], between_calls),
        Case::new("cancel/one-of-two-instances", ["edge-decoder"], one_of_two),
        Case::new("deadline/guest-spins", ["edge-decoder"], |subject| deadline(subject, "loop", SHORT)),
        Case::new("deadline/guest-calls-the-host", ["edge-decoder"], |subject| deadline(subject, "spin", SHORT))
            .calls_alone(UNTIL_CUT),
        Case::new("deadline/guest-prints", ["edge-decoder"], |subject| deadline(subject, "flood", SHORT))
            .calls_alone(UNTIL_CUT),
        Case::new("deadline/guest-sleeps", ["edge-decoder"], |subject| deadline(subject, "sleep", WALL)),
        Case::new("deadline/wall-of-a-spinning-guest", ["edge-decoder"], |subject| deadline(subject, "loop", WALL)),
        Case::new("deadline/host-read-blocks", ["edge-decoder"], host_read_times_out),
        Case::new("deadline/host-waits-are-not-guest-time", ["edge-decoder"], host_waits_are_free),
    ]
}

const UNTIL_CUT: &str = "how often a guest calls the host before it is cut depends on the clock";

/// Cut by the time that includes host waits.
const WALL: Budget = Budget { wall: Duration::from_millis(100), ..GENEROUS };

fn silence() -> Script {
    Script::new(&[0; 64][..])
}

/// Cancels a guest that would run for ever, from another thread.
fn while_running(subject: &Subject, action: &str) {
    let mut guest = Guest::new(subject, "edge-decoder");
    let session = guest.open(silence().boxed(), action).expect("opens");
    let cancel = guest.canceller();
    assert_eq!(trap_kind(cut_during(cancel, || guest.read(session, 1))), TrapKind::Cancelled);
    works(subject);
}

fn host_read_blocks(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    let (blocked, when_blocked) = channel();
    let session = guest.open(silence().blocks_at(8, blocked).boxed(), "short-reads").expect("opens");
    for _ in 0..2 {
        guest.read(session, 1).expect("reads what is before the block");
    }
    let cancel = guest.canceller();
    let canceller = thread::spawn(move || {
        when_blocked.recv().expect("the read blocks");
        cancel();
    });
    assert_eq!(trap_kind(guest.read(session, 1)), TrapKind::Cancelled);
    canceller.join().expect("the canceller does not panic");
    works(subject);
}

/// A cancellation that comes when nothing runs cuts nothing later.
fn between_calls(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    let session = guest.open(silence().boxed(), "echo").expect("opens");
    guest.canceller()();
    assert_eq!(guest.read_all(session).0.len(), 16);
}

/// Two instances of one component: cutting one leaves the other's call alone.
fn one_of_two(subject: &Subject) {
    let mut other = Guest::new(subject, "edge-decoder");
    let session = other.open(silence().boxed(), "echo").expect("opens");
    while_running(subject, "loop");
    assert_eq!(other.read_all(session).0.len(), 16);
}

fn deadline(subject: &Subject, action: &str, budget: Budget) {
    let mut guest = Guest::new(subject, "edge-decoder");
    let session = guest.open(silence().boxed(), action).expect("opens");
    guest.budget(budget);
    assert_eq!(trap_kind(guest.read(session, 1)), TrapKind::Deadline);
    works(subject);
}

fn host_read_times_out(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    let (blocked, _when_blocked) = channel();
    let session = guest.open(silence().blocks_at(0, blocked).boxed(), "echo").expect("opens");
    guest.budget(WALL);
    assert_eq!(trap_kind(guest.read(session, 1)), TrapKind::Deadline);
    works(subject);
}

/// Waiting for a slow stream does not use up what a guest may compute.
fn host_waits_are_free(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    guest.budget(Budget { guest: Duration::from_millis(300), ..GENEROUS });
    let slow = Slow(silence());
    let session = guest.open(Box::new(slow), "echo").expect("opens");
    assert_eq!(guest.read_all(session).0.len(), 16);
}

/// A stream each of whose reads takes longer than a short budget of guest time.
struct Slow(Script);

impl HostStream for Slow {
    fn read(&mut self, max_bytes: u32, control: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        let until = Instant::now() + Duration::from_millis(400);
        control.wait(Some(until), || None::<()>)?;
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

/// A new instance of the same program decodes.
pub(crate) fn works(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    let session = guest.open(silence().boxed(), "echo").expect("a new instance opens");
    assert_eq!(guest.read_all(session).0.len(), 16, "a new instance decodes");
}

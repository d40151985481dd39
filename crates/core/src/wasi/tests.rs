//! Each rule of the subset, without an engine.
use std::{
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::*;
use crate::{
    control::{CallScope, CancelToken},
    limits::Budget,
};

/// What a sink was given.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Vec<(bool, String)>>>);

impl Seen {
    pub(super) fn take(&self) -> Vec<(bool, String)> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl LogSink for Seen {
    fn line(&mut self, error_output: bool, text: &str) {
        self.0.lock().push((error_output, text.to_owned()));
    }
}

fn wasi() -> (Wasi, Arc<CallControl>, Seen) {
    let (control, seen) = (Arc::new(CallControl::default()), Seen::default());
    (Wasi::new(&Limits::AUDIO, Arc::clone(&control), Box::new(seen.clone())), control, seen)
}

fn enter<'a>(control: &'a CallControl, token: &CancelToken) -> CallScope<'a> {
    let minute = Duration::from_secs(60);
    control.enter(&Budget { guest: minute, wall: minute, boundary_bytes: 1 }, token)
}

fn kind<T>(result: Result<T, Trap>) -> Option<TrapKind> {
    result.err().map(|trap| trap.kind)
}

const HOUR: u64 = 3_600_000_000_000;
const MILLISECOND: u64 = 1_000_000;

#[test]
fn a_guest_has_no_surroundings() {
    let (mut wasi, ..) = wasi();
    assert!(wasi.environment().is_empty() && wasi.arguments().is_empty() && wasi.initial_cwd().is_none());
    assert!(wasi.terminal_stdin().is_none() && wasi.terminal_stdout().is_none() && wasi.terminal_stderr().is_none());
    assert!(wasi.preopens_get_directories().is_empty());
    assert_eq!(kind(wasi.filesystem_error_code(ObjectId(0))), Some(TrapKind::Abi));
    assert_eq!(kind(wasi.error_drop(ObjectId(0))), Some(TrapKind::Abi));
}

#[test]
fn an_exit_gives_up() {
    let (wasi, ..) = wasi();
    for trap in [wasi.exit(true), wasi.exit(false), wasi.exit_with_code(3)] {
        assert_eq!(trap.kind, TrapKind::Unreachable);
        assert!(trap.message.starts_with("the guest called exit"), "{trap}");
    }
}

#[test]
fn clocks_go_forward() {
    let (wasi, ..) = wasi();
    let (first, second) = (wasi.monotonic_now(), wasi.monotonic_now());
    assert!(first <= second && wasi.monotonic_resolution() > 0);
    assert!(wasi.wall_now() > (1_700_000_000, 0));
}

#[test]
fn a_poll_waits_for_the_earliest_timer() {
    let (mut wasi, control, _) = wasi();
    let _scope = enter(&control, &CancelToken::default());
    let began = wasi.monotonic_now();
    let late = wasi.subscribe_duration(HOUR).unwrap();
    let soon = wasi.subscribe_duration(20 * MILLISECOND).unwrap();
    let never = wasi.subscribe_instant(u64::MAX).unwrap();
    assert_eq!(wasi.poll(&[never, late, soon]), Ok(vec![2]));
    assert!(wasi.monotonic_now() - began >= 20 * MILLISECOND);
    assert_eq!(wasi.pollable_ready(soon), Ok(true));
    assert_eq!(wasi.pollable_ready(late), Ok(false));
    assert_eq!(wasi.pollable_block(soon), Ok(()));
}

#[test]
fn a_poll_names_all_that_are_ready_in_the_order_asked() {
    let (mut wasi, control, _) = wasi();
    let _scope = enter(&control, &CancelToken::default());
    let (stdin, stdout) = (wasi.stdin().unwrap(), wasi.stdout().unwrap());
    let past = wasi.subscribe_instant(0).unwrap();
    let late = wasi.subscribe_duration(HOUR).unwrap();
    let (input, output) = (wasi.input_subscribe(stdin).unwrap(), wasi.output_subscribe(stdout).unwrap());
    assert_eq!(wasi.poll(&[output, late, past, input, output]), Ok(vec![0, 2, 3, 4]));
}

#[test]
fn a_poll_of_nothing_or_of_a_flood_traps() {
    let (mut wasi, control, _) = wasi();
    let _scope = enter(&control, &CancelToken::default());
    assert_eq!(kind(wasi.poll(&[])), Some(TrapKind::Abi));
    assert_eq!(kind(wasi.poll(&[ObjectId(9)])), Some(TrapKind::Abi));
    let ready = wasi.subscribe_instant(0).unwrap();
    assert_eq!(kind(wasi.poll(&[ready; 100_000])), Some(TrapKind::Abi));
}

#[test]
fn a_sleep_is_cancelled_from_another_thread() {
    let (mut wasi, control, _) = wasi();
    let token = CancelToken::default();
    let _scope = enter(&control, &token);
    let sleep = wasi.subscribe_duration(HOUR).unwrap();
    let other = Arc::clone(&control);
    let canceller = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        other.cancel(&token);
    });
    assert_eq!(kind(wasi.pollable_block(sleep)), Some(TrapKind::Cancelled));
    canceller.join().unwrap();
}

#[test]
fn a_sleep_does_not_outlast_the_call() {
    let (mut wasi, control, _) = wasi();
    let budget = Budget { guest: Duration::from_secs(60), wall: Duration::from_millis(20), boundary_bytes: 1 };
    let _scope = control.enter(&budget, &CancelToken::default());
    let never = wasi.subscribe_instant(u64::MAX).unwrap();
    let began = Instant::now();
    assert_eq!(kind(wasi.pollable_block(never)), Some(TrapKind::Deadline));
    assert!(began.elapsed() >= Duration::from_millis(20));
}

#[test]
fn pollables_are_bounded() {
    let (mut wasi, ..) = wasi();
    for _ in 0..Limits::AUDIO.host_resources {
        wasi.subscribe_instant(0).unwrap();
    }
    assert_eq!(kind(wasi.subscribe_instant(0)), Some(TrapKind::Memory));
}

#[test]
fn standard_input_is_at_its_end() {
    let (mut wasi, ..) = wasi();
    let (stdin, stdout) = (wasi.stdin().unwrap(), wasi.stdout().unwrap());
    assert_eq!(wasi.input_read(stdin, 0), Ok(Err(StreamError::Closed)));
    assert_eq!(wasi.input_blocking_read(stdin, 1), Ok(Err(StreamError::Closed)));
    assert_eq!(wasi.input_skip(stdin, 1), Ok(Err(StreamError::Closed)));
    assert_eq!(wasi.input_blocking_skip(stdin, 1), Ok(Err(StreamError::Closed)));
    assert_eq!(wasi.output_splice(stdout, stdin, 1), Ok(Err(StreamError::Closed)));
    assert_eq!(wasi.output_blocking_splice(stdout, stdin, 1), Ok(Err(StreamError::Closed)));
    assert_eq!(kind(wasi.output_splice(stdout, ObjectId(7), 1)), Some(TrapKind::Abi));
}

#[test]
fn a_stream_outlives_its_pollables() {
    let (mut wasi, ..) = wasi();
    let (stdin, stdout) = (wasi.stdin().unwrap(), wasi.stdout().unwrap());
    let (input, output) = (wasi.input_subscribe(stdin).unwrap(), wasi.output_subscribe(stdout).unwrap());
    assert_eq!(kind(wasi.input_drop(stdin)), Some(TrapKind::Abi));
    assert_eq!(kind(wasi.output_drop(stdout)), Some(TrapKind::Abi));
    wasi.pollable_drop(input).unwrap();
    wasi.pollable_drop(output).unwrap();
    assert_eq!(wasi.input_drop(stdin), Ok(()));
    assert_eq!(wasi.output_drop(stdout), Ok(()));
    assert_eq!(kind(wasi.output_drop(stdout)), Some(TrapKind::Abi));
}

#[test]
fn a_write_needs_a_permit() {
    let (mut wasi, ..) = wasi();
    let stdout = wasi.stdout().unwrap();
    assert_eq!(kind(wasi.output_write(stdout, b"x")), Some(TrapKind::Abi));
    let permit = wasi.output_check_write(stdout).unwrap().unwrap();
    assert_eq!(wasi.output_write_zeroes(stdout, permit - 1), Ok(Ok(())));
    assert_eq!(wasi.output_write(stdout, b"x"), Ok(Ok(())));
    assert_eq!(kind(wasi.output_write(stdout, b"x")), Some(TrapKind::Abi));
    assert_eq!(kind(wasi.output_write_zeroes(stdout, u64::MAX)), Some(TrapKind::Abi));
}

#[test]
fn a_blocking_write_takes_4096_bytes_without_a_permit() {
    let (mut wasi, ..) = wasi();
    let stderr = wasi.stderr().unwrap();
    assert_eq!(wasi.output_blocking_write_and_flush(stderr, &[b'x'; 4096]), Ok(Ok(())));
    assert_eq!(kind(wasi.output_blocking_write_and_flush(stderr, &[b'x'; 4097])), Some(TrapKind::Abi));
    assert_eq!(wasi.output_blocking_write_zeroes_and_flush(stderr, 4096), Ok(Ok(())));
    assert_eq!(kind(wasi.output_blocking_write_zeroes_and_flush(stderr, 4097)), Some(TrapKind::Abi));
}

#[test]
fn pieces_of_a_line_are_joined_over_handles_and_flushes() {
    let (mut wasi, _, seen) = wasi();
    let (one, two) = (wasi.stderr().unwrap(), wasi.stderr().unwrap());
    let out = wasi.stdout().unwrap();
    for (id, piece) in [(one, "half "), (out, "other"), (two, "whole\nrest")] {
        wasi.output_blocking_write_and_flush(id, piece.as_bytes()).unwrap().unwrap();
        wasi.output_blocking_flush(id).unwrap().unwrap();
        wasi.output_flush(id).unwrap().unwrap();
    }
    assert_eq!(seen.take(), [(true, "half whole".to_owned())]);
    wasi.output_drop(one).unwrap();
    assert_eq!(seen.take(), []);
    wasi.output_drop(two).unwrap();
    assert_eq!(seen.take(), [(true, "rest".to_owned())]);
    drop(wasi);
    assert_eq!(seen.take(), [(false, "other".to_owned())]);
}

#[test]
fn randomness_is_fresh_and_bounded() {
    let (wasi, ..) = wasi();
    let bytes = wasi.get_random_bytes(32).unwrap();
    assert_eq!(bytes.len(), 32);
    assert_ne!(bytes, wasi.get_insecure_random_bytes(32).unwrap());
    assert_ne!(wasi.get_random_u64(), wasi.get_insecure_random_u64());
    assert_ne!(wasi.insecure_seed(), wasi.insecure_seed());
    assert_eq!(wasi.get_random_bytes(0), Ok(Vec::new()));
    assert_eq!(kind(wasi.get_random_bytes(u64::MAX)), Some(TrapKind::Abi));
}

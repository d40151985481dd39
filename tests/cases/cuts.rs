//! Guests that do not come back: cut at their budget, or from another thread.
//!
//! A broken cut would hang, which the suite's watchdog ends. No case looks at how long a cut took.
#![allow(clippy::unwrap_used, reason = "what is unwrapped is expected by the case")]

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use stellatune_plugin_core::{
    control::CallControl,
    engine::Instance,
    error::{CallError, CallResult, PluginError, TrapKind},
    host::HostStream,
    table::ObjectId,
    types::{DisableReason, SeekWhence},
};

use crate::support::{
    Case, Subject,
    bare::{Memory, Running, Setup, trap_of},
    fixture,
    minimal::{ALLOC, DISABLE, component, enable, enable_function},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "cuts/every-export-of-a-decoder-is-cut-at-its-budget",
            ["edge-decoder"],
            every_export_of_a_decoder_is_cut_at_its_budget,
        ),
        Case::new(
            "cuts/hooks-are-cut-at-their-budget",
            ["hook-loop-disable", "hook-loop-enable"],
            hooks_are_cut_at_their_budget,
        ),
        Case::new("cuts/a-start-function-is-cut-at-its-budget", [], a_start_function_is_cut_at_its_budget),
        Case::new(
            "cuts/bulk-operations-are-cut-between-one-and-the-next",
            [],
            bulk_operations_are_cut_between_one_and_the_next,
        ),
        Case::new("cuts/a-loop-around-host-calls-is-cut", ["edge-decoder"], a_loop_around_host_calls_is_cut)
            .calls_alone("how often a guest calls the host before it is cut depends on the clock"),
        Case::new("cuts/a-sleep-is-cut-at-the-wall-budget", ["edge-decoder"], a_sleep_is_cut_at_the_wall_budget),
        Case::new(
            "cuts/a-running-guest-is-cancelled-from-another-thread",
            [],
            a_running_guest_is_cancelled_from_another_thread,
        ),
        Case::new(
            "cuts/a-guest-in-a-blocked-host-call-is-cancelled",
            ["edge-decoder"],
            a_guest_in_a_blocked_host_call_is_cancelled,
        ),
        Case::new(
            "cuts/cutting-one-guest-leaves-the-others-running",
            ["edge-decoder", "hook-loop-enable"],
            cutting_one_guest_leaves_the_others_running,
        ),
    ]
}

const SHORT: Duration = Duration::from_millis(50);

fn open(guest: &mut Running, hint: &str) -> CallResult<ObjectId> {
    guest.call(|it| it.decoder().unwrap().open(Memory::boxed("12345678"), Some(hint)))
}

fn kind<T>(result: CallResult<T>) -> TrapKind {
    trap_of(result).kind
}

fn every_export_of_a_decoder_is_cut_at_its_budget(subject: &Subject) {
    // G01
    type Call = fn(&mut dyn Instance, ObjectId) -> CallResult<()>;
    let calls: [(&str, Call); 9] = [
        ("info", |it, id| it.decoder().unwrap().info(id).map(drop)),
        ("metadata", |it, id| it.decoder().unwrap().metadata(id).map(drop)),
        ("read", |it, id| it.decoder().unwrap().read_pcm_f32(id, 1).map(drop)),
        ("seek", |it, id| it.decoder().unwrap().seek_ms(id, 0)),
        ("plan", |it, id| it.plan_config(id, "1").map(drop)),
        ("apply", |it, id| it.apply_config(id, "1")),
        ("export", |it, id| it.export_state(id).map(drop)),
        ("import", |it, id| it.import_state(id, "{\"position\":0}")),
        ("close", |it, id| it.close(id).map_err(CallError::from)),
    ];
    for (place, call) in calls {
        let mut guest = Setup::default().start_then(SHORT, subject, &fixture::wasm("edge-decoder"));
        let session = open(&mut guest, &format!("loop-{place}")).unwrap();
        assert_eq!(kind(guest.call(|it| call(it, session))), TrapKind::Deadline, "{place}");
    }
    let mut guest = Setup::default().start_then(SHORT, subject, &fixture::wasm("edge-decoder"));
    assert_eq!(kind(open(&mut guest, "loop-open")), TrapKind::Deadline);
}

fn hooks_are_cut_at_their_budget(subject: &Subject) {
    let mut guest = Setup::default().start_then(SHORT, subject, &fixture::wasm("hook-loop-enable"));
    assert_eq!(kind(guest.call(|it| it.enable())), TrapKind::Deadline);
    let mut guest = Setup::default().start_then(SHORT, subject, &fixture::wasm("hook-loop-disable"));
    assert_eq!(kind(guest.call(|it| it.disable(DisableReason::Unload))), TrapKind::Deadline);
}

fn a_start_function_is_cut_at_its_budget(subject: &Subject) {
    // L06
    let body = format!("{ALLOC} {DISABLE} {}", enable_function("(i32.const 0)"));
    let wasm =
        component(&format!("(memory (export \"memory\") 1) {body} (start $s) (func $s (loop $again (br $again)))"));
    let trap = Setup::guest_time(SHORT).start(subject, &wasm).map(|_| ()).unwrap_err();
    assert_eq!(trap.kind, TrapKind::Deadline, "{trap}");
}

fn bulk_operations_are_cut_between_one_and_the_next(subject: &Subject) {
    // G02
    let wasm = enable(
        "(drop (memory.grow (i32.const 1000))) (loop $again
            (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536000)) (br $again)) (i32.const 0)",
    );
    let mut guest = Setup::default().start_then(SHORT, subject, &wasm);
    assert_eq!(kind(guest.call(|it| it.enable())), TrapKind::Deadline);
}

fn a_loop_around_host_calls_is_cut(subject: &Subject) {
    for hint in ["spin", "flood"] {
        let mut guest = Setup::default().start_then(SHORT, subject, &fixture::wasm("edge-decoder"));
        let session = open(&mut guest, hint).unwrap();
        let read = guest.call(|it| it.decoder().unwrap().read_pcm_f32(session, 1));
        assert_eq!(kind(read), TrapKind::Deadline, "{hint}");
    }
}

fn a_sleep_is_cut_at_the_wall_budget(subject: &Subject) {
    // G20
    let mut setup = Setup::default();
    setup.budget.wall = SHORT;
    let mut guest = setup.start(subject, &fixture::wasm("edge-decoder")).unwrap();
    let session = open(&mut guest, "sleep").unwrap();
    let read = guest.call(|it| it.decoder().unwrap().read_pcm_f32(session, 1));
    assert_eq!(kind(read), TrapKind::Deadline);
}

fn a_running_guest_is_cancelled_from_another_thread(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &enable("(loop $again (br $again)) (i32.const 0)")).unwrap();
    let (control, token) = (Arc::clone(&guest.control), guest.token.clone());
    let other = thread::spawn(move || {
        thread::sleep(SHORT);
        control.cancel(&token);
    });
    assert_eq!(kind(guest.call(|it| it.enable())), TrapKind::Cancelled);
    other.join().unwrap();
}

/// Tells that a read has come, and never answers it.
struct Silent(mpsc::Sender<()>);

impl HostStream for Silent {
    fn read(&mut self, _: u32, control: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        let _ = self.0.send(());
        let nothing = control.wait(None, || None::<()>)?;
        panic!("a wait without an end came to {nothing:?}");
    }

    fn seek(&mut self, _: i64, _: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
        Err(PluginError::Unsupported("goes forward only".into()).into())
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(0)
    }

    fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Err(PluginError::Unsupported("not known".into()).into())
    }
}

fn a_guest_in_a_blocked_host_call_is_cancelled(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &fixture::wasm("edge-decoder")).unwrap();
    let (reading, blocked) = mpsc::channel();
    let stream = Box::new(Silent(reading));
    let session = guest.call(|it| it.decoder().unwrap().open(stream, None)).unwrap();
    let control = Arc::clone(&guest.control);
    let other = thread::spawn(move || {
        blocked.recv().unwrap();
        control.stop();
    });
    let read = guest.call(|it| it.decoder().unwrap().read_pcm_f32(session, 1));
    assert_eq!(kind(read), TrapKind::Cancelled);
    other.join().unwrap();
}

fn cutting_one_guest_leaves_the_others_running(subject: &Subject) {
    let mut good = Setup::default().start(subject, &fixture::wasm("edge-decoder")).unwrap();
    let session = open(&mut good, "echo").unwrap();
    for _ in 0..3 {
        let mut bad = Setup::default().start_then(SHORT, subject, &fixture::wasm("hook-loop-enable"));
        assert_eq!(kind(bad.call(|it| it.enable())), TrapKind::Deadline);
        assert!(good.call(|it| it.decoder().unwrap().read_pcm_f32(session, 1)).is_ok());
    }
}

//! Two engines in one process: both handle signals, and neither takes what is the other's. // R08

use std::{sync::Arc, thread};

use libtest_mimic::Trial;
use stellatune_plugin_core::{
    control::CallControl,
    error::{CallResult, PluginError, TrapKind},
    host::HostStream,
    types::SeekWhence,
};

use crate::support::{
    Subject,
    guest::{Guest, trap_kind},
    stream::Script,
};

/// A trial for each pair of engines, in either order.
pub(crate) fn trials(subjects: &[Arc<Subject>]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for first in subjects {
        for second in subjects.iter().filter(|second| second.name() != first.name()) {
            type Run = fn(&Arc<Subject>, &Arc<Subject>);
            let runs: [(&str, Run); 3] = [("in-turn", in_turn), ("on-threads", on_threads), ("nested", nested)];
            for (name, run) in runs {
                let title = format!("suite/together/{}-{}-{name}", first.name(), second.name());
                let (first, second) = (Arc::clone(first), Arc::clone(second));
                trials.push(Trial::test(title, move || {
                    run(&first, &second);
                    Ok(())
                }));
            }
        }
    }
    trials
}

/// What the fixture `faults` does for these frames: each fault of the processor, and none.
const FAULTS: [(u32, TrapKind); 5] = [
    (0, TrapKind::Unreachable),
    (1, TrapKind::Arithmetic),
    (5, TrapKind::Bounds),
    (8, TrapKind::Bounds),
    (11, TrapKind::Stack),
];

fn fault(subject: &Subject, (frames, kind): (u32, TrapKind)) {
    let mut guest = Guest::new(subject, "faults");
    let session = guest.open(Script::new(Vec::new()).boxed(), "x").expect("opens");
    assert_eq!(trap_kind(guest.read(session, frames)), kind, "{}", subject.name());
}

/// The engine is fine.
fn works(subject: &Subject) {
    let mut guest = Guest::new(subject, "faults");
    let session = guest.open(Script::new(Vec::new()).boxed(), "x").expect("opens");
    assert!(guest.read(session, 1000).expect("what is not named does nothing").eof);
}

fn in_turn(first: &Arc<Subject>, second: &Arc<Subject>) {
    for round in 0..20 {
        for (index, case) in FAULTS.into_iter().enumerate() {
            fault(first, case);
            if (round + index) % 3 == 0 {
                fault(first, case);
            }
            fault(second, case);
        }
    }
    works(first);
    works(second);
}

fn on_threads(first: &Arc<Subject>, second: &Arc<Subject>) {
    thread::scope(|scope| {
        for number in 0..4 {
            scope.spawn(move || {
                for round in 0..20 {
                    let case = FAULTS[(round + number) % FAULTS.len()];
                    let (one, other) = if number % 2 == 0 { (first, second) } else { (second, first) };
                    fault(one, case);
                    fault(other, case);
                }
                works(first);
                works(second);
            });
        }
    });
}

/// A guest of one engine reads a stream whose bytes come from guests of the other, which trap.
fn nested(first: &Arc<Subject>, second: &Arc<Subject>) {
    let mut guest = Guest::new(first, "edge-decoder");
    let session = guest.open(Box::new(Faulty(Arc::clone(second))), "echo").expect("opens");
    for _ in 0..3 {
        assert_eq!(guest.read(session, 1).expect("reads").interleaved_f32le, b"0123");
    }
    works(second);
}

/// Each read makes guests of another engine trap.
struct Faulty(Arc<Subject>);

impl HostStream for Faulty {
    fn read(&mut self, max_bytes: u32, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        for case in FAULTS {
            fault(&self.0, case);
        }
        Ok(b"0123".iter().copied().cycle().take((max_bytes as usize).min(16)).collect())
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

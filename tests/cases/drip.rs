//! G19: a plugin whose calls come close to their budgets and never pass them, and one that only works hard.

use std::time::{Duration, Instant};

use stellatune_plugins::{
    Budget, Budgets, Decoder, DripPolicy, ErrorKind, Event, RestartPolicy, Runtime,
    registry::{Plugin, Status},
};

use crate::support::{
    Case, Subject,
    package::{Home, Package, open, read_all, wait},
};

pub(crate) fn cases() -> Vec<Case> {
    let why = "how often a slow guest is asked depends on the clock";
    let cases = [
        Case::new("drip/held-back-then-failed", ["edge-decoder"], held_back_then_failed),
        Case::new("drip/hard-work-is-no-drip", ["edge-decoder"], hard_work),
    ];
    cases.into_iter().map(|case| case.varies(why)).collect()
}

/// Guest time of a call; the slow one below takes nearly all of it, which is at least half on a machine that others use too.
const GUEST: Duration = Duration::from_millis(300);

/// A window that one slow call fills; those that are too full count for as long as a test lasts.
const DRIP: DripPolicy =
    DripPolicy { window: Duration::from_millis(280), windows: 3, within: Duration::from_secs(3_600) };

fn runtime(home: &Home, subject: &Subject) -> Runtime {
    let budgets = Budgets::default();
    let budgets = Budgets { stream: Budget { guest: GUEST, ..budgets.stream }, ..budgets };
    let restarts = RestartPolicy { drip: DRIP, ..RestartPolicy::immediate() };
    let builder = home.builder(subject.engine()).without_cache().budgets(budgets).restarts(restarts);
    let runtime = builder.build().expect("a runtime");
    wait(runtime.install(Package::decoder("test.plugin", "edge-decoder").path())).expect("installs");
    runtime
}

/// A decoder each of whose calls takes so long.
fn busy(runtime: &Runtime, milliseconds: u32) -> Decoder {
    let mut decoder = open(runtime, vec![0; 40_000], "echo").expect("opens");
    wait(decoder.configure(&format!("{{\"x\":\"read_pcm:busy-{milliseconds}\"}}"))).expect("is set");
    decoder
}

fn held_back_then_failed(subject: &Subject) {
    let home = Home::new();
    let runtime = runtime(&home, subject);
    let mut events = runtime.events();
    let mut decoder = busy(&runtime, 280);
    let began = Instant::now();
    let error = loop {
        match wait(decoder.read(1)) {
            Ok(block) => assert!(block.is_some(), "the stream is long enough"),
            Err(error) => break error,
        }
        assert!(began.elapsed() < Duration::from_secs(120), "it never failed");
    };
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    let events: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    let throttled = events.iter().filter(|event| matches!(event, Event::Throttled { .. })).count();
    let failed = events.iter().filter(|event| matches!(event, Event::Failed { .. })).count();
    assert_eq!((throttled, failed), (2, 1), "{events:?}");
    let stats = &runtime.stats()[0];
    assert_eq!((stats.throttled, stats.traps), (2, 0), "{stats:?}");
    let plugins = runtime.plugins();
    let plugin = plugins.plugin("test.plugin").expect("is there");
    assert_eq!(plugin.status(), Status::Failed);
    assert!(plugin.last_failure().is_some_and(|why| why.contains("3 times")), "{:?}", plugin.last_failure());
    assert_eq!(open(&runtime, [0; 64], "echo").map(drop).expect_err("is not used").kind(), ErrorKind::NotFound);

    wait(runtime.enable("test.plugin")).expect("enables");
    assert_eq!(runtime.plugins().plugin("test.plugin").map(Plugin::status), Some(Status::Enabled));
    let mut decoder = open(&runtime, [0; 64], "echo").expect("is given another chance");
    assert_eq!(read_all(&mut decoder).expect("decodes").len(), 16);
}

/// Calls without pause, each far below its budget, however full they make a window.
fn hard_work(subject: &Subject) {
    let home = Home::new();
    let runtime = runtime(&home, subject);
    let mut events = runtime.events();
    let mut decoder = busy(&runtime, 20);
    for _ in 0..50 {
        assert!(wait(decoder.read(1)).expect("decodes").is_some());
    }
    assert_eq!(runtime.stats()[0].throttled, 0);
    let throttled = std::iter::from_fn(|| events.try_recv().ok()).any(|event| matches!(event, Event::Throttled { .. }));
    assert!(!throttled);
}

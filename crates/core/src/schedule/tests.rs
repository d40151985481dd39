//! Groups over the fake engine, with a clock the tests set.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::{
    actor::{
        Pace, Priority, Session, Worker,
        tests::{block_on, program, setup},
    },
    control::CancelToken,
    engine::fake::{Call, FakeEngine, Verdict},
    error::{PluginError, Trap, TrapKind},
    limits::CallClass,
    manifest::{Pool, ThreadingModel},
    services::stream::Input,
};

struct Bench {
    floor: Arc<Floor>,
    failures: Arc<Mutex<Vec<String>>>,
    events: broadcast::Receiver<Event>,
}

impl Bench {
    fn new() -> Self {
        Self::with(RestartPolicy::default())
    }

    fn with(restarts: RestartPolicy) -> Self {
        Self::of(restarts, Pools::default())
    }

    fn of(restarts: RestartPolicy, pools: Pools) -> Self {
        let (sender, events) = broadcast::channel(256);
        let floor =
            Floor { timer: Timer::standing(), pools, restarts, drain: Duration::from_secs(600), events: sender };
        Self { floor: Arc::new(floor), failures: Arc::default(), events }
    }

    fn group(&self, engine: &FakeEngine, max_instances: u32) -> Arc<Group> {
        self.group_of(engine, "test.plugin", threading(ThreadingModel::Dedicated, Pool::Io, max_instances))
    }

    fn group_of(&self, engine: &FakeEngine, plugin: &str, threading: Threading) -> Arc<Group> {
        let (program, failures, id) = (program(engine), Arc::clone(&self.failures), plugin.to_owned());
        let counters = Arc::<Counters>::default();
        let counting = Arc::clone(&counters);
        let pace = Arc::new(Pace::new(self.floor.restarts.drip.window));
        let pacing = Arc::clone(&pace);
        Group::new(
            Arc::clone(&self.floor),
            Plan {
                plugin_id: plugin.into(),
                component_id: "decoder".into(),
                threading,
                holds_device: false,
                load: Box::new(move || {
                    let program = Arc::clone(&program);
                    Box::pin(async move { Ok(program) })
                }),
                setup: Box::new(move |instance, tell| Setup {
                    plugin_id: id.clone(),
                    tell,
                    counters: Arc::clone(&counting),
                    pace: Arc::clone(&pacing),
                    ..setup(instance)
                }),
                remember: Box::new(move |reason| failures.lock().push(reason.to_owned())),
                counters,
                pace,
            },
        )
    }

    fn told(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

fn threading(model: ThreadingModel, pool: Pool, max_instances: u32) -> Threading {
    Threading { model, pool, max_instances: max_instances.try_into().expect("not 0") }
}

fn engine(script: impl Fn(&Call, &Arc<crate::control::CallControl>) -> Verdict + Send + Sync + 'static) -> FakeEngine {
    FakeEngine::new(script)
}

fn open(actor: &Arc<Actor>) -> Result<Session> {
    let opened = Session::open(actor, Priority::default(), CancelToken::default(), |guest, token| {
        let object = guest.call("open", CallClass::Stream, token, |instance| {
            let input = Input::bytes(&b""[..]).open().map_err(|error| PluginError::Io(error.to_string()))?;
            instance.decoder().expect("fakes are decoders").open(input, None)
        })?;
        Ok((object, ()))
    });
    Ok(block_on(opened)?.0)
}

fn crash(session: &mut Session) -> Error {
    let crashed = block_on(session.run(|guest, session, token| {
        guest.call("seek", CallClass::Stream, token, |instance| {
            instance.decoder().expect("a decoder").seek_ms(session, 1)
        })
    }));
    crashed.expect_err("it crashes")
}

/// An engine whose guests crash when they seek.
fn crashing() -> FakeEngine {
    engine(|call, _| match call {
        Call::Seek(_) => Err(Trap::new(TrapKind::Unreachable, "asked to").into()),
        _ => Ok(()),
    })
}

/// Waits for what another thread does; a guard against a hang, not a measure.
#[track_caller]
fn until(mut come: impl FnMut() -> bool) {
    let began = Instant::now();
    while !come() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_first_failure_fails_the_component() {
    let mut bench = Bench::new();
    let engine = engine(|call, _| match call {
        Call::Enable => Err(PluginError::Internal("no".into()).into()),
        _ => Ok(()),
    });
    let group = bench.group(&engine, 2);
    assert_eq!(group.state(), State::Discovered);
    assert_eq!(block_on(group.acquire(None)).err().map(|error| error.kind()), Some(ErrorKind::PluginError));
    assert!(matches!(group.state(), State::Failed { .. }));
    assert_eq!(block_on(group.acquire(None)).err().map(|error| error.kind()), Some(ErrorKind::Trap));
    assert_eq!(engine.calls(), [Call::Start, Call::Enable], "not tried again");
    assert_eq!(bench.failures.lock().len(), 1);
    assert!(bench.told().is_empty(), "nothing was started");
}

/// R03: where the system has no thread, whoever asks is told so; nothing is failed by it, and the next who asks is served.
#[test]
fn a_thread_that_cannot_be_had_is_an_error_and_nobody_s_crash() {
    for (model, pool) in [
        (ThreadingModel::Dedicated, Pool::Io),
        (ThreadingModel::SharedPool, Pool::Io),
        (ThreadingModel::SharedPool, Pool::Cpu),
    ] {
        let scarce = Arc::new(AtomicBool::new(true));
        let is_scarce = Arc::clone(&scarce);
        // No system has a stack of so many bytes, and refuses the thread.
        let spawn = move |name: &str, newcomer| {
            if is_scarce.load(Ordering::Acquire) {
                Worker::spawn_with(name, 1 << 60, newcomer)
            } else {
                Worker::spawn(name, newcomer)
            }
        };
        let mut bench = Bench::of(RestartPolicy::default(), Pools::spawning(spawn));
        let engine = engine(|_, _| Ok(()));
        let group = bench.group_of(&engine, "test.plugin", threading(model, pool, 2));
        for _ in 0..10 {
            let error = block_on(group.acquire(None)).err().expect("there is no thread");
            assert_eq!(error.kind(), ErrorKind::Io, "{error}");
            assert!(std::error::Error::source(&error).is_some(), "what the system said is kept");
        }
        assert!(matches!(group.state(), State::Loaded(it) if it == lifecycle::Group::default()), "{:?}", group.state());
        assert!(group.left().is_empty() && bench.floor.pools.threads() == [0; 3]);
        assert!(engine.calls().is_empty() && bench.failures.lock().is_empty() && bench.told().is_empty());
        scarce.store(false, Ordering::Release);
        let actor = block_on(group.acquire(None)).expect("there are threads again");
        open(&actor).expect("it works");
    }
}

/// G23: whatever a manifest asks for, there are sixteen instances at most; further sessions share them.
#[test]
fn a_component_has_so_many_instances() {
    let bench = Bench::new();
    let engine = engine(|_, _| Ok(()));
    let group = bench.group(&engine, 1_000);
    let sessions: Vec<_> = (0..=INSTANCES).map(|_| open(&block_on(group.acquire(None)).unwrap()).unwrap()).collect();
    assert_eq!(group.now(), (INSTANCES as u64, sessions.len() as u64));
}

#[test]
fn an_idle_instance_is_used_again_and_retired_at_last() {
    let mut bench = Bench::new();
    let engine = engine(|_, _| Ok(()));
    let group = bench.group(&engine, 2);
    let (a, b) = (block_on(group.acquire(None)).unwrap(), block_on(group.acquire(None)).unwrap());
    assert!(Arc::ptr_eq(&a, &b));
    let session = open(&a).unwrap();
    drop((a, b));
    bench.floor.timer.advance(IDLE * 4);
    assert!(matches!(group.state(), State::Active(_)), "a session keeps it");
    drop(session);
    bench.floor.timer.advance(IDLE);
    assert!(matches!(group.state(), State::Active(_)), "not at once");
    bench.floor.timer.advance(IDLE);
    until(|| matches!(group.state(), State::Loaded(_)));
    assert_eq!(engine.calls().last(), Some(&Call::Disable(DisableReason::HostDisable)));
    let told = bench.told();
    assert!(matches!(told[..], [Event::Started { .. }]), "{told:?}");
    block_on(group.acquire(None)).unwrap();
}

/// The owner gets its error at once; the replacement waits, longer each time; the fifth crash is the last.
#[test]
fn a_crash_loop_is_slowed_down_and_stopped() {
    let mut bench = Bench::new();
    let engine = crashing();
    let group = bench.group(&engine, 1);
    for crash_number in 0..5 {
        let actor = block_on(group.acquire(None)).unwrap();
        let mut session = open(&actor).unwrap();
        assert_eq!(crash(&mut session).kind(), ErrorKind::Trap);
        if crash_number == 3 {
            let busy = block_on(group.acquire(None)).err().unwrap();
            assert_eq!(busy.kind(), ErrorKind::Busy, "30 s is longer than anybody waits: {busy}");
            bench.floor.timer.advance(Duration::from_secs(30));
        } else if crash_number < 3 {
            // Another thread's session waits for the restart, and gets it when the clock says so.
            let (waiting, timer) = (Arc::clone(&group), bench.floor.timer.clone());
            let waiter = std::thread::spawn(move || block_on(waiting.acquire(None)).map(drop));
            let starts = || engine.calls().iter().filter(|call| **call == Call::Start).count();
            let before = starts();
            until(|| matches!(group.state(), State::Loaded(lifecycle::Group { starting: 1, .. })));
            assert_eq!(starts(), before, "it is not started early");
            // The clock may be set forward before the waiter has come to its sleep.
            until(|| {
                timer.advance(Duration::from_millis(50));
                starts() == before + 1
            });
            waiter.join().unwrap().unwrap();
        }
    }
    assert!(matches!(group.state(), State::Failed { .. }));
    assert_eq!(bench.failures.lock().len(), 1);
    assert!(bench.failures.lock()[0].contains("5 times"), "{:?}", bench.failures.lock());
    let stopped = bench.told().into_iter().filter(|event| matches!(event, Event::Started { .. })).count();
    assert_eq!(stopped, 5);
}

#[test]
fn a_closed_group_wakes_who_waits_for_a_restart() {
    let bench = Bench::new();
    let group = bench.group(&crashing(), 1);
    let actor = block_on(group.acquire(None)).unwrap();
    crash(&mut open(&actor).unwrap());
    let waiting = Arc::clone(&group);
    let waiter = std::thread::spawn(move || block_on(waiting.acquire(None)).map(drop));
    until(|| matches!(group.state(), State::Loaded(lifecycle::Group { starting: 1, .. })));
    group.end(DisableReason::Shutdown);
    assert_eq!(waiter.join().unwrap().err().map(|error| error.kind()), Some(ErrorKind::Cancelled));
    until(|| group.state() == State::Unloaded);
}

/// L, R13: sessions of a replaced version go on until their time is over.
#[test]
fn a_retired_group_drains_and_is_cut_at_its_deadline() {
    let mut bench = Bench::new();
    let engine = engine(|_, _| Ok(()));
    let group = bench.group(&engine, 2);
    let actor = block_on(group.acquire(None)).unwrap();
    let _session = open(&actor).unwrap();
    drop(actor);
    group.retire(DisableReason::Reload);
    assert_eq!(block_on(group.acquire(None)).err().map(|error| error.kind()), Some(ErrorKind::Cancelled));
    bench.floor.timer.advance(Duration::from_secs(599));
    assert!(matches!(group.state(), State::Quiescing { left: 1, cut: false, .. }));
    bench.floor.timer.advance(Duration::from_secs(1));
    until(|| group.state() == State::Unloaded);
    assert_eq!(engine.calls()[3..], [Call::Close, Call::Disable(DisableReason::Reload)]);
    assert!(matches!(bench.told().last(), Some(Event::Unloaded { reason: DisableReason::Reload, .. })));
}

#[test]
fn a_start_that_is_given_up_leaves_no_trace() {
    let bench = Bench::new();
    let engine = crashing();
    let group = bench.group(&engine, 1);
    let actor = block_on(group.acquire(None)).unwrap();
    crash(&mut open(&actor).unwrap());
    {
        let mut waiting = Box::pin(group.acquire(None));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        assert!(matches!(group.state(), State::Loaded(lifecycle::Group { starting: 1, .. })));
    }
    assert!(matches!(group.state(), State::Loaded(lifecycle::Group { starting: 0, .. })));
}

/// An `io` worker serves one plugin; a plugin that floods leaves the others theirs; a `cpu` pool has as many threads as the
/// machine computes with.
#[test]
fn pools_cap_threads_and_keep_plugins_apart() {
    let bench = Bench::new();
    let engine = engine(|_, _| Ok(()));
    let shared = |pool| threading(ThreadingModel::SharedPool, pool, 16);
    let mut held = Vec::new();
    let mut fill = |group: &Arc<Group>, instances: usize| {
        for _ in 0..instances {
            let actor = block_on(group.acquire(None)).unwrap();
            held.push((open(&actor).unwrap(), actor));
        }
    };
    fill(&bench.group_of(&engine, "a.flood", shared(Pool::Io)), 16);
    assert_eq!(bench.floor.pools.threads(), [0, 4, 0], "16 instances on 4 threads");
    for plugin in 0..20 {
        fill(&bench.group_of(&engine, &format!("b.p{plugin}"), shared(Pool::Io)), 3);
    }
    assert_eq!(bench.floor.pools.threads()[1], 32, "four plugins took more, and left the rest one each");
    let late = bench.group_of(&engine, "c.late", shared(Pool::Io));
    let refused = block_on(late.acquire(None)).err().map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::Busy), "all 32 threads have a plugin: the 33rd is told so");
    assert!(matches!(late.state(), State::Loaded(_)), "and may come again");
    let cpu = bench.group_of(&engine, "d.cpu", shared(Pool::Cpu));
    fill(&cpu, 16);
    assert!((2..=8).contains(&bench.floor.pools.threads()[2]));
    drop(held);
}

#[test]
fn an_instance_on_the_worker_to_avoid_is_not_taken() {
    let bench = Bench::new();
    let engine = engine(|_, _| Ok(()));
    let group = bench.group_of(&engine, "a.b", threading(ThreadingModel::SharedPool, Pool::Io, 4));
    let first = block_on(group.acquire(None)).unwrap();
    let second = block_on(group.acquire(Some(first.worker()))).unwrap();
    assert_ne!(first.worker(), second.worker());
}

/// Random sequences against real groups, with the machine beside them as the model.
#[test]
fn a_group_does_what_its_machine_says() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |end: u64| {
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        (random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    };
    for round in 0..60 {
        // A restart that lies ahead would wait for a clock that stands.
        let bench = Bench::with(RestartPolicy { backoff: [Duration::ZERO; 4], ..RestartPolicy::default() });
        let refusing = Arc::new(AtomicBool::new(false));
        let enables = Arc::new(AtomicUsize::new(0));
        let engine = {
            let (refusing, enables) = (Arc::clone(&refusing), Arc::clone(&enables));
            engine(move |call, _| match call {
                Call::Seek(_) => Err(Trap::new(TrapKind::Unreachable, "asked to").into()),
                Call::Enable if refusing.load(Ordering::Acquire) => Err(PluginError::Internal("no".into()).into()),
                Call::Enable => {
                    enables.fetch_add(1, Ordering::AcqRel);
                    Ok(())
                }
                _ => Ok(()),
            })
        };
        let group = bench.group(&engine, 3);
        let mut model = State::Discovered;
        let mut sessions: Vec<Session> = Vec::new();
        let tell = |model: &mut State, event: lifecycle::Event| {
            let (after, effects) = step(&bench.floor.restarts, std::mem::replace(model, State::Unloaded), event);
            *model = after;
            effects
        };
        for _ in 0..25 {
            let now = bench.floor.timer.now();
            match next(10) {
                0..=4 => {
                    let fails = next(6) == 0;
                    refusing.store(fails, Ordering::Release);
                    let wanted = group.best(None).is_none();
                    if wanted {
                        let mut effects = tell(&mut model, lifecycle::Event::Wanted { now });
                        if effects == [Effect::Load] {
                            tell(&mut model, lifecycle::Event::Loaded);
                            effects = tell(&mut model, lifecycle::Event::Wanted { now });
                        }
                        if matches!(effects[..], [Effect::Start(_)]) {
                            let reason = "the plugin answered internal: no".to_owned();
                            let failed = lifecycle::Event::StartFailed { now, reason, blame: Blame::Plugin };
                            tell(&mut model, if fails { failed } else { lifecycle::Event::Enabled });
                        }
                    }
                    if let Ok(actor) = block_on(group.acquire(None)) {
                        sessions.push(open(&actor).unwrap());
                    }
                }
                5 if !sessions.is_empty() => {
                    let mut session = sessions.swap_remove(next(sessions.len() as u64) as usize);
                    let alive = engine.calls().len();
                    let error = crash(&mut session);
                    // A guest that another session crashed answers with that crash and is not called.
                    if error.kind() == ErrorKind::Trap && engine.calls()[alive..].contains(&Call::Seek(1)) {
                        let reason = "unreachable trap: asked to".to_owned();
                        tell(&mut model, lifecycle::Event::Crashed { now, reason, blame: Blame::Plugin });
                    }
                }
                6 if !sessions.is_empty() => drop(sessions.swap_remove(0)),
                7 => bench.floor.timer.advance(Duration::from_millis(next(10_000))),
                8 if next(4) == 0 => {
                    let reason = DisableReason::Reload;
                    group.retire(reason);
                    tell(&mut model, lifecycle::Event::Quiesce { reason, cut: false });
                    sessions.clear();
                }
                9 if next(6) == 0 => {
                    let reason = DisableReason::Shutdown;
                    group.end(reason);
                    tell(&mut model, lifecycle::Event::Quiesce { reason, cut: true });
                    sessions.clear();
                }
                _ => {}
            }
            // What leaves is told by its own thread, in its own time.
            let settled = |state: &State| !matches!(state, State::Quiescing { .. } | State::Failed { left: 1.., .. });
            if settled(&model) {
                until(|| group.state() == model || !settled(&group.state()));
                assert!(group.state() == model, "round {round}: {:?} and not {model:?}", group.state());
            } else {
                until(|| {
                    sessions.clear();
                    settled(&group.state())
                });
                model = group.state();
            }
        }
        group.end(DisableReason::Shutdown);
        drop(sessions);
        until(|| group.state() == State::Unloaded);
        let calls = engine.calls();
        let count = |wanted: fn(&Call) -> bool| calls.iter().filter(|call| wanted(call)).count();
        let crashes = count(|call| matches!(call, Call::Seek(_)));
        let disabled = count(|call| matches!(call, Call::Disable(_)));
        assert_eq!(disabled + crashes, enables.load(Ordering::Acquire), "each enabled instance is disabled or crashed");
    }
}

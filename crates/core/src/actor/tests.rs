//! The actor over the fake engine: order of calls, cuts, and what is left when a guest is gone.

use std::{thread, time::Duration};

use super::{worker::QUEUE, *};
use crate::{
    control::CancelToken,
    engine::{
        Engine,
        fake::{Call, FakeEngine, Verdict},
    },
    error::{PluginError, TrapKind},
    lifecycle::DripPolicy,
    limits::CallClass,
    services::stream::Input,
};

/// Drives a future on the caller's thread, as an application without an async runtime would.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    use std::task::{Context, Poll, Wake, Waker};
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

struct NoLog;

impl LogSink for NoLog {
    fn line(&mut self, _: bool, _: &str) {}
}

pub(crate) fn setup(instance: u64) -> Setup {
    Setup {
        plugin_id: "test.plugin".into(),
        component_id: "decoder".into(),
        instance,
        services: Services::default(),
        limits: Limits::AUDIO,
        budgets: Arc::new(Budgets::default()),
        events: broadcast::channel(16).0,
        log: Box::new(NoLog),
        counters: Arc::default(),
        pace: Arc::new(Pace::new(DripPolicy::default().window)),
        in_flight: Arc::default(),
        tell: Box::new(|_| ()),
    }
}

/// Starts an instance on a worker of its own.
fn start(engine: &FakeEngine) -> Result<Arc<Actor>> {
    start_with(engine, setup(0), |newcomer| Worker::spawn("st-test", newcomer))
}

fn start_with(
    engine: &FakeEngine,
    setup: Setup,
    seat: impl FnOnce(Newcomer) -> Result<(Worker, u64)>,
) -> Result<Arc<Actor>> {
    let actor = Actor::start(program(engine), setup, seat)?;
    block_on(actor.ready())?;
    Ok(actor)
}

fn engine(script: impl Fn(&Call, &Arc<CallControl>) -> Verdict + Send + Sync + 'static) -> FakeEngine {
    FakeEngine::new(script)
}

pub(crate) fn program(engine: &FakeEngine) -> Arc<dyn Program> {
    engine.load(&engine.compile(b"x").unwrap()).unwrap()
}

async fn open(actor: &Arc<Actor>) -> Result<Session> {
    let opened = Session::open(actor, Priority::default(), CancelToken::default(), |guest, token| {
        let object = guest.call("open", CallClass::Stream, token, |instance| {
            let input = Input::bytes(&b""[..]).open().map_err(|error| PluginError::Io(error.to_string()))?;
            instance.decoder().expect("fakes are decoders").open(input, None)
        })?;
        Ok((object, ()))
    });
    Ok(opened.await?.0)
}

fn gone(actor: &Actor) -> bool {
    actor.exit().wait_gone(Instant::now() + Duration::from_secs(10))
}

#[test]
fn an_actor_enables_serves_closes_and_disables_in_order() {
    let engine = engine(|_, _| Ok(()));
    let actor = start(&engine).unwrap();
    let session = block_on(open(&actor)).unwrap();
    let exit = actor.exit();
    exit.retire(DisableReason::Reload);
    drop(session);
    drop(actor);
    assert!(exit.wait_gone(Instant::now() + Duration::from_secs(10)));
    let calls = [Call::Start, Call::Enable, Call::Open(None), Call::Close, Call::Disable(DisableReason::Reload)];
    assert_eq!(engine.calls(), calls);
}

#[test]
fn a_failing_hook_leaves_nothing_running() {
    let engine = engine(|call, _| match call {
        Call::Enable => Err(PluginError::Io("no device".into()).into()),
        _ => Ok(()),
    });
    let error = start(&engine).err().unwrap();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::PluginError, Some("on-enable")));
    assert_eq!(engine.calls(), [Call::Start, Call::Enable]);
}

#[test]
fn a_trap_ends_the_actor_and_later_calls_get_it() {
    let engine = engine(|call, _| match call {
        Call::Open(_) => Err(Trap::new(TrapKind::Unreachable, "gone").into()),
        _ => Ok(()),
    });
    let actor = start(&engine).unwrap();
    for _ in 0..2 {
        let error = block_on(open(&actor)).err().unwrap();
        assert_eq!(error.trap().map(|trap| trap.kind), Some(TrapKind::Unreachable));
    }
    assert!(gone(&actor) && !actor.is_usable());
    assert!(!engine.calls().iter().any(|call| matches!(call, Call::Disable(_))), "a dead guest is not called");
}

#[test]
fn an_end_waits_for_the_call_in_flight_until_it_is_cut() {
    let (engine, blocked) = blocking_engine();
    let actor = start(&engine).unwrap();
    let mut session = block_on(open(&actor)).unwrap();
    let exit = actor.exit();
    let teardown = thread::spawn(move || {
        wait_for(&blocked);
        exit.end(DisableReason::Shutdown);
        let soon = exit.wait_gone(Instant::now() + Duration::from_millis(20));
        exit.cut();
        (soon, exit.wait_gone(Instant::now() + Duration::from_secs(30)))
    });
    let blocked = block_on(session.run(|guest, session, token| {
        guest.call("info", CallClass::Stream, token, |instance| instance.decoder().expect("a decoder").info(session))
    }));
    assert_eq!(blocked.err().map(|error| error.kind()), Some(ErrorKind::Cancelled));
    assert_eq!(teardown.join().unwrap(), (false, true));
}

/// An engine whose `info` blocks until it is cut, and a flag that says that it does.
fn blocking_engine() -> (FakeEngine, Arc<AtomicBool>) {
    let blocked = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&blocked);
    let engine = engine(move |call, control| match call {
        Call::Info => {
            flag.store(true, Ordering::Release);
            control.wait(None, || None::<()>).map(drop).map_err(Into::into)
        }
        _ => Ok(()),
    });
    (engine, blocked)
}

fn wait_for(flag: &AtomicBool) {
    while !flag.load(Ordering::Acquire) {
        thread::yield_now();
    }
}

fn info(session: &mut Session) -> Option<ErrorKind> {
    let answer = block_on(session.run(|guest, session, token| {
        guest.call("info", CallClass::Stream, token, |instance| instance.decoder().expect("a decoder").info(session))
    }));
    answer.err().map(|error| error.kind())
}

#[test]
fn a_canceller_cuts_its_own_session_only() {
    let (engine, blocked) = blocking_engine();
    let actor = start(&engine).unwrap();
    let (mut session, other) = (block_on(open(&actor)).unwrap(), block_on(open(&actor)).unwrap());
    let (mine, theirs) = (session.canceller(), other.canceller());
    let began = Instant::now();
    let pause = Duration::from_millis(20);
    let thread = thread::spawn(move || {
        wait_for(&blocked);
        theirs.cancel();
        thread::sleep(pause);
        mine.cancel();
    });
    assert_eq!(info(&mut session), Some(ErrorKind::Cancelled));
    assert!(began.elapsed() >= pause, "only its own canceller ends it");
    thread.join().unwrap();
}

#[test]
fn a_full_queue_answers_busy() {
    let (engine, blocked) = blocking_engine();
    let actor = start(&engine).unwrap();
    let mut session = block_on(open(&actor)).unwrap();
    let canceller = session.canceller();
    let flood = {
        let actor = Arc::clone(&actor);
        thread::spawn(move || {
            wait_for(&blocked);
            let mut waiting: Vec<_> =
                (0..=QUEUE).map(|_| Box::pin(actor.run(Priority::default(), |_| Ok(())))).collect();
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let busy = waiting.iter_mut().filter_map(|run| match run.as_mut().poll(&mut context) {
                std::task::Poll::Ready(answer) => answer.err().map(|error| error.kind()),
                std::task::Poll::Pending => None,
            });
            let busy: Vec<_> = busy.collect();
            canceller.cancel();
            busy
        })
    };
    assert_eq!(info(&mut session), Some(ErrorKind::Cancelled));
    assert_eq!(flood.join().unwrap(), [ErrorKind::Busy], "one more than the queue holds");
}

/// G22: guests that share a worker are called one after another, each with its own budget, and one that is gone takes
/// nobody with it.
#[test]
fn guests_share_a_worker() {
    let engine = engine(|call, _| match call {
        Call::Read(_) => Err(Trap::new(TrapKind::Unreachable, "gone").into()),
        _ => Ok(()),
    });
    let worker = std::cell::OnceCell::new();
    let first = start_with(&engine, setup(0), |newcomer| {
        let seated = Worker::spawn("st-test", newcomer)?;
        Ok((worker.get_or_init(|| seated.0.clone()).clone(), seated.1))
    });
    let first = first.unwrap();
    let worker = worker.get().unwrap();
    let sit = |newcomer| match worker.sit(newcomer) {
        Ok(seat) => Ok((worker.clone(), seat)),
        Err(_) => panic!("the worker is there"),
    };
    let second = start_with(&engine, setup(1), sit).unwrap();
    assert_eq!(worker.plugins().len(), 2);
    let (mut one, mut two) = (block_on(open(&first)).unwrap(), block_on(open(&second)).unwrap());
    let read = block_on(one.run(|guest, session, token| {
        let read = |instance: &mut dyn crate::engine::Instance| {
            instance.decoder().expect("a decoder").read_pcm_f32(session, 1)
        };
        guest.call("read", CallClass::Stream, token, read)
    }));
    assert_eq!(read.err().map(|error| error.kind()), Some(ErrorKind::Trap));
    assert!(gone(&first));
    assert_eq!(info(&mut two), None);
    drop((two, second));
    while !worker.plugins().is_empty() {
        thread::yield_now();
    }
    assert_eq!(engine.calls().last(), Some(&Call::Disable(DisableReason::HostDisable)));
}

/// G19: of guests that share a worker, one that is held back is served when the others are, whatever it asks for.
#[test]
fn who_is_held_back_lets_others_go_first() {
    let engine = engine(|_, _| Ok(()));
    let worker = std::cell::OnceCell::new();
    let slow = start_with(&engine, setup(0), |newcomer| {
        let seated = Worker::spawn("st-test", newcomer)?;
        Ok((worker.get_or_init(|| seated.0.clone()).clone(), seated.1))
    });
    let (slow, worker) = (slow.unwrap(), worker.get().unwrap());
    let other = start_with(&engine, setup(1), |newcomer| match worker.sit(newcomer) {
        Ok(seat) => Ok((worker.clone(), seat)),
        Err(_) => panic!("the worker is there"),
    });
    let other = other.unwrap();
    slow.pace.hold(Instant::now());
    let order = Arc::new(Mutex::new(Vec::new()));
    let (go, when_to_go) = std::sync::mpsc::channel::<()>();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut first = Box::pin(other.run(Priority::RealTime, move |_| {
        let _ = when_to_go.recv();
        Ok(())
    }));
    assert!(first.as_mut().poll(&mut context).is_pending());
    let job = |actor: &Arc<Actor>, priority, name: &'static str| {
        let (actor, order) = (Arc::clone(actor), Arc::clone(&order));
        let mut job = Box::pin(async move {
            actor
                .run(priority, move |_| {
                    order.lock().push(name);
                    Ok(())
                })
                .await
        });
        assert!(job.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
        job
    };
    let jobs = [job(&slow, Priority::RealTime, "held back"), job(&other, Priority::Interactive, "other")];
    go.send(()).unwrap();
    block_on(first).unwrap();
    jobs.into_iter().for_each(|job| block_on(job).unwrap());
    assert_eq!(*order.lock(), ["other", "held back"]);
}

/// R01: a job that panics ends its guest, is answered, and leaves the worker to the others.
#[test]
fn a_panic_ends_its_guest_only() {
    let engine = engine(|call, _| if *call == Call::Info { panic!("forced") } else { Ok(()) });
    let actor = start(&engine).unwrap();
    let mut session = block_on(open(&actor)).unwrap();
    assert_eq!(info(&mut session), Some(ErrorKind::Internal));
    assert!(gone(&actor));
    let job = start(&engine).unwrap();
    let panicked = block_on(job.run(Priority::default(), |_| -> Result<()> { panic!("forced") }));
    assert_eq!(panicked.err().map(|error| error.kind()), Some(ErrorKind::Internal));
    assert!(gone(&job));
}

#[test]
fn a_plugin_has_so_many_calls_in_flight() {
    let in_flight = Arc::new(AtomicUsize::new(PLUGIN_CALLS - 1));
    let one = Flight::begin(&in_flight);
    assert!(one.is_some() && Flight::begin(&in_flight).is_none());
    drop(one);
    assert!(Flight::begin(&in_flight).is_some());
}

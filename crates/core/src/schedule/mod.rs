//! The instances of one component: which serves a new session, when another is started, and when they end.
//!
//! A [`Group`] holds what its [`lifecycle`](crate::lifecycle) machine is about and performs what the machine says: it
//! decides nothing about states itself. A session goes to an instance without any, else to a new one while there are fewer
//! than `max_instances`, else to the one with the fewest.

mod pool;
#[cfg(test)]
mod tests;
mod timer;

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::{OnceCell, broadcast, watch};

pub(crate) use pool::{Place, Pools};
pub(crate) use timer::Timer;

use crate::{
    actor::{Actor, Counters, Exit, Pace, Report, Setup, Tell, WorkerId},
    engine::Program,
    error::{Error, ErrorKind, Result},
    event::Event,
    lifecycle::{self, Blame, Effect, Refusal, RestartPolicy, State, step},
    limits::INSTANCES,
    manifest::Threading,
    types::DisableReason,
};

/// Time an instance is left without a session before it is retired, at least; at most twice that.
const IDLE: Duration = Duration::from_secs(300);

/// Time a call in flight has to end by itself when its plugin is torn down.
pub(crate) const GRACE: Duration = Duration::from_millis(250);

/// What the groups of a runtime share.
pub(crate) struct Floor {
    pub(crate) timer: Timer,
    pub(crate) pools: Pools,
    pub(crate) restarts: RestartPolicy,
    /// Time the sessions of a replaced version have to finish.
    pub(crate) drain: Duration,
    pub(crate) events: broadcast::Sender<Event>,
}

type Loading = Pin<Box<dyn Future<Output = Result<Arc<dyn Program>>> + Send>>;

/// What a group is made from.
pub(crate) struct Plan {
    pub(crate) plugin_id: String,
    pub(crate) component_id: String,
    pub(crate) threading: Threading,
    /// Whether its sessions hold something that another version's need too.
    pub(crate) holds_device: bool,
    /// Reads, verifies, compiles and loads the component.
    pub(crate) load: Box<dyn Fn() -> Loading + Send + Sync>,
    /// What the n-th instance is made from, and how it reports.
    pub(crate) setup: Box<dyn Fn(u64, Tell) -> Setup + Send + Sync>,
    /// Remembers across restarts why the component failed.
    pub(crate) remember: Box<dyn Fn(&str) + Send + Sync>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) pace: Arc<Pace>,
}

/// The instance group of one version of a component.
pub(crate) struct Group {
    floor: Arc<Floor>,
    plan: Plan,
    program: OnceCell<Arc<dyn Program>>,
    state: Mutex<State>,
    /// Instances that sessions may go to.
    actors: Mutex<Vec<Member>>,
    /// Everything that was started and is not known to be gone.
    exits: Mutex<Vec<Exit>>,
    /// Held while an instance is started, so that a rush of sessions starts no more than it needs.
    starting: tokio::sync::Mutex<()>,
    next_instance: AtomicU64,
    /// Whether sessions are taken; sessions that wait for a restart watch it.
    open: watch::Sender<bool>,
    looking_for_idle: AtomicBool,
}

struct Member {
    actor: Arc<Actor>,
    /// Whether it had no session when that was looked at last.
    idle: bool,
}

impl Group {
    /// A group of which nothing is loaded or started.
    pub(crate) fn new(floor: Arc<Floor>, plan: Plan) -> Arc<Self> {
        Arc::new(Self {
            floor,
            plan,
            program: OnceCell::new(),
            state: Mutex::new(State::Discovered),
            actors: Mutex::default(),
            exits: Mutex::default(),
            starting: tokio::sync::Mutex::new(()),
            next_instance: AtomicU64::new(0),
            open: watch::channel(true).0,
            looking_for_idle: AtomicBool::new(false),
        })
    }

    /// An instance for one more session, loaded and started if need be; not on the worker `avoid`.
    ///
    /// # Errors
    /// What loading, starting or `on-enable` answered; `trap` where the component failed; `busy` while it is restarted or
    /// no thread is left; `cancelled` when its plugin is disabled, replaced or shut down.
    pub(crate) async fn acquire(self: &Arc<Self>, avoid: Option<WorkerId>) -> Result<Arc<Actor>> {
        if let Some(actor) = self.best(avoid) {
            return Ok(actor);
        }
        let _starting = self.starting.lock().await;
        loop {
            if let Some(actor) = self.best(avoid) {
                return Ok(actor);
            }
            let now = self.floor.timer.now();
            match self.tell(lifecycle::Event::Wanted { now }) {
                Some(Effect::Load) => self.load().await?,
                Some(Effect::Start(at)) => return self.start(at, avoid).await,
                Some(Effect::Refuse(refusal)) => return Err(self.refused(&refusal, now)),
                _ => return Err(Error::new(ErrorKind::Internal, "the component's life gave no answer")),
            }
        }
    }

    /// Loads the component, unless no session is taken any more before that is done: a compilation cannot be stopped, and keeps
    /// nobody. // R05
    async fn load(&self) -> Result<()> {
        let mut loading = pin!(self.program.get_or_try_init(&self.plan.load));
        let Some(loaded) = self.unless_closed(|context| loading.as_mut().poll(context)).await else {
            return Err(self.refused(&Refusal::Leaving, self.floor.timer.now()));
        };
        let event = match loaded {
            Ok(_) => lifecycle::Event::Loaded,
            Err(error) => {
                // A file that is damaged or cannot be read may be there again later; a component that is no good stays so.
                let lasting = [ErrorKind::Incompatible, ErrorKind::Timeout];
                if lasting.contains(&error.kind()) {
                    self.tell(lifecycle::Event::Unloadable { reason: error.to_string() });
                }
                return Err(error);
            }
        };
        self.tell(event);
        Ok(())
    }

    async fn start(self: &Arc<Self>, at: Instant, avoid: Option<WorkerId>) -> Result<Arc<Actor>> {
        let number = self.next_instance.fetch_add(1, Ordering::Relaxed);
        let group = Arc::downgrade(self);
        // Until the instance's own thread tells, a start that is given up is told when this is dropped.
        let setup = (self.plan.setup)(number, Box::new(move |report| reported(&group, report)));
        let promise = Promise(Some(setup));
        let restart = matches!(self.state(), State::Loaded(it) | State::Active(it) if !it.crashes.is_empty());
        self.wait(at).await;
        let actor = self.seat(promise, avoid)?;
        if restart {
            self.plan.counters.restarts.add();
        }
        actor.ready().await?;
        Ok(actor)
    }

    /// Waits until `at`, or until no session is taken any more.
    async fn wait(&self, at: Instant) {
        let mut sleep = pin!(self.floor.timer.sleep_until(at));
        self.unless_closed(|context| sleep.as_mut().poll(context)).await;
    }

    /// What `poll` yields; `None` if no session is taken any more before it does.
    async fn unless_closed<T>(&self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        let mut open = self.open.subscribe();
        let mut closed = pin!(open.wait_for(|open| !open));
        std::future::poll_fn(|context| match poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => closed.as_mut().poll(context).map(|_| None),
        })
        .await
    }

    /// Seats an instance, unless the group was closed meanwhile.
    fn seat(&self, mut promise: Promise, avoid: Option<WorkerId>) -> Result<Arc<Actor>> {
        let program =
            self.program.get().ok_or_else(|| Error::new(ErrorKind::Internal, "the component is not loaded"))?;
        let mut actors = self.actors.lock();
        // Whoever closes the group does so before it looks at the instances, which takes the lock that is held here.
        if !*self.open.borrow() {
            return Err(self.refused(&Refusal::Leaving, self.floor.timer.now()));
        }
        let Plan { plugin_id, component_id, threading, .. } = &self.plan;
        let place = Place { plugin: plugin_id, component: component_id, threading: *threading, avoid };
        let Some(setup) = promise.0.take() else { return Err(Error::new(ErrorKind::Internal, "started twice")) };
        let actor = Actor::start(Arc::clone(program), setup, |newcomer| self.floor.pools.seat(&place, newcomer))?;
        actors.push(Member { actor: Arc::clone(&actor), idle: false });
        let mut exits = self.exits.lock();
        exits.retain(|exit| !exit.is_gone());
        exits.push(actor.exit());
        Ok(actor)
    }

    /// The instance that can take a session without another being started, if there is one.
    fn best(&self, avoid: Option<WorkerId>) -> Option<Arc<Actor>> {
        let mut actors = self.actors.lock();
        let most = (self.plan.threading.max_instances.get() as usize).min(INSTANCES);
        let usable = |member: &&mut Member| member.actor.is_usable() && Some(member.actor.worker()) != avoid;
        actors.retain(|member| member.actor.may_be_used());
        let full = actors.len() >= most;
        let best = actors.iter_mut().filter(usable).min_by_key(|member| member.actor.sessions())?;
        best.idle = false;
        (best.actor.sessions() == 0 || full).then(|| Arc::clone(&best.actor))
    }

    fn refused(&self, refusal: &Refusal, now: Instant) -> Error {
        let error = match refusal {
            Refusal::Failed(reason) => Error::new(ErrorKind::Trap, format!("the component failed: {reason}"))
                .help("enable the plugin again to try once more, or install a newer version"),
            Refusal::Leaving => Error::new(ErrorKind::Cancelled, "the plugin is being stopped"),
            Refusal::NotBefore(at) => {
                let wait = at.saturating_duration_since(now);
                Error::new(
                    ErrorKind::Busy,
                    format!("the plugin crashed and is restarted in {:.1} s", wait.as_secs_f64()),
                )
                .help("try again then, or use another plugin")
            }
        };
        error.plugin(self.plan.plugin_id.as_str())
    }

    /// Tells the machine what happened and does what follows; yields what is for the one who asked.
    fn tell(self: &Group, event: lifecycle::Event) -> Option<Effect> {
        let effects = {
            let mut state = self.state.lock();
            let before = std::mem::replace(&mut *state, State::Unloaded);
            let (after, effects) = step(&self.floor.restarts, before, event);
            let open = matches!(after, State::Discovered | State::Loaded(_) | State::Active(_));
            self.open.send_if_modified(|is| std::mem::replace(is, open) != open);
            *state = after;
            effects
        };
        let mut answer = None;
        for effect in effects {
            match effect {
                Effect::Load | Effect::Start(_) | Effect::Refuse(_) => answer = Some(effect),
                Effect::Drain(reason) => self.drain(reason),
                Effect::Cut(reason) => self.cut(reason),
                Effect::Throttle => self.throttle(),
                Effect::Fail(reason) => {
                    tracing::error!(
                        plugin = self.plan.plugin_id,
                        component = self.plan.component_id,
                        "failed: {reason}"
                    );
                    (self.plan.remember)(&reason);
                }
                Effect::TellStarted => self.send(|plugin_id, component_id| Event::Started { plugin_id, component_id }),
                Effect::TellUnloaded(reason) => {
                    self.send(|plugin_id, component_id| Event::Unloaded { plugin_id, component_id, reason });
                }
            }
        }
        answer
    }

    fn drain(&self, reason: DisableReason) {
        let members = {
            let mut actors = self.actors.lock();
            self.exits.lock().iter().for_each(|exit| exit.retire(reason));
            std::mem::take(&mut *actors)
        };
        // Dropping the last handle of an instance ends it.
        drop(members);
    }

    fn cut(&self, reason: DisableReason) {
        let members = {
            let mut actors = self.actors.lock();
            self.exits.lock().iter().for_each(|exit| exit.end(reason));
            std::mem::take(&mut *actors)
        };
        drop(members);
    }

    fn throttle(&self) {
        let Plan { plugin_id, component_id, pace, counters, .. } = &self.plan;
        tracing::warn!(plugin = plugin_id, component = component_id, "held back: its calls take nearly all they may");
        pace.hold(Instant::now());
        counters.throttled.add();
        self.send(|plugin_id, component_id| Event::Throttled { plugin_id, component_id });
    }

    fn send(&self, event: impl FnOnce(String, String) -> Event) {
        // Without a listener there is nobody to tell.
        let _ = self.floor.events.send(event(self.plan.plugin_id.clone(), self.plan.component_id.clone()));
    }

    /// Where the component is in its life.
    pub(crate) fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// Takes no session any more. Instances end after their last session and at the latest when their time is over.
    pub(crate) fn retire(self: &Arc<Self>, reason: DisableReason) {
        self.tell(lifecycle::Event::Quiesce { reason, cut: false });
        if matches!(self.state(), State::Quiescing { .. }) {
            self.later(self.floor.drain, Self::drain_over);
        }
    }

    fn drain_over(self: &Arc<Self>) {
        self.tell(lifecycle::Event::DrainOver);
        self.cut_later();
    }

    /// Cuts the calls that are still in flight after a while, for whoever does not wait.
    pub(crate) fn cut_later(self: &Arc<Self>) {
        if matches!(self.state(), State::Quiescing { .. }) {
            self.later(GRACE, |group| group.left().iter().for_each(Exit::cut));
        }
    }

    /// Has something done after a while, if there is still somebody who holds the group.
    fn later(self: &Arc<Self>, after: Duration, work: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let group = Arc::downgrade(self);
        self.floor.timer.at(self.floor.timer.now() + after, move || {
            if let Some(group) = group.upgrade() {
                work(&group);
            }
        });
    }

    /// Takes no session any more and has the instances end now. Does not wait; [`left`](Self::left) are those that remain.
    pub(crate) fn end(&self, reason: DisableReason) {
        self.tell(lifecycle::Event::Quiesce { reason, cut: true });
    }

    /// What is not gone yet.
    pub(crate) fn left(&self) -> Vec<Exit> {
        let mut exits = self.exits.lock();
        exits.retain(|exit| !exit.is_gone());
        exits.clone()
    }

    /// Retires instances that have no session, to make room.
    pub(crate) fn release_idle(&self) {
        self.retire_where(|member| member.actor.sessions() == 0 && member.actor.is_usable());
    }

    fn retire_where(&self, which: impl Fn(&Member) -> bool) {
        let retired: Vec<Member> = self.actors.lock().extract_if(.., |member| which(member)).collect();
        drop(retired);
    }

    /// Retires what had no session for long, and looks again later while there are instances.
    fn look_for_idle(self: &Arc<Self>) {
        self.retire_where(|member| member.idle && member.actor.sessions() == 0);
        let some = {
            let mut actors = self.actors.lock();
            actors.iter_mut().for_each(|member| member.idle = member.actor.sessions() == 0);
            !actors.is_empty()
        };
        self.looking_for_idle.store(some, Ordering::Release);
        if some {
            self.later(IDLE, Self::look_for_idle);
        }
    }

    /// The package's id.
    pub(crate) fn plugin_id(&self) -> &str {
        &self.plan.plugin_id
    }

    /// The component's id.
    pub(crate) fn component_id(&self) -> &str {
        &self.plan.component_id
    }

    /// Whether its sessions hold something that another version's need too.
    pub(crate) fn holds_device(&self) -> bool {
        self.plan.holds_device
    }

    /// Instances and sessions there are now.
    pub(crate) fn now(&self) -> (u64, u64) {
        let actors = self.actors.lock();
        (actors.len() as u64, actors.iter().map(|member| member.actor.sessions() as u64).sum())
    }

    /// Says that instances did not end in time.
    pub(crate) fn left_behind(&self) {
        let Plan { plugin_id, component_id, .. } = &self.plan;
        tracing::error!(plugin = plugin_id, component = component_id, "did not end in time and was left behind");
        self.send(|plugin_id, component_id| Event::LeftBehind { plugin_id, component_id });
    }
}

/// A start the machine was told of; dropped before the instance is seated, it is told that nothing came of it.
struct Promise(Option<Setup>);

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(setup) = &self.0 {
            (setup.tell)(Report::Dropped);
        }
    }
}

/// What an instance's thread tells.
fn reported(group: &Weak<Group>, report: Report) {
    let Some(group) = group.upgrade() else { return };
    let now = group.floor.timer.now();
    let event = match report {
        Report::Enabled => lifecycle::Event::Enabled,
        Report::Dripped => lifecycle::Event::Dripped { now },
        Report::Ended => lifecycle::Event::Ended,
        Report::Trapped(trap) => {
            lifecycle::Event::Crashed { now, reason: trap.to_string(), blame: Blame::of(trap.kind) }
        }
        Report::NotStarted(trap) => {
            lifecycle::Event::StartFailed { now, reason: trap.to_string(), blame: Blame::of(trap.kind) }
        }
        Report::Refused(reason) => lifecycle::Event::StartFailed { now, reason, blame: Blame::Plugin },
        Report::Dropped => {
            lifecycle::Event::StartFailed { now, reason: "it was not started".into(), blame: Blame::Others }
        }
    };
    match event {
        lifecycle::Event::Enabled => {
            group.tell(event);
            if !group.looking_for_idle.swap(true, Ordering::AcqRel) {
                group.later(IDLE, Group::look_for_idle);
            }
        }
        // Told by whoever seats instances, with the lock on them.
        lifecycle::Event::StartFailed { blame: Blame::Others, .. } => _ = group.tell(event),
        _ => {
            group.tell(event);
            group.retire_where(|member| !member.actor.may_be_used());
        }
    }
}

//! The life of one version of a component, as a pure state machine: [`step`] takes what happened and says what follows.
//!
//! `Discovered -> Loaded -> Active -> Quiescing -> Unloaded`, and `Failed` from the first three. Nothing is done here and no
//! clock is read: moments come in with the events, and an [`Effect`] is performed by whoever called (`schedule`). A
//! component whose user enables it again begins anew, as another machine.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::{error::TrapKind, types::DisableReason};

/// How a component that crashes is restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Time from a crash to the start of the replacement, by how many crashes there were in [`window`](Self::window). The
    /// last one is for all further crashes.
    pub backoff: [Duration; 4],
    /// Crashes within [`window`](Self::window) that make the component failed.
    pub crashes: u32,
    /// How long a crash counts.
    pub window: Duration,
    /// How long a new session waits for a replacement; where that takes longer, it is told `busy` at once.
    pub patience: Duration,
    /// What becomes of a component that burns time without crashing.
    pub drip: DripPolicy,
}

/// What becomes of a component whose calls keep coming close to their budgets: each use more than half of its guest time,
/// and together they take more than half of a window. // G19
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DripPolicy {
    /// The time that is looked at. The component is held back for as long from then on.
    pub window: Duration,
    /// Such windows within [`within`](Self::within) that make the component failed.
    pub windows: u32,
    /// How long such a window counts.
    pub within: Duration,
}

impl Default for DripPolicy {
    /// An honest decoder that decodes flat out takes milliseconds of the two seconds it has for each call.
    fn default() -> Self {
        Self { window: Duration::from_secs(10), windows: 3, within: Duration::from_secs(60) }
    }
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            backoff: [
                Duration::from_millis(200),
                Duration::from_secs(1),
                Duration::from_secs(5),
                Duration::from_secs(30),
            ],
            crashes: 5,
            window: Duration::from_secs(60),
            patience: Duration::from_secs(5),
            drip: DripPolicy::default(),
        }
    }
}

impl RestartPolicy {
    /// Restarts at once and without end: for measurements and tests, which crash on purpose.
    pub fn immediate() -> Self {
        Self {
            backoff: [Duration::ZERO; 4],
            crashes: u32::MAX,
            window: Duration::ZERO,
            patience: Duration::ZERO,
            drip: DripPolicy::default(),
        }
    }
}

/// Where a component is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is known; nothing is compiled or started.
    Discovered,
    /// Its code is loaded; no instance is enabled.
    Loaded(Group),
    /// At least one instance is enabled.
    Active(Group),
    /// No session is taken any more, and the instances end.
    Quiescing {
        /// What `on-disable` is told.
        reason: DisableReason,
        /// Whether they are ended now rather than after their last session.
        cut: bool,
        /// How many are left, those that start included.
        left: u32,
    },
    /// Nothing of it runs, and nothing will.
    Unloaded,
    /// It is not used until its plugin is enabled again.
    Failed {
        /// Why, in words.
        reason: String,
        /// Instances that are left, those that start included.
        left: u32,
    },
}

/// The instances of a component that is in use, and their past.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Instances that are enabled.
    pub running: u32,
    /// Instances that are being started.
    pub starting: u32,
    /// Whether an instance was enabled at all.
    pub proven: bool,
    /// Crashes of the last window, oldest first.
    pub crashes: Vec<Instant>,
    /// When it was held back lately, oldest first.
    pub drips: Vec<Instant>,
}

/// Something that happened to a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A session needs an instance, and none of those that run can take it.
    Wanted {
        /// The moment.
        now: Instant,
    },
    /// The code was loaded.
    Loaded,
    /// The code cannot be loaded, now or later.
    Unloadable {
        /// Why, in words.
        reason: String,
    },
    /// An instance was started and its `on-enable` succeeded.
    Enabled,
    /// An instance did not start, or its `on-enable` failed.
    StartFailed {
        /// The moment.
        now: Instant,
        /// Why, in words.
        reason: String,
        /// Whose fault it was.
        blame: Blame,
    },
    /// An enabled instance is gone because its guest trapped or was cut.
    Crashed {
        /// The moment.
        now: Instant,
        /// Why, in words.
        reason: String,
        /// Whose fault it was.
        blame: Blame,
    },
    /// Calls that came close to their budgets took more than half of a window.
    Dripped {
        /// The moment.
        now: Instant,
    },
    /// An enabled instance ended as it was told to.
    Ended,
    /// The plugin is disabled, replaced, uninstalled, or the application shuts down.
    Quiesce {
        /// Which of these.
        reason: DisableReason,
        /// Whether sessions are cut rather than let finish.
        cut: bool,
    },
    /// The time sessions had to finish is over.
    DrainOver,
}

/// Whether a trap counts against the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The plugin crashed, hung or lied.
    Plugin,
    /// A caller cut the call, or the host itself failed.
    Others,
}

impl Blame {
    /// Whose fault a trap of that kind is.
    pub fn of(kind: TrapKind) -> Self {
        match kind {
            TrapKind::Cancelled | TrapKind::Host => Self::Others,
            _ => Self::Plugin,
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Load the code, then say [`Event::Loaded`] or [`Event::Unloadable`].
    Load,
    /// Start an instance, not before that moment.
    Start(Instant),
    /// Tell the session that it gets no instance.
    Refuse(Refusal),
    /// Let the instances end after their last session, telling their `on-disable` so.
    Drain(DisableReason),
    /// End the instances now, telling their `on-disable` so.
    Cut(DisableReason),
    /// Let others go before it for a window, and tell the application.
    Throttle,
    /// Remember across restarts that the component failed, and tell the application.
    Fail(String),
    /// Tell the application that an instance runs.
    TellStarted,
    /// Tell the application that nothing of the component is left.
    TellUnloaded(DisableReason),
}

/// Why a session gets no instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The component failed.
    Failed(String),
    /// The plugin is disabled, replaced or shut down.
    Leaving,
    /// The component crashed and is restarted at that moment.
    NotBefore(Instant),
}

/// What follows from `event` in `state`. An event that means nothing in a state changes nothing.
pub fn step(policy: &RestartPolicy, state: State, event: Event) -> (State, Vec<Effect>) {
    match state {
        State::Discovered => discovered(event),
        State::Loaded(group) | State::Active(group) => in_use(policy, group, event),
        State::Quiescing { reason, cut, left } => quiescing(reason, cut, left, &event),
        State::Unloaded => (State::Unloaded, refuse_if_wanted(&event, || Refusal::Leaving)),
        State::Failed { reason, left } => failed(reason, left, &event),
    }
}

fn discovered(event: Event) -> (State, Vec<Effect>) {
    match event {
        Event::Wanted { .. } => (State::Discovered, vec![Effect::Load]),
        Event::Loaded => (State::Loaded(Group::default()), Vec::new()),
        Event::Unloadable { reason } => fail(reason, 0),
        Event::Quiesce { reason, cut } => quiesce(reason, cut, 0),
        _ => (State::Discovered, Vec::new()),
    }
}

fn in_use(policy: &RestartPolicy, mut group: Group, event: Event) -> (State, Vec<Effect>) {
    match event {
        Event::Wanted { now } => {
            let start = group.start(policy, now);
            if start.saturating_duration_since(now) > policy.patience {
                return (group.state(), vec![Effect::Refuse(Refusal::NotBefore(start))]);
            }
            group.starting += 1;
            (group.state(), vec![Effect::Start(start)])
        }
        Event::Enabled => {
            group.starting = group.starting.saturating_sub(1);
            group.running += 1;
            group.proven = true;
            (group.state(), vec![Effect::TellStarted])
        }
        Event::StartFailed { now, reason, blame } => {
            group.starting = group.starting.saturating_sub(1);
            // The first one to start shows whether the component works at all.
            if blame == Blame::Plugin && !group.proven {
                return fail(reason, group.left());
            }
            group.crashed(policy, now, &reason, blame)
        }
        Event::Crashed { now, reason, blame } => {
            group.running = group.running.saturating_sub(1);
            group.crashed(policy, now, &reason, blame)
        }
        Event::Dripped { now } => group.dripped(&policy.drip, now),
        Event::Ended => {
            group.running = group.running.saturating_sub(1);
            (group.state(), Vec::new())
        }
        Event::Quiesce { reason, cut } => quiesce(reason, cut, group.left()),
        Event::Loaded | Event::Unloadable { .. } | Event::DrainOver => (group.state(), Vec::new()),
    }
}

fn quiescing(reason: DisableReason, cut: bool, left: u32, event: &Event) -> (State, Vec<Effect>) {
    let same = State::Quiescing { reason, cut, left };
    match event {
        Event::Wanted { .. } => (same, vec![Effect::Refuse(Refusal::Leaving)]),
        // It was started before and is no exception.
        Event::Enabled => (same, vec![if cut { Effect::Cut(reason) } else { Effect::Drain(reason) }]),
        Event::StartFailed { .. } | Event::Crashed { .. } | Event::Ended => match left.saturating_sub(1) {
            0 => (State::Unloaded, vec![Effect::TellUnloaded(reason)]),
            left => (State::Quiescing { reason, cut, left }, Vec::new()),
        },
        // What is cut stays cut; what drains may still be cut, for the newer reason.
        Event::Quiesce { reason, cut: true } if !cut => quiesce(*reason, true, left),
        Event::DrainOver if !cut => quiesce(reason, true, left),
        _ => (same, Vec::new()),
    }
}

fn failed(why: String, left: u32, event: &Event) -> (State, Vec<Effect>) {
    match event {
        Event::Wanted { .. } => {
            let refusal = Refusal::Failed(why.clone());
            (State::Failed { reason: why, left }, vec![Effect::Refuse(refusal)])
        }
        Event::Enabled => (State::Failed { reason: why, left }, vec![Effect::Drain(DisableReason::HostDisable)]),
        Event::StartFailed { .. } | Event::Crashed { .. } | Event::Ended => {
            (State::Failed { reason: why, left: left.saturating_sub(1) }, Vec::new())
        }
        Event::Quiesce { reason, cut } => quiesce(*reason, *cut, left),
        Event::Loaded | Event::Unloadable { .. } | Event::Dripped { .. } | Event::DrainOver => {
            (State::Failed { reason: why, left }, Vec::new())
        }
    }
}

fn quiesce(reason: DisableReason, cut: bool, left: u32) -> (State, Vec<Effect>) {
    match (left, cut) {
        (0, _) => (State::Unloaded, vec![Effect::TellUnloaded(reason)]),
        (_, true) => (State::Quiescing { reason, cut, left }, vec![Effect::Cut(reason)]),
        (_, false) => (State::Quiescing { reason, cut, left }, vec![Effect::Drain(reason)]),
    }
}

/// Sessions that other instances serve may finish.
fn fail(reason: String, left: u32) -> (State, Vec<Effect>) {
    let mut effects = vec![Effect::Fail(reason.clone())];
    if left > 0 {
        effects.push(Effect::Drain(DisableReason::HostDisable));
    }
    (State::Failed { reason, left }, effects)
}

fn refuse_if_wanted(event: &Event, refusal: impl FnOnce() -> Refusal) -> Vec<Effect> {
    if matches!(event, Event::Wanted { .. }) { vec![Effect::Refuse(refusal())] } else { Vec::new() }
}

impl Group {
    fn state(self) -> State {
        if self.running > 0 { State::Active(self) } else { State::Loaded(self) }
    }

    fn left(&self) -> u32 {
        self.running + self.starting
    }

    /// When another instance may be started.
    fn start(&self, policy: &RestartPolicy, now: Instant) -> Instant {
        let recent = self.crashes.iter().filter(|crash| now.saturating_duration_since(**crash) < policy.window);
        let Some((before, last)) = recent.enumerate().last() else { return now };
        let backoff = policy.backoff[before.min(policy.backoff.len() - 1)];
        now.max(*last + backoff)
    }

    fn crashed(mut self, policy: &RestartPolicy, now: Instant, reason: &str, blame: Blame) -> (State, Vec<Effect>) {
        if blame == Blame::Others {
            return (self.state(), Vec::new());
        }
        self.crashes.retain(|crash| now.saturating_duration_since(*crash) < policy.window);
        self.crashes.push(now);
        if self.crashes.len() < policy.crashes as usize {
            return (self.state(), Vec::new());
        }
        let reason = format!("it crashed {} times within {:?}, last: {reason}", self.crashes.len(), policy.window);
        fail(reason, self.left())
    }

    fn dripped(mut self, policy: &DripPolicy, now: Instant) -> (State, Vec<Effect>) {
        self.drips.retain(|drip| now.saturating_duration_since(*drip) < policy.within);
        self.drips.push(now);
        let times = self.drips.len();
        if times < policy.windows as usize {
            return (self.state(), vec![Effect::Throttle]);
        }
        let reason = format!(
            "its calls came close to their limit of guest time for most of {:?}, {times} times within {:?}",
            policy.window, policy.within
        );
        let (left, mut effects) = (self.left(), vec![Effect::Fail(reason.clone())]);
        if left > 0 {
            // Unlike after a crash, what burns the time still runs.
            effects.push(Effect::Cut(DisableReason::HostDisable));
        }
        (State::Failed { reason, left }, effects)
    }
}

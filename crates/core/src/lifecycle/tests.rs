//! Every state with every event, and what must hold after any sequence.

use super::*;

fn policy() -> RestartPolicy {
    RestartPolicy::default()
}

fn group(running: u32, starting: u32, crashes: &[Instant]) -> Group {
    let proven = running > 0 || !crashes.is_empty();
    Group { running, starting, proven, crashes: crashes.to_vec(), drips: Vec::new() }
}

fn dripping(running: u32, drips: &[Instant]) -> Group {
    Group { drips: drips.to_vec(), ..group(running, 0, &[]) }
}

fn crashed(now: Instant) -> Event {
    Event::Crashed { now, reason: "crash".into(), blame: Blame::Plugin }
}

fn start_failed(now: Instant, blame: Blame) -> Event {
    Event::StartFailed { now, reason: "no start".into(), blame }
}

fn reload() -> Event {
    Event::Quiesce { reason: DisableReason::Reload, cut: false }
}

fn shutdown() -> Event {
    Event::Quiesce { reason: DisableReason::Shutdown, cut: true }
}

/// Each state of the design, with and without instances.
fn states(now: Instant) -> Vec<State> {
    let leaving = |cut, left| State::Quiescing { reason: DisableReason::Reload, cut, left };
    vec![
        State::Discovered,
        State::Loaded(group(0, 0, &[])),
        State::Loaded(group(0, 1, &[])),
        State::Loaded(group(0, 0, &[now])),
        State::Active(group(1, 0, &[])),
        State::Active(group(2, 1, &[now; 4])),
        State::Loaded(dripping(0, &[now; 2])),
        State::Active(dripping(2, &[now; 2])),
        leaving(false, 2),
        leaving(false, 1),
        leaving(true, 2),
        State::Unloaded,
        State::Failed { reason: "why".into(), left: 0 },
        State::Failed { reason: "why".into(), left: 1 },
    ]
}

fn events(now: Instant) -> Vec<Event> {
    vec![
        Event::Wanted { now },
        Event::Loaded,
        Event::Unloadable { reason: "bad".into() },
        Event::Enabled,
        start_failed(now, Blame::Plugin),
        start_failed(now, Blame::Others),
        crashed(now),
        Event::Crashed { now, reason: "cut".into(), blame: Blame::Others },
        Event::Dripped { now },
        Event::Ended,
        reload(),
        shutdown(),
        Event::DrainOver,
    ]
}

/// The table of the machine, one line a state and one column an event, in the order above. `-` is no change and no effect.
const TABLE: [&str; 14] = [
    // Wanted, Loaded, Unloadable, Enabled, StartFailed by the plugin and by others, Crashed likewise, Dripped, Ended,
    // reload, shutdown, DrainOver
    "Discovered:Load|Loaded(0,0)|Failed(0):Fail|-|-|-|-|-|-|-|Unloaded:Told|Unloaded:Told|-",
    "Loaded(0,1):Start|-|-|Active(1,0):Started|Failed(0):Fail|-|Loaded(0,0)+1|-|Loaded(0,0)~1:Throttle|-|Unloaded:Told|\
     Unloaded:Told|-",
    "Loaded(0,2):Start|-|-|Active(1,0):Started|Failed(0):Fail|Loaded(0,0)|Loaded(0,1)+1|-|Loaded(0,1)~1:Throttle|-|\
     Drains(1):Drain|Cut(1):Cut|-",
    "Loaded(0,1)+1:Start|-|-|Active(1,0)+1:Started|Loaded(0,0)+2|-|Loaded(0,0)+2|-|Loaded(0,0)+1~1:Throttle|-|\
     Unloaded:Told|Unloaded:Told|-",
    "Active(1,1):Start|-|-|Active(2,0):Started|Active(1,0)+1|-|Loaded(0,0)+1|Loaded(0,0)|Active(1,0)~1:Throttle|\
     Loaded(0,0)|Drains(1):Drain|Cut(1):Cut|-",
    "Active(2,1)+4:Refuse|-|-|Active(3,0)+4:Started|Failed(2):Fail,Drain|Active(2,0)+4|Failed(2):Fail,Drain|Active(1,1)+4|\
     Active(2,1)+4~1:Throttle|Active(1,1)+4|Drains(3):Drain|Cut(3):Cut|-",
    "Loaded(0,1)~2:Start|-|-|Active(1,0)~2:Started|Failed(0):Fail|-|Loaded(0,0)+1~2|-|Failed(0):Fail|-|Unloaded:Told|\
     Unloaded:Told|-",
    "Active(2,1)~2:Start|-|-|Active(3,0)~2:Started|Active(2,0)+1~2|-|Active(1,0)+1~2|Active(1,0)~2|Failed(2):Fail,Cut|\
     Active(1,0)~2|Drains(2):Drain|Cut(2):Cut|-",
    "Drains(2):Refuse|-|-|Drains(2):Drain|Drains(1)|Drains(1)|Drains(1)|Drains(1)|-|Drains(1)|-|Cut(2):Cut|Cut(2):Cut",
    "Drains(1):Refuse|-|-|Drains(1):Drain|Unloaded:Told|Unloaded:Told|Unloaded:Told|Unloaded:Told|-|Unloaded:Told|-|\
     Cut(1):Cut|Cut(1):Cut",
    "Cut(2):Refuse|-|-|Cut(2):Cut|Cut(1)|Cut(1)|Cut(1)|Cut(1)|-|Cut(1)|-|-|-",
    "Unloaded:Refuse|-|-|-|-|-|-|-|-|-|-|-|-",
    "Failed(0):Refuse|-|-|Failed(0):Drain|-|-|-|-|-|-|Unloaded:Told|Unloaded:Told|-",
    "Failed(1):Refuse|-|-|Failed(1):Drain|Failed(0)|Failed(0)|Failed(0)|Failed(0)|-|Failed(0)|Drains(1):Drain|Cut(1):Cut|-",
];

fn shown(before: &State, after: &State, effects: &[Effect]) -> String {
    if before == after && effects.is_empty() {
        return "-".into();
    }
    let counts = |group: &Group| {
        let crashes = group.crashes.len();
        let crashes = if crashes == 0 { String::new() } else { format!("+{crashes}") };
        let drips = group.drips.len();
        let drips = if drips == 0 { String::new() } else { format!("~{drips}") };
        format!("({},{}){crashes}{drips}", group.running, group.starting)
    };
    let state = match after {
        State::Discovered => "Discovered".into(),
        State::Loaded(group) => format!("Loaded{}", counts(group)),
        State::Active(group) => format!("Active{}", counts(group)),
        State::Quiescing { cut: true, left, .. } => format!("Cut({left})"),
        State::Quiescing { cut: false, left, .. } => format!("Drains({left})"),
        State::Unloaded => "Unloaded".into(),
        State::Failed { left, .. } => format!("Failed({left})"),
    };
    let names = effects.iter().map(|effect| match effect {
        Effect::Load => "Load",
        Effect::Start(_) => "Start",
        Effect::Refuse(_) => "Refuse",
        Effect::Drain(_) => "Drain",
        Effect::Cut(_) => "Cut",
        Effect::Throttle => "Throttle",
        Effect::Fail(_) => "Fail",
        Effect::TellStarted => "Started",
        Effect::TellUnloaded(_) => "Told",
    });
    let names: Vec<_> = names.collect();
    if names.is_empty() { state } else { format!("{state}:{}", names.join(",")) }
}

#[test]
fn every_state_answers_every_event() {
    let now = Instant::now();
    let (states, events) = (states(now), events(now));
    for (state, line) in states.iter().zip(TABLE) {
        let expected: Vec<_> = line.split('|').collect();
        assert_eq!(expected.len(), events.len(), "{state:?}: {line}");
        for (event, expected) in events.iter().zip(expected) {
            let (after, effects) = step(&policy(), state.clone(), event.clone());
            assert_eq!(shown(state, &after, &effects), expected, "{state:?} with {event:?}");
        }
    }
}

#[test]
fn a_restart_is_put_off_longer_each_time() {
    let (begin, policy) = (Instant::now(), policy());
    let mut state = State::Active(group(1, 0, &[]));
    let mut now = begin;
    for (crash, backoff) in policy.backoff.iter().enumerate() {
        (state, _) = step(&policy, state, crashed(now));
        let (after, effects) = step(&policy, state.clone(), Event::Wanted { now });
        let at = now + *backoff;
        if *backoff > policy.patience {
            assert_eq!(effects, [Effect::Refuse(Refusal::NotBefore(at))], "crash {crash}");
            assert_eq!(after, state);
        } else {
            assert_eq!(effects, [Effect::Start(at)], "crash {crash}");
        }
        // Once the time has come, nothing waits.
        now = at;
        let (after, effects) = step(&policy, state, Event::Wanted { now });
        assert_eq!(effects, [Effect::Start(now)], "crash {crash}");
        (state, _) = step(&policy, after, Event::Enabled);
    }
    let (failed, effects) = step(&policy, state, crashed(now));
    assert!(matches!(&failed, State::Failed { reason, .. } if reason.contains("5 times within 60s")), "{failed:?}");
    assert!(matches!(&effects[..], [Effect::Fail(_)]), "{effects:?}");
}

#[test]
fn old_crashes_are_forgotten() {
    let (begin, policy) = (Instant::now(), policy());
    let mut state = State::Active(group(1, 0, &[]));
    // Four within a minute, again and again, never make five.
    for minute in 0..50 {
        let now = begin + Duration::from_secs(16 * minute);
        (state, _) = step(&policy, state, crashed(now));
        assert!(matches!(state, State::Loaded(_)), "{state:?}");
        let (after, _) = step(&policy, state, Event::Wanted { now: now + Duration::from_secs(15) });
        (state, _) = step(&policy, after, Event::Enabled);
    }
}

/// G19: three windows within a minute are the end, and what burns the time is cut; windows further apart are not.
#[test]
fn a_slow_drip_is_held_back_and_fails_at_last() {
    let (begin, policy) = (Instant::now(), policy());
    let drip =
        |state: State, second: u64| step(&policy, state, Event::Dripped { now: begin + Duration::from_secs(second) });
    let mut state = State::Active(group(1, 0, &[]));
    for second in [0, 30, 60, 90, 120] {
        let (after, effects) = drip(state, second);
        assert_eq!(effects, [Effect::Throttle]);
        state = after;
    }
    let (state, effects) = drip(state, 149);
    let State::Failed { reason, left: 1 } = &state else { panic!("{state:?}") };
    assert!(reason.contains("close to their limit") && reason.contains("3 times within 60s"), "{reason}");
    assert_eq!(effects, [Effect::Fail(reason.clone()), Effect::Cut(DisableReason::HostDisable)]);
    let (_, effects) = step(&policy, state.clone(), Event::Wanted { now: begin });
    assert_eq!(effects, [Effect::Refuse(Refusal::Failed(reason.clone()))], "the reason is kept");
}

#[test]
fn a_cut_call_is_nobodys_crash() {
    assert_eq!(Blame::of(TrapKind::Cancelled), Blame::Others);
    assert_eq!(Blame::of(TrapKind::Host), Blame::Others);
    for kind in [TrapKind::Deadline, TrapKind::Unreachable, TrapKind::Memory, TrapKind::Abi, TrapKind::Stack] {
        assert_eq!(Blame::of(kind), Blame::Plugin);
    }
}

/// Whatever happens in whatever order: what left does not come back, a failure is told once, and nothing starts but from
/// `Loaded` and `Active`.
#[test]
fn no_sequence_breaks_the_rules() {
    let (begin, policy) = (Instant::now(), policy());
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..2_000 {
        let (mut state, mut now, mut failures) = (State::Discovered, begin, 0);
        for _ in 0..60 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            now += Duration::from_millis(random >> 52);
            let events = events(now);
            let event = events[(random >> 33) as usize % events.len()].clone();
            let before = state.clone();
            let (after, effects) = step(&policy, state, event.clone());
            let told = format!("{before:?} with {event:?} to {after:?}, {effects:?}");
            for effect in &effects {
                match effect {
                    Effect::Load => assert_eq!(before, State::Discovered, "{told}"),
                    Effect::Start(at) => {
                        assert!(matches!(before, State::Loaded(_) | State::Active(_)), "{told}");
                        assert!(*at >= now && *at <= now + policy.patience, "{told}");
                    }
                    Effect::Fail(_) => failures += 1,
                    _ => {}
                }
            }
            match &before {
                State::Unloaded => assert_eq!(after, State::Unloaded, "{told}"),
                State::Quiescing { .. } => {
                    assert!(matches!(after, State::Quiescing { .. } | State::Unloaded), "{told}");
                }
                State::Failed { .. } => {
                    assert!(!matches!(after, State::Loaded(_) | State::Active(_) | State::Discovered), "{told}");
                }
                _ => {}
            }
            if matches!(event, Event::Wanted { .. }) {
                assert_eq!(effects.len(), 1, "who asks gets one answer: {told}");
            }
            state = after;
        }
        assert!(failures <= 1);
    }
}

//! B6: a guest that runs for ever in any place of any world is cut, its store is gone, and the next instance works.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use stellatune_plugin_core::{
    control::{CallControl, CancelToken},
    engine::{Engine, Program},
    error::{CallError, TrapKind},
    host::{Host, Services},
    limits::{Budget, Limits},
    wasi::LogSink,
};
use stellatune_plugins::Input;

use super::{
    Measured, Row, Settings,
    places::{Place, WORLDS, World, reach, world},
    stats::Spread,
};

pub(super) static ROW: Row = Row {
    id: "B6",
    promise: "places of guest code, in all worlds and engines, in which a runaway is not cut or harms what comes next",
    timed: false,
    unit: "places",
    at_most: 0.0,
    engine: None,
    measure,
};

const TAME: Budget =
    Budget { guest: Duration::from_secs(30), wall: Duration::from_secs(60), boundary_bytes: 8 * 1024 * 1024 };
const RUNAWAY: Budget = Budget { guest: Duration::from_millis(50), ..TAME };

/// Of the places, the short form takes one in so many, others each time for each world.
const SAMPLE: usize = 3;

fn measure(settings: &Settings) -> Result<Measured> {
    let (mut n, mut faults, mut late) = (0, Vec::new(), Vec::new());
    for name in stellatune_plugins::engines() {
        let engine = stellatune_plugins::engine(Some(name))?;
        for (offset, world_name) in WORLDS.into_iter().enumerate() {
            let world = world(world_name)?;
            let tame = load(&*engine, &world, None)?;
            for place in world
                .places()
                .iter()
                .skip(if settings.full { 0 } else { offset % SAMPLE })
                .step_by(if settings.full { 1 } else { SAMPLE })
            {
                n += 1;
                match runaway(&*engine, &world, world_name, place, &*tame) {
                    Ok(lateness) => late.push(lateness.as_secs_f64() * 1e3),
                    Err(error) => faults.push(format!("{name}: {world_name}: {}: {error:#}", place.name())),
                }
            }
        }
    }
    let spreads = vec![("return after the budget", "ms", Spread::of(&late))];
    Ok(Measured { value: faults.len() as f64, n, spreads, faults })
}

fn load(engine: &dyn Engine, world: &World, place: Option<&Place>) -> Result<Arc<dyn Program>> {
    Ok(engine.load(&engine.compile(&world.component(place)?)?)?)
}

/// Says when its store is gone, which owns it.
struct Gone(Arc<AtomicBool>);

impl LogSink for Gone {
    fn line(&mut self, _: bool, _: &str) {}
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn runaway(engine: &dyn Engine, world: &World, name: &str, place: &Place, tame: &dyn Program) -> Result<Duration> {
    let program = load(engine, world, Some(place))?;
    let gone = Arc::new(AtomicBool::new(false));
    let lateness = {
        let control = Arc::<CallControl>::default();
        let token = CancelToken::default();
        let host =
            Host::new(Services::default(), &Limits::AUDIO, Arc::clone(&control), Box::new(Gone(Arc::clone(&gone))));
        let began = Instant::now();
        let scope = control.enter(if *place == Place::Start { &RUNAWAY } else { &TAME }, &token);
        let started = program.start(host, &Limits::AUDIO, Arc::clone(&control));
        drop(scope);
        match started {
            Err(trap) if *place == Place::Start => {
                ensure!(trap.kind == TrapKind::Deadline, "ended by {trap}");
                began.elapsed().saturating_sub(RUNAWAY.guest)
            }
            Err(trap) => bail!("it does not start: {trap}"),
            Ok(mut instance) => {
                let objects = RefCell::default();
                let stream = || Input::bytes(&[0; 8][..]).open().expect("bytes can be opened");
                let mut calls = reach(name, place, stream, &objects);
                let into = calls.pop().context("no call leads there")?;
                for call in calls {
                    let _scope = control.enter(&TAME, &token);
                    call(&mut *instance).map_err(|error| anyhow!("on the way: {error}"))?;
                }
                let began = Instant::now();
                let scope = control.enter(&RUNAWAY, &token);
                let answer = into(&mut *instance);
                drop(scope);
                match answer {
                    Err(CallError::Trap(trap)) if trap.kind == TrapKind::Deadline => {}
                    other => bail!("answered {other:?}"),
                }
                began.elapsed().saturating_sub(RUNAWAY.guest)
            }
        }
    };
    ensure!(gone.load(Ordering::Acquire), "its store lives on");
    let control = Arc::<CallControl>::default();
    let host = Host::new(Services::default(), &Limits::AUDIO, Arc::clone(&control), Box::new(Gone(Arc::default())));
    let _scope = control.enter(&TAME, &CancelToken::default());
    let mut next = tame.start(host, &Limits::AUDIO, Arc::clone(&control))?;
    next.enable().map_err(|error| anyhow!("the next one: {error}"))?;
    Ok(lateness)
}

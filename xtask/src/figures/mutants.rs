//! C2: mutated components load or fail with a clear error, on every engine compiled in, and on all of them alike.
//!
//! The fixtures that are text and a few prebuilt guests are changed at random, one to four times each, from a seed
//! (`ZOO_SEED` replays a run; a fault names its mutant's). Each mutant goes the way of a plugin: core compares it with the
//! contract, each engine compiles, loads and starts it and makes one call of everything it exports. A panic, an error
//! that says nothing, an outcome that two engines do not share, and a mutant that takes longer than a minute are
//! faults. What runs out of time is no difference: how far it came depends on the clock.

use std::{
    collections::BTreeMap,
    fs,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use stellatune_plugin_core::{
    control::{CallControl, CancelToken},
    engine::{Engine, EngineError, Instance},
    error::{CallError, CallResult, Error, ErrorKind, PluginError, Trap, TrapKind},
    host::{Host, HostStream, Services},
    limits::{Budget, Limits},
    manifest::World,
    types::{AudioSpec, DisableReason, SeekWhence},
    wasi::LogSink,
    world,
};

use super::{Measured, Row, Settings, common::root, random::Random, seed, wat};

pub(super) static ROW: Row = Row {
    id: "C2",
    promise: "mutated components that panic, hang, fail without a clear error, or end otherwise on another engine",
    timed: false,
    unit: "mutants",
    at_most: 0.0,
    engine: None,
    measure,
};

const MUTANTS: usize = 20_000;

/// Guests that a compiler made, which are large: one mutant in [`SELDOM`] is of one of them.
const PREBUILT: [(&str, World); 3] =
    [("hook-trap-enable", World::Decoder), ("echo-lyrics", World::Lyrics), ("echo-source", World::Source)];
const SELDOM: usize = 40;

/// What a call of a mutant may take. Short, since some run for ever.
const BUDGET: Budget =
    Budget { guest: Duration::from_millis(20), wall: Duration::from_millis(500), boundary_bytes: 8 << 20 };

/// No mutant takes a hundredth of this.
const HUNG: Duration = Duration::from_secs(60);

/// Faults that are told; more are only counted.
const TOLD: usize = 5;

/// A component, and the world it was made for.
struct Sound {
    name: String,
    world: World,
    wasm: Vec<u8>,
}

fn measure(settings: &Settings) -> Result<Measured> {
    run(seed::of("C2")?, settings.rounds(MUTANTS))
}

fn run(first: u64, mutants: usize) -> Result<Measured> {
    let engines = engines()?;
    let (small, large) = sound()?;
    let sound = Arc::new((small, large));
    for component in sound.0.iter().chain(&sound.1) {
        // What is mutated is worth it: unchanged, it is no fault and comes as far as its fixture is meant to.
        outcome(&engines, component.world, &component.wasm)
            .map_err(anyhow::Error::msg)
            .context(component.name.clone())?;
    }

    let next = Arc::new(AtomicUsize::new(0));
    let workers = thread::available_parallelism().map_or(1, usize::from).min(4);
    let (report, reports) = mpsc::channel();
    for _ in 0..workers {
        let (next, report, engines, sound) = (Arc::clone(&next), report.clone(), engines.clone(), Arc::clone(&sound));
        // A worker that hangs cannot be ended, so that nobody waits for them.
        thread::spawn(move || {
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= mutants {
                    return;
                }
                let seed = seed::nth(first, number as u64);
                let outcome = mutant(&engines, &sound.0, &sound.1, seed);
                if report.send((seed, outcome)).is_err() {
                    return;
                }
            }
        });
    }
    drop(report);

    let (mut faults, mut wrong, mut ends) = (Vec::new(), 0, BTreeMap::<&'static str, usize>::new());
    for _ in 0..mutants {
        match reports.recv_timeout(HUNG) {
            Ok((_, Ok(end))) => *ends.entry(end).or_default() += 1,
            Ok((seed, Err(fault))) => {
                wrong += 1;
                faults.push(format!("seed {seed}: {fault}"));
            }
            Err(RecvTimeoutError::Timeout) => {
                wrong += 1;
                faults.push(format!(
                    "hangs: one of the {workers} mutants before seed {}",
                    seed::nth(first, next.load(Ordering::SeqCst) as u64)
                ));
                break;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let counted: usize = ends.values().sum::<usize>() + wrong;
    ensure!(counted == mutants || wrong > 0, "{counted} of {mutants} mutants were told of");
    let ends: Vec<_> = ends.iter().map(|(end, count)| format!("{count} {end}")).collect();
    eprint!("{} … ", ends.join(", "));
    faults.truncate(TOLD);
    Ok(Measured { value: wrong as f64, n: counted, spreads: Vec::new(), faults })
}

fn engines() -> Result<Vec<Arc<dyn Engine>>> {
    stellatune_plugins::engines().iter().map(|name| Ok(stellatune_plugins::engine(Some(name))?)).collect()
}

/// The fixtures that are text, and the prebuilt guests.
fn sound() -> Result<(Vec<Sound>, Vec<Sound>)> {
    let folder = root().join("fixtures");
    let mut small = Vec::new();
    let mut paths: Vec<_> = fs::read_dir(folder.join("wat"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    for path in paths {
        let text = fs::read_to_string(&path)?;
        let named = wat::front_matter(&text, "world").unwrap_or("decoder-plugin");
        let world = World::ALL.into_iter().find(|world| world.name() == named).context("a fixture names its world")?;
        let wasm = wat::component(&text).with_context(|| path.display().to_string())?;
        small.push(Sound { name: path.display().to_string(), world, wasm });
    }
    let mut large = Vec::new();
    for (name, world) in PREBUILT {
        let wasm = fs::read(folder.join("prebuilt").join(name).with_extension("wasm"))?;
        large.push(Sound { name: name.to_owned(), world, wasm });
    }
    Ok((small, large))
}

/// Makes the mutant of a seed and says how it ended, or what was wrong with that.
fn mutant(engines: &[Arc<dyn Engine>], small: &[Sound], large: &[Sound], seed: u64) -> Result<&'static str, String> {
    let mut random = Random(seed);
    let all = if random.below(SELDOM) == 0 { large } else { small };
    let Sound { name, world, wasm } = &all[random.below(all.len())];
    let other = &small[random.below(small.len())].wasm;
    let mut mutated = wasm.clone();
    for _ in 0..1 + random.below(4) {
        mutate(&mut mutated, other, &mut random);
    }
    outcome(engines, *world, &mutated).map_err(|fault| format!("of {name}: {fault}"))
}

/// Changes a component in one place.
fn mutate(wasm: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    /// Bytes that mean something: ends, blocks, calls, constants, memory instructions, sections, large numbers.
    const TELLING: [u8; 16] = [0, 1, 2, 0x03, 0x0b, 0x0c, 0x10, 0x11, 0x28, 0x36, 0x40, 0x41, 0x7f, 0x80, 0xfc, 0xff];
    if wasm.len() < 16 {
        return;
    }
    let at = 8 + random.below(wasm.len() - 8);
    let most = [2, 4, 16, 200][random.below(4)];
    let some = 1 + random.below(most);
    let end = (at + some).min(wasm.len());
    match random.below(12) {
        0..=2 => wasm[at] ^= 1 << random.below(8),
        3..=5 => wasm[at] = TELLING[random.below(TELLING.len())],
        6 => wasm[at] = random.next() as u8,
        7 => drop(wasm.drain(at..end)),
        8 => {
            let more = wasm[at..end].to_vec();
            wasm.splice(at..at, more);
        }
        9 => {
            let from = random.below(other.len());
            let piece = &other[from..(from + some).min(other.len())];
            wasm.splice(at..end, piece.iter().copied());
        }
        10 => {
            let with = 8 + random.below(wasm.len() - 8);
            wasm.swap(at, with);
        }
        _ => wasm.truncate(at),
    }
}

/// How a component ends, which must be the same on all engines.
fn outcome(engines: &[Arc<dyn Engine>], world: World, wasm: &[u8]) -> Result<&'static str, String> {
    if let Err(error) = guarded(|| world::verify(wasm, world))? {
        clear(&error)?;
        return Ok("refused by core");
    }
    let mut first: Option<(&'static str, Ran)> = None;
    for engine in engines {
        let name = engine.id().name;
        let ran = guarded(|| ran(&**engine, wasm)).map_err(|fault| format!("{name}: {fault}"))?;
        ran.clear().map_err(|fault| format!("{name}: {fault}"))?;
        match &first {
            Some((oracle, expected)) if !expected.is_like(&ran) => {
                return Err(format!("{oracle} ends with {expected:?}, {name} with {ran:?}"));
            }
            Some(_) => {}
            None => first = Some((name, ran)),
        }
    }
    Ok(first.map_or("run by no engine", |(_, ran)| ran.end()))
}

/// Runs what must not panic.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        format!("panics: {}", text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default())
    })
}

/// An error that says what is wrong, in a line, by a rule or with what to do.
fn clear(error: &Error) -> Result<(), String> {
    let text = error.to_string();
    let kind = match error.kind() {
        ErrorKind::RejectedPackage => error.rule().is_some(),
        ErrorKind::Incompatible => error.help_text().is_some(),
        _ => false,
    };
    if kind && !text.is_empty() && text.len() < 2048 && !text.contains(char::is_control) {
        Ok(())
    } else {
        Err(format!("is refused unclearly: {:?} {text:?}", error.kind()))
    }
}

/// How a component ended on one engine.
#[derive(Debug)]
enum Ran {
    Refused(EngineError),
    DidNotStart(Trap),
    /// What each call came to, up to the first trap.
    Called(Vec<String>, Option<Trap>),
}

impl Ran {
    fn end(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused by the engine",
            Self::DidNotStart(_) => "not started",
            Self::Called(_, Some(_)) => "trapped",
            Self::Called(_, None) => "run",
        }
    }

    fn trap(&self) -> Option<&Trap> {
        match self {
            Self::Refused(_) => None,
            Self::DidNotStart(trap) => Some(trap),
            Self::Called(_, trap) => trap.as_ref(),
        }
    }

    /// Whether it says what ended it.
    fn clear(&self) -> Result<(), String> {
        let text = match self {
            Self::Refused(error) => Some(&error.message),
            _ => self.trap().map(|trap| &trap.message),
        };
        match text {
            Some(text) if text.trim().is_empty() => Err(format!("ends without a text: {self:?}")),
            _ if self.trap().is_some_and(|trap| trap.kind == TrapKind::Host) => {
                Err(format!("the host panicked: {self:?}"))
            }
            _ => Ok(()),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        let late = |ran: &Self| ran.trap().is_some_and(|trap| trap.kind == TrapKind::Deadline);
        match (self, other) {
            _ if late(self) || late(other) => true,
            (Self::Refused(_), Self::Refused(_)) => true,
            (Self::DidNotStart(one), Self::DidNotStart(other)) => one.kind == other.kind,
            (Self::Called(one, trap), Self::Called(other, end)) => {
                one == other && trap.as_ref().map(|trap| trap.kind) == end.as_ref().map(|trap| trap.kind)
            }
            _ => false,
        }
    }
}

fn ran(engine: &dyn Engine, wasm: &[u8]) -> Ran {
    let program = match engine.compile(wasm).and_then(|artifact| engine.load(&artifact)) {
        Ok(program) => program,
        Err(error) => return Ran::Refused(error),
    };
    let (control, token) = (Arc::<CallControl>::default(), CancelToken::default());
    let limits = Limits { memory_bytes: 8 << 20, ..Limits::AUDIO };
    let host = Host::new(Services::default(), &limits, Arc::clone(&control), Box::new(Silent));
    let started = {
        let _scope = control.enter(&BUDGET, &token);
        program.start(host, &limits, Arc::clone(&control))
    };
    match started {
        Ok(instance) => {
            let mut calls = Calls { instance, control, token, told: Vec::new() };
            let trap = calls.everything().err();
            Ran::Called(calls.told, trap)
        }
        Err(trap) => Ran::DidNotStart(trap),
    }
}

struct Silent;

impl LogSink for Silent {
    fn line(&mut self, _: bool, _: &str) {}
}

/// Calls an instance once everywhere.
struct Calls {
    instance: Box<dyn Instance>,
    control: Arc<CallControl>,
    token: CancelToken,
    told: Vec<String>,
}

impl Calls {
    /// Makes a call; `None` for a refusal.
    fn call<T>(&mut self, call: impl FnOnce(&mut dyn Instance) -> CallResult<T>) -> Result<Option<T>, Trap> {
        let _scope = self.control.enter(&BUDGET, &self.token);
        match call(&mut *self.instance) {
            Ok(value) => {
                self.told.push("ok".to_owned());
                Ok(Some(value))
            }
            Err(CallError::Plugin(refusal)) => {
                self.told.push(refusal.to_string());
                Ok(None)
            }
            Err(CallError::Trap(trap)) => Err(trap),
        }
    }

    fn everything(&mut self) -> Result<(), Trap> {
        const CD: AudioSpec = AudioSpec { sample_rate: 44_100, channels: 2 };
        let gone = || PluginError::Internal("an ability that was there is gone".into());
        self.call(|it| it.enable())?;
        let mut objects = Vec::new();
        if self.instance.decoder().is_some() {
            let opened = self.call(|it| it.decoder().ok_or_else(gone)?.open(Box::new(Bytes(64)), Some("x")))?;
            if let Some(session) = opened {
                self.call(|it| it.decoder().ok_or_else(gone)?.info(session))?;
                self.call(|it| it.decoder().ok_or_else(gone)?.metadata(session))?;
                self.call(|it| it.decoder().ok_or_else(gone)?.read_pcm_f32(session, 16))?;
                self.call(|it| it.decoder().ok_or_else(gone)?.seek_ms(session, 5))?;
                objects.push(session);
            }
        }
        if self.instance.source().is_some()
            && let Some(catalog) = self.call(|it| it.source().ok_or_else(gone)?.create())?
        {
            self.call(|it| it.source().ok_or_else(gone)?.list_items_json(catalog, "{}"))?;
            self.call(|it| it.source().ok_or_else(gone)?.open_stream_json(catalog, "{}").map(drop))?;
            objects.push(catalog);
        }
        if self.instance.lyrics().is_some()
            && let Some(provider) = self.call(|it| it.lyrics().ok_or_else(gone)?.create())?
        {
            self.call(|it| it.lyrics().ok_or_else(gone)?.search(provider, "caf\u{e9}"))?;
            self.call(|it| it.lyrics().ok_or_else(gone)?.fetch(provider, "x"))?;
            objects.push(provider);
        }
        if self.instance.output_sink().is_some()
            && let Some(session) = self.call(|it| it.output_sink().ok_or_else(gone)?.create())?
        {
            self.call(|it| it.output_sink().ok_or_else(gone)?.negotiate_spec_json(session, "{}", CD))?;
            self.call(|it| it.output_sink().ok_or_else(gone)?.write_interleaved_f32(session, 2, &[0; 64]))?;
            objects.push(session);
        }
        if self.instance.dsp().is_some()
            && let Some(processor) = self.call(|it| it.dsp().ok_or_else(gone)?.create(CD))?
        {
            self.call(|it| it.dsp().ok_or_else(gone)?.describe_hot_path(processor, CD))?;
            self.call(|it| it.dsp().ok_or_else(gone)?.process_interleaved_f32(processor, 2, &[0; 64]))?;
            objects.push(processor);
        }
        for object in objects {
            self.call(|it| it.plan_config(object, "{}"))?;
            self.call(|it| it.apply_config(object, "{}"))?;
            self.call(|it| it.export_state(object))?;
            self.call(|it| Ok(it.close(object)?))?;
        }
        self.call(|it| it.disable(DisableReason::Unload))?;
        Ok(())
    }
}

/// So many bytes, and then the end.
struct Bytes(u32);

impl HostStream for Bytes {
    fn read(&mut self, max_bytes: u32, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        let count = max_bytes.min(self.0);
        self.0 -= count;
        Ok(vec![7; count as usize])
    }

    fn seek(&mut self, _: i64, _: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
        Err(PluginError::Unsupported("this stream only goes forward".into()).into())
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(u64::from(self.0))
    }

    fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_end_well() -> Result<()> {
        let measured = run(1, 300)?;
        assert_eq!((measured.value, &*measured.faults), (0.0, &[][..]));
        Ok(())
    }

    #[test]
    fn a_panic_and_an_unclear_error_are_faults() {
        assert_eq!(guarded(|| -> () { panic!("on purpose") }), Err("panics: on purpose".to_owned()));
        assert!(clear(&Error::new(ErrorKind::Incompatible, "no")).is_err());
        assert!(clear(&Error::new(ErrorKind::Incompatible, "no").help("another")).is_ok());
        assert!(clear(&Error::rejected("rule", "two\nlines")).is_err());
    }

    #[test]
    fn engines_that_end_otherwise_are_told_apart() {
        let trap = |kind| Some(Trap::new(kind, "x"));
        let called = |told: &str, trap| Ran::Called(vec![told.to_owned()], trap);
        assert!(called("ok", trap(TrapKind::Abi)).is_like(&called("ok", trap(TrapKind::Abi))));
        assert!(!called("ok", trap(TrapKind::Abi)).is_like(&called("ok", trap(TrapKind::Bounds))));
        assert!(!called("ok", None).is_like(&called("no", None)));
        assert!(called("ok", trap(TrapKind::Deadline)).is_like(&called("no", None)));
        assert!(!called("ok", None).is_like(&Ran::DidNotStart(Trap::new(TrapKind::Memory, "x"))));
    }
}

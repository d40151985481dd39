//! A1 and C3: a guest that does not return, and a host read that does not, are cut in time, and the next call works; A1 on
//! Wasmtime, C3 on Wasmer.
//!
//! - *Runaway*: a guest loops for ever in `read-pcm-f32` with a budget of 50 ms. Its lateness is the time from the call
//!   to its return, over the budget. The control is a thread that starts with the call and sleeps for the budget.
//! - *Blocked*: a guest waits in a host read that never answers; another thread cancels. Its lateness is the time from
//!   the cancellation to the return. The control is a thread that the same thread wakes just after it cancelled.
//!
//! The machine wakes no thread at once, so the promise is about the excess of a run's lateness over its own control's.
//! The row is the larger of both 99th percentiles of the excess. A run that is not cut, is cut for another reason, or
//! after which a new session does not decode, is a fault.

use std::{
    fs,
    io::Read,
    path::Path,
    sync::{
        Barrier,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use pollster::block_on;
use stellatune_plugins::{Budgets, Decoder, DecoderChoice, ErrorKind, Input, RestartPolicy, Runtime};

use super::{
    Measured, Row, Settings,
    common::{
        plugin::{self, Plugins},
        root,
    },
    stats::Spread,
};

pub(super) static WASMTIME: Row = row("A1", "wasmtime", |settings| measure(settings, "wasmtime"));
pub(super) static WASMER: Row = row("C3", "wasmer", |settings| measure(settings, "wasmer"));

const fn row(id: &'static str, engine: &'static str, measure: fn(&Settings) -> Result<Measured>) -> Row {
    Row {
        id,
        promise: "a runaway guest is cut after its budget, a blocked host read after its cancellation (p99 of the excess)",
        timed: true,
        unit: "ms",
        at_most: 20.0,
        engine: Some(engine),
        measure,
    }
}

/// Guest time of a call. Small, so that many runs take seconds.
const BUDGET: Duration = Duration::from_millis(50);

/// Time a blocked read is left alone before it is cancelled.
const PAUSE: Duration = Duration::from_millis(3);

fn measure(settings: &Settings, engine: &str) -> Result<Measured> {
    let plugins = edge_decoder(engine)?;
    let mut budgets = Budgets::default();
    budgets.stream.guest = BUDGET;
    let runtime = plugins.builder().budgets(budgets).restarts(RestartPolicy::immediate()).build()?;
    next_call(&runtime)?;

    let (mut runaway, mut blocked) = (Series::default(), Series::default());
    for run in 1..=settings.rounds(200) {
        runaway.add(self::runaway(&runtime).with_context(|| format!("runaway {run}")));
        blocked.add(self::blocked(&runtime).with_context(|| format!("blocked read {run}")));
    }
    let n = runaway.lateness.len() + blocked.lateness.len();
    ensure!(!runaway.lateness.is_empty() && !blocked.lateness.is_empty(), "{}", runaway.faults.join("; "));
    let excess = [runaway.excess(), blocked.excess()];
    let spreads = vec![
        ("runaway: return after the budget", "ms", Spread::of(&runaway.lateness)),
        ("runaway: control thread", "ms", Spread::of(&runaway.control)),
        ("runaway: excess", "ms", excess[0]),
        ("blocked read: return after cancelling", "ms", Spread::of(&blocked.lateness)),
        ("blocked read: control thread", "ms", Spread::of(&blocked.control)),
        ("blocked read: excess", "ms", excess[1]),
    ];
    let faults = [runaway.faults, blocked.faults].concat();
    Ok(Measured { value: excess[0].p99.max(excess[1].p99), n, spreads, faults })
}

/// Milliseconds late, of each run and of its control.
struct Late {
    cut: f64,
    control: f64,
}

#[derive(Default)]
struct Series {
    lateness: Vec<f64>,
    control: Vec<f64>,
    faults: Vec<String>,
}

impl Series {
    fn add(&mut self, run: Result<Late>) {
        match run {
            Ok(late) => {
                self.lateness.push(late.cut);
                self.control.push(late.control);
            }
            Err(error) => self.faults.push(format!("{error:#}")),
        }
    }

    fn excess(&self) -> Spread {
        let excess = self.lateness.iter().zip(&self.control).map(|(cut, control)| cut - control);
        Spread::of(&excess.collect::<Vec<_>>())
    }
}

fn runaway(runtime: &Runtime) -> Result<Late> {
    let mut decoder = open(runtime, Input::bytes(&[0; 16][..]), "loop-read")?;
    let start = Barrier::new(2);
    let late = thread::scope(|scope| {
        let control = scope.spawn(|| {
            start.wait();
            let began = Instant::now();
            thread::sleep(BUDGET);
            milliseconds(began.elapsed().saturating_sub(BUDGET))
        });
        start.wait();
        let began = Instant::now();
        cut(&mut decoder, ErrorKind::Timeout)?;
        let cut = began.elapsed();
        ensure!(cut >= BUDGET, "cut {:?} before its budget was used up", BUDGET - cut);
        Ok(Late { cut: milliseconds(cut - BUDGET), control: joined(control)? })
    })?;
    next_call(runtime)?;
    Ok(late)
}

fn blocked(runtime: &Runtime) -> Result<Late> {
    let (reader, reading, _release) = Blocked::new();
    let mut decoder = open(runtime, Input::forward(reader), "echo")?;
    let canceller = decoder.canceller();
    let (wake, woken) = mpsc::channel::<Instant>();
    let late = thread::scope(|scope| {
        let control = scope.spawn(move || {
            let cancelled = woken.recv()?;
            Ok::<_, mpsc::RecvError>(milliseconds(cancelled.elapsed()))
        });
        let cancelling = scope.spawn(move || -> Result<Instant> {
            reading.recv().context("the guest never read")?;
            thread::sleep(PAUSE);
            let now = Instant::now();
            canceller.cancel();
            wake.send(now)?;
            Ok(now)
        });
        let outcome = cut(&mut decoder, ErrorKind::Cancelled);
        let returned = Instant::now();
        let cancelled = joined(cancelling)??;
        outcome?;
        Ok::<_, anyhow::Error>(Late { cut: milliseconds(returned - cancelled), control: joined(control)?? })
    })?;
    next_call(runtime)?;
    Ok(late)
}

/// Reads, which must fail in that way.
fn cut(decoder: &mut Decoder, kind: ErrorKind) -> Result<()> {
    match plugin::block(decoder) {
        Ok(_) => Err(anyhow!("the call returned as if nothing was wrong")),
        Err(error) => match error.downcast_ref::<stellatune_plugins::Error>() {
            Some(found) if found.kind() == kind => Ok(()),
            _ => Err(error.context("the call was ended for another reason")),
        },
    }
}

/// A new session decodes.
fn next_call(runtime: &Runtime) -> Result<()> {
    let samples = [0.25f32, -0.5, 1.0];
    let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<_>>();
    let mut decoder = open(runtime, Input::bytes(bytes), "echo").context("the next call")?;
    ensure!(plugin::block(&mut decoder).context("the next call")? == samples, "the next call gives other samples");
    Ok(())
}

fn open(runtime: &Runtime, input: Input, hint: &str) -> Result<Decoder> {
    let choice = DecoderChoice::Named("test.edge:edge".parse()?);
    Ok(block_on(runtime.open_decoder(&input.with_ext(hint), &choice))?)
}

/// A reader whose reads end when the sender it is made with is dropped.
struct Blocked {
    reading: Sender<()>,
    released: Receiver<()>,
}

impl Blocked {
    /// The reader, what tells of a read, and what blocks it.
    fn new() -> (Self, Receiver<()>, Sender<()>) {
        let ((reading, told), (release, released)) = (mpsc::channel(), mpsc::channel());
        (Self { reading, released }, told, release)
    }
}

impl Read for Blocked {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        // Nobody listens any more to what a later read tells.
        let _ = self.reading.send(());
        let _ = self.released.recv();
        Ok(0)
    }
}

/// The fixture that misbehaves on demand, as a plugin.
fn edge_decoder(engine: &str) -> Result<Plugins> {
    const MANIFEST: &str = r#"{
        "schema_version": 1, "id": "test.edge", "name": "Edge", "version": "1", "api_version": 1,
        "components": [{
            "id": "edge", "path": "edge.wasm", "world": "decoder-plugin",
            "abilities": [{ "kind": "decoder", "type_id": "edge", "decoder": { "wildcard_score": 1 } }]
        }]
    }"#;
    let package = tempfile::tempdir()?;
    let component: &Path = &root().join("fixtures/prebuilt/edge-decoder.wasm");
    fs::copy(component, package.path().join("edge.wasm")).with_context(|| component.display().to_string())?;
    fs::write(package.path().join("plugin.json"), MANIFEST)?;
    Plugins::of(engine, package.path())
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread of the measurement panicked"))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

//! B13: a panic in any host import ends its guest, and nothing else.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use stellatune_plugin_core::{
    control::{CallControl, CancelToken},
    engine::{Engine, Instance, Program},
    error::{CallError, TrapKind},
    host::{Host, Services},
    limits::{Budgets, Limits},
    wasi::LogSink,
};

use super::{
    Measured, Row, Settings,
    imports::{Import, imports, panicking},
};

pub(super) static ROW: Row = Row {
    id: "B13",
    promise: "host imports whose panic is not caught at the call, or harms what comes next",
    timed: false,
    unit: "imports",
    at_most: 0.0,
    engine: None,
    measure,
};

fn measure(_: &Settings) -> Result<Measured> {
    let (mut n, mut faults) = (0, Vec::new());
    // What a panic prints is not what is asked here.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    for name in stellatune_plugins::engines() {
        let engine = stellatune_plugins::engine(Some(name))?;
        for import in imports()? {
            n += 1;
            if let Err(error) = panics(&*engine, import) {
                faults.push(format!("{name}: {}: {error:#}", import.name));
            }
        }
    }
    std::panic::set_hook(hook);
    Ok(Measured { value: faults.len() as f64, n, spreads: Vec::new(), faults })
}

struct Silent;

impl LogSink for Silent {
    fn line(&mut self, _: bool, _: &str) {}
}

fn panics(engine: &dyn Engine, import: Import) -> Result<()> {
    let program = engine.load(&engine.compile(&import.component()?)?)?;
    let services = panicking(import.name);
    match enable(&*program, &services) {
        Err(CallError::Trap(trap)) if trap.kind == TrapKind::Host => {}
        other => bail!("answered {other:?}"),
    }
    let next = enable(&*program, &services);
    ensure!(next.is_ok(), "the next one answered {next:?}");
    Ok(())
}

fn enable(program: &dyn Program, services: &Services) -> Result<(), CallError> {
    let control = Arc::<CallControl>::default();
    let host = Host::new(services.clone(), &Limits::AUDIO, Arc::clone(&control), Box::new(Silent));
    let (budgets, token) = (Budgets::default(), CancelToken::default());
    let _scope = control.enter(&budgets.enable, &token);
    let mut instance: Box<dyn Instance> = program.start(host, &Limits::AUDIO, Arc::clone(&control))?;
    instance.enable()
}

//! Does a package keep its word? Reads it as an installation would, then starts each component on each engine and calls
//! what it offers.
//!
//! A [`Report`] is a list of [`Row`]s. A guest may say no to whatever is asked of it here: it runs without files, network
//! and sidecars. It may not trap, run out of time, or answer what the contract forbids. Not here: how well it does what it
//! does, and whether it survives attacks on the host, which is the conformance suite's business.

mod module;
mod rig;
mod smoke;
mod strict;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use tokio::sync::oneshot;

use crate::{
    engine::Engine,
    error::{CallError, CallResult, Error, ErrorKind, Result},
    inspect::{self, Inspected},
    manifest::Component,
    package::{Artifact, StagedPackage},
};
use rig::Rig;

/// Stack of the thread that runs a guest, as everywhere.
const STACK_BYTES: usize = 4 * 1024 * 1024;

/// What was checked, and what came out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The package's id; `None` where it has no valid manifest.
    pub id: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// In the order they were made.
    pub rows: Vec<Row>,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The engine it was tried on; `None` for what needs none.
    pub engine: Option<&'static str>,
    /// The component; `None` for what the package as a whole does.
    pub component: Option<String>,
    /// What was checked.
    pub check: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found.
    pub detail: String,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// As it should be.
    Pass,
    /// The guest said no, which it may.
    Refused,
    /// Against a rule, a crash, or a lie.
    Fail,
    /// Not tried, because something before it failed.
    NotRun,
}

impl Outcome {
    /// The outcome in snake case, for documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Refused => "refused",
            Self::Fail => "fail",
            Self::NotRun => "not_run",
        }
    }
}

impl Report {
    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        self.rows.iter().all(|row| row.outcome != Outcome::Fail)
    }
}

/// Checks the package in a directory or zip on each of `engines`. It is read into `staging`, an empty directory whose maker
/// removes it. `strict` adds rules that packages of old need not keep but new ones should. Needs no executor.
///
/// # Errors
/// `not_found`: there is no such artifact; `io`. What is wrong with the package is in the report.
pub async fn package(
    path: impl Into<PathBuf>,
    staging: impl Into<PathBuf>,
    engines: Vec<Arc<dyn Engine>>,
    strict: bool,
) -> Result<Report> {
    let (path, staging) = (path.into(), staging.into());
    let (answer, answered) = oneshot::channel();
    let run = move || {
        let _ = answer.send(run(&path, &staging, &engines, strict));
    };
    // A guest needs more stack than the caller's thread may have, and may hang where that must not.
    let started = thread::Builder::new().name("st-check".into()).stack_size(STACK_BYTES).spawn(run);
    started
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot start a thread: {error}")).source_error(error))?;
    answered.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the check panicked")))
}

fn run(path: &Path, staging: &Path, engines: &[Arc<dyn Engine>], strict: bool) -> Result<Report> {
    let mut rows = Rows::default();
    let package = match Artifact::open(path).and_then(|artifact| artifact.stage(staging)) {
        Ok(package) => package,
        Err(error) if error.kind() == ErrorKind::RejectedPackage => {
            rows.add(None, None, "package", Outcome::Fail, error.to_string());
            return Ok(Report { id: error.plugin_id().map(str::to_owned), version: None, rows: rows.0 });
        }
        Err(error) => return Err(error),
    };
    let inspected = Inspected::staged(&package);
    rows.add(None, None, "package", Outcome::Pass, of_package(&package));
    for component in &inspected.components {
        let (outcome, detail) = match &component.verified {
            Ok(verified) => (Outcome::Pass, format!("{}, imports: {}", size(component.size), verified.imports.len())),
            Err(error) => (Outcome::Fail, error.to_string()),
        };
        rows.add(None, Some(component.id.as_str()), "types", outcome, detail);
    }
    if strict {
        strict::check(staging, &package, &inspected, &mut rows)?;
    }
    for engine in engines {
        for (component, looked) in package.manifest.components.iter().zip(&inspected.components) {
            if looked.verified.is_ok() {
                let wasm = inspect::read(&component.path.under(&package.root))?;
                on_engine(engine, &package, component, &wasm, &mut rows);
            }
        }
    }
    let manifest = &package.manifest;
    Ok(Report { id: Some(manifest.id.to_string()), version: Some(manifest.version.clone()), rows: rows.0 })
}

fn of_package(package: &StagedPackage) -> String {
    let bytes = package.files.iter().map(|file| file.size).sum();
    let components = package.manifest.components.len();
    format!("files: {}, {}; components: {components}", package.files.len(), size(bytes))
}

fn size(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

/// Compiles, starts and calls one component.
fn on_engine(engine: &Arc<dyn Engine>, package: &StagedPackage, component: &Component, wasm: &[u8], rows: &mut Rows) {
    let (name, id) = (Some(engine.id().name), Some(component.id.as_str()));
    let program = engine.compile(wasm).and_then(|artifact| engine.load(&artifact));
    let program = match program {
        Ok(program) => program,
        Err(error) => return rows.add(name, id, "compile", Outcome::Fail, error.to_string()),
    };
    rows.add(name, id, "compile", Outcome::Pass, String::new());
    let limits = rig::limits(&package.manifest, component);
    let mut rig = Rig::new(Arc::clone(engine), program, limits, package.root.clone());
    guest(&mut rig, component, &mut |check, found| rows.found(name, id, check, found));
}

/// What a case found out; `None` where it was not run.
type Found = Option<CallResult<String>>;

/// The life of a guest, with everything it offers called in between.
fn guest(rig: &mut Rig, component: &Component, add: &mut dyn FnMut(&'static str, Found)) {
    let cases = smoke::cases(component);
    let started = rig.start();
    let refused = started.is_err();
    add("start", Some(started.map(|()| String::new()).map_err(CallError::Trap)));
    let enabled = if refused { None } else { Some(rig.enable()) };
    let ready = enabled.as_ref().is_some_and(CallResult::is_ok);
    add("on-enable", enabled.map(|result| result.map(|()| String::new())));
    for (check, case) in cases {
        add(check, ready.then(|| case(rig, component)));
    }
    add("on-disable", ready.then(|| rig.disable().map(|()| String::new())));
}

#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    fn add(
        &mut self,
        engine: Option<&'static str>,
        component: Option<&str>,
        check: &str,
        outcome: Outcome,
        detail: String,
    ) {
        let (component, check) = (component.map(str::to_owned), check.to_owned());
        self.0.push(Row { engine, component, check, outcome, detail });
    }

    fn found(&mut self, engine: Option<&'static str>, component: Option<&str>, check: &str, found: Found) {
        let (outcome, detail) = match found {
            None => (Outcome::NotRun, "the component could not be used".to_owned()),
            Some(Ok(detail)) => (Outcome::Pass, detail),
            Some(Err(CallError::Plugin(error))) => (Outcome::Refused, error.to_string()),
            Some(Err(CallError::Trap(trap))) => (Outcome::Fail, trap.to_string()),
        };
        self.add(engine, component, check, outcome, detail);
    }

    /// A rule of [`strict`]: kept, or broken and why.
    fn rule(&mut self, rule: &str, broken: Option<String>) {
        let outcome = if broken.is_some() { Outcome::Fail } else { Outcome::Pass };
        self.add(None, None, rule, outcome, broken.unwrap_or_default());
    }
}

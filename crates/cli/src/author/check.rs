//! `stellatune plugin check`: does a package keep its word on every engine here?

use std::{fmt, path::Path, sync::Arc};

use serde::Serialize;
use stellatune_plugins::{
    Engine, Result,
    check::{self, Outcome, Report, Row},
};

use super::Scratch;
use crate::{document::Table, interrupt::Interrupt};

/// Checks a package, or the sources of one once they are built. Ctrl-C is answered while a guest hangs.
///
/// # Errors
/// `not_found`: no such artifact; `io`; `cancelled`. What is wrong with the package is in the document.
pub(crate) async fn check(artifact: &Path, strict: bool, engines: Vec<Arc<dyn Engine>>) -> Result<CheckDocument> {
    let interrupt = Interrupt::listen()?;
    let scratch = Scratch::new()?;
    let path = scratch.artifact(artifact).map_err(|error| error.during("check"))?;
    let staging = scratch.staging()?;
    let report = interrupt.guard(check::package(path, staging, engines, strict)).await;
    Ok(CheckDocument::new(artifact, strict, report.map_err(|error| error.during("check"))?))
}

/// What `plugin check` answers.
#[derive(Debug, Serialize)]
pub(crate) struct CheckDocument {
    artifact: String,
    id: Option<String>,
    version: Option<String>,
    strict: bool,
    passed: bool,
    checks: Vec<CheckRow>,
}

#[derive(Debug, Serialize)]
struct CheckRow {
    engine: Option<&'static str>,
    component: Option<String>,
    check: String,
    outcome: &'static str,
    detail: String,
}

impl CheckDocument {
    fn new(artifact: &Path, strict: bool, report: Report) -> Self {
        Self {
            artifact: artifact.display().to_string(),
            strict,
            passed: report.passed(),
            id: report.id,
            version: report.version,
            checks: report.rows.into_iter().map(CheckRow::from).collect(),
        }
    }

    /// Whether nothing failed.
    pub(crate) fn passed(&self) -> bool {
        self.passed
    }
}

impl From<Row> for CheckRow {
    fn from(row: Row) -> Self {
        let Row { engine, component, check, outcome, detail, .. } = row;
        Self { engine, component, check, outcome: outcome.name(), detail }
    }
}

impl fmt::Display for CheckDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["ENGINE", "COMPONENT", "CHECK", "OUTCOME", ""]);
        let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
        for CheckRow { engine, component, check, outcome, detail } in &self.checks {
            let outcome = outcome.replace('_', " ");
            table.row([or_dash(*engine), or_dash(component.as_deref()), check.clone(), outcome, detail.clone()]);
        }
        table.fmt(f)?;
        let name = match (&self.id, &self.version) {
            (Some(id), Some(version)) => format!("{id} {version}"),
            (Some(id), None) => id.clone(),
            _ => self.artifact.clone(),
        };
        let failed = self.checks.iter().filter(|row| row.outcome == Outcome::Fail.name()).count();
        match failed {
            0 => writeln!(f, "{name} passes"),
            1 => writeln!(f, "{name} fails 1 check"),
            more => writeln!(f, "{name} fails {more} checks"),
        }
    }
}

//! `stellatune engines`: what plugins can run on here.

use std::{fmt, sync::Arc};

use serde::Serialize;
use stellatune_plugins::{Engine, Guarantee, Result, engine, engines};

/// The engines compiled in, the default one first.
///
/// # Errors
/// `internal`: an engine cannot run on this machine.
pub(crate) fn list() -> Result<Engines> {
    let names = engines().iter().enumerate();
    let engines: Result<Vec<_>> = names.map(|(index, name)| describe(name, index == 0)).collect();
    Ok(Engines(engines?))
}

/// The engine of that name, or all.
///
/// # Errors
/// `internal`: an engine cannot run on this machine.
pub(crate) fn chosen(name: Option<&str>) -> Result<Vec<Arc<dyn Engine>>> {
    match name {
        Some(name) => Ok(vec![engine(Some(name))?]),
        None => engines().iter().map(|name| engine(Some(name))).collect(),
    }
}

fn describe(name: &str, default: bool) -> Result<EngineDocument> {
    let engine = engine(Some(name))?;
    let id = engine.id();
    let guarantees = engine.guarantees().iter().map(GuaranteeDocument::from).collect();
    Ok(EngineDocument { name: id.name, version: id.version.clone(), default, guarantees })
}

/// What `engines` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Engines(Vec<EngineDocument>);

#[derive(Debug, Serialize)]
struct EngineDocument {
    name: &'static str,
    version: String,
    default: bool,
    guarantees: Vec<GuaranteeDocument>,
}

#[derive(Debug, Serialize)]
struct GuaranteeDocument {
    name: &'static str,
    held: bool,
    how: &'static str,
}

impl From<&Guarantee> for GuaranteeDocument {
    fn from(guarantee: &Guarantee) -> Self {
        Self { name: guarantee.name, held: guarantee.held, how: guarantee.how }
    }
}

impl fmt::Display for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for engine in &self.0 {
            let default = if engine.default { ", the default" } else { "" };
            writeln!(f, "{} {}{default}", engine.name, engine.version)?;
            for GuaranteeDocument { name, held, how } in &engine.guarantees {
                writeln!(f, "  {}  {name}: {how}", if *held { "yes" } else { "no " })?;
            }
        }
        Ok(())
    }
}

//! What cases are written with: the engine under test, guests at the engine seam, fixtures, streams, packages.
//!
//! [`Case`] is one thing that must hold, [`Subject`] the engine it is asked of, [`transcript`] what happened at the seam
//! meanwhile, which must be the same on every engine.

pub(crate) mod ability;
pub(crate) mod again;
pub(crate) mod audio;
pub(crate) mod bare;
pub(crate) mod contract;
pub(crate) mod desk;
pub(crate) mod equalizer;
pub(crate) mod fixture;
pub(crate) mod gaps;
pub(crate) mod guest;
pub(crate) mod hot;
pub(crate) mod imports;
pub(crate) mod minimal;
pub(crate) mod native;
pub(crate) mod package;
pub(crate) mod places;
pub(crate) mod random;
pub(crate) mod recording;
pub(crate) mod show;
pub(crate) mod stream;
pub(crate) mod subject;
pub(crate) mod transcript;
pub(crate) mod wat;
pub(crate) mod watchdog;

use std::sync::Arc;

use stellatune_plugin_core::engine::Engine;

pub(crate) use subject::Subject;
use transcript::Same;

/// Every engine compiled in.
pub(crate) fn engines() -> Vec<Arc<dyn Engine>> {
    let start = |name: &&'static str| stellatune_plugins::engine(Some(name)).expect("an engine compiled in starts");
    stellatune_plugins::engines().iter().map(start).collect()
}

/// One thing that must hold on every engine. It fails by panicking.
pub(crate) struct Case {
    /// `<group>/<case>`
    pub(crate) name: String,
    /// The fixtures it uses, by name.
    pub(crate) fixtures: Vec<&'static str>,
    pub(crate) run: Box<dyn Fn(&Subject) + Send + Sync>,
    /// How much of what happens must be the same on every engine.
    pub(crate) same: Same,
}

impl Case {
    pub(crate) fn new<const N: usize>(
        name: impl Into<String>,
        fixtures: [&'static str; N],
        run: impl Fn(&Subject) + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), fixtures: fixtures.to_vec(), run: Box::new(run), same: Same::All }
    }

    /// What the guest asks of the host varies from run to run, for this reason; what it is asked and answers does not.
    pub(crate) fn calls_alone(self, reason: &'static str) -> Self {
        Self { same: Same::Calls(reason), ..self }
    }

    /// What happens varies from run to run, for this reason.
    pub(crate) fn varies(self, reason: &'static str) -> Self {
        Self { same: Same::Nothing(reason), ..self }
    }
}

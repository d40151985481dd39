//! What an application may want to show: facts that only travel up.

use std::path::PathBuf;

use crate::{error::Trap, types::DisableReason};

/// Something happened to a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A package was installed, or replaced one of the same id.
    Installed {
        /// The package's id.
        plugin_id: String,
        /// Its version.
        version: String,
        /// The version that was current before.
        replaced: Option<String>,
    },
    /// A package was uninstalled.
    Uninstalled {
        /// The package's id.
        plugin_id: String,
    },
    /// The user enabled or disabled a plugin.
    Enabled {
        /// The package's id.
        plugin_id: String,
        /// Whether it is enabled now.
        enabled: bool,
    },
    /// An instance of a component runs: it was started and its `on-enable` succeeded.
    Started {
        /// The package's id.
        plugin_id: String,
        /// The component's id.
        component_id: String,
    },
    /// An instance is gone because its guest trapped or was cut.
    Stopped {
        /// The package's id.
        plugin_id: String,
        /// The component's id.
        component_id: String,
        /// Why.
        trap: Trap,
    },
    /// A component failed; it is not used until the plugin is enabled again.
    Failed {
        /// The package's id.
        plugin_id: String,
        /// The component's id.
        component_id: String,
        /// Why, in words.
        reason: String,
    },
    /// The calls of a component keep coming close to their limit of guest time: for a while they are made when no others
    /// wait. If that goes on, it fails.
    Throttled {
        /// The package's id.
        plugin_id: String,
        /// The component's id.
        component_id: String,
    },
    /// An instance ended as it was told to: its `on-disable` succeeded.
    Ended {
        /// The package's id.
        plugin_id: String,
        /// The component's id.
        component_id: String,
        /// What it was told.
        reason: DisableReason,
    },
    /// `on-disable` failed or was cut; teardown went on.
    DisableFailed {
        /// The package's id.
        plugin_id: String,
        /// The component's id.
        component_id: String,
        /// Why, in words.
        reason: String,
    },
    /// The files of a component in use were replaced: new sessions go to what is there now, open ones may finish.
    Reloaded {
        /// The package's id.
        plugin_id: String,
        /// The component's id.
        component_id: String,
    },
    /// Nothing of a component runs any more.
    Unloaded {
        /// The package's id.
        plugin_id: String,
        /// The component's id.
        component_id: String,
        /// What its instances were told.
        reason: DisableReason,
    },
    /// A hot-path module cannot be used, or failed: its plugin goes on through component calls.
    HotPathUnused {
        /// The package's id.
        plugin_id: String,
        /// The component's id.
        component_id: String,
        /// Why, in words.
        reason: String,
    },
    /// Instances of a component did not end in time. They end when what holds them lets go.
    LeftBehind {
        /// The package's id.
        plugin_id: String,
        /// The component's id.
        component_id: String,
    },
    /// A directory scan skipped an artifact of the old dynamic-library kind.
    ArtifactSkipped {
        /// Where it lies.
        path: PathBuf,
        /// What was found there.
        found: String,
    },
}

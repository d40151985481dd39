//! What was decided about a plugin and what happened to it: outside the package, so that an update keeps it.

use std::{collections::BTreeMap, io};

use serde::{Deserialize, Serialize};

use super::layout::{Layout, Lock, read_bounded};
use crate::{error::Result, limits::ERROR_TEXT_BYTES};

/// Bytes of the file: a reason for each of some hundred components.
const MAX_BYTES: u64 = 1024 * 1024;

/// Whether a plugin may be used, and which of its components failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginState {
    pub(crate) enabled: bool,
    /// By component, why it is not used.
    pub(crate) failures: BTreeMap<String, String>,
    /// The newest of the failures, or what is wrong with this record.
    pub(crate) last_failure: Option<String>,
}

impl Default for PluginState {
    fn default() -> Self {
        Self { enabled: true, failures: BTreeMap::new(), last_failure: None }
    }
}

impl PluginState {
    pub(super) fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
        if enabled || self.failures.is_empty() {
            self.forget_failures();
        }
    }

    pub(crate) fn set_failure(&mut self, component: &str, reason: &str) {
        let reason = &reason[..reason.floor_char_boundary(ERROR_TEXT_BYTES)];
        self.failures.insert(component.to_owned(), reason.to_owned());
        self.last_failure = Some(reason.to_owned());
    }

    pub(super) fn forget_failures(&mut self) {
        self.failures.clear();
        self.last_failure = None;
    }
}

/// What is remembered. A record that cannot be read disables the plugin: the user may have meant just that.
pub(super) fn read(layout: &Layout, id: &str) -> PluginState {
    let path = layout.state(id);
    let unreadable = |why: &dyn std::fmt::Display| PluginState {
        enabled: false,
        last_failure: Some(format!("its state {} cannot be read: {why}; enable it to write a new one", path.display())),
        ..PluginState::default()
    };
    match read_bounded(&path, MAX_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => PluginState::default(),
        Err(error) => unreadable(&error),
        Ok(json) => serde_json::from_slice(&json).unwrap_or_else(|error| unreadable(&error)),
    }
}

pub(super) fn update(lock: &Lock<'_>, id: &str, change: impl FnOnce(&mut PluginState)) -> Result<()> {
    let before = read(lock.layout, id);
    let mut state = before.clone();
    change(&mut state);
    if state == before {
        return Ok(());
    }
    let json = serde_json::to_vec_pretty(&state).expect("a state has no keys or numbers that JSON lacks");
    lock.write(&lock.layout.state(id), &json)
}

pub(super) fn forget(lock: &Lock<'_>, id: &str) -> Result<()> {
    lock.discard(&lock.layout.state(id))
}

//! What `plugin list` answers.

use std::fmt;

use serde::Serialize;
use stellatune_plugins::{
    manifest::{Ability, Component},
    registry::{Plugin, Snapshot},
};

use crate::document::Table;

/// Every plugin that is here, broken ones too.
#[derive(Debug, Serialize)]
pub(crate) struct Listed(Vec<ListedPlugin>);

#[derive(Debug, Serialize)]
struct ListedPlugin {
    #[serde(flatten)]
    head: Head,
    components: Vec<ListedComponent>,
}

/// What is said of a plugin wherever one is shown.
#[derive(Debug, Serialize)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) state: &'static str,
    pub(super) origin: &'static str,
    /// Its directory; a bundled plugin has none.
    pub(super) path: Option<String>,
    pub(super) last_failure: Option<String>,
}

#[derive(Debug, Serialize)]
struct ListedComponent {
    id: String,
    world: &'static str,
    state: &'static str,
    abilities: Vec<ListedAbility>,
}

#[derive(Debug, Serialize)]
struct ListedAbility {
    kind: &'static str,
    type_id: String,
}

impl From<&Snapshot> for Listed {
    fn from(plugins: &Snapshot) -> Self {
        Self(plugins.plugins().map(ListedPlugin::from).collect())
    }
}

impl From<&Plugin> for ListedPlugin {
    fn from(plugin: &Plugin) -> Self {
        let components = plugin.manifest().map_or(&[][..], |manifest| &manifest.components);
        let components = components.iter().map(|component| ListedComponent::new(plugin, component)).collect();
        Self { head: plugin.into(), components }
    }
}

impl From<&Plugin> for Head {
    fn from(plugin: &Plugin) -> Self {
        Self {
            id: plugin.id().to_owned(),
            name: plugin.name().to_owned(),
            version: plugin.version().to_owned(),
            state: plugin.status().name(),
            origin: plugin.origin().name(),
            path: plugin.path().map(|path| path.display().to_string()),
            last_failure: plugin.last_failure().map(str::to_owned),
        }
    }
}

impl ListedComponent {
    fn new(plugin: &Plugin, component: &Component) -> Self {
        Self {
            id: component.id.to_string(),
            world: component.world.name(),
            state: plugin.component_status(&component.id).name(),
            abilities: component.abilities.iter().map(ListedAbility::from).collect(),
        }
    }
}

impl From<&Ability> for ListedAbility {
    fn from(ability: &Ability) -> Self {
        Self { kind: ability.kind.name(), type_id: ability.type_id.to_string() }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["ID", "VERSION", "STATE", "ORIGIN", "ABILITIES"]);
        for ListedPlugin { head, components } in &self.0 {
            let abilities = components.iter().flat_map(|component| &component.abilities);
            let abilities: Vec<_> = abilities.map(|ability| format!("{}:{}", ability.kind, ability.type_id)).collect();
            table.row([
                head.id.clone(),
                head.version.clone(),
                head.state.to_owned(),
                head.origin.to_owned(),
                abilities.join(" "),
            ]);
        }
        table.fmt(f)?;
        for ListedPlugin { head, .. } in &self.0 {
            if let Some(failure) = &head.last_failure {
                writeln!(f, "{}: {failure}", head.id)?;
            }
        }
        Ok(())
    }
}

//! What `plugin show` answers: what `plugin list` says of a plugin, and the rest.

use std::fmt;

use serde::Serialize;
use stellatune_plugins::{
    manifest::{Ability, Component},
    registry::Plugin,
};

use super::listed::Head;

/// All about one plugin.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    head: Head,
    /// Tells two packages of the same version apart.
    hash: Option<String>,
    components: Vec<ShownComponent>,
}

#[derive(Debug, Serialize)]
struct ShownComponent {
    id: String,
    world: &'static str,
    state: &'static str,
    failure: Option<String>,
    path: String,
    abilities: Vec<ShownAbility>,
}

#[derive(Debug, Serialize)]
struct ShownAbility {
    kind: &'static str,
    type_id: String,
    display_name: String,
    /// The file extensions of a decoder, with how well each fits.
    ext_scores: Vec<ShownScore>,
    /// How well a decoder fits all other extensions.
    wildcard_score: Option<u16>,
}

#[derive(Debug, Serialize)]
struct ShownScore {
    ext: String,
    score: u16,
}

impl From<&Plugin> for Shown {
    fn from(plugin: &Plugin) -> Self {
        let components = plugin.manifest().map_or(&[][..], |manifest| &manifest.components);
        Self {
            head: plugin.into(),
            hash: plugin.hash().map(|hash| hash.to_string()),
            components: components.iter().map(|component| ShownComponent::new(plugin, component)).collect(),
        }
    }
}

impl ShownComponent {
    fn new(plugin: &Plugin, component: &Component) -> Self {
        Self {
            id: component.id.to_string(),
            world: component.world.name(),
            state: plugin.component_status(&component.id).name(),
            failure: plugin.component_failure(&component.id).map(str::to_owned),
            path: component.path.to_string(),
            abilities: component.abilities.iter().map(ShownAbility::from).collect(),
        }
    }
}

impl From<&Ability> for ShownAbility {
    fn from(ability: &Ability) -> Self {
        let scores = ability.decoder.as_ref().map_or(&[][..], |decoder| &decoder.ext_scores);
        Self {
            kind: ability.kind.name(),
            type_id: ability.type_id.to_string(),
            display_name: ability.display_name().to_owned(),
            ext_scores: scores.iter().map(|each| ShownScore { ext: each.ext.clone(), score: each.score }).collect(),
            wildcard_score: ability.decoder.as_ref().map(|decoder| decoder.wildcard_score.unwrap_or(0)),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { id, name, version, state, origin, path, last_failure } = &self.head;
        writeln!(f, "{name} {version}")?;
        writeln!(f, "id         {id}")?;
        writeln!(f, "state      {state}")?;
        writeln!(f, "origin     {origin}")?;
        if let Some(path) = path {
            writeln!(f, "path       {path}")?;
        }
        if let Some(hash) = &self.hash {
            writeln!(f, "hash       {hash}")?;
        }
        if let Some(failure) = last_failure {
            writeln!(f, "failed     {failure}")?;
        }
        self.components.iter().try_for_each(|component| component.fmt(f))
    }
}

impl fmt::Display for ShownComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "component  {}, a {}, {}", self.id, self.world, self.state)?;
        for ability in &self.abilities {
            write!(f, "  {}:{}  {}", ability.kind, ability.type_id, ability.display_name)?;
            let scores: Vec<_> = ability.ext_scores.iter().map(|each| format!("{} {}", each.ext, each.score)).collect();
            if !scores.is_empty() {
                write!(f, "  ({})", scores.join(", "))?;
            }
            writeln!(f)?;
        }
        match &self.failure {
            None => Ok(()),
            Some(failure) => writeln!(f, "  failed: {failure}"),
        }
    }
}

//! What `plugin show` answers: what `plugin list` says of a plugin, and the rest: what is in it, and what it asks for.

use std::fmt;

use serde::Serialize;
use stellatune_plugins::{
    Error,
    inspect::{Inspected, InspectedComponent},
    manifest::{Ability, Component, Manifest},
    package::FileEntry,
    registry::Plugin,
};

use super::listed::Head;

/// All about one plugin, or about a package that is not installed.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    head: Head,
    /// Tells two packages of the same version apart.
    hash: Option<String>,
    /// What it asks the host for; `declared` says whether its manifest does, or its imports.
    asked: Vec<String>,
    declared: bool,
    components: Vec<ShownComponent>,
    /// Unknown for packages of an older host.
    files: Option<Vec<ShownFile>>,
}

#[derive(Debug, Serialize)]
struct ShownFile {
    path: String,
    size: u64,
    blake3: String,
}

#[derive(Debug, Serialize)]
struct ShownComponent {
    id: String,
    world: &'static str,
    state: &'static str,
    failure: Option<String>,
    path: String,
    size: u64,
    blake3: Option<String>,
    /// The interfaces it imports, with package and version.
    imports: Vec<String>,
    /// The functions it imports that need a grant.
    needs_grant: Vec<&'static str>,
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
    default_config: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownScore {
    ext: String,
    score: u16,
}

impl From<&Plugin> for Shown {
    fn from(plugin: &Plugin) -> Self {
        let mut head = Head::from(plugin);
        match plugin.inspect() {
            Ok(inspected) => Self::new(head, &inspected, |component| {
                let failure = plugin.component_failure(&component.id).map(str::to_owned);
                (plugin.component_status(&component.id).name(), failure)
            }),
            // Why is what the failure says.
            Err(error) => {
                head.last_failure.get_or_insert_with(|| error.to_string());
                Self { head, hash: None, asked: Vec::new(), declared: false, components: Vec::new(), files: None }
            }
        }
    }
}

impl Shown {
    /// A package that is not installed.
    pub(super) fn artifact(path: String, inspected: &Inspected) -> Self {
        let Manifest { id, name, version, .. } = &inspected.manifest;
        let head = Head {
            id: id.to_string(),
            name: name.clone(),
            version: version.clone(),
            state: NOT_INSTALLED,
            origin: "artifact",
            path: Some(path),
            last_failure: None,
        };
        Self::new(head, inspected, |_| (NOT_INSTALLED, None))
    }

    fn new(head: Head, inspected: &Inspected, state: impl Fn(&Component) -> (&'static str, Option<String>)) -> Self {
        let components = inspected.manifest.components.iter().zip(&inspected.components);
        let components = components.map(|(component, looked)| ShownComponent::new(component, looked, state(component)));
        let file = |file: &FileEntry| ShownFile {
            path: file.path.to_string(),
            size: file.size,
            blake3: file.blake3.to_string(),
        };
        Self {
            hash: Some(inspected.hash.to_string()),
            asked: inspected.asked(),
            declared: inspected.manifest.permissions.is_some(),
            components: components.collect(),
            files: inspected.files.as_ref().map(|files| files.iter().map(file).collect()),
            head,
        }
    }
}

const NOT_INSTALLED: &str = "not_installed";

impl ShownComponent {
    fn new(component: &Component, looked: &InspectedComponent, state: (&'static str, Option<String>)) -> Self {
        let (state, failure) = state;
        let verified = looked.verified.as_ref();
        let problem = verified.err().map(Error::to_string);
        Self {
            id: component.id.to_string(),
            world: component.world.name(),
            state,
            failure: problem.or(failure),
            path: component.path.to_string(),
            size: looked.size,
            blake3: looked.hash.map(|hash| hash.to_string()),
            imports: verified.map(|verified| verified.imports.clone()).unwrap_or_default(),
            needs_grant: verified
                .map_or(Vec::new(), |verified| verified.dangerous.iter().map(|function| function.name()).collect()),
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
            default_config: ability.default_config_json.clone(),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { id, name, version, state, origin, path, last_failure } = &self.head;
        writeln!(f, "{name} {version}")?;
        writeln!(f, "id         {id}")?;
        writeln!(f, "state      {}", state.replace('_', " "))?;
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
        if self.hash.is_some() {
            let asked = if self.asked.is_empty() { "nothing".into() } else { self.asked.join(", ") };
            let derived = !self.declared && !self.asked.is_empty();
            let why = if derived { ", which its imports say and its manifest does not" } else { "" };
            writeln!(f, "asks for   {asked}{why}")?;
        }
        if let Some(files) = &self.files {
            let bytes = files.iter().map(|file| file.size).sum();
            writeln!(f, "files      {}, {}", files.len(), size(bytes))?;
            for file in files {
                writeln!(f, "  {}  {}", file.path, size(file.size))?;
            }
        }
        self.components.iter().try_for_each(|component| component.fmt(f))
    }
}

impl fmt::Display for ShownComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "component  {}, a {}, {}", self.id, self.world, self.state.replace('_', " "))?;
        writeln!(f, "  file     {}, {}", self.path, size(self.size))?;
        if let Some(hash) = &self.blake3 {
            writeln!(f, "  hash     {hash}")?;
        }
        let imports = if self.imports.is_empty() { "nothing".into() } else { self.imports.join("\n           ") };
        writeln!(f, "  imports  {imports}")?;
        if !self.needs_grant.is_empty() {
            writeln!(f, "  calls    {}, if granted", self.needs_grant.join(", "))?;
        }
        for ability in &self.abilities {
            write!(f, "  {}:{}  {}", ability.kind, ability.type_id, ability.display_name)?;
            let scores = ability.ext_scores.iter().map(|each| format!("{} {}", each.ext, each.score));
            let others = ability.wildcard_score.filter(|score| *score > 0).map(|score| format!("others {score}"));
            let scores: Vec<_> = scores.chain(others).collect();
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

/// A size as people read it.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

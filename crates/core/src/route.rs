//! Which ability serves a request: from a snapshot and a request to candidates, best first (plugin contract 1.4).
//!
//! Pure: nothing is read, started or remembered here.

use std::{cmp::Reverse, collections::BTreeSet, fmt, str::FromStr};

use crate::{
    error::{Error, ErrorKind, Result},
    manifest::{Ability, AbilityKind, ComponentId, DecoderScores, Manifest, PluginId, TypeId, normalise_ext, shown},
    registry::Snapshot,
};

/// Names one ability of one component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey {
    /// The package.
    pub plugin_id: PluginId,
    /// The component in it.
    pub component_id: ComponentId,
    /// What for.
    pub kind: AbilityKind,
    /// Which of the component's abilities.
    pub type_id: TypeId,
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.plugin_id, self.type_id)
    }
}

/// A decoder and how well it claims to fit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// The decoder.
    pub route: RouteKey,
    /// 1 to 65535.
    pub score: u16,
}

/// What is to be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file: every decoder is tried where none knows the extension.
    LocalFile,
    /// A source's stream: only decoders that know the extension are tried.
    SourceStream,
}

/// An ability as a user names it: `PLUGIN:TYPE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The package.
    pub plugin_id: PluginId,
    /// The ability's type.
    pub type_id: TypeId,
}

impl Selector {
    /// A selector of two parts, both or neither given.
    ///
    /// # Errors
    /// `InvalidArgument` where only one is given, or one is no id.
    pub fn of(plugin_id: Option<&str>, type_id: Option<&str>) -> Result<Option<Self>> {
        match (plugin_id, type_id) {
            (None, None) => Ok(None),
            (Some(plugin_id), Some(type_id)) => {
                Ok(Some(Self { plugin_id: plugin_id.parse()?, type_id: type_id.parse()? }))
            }
            _ => Err(Error::new(ErrorKind::InvalidArgument, "a plugin id and a type id are only useful together")),
        }
    }
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((plugin_id, type_id)) = text.split_once(':') else {
            let message = format!("{} is not of the form PLUGIN:TYPE", shown(text));
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        };
        Ok(Self { plugin_id: plugin_id.parse()?, type_id: type_id.parse()? })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.plugin_id, self.type_id)
    }
}

/// Decoders to try in turn, best first: by score, then plugin id, then type id. Without an extension wildcards count.
pub fn decoders(snapshot: &Snapshot, ext: Option<&str>, input: Input) -> Vec<Candidate> {
    let ext = normalise_ext(ext.unwrap_or_default());
    let mut candidates: Vec<Candidate> = abilities(snapshot, AbilityKind::Decoder)
        .filter_map(|(route, ability)| {
            let score = score(ability.decoder.as_ref()?, &ext);
            (score > 0).then_some(Candidate { route, score })
        })
        .collect();
    if input == Input::LocalFile && (candidates.is_empty() || ext.is_empty()) {
        // Those known to fit keep their score; all others come after them.
        let known: BTreeSet<RouteKey> = candidates.iter().map(|candidate| candidate.route.clone()).collect();
        let others = abilities(snapshot, AbilityKind::Decoder).filter(|(route, _)| !known.contains(route));
        candidates.extend(others.map(|(route, _)| Candidate { route, score: 1 }));
    }
    candidates.sort_by(|a, b| {
        let key = |c: &Candidate| (Reverse(c.score), c.route.plugin_id.clone(), c.route.type_id.clone());
        key(a).cmp(&key(b))
    });
    candidates
}

/// The ability a user named, if it can be used.
///
/// # Errors
/// `NotFound` where no usable plugin has it; the text says whether the plugin is there.
pub fn forced(snapshot: &Snapshot, kind: AbilityKind, selector: &Selector) -> Result<RouteKey> {
    let named =
        |(route, _): &(RouteKey, &Ability)| route.plugin_id == selector.plugin_id && route.type_id == selector.type_id;
    if let Some((route, _)) = abilities(snapshot, kind).find(named) {
        return Ok(route);
    }
    let id = selector.plugin_id.as_str();
    let why = match snapshot.plugin(id) {
        None => "no such plugin is installed".to_owned(),
        Some(plugin) => match plugin.last_failure() {
            Some(failure) => format!("the plugin is {}: {failure}", plugin.status().name()),
            None => format!("the plugin is {} and has no such {}", plugin.status().name(), kind.name()),
        },
    };
    let message = format!("no {} {} can be used: {why}", kind.name(), shown(&selector.to_string()));
    Err(Error::new(ErrorKind::NotFound, message).plugin(id))
}

/// Every usable ability of a kind, by plugin id and type id.
pub fn all(snapshot: &Snapshot, kind: AbilityKind) -> Vec<RouteKey> {
    let mut routes: Vec<RouteKey> = abilities(snapshot, kind).map(|(route, _)| route).collect();
    routes.sort_by(|a, b| (&a.plugin_id, &a.type_id).cmp(&(&b.plugin_id, &b.type_id)));
    routes
}

/// The extensions decoders list, also those they refuse, sorted; with `*` where a decoder takes any.
pub fn supported_extensions(snapshot: &Snapshot) -> Vec<String> {
    let scores = abilities(snapshot, AbilityKind::Decoder).filter_map(|(_, ability)| ability.decoder.as_ref());
    let listed = |scores: &DecoderScores| {
        let wildcard = scores.wildcard_score.unwrap_or(0) > 0;
        let exts = scores.ext_scores.iter().map(|entry| entry.ext.clone());
        exts.chain(wildcard.then(|| "*".to_owned())).collect::<Vec<_>>()
    };
    scores.flat_map(listed).collect::<BTreeSet<_>>().into_iter().collect()
}

/// How well a decoder fits a normalised extension; 0 is not at all.
pub fn score(scores: &DecoderScores, ext: &str) -> u16 {
    let listed = scores.ext_scores.iter().find(|entry| !ext.is_empty() && entry.ext == ext);
    listed.map_or(scores.wildcard_score.unwrap_or(0), |entry| entry.score)
}

fn abilities(snapshot: &Snapshot, kind: AbilityKind) -> impl Iterator<Item = (RouteKey, &Ability)> {
    snapshot.routable().flat_map(move |(manifest, component)| {
        let abilities = component.abilities.iter().filter(move |ability| ability.kind == kind);
        abilities.map(move |ability| (key(manifest, &component.id, ability), ability))
    })
}

fn key(manifest: &Manifest, component_id: &ComponentId, ability: &Ability) -> RouteKey {
    RouteKey {
        plugin_id: manifest.id.clone(),
        component_id: component_id.clone(),
        kind: ability.kind,
        type_id: ability.type_id.clone(),
    }
}

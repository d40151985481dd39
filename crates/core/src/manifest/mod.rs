//! `plugin.json`: what a package says about itself (docs/wasm-plugin-manifest.md, plugin contract 1).
//!
//! A [`Manifest`] that exists is valid: ids are safe to use, paths stay inside the package, scores are normalised.
//! It is data only; nothing here looks at files, and no permission asked for here is granted here.

mod ids;
mod json;
mod parse;
mod path;

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    limits::Limits,
};

pub use ids::{ComponentId, PluginId, TypeId};
pub use path::PackagePath;
pub(crate) use path::fold;

/// The one schema this library reads and writes.
pub const SCHEMA_VERSION: u32 = 1;

/// The name of the manifest file.
pub const FILE_NAME: &str = "plugin.json";

/// Bytes a manifest may have; real ones have two thousand.
pub const MAX_BYTES: usize = 256 * 1024;

/// A valid manifest. Serialises to the canonical form: every field written, an absent one as `null`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value")]
#[non_exhaustive]
pub struct Manifest {
    /// Always [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The id of the package, which names its directory.
    pub id: PluginId,
    /// For people.
    pub name: String,
    /// For people; no order is read into it.
    pub version: String,
    /// Any number; kept, never read.
    pub api_version: u32,
    /// At least one; ids are unique.
    pub components: Vec<Component>,
    /// What the package asks for; `None` where it does not say.
    pub permissions: Option<Permissions>,
    /// Limits lower than the host's, for every component.
    pub limits: Option<AskedLimits>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// A rejection that names the field, its value and the rule it breaks.
    pub fn parse(json: &[u8]) -> Result<Self> {
        parse::manifest(&json::read(json)?)
    }

    /// The component of that id.
    pub fn component(&self, id: &ComponentId) -> Option<&Component> {
        self.components.iter().find(|component| component.id == *id)
    }
}

impl TryFrom<serde_json::Value> for Manifest {
    type Error = Error;

    fn try_from(value: serde_json::Value) -> Result<Self> {
        parse::manifest(&value)
    }
}

/// One WebAssembly component of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Component {
    /// Unique in the package.
    pub id: ComponentId,
    /// Where its file lies in the package.
    pub path: PackagePath,
    /// Which world it implements.
    pub world: World,
    /// At least one; all of the kind the world exports.
    pub abilities: Vec<Ability>,
    /// How it wants to be run; see [`Component::threading`] for what applies.
    pub threading: Option<AskedThreading>,
    /// Limits lower than the package's and the host's.
    pub limits: Option<AskedLimits>,
}

impl Component {
    /// How the component is run: what it asks for, and the default of its world for the rest.
    pub fn threading(&self) -> Threading {
        let asked = self.threading.unwrap_or_default();
        let model = match self.world {
            World::Decoder | World::Dsp | World::OutputSink => ThreadingModel::Dedicated,
            World::Source | World::Lyrics => ThreadingModel::SharedPool,
        };
        Threading {
            model: asked.model.unwrap_or(model),
            pool: asked.pool.unwrap_or(Pool::Io),
            max_instances: asked.max_instances.unwrap_or(DEFAULT_INSTANCES),
        }
    }

    /// The ability of that kind and type.
    pub fn ability(&self, kind: AbilityKind, type_id: &TypeId) -> Option<&Ability> {
        self.abilities.iter().find(|ability| ability.kind == kind && ability.type_id == *type_id)
    }
}

/// The worlds of `stellatune:plugin`, one for each kind of ability (plugin contract 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[allow(missing_docs, reason = "the cases are the worlds of the contract")]
pub enum World {
    #[serde(rename = "stellatune:plugin/decoder-plugin@0.1.0")]
    Decoder,
    #[serde(rename = "stellatune:plugin/source-plugin@0.1.0")]
    Source,
    #[serde(rename = "stellatune:plugin/lyrics-plugin@0.1.0")]
    Lyrics,
    #[serde(rename = "stellatune:plugin/output-sink-plugin@0.1.0")]
    OutputSink,
    #[serde(rename = "stellatune:plugin/dsp-plugin@0.1.0")]
    Dsp,
}

impl World {
    /// Every world.
    pub const ALL: [Self; 5] = [Self::Decoder, Self::Source, Self::Lyrics, Self::OutputSink, Self::Dsp];

    /// The world's name in the WIT package.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decoder => "decoder-plugin",
            Self::Source => "source-plugin",
            Self::Lyrics => "lyrics-plugin",
            Self::OutputSink => "output-sink-plugin",
            Self::Dsp => "dsp-plugin",
        }
    }

    /// Reads `decoder-plugin` as well as `stellatune:plugin/decoder-plugin@0.1.0`; package and version do not matter
    /// (plugin contract 1.2), the component's own types do.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.trim().rsplit('/').next()?.split('@').next()?.trim();
        Self::ALL.into_iter().find(|world| world.name() == name)
    }

    /// The kind of ability a component of this world exports.
    pub fn kind(self) -> AbilityKind {
        match self {
            Self::Decoder => AbilityKind::Decoder,
            Self::Source => AbilityKind::Source,
            Self::Lyrics => AbilityKind::Lyrics,
            Self::OutputSink => AbilityKind::OutputSink,
            Self::Dsp => AbilityKind::Dsp,
        }
    }
}

/// What an ability is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the cases are the capabilities of the contract")]
pub enum AbilityKind {
    Decoder,
    Source,
    Lyrics,
    OutputSink,
    Dsp,
}

impl AbilityKind {
    /// The kind as manifests spell it, in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decoder => "decoder",
            Self::Source => "source",
            Self::Lyrics => "lyrics",
            Self::OutputSink => "output_sink",
            Self::Dsp => "dsp",
        }
    }

    /// Reads the spelling of manifests; `output-sink` is taken for `output_sink`.
    pub fn parse(text: &str) -> Option<Self> {
        let kinds = World::ALL.map(World::kind);
        if text == "output-sink" { Some(Self::OutputSink) } else { kinds.into_iter().find(|kind| kind.name() == text) }
    }
}

/// One thing a component can do. `(kind, type_id)` is unique in the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Ability {
    /// What it is for; the kind of the component's world.
    pub kind: AbilityKind,
    /// Names it among the abilities of its kind.
    pub type_id: TypeId,
    /// For people; see [`Ability::display_name`].
    pub display_name: Option<String>,
    /// A string that holds JSON; see [`Ability::config_schema`].
    pub config_schema_json: Option<String>,
    /// A string that holds JSON; see [`Ability::default_config`].
    pub default_config_json: Option<String>,
    /// What a decoder decodes; present for decoders and only for them.
    pub decoder: Option<DecoderScores>,
}

impl Ability {
    /// The name to show: the type id where the manifest gives none.
    pub fn display_name(&self) -> &str {
        self.display_name.as_deref().unwrap_or(self.type_id.as_str())
    }

    /// The JSON schema of the configuration, `{}` where the manifest gives none.
    pub fn config_schema(&self) -> &str {
        self.config_schema_json.as_deref().unwrap_or("{}")
    }

    /// The configuration to begin with, `{}` where the manifest gives none.
    pub fn default_config(&self) -> &str {
        self.default_config_json.as_deref().unwrap_or("{}")
    }
}

/// How well a decoder decodes which file extensions (plugin contract 1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DecoderScores {
    /// Normalised extensions, without duplicates, in the manifest's order.
    pub ext_scores: Vec<ExtScore>,
    /// The score for every other extension; absent means 0.
    pub wildcard_score: Option<u16>,
}

/// The score of one extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExtScore {
    /// Lower case, without a leading dot, not empty.
    pub ext: String,
    /// 0 means that the decoder is never used for it.
    pub score: u16,
}

/// The form in which extensions are compared: trimmed, without leading dots, ASCII lower case.
pub fn normalise_ext(ext: &str) -> String {
    ext.trim().trim_start_matches('.').to_ascii_lowercase()
}

/// Instances a component may have at once where it does not say.
pub const DEFAULT_INSTANCES: NonZeroU32 = NonZeroU32::new(4).expect("4 is not 0");

/// How a component is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threading {
    /// Whether its instances have threads of their own.
    pub model: ThreadingModel,
    /// The pool whose workers run its instances; without meaning for [`ThreadingModel::Dedicated`].
    pub pool: Pool,
    /// Instances at once, at most.
    pub max_instances: NonZeroU32,
}

/// What a manifest asks for in `threading`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the fields are those of `Threading`")]
pub struct AskedThreading {
    pub model: Option<ThreadingModel>,
    pub pool: Option<Pool>,
    pub max_instances: Option<NonZeroU32>,
}

/// Whether instances have threads of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ThreadingModel {
    /// Each instance has its own thread.
    Dedicated,
    /// Instances are pinned to workers of a pool.
    SharedPool,
}

/// The pools of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// For components that wait for streams, networks and sidecars.
    Io,
    /// For components that compute.
    Cpu,
}

/// Limits a manifest sets for its own components.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AskedLimits {
    /// Linear memory of one instance, in MiB.
    pub memory_mib: Option<NonZeroU32>,
}

impl AskedLimits {
    /// `limits`, lowered to what is asked for and never raised.
    #[must_use]
    pub fn lower(self, limits: Limits) -> Limits {
        let bytes = |mib: NonZeroU32| usize::try_from(u64::from(mib.get()) * 1024 * 1024).unwrap_or(usize::MAX);
        let asked = self.memory_mib.map_or(usize::MAX, bytes);
        Limits { memory_bytes: limits.memory_bytes.min(asked), ..limits }
    }
}

/// What a package declares that it wants from the host. Asking grants nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Permissions {
    /// Directories or files to read with `host-stream.open`.
    pub files: Vec<String>,
    /// `host` or `host:port`, for `http-client.fetch-json` and for `host-stream.open` of http.
    pub http: Vec<String>,
    /// `host:port`, for `host-stream.open` of tcp.
    pub tcp: Vec<String>,
    /// Executables of the package that `sidecar.launch` may start.
    pub sidecars: Vec<PackagePath>,
}

impl Permissions {
    /// Each ask as one text, such as `http:example.org` or `sidecar:bin/helper`.
    pub fn asks(&self) -> Vec<String> {
        let texts = [("file", &self.files), ("http", &self.http), ("tcp", &self.tcp)];
        let texts = texts.into_iter().flat_map(|(kind, list)| list.iter().map(move |text| format!("{kind}:{text}")));
        texts.chain(self.sidecars.iter().map(|path| format!("sidecar:{path}"))).collect()
    }
}

/// `text` as an error may show it: quoted, escaped, and short.
pub(crate) fn shown(text: &str) -> String {
    const CHARS: usize = 60;
    match text.char_indices().nth(CHARS) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
    }
}

//! `cargo xtask schema`: `docs/plugin.schema.json`, by which editors know what may be in a `plugin.json`.
//!
//! Core reads manifests by hand, to say which field breaks which rule, and stays free of what it takes to write a schema. So
//! the types here say it again, for editors; tests hold both equal: what core takes is valid, and what core refuses for its
//! shape is not. What a schema cannot say (ids that are there twice, a kind that is not its world's) is core's alone.
#![allow(dead_code, reason = "the types are only ever described")]

#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use schemars::{JsonSchema, schema_for};
use serde_json::json;

/// Where the schema is committed.
const PATH: &str = "docs/plugin.schema.json";

/// Writes the schema, or says with `--check` whether what is there is current.
///
/// # Errors
/// A schema that is not current, an unknown option, a file that cannot be written.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let path = root.join(PATH);
    let current = text()?;
    match arguments {
        [] => fs::write(&path, current).with_context(|| format!("{}", path.display())),
        [option] if option == "--check" => {
            let there = fs::read_to_string(&path).unwrap_or_default();
            ensure!(there == current, "{PATH} does not belong to its source; run `cargo xtask schema`");
            eprintln!("{PATH} belongs to its source");
            Ok(())
        }
        _ => anyhow::bail!("unknown arguments {arguments:?}; there is --check"),
    }
}

fn text() -> Result<String> {
    Ok(serde_json::to_string_pretty(&schema_for!(Manifest))? + "\n")
}

/// What a plugin package says about itself. Fields that are not listed are ignored at every level.
#[derive(JsonSchema)]
#[schemars(title = "plugin.json of a Stellatune plugin")]
struct Manifest {
    /// Where an editor finds this schema. No host reads it.
    #[schemars(rename = "$schema")]
    schema: Option<String>,
    /// The version of this format.
    #[schemars(range(min = 1, max = 1))]
    schema_version: u32,
    /// Names the package for ever: a reverse domain name in lower case, such as `org.example.my-plugin`. ASCII letters,
    /// digits, `.`, `-` and `_` are accepted.
    #[schemars(regex(pattern = r"^\s*[A-Za-z0-9][A-Za-z0-9._-]{0,127}\s*$"))]
    id: String,
    /// For people.
    #[schemars(regex(pattern = r"\S"))]
    name: String,
    /// For people; no order is read into it.
    #[schemars(regex(pattern = r"^[^/\\]*[^/\\\s][^/\\]*$"))]
    version: String,
    /// Any number; kept, never used.
    #[schemars(range(max = 4_294_967_295_u32))]
    api_version: u32,
    /// The WebAssembly components of the package.
    #[schemars(length(min = 1))]
    components: Vec<Component>,
    /// What the package asks the host for. Asking grants nothing. Without it, the package asks without bounds for whatever its
    /// components import.
    permissions: Option<Permissions>,
    /// Limits lower than the host's, for every component.
    limits: Option<Limits>,
}

/// One WebAssembly component.
#[derive(JsonSchema)]
struct Component {
    /// Unique in the package.
    #[schemars(regex(pattern = r"^[^/\\]*[^/\\\s][^/\\]*$"))]
    id: String,
    /// Where its file lies in the package, with `/` between names.
    #[schemars(regex(pattern = r"^\s*[^/\\:\s][^\\:]*$"))]
    path: String,
    /// The world it was built for, alone or with package and version.
    #[schemars(regex(
        pattern = r"^([\s\S]*/)?\s*(decoder-plugin|source-plugin|lyrics-plugin|output-sink-plugin|dsp-plugin)\s*(@[^/]*)?\s*$"
    ))]
    world: String,
    /// What it can do; all of the kind that its world exports.
    #[schemars(length(min = 1))]
    abilities: Vec<Ability>,
    /// How it wants to be run.
    threading: Option<Threading>,
    /// Limits lower than the package's and the host's.
    limits: Option<Limits>,
}

/// One thing that a component can do. Kind and type are unique in the package.
#[derive(JsonSchema)]
#[schemars(extend(
    "if" = json!({"properties": {"kind": {"const": "decoder"}}}),
    "then" = json!({"required": ["decoder"], "properties": {"decoder": {"type": "object"}}}),
    "else" = json!({"properties": {"decoder": {"type": "null"}}})
))]
struct Ability {
    /// What it is for. `output-sink` is taken for `output_sink`.
    kind: Kind,
    /// Names it among the abilities of its kind.
    #[schemars(regex(pattern = r"^[^/\\]*[^/\\\s][^/\\]*$"))]
    type_id: String,
    /// For people; the type where it is absent.
    #[schemars(regex(pattern = r"\S"))]
    display_name: Option<String>,
    /// A string that holds JSON: the JSON schema of the configuration.
    config_schema_json: Option<String>,
    /// A string that holds JSON: the configuration to begin with.
    default_config_json: Option<String>,
    /// What a decoder decodes; for decoders and only for them.
    decoder: Option<DecoderScores>,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "snake_case")]
enum Kind {
    Decoder,
    Source,
    Lyrics,
    OutputSink,
    #[schemars(rename = "output-sink")]
    OutputSinkAlias,
    Dsp,
}

/// How well a decoder decodes which files: some extension, or a wildcard score above 0.
#[derive(JsonSchema)]
#[schemars(extend("anyOf" = json!([
    {"required": ["ext_scores"], "properties": {"ext_scores": {"type": "array", "minItems": 1}}},
    {"required": ["wildcard_score"], "properties": {"wildcard_score": {"type": "integer", "minimum": 1}}}
])))]
struct DecoderScores {
    /// Extensions, without duplicates.
    ext_scores: Option<Vec<ExtScore>>,
    /// The score for every other extension; 0 unless said.
    #[schemars(range(max = 65_535))]
    wildcard_score: Option<u16>,
}

/// How well a decoder decodes files of one extension.
#[derive(JsonSchema)]
struct ExtScore {
    /// Case and a leading dot do not matter.
    #[schemars(regex(pattern = r"^\s*\.*([^.*\s]|\*\S|[^.\s]\S)"))]
    ext: String,
    /// Higher is tried first; 0 is never.
    #[schemars(range(max = 65_535))]
    score: u16,
}

/// How a component wants to be run. With one instance it must work as well.
#[derive(JsonSchema)]
struct Threading {
    /// Whether each instance has its own thread, or is pinned to a worker of a pool.
    model: Option<Model>,
    /// `io` for components that wait, `cpu` for those that compute; anything else counts as absent.
    #[schemars(extend("examples" = json!(["io", "cpu"])))]
    pool: Option<String>,
    /// Instances at once; 0 counts as absent.
    #[schemars(range(max = 4_294_967_295_u32))]
    max_instances: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "snake_case")]
enum Model {
    Dedicated,
    SharedPool,
}

/// Limits that are lower than the host's.
#[derive(JsonSchema)]
struct Limits {
    /// Linear memory of one instance, in MiB.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    memory_mib: Option<u32>,
}

/// What a package asks the host for.
#[derive(JsonSchema)]
struct Permissions {
    /// Directories and files to read.
    files: Option<Vec<Text>>,
    /// `host` or `host:port`.
    http: Option<Vec<Text>>,
    /// `host:port`.
    tcp: Option<Vec<Text>>,
    /// Executables of the package to start.
    sidecars: Option<Vec<Text>>,
}

#[derive(JsonSchema)]
#[schemars(inline)]
struct Text(#[schemars(regex(pattern = r"\S"))] String);

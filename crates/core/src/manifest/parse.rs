//! From JSON to a [`Manifest`]: one function for each object of the document, in its order.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Ability, AbilityKind, AskedLimits, AskedThreading, Component, ComponentId, DecoderScores, ExtScore, Manifest,
    PackagePath, Permissions, PluginId, Pool, SCHEMA_VERSION, ThreadingModel, TypeId, World, ids, json::Node,
    normalise_ext,
};
use crate::error::Result;

pub(super) fn manifest(value: &Value) -> Result<Manifest> {
    let node = Node::document(value)?;
    let schema = node.field("schema_version")?;
    if schema.number::<u32>("is not a whole number")? != SCHEMA_VERSION {
        return Err(schema.fail("schema-version", "is not supported; this host reads version 1"));
    }
    let id = node.field("id")?;
    let id = PluginId::check(id.string()?).map_err(|why| id.fail("plugin-id", why))?;
    let name = node.field("name")?.text()?;
    let version_node = node.field("version")?;
    let version = version_node.text()?;
    ids::version(&version).map_err(|why| version_node.fail("version", why))?;
    let api_version = node.field("api_version")?.number("is not a whole number below 2^32")?;

    let mut ids = BTreeSet::new();
    let mut types = BTreeSet::new();
    let components = node.field("components")?.some_items()?;
    let components = components.into_iter().map(|node| component(&node.object()?, &mut ids, &mut types));

    Ok(Manifest {
        schema_version: SCHEMA_VERSION,
        id,
        name,
        version,
        api_version,
        components: components.collect::<Result<_>>()?,
        permissions: node.optional("permissions").map(permissions).transpose()?,
        limits: node.optional("limits").map(limits).transpose()?,
    })
}

type Types = BTreeSet<(AbilityKind, TypeId)>;

fn component(node: &Node<'_>, ids: &mut BTreeSet<ComponentId>, types: &mut Types) -> Result<Component> {
    let id_node = node.field("id")?;
    let id = ComponentId::check(id_node.string()?).map_err(|why| id_node.fail("component-id", why))?;
    if !ids.insert(id.clone()) {
        return Err(id_node.fail("duplicate-id", "is the id of another component"));
    }
    let path = package_path(&node.field("path")?)?;
    let world_node = node.field("world")?;
    let world = World::parse(world_node.string()?).ok_or_else(|| {
        let names = World::ALL.map(World::name).join(", ");
        world_node.fail("unknown-world", &format!("is none of the worlds {names}"))
    })?;
    let abilities = node.field("abilities")?.some_items()?;
    let abilities = abilities.into_iter().map(|node| ability(&node.object()?, world, types));
    Ok(Component {
        id,
        path,
        world,
        abilities: abilities.collect::<Result<_>>()?,
        threading: node.optional("threading").map(threading).transpose()?,
        limits: node.optional("limits").map(limits).transpose()?,
    })
}

fn ability(node: &Node<'_>, world: World, types: &mut Types) -> Result<Ability> {
    let kind_node = node.field("kind")?;
    let kind = AbilityKind::parse(kind_node.string()?).ok_or_else(|| {
        let names = World::ALL.map(|world| world.kind().name()).join(", ");
        kind_node.fail("ability-kind", &format!("is none of {names}"))
    })?;
    if kind != world.kind() {
        let why = format!("does not fit the component's world {}, which exports {}", world.name(), world.kind().name());
        return Err(kind_node.fail("ability-world", &why));
    }
    let type_node = node.field("type_id")?;
    let type_id = TypeId::check(type_node.string()?).map_err(|why| type_node.fail("type-id", why))?;
    if !types.insert((kind, type_id.clone())) {
        let why = format!("is the type of another {} of the package", kind.name());
        return Err(type_node.fail("duplicate-id", &why));
    }
    let decoder = node.optional("decoder");
    let decoder = match (kind, decoder) {
        (AbilityKind::Decoder, Some(node)) => Some(scores(&node.object()?)?),
        (AbilityKind::Decoder, None) => {
            return Err(kind_node.fail("decoder-scores", "needs a `decoder` object beside it"));
        }
        (_, Some(node)) => return Err(node.fail("decoder-scores", "is only for abilities of the kind decoder")),
        (_, None) => None,
    };
    Ok(Ability {
        kind,
        type_id,
        display_name: node.optional("display_name").map(|node| node.text()).transpose()?,
        config_schema_json: node.optional("config_schema_json").map(config).transpose()?,
        default_config_json: node.optional("default_config_json").map(config).transpose()?,
        decoder,
    })
}

fn scores(node: &Node<'_>) -> Result<DecoderScores> {
    const SCORE: &str = "is not a whole number from 0 to 65535";
    let mut seen = BTreeSet::new();
    let entries = node.optional("ext_scores").map_or(Ok(Vec::new()), |list| list.items())?;
    let entry = |node: Node<'_>| {
        let node = node.object()?;
        let ext_node = node.field("ext")?;
        let ext = normalise_ext(ext_node.string()?);
        if ext.is_empty() || ext == "*" || ext.chars().any(char::is_control) {
            return Err(ext_node.fail("decoder-scores", "is not an extension; `wildcard_score` is for all others"));
        }
        if !seen.insert(ext.clone()) {
            return Err(ext_node.fail("decoder-scores", "is listed twice"));
        }
        Ok(ExtScore { ext, score: node.field("score")?.number(SCORE)? })
    };
    let ext_scores: Vec<_> = entries.into_iter().map(entry).collect::<Result<_>>()?;
    let wildcard_score = node.optional("wildcard_score").map(|node| node.number(SCORE)).transpose()?;
    if ext_scores.is_empty() && wildcard_score.unwrap_or(0) == 0 {
        return Err(node.fail("decoder-scores", "gives neither extensions nor a wildcard score"));
    }
    Ok(DecoderScores { ext_scores, wildcard_score })
}

#[allow(clippy::needless_pass_by_value, reason = "the signature `Option::map` calls")]
fn config(node: Node<'_>) -> Result<String> {
    let text = node.string()?;
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(node.fail("config-json", &format!("is not a string that holds JSON ({error})"))),
    }
}

/// The earliest draft of the schema had this object with any text as `pool`; such packages must stay valid, so a pool
/// of another name counts as none.
fn threading(node: Node<'_>) -> Result<AskedThreading> {
    let node = node.object()?;
    let model = |node: Node<'_>| match node.string()? {
        "dedicated" => Ok(ThreadingModel::Dedicated),
        "shared_pool" => Ok(ThreadingModel::SharedPool),
        _ => Err(node.fail("threading", "is neither `dedicated` nor `shared_pool`")),
    };
    let pool = match node.optional("pool").map(|node| node.string()).transpose()? {
        Some("io") => Some(Pool::Io),
        Some("cpu") => Some(Pool::Cpu),
        _ => None,
    };
    let instances = node.optional("max_instances").map(|node| node.number::<u32>("is not a whole number"));
    Ok(AskedThreading {
        model: node.optional("model").map(model).transpose()?,
        pool,
        max_instances: instances.transpose()?.and_then(std::num::NonZeroU32::new),
    })
}

fn limits(node: Node<'_>) -> Result<AskedLimits> {
    let node = node.object()?;
    let memory = |node: Node<'_>| {
        let mib = std::num::NonZeroU32::new(node.number("is not a whole number of MiB")?);
        mib.ok_or_else(|| node.fail("limits", "leaves no memory"))
    };
    Ok(AskedLimits { memory_mib: node.optional("memory_mib").map(memory).transpose()? })
}

fn permissions(node: Node<'_>) -> Result<Permissions> {
    let node = node.object()?;
    let list = |name| node.optional(name).map_or(Ok(Vec::new()), |list| list.items());
    let texts = |name| list(name)?.iter().map(Node::text).collect::<Result<Vec<_>>>();
    Ok(Permissions {
        files: texts("files")?,
        http: texts("http")?,
        tcp: texts("tcp")?,
        sidecars: list("sidecars")?.iter().map(package_path).collect::<Result<_>>()?,
    })
}

fn package_path(node: &Node<'_>) -> Result<PackagePath> {
    PackagePath::check(node.string()?.trim()).map_err(|fault| node.fail(fault.rule, fault.why))
}

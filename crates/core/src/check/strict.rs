//! Rules that new packages should keep and that refuse some old ones, so that only `strict` asks for them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::Rows;
use crate::{
    error::{Error, Result},
    inspect::Inspected,
    manifest::{self, Manifest, Permissions, shown},
    package::StagedPackage,
    world::HostFunction,
};

/// Adds a row for each rule.
pub(super) fn check(staging: &Path, package: &StagedPackage, inspected: &Inspected, rows: &mut Rows) -> Result<()> {
    rows.rule("strict: plugin id", plugin_id(&package.manifest));
    rows.rule("strict: manifest fields", fields(package)?);
    rows.rule("strict: one manifest", one_manifest(staging, package)?);
    rows.rule("strict: file names", names(package));
    rows.rule("strict: permissions", permissions(inspected));
    rows.rule("strict: sidecars", sidecars(package));
    Ok(())
}

/// P22
fn plugin_id(manifest: &Manifest) -> Option<String> {
    let why = "is no reverse domain name in lower case, such as org.example.my-plugin";
    (!manifest.id.is_canonical()).then(|| format!("`id` {why}; it is {}", shown(manifest.id.as_str())))
}

/// P21: fields that nothing reads are misspelt, or meant for a host that knows more.
fn fields(package: &StagedPackage) -> Result<Option<String>> {
    let path = package.root.join(manifest::FILE_NAME);
    let json = fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
    // Both were read before.
    let (Ok(mut said), Ok(read)) = (serde_json::from_slice::<Value>(&json), serde_json::to_value(&package.manifest))
    else {
        return Ok(Some("the manifest cannot be read again".into()));
    };
    if let Some(fields) = said.as_object_mut() {
        // Editors find the schema by it.
        fields.remove("$schema");
    }
    Ok(unknown(&said, &read).map(|field| format!("`{field}` is a field that no host reads")))
}

/// The first field of `said` that is not in `read`, which has all there are.
fn unknown(said: &Value, read: &Value) -> Option<String> {
    let below =
        |name: String, inner: String| if inner.starts_with('[') { name + &inner } else { format!("{name}.{inner}") };
    match (said, read) {
        (Value::Object(said), Value::Object(read)) => said.iter().find_map(|(name, value)| match read.get(name) {
            None => Some(name.clone()),
            Some(read) => unknown(value, read).map(|inner| below(name.clone(), inner)),
        }),
        (Value::Array(said), Value::Array(read)) => said
            .iter()
            .zip(read)
            .enumerate()
            .find_map(|(index, (said, read))| unknown(said, read).map(|inner| format!("[{index}].{inner}"))),
        _ => None,
    }
}

/// P23
fn one_manifest(staging: &Path, package: &StagedPackage) -> Result<Option<String>> {
    let depth = package.root.strip_prefix(staging).map_or(0, |below| below.components().count());
    if depth > 1 {
        return Ok(Some(format!("plugin.json lies {depth} folders deep, where at most one is usual")));
    }
    let mut found = Vec::new();
    find(staging, &mut found).map_err(|error| Error::io("read", staging, error))?;
    Ok((found.len() > 1).then(|| format!("there are {} files named plugin.json", found.len())))
}

/// Files named `plugin.json`; the depth is bounded by what was staged.
fn find(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find(&entry.path(), found)?;
        } else if entry.file_name() == manifest::FILE_NAME {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// P04
fn names(package: &StagedPackage) -> Option<String> {
    let usual = |c: char| c.is_alphabetic() || c.is_ascii_digit() || "._-/".contains(c);
    let odd = package.files.iter().find(|file| !file.path.as_str().chars().all(usual))?;
    Some(format!("{} has characters other than letters, digits, `.`, `_` and `-`", shown(odd.path.as_str())))
}

/// What is imported is asked for, so that a user is told what it is for.
fn permissions(inspected: &Inspected) -> Option<String> {
    let none = Permissions::default();
    let declared = inspected.manifest.permissions.as_ref();
    let Permissions { files, http, tcp, sidecars } = declared.unwrap_or(&none);
    let imported = inspected.components.iter().filter_map(|component| component.verified.as_ref().ok());
    let missing = imported.flat_map(|component| &component.dangerous).find(|function| match function {
        HostFunction::StreamOpen => files.is_empty() && http.is_empty() && tcp.is_empty(),
        HostFunction::SidecarLaunch => sidecars.is_empty(),
        HostFunction::FetchJson => http.is_empty(),
    })?;
    let field = match missing {
        HostFunction::StreamOpen => "`files`, `http` or `tcp`",
        HostFunction::SidecarLaunch => "`sidecars`",
        HostFunction::FetchJson => "`http`",
    };
    Some(format!("a component imports {}, and `permissions` says nothing in {field}", missing.name()))
}

/// S01: what may be started is in the package.
fn sidecars(package: &StagedPackage) -> Option<String> {
    let declared = package.manifest.permissions.iter().flat_map(|permissions| &permissions.sidecars);
    let missing = declared.into_iter().find(|path| !package.files.iter().any(|file| file.path == **path))?;
    Some(format!("the sidecar {} is not in the package", shown(missing.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_is_named_with_its_place() {
        let read = serde_json::json!({"id": "a", "components": [{"id": "b"}, {"id": "c", "abilities": null}]});
        let said = |json: &str| unknown(&serde_json::from_str(json).expect("JSON"), &read);
        assert_eq!(said(r#"{"id": 1, "components": [{"id": "b"}]}"#), None);
        assert_eq!(said(r#"{"idd": 1}"#), Some("idd".into()));
        assert_eq!(said(r#"{"components": [{}, {"pth": 1}]}"#), Some("components[1].pth".into()));
    }
}

//! `cargo xtask layers`: checks who may import whom (docs/ARCHITECTURE.md).
//!
//! Inside core a module imports only modules on lines above its own; between crates the dependencies flow one way;
//! core names no engine.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Core's modules, one line above the next. Tests at the end of a file are not held to it.
const CORE: &[&[&str]] = &[
    &["types", "error", "limits", "event", "control", "table"],
    &["wasi"],
    &["host"],
    &["capability"],
    &["engine"],
    &["manifest", "package", "world", "receipt", "cache", "meter"],
    &["services", "inspect", "install", "registry"],
    &["route", "lifecycle"],
    &["actor", "hot"],
    &["check", "schedule", "config"],
    &["pipeline", "runtime"],
];

/// Modules that share a line but need one another, in the order they may.
const NEIGHBOURS: &[(&str, &str)] = &[
    ("error", "limits"),
    ("event", "error"),
    ("event", "types"),
    ("control", "error"),
    ("control", "limits"),
    ("table", "error"),
    ("package", "manifest"),
    ("package", "world"),
    ("world", "manifest"),
    ("meter", "world"),
    ("receipt", "manifest"),
    ("receipt", "package"),
    ("install", "inspect"),
    ("registry", "inspect"),
    ("registry", "install"),
    ("cache", "manifest"),
];

/// Crates of the workspace and the members each may depend on, tests included.
const CRATES: &[(&str, &[&str])] = &[
    ("crates/core", &[]),
    ("crates/engine-wasmtime", &["stellatune-plugin-core"]),
    ("crates/engine-wasmer", &["stellatune-plugin-core"]),
    // Itself, whose tests turn on its features.
    ("crates/sdk", &["stellatune-plugin-hot", "stellatune-plugin-sdk"]),
    ("crates/sdk/hot", &[]),
    ("crates/cli", &["stellatune-plugins"]),
];

/// Words core must not know.
const ENGINES: &[&str] = &["wasmtime", "wasmer"];

/// Prints every broken rule.
///
/// # Errors
/// When there is one, or a source cannot be read.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let mut broken = Vec::new();
    let sources = sources(&root.join("crates/core/src"))?;
    for (path, text) in &sources {
        broken.extend(core_file(path, text));
    }
    broken.extend(engine_names(&root.join("crates/core/Cargo.toml"))?);
    for (folder, allowed) in CRATES {
        broken.extend(dependencies(&root.join(folder).join("Cargo.toml"), allowed)?);
    }
    if broken.is_empty() {
        println!("layers: {} files of core and {} crates keep the import rule", sources.len(), CRATES.len());
        return Ok(());
    }
    Err(broken.join("\n"))
}

/// Core's sources by path below `src`.
fn sources(folder: &Path) -> Result<BTreeMap<PathBuf, String>, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).map_err(|error| format!("{}: {error}", next.display()))? {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                let below = path.strip_prefix(folder).unwrap_or(&path).to_owned();
                found.insert(below, text);
            }
        }
    }
    if found.is_empty() {
        return Err(format!("{}: no sources", folder.display()));
    }
    Ok(found)
}

fn core_file(path: &Path, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let shown = path.display();
    let first = path.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let module = first.unwrap_or_default().trim_end_matches(".rs").to_owned();
    let code = code(text);
    for engine in ENGINES {
        // A byte string is not a name but what a file may begin with.
        if code.to_lowercase().replace(&format!("b\"{engine}"), "").contains(engine) {
            broken.push(format!("core/src/{shown}: names the engine {engine}"));
        }
    }
    if module == "lib" {
        return broken;
    }
    let Some(line) = line_of(&module) else {
        return vec![format!("core/src/{shown}: module `{module}` stands on no line of the layers")];
    };
    for import in imports(&code) {
        let fine = import == module
            || NEIGHBOURS.contains(&(module.as_str(), import.as_str()))
            || line_of(&import).is_some_and(|above| above < line);
        if !fine {
            broken.push(format!("core/src/{shown}: `{module}` must not import `{import}`"));
        }
    }
    broken
}

fn line_of(module: &str) -> Option<usize> {
    CORE.iter().position(|line| line.contains(&module))
}

/// The text without comments and without the tests at its end.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    let body = body.split("#[cfg(test)]\npub(crate) mod ").next().unwrap_or(body);
    body.lines().map(|line| line.split("//").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The first names after `crate::`, with those of a `crate::{…}` group.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_names(group)),
            None => found.push(ident(rest)),
        }
    }
    // A macro or an item of the crate's root is no module.
    found.retain(|name| !name.is_empty());
    found.sort();
    found.dedup();
    found
}

/// The names at the top level of a `{…}` group whose opening brace is gone.
fn group_names(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut fresh) = (0, Vec::new(), true);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            _ if fresh && depth == 0 && !character.is_whitespace() => {
                names.push(ident(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

fn ident(text: &str) -> String {
    text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

fn engine_names(manifest: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    let text = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
    let named = ENGINES.iter().filter(|engine| text.contains(**engine));
    Ok(named.map(|engine| format!("{}: names the engine {engine}", manifest.display())).collect())
}

/// Members of the workspace that a manifest names without leave.
fn dependencies(manifest: &Path, allowed: &[&str]) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    let mut inside = false;
    let mut broken = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
            continue;
        }
        let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
        if inside && name.starts_with("stellatune") && !allowed.contains(&name) {
            broken.push(format!("{}: must not depend on {name}", manifest.display()));
        }
    }
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_paths_are_read() {
        let text = "use crate::{\n    error::{A, B},\n    host,\n};\nfn f(x: crate::wasi::Wasi) {} // crate::runtime\n";
        assert_eq!(imports(&code(text)), ["error", "host", "wasi"]);
    }

    #[test]
    fn an_import_from_below_is_reported() {
        let broken = core_file(Path::new("manifest.rs"), "use crate::runtime::Runtime;\n");
        assert_eq!(broken, ["core/src/manifest.rs: `manifest` must not import `runtime`"]);
        assert!(core_file(Path::new("runtime/mod.rs"), "use crate::manifest::Manifest;\n").is_empty());
        assert!(!core_file(Path::new("error.rs"), "const E: &str = \"Wasmtime\";\n").is_empty());
    }
}

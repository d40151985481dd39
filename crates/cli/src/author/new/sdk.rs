//! The SDK as it goes into a new plugin: this repository's, with what it has from the workspace written out.

/// The name of its crate.
pub(super) const NAME: &str = "stellatune-plugin-sdk";

/// The name of the crate in `hot` there.
pub(super) const HOT_NAME: &str = "stellatune-plugin-hot";

/// What a new plugin's crates resolve to, but for the plugin itself.
pub(super) const LOCK: &str = include_str!("../../../templates/Cargo.lock");

const WORKSPACE: &str = include_str!("../../../../../Cargo.toml");
const MANIFEST: &str = include_str!("../../../../sdk/Cargo.toml");
const HOT_MANIFEST: &str = include_str!("../../../../sdk/hot/Cargo.toml");

/// A line a file; a test compares the list with what there is.
macro_rules! sources {
    ($($place:literal: $from:literal [$($name:literal),+ $(,)?];)+) => {
        const SOURCES: &[(&str, &str)] = &[$($((
            concat!($place, $name), include_str!(concat!("../../../../../", $from, $name)),
        )),+),+];
    };
}

sources! {
    "": "crates/sdk/" [
        "examples/decoder.rs", "examples/dsp.rs", "examples/lyrics.rs", "examples/output_sink.rs", "examples/source.rs",
        "hot/src/export.rs", "hot/src/lib.rs", "hot/src/module.rs", "hot/src/raw.rs", "hot/src/test.rs",
        "src/bindings.rs", "src/decoder.rs", "src/dsp.rs", "src/error.rs", "src/export.rs", "src/glue/abilities.rs",
        "src/glue/mod.rs", "src/hot_path.rs", "src/http.rs", "src/json.rs", "src/lib.rs", "src/lifecycle.rs", "src/log.rs",
        "src/lyrics.rs", "src/mock/mod.rs", "src/mock/processes.rs", "src/mock/stream.rs", "src/output_sink.rs",
        "src/samples.rs", "src/schema.rs", "src/sidecar.rs", "src/source.rs", "src/stream.rs", "src/tail.rs", "src/types.rs",
    ];
    "wit/": "wit/stellatune-plugin/" [
        "capabilities.wit", "common.wit", "dsp.wit", "host-imports.wit", "hot-path.wit", "output-sink.wit", "worlds.wit",
    ];
    "": "" ["LICENSE-APACHE", "LICENSE-MIT", "rustfmt.toml"];
}

/// Where the SDK looks for the contract here, and where there.
const WIT: [&str; 2] = ["\"../../wit/stellatune-plugin\"", "\"wit\""];

/// Every file, by its path in the SDK's directory.
pub(super) fn files() -> Vec<(String, String)> {
    let sources = SOURCES.iter().map(|(name, content)| ((*name).to_owned(), content.replace(WIT[0], WIT[1])));
    let manifests = [("Cargo.toml", MANIFEST), ("hot/Cargo.toml", HOT_MANIFEST)];
    sources.chain(manifests.map(|(name, text)| (name.to_owned(), manifest(text)))).collect()
}

/// A manifest with what it has from the workspace written out. Without lints and tests, which are for those who change
/// the SDK.
fn manifest(text: &str) -> String {
    let mut manifest = String::new();
    let mut left_out = false;
    for line in text.lines() {
        if line.starts_with('[') {
            left_out = line == "[lints]" || line == "[dev-dependencies]";
        }
        if !left_out {
            manifest += &written_out(line).unwrap_or_else(|| line.to_owned());
            manifest.push('\n');
        }
    }
    format!("{}\n", manifest.trim_end())
}

/// `key.workspace = true`, or `key = { workspace = true, more }`, as the workspace has it.
fn written_out(line: &str) -> Option<String> {
    let (key, more) = match line.strip_suffix(".workspace = true") {
        Some(key) => (key, None),
        None => {
            let (key, more) = line.split_once(" = { workspace = true, ")?;
            (key, Some(more))
        }
    };
    let key = format!("{key} = ");
    let (_, value) = WORKSPACE.lines().find(|line| line.starts_with(&key))?.split_once(" = ")?;
    Some(match (more, value.strip_suffix(" }")) {
        (None, _) => format!("{key}{value}"),
        (Some(more), Some(table)) => format!("{key}{table}, {more}"),
        (Some(more), None) => format!("{key}{{ version = {value}, {more}"),
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    fn below(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let entry = entry.expect("readable");
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                below(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }

    #[test]
    fn no_file_of_the_sdk_is_missing() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut expected = BTreeSet::from(["LICENSE-APACHE", "LICENSE-MIT", "rustfmt.toml"].map(str::to_owned));
        below(&root.join("crates/sdk/src"), "src/", &mut expected);
        below(&root.join("crates/sdk/examples"), "examples/", &mut expected);
        below(&root.join("crates/sdk/hot/src"), "hot/src/", &mut expected);
        below(&root.join("wit/stellatune-plugin"), "wit/", &mut expected);
        let listed: BTreeSet<_> = SOURCES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(listed, expected);
    }

    #[test]
    fn the_copy_stands_by_itself() {
        let optional = written_out("schemars = { workspace = true, optional = true }").expect("it is written out");
        assert!(
            optional.starts_with("schemars = { version = ") && optional.ends_with(", optional = true }"),
            "{optional}"
        );
        let manifest = manifest(MANIFEST);
        assert!(manifest.contains("wit-bindgen = {"), "{manifest}");
        for (name, content) in files() {
            assert!(!content.contains("../../"), "{name} looks outside of its copy");
            assert!(!name.ends_with("Cargo.toml") || !content.contains("workspace"), "{name}: {content}");
        }
    }
}

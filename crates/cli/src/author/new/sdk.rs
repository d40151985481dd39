//! The SDK as it goes into a new plugin: this repository's, with what it has from the workspace written out.

/// The name of its crate.
pub(super) const NAME: &str = "stellatune-plugin-sdk";

/// What a new plugin's crates resolve to, but for the plugin itself.
pub(super) const LOCK: &str = include_str!("../../../templates/Cargo.lock");

const WORKSPACE: &str = include_str!("../../../../../Cargo.toml");
const MANIFEST: &str = include_str!("../../../../sdk/Cargo.toml");

/// A line a file; a test compares the list with what there is.
macro_rules! sources {
    ($($place:literal: $from:literal [$($name:literal),+ $(,)?];)+) => {
        const SOURCES: &[(&str, &str)] = &[$($((
            concat!($place, $name), include_str!(concat!("../../../../../", $from, $name)),
        )),+),+];
    };
}

sources! {
    "src/": "crates/sdk/src/" [
        "bindings.rs", "decoder.rs", "error.rs", "export.rs", "glue.rs", "json.rs", "lib.rs", "lifecycle.rs", "stream.rs",
        "types.rs",
    ];
    "wit/": "wit/stellatune-plugin/" [
        "capabilities.wit", "common.wit", "dsp.wit", "host-imports.wit", "hot-path.wit", "output-sink.wit", "worlds.wit",
    ];
    "": "" ["LICENSE-APACHE", "LICENSE-MIT"];
}

/// Where the SDK looks for the contract here, and where there.
const WIT: [&str; 2] = ["\"../../wit/stellatune-plugin\"", "\"wit\""];

/// Every file, by its path in the SDK's directory.
pub(super) fn files() -> Vec<(String, String)> {
    let sources = SOURCES.iter().map(|(name, content)| ((*name).to_owned(), content.replace(WIT[0], WIT[1])));
    sources.chain([("Cargo.toml".to_owned(), manifest())]).collect()
}

/// The manifest with each `key.workspace = true` as the workspace has it. Lints are left out: they are for those who
/// change the SDK.
fn manifest() -> String {
    let mut manifest = String::new();
    for line in MANIFEST.lines().take_while(|line| *line != "[lints]") {
        let inherited = line.strip_suffix(".workspace = true").and_then(|key| {
            let key = format!("{key} = ");
            WORKSPACE.lines().find(|line| line.starts_with(&key))
        });
        manifest.push_str(inherited.unwrap_or(line));
        manifest.push('\n');
    }
    format!("{}\n", manifest.trim_end())
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
        let mut expected = BTreeSet::from(["LICENSE-APACHE".to_owned(), "LICENSE-MIT".to_owned()]);
        below(&root.join("crates/sdk/src"), "src/", &mut expected);
        below(&root.join("wit/stellatune-plugin"), "wit/", &mut expected);
        let listed: BTreeSet<_> = SOURCES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(listed, expected);
    }

    #[test]
    fn the_copy_stands_by_itself() {
        let manifest = manifest();
        assert!(!manifest.contains("workspace") && manifest.contains("wit-bindgen = {"), "{manifest}");
        let there = files().into_iter().any(|(_, content)| content.contains("../../"));
        assert!(!there, "a file of the SDK looks outside of its copy");
    }
}

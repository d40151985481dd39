//! What the tests of packages share: packages to install, a place to install them in, and a picture of all around it.
#![allow(dead_code, reason = "each test target uses a part")]

pub(crate) mod zip;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use stellatune_plugin_core::{
    error::Error,
    install::{Installed, Store},
    registry::Snapshot,
};
use tempfile::TempDir;

/// A component of the DSP world and one of the decoder world, as guests' toolchains make them.
pub(crate) fn wasm(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/prebuilt").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A manifest of one DSP component, `wasm/a.wasm`.
pub(crate) fn manifest(id: &str, version: &str) -> Value {
    json!({
        "schema_version": 1, "id": id, "name": "A name", "version": version, "api_version": 1,
        "components": [{
            "id": "c", "path": "wasm/a.wasm", "world": "stellatune:plugin/dsp-plugin@0.1.0",
            "abilities": [{"kind": "dsp", "type_id": "t"}],
        }],
    })
}

/// Name and content of each file of a package.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

pub(crate) fn package(manifest: &Value) -> Files {
    vec![
        ("plugin.json".into(), serde_json::to_vec_pretty(manifest).expect("JSON")),
        ("wasm/a.wasm".into(), wasm("echo-dsp.wasm")),
    ]
}

/// A directory `plugins` among other things that must never change.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    before: BTreeMap<PathBuf, String>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (name, text) in [("neighbour.txt", "mine"), ("wasm/a.wasm", "mine"), ("plugins.txt", "mine")] {
            write(&dir.path().join(name), text.as_bytes());
        }
        fs::create_dir_all(dir.path().join("artifacts")).expect("a directory");
        let before = around(dir.path());
        Self { dir, before }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("plugins")
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(self.root()).expect("a store")
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::scan(&self.store(), &[]).expect("a snapshot")
    }

    /// A place for an artifact; what is there is no part of the picture.
    pub(crate) fn artifact(&self, name: &str) -> PathBuf {
        self.dir.path().join("artifacts").join(name)
    }

    pub(crate) fn directory(&self, files: &Files) -> PathBuf {
        let dir = self.artifact("package");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a directory");
        for (name, bytes) in files {
            write(&dir.join(name), bytes);
        }
        dir
    }

    pub(crate) fn zip(&self, zip: &zip::Zip) -> PathBuf {
        let path = self.artifact("package.zip");
        write(&path, &zip.to_bytes());
        path
    }

    pub(crate) fn install(&self, files: &Files) -> Result<Installed, Error> {
        self.store().install(&self.directory(files))
    }

    /// The error of installing `artifact`, after which everything is as it was.
    pub(crate) fn refused(&self, artifact: &Path) -> Error {
        let inside = picture(&self.root());
        let error = self.store().install(artifact).expect_err("a refusal");
        assert_eq!(error.operation(), Some("install"));
        self.unchanged();
        let private = [".stellatune", "lock", "staging", "trash", "state"];
        let mut after = picture(&self.root());
        after.retain(|path, _| {
            inside.contains_key(path) || !path.iter().all(|part| private.iter().any(|name| part == *name))
        });
        assert_eq!(after, inside, "the store changed");
        error
    }

    /// That nothing around the plugins directory changed.
    pub(crate) fn unchanged(&self) {
        assert_eq!(around(self.dir.path()), self.before, "something around the plugins directory changed");
    }
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, bytes).expect("a file");
}

fn around(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut picture = picture(dir);
    picture.retain(|path, _| !path.starts_with("plugins") && !path.starts_with("artifacts"));
    picture
}

/// Every path below `dir` with its type, mode and content.
pub(crate) fn picture(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let metadata = fs::symlink_metadata(&path).expect("metadata");
            let content = if metadata.is_file() { fs::read(&path).expect("a file") } else { Vec::new() };
            let mode = metadata.permissions().mode();
            let line = format!("{mode:o} {}", blake3::hash(&content).to_hex());
            if metadata.is_dir() {
                open.push(path.clone());
            }
            found.insert(path.strip_prefix(dir).expect("below").to_owned(), line);
        }
    }
    found
}

//! A6: a hostile package is refused by a rule that has a name, and nothing on the disk changes.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use pollster::block_on;
use serde_json::{Value, json};
use stellatune_plugins::Runtime;

use super::{Measured, Row, Settings, common::root};

pub(super) static ROW: Row = Row {
    id: "A6",
    promise: "hostile packages that are not refused by a named rule, or leave a trace",
    timed: false,
    unit: "packages",
    at_most: 0.0,
    engine: None,
    measure,
};

/// Changes a good package, whose folder and manifest these are, into a hostile one. Returns the text of its manifest.
type Hostile = fn(&Path, Value) -> Result<String>;

static PACKAGES: &[(&str, Hostile)] = &[
    ("an id that leaves the directory", |_, good| Ok(with(good, "/id", "../../outside"))),
    ("an id that is the store's own folder", |_, good| Ok(with(good, "/id", ".stellatune"))),
    ("an absolute id", |_, good| Ok(with(good, "/id", "/tmp/outside"))),
    ("an id with a control character", |_, good| Ok(with(good, "/id", "a.b\u{1b}[2J"))),
    ("a version that leaves the directory", |_, good| Ok(with(good, "/version", "../../../outside"))),
    ("a version with a control character", |_, good| Ok(with(good, "/version", "1\n2"))),
    ("a component id that leaves the directory", |_, good| Ok(with(good, "/components/0/id", "../../outside"))),
    ("a path that leaves the package", |_, good| Ok(with(good, "/components/0/path", "../../neighbour.wasm"))),
    ("an absolute path", |_, good| Ok(with(good, "/components/0/path", "/etc/hostname"))),
    ("a path that is not there", |_, good| Ok(with(good, "/components/0/path", "wasm/missing.wasm"))),
    ("a link in place of the component", |dir, good| {
        fs::remove_file(component(dir))?;
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/hostname", component(dir))?;
        Ok(good.to_string())
    }),
    ("a manifest that is no JSON", |_, _| Ok("{ \"schema_version\": 1, ".to_owned())),
    ("a manifest nested without end", |_, _| Ok("[".repeat(100_000))),
    ("a manifest of another schema", |_, mut good| {
        good["schema_version"] = json!(2);
        Ok(good.to_string())
    }),
    ("two manifests", |dir, good| {
        // Valid as well: its component lies beside it.
        let name = component(dir).file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::write(dir.join("wasm/plugin.json"), with(good.clone(), "/components/0/path", &name))?;
        Ok(good.to_string())
    }),
    ("a core module in place of a component", |dir, good| {
        fs::write(component(dir), b"\0asm\x01\0\0\0")?;
        Ok(good.to_string())
    }),
    ("machine code in place of a component", |dir, good| {
        fs::copy(std::env::current_exe()?, component(dir))?;
        Ok(good.to_string())
    }),
    ("a component cut off in the middle", |dir, good| {
        let bytes = fs::read(component(dir))?;
        fs::write(component(dir), &bytes[..bytes.len() / 2])?;
        Ok(good.to_string())
    }),
    ("a component of another world", |_, good| Ok(with(good, "/components/0/world", "lyrics-plugin"))),
];

fn measure(_: &Settings) -> Result<Measured> {
    let house = tempfile::tempdir()?;
    let good = root().join("plugins/prebuilt/symphonia");
    let runtime =
        Runtime::builder(stellatune_plugins::engine(None)?).plugins_dir(house.path().join("plugins")).build()?;
    block_on(runtime.install(&good))?;
    fs::write(house.path().join("neighbour.wasm"), "not the plugin's")?;

    let before = snapshot(house.path())?;
    let mut faults = Vec::new();
    for (name, hostile) in PACKAGES {
        let package = tempfile::tempdir()?;
        copy(&good, package.path())?;
        let manifest = package.path().join("plugin.json");
        let text = hostile(package.path(), serde_json::from_slice(&fs::read(&manifest)?)?)?;
        fs::write(&manifest, text)?;
        if let Err(error) = refused(&runtime, package.path(), house.path(), &before) {
            faults.push(format!("{name}: {error:#}"));
        }
    }
    Ok(Measured { value: faults.len() as f64, n: PACKAGES.len(), spreads: Vec::new(), faults })
}

fn refused(runtime: &Runtime, package: &Path, house: &Path, before: &Snapshot) -> Result<()> {
    let error = block_on(runtime.install(package)).err().context("it was installed")?;
    ensure!(error.rule().is_some(), "the error names no rule: {error}");
    let after = snapshot(house)?;
    let changed = before
        .iter()
        .chain(&after)
        .find(|(path, kept)| before.get(*path) != Some(kept) || after.get(*path) != Some(kept));
    ensure!(changed.is_none(), "{} changed", changed.map(|(path, _)| path.display().to_string()).unwrap_or_default());
    Ok(())
}

/// Every file and folder below a folder, with what is in it.
type Snapshot = BTreeMap<PathBuf, Option<Vec<u8>>>;

fn snapshot(dir: &Path) -> io::Result<Snapshot> {
    let mut found = Snapshot::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if fs::symlink_metadata(&path)?.is_dir() {
            found.extend(snapshot(&path)?);
            found.insert(path, None);
        } else {
            let bytes = fs::read(&path)?;
            found.insert(path, Some(bytes));
        }
    }
    Ok(found)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&to)?;
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

fn component(package: &Path) -> PathBuf {
    package.join("wasm/symphonia.wasm")
}

/// The manifest with another text at one place.
fn with(mut manifest: Value, at: &str, text: &str) -> String {
    if let Some(value) = manifest.pointer_mut(at) {
        *value = json!(text);
    }
    manifest.to_string()
}

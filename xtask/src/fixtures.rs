//! `cargo xtask fixtures`: the guests that are committed as wasm, and the proof that they belong to their sources.
//!
//! A fresh clone must run without a Wasm toolchain, so guests are built here and committed. Each carries, in a custom
//! section, a hash of all it was built from; [`check`] needs no toolchain to tell which ones are stale. It does not
//! compare bytes of a rebuild: another compiler may write other bytes.

mod build;
mod wasm;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// Custom section that holds the hash of the sources, as hexadecimal text.
const SECTION: &str = "stellatune:source";
/// What guests of every workspace are built from, next to their own folder and workspace files.
const SHARED_SOURCES: [&str; 2] = ["crates/sdk", "wit"];
/// Crate of a workspace that its guests may use.
const SHARED_CRATE: &str = "shared";

/// A guest and where its wasm is committed.
struct Guest {
    /// Name of the prebuilt file.
    name: &'static str,
    kind: Kind,
    /// Its crate: the folder and the package share the name.
    package: &'static str,
    /// Cargo feature it is built with.
    feature: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One of our plugins: a package folder with its manifest.
    Plugin,
    /// The module that one of our plugins has for the hot path, in the same package: the same crate, for another target.
    HotModule,
    /// Made for tests: the wasm alone.
    Fixture,
    /// The module that one of those has for the hot path.
    FixtureModule,
}

const GUESTS: [Guest; 20] = [
    Guest { name: "equalizer", kind: Kind::Plugin, package: "equalizer", feature: None },
    Guest { name: "equalizer_hot", kind: Kind::HotModule, package: "equalizer", feature: None },
    Guest { name: "symphonia", kind: Kind::Plugin, package: "symphonia", feature: None },
    fixture("edge-decoder", "edge-decoder", None),
    fixture("hook-loop-enable", "hook-decoder", Some("loop-enable")),
    fixture("hook-trap-enable", "hook-decoder", Some("trap-enable")),
    fixture("hook-error-enable", "hook-decoder", Some("error-enable")),
    fixture("hook-loop-disable", "hook-decoder", Some("loop-disable")),
    fixture("hook-trap-disable", "hook-decoder", Some("trap-disable")),
    fixture("hook-error-disable", "hook-decoder", Some("error-disable")),
    fixture("echo-source", "echo-source", None),
    fixture("echo-lyrics", "echo-lyrics", None),
    fixture("echo-sink", "echo-sink", None),
    fixture("echo-dsp", "echo-dsp", None),
    fixture("biquad-dsp", "biquad-dsp", None),
    fixture("hot-sink", "hot-sink", None),
    Guest { name: "hot-sink-module", kind: Kind::FixtureModule, package: "hot-sink", feature: None },
    fixture("std-lyrics", "std-lyrics", None),
    fixture("host-calls", "host-calls", None),
    fixture("many-abilities", "many-abilities", None),
];

const fn fixture(name: &'static str, package: &'static str, feature: Option<&'static str>) -> Guest {
    Guest { name, kind: Kind::Fixture, package, feature }
}

/// Builds what is stale, or checks with `--check` that nothing is.
///
/// # Errors
/// A stale guest, an unknown name, a build that fails.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    if arguments == ["--check"] {
        return check(root);
    }
    let (options, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.starts_with("--"));
    let all = match options[..] {
        [] => false,
        [option] if option == "--all" => true,
        _ => bail!("unknown options {options:?}; there are --all and --check"),
    };
    for name in &names {
        ensure!(GUESTS.iter().any(|guest| guest.name == *name), "there is no guest `{name}`");
    }
    let chosen = |guest: &&Guest| names.is_empty() || names.iter().any(|name| *name == guest.name);
    for guest in GUESTS.iter().filter(chosen) {
        let fault = fault(root, guest)?;
        if all || fault.is_some() {
            eprintln!("building {} ({})", guest.name, fault.as_deref().unwrap_or("asked to"));
            build::build(root, guest)?;
        }
    }
    Ok(())
}

/// Compares every committed guest with its sources.
///
/// # Errors
/// Names each guest that is stale, missing or unknown.
fn check(root: &Path) -> Result<()> {
    let mut faults = Vec::new();
    for guest in &GUESTS {
        if let Some(fault) = fault(root, guest)? {
            faults.push(format!("{}: {fault}", guest.name));
        }
    }
    faults.extend(strangers(root)?.into_iter().map(|path| format!("{path}: no guest is built there")));
    if faults.is_empty() {
        eprintln!("{} guests belong to their sources", GUESTS.len());
        return Ok(());
    }
    bail!("prebuilt guests do not belong to their sources; run `cargo xtask fixtures`\n  {}", faults.join("\n  "))
}

/// What is wrong with a committed guest, if anything.
fn fault(root: &Path, guest: &Guest) -> Result<Option<String>> {
    let path = root.join(guest.prebuilt());
    let Ok(wasm) = fs::read(&path) else { return Ok(Some("not built yet".to_owned())) };
    let recorded = wasm::custom_section(&wasm, SECTION).with_context(|| format!("{}", path.display()))?;
    let recorded = recorded.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    if recorded.as_deref() != Some(source_hash(root, guest)?.as_str()) {
        return Ok(Some("its sources have moved on".to_owned()));
    }
    for (from, to) in guest.copies() {
        if fs::read(root.join(&from))? != fs::read(root.join(&to)).unwrap_or_default() {
            return Ok(Some(format!("{to} differs from {from}")));
        }
    }
    Ok(None)
}

/// Files in the folders of prebuilt guests that belong to none.
fn strangers(root: &Path) -> Result<Vec<String>> {
    let mut known = BTreeSet::new();
    for guest in &GUESTS {
        known.insert(guest.prebuilt());
        known.extend(guest.copies().into_iter().map(|(_, to)| to));
    }
    let mut found = Vec::new();
    for folder in ["fixtures/prebuilt", "plugins/prebuilt"] {
        files(root, Path::new(folder), &mut found)?;
    }
    Ok(found.into_iter().filter(|path| !known.contains(path)).collect())
}

/// Hash over everything a guest is built from: how it is built, and each file with its path, in order of the paths.
fn source_hash(root: &Path, guest: &Guest) -> Result<String> {
    let workspace = guest.workspace();
    let mut paths: Vec<String> =
        ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"].iter().map(|file| format!("{workspace}/{file}")).collect();
    files(root, Path::new(&guest.folder()), &mut paths)?;
    for folder in SHARED_SOURCES {
        files(root, Path::new(folder), &mut paths)?;
    }
    files(root, Path::new(&format!("{workspace}/{SHARED_CRATE}")), &mut paths)?;
    paths.sort();
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(guest.target().as_bytes());
    add(guest.feature.unwrap_or_default().as_bytes());
    for path in paths {
        add(path.as_bytes());
        add(&fs::read(root.join(&path)).with_context(|| path.clone())?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Collects the files below a folder, as paths from the root with `/` between the names. Build output is passed over.
fn files(root: &Path, folder: &Path, found: &mut Vec<String>) -> Result<()> {
    let entries = match fs::read_dir(root.join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("{}", folder.display())),
    };
    for entry in entries {
        let entry = entry?;
        let path: PathBuf = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "target" {
                files(root, &path, found)?;
            }
        } else {
            let names: Vec<_> = path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
            found.push(names.join("/"));
        }
    }
    Ok(())
}

impl Guest {
    /// Folder of the Cargo workspace it belongs to.
    fn workspace(&self) -> &'static str {
        match self.kind {
            Kind::Plugin | Kind::HotModule => "plugins",
            Kind::Fixture | Kind::FixtureModule => "fixtures/rs",
        }
    }

    /// Folder of its crate.
    fn folder(&self) -> String {
        format!("{}/{}", self.workspace(), self.package)
    }

    /// Name of its Cargo package.
    fn cargo_package(&self) -> String {
        match self.kind {
            Kind::Plugin | Kind::HotModule => format!("stellatune-plugin-{}", self.package),
            Kind::Fixture | Kind::FixtureModule => self.package.to_owned(),
        }
    }

    /// What it is built for: WASI for components, nothing at all for modules.
    fn target(&self) -> &'static str {
        match self.kind {
            Kind::Plugin | Kind::Fixture => "wasm32-wasip2",
            Kind::HotModule | Kind::FixtureModule => "wasm32-unknown-unknown",
        }
    }

    /// Where its wasm is committed.
    fn prebuilt(&self) -> String {
        match self.kind {
            Kind::Plugin | Kind::HotModule => format!("plugins/prebuilt/{}/wasm/{}.wasm", self.package, self.name),
            Kind::Fixture | Kind::FixtureModule => format!("fixtures/prebuilt/{}.wasm", self.name),
        }
    }

    /// Files that are committed beside it as they are, from and to.
    fn copies(&self) -> Vec<(String, String)> {
        match self.kind {
            Kind::Plugin => {
                vec![(format!("{}/plugin.json", self.folder()), format!("plugins/prebuilt/{}/plugin.json", self.name))]
            }
            Kind::HotModule | Kind::Fixture | Kind::FixtureModule => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prebuilt_guests_belong_to_their_sources() -> Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository")?;
        check(root)
    }

    #[test]
    fn a_changed_source_makes_its_guests_stale_and_no_others() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        for guest in &GUESTS {
            let workspace = root.join(guest.workspace());
            fs::create_dir_all(workspace.join(".cargo"))?;
            fs::create_dir_all(root.join(guest.folder()))?;
            fs::write(root.join(guest.folder()).join("lib.rs"), guest.package)?;
            for file in ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"] {
                fs::write(workspace.join(file), file)?;
            }
        }
        let hashes = || GUESTS.iter().map(|guest| source_hash(root, guest)).collect::<Result<Vec<_>>>();
        let before = hashes()?;
        assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), GUESTS.len(), "each guest has a hash of its own");

        fs::write(root.join("fixtures/rs/echo-dsp/lib.rs"), "changed")?;
        let after = hashes()?;
        let changed = GUESTS.iter().zip(before.iter().zip(&after)).filter(|(_, (before, after))| before != after);
        assert_eq!(changed.map(|(guest, _)| guest.name).collect::<Vec<_>>(), ["echo-dsp"]);

        let before = hashes()?;
        fs::create_dir_all(root.join("fixtures/rs/shared/src"))?;
        fs::write(root.join("fixtures/rs/shared/src/lib.rs"), "changed")?;
        for (guest, (before, after)) in GUESTS.iter().zip(before.iter().zip(&hashes()?)) {
            assert_eq!(before != after, guest.workspace() == "fixtures/rs", "{}", guest.name);
        }

        fs::create_dir_all(root.join("wit"))?;
        fs::write(root.join("wit/common.wit"), "changed")?;
        assert!(after.iter().zip(hashes()?).all(|(before, after)| *before != after));
        Ok(())
    }
}

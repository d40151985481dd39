//! The guests made for tests: `fixtures/wat/*.wat` and `fixtures/wat-hot/*.wat` (compiled here), `fixtures/prebuilt/*.wasm`,
//! and our own decoder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::wat::{self, StringEncoding};

/// Our own decoder, which is a plugin and no fixture, but decodes in most cases.
pub(crate) const SYMPHONIA: &str = "symphonia";

/// What names of hot-path fixtures begin with.
const HOT: &str = "hot/";

/// The folder `fixtures/<name>`.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The component of a fixture.
pub(crate) fn wasm(name: &str) -> Vec<u8> {
    if folder("wat").join(name).with_extension("wat").exists() {
        return wasm_in(name, StringEncoding::UTF8);
    }
    if name == SYMPHONIA {
        return read(&plugin().join("wasm").join("symphonia.wasm"));
    }
    read(&folder("prebuilt").join(name).with_extension("wasm"))
}

/// The component of a fixture that is text, whose strings are encoded so.
pub(crate) fn wasm_in(name: &str, encoding: StringEncoding) -> Vec<u8> {
    let text = read(&folder("wat").join(name).with_extension("wat"));
    let text = String::from_utf8(text).unwrap_or_else(|error| panic!("fixture {name}: {error}"));
    wat::component_in(&text, encoding).unwrap_or_else(|error| panic!("fixture {name}: {error:#}"))
}

/// The text of a hot-path fixture, `hot/<name>`.
pub(crate) fn hot_text(name: &str) -> String {
    let stem = name.strip_prefix(HOT).unwrap_or(name);
    let path = folder("wat-hot").join(stem).with_extension("wat");
    String::from_utf8(read(&path)).unwrap_or_else(|error| panic!("fixture {name}: {error}"))
}

/// Our equaliser's package.
pub(crate) fn equalizer() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins").join("prebuilt").join("equalizer")
}

/// Our own decoder's package.
pub(crate) fn plugin() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins").join("prebuilt").join(SYMPHONIA)
}

/// A file of `fixtures/audio`.
pub(crate) fn audio(name: &str) -> Vec<u8> {
    read(&folder("audio").join(name))
}

/// The names of the files of `fixtures/audio` that end in `ext`.
pub(crate) fn audio_files(ext: &str) -> Vec<String> {
    files("audio", ext).into_iter().map(|path| file_name(&path)).collect()
}

/// The names of all fixtures.
pub(crate) fn all() -> Vec<String> {
    let mut paths = files("wat", "wat");
    paths.extend(files("prebuilt", "wasm"));
    let hot = files("wat-hot", "wat");
    paths.iter().map(|path| stem(path)).chain(hot.iter().map(|path| format!("{HOT}{}", stem(path)))).collect()
}

/// Whether there are fixtures at all, and whether the texts say what they are for.
pub(crate) fn check() -> Result<(), String> {
    for (name, ext) in [("wat", "wat"), ("wat-hot", "wat"), ("prebuilt", "wasm"), ("audio", "flac"), ("audio", "wav")] {
        if files(name, ext).is_empty() {
            return Err(format!("no *.{ext} in fixtures/{name}"));
        }
    }
    for path in files("wat", "wat").into_iter().chain(files("wat-hot", "wat")) {
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        for key in ["threat", "for"] {
            if wat::front_matter(&text, key).is_none() {
                return Err(format!("{} does not begin with a line `;; {key}: ...`", path.display()));
            }
        }
    }
    Ok(())
}

fn files(name: &str, ext: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder(name)) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|found| found == ext)).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

//! What the benches and `cargo xtask figures` measure, written once: the plugin's side and the native baseline.

pub(crate) mod component;
pub(crate) mod hot;
pub(crate) mod native;
pub(crate) mod plugin;
pub(crate) mod seam;

use std::path::{Path, PathBuf};

/// A file of `fixtures/audio`.
pub(crate) fn audio(name: &str) -> PathBuf {
    root().join("fixtures/audio").join(name)
}

/// The repository's root, from the manifest of this package or of one directly below it.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().find(|dir| dir.join("fixtures/audio").is_dir()).unwrap_or(here)
}

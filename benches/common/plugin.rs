//! The same work through an installed plugin and the library's public API, as an application does it.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result};
use pollster::block_on;
use stellatune_plugins::{Decoder, DecoderChoice, Engine, Input, Runtime, RuntimeBuilder};
use tempfile::TempDir;

/// Frames an application asks for at a time when it decodes a whole file.
const READ_FRAMES: u32 = 65_536;

/// Frames a player asks for first: a packet of the demo, which is what native code decodes first.
const FIRST_FRAMES: u32 = 4_096;

/// A plugins directory with plugins installed; gone when dropped.
pub(crate) struct Plugins {
    dir: TempDir,
    engine: Arc<dyn Engine>,
}

impl Plugins {
    /// Installs the repository's decoder, to be run on `engine`.
    pub(crate) fn symphonia(engine: &str) -> Result<Self> {
        Self::of(engine, &super::root().join("plugins/prebuilt/symphonia"))
    }

    /// Installs a package.
    pub(crate) fn of(engine: &str, package: &Path) -> Result<Self> {
        Self::on(stellatune_plugins::engine(Some(engine))?, package)
    }

    /// Installs a package, to be run on an engine that is not one of the library's.
    pub(crate) fn on(engine: Arc<dyn Engine>, package: &Path) -> Result<Self> {
        let plugins = Self { dir: TempDir::new()?, engine };
        let runtime = plugins.runtime()?;
        block_on(runtime.install(package)).with_context(|| format!("cannot install {}", package.display()))?;
        Ok(plugins)
    }

    /// What a runtime on these plugins is made with; compiled code is kept beside them.
    pub(crate) fn builder(&self) -> RuntimeBuilder {
        Runtime::builder(Arc::clone(&self.engine)).plugins_dir(self.dir.path())
    }

    /// A runtime as a player that starts makes it.
    pub(crate) fn runtime(&self) -> Result<Runtime> {
        Ok(self.builder().build()?)
    }
}

/// Opens a file with the decoder its extension asks for.
pub(crate) fn open(runtime: &Runtime, path: &Path) -> Result<Decoder> {
    Ok(block_on(runtime.open_decoder(&Input::file(path), &DecoderChoice::Auto))?)
}

/// The first samples, as few as make sense.
pub(crate) fn first(decoder: &mut Decoder) -> Result<Vec<f32>> {
    read(decoder, FIRST_FRAMES)
}

/// The next samples, as many as an application asks for at a time; none at the end.
pub(crate) fn block(decoder: &mut Decoder) -> Result<Vec<f32>> {
    read(decoder, READ_FRAMES)
}

/// Decodes the rest; says how many samples that were.
pub(crate) fn decode(decoder: &mut Decoder) -> Result<usize> {
    let mut samples = 0;
    loop {
        let block = std::hint::black_box(block(decoder)?);
        if block.is_empty() {
            return Ok(samples);
        }
        samples += block.len();
    }
}

/// The rest, decoded.
pub(crate) fn samples(decoder: &mut Decoder) -> Result<Vec<f32>> {
    let mut samples = Vec::new();
    loop {
        let block = block(decoder)?;
        if block.is_empty() {
            return Ok(samples);
        }
        samples.extend(block);
    }
}

fn read(decoder: &mut Decoder, frames: u32) -> Result<Vec<f32>> {
    Ok(block_on(decoder.read(frames))?.map_or_else(Vec::new, |block| block.samples))
}

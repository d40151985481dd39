//! DSPs as components: at the engine seam, and as an application has them, each call a hop to the thread of its instance.

use std::{fs, sync::Arc};

use anyhow::{Context, Result};
use pollster::block_on;
use stellatune_plugin_core::{
    capability,
    engine::{Instance, Program},
    table::ObjectId,
};
use stellatune_plugins::{DspOptions, Runtime, types::CoreModuleSpec};
use tempfile::TempDir;

use super::{
    hot::{Dsp, STREAM},
    plugin::Plugins,
    seam::Seam,
};

/// A component that is compiled.
pub(crate) struct Loaded {
    program: Arc<dyn Program>,
    config: Option<&'static str>,
}

impl Loaded {
    pub(crate) fn new(engine: &str, dsp: Dsp) -> Result<Self> {
        let engine = stellatune_plugins::engine(Some(engine))?;
        let path = super::root().join(dsp.component);
        let wasm = fs::read(&path).with_context(|| path.display().to_string())?;
        Ok(Self { program: engine.load(&engine.compile(&wasm)?)?, config: dsp.config })
    }

    /// An instance of it, configured.
    pub(crate) fn component(&self) -> Result<Component> {
        let mut seam = Seam::of(&*self.program)?;
        let processor = seam.call(|it| dsp(it).create(STREAM))?;
        if let Some(config) = self.config {
            seam.call(|it| it.apply_config(processor, config))?;
        }
        Ok(Component { seam, processor })
    }
}

/// A component at the engine seam.
pub(crate) struct Component {
    seam: Seam,
    processor: ObjectId,
}

impl Component {
    /// A block, as the bytes of its samples.
    pub(crate) fn process(&mut self, input: &[u8]) -> Vec<u8> {
        let processed = self.seam.call(|it| dsp(it).process_interleaved_f32(self.processor, STREAM.channels, input));
        processed.expect("it processes")
    }

    /// What it exports.
    pub(crate) fn state(&mut self) -> Result<Option<String>> {
        Ok(self.seam.call(|it| it.export_state(self.processor))?)
    }

    /// What it says of its hot-path module.
    pub(crate) fn described(&mut self) -> Result<Option<CoreModuleSpec>> {
        Ok(self.seam.call(|it| dsp(it).describe_hot_path(self.processor, STREAM))?)
    }
}

fn dsp(instance: &mut dyn Instance) -> &mut dyn capability::Dsp {
    instance.dsp().expect("it is a DSP")
}

/// An installed component, on a runtime that never uses its module.
pub(crate) struct Installed {
    runtime: Runtime,
    config: Option<String>,
    _plugins: Plugins,
}

impl Installed {
    pub(crate) fn new(engine: &str, dsp: Dsp) -> Result<Self> {
        let package = TempDir::new()?;
        let manifest = serde_json::json!({
            "schema_version": 1,
            "id": "bench.dsp",
            "name": dsp.name,
            "version": "1.0.0",
            "api_version": 1,
            "components": [{
                "id": "dsp",
                "path": "wasm/dsp.wasm",
                "world": "stellatune:plugin/dsp-plugin@0.1.0",
                "abilities": [{ "kind": "dsp", "type_id": "bench" }],
            }],
        });
        fs::create_dir(package.path().join("wasm"))?;
        fs::write(package.path().join("plugin.json"), manifest.to_string())?;
        fs::copy(super::root().join(dsp.component), package.path().join("wasm/dsp.wasm"))?;
        let plugins = Plugins::of(engine, package.path())?;
        Ok(Self { runtime: plugins.runtime()?, config: dsp.config.map(str::to_owned), _plugins: plugins })
    }

    pub(crate) fn open(&self) -> Result<stellatune_plugins::Dsp> {
        let options = DspOptions { config: self.config.clone(), component_only: true };
        Ok(block_on(self.runtime.open_dsp(&"bench.dsp:bench".parse()?, STREAM, &options))?)
    }
}

/// A block as guests take it.
pub(crate) fn bytes(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// A block through the actor.
pub(crate) fn process(dsp: &mut stellatune_plugins::Dsp, input: &[f32], output: &mut [f32]) {
    output.copy_from_slice(input);
    block_on(dsp.process(output)).expect("it processes");
}
